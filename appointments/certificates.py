"""Certificates run out: holder and supervisors hear of it 30 days before, and on the morning after the last day.

One timer a day, without a case, which sets the next one. Whoever is told is told once: the notice's key names the
paper, the occasion and the person, so a morning that was missed is made up for on the next.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from notifications.models import Message
from notifications.services import notice
from sla import timers
from sla.models import Timer
from staff.ability import expiring
from staff.models import User
from staff.permissions import Role

from .windows import site_zone

TIMER = "appointments.certificates"
AHEAD_DAYS = 30
# How far back a morning that was missed is made up for.
LATE_DAYS = 7
MORNING = time(8)


def arm(*, at: datetime) -> Timer | None:
    """Set the timer of the next morning, unless one is set; at every start, because nothing else begins it."""
    if Timer.objects.filter(handler=TIMER).exists():
        return None
    return _set(at)


def _set(at: datetime) -> Timer:
    local = at.astimezone(site_zone())
    day = local.date() if local.time() < MORNING else local.date() + timedelta(days=1)
    fire_at = datetime.combine(day, MORNING, tzinfo=site_zone())
    return timers.set_timer(TIMER, key=f"{TIMER}-{day.isoformat()}", fire_at=fire_at)


@timers.handles(TIMER)
def tell_of_expiry(timer: Any, now: datetime) -> None:
    """Tell whom it concerns what runs out, and come again tomorrow."""
    today = now.astimezone(site_zone()).date()
    leaders = list(User.objects.filter(is_active=True, role=Role.SUPERVISOR)) or list(
        User.objects.filter(is_active=True, role=Role.HEAD)
    )
    told: list[Message] = []
    for paper in expiring(today - timedelta(days=LATE_DAYS), LATE_DAYS + AHEAD_DAYS):
        template = "certificate_ends" if paper.expires_on >= today else "certificate_ended"
        for person in {one.pk: one for one in (paper.user, *leaders)}.values():
            told.append(_notice(template, paper, person, at=now))
    Message.objects.bulk_create(told, ignore_conflicts=True)
    _set(now)


def _notice(template: str, paper: Any, person: User, *, at: datetime) -> Message:
    context = {
        "kind_zh": paper.kind.name_zh,
        "kind_en": paper.kind.name_en,
        "person": str(paper.user),
        "own": paper.user_id == person.pk,
        "day": paper.expires_on.isoformat(),
    }
    return notice(
        person, template=template, case=None, context=context, key=f"{template}-{paper.pk}:{person.pk}", at=at
    )
