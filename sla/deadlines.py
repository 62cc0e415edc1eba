"""One deadline: when it is due, its steps and their timer, and pausing, resuming and stopping it.

Everything here is computed from instants; nothing reads the clock. `Aim` decides when things are due; these functions
keep a deadline's row true to it, in memory: the caller writes it. Only `arm` writes, and only timers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any

from common.bulk import insert_rows, update_rows

from .arithmetic import Aim, Calendar, RunningLimit
from .models import Deadline, Timer, read_limit
from .promises import BELIEVED
from .states import LIVE, DeadlineState, StepKind

PAUSE_CAP = timedelta(days=5)


def aim(deadline: Deadline) -> None:
    """Set due and steps from the deadline's rule, instants and pauses; what it has done is kept.

    So is what it did under another rule: should that rule hold again, its steps must not be taken a second time.
    """
    target = deadline.aim
    deadline.due_at = deadline.pinned_at or target.due()
    taken = {step["name"]: step for step in deadline.steps if step.get("done")}
    steps = [
        {
            "name": step["name"],
            "kind": step["kind"],
            "at": _iso(_moment(deadline, target, step["at"])),
            "done": taken.pop(step["name"], {}).get("done"),
        }
        for step in deadline.rule.steps
    ]
    deadline.steps = steps + [{**step, "at": None} for step in taken.values()]


def due_if_resumed(deadline: Deadline, calendar: Calendar, at: datetime) -> datetime:
    """When the deadline would be due under `calendar`, if an open pause ended at `at`."""
    target = replace(deadline.aim, calendar=calendar)
    pauses = tuple(replace(pause, end=pause.end or max(at, pause.start)) for pause in target.pauses)
    due = replace(target, pauses=pauses).due()
    assert due is not None, "with every pause closed there is a due instant"
    return due


def _moment(deadline: Deadline, target: Aim, text: str) -> datetime | None:
    """When a step is taken: a part of the limit, the due instant, running time after it, or from the start."""
    if text == "due":
        return deadline.due_at
    if text.startswith("due-"):
        return _before_due(deadline, text.removeprefix("due-"))
    if text.endswith("%"):
        fraction = _percentage(text)
        if deadline.pinned_at:
            whole = deadline.calendar.between(deadline.started_at, deadline.pinned_at)
            return deadline.calendar.add(deadline.started_at, whole * fraction.numerator / fraction.denominator)
        return target.at_fraction(fraction)
    if text.startswith("due+"):
        if deadline.due_at is None:
            return None
        return read_limit(text.removeprefix("due+")).due(deadline.calendar, deadline.due_at)
    return target.at_limit(read_limit(text))


@lru_cache(maxsize=128)
def _percentage(text: str) -> Fraction:
    return Fraction(int(text[:-1]), 100)


def _before_due(deadline: Deadline, text: str) -> datetime | None:
    """Running time before the due instant; nothing where the promise was made later than that."""
    limit = read_limit(text)
    assert isinstance(limit, RunningLimit), "policies admit nothing else"
    if deadline.due_at is None:
        return None
    at = deadline.calendar.subtract(deadline.due_at, limit.span)
    return at if at > deadline.started_at else None


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def pending_steps(deadline: Deadline) -> list[tuple[datetime, dict[str, Any]]]:
    """Steps still to be taken, by time. One that was taken is taken again only when it has moved to a later instant."""
    steps = []
    for step in deadline.steps:
        if step["at"] is None:
            continue
        at = datetime.fromisoformat(step["at"])
        if step.get("done") is None or at > datetime.fromisoformat(step["done"]):
            steps.append((at, step))
    order = list(StepKind.values)
    return sorted(steps, key=lambda pair: (pair[0], order.index(pair[1]["kind"])))


def next_moment(deadline: Deadline) -> datetime | None:
    """When the deadline next has something to do; None when it is at rest."""
    if deadline.state not in LIVE:
        return None
    moments = [at for at, _step in pending_steps(deadline)]
    if deadline.state == DeadlineState.PAUSED and deadline.paused_until:
        moments.append(deadline.paused_until)
    return min(moments, default=None)


def timer_for(deadline: Deadline) -> Timer | None:
    """The unsaved timer that holds a deadline's next step."""
    at = next_moment(deadline)
    if at is None:
        return None
    return Timer(
        fire_at=at,
        try_at=at,
        handler="sla.deadline",
        key=f"deadline-{deadline.pk}",
        case_id=deadline.case_id,
        deadline=deadline,
    )


def arm(deadlines: Iterable[Deadline]) -> None:
    """Bring the timers of changed deadlines in line: update, make or delete."""
    wanted = {d.pk: timer_for(d) for d in deadlines}
    existing = {timer.deadline_id: timer for timer in Timer.objects.filter(deadline_id__in=wanted)}
    update, create, delete = [], [], []
    for key, timer in wanted.items():
        present = existing.get(key)
        if timer is None:
            delete += [present.pk] if present else []
        elif present is None:
            create.append(timer)
        elif present.fire_at != timer.fire_at or present.parked_at is not None:
            present.fire_at = present.try_at = timer.fire_at
            present.attempts, present.error, present.parked_at = 0, "", None
            update.append(present)
    update_rows(update, ["fire_at", "try_at", "attempts", "error", "parked_at"])
    insert_rows(create)
    if delete:
        Timer.objects.filter(pk__in=delete).delete()


def pause(deadline: Deadline, at: datetime, why: str) -> bool:
    """Stop counting at `at`, for PAUSE_CAP at the longest. Nothing happens to a promise already missed or pinned."""
    if deadline.pinned_at or (deadline.due_at is not None and deadline.due_at <= at):
        return False
    deadline.pauses = [*deadline.pauses, [at.isoformat(), None, why]]
    deadline.paused_until = at + PAUSE_CAP
    deadline.state = DeadlineState.PAUSED
    aim(deadline)
    return True


def resume(deadline: Deadline, at: datetime) -> None:
    """Count again from `at`."""
    close_pause(deadline, at)
    deadline.state = DeadlineState.RUNNING


def close_pause(deadline: Deadline, at: datetime) -> None:
    """End an open pause at `at` (a pause cannot end before it began)."""
    if deadline.pauses and deadline.pauses[-1][1] is None:
        start, _open, why = deadline.pauses[-1]
        end = max(at, datetime.fromisoformat(start))
        deadline.pauses = [*deadline.pauses[:-1], [start, end.isoformat(), why]]
    deadline.paused_until = None
    if deadline.due_at is None:
        aim(deadline)


def stop(deadline: Deadline, at: datetime) -> None:
    """Stop at `at`, closing any pause first; the verdict follows from the instants."""
    close_pause(deadline, at)
    if deadline.state == DeadlineState.BROKEN:
        deadline.because = ""  # it was not broken after all
    deadline.state, deadline.stopped_at = DeadlineState.STOPPED, max(at, deadline.started_at)


def is_late(deadline: Deadline, at: datetime) -> bool:
    """Whether its due instant was over at `at`; a paused one without a due instant is not late."""
    return deadline.due_at is not None and deadline.due_at < at


def kept_after_all(deadline: Deadline, at: datetime) -> bool:
    """Whether a promise that counts as missed turns out to have been kept by something entered only now."""
    if deadline.state == DeadlineState.BROKEN and deadline.because in BELIEVED and deadline.due_at is not None:
        return deadline.started_at <= at <= deadline.due_at
    if deadline.state != DeadlineState.STOPPED or deadline.stopped_at is None or deadline.due_at is None:
        return False
    return deadline.started_at <= at <= deadline.due_at < deadline.stopped_at
