"""Calendars: when a promise's clock runs.

A calendar is a time zone, opening hours by weekday, a country's holidays and make-up working days (调休), and dated
exceptions. An exception wins over a make-up day, that over a holiday, and that over the weekday.

Instants go in aware, of any zone, and come back in UTC. Spans are `timedelta`, so all arithmetic is exact to the
microsecond. Hours are written on the wall clock and become instants day by day: hours across a spring change lose an
hour, across an autumn change they gain one, and a calendar open around the clock is plain elapsed time.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Any, Self
from zoneinfo import ZoneInfo

from sla.arithmetic.countries import CountryTable, CountryYear, country_year, holiday_name, known_through
from sla.arithmetic.errors import CalendarError
from sla.arithmetic.form import WEEKDAYS, Segments, read_form, write_hours

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
NOTHING = timedelta(0)
REACH = timedelta(days=3 * 365 + 1)  # three years: an answer further away is a mistake in the calendar or in the limit
YEARS = range(1900, 2201)  # zone rules and holiday tables say little outside
# Of an instant in these years every question has its answer within YEARS, in any zone and as far as three years reach.
ANSWERED_YEARS = range(YEARS[0] + 4, YEARS[-1] - 3)


class Why(StrEnum):
    """Why time counts or does not."""

    WEEK = "week"  # counted: the weekday's hours
    MAKE_UP = "make_up"  # counted: a make-up working day, with Monday's hours
    EXCEPTION_OPEN = "exception_open"  # counted: hours dated by hand
    SHUT = "shut"  # not counted: outside the hours of a working day
    WEEKEND = "weekend"  # not counted: a weekday without hours
    HOLIDAY = "holiday"  # not counted
    EXCEPTION_CLOSED = "exception_closed"  # not counted: closed by hand
    PAUSED = "paused"  # not counted: the promise was paused


@dataclass(frozen=True, slots=True)
class Day:
    """A local day: its hours (none: not a working day), why, and the holiday's English name."""

    date: date
    segments: Segments
    reason: Why
    name: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time that counted or did not, and why; `label` is a holiday's or a pause's name."""

    start: datetime
    end: datetime
    open: bool
    why: Why
    label: str = ""

    @property
    def span(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class _Year:
    """One local year, compiled: open stretches in order, the open time before each, and the working days."""

    starts: list[datetime]
    ends: list[datetime]
    before: list[timedelta]
    total: timedelta
    working_days: list[date]

    def used(self, at: datetime) -> timedelta:
        """Return the year's open time before `at`."""
        index = bisect_right(self.starts, at) - 1
        return self.before[index] + min(at, self.ends[index]) - self.starts[index] if index >= 0 else NOTHING


@dataclass(frozen=True)
class Calendar:
    """When the clock runs. Immutable; years are compiled when first needed, and then each question is a bisection.

    Build one with `from_dict`. Every method that takes an instant raises CalendarError if it is naive or its year lies
    outside 1900 to 2200, and every march ends with CalendarError three years after its start.
    """

    name: str
    zone: ZoneInfo
    week: tuple[Segments, ...]
    country: str = ""
    closed: frozenset[date] = frozenset()
    opened: tuple[tuple[date, Segments], ...] = ()
    titles: tuple[tuple[str, str], ...] = ()
    declared_through: date | None = None
    table: CountryTable | None = None  # the country's days as published; without one, as the library has them now
    _years: dict[int, _Year] = field(default_factory=dict, init=False, repr=False, compare=False)

    # Form

    @classmethod
    def from_dict(cls, name: str, form: Mapping[str, Any]) -> Self:
        """Build the calendar from its TOML form; raise CalendarError naming calendar, key and value."""
        return cls(name, **read_form(name, form))

    def to_dict(self) -> dict[str, Any]:
        """Return the form, such that `from_dict(name, to_dict())` is this calendar."""
        form: dict[str, Any] = {
            "timezone": self.zone.key,
            "holidays": self.country,
            "week": {day: write_hours(hours) for day, hours in zip(WEEKDAYS, self.week, strict=True) if hours},
            "closed": [day.isoformat() for day in sorted(self.closed)],
            "open": {day.isoformat(): write_hours(hours) for day, hours in self.opened},
        }
        if self.declared_through:
            form["complete_through"] = self.declared_through.isoformat()
        if self.titles:
            form["title"] = self.title
        return form

    def with_table(self, table: CountryTable | None) -> Self:
        """The same calendar with its country's days fixed; the form does not hold them."""
        return replace(self, table=table)

    @property
    def title(self) -> dict[str, str]:
        """The calendar's name by language (`en`, `zh`); may be empty."""
        return dict(self.titles)

    @cached_property
    def complete_through(self) -> date | None:
        """The last day for which make-up working days are known; None where there are none to wait for."""
        if self.declared_through or not self.country:
            return self.declared_through
        return self.table.through if self.table else known_through(self.country)

    def is_provisional(self, due: datetime) -> bool:
        """Say whether `due` lies in a year whose make-up working days are not known yet, so that it may still move."""
        through = self.complete_through
        return through is not None and through.year < YEARS[-1] and self.instant(due) > self.start_of_day(through + DAY)

    # Days

    def day(self, day: date) -> Day:
        """Return the day's hours and the reason for them."""
        self._check_year(day.year)
        if day in self.closed:
            return Day(day, (), Why.EXCEPTION_CLOSED)
        if day in self._opened:
            return Day(day, self._opened[day], Why.EXCEPTION_OPEN)
        if self.country:
            country = self._country_year(day.year)
            if day in country.make_up and self._make_up_hours:
                return Day(day, self._make_up_hours, Why.MAKE_UP)
            if day in country.off:
                return Day(day, (), Why.HOLIDAY, country.off[day])
        hours = self.week[day.weekday()]
        return Day(day, hours, Why.WEEK if hours else Why.WEEKEND)

    def _country_year(self, year: int) -> CountryYear:
        fixed = self.table.years.get(year) if self.table else None
        return fixed or country_year(self.country, year)

    def holiday_name(self, day: date, language: str = "en_US") -> str:
        """Return the name of the country's holiday on that day in `language` (`zh_CN`), or nothing."""
        if not self.country:
            return ""
        return holiday_name(self.country, day, language) or self._country_year(day.year).off.get(day, "")

    def is_working_day(self, day: date) -> bool:
        return bool(self.day(day).segments)

    def working_day_after(self, day: date, n: int) -> date:
        """Return the nth working day after `day`, which is day 0 whether worked or not; n is at least 1."""
        if n < 1:
            raise CalendarError(f"calendar {self.name!r}: there is no working day number {n}")
        self._check_year(day.year)
        horizon = day + REACH
        for year in range(day.year, horizon.year + 1):
            working_days = self._year(year).working_days
            index = (bisect_right(working_days, day) if year == day.year else 0) + n - 1
            if index < len(working_days):
                if working_days[index] > horizon:
                    break
                return working_days[index]
            n = index - len(working_days) + 1
        raise self._too_far(day)

    def first_working_day(self, day: date) -> date:
        """Return `day` if it is worked, else the next working day."""
        return day if self.is_working_day(day) else self.working_day_after(day, 1)

    def last_close(self, day: date) -> datetime:
        """Return the instant the day's last hours end; raise CalendarError if it has none."""
        hours = self.day(day).segments
        if not hours:
            raise CalendarError(f"calendar {self.name!r}: {day} has no hours")
        return self._reading(day, hours[-1].closes)

    def start_of_day(self, day: date) -> datetime:
        """Return the day's first instant, which is also 24:00 of the day before."""
        self._check_year(day.year)
        return self._reading(day, 0)

    def end_of_nth_working_day(self, at: datetime, n: int) -> datetime:
        """Return 24:00 of the nth working day after the local day of `at`."""
        return self.start_of_day(self.working_day_after(self.local(at).date(), n) + DAY)

    def clock(self, day: date, reading: time) -> datetime:
        """Return the instant of that clock time on that day.

        A time the clocks skip moves forward by what they skip (02:30 is 03:30), one they show twice is the first.
        """
        self._check_year(day.year)
        return datetime.combine(day, reading.replace(fold=0), self.zone).astimezone(UTC)

    def instant(self, at: datetime) -> datetime:
        """Return the same instant in UTC; raise CalendarError where every other question about it would."""
        if at.utcoffset() is None:
            raise CalendarError(f"calendar {self.name!r}: {at.isoformat()} has no offset, so it is no instant")
        self._check_year(at.year)
        return at.astimezone(UTC)

    def local(self, at: datetime) -> datetime:
        """Return the instant on the calendar's own clock."""
        return self.instant(at).astimezone(self.zone)

    # Instants

    def is_open(self, at: datetime) -> bool:
        """Say whether the clock runs at this instant; opening counts, closing does not."""
        at = self.instant(at)
        year = self._year_of(at)
        index = bisect_right(year.starts, at) - 1
        return index >= 0 and at < year.ends[index]

    def next_opening(self, at: datetime) -> datetime:
        """Return `at` if open, else the instant of the next opening."""
        at = self.instant(at)
        for year in self._years_from(at):
            index = bisect_right(year.ends, at)
            if index < len(year.ends):
                return self._within_reach(at, max(at, year.starts[index]))
        raise self._too_far(at)

    def add(self, start: datetime, worked: timedelta) -> datetime:
        """Return the first instant at which `worked` open time has gone by since `start`.

        Time worked up to a closing ends at that closing, not at the next opening. Nothing worked is `start` itself,
        or the next opening if it is shut.
        """
        if worked < NOTHING:
            raise CalendarError(f"calendar {self.name!r}: {worked} is less than nothing; use subtract")
        if not worked:
            return self.next_opening(start)
        start = self.instant(start)
        ahead = worked
        for number, year in enumerate(self._years_from(start)):
            if number == 0:
                ahead += year.used(start)
            if ahead <= year.total:
                index = bisect_left(year.before, ahead) - 1  # the last stretch that begins before the goal
                return self._within_reach(start, year.starts[index] + (ahead - year.before[index]))
            ahead -= year.total
        raise self._too_far(start)

    def subtract(self, end: datetime, worked: timedelta) -> datetime:
        """Return the last instant from which exactly `worked` open time remains until `end`; `end` if nothing."""
        if worked < NOTHING:
            raise CalendarError(f"calendar {self.name!r}: {worked} is less than nothing; use add")
        end = self.instant(end)
        if not worked:
            return end
        number = end.astimezone(self.zone).year
        back = self._year(number).used(end) - worked
        while back < NOTHING:
            number -= 1
            if number < (end - REACH).astimezone(self.zone).year:
                raise self._too_far(end)
            back += self._year(number).total
        year = self._year(number)
        index = bisect_right(year.before, back) - 1  # the last stretch that begins at or before the goal
        return self._within_reach(end, year.starts[index] + (back - year.before[index]))

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return the open time in [start, end); nothing if they run backwards."""
        start, end = self.instant(start), self.instant(end)
        if end <= start:
            return NOTHING
        first, last = start.astimezone(self.zone).year, end.astimezone(self.zone).year
        whole_years = sum((self._year(number).total for number in range(first, last)), NOTHING)
        return whole_years + self._year(last).used(end) - self._year(first).used(start)

    def intervals(self, start: datetime, end: datetime) -> Iterator[Interval]:
        """Split [start, end) into stretches that count or do not, each within one local day, and say why.

        The stretches touch and leave nothing out, and the open ones add up to `between(start, end)`.
        """
        start, end = self.instant(start), self.instant(end)
        day = start.astimezone(self.zone).date()
        begins = self.start_of_day(day)
        while begins < end:
            ends = self.start_of_day(day + DAY)
            for piece in self._pieces(day, begins, ends):
                clipped = Interval(max(piece.start, start), min(piece.end, end), piece.open, piece.why, piece.label)
                if clipped.start < clipped.end:
                    yield clipped
            day, begins = day + DAY, ends

    # Machinery

    @cached_property
    def _opened(self) -> dict[date, Segments]:
        return dict(self.opened)

    @cached_property
    def _make_up_hours(self) -> Segments:
        """Monday's hours; where Monday has none, those of the first weekday that has."""
        return next((hours for hours in self.week if hours), ())

    def _pieces(self, day: date, begins: datetime, ends: datetime) -> Iterator[Interval]:
        facts = self.day(day)
        closed_because = Why.SHUT if facts.segments else facts.reason
        shut_since = begins
        for opens, closes in _joined(self._stretches(day, begins, ends)):
            if shut_since < opens:
                yield Interval(shut_since, opens, False, closed_because)
            yield Interval(opens, closes, True, facts.reason, facts.name)
            shut_since = closes
        if shut_since < ends:
            yield Interval(shut_since, ends, False, closed_because, facts.name)

    def _stretches(self, day: date, begins: datetime, ends: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the day's hours as instants; those the clocks skip altogether are left out."""
        plain = ends - begins == DAY
        for segment in self.day(day).segments:
            if plain:  # no clock change: wall clock and elapsed time agree
                yield begins + timedelta(minutes=segment.opens), begins + timedelta(minutes=segment.closes)
                continue
            opens, closes = self._reading(day, segment.opens), self._reading(day, segment.closes)
            if opens < closes:
                yield opens, closes

    def _reading(self, day: date, minutes: int) -> datetime:
        """Return the first instant of the day at which its clock reads `minutes` past midnight, or more."""
        wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
        # With fold 0 a double time is the first, and a missing one is reckoned as if the clocks had not changed.
        at = wall.replace(tzinfo=self.zone).astimezone(UTC)
        if at.astimezone(self.zone).replace(tzinfo=None) == wall:
            return at
        before = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        return self._change_between(before, at)

    def _change_between(self, before: datetime, after: datetime) -> datetime:
        """Return the instant, a whole second, at which the clocks change between the two."""
        old_offset = before.astimezone(self.zone).utcoffset()
        while after - before > SECOND:
            middle = before + (after - before) // SECOND // 2 * SECOND
            if middle.astimezone(self.zone).utcoffset() == old_offset:
                before = middle
            else:
                after = middle
        return after

    def _year_of(self, at: datetime) -> _Year:
        return self._year(at.astimezone(self.zone).year)

    def _years_from(self, at: datetime) -> Iterator[_Year]:
        """Yield the compiled years from that of `at` to the end of what is within reach."""
        first, last = at.astimezone(self.zone).year, (at + REACH).astimezone(self.zone).year
        for number in range(first, last + 1):
            yield self._year(number)

    def _year(self, number: int) -> _Year:
        compiled = self._years.get(number)
        if compiled is None:
            self._check_year(number)
            compiled = self._years[number] = self._compile(number)
        return compiled

    def _compile(self, number: int) -> _Year:
        first = date(number, 1, 1)
        days = [first + DAY * n for n in range((date(number + 1, 1, 1) - first).days)]
        midnights = [self._reading(day, 0) for day in [*days, date(number + 1, 1, 1)]]
        stretches = list(
            _joined(
                stretch
                for day, (begins, ends) in zip(days, pairwise(midnights), strict=True)
                for stretch in self._stretches(day, begins, ends)
            )
        )
        before, total = [], NOTHING
        for opens, closes in stretches:
            before.append(total)
            total += closes - opens
        return _Year(
            starts=[opens for opens, _ in stretches],
            ends=[closes for _, closes in stretches],
            before=before,
            total=total,
            working_days=[day for day in days if self.is_working_day(day)],
        )

    def _check_year(self, year: int) -> None:
        if year not in YEARS:
            raise CalendarError(f"calendar {self.name!r}: the year {year} is outside {YEARS[0]} to {YEARS[-1]}")

    def _within_reach(self, origin: datetime, answer: datetime) -> datetime:
        if abs(answer - origin) > REACH:
            raise self._too_far(origin)
        return answer

    def _too_far(self, origin: date) -> CalendarError:
        return CalendarError(f"calendar {self.name!r}: no answer within three years of {origin.isoformat()}")


def _joined(stretches: Iterable[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """Yield the stretches, in order, with those that touch made one."""
    current: tuple[datetime, datetime] | None = None
    for opens, closes in stretches:
        if current and current[1] == opens:
            current = (current[0], closes)
        else:
            if current:
                yield current
            current = (opens, closes)
    if current:
        yield current
