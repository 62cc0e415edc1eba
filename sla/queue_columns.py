"""The columns of a case that queues sort by and show, from its deadlines."""

from __future__ import annotations

from datetime import datetime, timedelta

from cases.models import Case
from cases.states import NEVER, ClockState

from .models import Deadline
from .states import LIVE, DeadlineState, Verdict

SOON = timedelta(minutes=30)
RESOLUTION = "resolve"
_JUDGED = (DeadlineState.STOPPED, DeadlineState.BROKEN)


def show_on_case(case: Case, deadlines: list[Deadline]) -> None:
    """Set what queues sort by and show: the nearest running clock, else a paused one, else what became of it."""
    # What was missed before its pause began (a shorter limit came later) has a due instant, and shows as missed.
    running = [d for d in deadlines if d.state in LIVE and d.due_at]
    paused = [d for d in deadlines if d.state == DeadlineState.PAUSED and not d.due_at]
    case.sort_due_at, case.clock_left, case.clock_warn = NEVER, None, None
    if running and case.is_open:
        nearest = min(running, key=lambda deadline: (deadline.due_at, deadline.pk or 0))
        assert nearest.due_at is not None
        case.sort_due_at, case.clock_state = nearest.due_at, ClockState.RUNNING
        case.clock_warn = soon(nearest)
    elif paused and case.is_open:
        case.clock_state = ClockState.PAUSED
        case.clock_left = min(_left_when_paused(deadline) for deadline in paused)
    else:
        _show_verdict(case, deadlines)


def soon(deadline: Deadline) -> timedelta:
    """How long before the due instant the chip turns amber: 30 minutes, or a quarter of a shorter target."""
    assert deadline.due_at is not None
    return min(SOON, (deadline.due_at - deadline.started_at) / 4)


def _left_when_paused(deadline: Deadline) -> timedelta:
    since = datetime.fromisoformat(deadline.pauses[-1][0])
    return deadline.aim.left(since)


def _show_verdict(case: Case, deadlines: list[Deadline]) -> None:
    ended = [d for d in deadlines if d.promise == RESOLUTION and d.stopped_at and d.state in _JUDGED]
    if not ended:
        case.clock_state = ClockState.NONE
        return
    last = max(ended, key=lambda deadline: deadline.cycle)
    assert last.stopped_at is not None
    assert last.due_at is not None
    if last.verdict(last.stopped_at) == Verdict.MET:
        case.clock_state, case.clock_left = ClockState.MET, last.stopped_at - last.started_at
    elif last.state == DeadlineState.BROKEN:
        case.clock_state = ClockState.MISSED
    else:
        case.clock_state, case.clock_left = ClockState.MISSED, last.stopped_at - last.due_at
