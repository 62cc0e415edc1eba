"""Questions and acts on promises that are not part of a change of state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from cases.models import Case
from common import clock
from common.errors import DomainError, InvalidInput

from . import events
from .arithmetic import Interval
from .clocks import Clocks
from .deadlines import due_if_resumed
from .models import CalendarVersion, Deadline, PolicyVersion
from .states import LIVE, DeadlineState, Verdict


@dataclass(frozen=True)
class Explanation:
    """Why a deadline is due when it is: every interval counted or not, and what each limit alone would say."""

    deadline: Deadline
    verdict: Verdict
    used: timedelta
    left: timedelta
    intervals: list[Interval]
    dues: list[tuple[str, datetime | None]]
    provisional: bool
    policy: PolicyVersion


@dataclass(frozen=True)
class Move:
    """A deadline that another calendar would move; where it is paused, both instants are as if it resumed now."""

    deadline: Deadline
    before: datetime
    after: datetime


def explain(deadline: Deadline, *, now: datetime | None = None) -> Explanation:
    """The ledger of a deadline until it stopped, fell due, or now; the open intervals add up to the time used."""
    now = now or clock.now()
    aim = deadline.aim
    until = deadline.stopped_at or (min(now, deadline.due_at) if deadline.due_at and deadline.due_at <= now else now)
    until = max(until, deadline.started_at)
    return Explanation(
        deadline=deadline,
        verdict=deadline.verdict(now),
        used=aim.used(until),
        left=aim.left(until),
        intervals=aim.explain(until),
        dues=[(str(limit), due) for limit, due in aim.dues()],
        provisional=is_provisional(deadline),
        policy=deadline.rule.version,
    )


def is_provisional(deadline: Deadline) -> bool:
    """Whether the due date lies beyond what the country has announced (architecture.md §3)."""
    return deadline.due_at is not None and deadline.calendar.is_provisional(deadline.due_at)


def deadlines_of(case: Case) -> list[Deadline]:
    """A case's deadlines with rule, policy and calendar, in the order they were made: one query."""
    return list(
        Deadline.objects.filter(case_id=case.pk).select_related("rule__version", "calendar_version").order_by("pk")
    )


@transaction.atomic
def extend_pause(*, case_id: int, until: datetime, reason: str, by: Any, at: datetime | None = None) -> Case:
    """Let a paused case pause beyond the cap, until `until` (a lead's decision, with a reason).

    Raises NotAllowed through the caller's permission check; InvalidInput for an end in the past.
    """
    now = at or clock.now()
    case: Case = Case.objects.locked(case_id)
    if until <= now:
        raise InvalidInput(_("Choose a time in the future."), field="until")
    if not reason.strip():
        raise InvalidInput(_("Say why the pause must be longer."), field="reason")
    paused = list(
        Deadline.objects.filter(case_id=case.pk, state=DeadlineState.PAUSED).select_related("rule", "calendar_version")
    )
    if not paused:
        raise DomainError(_("No clock of this case is paused."))
    work = Clocks(case, at=now, by=by)
    for deadline in work.live:
        if deadline.state == DeadlineState.PAUSED:
            deadline.paused_until = until
            work.touch(deadline)
    cases.add_fact(case, events.pause_extended(until, reason), at=now, by=by)
    work.save()
    cases.write(case, at=now)
    return case


@transaction.atomic
def give_due(
    *,
    case_id: int,
    dues: dict[str, datetime],
    started: dict[str, datetime] | None = None,
    at: datetime,
    by: Any = None,
) -> Case:
    """Start promises whose due instants come from outside (an import's targets), by promise; they are pinned there.

    Only promises that the policy starts as "given" are taken, once in each cycle of the case; running it again changes
    nothing. Each counts from its instant in `started`, by default from the receipt or the beginning of the cycle.
    Returns the case as it is now; one that the caller read before is out of date.
    """
    case: Case = Case.objects.locked(case_id)
    if give(case, dues, started=started, at=at, by=by):
        cases.write(case, at=at)
    return case


def give(
    case: Case, dues: dict[str, datetime], *, started: dict[str, datetime] | None = None, at: datetime, by: Any = None
) -> list[Deadline]:
    """The same for a caller that holds the case's lock and saves the case afterwards (`cases.services.record`).

    Returns the deadlines that began.
    """
    work = Clocks(case, at=at, by=by)
    for promise, due in dues.items():
        work.give(promise, due, started_at=(started or {}).get(promise))
    begun = list(work.new)
    work.save()
    return begun


def break_promise(case: Case, promise: str, *, why: str, at: datetime, by: Any = None) -> list[Deadline]:
    """Count a promise as missed that we broke ourselves before it was due (requirements.md §30, point 22).

    `why` is one word, known to `promises.REASONS`. Nobody is warned of it later. The caller holds the case's lock and
    saves the case afterwards (`cases.services.record`). Returns what was broken: nothing where the promise has ended,
    or was missed already; so running it again changes nothing.
    """
    work = Clocks(case, at=at, by=by)
    broken = work.break_promises([promise], why)
    work.save()
    return broken


@transaction.atomic
def defer(
    *, case_id: int, promise: str, due: datetime | None, reason: str, at: datetime | None = None, by: Any = None
) -> Deadline | None:
    """Put a running promise off to an instant that the customer chose (requirements.md C-05); None undoes it.

    `due` is the end of the window chosen; one within the promise's own limit puts nothing off. Afterwards the promise
    neither pauses nor moves; undone, its own limit counts again, with the time used. `reason` is one word, known to
    `promises.REASONS`. Locks the case: a caller who holds another case's lock must have taken this one first.

    Returns the deadline where it changed, None where there was nothing to do; running it again changes nothing. Raises
    DomainError for a legal limit, and for a promise that is not running, missed already or dated from outside.
    """
    now = at or clock.now()
    case: Case = Case.objects.locked(case_id)
    work = Clocks(case, at=now, by=by)
    deadline = work.defer(promise, due, reason)
    if deadline is not None:
        work.save()
        cases.write(case, at=now)
    return deadline


def retarget(case_id: int, *, at: datetime, by: Any = None) -> list[Deadline]:
    """Put a case's live deadlines under the newest versions of their calendars; return those whose due moved.

    Running it again writes nothing (lessons.md 16). The case's version for forms and its time of change stay: nobody
    worked on it.
    """
    with transaction.atomic():
        case: Case = Case.objects.locked(case_id)
        work = Clocks(case, at=at, by=by)
        moved = work.follow_calendars()
        if work.changed:
            work.save()
            cases.write_quietly(case)
        return moved


def preview_retarget(calendar_name: str, calendar: Any, *, at: datetime | None = None) -> list[Move]:
    """Which live deadlines would move, and to when, if `calendar` became the newest version of that name now."""
    now = at or clock.now()
    moves = []
    for deadline in on_calendar(calendar_name).select_related("rule", "calendar_version", "case").iterator(2000):
        before = due_if_resumed(deadline, deadline.calendar, now)
        after = due_if_resumed(deadline, calendar, now)
        if before != after:
            moves.append(Move(deadline, before, after))
    return moves


def on_calendar(calendar_name: str) -> QuerySet[Deadline]:
    """The live deadlines that follow a calendar, in the order they were made."""
    return Deadline.objects.filter(
        calendar_version__name=calendar_name, state__in=LIVE, pinned_at__isnull=True
    ).order_by("pk")


def behind(calendar_name: str) -> QuerySet[Deadline]:
    """Those of `on_calendar` that are not under its newest version yet."""
    newest = CalendarVersion.objects.filter(name=calendar_name).order_by("-number").values("pk")[:1]
    return on_calendar(calendar_name).exclude(calendar_version_id__in=newest)
