"""Choosing a time: five days to tap, and the windows of one of them, full ones included (interface.md §8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from appointments.availability import Grid, Needs
from appointments.booking import HORIZON
from appointments.models import ArrivalWindow, Hold, WaitlistOffer
from appointments.states import DayPart
from appointments.windows import Window, site_zone, windows_of
from appointments.wording import hours_text
from common import clockface

DAYS_SHOWN = 5
# How far one page looks for the first free day; it is read at once (appointments.availability.Grid).
DAYS_READ = 30
PART_ICONS = {DayPart.MORNING: "sunrise", DayPart.AFTERNOON: "sun", DayPart.EVENING: "moon"}


def moment(text: str) -> datetime | None:
    """The instant that a radio's value spells; None for anything else, for one without a zone or of another age."""
    try:
        value = parse_datetime(text)
    except ValueError:
        return None
    return value if value is not None and value.tzinfo is not None and 2000 <= value.year < 3000 else None


def value_of(starts_at: datetime) -> str:
    """How an instant is written into a radio."""
    return starts_at.isoformat(timespec="minutes")


def short_day(day: date) -> str:
    """`Sun 22 Nov`, without a doubt about the weekday."""
    return _("%(weekday)s %(day)s") % {
        "weekday": clockface.weekday(_noon(day)),
        "day": date_format(day, pgettext("day and month", "j M")),
    }


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=site_zone())


def short_window(window: Window) -> str:
    """`Sun 22 Nov, 10:00–12:00`."""
    return pgettext("a window of a day", "%(day)s, %(hours)s") % {
        "day": short_day(window.day),
        "hours": hours_text(*_ends(window)),
    }


def _ends(window: Window) -> tuple[datetime, datetime]:
    return window.starts_at, window.ends_at


@dataclass(frozen=True)
class Day:
    """One of the five days; `words` says what is left of it."""

    day: date
    name: str
    words: str
    free: bool
    current: bool

    @property
    def key(self) -> str:
        return self.day.isoformat()


@dataclass(frozen=True)
class Slot:
    """One window of the day shown."""

    window: Window
    words: str
    free: bool
    few: bool = False
    present: bool = False
    chosen: bool = False

    @property
    def value(self) -> str:
        return value_of(self.window.starts_at)

    @property
    def hours(self) -> str:
        return hours_text(*_ends(self.window))

    @property
    def said(self) -> str:
        return short_window(self.window)


@dataclass(frozen=True)
class Part:
    """Morning, afternoon or evening."""

    icon: str
    name: str
    slots: list[Slot]


class Kept:
    """Until when a window is kept for somebody: of a hold or of a waitlist offer."""

    def __init__(self, row: Hold | WaitlistOffer) -> None:
        self.expires_at = row.expires_at
        self.extended: bool = getattr(row, "extended", False)

    @property
    def until(self) -> str:
        return f"{self.expires_at.astimezone(site_zone()):%H:%M}"

    @property
    def until_ms(self) -> str:
        return str(int(self.expires_at.timestamp() * 1000))


class Picker:
    """The page of times for a visit with certain needs, from one reading of the calendar.

    `since` is the first of the five days and `day` the one opened, both as people may have typed them into the
    address; `present` is the visit's own window, `chosen` the one that is ticked, `hold` the key of what is kept.
    """

    def __init__(
        self,
        needs: Needs,
        *,
        at: datetime,
        since: str = "",
        day: str = "",
        chosen: datetime | None = None,
        present: Window | None = None,
        hold: str = "",
    ) -> None:
        self.needs, self.at, self.chosen, self.present = needs, at, chosen, present
        self.today = Window(at, at).day
        self.last = Window(at + HORIZON, at).day
        self.notice = ""
        self._as_chosen = False
        self._opened = self._asked(day)
        if self._opened is None and chosen is not None and self.today <= Window(chosen, chosen).day <= self.last:
            self._opened = Window(chosen, chosen).day
            self._as_chosen = True
        self.since = self._begin(self._asked(since))
        until = min(self.since + timedelta(days=DAYS_READ - 1), self.last)
        self.grid = Grid(self.since, until, at=at, own_hold=hold)
        self._rooms: dict[date, list[tuple[Window, int]]] = {}
        self._settle()

    def _asked(self, text: str) -> date | None:
        """A day from the address, if one can book on it."""
        if not text:
            return None
        try:
            day = parse_date(text)
        except ValueError:
            day = None
        if day is None or day < self.today:
            self.notice = _("This day has passed or does not exist. Please choose one of these.")
            return None
        if day > self.last:
            self.notice = _("Please choose a day within the next %(days)s days.") % {"days": HORIZON.days}
            return None
        return day

    def _begin(self, since: date | None) -> date:
        opened = self._opened
        if since is None:
            since = self.today
            if opened is not None and opened >= since + timedelta(days=DAYS_SHOWN):
                since = opened
        elif opened is not None and not since <= opened < since + timedelta(days=DAYS_SHOWN):
            self._opened = None
        return since

    def _settle(self) -> None:
        """Open a day: the one asked for, else the first with room; where the five have none, go on to the first."""
        if not self.rooms(self.since) and self.since == self.today:
            self.since += timedelta(days=1)  # no window of today is to come
        if self._as_chosen and self.first_free in self._shown and not self._left(self._opened or self.since):
            self._opened = None  # what was chosen before is full now, or for the work that was added
        if self._opened is not None and self._opened >= self.since:
            self.opened = self._opened
            return
        first = self.first_free
        if first is not None and first >= self.since + timedelta(days=DAYS_SHOWN) and self.since <= self._tomorrow:
            self.since = first
        self.opened = first if first is not None and first in self._shown else self.since

    @property
    def _tomorrow(self) -> date:
        return self.today + timedelta(days=1)

    def rooms(self, day: date) -> list[tuple[Window, int]]:
        """The windows of a day that are still to come, with the room in each."""
        if day not in self._rooms:
            self._rooms[day] = [
                (window, self.grid.room(window, self.needs))
                for window in self._by_day.get(day, [])
                if window.starts_at > self.at
            ]
        return self._rooms[day]

    @cached_property
    def _by_day(self) -> dict[date, list[Window]]:
        found: dict[date, list[Window]] = {}
        for window in self.grid.windows:
            found.setdefault(window.day, []).append(window)
        return found

    @cached_property
    def first_free(self) -> date | None:
        """The first day with room among those read."""
        return next((day for day in sorted(self._by_day) if self._left(day)), None)

    def _left(self, day: date) -> int:
        return sum(room for _window, room in self.rooms(day))

    @property
    def _shown(self) -> list[date]:
        days = [self.since + timedelta(days=number) for number in range(DAYS_SHOWN)]
        return [day for day in days if day <= self.last]

    # --- what the page shows

    @cached_property
    def days(self) -> list[Day]:
        # Only from today on is the first free day known to be the earliest.
        earliest = self.first_free if self.grid.windows and self._by_day_begins_today else None
        return [self._day(day, earliest) for day in self._shown]

    @property
    def _by_day_begins_today(self) -> bool:
        return min(self._by_day) == self.today

    def _day(self, day: date, earliest: date | None) -> Day:
        left = self._left(day)
        if left == 0:
            words = pgettext("a day without room", "Full")
        elif left == 1:
            words = _("1 left")
        elif day == earliest:
            words = _("Earliest")
        else:
            words = pgettext("day or window with room", "Free")
        name = _("Today") if day == self.today else clockface.weekday(_noon(day))
        return Day(day, name, words, left > 0, day == self.opened)

    @cached_property
    def parts(self) -> list[Part]:
        """The windows of the opened day under morning, afternoon and evening."""
        found = []
        for part, icon in PART_ICONS.items():
            slots = [self._slot(window, room) for window, room in self.rooms(self.opened) if window.part == part]
            if slots:
                found.append(Part(icon, str(part.label), slots))
        return found

    def _slot(self, window: Window, room: int) -> Slot:
        if self.present is not None and window.starts_at == self.present.starts_at:
            return Slot(window, _("Your time now"), free=False, present=True)
        if not room:
            return Slot(window, pgettext("a window without room", "Full"), free=False)
        chosen = self.chosen == window.starts_at
        if room == 1:
            return Slot(window, _("1 left"), free=True, few=True, chosen=chosen)
        return Slot(window, pgettext("day or window with room", "Free"), free=True, chosen=chosen)

    @property
    def selected(self) -> Slot | None:
        return next((slot for part in self.parts for slot in part.slots if slot.chosen), None)

    @property
    def heading(self) -> str:
        """The month or months of the five days."""
        first, last = self._shown[0], self._shown[-1]
        months = [date_format(first, pgettext("a month as a heading", "F"))]
        if last.month != first.month:
            months.append(date_format(last, pgettext("a month as a heading", "F")))
        return pgettext("between two months", " / ").join(months)

    @property
    def opened_words(self) -> str:
        return short_day(self.opened)

    @property
    def later(self) -> str:
        """The first day of the next five; empty at the end of what can be booked."""
        following = self.since + timedelta(days=DAYS_SHOWN)
        if self.first_free is None:
            following = self.since + timedelta(days=DAYS_READ)
        return following.isoformat() if following <= self.last else ""

    @property
    def earlier(self) -> str:
        """The first day of the five before; empty at the beginning."""
        if self.since <= self._tomorrow:
            return ""
        return max(self.since - timedelta(days=DAYS_SHOWN), self.today).isoformat()

    @property
    def nothing(self) -> str:
        """That nothing is free in what was read, and until when; empty where something is."""
        if self.first_free is not None:
            return ""
        until = min(self.since + timedelta(days=DAYS_READ - 1), self.last)
        return _("No time is free until %(day)s.") % {"day": short_day(until)}


def window_at(starts_at: datetime) -> Window | None:
    """The arrival window that begins then, whether free or not; None where none does."""
    day = Window(starts_at, starts_at).day
    patterns = ArrivalWindow.objects.filter(active=True)
    return next((window for window in windows_of(day, patterns) if window.starts_at == starts_at), None)
