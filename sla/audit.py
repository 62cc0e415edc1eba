"""The hourly audit: does every live promise that has something left to do hold a timer?

A late timer shows by itself (/healthz); a timer that is not there shows nowhere. So the audit looks for promises, not
for timers, arms what it finds, and says so loudly: each find is a defect. It stands for the canary of lessons.md 20
(docs/adr/0009).
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import transaction

from cases.models import Case
from cases.querysets import locks_rows

from . import timers
from .deadlines import timer_for
from .models import Deadline, Timer
from .states import LIVE

log = logging.getLogger(__name__)

HANDLER = "sla.audit"
FOUND = "sla.audit.found"  # in the cache: what the last audit found, for /healthz
EVERY = timedelta(hours=1)
# At most so many are armed at one go; the next hour goes on.
MOST = 1000


def arm(*, at: datetime) -> Timer | None:
    """Set the audit's timer unless one is set; at every start, because nothing else begins it."""
    if Timer.objects.filter(handler=HANDLER).exists():
        return None
    return timers.set_timer(HANDLER, key=HANDLER, fire_at=at)


@timers.handles(HANDLER)
def hourly(timer: Any, now: datetime) -> None:
    lost = arm_unarmed()
    cache.set(FOUND, {"at": now.isoformat(), "unarmed": len(lost)}, timeout=int(3 * EVERY.total_seconds()))
    # The key of the timer that is firing is still taken; each hour has its own.
    next_at = now + EVERY
    timers.set_timer(HANDLER, key=f"{HANDLER}-{next_at:%Y%m%d%H%M%S}", fire_at=next_at)


@transaction.atomic
def arm_unarmed() -> list[int]:
    """Arm live promises that have something to do and no timer; return their keys. Each is logged as an error.

    Cases are locked one after the other, which nobody else does, but never waited for: no circle can close.
    """
    suspects = Deadline.objects.filter(state__in=LIVE, timer__isnull=True).select_related("rule", "calendar_version")
    lost = [deadline for deadline in suspects.order_by("-pk").iterator(2000) if timer_for(deadline)][:MOST]
    return [deadline.pk for deadline in lost if _arm(deadline)]


def _arm(suspect: Deadline) -> bool:
    """Look again under the case's lock: between the two looks somebody may have worked on it. Busy ones can wait."""
    cases = Case.objects.filter(pk=suspect.case_id)
    if not cases.select_for_update(no_key=True, skip_locked=locks_rows(), of=("self",)).exists():
        return False
    deadline = Deadline.objects.select_related("rule", "calendar_version").get(pk=suspect.pk)
    timer = timer_for(deadline)
    if timer is None or Timer.objects.filter(deadline=deadline).exists():
        return False
    timer.save()
    log.error("the promise %s of case %s had no timer; armed now", deadline.promise, suspect.case_id)
    return True
