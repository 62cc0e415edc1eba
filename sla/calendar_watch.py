"""From November 1 supervisors hear every week which calendars lack next year's working days (architecture.md §3).

A country announces its make-up working days in the autumn; until they are loaded, what is due next year is provisional.
One timer without a case, which sets the next one.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from notifications.models import Message
from notifications.services import notice
from staff.models import User
from staff.permissions import Role

from . import shipped, timers
from .models import Timer

HANDLER = "sla.calendars"
MORNING = time(9)
AGAIN = timedelta(days=7)


def arm(*, at: datetime) -> Timer | None:
    """Set the timer unless one is set; at every start, because nothing else begins it."""
    if Timer.objects.filter(handler=HANDLER).exists():
        return None
    return _set(at.astimezone(_zone()).date() + timedelta(days=1))


def lacking(year: int) -> list[str]:
    """The names of the calendars whose newest version does not know the make-up working days of that year."""
    return sorted(
        name
        for name, calendar in shipped.known_calendars().items()
        if calendar.complete_through is not None and calendar.complete_through < date(year, 12, 31)
    )


@timers.handles(HANDLER)
def tell_of_missing_days(timer: Any, now: datetime) -> None:
    """Tell supervisors, and administrators, who load calendars; again in a week, or next November."""
    today = now.astimezone(_zone()).date()
    year = _awaited(today)
    missing = lacking(year)
    if not missing:
        _set(date(year, 11, 1))
        return
    people = User.objects.filter(is_active=True, role__in=[Role.SUPERVISOR, Role.ADMINISTRATOR])
    context = {"year": year, "calendars": missing}
    Message.objects.bulk_create(
        [
            notice(
                person,
                template="calendar_incomplete",
                case=None,
                context=context,
                key=f"calendars-{today.isoformat()}:{person.pk}",
                at=now,
            )
            for person in people
        ],
        ignore_conflicts=True,
    )
    _set(today + AGAIN)


def _awaited(today: date) -> int:
    """The year whose days must be known by now: from November on the next one."""
    return today.year + 1 if today.month >= 11 else today.year


def _set(day: date) -> Timer:
    fire_at = datetime.combine(day, MORNING, tzinfo=_zone())
    return timers.set_timer(HANDLER, key=f"{HANDLER}-{day.isoformat()}", fire_at=fire_at)


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)
