"""The week of a team as a table: people by days, with what is planned and who is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from common import clockface
from staff.models import Duty, Leave, Shift, Team, User
from staff.rota import absences, working_spans

ONE_DAY = timedelta(days=1)
NO_TEAM = "none"


def midnight(day: date) -> datetime:
    """The instant a local day begins."""
    return datetime.combine(day, time(), timezone.get_default_timezone())


@dataclass(frozen=True)
class Week:
    """Monday to Sunday, local."""

    monday: date

    @classmethod
    def asked(cls, text: str, today: date) -> Week:
        """The week that holds the day `text` spells (2026-03-02); this week for anything else."""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = today
        if not 2000 <= day.year < 2200:
            day = today
        return cls(day - timedelta(days=day.weekday()))

    @property
    def days(self) -> list[date]:
        return [self.monday + number * ONE_DAY for number in range(7)]

    @property
    def starts(self) -> datetime:
        return midnight(self.monday)

    @property
    def ends(self) -> datetime:
        return midnight(self.monday + 7 * ONE_DAY)

    @property
    def before(self) -> date:
        return self.monday - 7 * ONE_DAY

    @property
    def after(self) -> date:
        return self.monday + 7 * ONE_DAY

    def __str__(self) -> str:
        return _("%(first)s to %(last)s") % {
            "first": clockface.plain_day(self.monday),
            "last": clockface.plain_day(self.days[-1]),
        }


@dataclass(frozen=True)
class Head:
    """The top of a column."""

    weekday: str
    day: str
    is_today: bool
    is_weekend: bool


@dataclass(frozen=True)
class Block:
    """A shift in a cell. `over`: it ends on the next day; `away`: leave takes all of it."""

    words: str
    note: str
    over: bool
    away: bool


@dataclass(frozen=True)
class Away:
    """Leave in a cell; `words` are the hours where it is not the whole day."""

    label: str
    words: str
    note: str


@dataclass
class Cell:
    is_today: bool
    shifts: list[Block] = field(default_factory=list)
    leaves: list[Away] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """One person's week. `hours`: planned without leave, as words."""

    person: User
    cells: list[Cell]
    hours: str


@dataclass(frozen=True)
class WeekTable:
    heads: list[Head]
    lines: list[Line]
    at_work: list[int]


def week_table(people: Sequence[User], week: Week, today: date) -> WeekTable:
    """What is planned for these people in this week. A night shift stands on the day it begins. Four queries."""
    keys = [person.pk for person in people]
    spans = working_spans(keys, week.starts, week.ends)
    away = absences(keys, week.starts, week.ends)
    shifts: dict[int, list[Shift]] = {}
    for shift in Shift.objects.filter(user__in=keys, starts_at__gte=week.starts, starts_at__lt=week.ends):
        shifts.setdefault(shift.user_id, []).append(shift)
    lines = [
        Line(
            person,
            [_cell(day, shifts.get(person.pk, []), away[person.pk], today) for day in week.days],
            hours_words(sum((ends - starts for starts, ends in spans[person.pk]), timedelta())),
        )
        for person in people
    ]
    at_work = [
        sum(any(a < midnight(day + ONE_DAY) and b > midnight(day) for a, b in found) for found in spans.values())
        for day in week.days
    ]
    return WeekTable([_head(day, today) for day in week.days], lines, at_work)


def hours_words(worked: timedelta) -> str:
    """`37.5 h`, and nothing for nothing."""
    hours = round(worked.total_seconds() / 3600, 1)
    return _("%(hours)s h") % {"hours": f"{hours:g}"} if hours else ""


def _head(day: date, today: date) -> Head:
    return Head(
        clockface.weekday(midnight(day)),
        date_format(day, pgettext("date format", "j M")),
        day == today,
        day.weekday() > 4,
    )


def _cell(day: date, shifts: list[Shift], leaves: list[Leave], today: date) -> Cell:
    first, last = midnight(day), midnight(day + ONE_DAY)
    cell = Cell(day == today)
    for shift in shifts:
        if first <= shift.starts_at < last:
            taken = any(leave.starts_at <= shift.starts_at and leave.ends_at >= shift.ends_at for leave in leaves)
            words = f"{_clock(shift.starts_at)}–{_clock(shift.ends_at)}"
            cell.shifts.append(Block(words, shift.note, over=shift.ends_at > last, away=taken))
    for leave in leaves:
        if leave.starts_at < last and leave.ends_at > first:
            begins, ends = max(leave.starts_at, first), min(leave.ends_at, last)
            words = "" if (begins, ends) == (first, last) else f"{_clock(begins)}–{_clock(ends, last)}"
            cell.leaves.append(Away(leave.get_kind_display(), words, leave.note))
    return cell


def _clock(instant: datetime, end_of_day: datetime | None = None) -> str:
    return "24:00" if instant == end_of_day else date_format(timezone.localtime(instant), "H:i")


def leave_words(leave: Leave) -> str:
    """When it is: days where it covers whole ones (the last day named, not the midnight after it), else instants."""
    first, last = timezone.localtime(leave.starts_at), timezone.localtime(leave.ends_at)
    if first.time() == last.time() == time():
        until = last.date() - ONE_DAY
        if until == first.date():
            return clockface.plain_day(until)
        return _("%(first)s to %(last)s") % {
            "first": clockface.plain_day(first.date()),
            "last": clockface.plain_day(until),
        }
    return clockface.hours(leave.starts_at, leave.ends_at)


def shift_words(shift: Shift | Duty) -> str:
    return clockface.hours(shift.starts_at, shift.ends_at)


# --- whose week ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crew:
    """The people of one team, and the teams there are to choose from: (code, name)."""

    code: str
    teams: list[tuple[str, str]]
    people: list[User]

    @classmethod
    def asked(cls, request: HttpRequest) -> Crew:
        """The team in the address, else the person's own, else the first that has anybody. Two queries."""
        active = User.objects.filter(is_active=True)
        teams = [
            (team.code, str(team)) for team in Team.objects.filter(pk__in=active.exclude(team=None).values("team_id"))
        ]
        if active.filter(team=None).exists():
            teams.append((NO_TEAM, _("No team")))
        codes = [code for code, _name in teams]
        own = getattr(getattr(request.user, "team", None), "code", "")
        code = next((code for code in (request.GET.get("team", ""), own) if code in codes), next(iter(codes), ""))
        members = active.filter(team=None) if code == NO_TEAM else active.filter(team__code=code)
        return cls(code, teams, list(members.order_by("username")))

    @property
    def choices(self) -> list[tuple[str, str]]:
        """For the form fields that name a person."""
        return [(str(person.pk), person.name) for person in self.people]
