"""Quiet hours: from 21:00 to 08:00 local time nobody is reminded or asked (architecture.md §5)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

FROM, UNTIL = time(21), time(8)


def next_open(at: datetime) -> datetime:
    """`at` itself where people may be disturbed, else the next 08:00."""
    local = at.astimezone(ZoneInfo(settings.TIME_ZONE))
    if UNTIL <= local.time() < FROM:
        return at
    day = local.date() + timedelta(days=1) if local.time() >= FROM else local.date()
    return datetime.combine(day, UNTIL, tzinfo=local.tzinfo).astimezone(UTC)
