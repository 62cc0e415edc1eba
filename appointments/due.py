"""Which visits a dispatcher must do something about now: the red figure at Dispatch, and nothing that can wait."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .models import Appointment
from .states import PROMISED, TO_BOOK

# From here on the customer has been asked whether the time suits: it must be known who comes (requirements.md C-15).
SOON = timedelta(hours=24)
# A window that was over longer ago has been counted as missed; the bound keeps the index from reading all history.
OVER = timedelta(hours=24)


def due(now: datetime) -> list[Any]:
    """Three querysets without a visit in common, so that each walks an index of its own.

    Whoever must be called; a promised window of the next 24 hours without a technician; a visit whose promise of a
    time is overdue. Who fell ill since being assigned is not counted: only the grid can tell, and the board does.
    """
    visits = Appointment.objects.open()
    others = visits.filter(call_since=None)
    return [
        visits.filter(call_since__isnull=False),
        others.filter(state__in=PROMISED, owner=None, starts_at__gt=now - OVER, starts_at__lt=now + SOON),
        others.filter(state__in=TO_BOOK).overdue(now),
    ]
