"""The numbers of the live board, and the rows behind each of them.

A number and its list are made of the same predicate, so that a figure opens exactly what it counts (lessons.md 40).
The board reads; nothing here writes or opens a transaction. Statements do not grow with rows.

A deadline has one verdict at one instant: kept when it stopped in time, missed when it fell due (a breach is dated by
its deadline, architecture.md §3). So each counts once, on one day, whenever it was stopped afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import (
    Avg,
    Case,
    Count,
    DateTimeField,
    DurationField,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    When,
)
from django.db.models.functions import Coalesce, TruncHour
from django.http import Http404
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.querysets import OPEN
from cases.states import ClockState
from sla.models import Deadline
from sla.states import DeadlineState
from staff.models import Presence, User

from .scope import Scope

RESOLUTION, FIRST_REPLY = "resolve", "first_response"

# Percent of resolution targets that should be met: the target line of the board's design (interface.md §7). Policies
# set limits for one ticket; requirements.md names no rate for all of them.
TARGET_MET = 95
# The ordinary first reply (requirements.md C-01; sla/defaults/policies.toml, rule first_response).
TARGET_FIRST_REPLY = timedelta(minutes=15)
SOON = timedelta(minutes=30)
# A forecast hour is the mean of the same hour on this many past same weekdays, of those on which anything came in.
FORECAST_WEEKS = 4
HEAT_HOURS = 2
ONLINE = [Presence.ONLINE, Presence.BUSY]


# --- predicates: open tickets by their nearest running clock ---------------------------------------------------------

_running = Q(clock_state=ClockState.RUNNING)
is_paused = OPEN & Q(clock_state=ClockState.PAUSED)


def is_overdue(now: datetime) -> Q:
    return OPEN & _running & Q(sort_due_at__lt=now)


def is_due_soon(now: datetime) -> Q:
    return OPEN & _running & Q(sort_due_at__gte=now, sort_due_at__lt=now + SOON)


def needs_action(now: datetime) -> Q:
    return OPEN & _running & Q(sort_due_at__lt=now + SOON)


def is_on_time(now: datetime) -> Q:
    """Open and neither overdue, due soon nor paused; also what has no target at all."""
    at_ease = _running & Q(sort_due_at__gte=now + SOON)
    return OPEN & (at_ease | ~Q(clock_state__in=[ClockState.RUNNING, ClockState.PAUSED]))


def received(start: datetime, end: datetime) -> Q:
    return Q(received_at__gte=start, received_at__lt=end)


# --- predicates: verdicts of deadlines -------------------------------------------------------------------------------

_kept = Q(state=DeadlineState.STOPPED, stopped_at__lte=F("due_at"))
_broken = Q(state=DeadlineState.BROKEN)
verdict_at = Case(When(_kept | _broken, then=F("stopped_at")), default=F("due_at"), output_field=DateTimeField())


def is_missed(now: datetime) -> Q:
    """Stopped too late, broken by us, or still running past its due instant; what was cancelled promises nothing."""
    late = Q(state=DeadlineState.STOPPED, stopped_at__gt=F("due_at"))
    return late | _broken | Q(state=DeadlineState.RUNNING, due_at__lt=now)


def came_to_verdict(start: datetime, end: datetime, now: datetime) -> Q:
    """Kept or missed between `start` and `end`.

    What was stopped late was stopped after it fell due, so `stopped_at >= start` holds for it too; said here, it lets
    the index over (promise, stopped_at) find both.
    """
    at_its_stop = (_kept | _broken) & Q(stopped_at__gte=start, stopped_at__lt=end)
    stopped_late = Q(state=DeadlineState.STOPPED, stopped_at__gte=start, stopped_at__gt=F("due_at"))
    still_late = Q(state=DeadlineState.RUNNING, due_at__lt=now)
    return at_its_stop | (Q(due_at__gte=start, due_at__lt=end) & (stopped_late | still_late))


def was_answered(start: datetime, end: datetime) -> Q:
    return Q(state=DeadlineState.STOPPED, stopped_at__gte=start, stopped_at__lt=end)


# --- the numbers: one statement each ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Queue:
    """The open tickets of one team (None: of no team) by their nearest clock."""

    team_id: int | None
    total: int
    over: int
    soon: int
    soon_unassigned: int
    paused: int
    first_due: datetime | None

    @property
    def on_time(self) -> int:
        return self.total - self.over - self.soon - self.paused


def queues(scope: Scope) -> list[Queue]:
    """Open tickets by team; their sums are the figures *overdue*, *due in 30 min* and *open*."""
    over, soon = is_overdue(scope.now), is_due_soon(scope.now)
    rows = (
        scope.cases()
        .open()
        .order_by()
        .values("team_id")
        .annotate(
            total=Count("pk"),
            over=Count("pk", filter=over),
            soon=Count("pk", filter=soon),
            soon_unassigned=Count("pk", filter=soon & Q(owner__isnull=True)),
            paused=Count("pk", filter=is_paused),
            first_due=Min("sort_due_at", filter=over),
        )
    )
    return [Queue(**row) for row in rows]


def open_at(scope: Scope, moment: datetime) -> int:
    """How many tickets were open at a past moment, by the cycles of their resolution targets.

    Unlike received and closed times these remember that a ticket was resolved and taken up again.
    """
    lived = Q(started_at__lte=moment) & (Q(stopped_at__isnull=True) | Q(stopped_at__gt=moment))
    return scope.deadlines(RESOLUTION).filter(lived).count()


@dataclass(frozen=True)
class Hour:
    """The verdicts of one local hour."""

    start: datetime
    judged: int
    kept: int


def verdicts_by_hour(scope: Scope) -> list[Hour]:
    """The resolution verdicts of this week by the local hour in which they fell; hours without any are left out."""
    rows = (
        scope.deadlines(RESOLUTION)
        .filter(came_to_verdict(*scope.week(), scope.now))
        .annotate(hour=TruncHour(verdict_at, tzinfo=scope.zone))
        .order_by()
        .values("hour")
        .annotate(judged=Count("pk"), kept=Count("pk", filter=_kept))
        .order_by("hour")
    )
    return [Hour(row["hour"], row["judged"], row["kept"]) for row in rows]


@dataclass(frozen=True)
class Reply:
    count: int
    mean: timedelta | None


def first_replies(scope: Scope) -> Reply:
    """Today's first replies and how long they took on average. At the phone the intake itself is the reply."""
    took: Any = Avg(F("stopped_at") - F("started_at"), output_field=DurationField())
    row = scope.deadlines(FIRST_REPLY).filter(was_answered(*scope.day())).aggregate(count=Count("pk"), mean=took)
    return Reply(**row)


def received_by_hour(scope: Scope) -> tuple[dict[int, int], dict[int, int]]:
    """Tickets received today by local hour, and the forecast for each hour of the day (see FORECAST_WEEKS)."""
    days = [scope.today - timedelta(weeks=weeks) for weeks in range(FORECAST_WEEKS + 1)]
    wanted = Q()
    for day in days:
        wanted |= received(*scope.day(day))
    rows = (
        scope.cases()
        .filter(wanted)
        .annotate(hour=TruncHour("received_at", tzinfo=scope.zone))
        .order_by()
        .values_list("hour")
        .annotate(count=Count("pk"))
    )
    today: dict[int, int] = {}
    past: dict[int, int] = {}
    days_with_work: set[date] = set()
    for hour, count in rows:
        if hour.date() == scope.today:
            today[hour.hour] = count
        else:
            days_with_work.add(hour.date())
            past[hour.hour] = past.get(hour.hour, 0) + count
    return today, {hour: round(count / len(days_with_work)) for hour, count in past.items()}


def misses_by_hour(scope: Scope) -> dict[tuple[date, int], int]:
    """Missed resolution targets of tickets received this week, by day and by the hour (0, 2, 4 …) of receipt."""
    start, end = scope.week()
    rows = (
        scope.deadlines(RESOLUTION)
        .filter(is_missed(scope.now), case__received_at__gte=start, case__received_at__lt=end)
        .annotate(hour=TruncHour("case__received_at", tzinfo=scope.zone))
        .order_by()
        .values_list("hour")
        .annotate(count=Count("pk"))
    )
    found: dict[tuple[date, int], int] = {}
    for hour, count in rows:
        cell = hour.date(), hour.hour // HEAT_HOURS * HEAT_HOURS
        found[cell] = found.get(cell, 0) + count
    return found


def presences(scope: Scope) -> dict[str, int]:
    """Agents by presence."""
    return dict(scope.agents().order_by().values_list("presence").annotate(count=Count("pk")))


# --- the rows behind the numbers -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Narrow:
    """What an address may add to a figure: an hour of today, a day and hour of the week, or whose tickets."""

    hour: int | None = None
    day: date | None = None
    owner: User | None = None


def by_urgency(cases: QuerySet[Any]) -> QuerySet[Any]:
    return cases.select_related("team", "owner").order_by("sort_due_at", "pk")


def _cases(predicate: Callable[[datetime], Q]) -> Callable[[Scope, Narrow], QuerySet[Any]]:
    return lambda scope, narrow: by_urgency(scope.cases().filter(predicate(scope.now)))


def _open(scope: Scope, narrow: Narrow) -> QuerySet[Any]:
    found = scope.cases().open()
    return by_urgency(found.owned_by(narrow.owner) if narrow.owner else found)


def _opened(scope: Scope, narrow: Narrow) -> QuerySet[Any]:
    span = scope.day() if narrow.hour is None else scope.hours(scope.today, narrow.hour)
    return scope.cases().filter(received(*span)).select_related("team", "owner").order_by("-received_at", "-pk")


def _verdicts(scope: Scope, narrow: Narrow) -> QuerySet[Any]:
    """Misses first, then the latest."""
    span = scope.day() if narrow.hour is None else scope.hours(scope.today, narrow.hour)
    judged = scope.deadlines(RESOLUTION).filter(came_to_verdict(*span, scope.now))
    return _with_case(judged.annotate(at=verdict_at, missed=Case(When(_kept, then=0), default=1))).order_by(
        "-missed", "-at", "-pk"
    )


def _missed(scope: Scope, narrow: Narrow) -> QuerySet[Any]:
    start, end = scope.week()
    if narrow.day is not None:
        start, end = scope.day(narrow.day) if narrow.hour is None else scope.hours(narrow.day, narrow.hour, HEAT_HOURS)
    found = scope.deadlines(RESOLUTION).filter(is_missed(scope.now))
    return _with_case(found.filter(case__received_at__gte=start, case__received_at__lt=end)).order_by("-due_at", "-pk")


def _replies(scope: Scope, narrow: Narrow) -> QuerySet[Any]:
    """The longest waits first."""
    answered = scope.deadlines(FIRST_REPLY).filter(was_answered(*scope.day()))
    return _with_case(answered.annotate(took=F("stopped_at") - F("started_at"))).order_by("-took", "-pk")


def _with_case(deadlines: QuerySet[Deadline]) -> QuerySet[Any]:
    return deadlines.select_related("case", "case__team", "case__owner")


def with_load(scope: Scope, agents: QuerySet[User]) -> QuerySet[Any]:
    """Agents with `load`: their open tickets on this board."""
    held = scope.cases().open().filter(owner=OuterRef("pk")).order_by().values("owner").annotate(n=Count("pk"))
    order = Case(*[When(presence=value, then=place) for place, value in enumerate(Presence.values)])
    return (
        agents.annotate(load=Coalesce(Subquery(held.values("n")), 0), place=order)
        .select_related("team")
        .order_by("place", "name", "pk")
    )


def _online(scope: Scope, narrow: Narrow) -> QuerySet[Any]:
    return with_load(scope, scope.agents().filter(presence__in=ONLINE))


def _agents(scope: Scope, narrow: Narrow) -> QuerySet[Any]:
    return with_load(scope, scope.agents())


@dataclass(frozen=True)
class Figure:
    """A list that a number opens. `shows` says what its rows are: cases, verdicts or people."""

    title: str | Promise
    meaning: str | Promise
    shows: str
    rows: Callable[[Scope, Narrow], QuerySet[Any]]


FIGURES: dict[str, Figure] = {
    "target": Figure(
        _("Resolution targets judged today"),
        _("Met when it stopped in time; missed on the day it fell due. What was missed comes first."),
        "verdicts",
        _verdicts,
    ),
    "overdue": Figure(
        _("Overdue"), _("Open tickets whose nearest running clock is past."), "cases",
        _cases(is_overdue),
    ),
    "soon": Figure(
        _("Due in 30 min"), _("Open tickets whose nearest running clock ends within 30 minutes."), "cases",
        _cases(is_due_soon),
    ),
    "open": Figure(pgettext_lazy("tickets", "Open"), _("Tickets neither resolved nor ended."), "cases", _open),
    "first-reply": Figure(
        _("First replies today"),
        _("From receipt to the first reply. At the phone and the counter the intake is the reply."),
        "verdicts",
        _replies,
    ),
    "online": Figure(_("Agents online"), _("Agents who are online or on a ticket."), "people", _online),
    "action": Figure(
        _("Needs action now"), _("Overdue or due in 30 min, most urgent first."), "cases", _cases(needs_action)
    ),
    "paused": Figure(
        _("Paused"), _("Open tickets whose clocks all stand still."), "cases", _cases(lambda now: is_paused)
    ),
    "on-time": Figure(
        _("On time"), _("Open tickets with more than 30 minutes left, or without a target."), "cases",
        _cases(is_on_time),
    ),
    "opened": Figure(_("Opened today"), _("Tickets received today."), "cases", _opened),
    "missed": Figure(
        _("Missed targets, last 7 days"),
        _("Missed resolution targets of tickets received in the last 7 days."),
        "verdicts",
        _missed,
    ),
    "agents": Figure(_("Agents"), _("Everyone who works the queues."), "people", _agents),
}  # fmt: skip


def rows_behind(figure: str, scope: Scope, narrow: Narrow | None = None) -> QuerySet[Any]:
    """The rows that a figure counts. Raises Http404 for a figure that does not exist."""
    if figure not in FIGURES:
        raise Http404
    return FIGURES[figure].rows(scope, narrow or Narrow())
