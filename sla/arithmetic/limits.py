"""Limits: how long a promise may take.

    15m  4h  90s  1h30m  6.4h     running time: open time of the calendar
    7wd                           24:00 of the 7th working day
    15d                           24:00 of the 15th calendar day

A day limit may name the hour at which its day ends, a cut-off, and a roll to a working day:

    7wd@close           the last close of that day
    7wd@same            the clock time of the start; where that is shut, the last close of that day
    1wd@18:00           that clock time
    1wd@18:00<15:00     started after 15:00, one (working) day more
    15d+roll            a last day that is not worked moves on to the next working day

The local day of the start, worked or not, is day 0. `0d` is the same day; there is no `0wd`, for day 0 need not be one.
Calendar days take no notice of shut hours: `30d@same` is the same clock time thirty days on.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import Enum
from fractions import Fraction
from typing import Self

from sla.arithmetic.calendars import DAY, REACH, Calendar
from sla.arithmetic.errors import LimitError

MICROSECOND = timedelta(microseconds=1)
HOUR, MINUTE, SECOND = (timedelta(seconds=seconds) for seconds in (3600, 60, 1))
NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
RUNNING = re.compile(rf"(?:({NUMBER})h)?(?:({NUMBER})m)?(?:({NUMBER})s)?")
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
DAYS = re.compile(rf"([0-9]{{1,9}})(wd|d)(?:@(close|same|{CLOCK}))?(?:<({CLOCK}))?(\+roll)?")


class Limit(ABC):
    """How long a promise may take. `str` gives the canonical text, which `parse` reads back to an equal limit."""

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether open time runs, rather than days that end."""

    @property
    @abstractmethod
    def counts_open_time(self) -> bool:
        """Whether its time is the calendar's open time, rather than plain time."""

    @property
    @abstractmethod
    def ends_at_midnight(self) -> bool:
        """Whether the due instant is said as "by the end of" the day before."""

    @staticmethod
    def parse(text: str) -> "Limit":
        """Read one limit; raise LimitError saying what is wrong."""
        text = text.strip()
        if text and (match := RUNNING.fullmatch(text)):
            return RunningLimit.of(text, *match.groups())
        if match := DAYS.fullmatch(text):
            return DayLimit.of(text, *match.groups())
        raise LimitError(f"{text[:40]!r} is not a limit, such as 15m, 4h, 7wd, 7wd@close, 15d+roll or 1wd@18:00<15:00")

    @abstractmethod
    def due(self, calendar: Calendar, start: datetime) -> datetime:
        """Return the last instant at which the promise is kept, in UTC; raise CalendarError if there is none."""

    @abstractmethod
    def scaled(self, fraction: Fraction) -> "Limit":
        """Return that part of the limit, on which warnings and rungs stand.

        Running time scales exactly, cut to the microsecond; N days become the same limit with ceil(N × fraction), at
        least one. Raises LimitError for a fraction that is not positive.
        """


@dataclass(frozen=True, slots=True)
class RunningLimit(Limit):
    """Open time of the calendar. No time at all is due at the start itself, open or shut."""

    span: timedelta

    is_running = True
    counts_open_time = True
    ends_at_midnight = False

    @classmethod
    def of(cls, text: str, hours: str | None, minutes: str | None, seconds: str | None) -> Self:
        total = Fraction(hours or 0) * 3600 + Fraction(minutes or 0) * 60 + Fraction(seconds or 0)
        micros = total * 1_000_000
        if micros.denominator != 1:
            raise LimitError(f"{text!r} is finer than a microsecond")
        if total > REACH // SECOND:
            raise LimitError(f"{text!r} is longer than three years")
        return cls(int(micros) * MICROSECOND)

    def due(self, calendar: Calendar, start: datetime) -> datetime:
        return calendar.add(start, self.span) if self.span else calendar.instant(start)

    def scaled(self, fraction: Fraction) -> "RunningLimit":
        _check(fraction)
        return RunningLimit(part(self.span, fraction))

    def __str__(self) -> str:
        hours, rest = divmod(self.span, HOUR)
        minutes, rest = divmod(rest, MINUTE)
        seconds, micros = divmod(rest, SECOND)
        fraction = f".{micros // MICROSECOND:06}".rstrip("0") if micros else ""
        parts = (f"{hours}h" if hours else "", f"{minutes}m" if minutes else "")
        return "".join(parts) + (f"{seconds}{fraction}s" if rest else "") or "0m"


class End(Enum):
    """When the last day ends."""

    MIDNIGHT = ""
    CLOSE = "close"
    SAME = "same"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class DayLimit(Limit):
    """The Nth working or calendar day, and the hour at which it ends."""

    days: int
    working: bool
    end: End = End.MIDNIGHT
    clock: time | None = None
    cut_off: time | None = None
    roll: bool = False

    is_running = False

    @classmethod
    def of(cls, text: str, days: str, unit: str, end: str | None, cut_off: str | None, roll: str | None) -> Self:
        named = end in ("close", "same")
        limit = cls(
            days=int(days),
            working=unit == "wd",
            end=End(end or "") if named or not end else End.CLOCK,
            clock=time.fromisoformat(end) if end and not named else None,
            cut_off=time.fromisoformat(cut_off) if cut_off else None,
            roll=bool(roll),
        )
        if reason := limit._nonsense():
            raise LimitError(f"{text!r}: {reason}")
        return limit

    @property
    def counts_open_time(self) -> bool:
        return self.working

    @property
    def ends_at_midnight(self) -> bool:
        return self.end is End.MIDNIGHT

    def due(self, calendar: Calendar, start: datetime) -> datetime:
        received = calendar.local(start)
        last = self.last_day(calendar, received)
        if self.end is End.MIDNIGHT:
            return calendar.start_of_day(last + DAY)
        if self.end is End.CLOSE:
            return calendar.last_close(last)
        at = calendar.clock(last, self.clock or received.time())
        if self.end is End.SAME and self.working and not calendar.is_open(at):
            return calendar.last_close(last)
        return at

    def count(self, received: datetime) -> int:
        """Return how many days are counted: one more if received, on the local clock, after the cut-off."""
        return self.days + (self.cut_off is not None and received.time() > self.cut_off)

    def scaled(self, fraction: Fraction) -> "DayLimit":
        _check(fraction)
        return replace(self, days=math.ceil(self.days * fraction))

    def last_day(self, calendar: Calendar, received: datetime) -> date:
        """Return the local day that ends with the limit, for something received at that local time."""
        count = self.count(received)
        if self.working:
            return calendar.working_day_after(received.date(), count)
        last = received.date() + count * DAY
        return calendar.first_working_day(last) if self.roll else last

    def _nonsense(self) -> str:
        if self.days * DAY > REACH:
            return "longer than three years"
        if self.working and self.days == 0:
            return "the day of receipt need not be a working day; for the same day write 0d"
        if self.working and self.roll:
            return "a working day has nothing to roll to"
        if not self.working and self.end is End.CLOSE:
            return "a calendar day may have no close; use wd"
        if self.days == 0 and self.end is End.SAME:
            return "the same time on the same day is no time at all; write 0m"
        if self.days == 0 and self.clock and not (self.cut_off and self.cut_off <= self.clock):
            return "on the same day the time needs a cut-off no later than itself, or it may be over at the start"
        return ""

    def __str__(self) -> str:
        unit = "wd" if self.working else "d"
        hour = self.clock.strftime("%H:%M") if self.clock else self.end.value
        cut_off = f"<{self.cut_off:%H:%M}" if self.cut_off is not None else ""
        return f"{self.days}{unit}{f'@{hour}' if hour else ''}{cut_off}{'+roll' if self.roll else ''}"


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Read limits separated by commas, at least one; raise LimitError."""
    return tuple(Limit.parse(one) for one in text.split(","))


def earliest(
    limits: Iterable[Limit], calendar: Calendar, start: datetime
) -> tuple[datetime, list[tuple[Limit, datetime]]]:
    """Return the due instant of the limit that ends first, and that of each limit; raise CalendarError."""
    dues = [(limit, limit.due(calendar, start)) for limit in limits]
    return min(due for _, due in dues), dues


def part(span: timedelta, fraction: Fraction) -> timedelta:
    """Return that part of the span, exactly, cut to the microsecond: a warning may be early, never late."""
    return math.floor(span // MICROSECOND * fraction) * MICROSECOND


def _check(fraction: Fraction) -> None:
    if fraction <= 0:
        raise LimitError(f"{fraction} of a limit is no part of it")
