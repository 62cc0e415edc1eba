"""Arrival windows as instants. A visit is always told in the site's own zone (lessons.md 35)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Protocol
from zoneinfo import ZoneInfo

from django.conf import settings


class Pattern(Protocol):
    """A window of every day, in local time."""

    starts: time
    ends: time
    peak: bool


@dataclass(frozen=True, order=True)
class Window:
    """One arrival window of one day: the technician rings within [starts_at, ends_at]."""

    starts_at: datetime
    ends_at: datetime
    # What people say of it does not make it another window: a stored one knows only its times.
    peak: bool = field(default=False, compare=False)

    @cached_property
    def day(self) -> date:
        """The local date of the window."""
        return self.starts_at.astimezone(site_zone()).date()

    @property
    def part(self) -> str:
        """The part of the day in which it begins, as in `states.DayPart`."""
        hour = self.starts_at.astimezone(site_zone()).hour
        return "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"


def site_zone() -> ZoneInfo:
    """The zone of the places we visit; one operator's area lies in one zone."""
    return ZoneInfo(settings.TIME_ZONE)


def day_begins(day: date) -> datetime:
    """Local midnight of that date, in UTC."""
    return datetime.combine(day, time(), tzinfo=site_zone()).astimezone(UTC)


def windows_of(day: date, patterns: Iterable[Pattern]) -> list[Window]:
    """The day's windows in order, as UTC instants.

    Where the clocks change, a window that the change swallows is left out; one it stretches or shortens keeps its
    local hours.
    """
    zone = site_zone()
    found = []
    for pattern in patterns:
        start = datetime.combine(day, pattern.starts, tzinfo=zone).astimezone(UTC)
        end = datetime.combine(day, pattern.ends, tzinfo=zone).astimezone(UTC)
        if end > start:
            found.append(Window(start, end, pattern.peak))
    return sorted(found)


def windows_between(first: date, last: date, patterns: Iterable[Pattern]) -> list[Window]:
    """All windows of the days from `first` to `last`, both included."""
    kept = list(patterns)
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [window for day in days for window in windows_of(day, kept)]
