"""Things that must happen at a time, and the register of who makes them happen.

A room registers its handlers by name in its `apps.py`. A handler is called with the case's row locked, in a
transaction of its own together with the deletion of its timer, so that its effect happens exactly once. It may
call services. Deadlines have a faster way of their own, in `sweep`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from cases.models import Case

from .models import Timer

Handler = Callable[[Timer, datetime], None]
_handlers: dict[str, Handler] = {}
_outliving: set[str] = set()

DEADLINE = "sla.deadline"
MOST_ATTEMPTS = 8


def handles(name: str, *, outlives_case: bool = False) -> Callable[[Handler], Handler]:
    """Register the handler of all timers of this name.

    With `outlives_case` its timers fire whatever becomes of their case: the handler itself sees what is still right.
    """

    def enter(function: Handler) -> Handler:
        _handlers[name] = function
        if outlives_case:
            _outliving.add(name)
        return function

    return enter


def handler(name: str) -> Handler:
    """The registered handler. Raises LookupError for a name nobody registered: the timer is then retried and parked."""
    try:
        return _handlers[name]
    except KeyError:
        raise LookupError(f"no handler is registered for timers named {name!r}") from None


def set_timer(
    handler: str, *, key: str, fire_at: datetime, case: Case | None = None, args: dict[str, Any] | None = None
) -> Timer:
    """Set a timer, or move the one with the same key to the new instant."""
    timer, _created = Timer.objects.update_or_create(
        key=key,
        defaults={
            "handler": handler,
            "fire_at": fire_at,
            "try_at": fire_at,
            "case": case,
            "args": args or {},
            "attempts": 0,
            "parked_at": None,
            "error": "",
        },
    )
    return timer


def cancel_timers(case: Case, handler: str = "") -> int:
    """Remove a case's timers that are not a deadline's; return how many were pending.

    Those that outlive their case (`handles`) are removed by the name of their handler only.
    """
    timers = Timer.objects.filter(case_id=case.pk, deadline__isnull=True)
    timers = timers.filter(handler=handler) if handler else timers.exclude(handler__in=_outliving)
    return timers.delete()[0]


def cancel_timer(key: str) -> bool:
    """Remove the timer with this key, whose case's lock the caller holds; return whether there was one."""
    return bool(Timer.objects.filter(key=key).delete()[0])


def is_behind(now: datetime, *, by: timedelta) -> bool:
    """Whether something that was due longer ago than `by` has not fired: the sweep stands still, or is slow."""
    return Timer.objects.filter(parked_at__isnull=True, try_at__lt=now - by).exists()


def back_off(attempts: int) -> timedelta:
    """How long to wait after that many failed attempts: 10 s, doubling, an hour at the most."""
    return min(timedelta(seconds=10 * 2 ** (attempts - 1)), timedelta(hours=1))


def fail(timer: Timer, problem: BaseException, *, now: datetime) -> None:
    """Put a failed timer off, or park it after MOST_ATTEMPTS. `fire_at` is evidence and stays."""
    timer.attempts += 1
    timer.error = f"{type(problem).__name__}: {problem}"[:2000]
    timer.try_at = now + back_off(timer.attempts)
    if timer.attempts >= MOST_ATTEMPTS:
        timer.parked_at = now
    timer.save(update_fields=["attempts", "error", "try_at", "parked_at"])


@transaction.atomic
def retry_parked(timer_id: int, *, at: datetime) -> Timer:
    """Let the sweep try a parked timer again, at once. Raises Timer.DoesNotExist where none is parked (any more)."""
    parked = Timer.objects.filter(pk=timer_id, parked_at__isnull=False)
    timer = parked.get()
    if timer.case_id is not None:
        Case.objects.locked(timer.case_id)  # the case's lock is also that of its timers
    timer = parked.select_for_update().get()
    timer.parked_at, timer.attempts, timer.try_at = None, 0, at
    timer.save(update_fields=["parked_at", "attempts", "try_at"])
    return timer
