"""The ledger of a day limit: which days it counted on the way to its due instant, and why it skipped the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sla.arithmetic.calendars import DAY, Calendar, Day
from sla.arithmetic.limits import DayLimit


@dataclass(frozen=True, slots=True)
class DayCount:
    """A day and its number in the count; None if it was skipped. The day of receipt is number 0."""

    day: Day
    number: int | None


def count_days(limit: DayLimit, calendar: Calendar, start: datetime) -> Iterator[DayCount]:
    """Yield every local day from the start to the one on which the limit is due.

    A working-day limit skips days that are not worked; a calendar-day limit skips those it rolls over. The last number
    is one more than the limit's where its cut-off was missed. Raises CalendarError as `limit.due` does.
    """
    received = calendar.local(start)
    last, count = limit.last_day(calendar, received), limit.count(received)
    day, number = received.date(), 0
    yield DayCount(calendar.day(day), 0)
    while day < last:
        day += DAY
        counts = calendar.is_working_day(day) if limit.working else number < count
        number += counts
        yield DayCount(calendar.day(day), number if counts else None)
