"""Aims: one cycle of one promise. When is it due, how much is used, and which time did not count?

An aim is a value: it reads no clock and no database, and equal aims give equal answers. Warnings, rungs and the due
instant come out of the same function, so they cannot disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Literal

from sla.arithmetic.calendars import NOTHING, Calendar, Interval, Why
from sla.arithmetic.errors import LimitError
from sla.arithmetic.limits import Limit, RunningLimit, part

Verdict = Literal["open", "met", "missed"]
WHOLE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Pause:
    """Time that does not count, [start, end); without an end it is still going on."""

    start: datetime
    end: datetime | None
    why: str = ""


@dataclass(frozen=True)
class Aim:
    """What a deadline aims at: its limits, its calendar, its start, its pauses.

    `carried` is the open time used in earlier cycles. It shortens running limits, but leaves at least `floor` of each;
    day limits start afresh.
    """

    limits: tuple[Limit, ...]
    calendar: Calendar
    started_at: datetime
    pauses: tuple[Pause, ...] = ()
    carried: timedelta = NOTHING
    floor: Fraction = Fraction(1, 4)

    def __post_init__(self) -> None:
        if not self.limits:
            raise LimitError("a promise without a limit promises nothing")

    def due(self) -> datetime | None:
        """Return the instant, in UTC, up to which the promise is kept: that of the limit that ends first.

        None while a pause that began before it is still open. Raises CalendarError as the calendar does.
        """
        return self._first()[1]

    def dues(self) -> list[tuple[Limit, datetime | None]]:
        """Return each limit with its own due instant."""
        return [(limit, self._due(limit, WHOLE)) for limit in self.limits]

    def at_fraction(self, fraction: Fraction) -> datetime | None:
        """Return the instant at which that part of the first limit to get there is used; None as for `due`.

        It is a part of the whole limit: after reopening, the time carried counts as used (or what the floor leaves of
        it), and a part that was used up before is reached at the start.
        """
        return _earliest(self._due(limit, fraction) for limit in self.limits)

    def at_limit(self, limit: Limit) -> datetime | None:
        """Return the instant at which a limit other than the aim's own, counted from this cycle's start, is used."""
        return replace(self, limits=(limit,), carried=NOTHING).due()

    def after(self, span: timedelta) -> datetime | None:
        """Return the instant `span` of open time after the due instant; None as for `due`."""
        due = self.due()
        return self.calendar.add(due, span) if due and span else due

    def used(self, at: datetime) -> timedelta:
        """Return the open time from the start of this cycle to `at`, pauses left out."""
        return self.calendar.between(self.started_at, at) - self._paused(self.started_at, at)

    def left(self, at: datetime) -> timedelta:
        """Return the time from `at` to the due instant, pauses left out; nothing once it has passed.

        It is open time, or plain time where a calendar-day limit decides, and stands still while the aim is paused.
        """
        aim = self if self.due() else self._resumed(at)
        limit, due = aim._first()
        assert due is not None, "with every pause closed there is a due instant"
        if limit.counts_open_time:
            return self.calendar.between(at, due) - aim._paused(at, due)
        plain = sum((_overlap(pause, at, due) for pause in aim._pauses), NOTHING)
        return max(due - self.calendar.instant(at), NOTHING) - plain

    def explain(self, until: datetime) -> list[Interval]:
        """Split [started_at, until) into the stretches that counted and those that did not, with the reason for each.

        They touch, and the open ones add up to `used(until)`.
        """
        return [
            piece
            for interval in self.calendar.intervals(self.started_at, until)
            for piece in _cut(interval, self._pauses)
        ]

    # Machinery

    @cached_property
    def _pauses(self) -> tuple[Pause, ...]:
        """The pauses in UTC and in order, from the start on, without overlaps; a later one begins where one ends."""
        instant = self.calendar.instant
        clean: list[Pause] = []
        since = instant(self.started_at)
        for pause in sorted(self.pauses, key=lambda pause: instant(pause.start)):
            start = max(instant(pause.start), since)
            if pause.end is None:
                return (*clean, Pause(start, None, pause.why))
            if (end := instant(pause.end)) > start:
                clean.append(Pause(start, end, pause.why))
                since = end
        return tuple(clean)

    def _first(self) -> tuple[Limit, datetime | None]:
        """Return the deciding limit and its due instant.

        A limit that awaits the end of a pause cannot decide before one that ran out before it began.
        """
        known = [(due, limit) for limit, due in self.dues() if due is not None]
        if not known:
            return self.limits[0], None
        due, limit = min(known, key=lambda pair: pair[0])
        return limit, due

    def _due(self, limit: Limit, fraction: Fraction) -> datetime | None:
        """Return when that part of the limit is used: the one function behind due instants, warnings and rungs."""
        due = self._effective(limit, fraction).due(self.calendar, self.started_at)
        for pause in self._pauses:
            if pause.start >= due:
                break  # too late to help
            if pause.end is None:
                return None
            due = self._moved(limit, due, pause.start, pause.end)
        return due

    def _effective(self, limit: Limit, fraction: Fraction) -> Limit:
        if not isinstance(limit, RunningLimit) or not self.carried:
            return _scaled(limit, fraction)
        granted = max(limit.span - self.carried, part(limit.span, self.floor))
        spent = limit.span - granted
        return RunningLimit(max(limit.scaled(fraction).span - spent, NOTHING))

    def _moved(self, limit: Limit, due: datetime, start: datetime, end: datetime) -> datetime:
        """Return the due instant moved by a pause, measured in the limit's own time.

        What was left when it began is left when it ends. A pause all in shut time took nothing away and moves
        nothing, least of all from 24:00 back to the close.
        """
        if not limit.counts_open_time:
            return due + (end - start)
        if not self.calendar.between(start, end):
            return due
        return self.calendar.add(end, self.calendar.between(start, due))

    def _paused(self, start: datetime, end: datetime) -> timedelta:
        """Return the open time in [start, end) that was paused."""
        between = self.calendar.between
        return sum(
            (between(max(pause.start, start), min(pause.end or end, end)) for pause in self._pauses),
            NOTHING,
        )

    def _resumed(self, at: datetime) -> "Aim":
        """Return the aim as if the open pause ended at `at`."""
        *closed, going_on = self._pauses
        return replace(self, pauses=(*closed, replace(going_on, end=max(at, going_on.start))))


def verdict(due: datetime | None, stopped_at: datetime | None, now: datetime) -> Verdict:
    """Judge a promise by its instants: kept up to the due instant, that included; none due (paused) is not missed."""
    if due is not None and (stopped_at or now) > due:
        return "missed"
    return "met" if stopped_at else "open"


@lru_cache(maxsize=512)
def _scaled(limit: Limit, fraction: Fraction) -> Limit:
    """Return that part of a limit. Every intake asks for the same few; fractions are slow."""
    return limit if fraction == WHOLE else limit.scaled(fraction)


def _earliest(instants: Iterator[datetime | None]) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _overlap(pause: Pause, start: datetime, end: datetime) -> timedelta:
    return max(min(pause.end or end, end) - max(pause.start, start), NOTHING)


def _cut(interval: Interval, pauses: tuple[Pause, ...]) -> Iterator[Interval]:
    """Yield the interval with what is paused cut out of it."""
    since = interval.start
    for pause in pauses:
        start, end = max(pause.start, since), min(pause.end or interval.end, interval.end)
        if start >= end:
            continue
        if since < start:
            yield replace(interval, start=since, end=start)
        yield Interval(start, end, False, Why.PAUSED, pause.why)
        since = end
    if since < interval.end:
        yield replace(interval, start=since)
