"""Who could come, and when: shifts, skills, certificates and areas, minus reservations and travel (architecture.md §6).

`Grid` reads everything once, whatever the number of days and technicians, and then answers from memory. It promises
nothing: the reservation's constraint does.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.errors import Sentence
from customers.models import Region
from staff.ability import Ability, abilities
from staff.models import User
from staff.permissions import Role
from staff.rota import Span, working_spans

from .models import ArrivalWindow, Reservation, ServiceArea, VisitService
from .windows import Window, day_begins, windows_between

TRAVEL_NEAR = timedelta(minutes=30)
TRAVEL_FAR = timedelta(minutes=60)


@dataclass(frozen=True)
class Needs:
    """What a visit asks for: skills with levels, minutes of work, hands, and the region it lies in."""

    skills: tuple[tuple[str, int], ...]
    minutes: int
    crew: int
    region_id: int | None

    @classmethod
    def of(cls, services: Sequence[VisitService], region: Region | None) -> Needs:
        """The needs of all `services` done in one visit: the work adds up, the crew is the largest of them."""
        levels: dict[str, int] = {}
        for service in services:
            levels[service.skill] = max(service.level, levels.get(service.skill, 0))
        return cls(
            skills=tuple(sorted(levels.items())),
            minutes=sum(service.minutes for service in services),
            crew=max((service.crew for service in services), default=1),
            region_id=region.pk if region else None,
        )

    @property
    def work(self) -> timedelta:
        return timedelta(minutes=self.minutes)


@dataclass(frozen=True)
class Taken:
    """A stretch of a technician's day that is reserved."""

    starts_at: datetime
    visit_at: datetime
    until: datetime
    region_id: int | None
    appointment_id: int | None
    hold_id: int | None


_starts_at = attrgetter("starts_at")


def travel(here: int | None, there: int | None) -> timedelta:
    """How long the way between two regions takes; within one region, or where one is unknown, the short way."""
    return TRAVEL_NEAR if here is None or there is None or here == there else TRAVEL_FAR


def too_far(taken: Taken, window: Window, needs: Needs) -> Sentence | None:
    """Why the way between a visit in another window and this one takes too long, in words; None where it does not."""
    way = travel(taken.region_id, needs.region_id)
    if taken.visit_at < window.starts_at < taken.until + way:
        return _("Cannot be there in time from the visit before.")
    if window.starts_at < taken.visit_at < window.starts_at + needs.work + way:
        return _("Would be late for the visit after.")
    return None


class Grid:
    """The technicians' time from `first` to `last` (local dates, both included), in eight statements.

    `own_hold` is the key of a hold that takes nothing away: whoever has it may have that window.
    """

    def __init__(
        self, first: date, last: date, *, at: datetime, only: Iterable[int] | None = None, own_hold: str = ""
    ) -> None:
        self.at = at
        self.windows = windows_between(first, last, ArrivalWindow.objects.filter(active=True))
        people = User.objects.filter(is_active=True, role=Role.TECHNICIAN).select_related("team")
        if only is not None:
            people = people.filter(pk__in=list(only))
        self.technicians: dict[int, User] = {person.pk: person for person in people}
        keys = list(self.technicians)
        start, end = day_begins(first), day_begins(last + timedelta(days=1))
        self.spans: dict[int, list[Span]] = working_spans(keys, start, end)
        self.abilities: dict[int, Ability] = abilities(keys)
        self.areas: dict[int, set[int]] = defaultdict(set)
        self.bases: dict[int, int] = {}
        for area in ServiceArea.objects.filter(technician__in=keys):
            self.areas[area.technician_id].add(area.region_id)
            if area.base:
                self.bases[area.technician_id] = area.region_id
        self._stretch, self._own_hold = (start, end), own_hold
        # Of each technician in order of `starts_at`, so that only what lies near a window is looked at.
        self.taken: dict[int, list[Taken]] = defaultdict(list)
        self._longest = timedelta(0)
        self._read_taken(keys)

    def _read_taken(self, technicians: Iterable[int]) -> None:
        start, end = self._stretch
        # A hold that has run out holds nothing, whether or not somebody has swept it away.
        rows = Reservation.objects.filter(
            Q(expires_at=None) | Q(expires_at__gt=self.at),
            technician__in=technicians,
            until__gt=start,
            starts_at__lt=end,
        ).order_by("starts_at")
        if self._own_hold:
            rows = rows.exclude(hold__key=self._own_hold)
        columns = ("technician_id", "starts_at", "visit_at", "until", "region_id", "appointment_id", "hold_id")
        for key, starts_at, visit_at, until, region, appointment, hold in rows.values_list(*columns):
            self._add(key, Taken(starts_at, visit_at, until, region, appointment, hold))

    def look_again(self, technicians: Sequence[int]) -> dict[int, list[Taken]]:
        """Read once more what these technicians have, and return what came since, by technician."""
        before = {key: self.taken.pop(key, []) for key in technicians}
        self._read_taken(technicians)
        return {key: [taken for taken in self.taken[key] if taken not in before[key]] for key in technicians}

    def _add(self, technician_id: int, taken: Taken) -> None:
        rows = self.taken[technician_id]
        rows.insert(bisect_right(rows, taken.starts_at, key=_starts_at), taken)
        self._longest = max(self._longest, taken.until - taken.starts_at)

    def suppose(self, crew: Iterable[int], window: Window, needs: Needs, *, appointment_id: int) -> None:
        """Answer from now on as if this crew had the visit, in this grid alone: a plan reserves nothing."""
        for key, rows in self.taken.items():
            self.taken[key] = [taken for taken in rows if taken.appointment_id != appointment_id]
        until = window.starts_at + needs.work
        for key in crew:
            for part in self.occupied(window, needs):
                self._add(key, Taken(part.starts_at, window.starts_at, until, needs.region_id, appointment_id, None))

    def _near(self, technician_id: int, start: datetime, end: datetime) -> Iterator[Taken]:
        """What a technician has within reach of [start, end): nothing else can be in the way."""
        rows = self.taken[technician_id]
        since = bisect_left(rows, start - self._longest - TRAVEL_FAR, key=_starts_at)
        yield from rows[since : bisect_left(rows, end + TRAVEL_FAR, key=_starts_at)]

    @cached_property
    def _position(self) -> dict[datetime, int]:
        return {window.starts_at: position for position, window in enumerate(self.windows)}

    def window_at(self, starts_at: datetime) -> Window | None:
        """The window that begins then, if there is one."""
        position = self._position.get(starts_at)
        return None if position is None else self.windows[position]

    def occupied(self, window: Window, needs: Needs) -> list[Window]:
        """The windows a visit beginning in `window` touches, with the short way to the next one included.

        The last window of a day may run over: the shift says whether that is allowed.
        """
        until = window.starts_at + needs.work
        touched = [window]
        # By place, not by name: a visit may have been booked in a window that the house no longer offers.
        for later in self.windows[bisect_right(self.windows, window.starts_at, key=attrgetter("starts_at")) :]:
            if later.day != window.day or later.starts_at >= until + TRAVEL_NEAR:
                break
            touched.append(later)
        return touched

    def refusal(self, technician_id: int, window: Window, needs: Needs, *, but: Any = None) -> Sentence | None:
        """Why this technician cannot come in this window, in words for the dispatcher; None when it is possible.

        `but` is an appointment whose own reservations do not count, because it would leave them.
        """
        return self.ability_refusal(technician_id, window.day, needs) or self._time_refusal(
            technician_id, window, needs, but
        )

    def ability_refusal(self, technician_id: int, day: date, needs: Needs) -> Sentence | None:
        """Why this technician cannot do it at any hour of that day: skill, level, certificate, area."""
        ability = self.abilities.get(technician_id)
        for skill, level in needs.skills:
            if ability is None:
                return _("Has learned none of the skills.")
            if reason := ability.why_not(skill, level, day):
                return reason
        if needs.region_id is not None and needs.region_id not in self.areas[technician_id]:
            return _("Does not drive to this area.")
        return None

    def _time_refusal(self, technician_id: int, window: Window, needs: Needs, but: Any) -> Sentence | None:
        return self.shift_refusal(technician_id, window, needs) or self._taken_refusal(
            technician_id, window, needs, but
        )

    def shift_refusal(self, technician_id: int, window: Window, needs: Needs) -> Sentence | None:
        """Why this technician could not come in this window even with nothing else to do."""
        spans = self.spans.get(technician_id, [])
        position = bisect_right(spans, window.starts_at, key=itemgetter(0)) - 1
        if position < 0 or spans[position][1] < max(window.starts_at + needs.work, window.ends_at):
            return _("Is not on shift, or not for long enough.")
        return None

    def _taken_refusal(self, technician_id: int, window: Window, needs: Needs, but: Any) -> Sentence | None:
        free_at = window.starts_at + needs.work
        touched = self.occupied(window, needs)
        for taken in self._near(technician_id, window.starts_at, max(free_at, touched[-1].ends_at)):
            if but is not None and taken.appointment_id == but:
                continue
            if any(taken.starts_at == part.starts_at for part in touched):
                return _("Has another visit then.")
            if reason := too_far(taken, window, needs):
                return reason
        return None

    def able(self, window: Window, needs: Needs, *, but: Any = None) -> list[int]:
        """The technicians who could come in this window."""
        return [key for key in self.technicians if self.refusal(key, window, needs, but=but) is None]

    def room(self, window: Window, needs: Needs, *, but: Any = None) -> int:
        """How many such visits the window can still take."""
        return len(self.able(window, needs, but=but)) // needs.crew

    def open_windows(self, needs: Needs, *, earliest: datetime | None = None, but: Any = None) -> list[Offer]:
        """Every window that begins later than `earliest` (default: now), with the room in it, full ones included."""
        return list(self._offers(needs, earliest, but))

    def _offers(self, needs: Needs, earliest: datetime | None, but: Any) -> Iterator[Offer]:
        since = max(self.at, earliest or self.at)
        for day, windows in groupby(self.windows, key=attrgetter("day")):
            able = [key for key in self.technicians if self.ability_refusal(key, day, needs) is None]
            for window in windows:
                if window.starts_at > since:
                    free = (self._time_refusal(key, window, needs, but) is None for key in able)
                    yield Offer(window, sum(free) // needs.crew)

    def first_free(self, needs: Needs) -> Window | None:
        """The first window that can still take such a visit; those after it are not looked at."""
        return next((offer.window for offer in self._offers(needs, None, None) if offer.room), None)

    def nearest(
        self, needs: Needs, to: datetime, *, count: int = 3, earliest: datetime | None = None, but: Any = None
    ) -> list[Window]:
        """The free windows nearest to an instant, in order of time."""
        since = max(self.at, earliest or self.at)
        later = [window for window in self.windows if window.starts_at > since]
        found: list[Window] = []
        for window in sorted(later, key=lambda window: (abs(window.starts_at - to), window.starts_at)):
            if self.room(window, needs, but=but):
                found.append(window)
                if len(found) == count:
                    break
        return sorted(found)


@dataclass(frozen=True)
class Offer:
    """A window and how many such visits it can still take."""

    window: Window
    room: int


def next_free(needs: Needs, *, at: datetime, days: int = 120) -> Window | None:
    """The first free window within so many days, in eight statements however booked-out the calendar is."""
    today = Window(at, at).day
    return Grid(today, today + timedelta(days=days), at=at).first_free(needs)
