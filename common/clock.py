"""The one place where the clock is read.

Read it once per operation, at the edge or as the default of a service's `at`, and pass it down. A replay sets it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import datetime

from django.utils import timezone

_simulated: ContextVar[datetime | None] = ContextVar("simulated_now", default=None)


def now() -> datetime:
    """The present instant: aware, in UTC; the simulated one inside `simulated`."""
    return _simulated.get() or timezone.now()


@contextlib.contextmanager
def simulated(instant: datetime) -> Iterator[None]:
    """Let `now()` stand at `instant` within the block (replays and the demo center)."""
    token = _simulated.set(instant)
    try:
        yield
    finally:
        _simulated.reset(token)
