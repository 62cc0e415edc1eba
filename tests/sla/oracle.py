"""A second opinion on calendars and limits: walks minute by minute and shares no code with what it judges.

It asks only one thing of `zoneinfo`, which local time an instant has; never the other way around. Slow and simple on
purpose. A calendar is here its written form (the TOML table), without a country.

A day's hours begin and end at the first instant at which the day's clock has come as far as they say. Where the clock
jumps, that is the jump; where it goes back, it has been there before, so the reading kept is the furthest of the day.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
MICROS = MINUTE // MICROSECOND
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Beyond(Exception):
    """The answer lies after the window's end."""


@lru_cache(maxsize=64)
def readings(zone: str, first_day: date, days: int) -> list[tuple[datetime, date, int, int]]:
    """Every minute of the window: instant, local date, minute shown, furthest minute shown that day."""
    tz = ZoneInfo(zone)
    at = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC) - timedelta(days=2)
    rows, furthest = [], {}
    while True:
        local = at.astimezone(tz)
        day, shown = local.date(), local.hour * 60 + local.minute
        if day >= first_day + timedelta(days=days):
            return rows
        if day >= first_day:
            furthest[day] = max(furthest.get(day, 0), shown)
            rows.append((at, day, shown, furthest[day]))
        at += MINUTE


@dataclass
class Oracle:
    form: dict[str, Any]
    first_day: date
    days: int

    def __post_init__(self) -> None:
        self.rows = readings(self.form["timezone"], self.first_day, self.days)
        self.begin, self.end = self.rows[0][0], self.rows[-1][0] + MINUTE
        hours = {day: self.hours(day) for n in range(self.days) for day in [self.first_day + timedelta(days=n)]}
        marks = {day: marked(spans) for day, spans in hours.items()}
        self.open = [marks[day][furthest] for _, day, _, furthest in self.rows]
        self.working = sorted(day for day, spans in hours.items() if spans)

    def hours(self, day: date) -> list[tuple[int, int]]:
        if day.isoformat() in self.form.get("closed", []):
            return []
        texts = self.form.get("open", {}).get(day.isoformat(), self.form["week"].get(WEEKDAYS[day.weekday()], []))
        return [(int(t[0:2]) * 60 + int(t[3:5]), int(t[6:8]) * 60 + int(t[9:11])) for t in texts]  # 08:30-12:00

    def minute_of(self, at: datetime) -> int:
        index = (at - self.begin) // MINUTE
        if not 0 <= index < len(self.rows):
            raise Beyond
        return index

    def micros(self, at: datetime) -> int:
        return (at - self.begin) // MICROSECOND

    def local(self, at: datetime) -> tuple[date, int]:
        _, day, shown, _ = self.rows[self.minute_of(at)]
        return day, shown

    def is_open(self, at: datetime) -> bool:
        return self.open[self.minute_of(at)]

    def next_opening(self, at: datetime) -> datetime:
        first = self.minute_of(at)
        for minute in range(first, len(self.open)):
            if self.open[minute]:
                return at if minute == first else self.begin + minute * MINUTE
        raise Beyond

    def counted(self, paused, plain: bool) -> list[bool]:
        """For every minute, whether it counts; pauses begin and end on whole minutes."""
        counted = [True] * len(self.open) if plain else list(self.open)
        for start, end in paused:
            for index in range(self.minute_of(start), self.minute_of(end)):
                counted[index] = False
        return counted

    def between(self, start: datetime, end: datetime, *, paused=(), plain: bool = False) -> timedelta:
        counted = self.counted(paused, plain)
        total, at, stop = 0, self.micros(start), self.micros(end)
        while at < stop:
            minute = at // MICROS
            if minute >= len(counted):
                raise Beyond
            step = min((minute + 1) * MICROS, stop)
            if counted[minute]:
                total += step - at
            at = step
        return total * MICROSECOND

    def add(self, start: datetime, worked: timedelta, *, paused=(), plain: bool = False) -> datetime:
        """Walk until `worked` has gone by."""
        if not worked:
            return start if plain else self.next_opening(start)
        counted = self.counted(paused, plain)
        at, ahead = self.micros(start), worked // MICROSECOND
        for minute in range(self.minute_of(start), len(counted)):
            step = (minute + 1) * MICROS
            if counted[minute]:
                if ahead <= step - at:
                    return self.begin + (at + ahead) * MICROSECOND
                ahead -= step - at
            at = step
        raise Beyond

    def subtract(self, end: datetime, worked: timedelta) -> datetime:
        """Walk back until `worked` has gone by."""
        at, back = self.micros(end), worked // MICROSECOND
        if not back:
            return end
        for minute in range((at - 1) // MICROS, -1, -1):
            if minute >= len(self.open):
                raise Beyond
            step = minute * MICROS
            if self.open[minute]:
                if back < at - step:
                    return self.begin + (at - back) * MICROSECOND
                back -= at - step
                if not back:
                    return self.begin + step * MICROSECOND
            at = step
        raise Beyond

    def working_day_after(self, day: date, n: int) -> date:
        later = [other for other in self.working if other > day]
        if len(later) < n:
            raise Beyond
        return later[n - 1]

    def reached(self, day: date, minute: int) -> datetime:
        """The first instant of the day at which its clock has come as far as `minute`."""
        for at, this_day, _, furthest in self.rows_near(day):
            if (this_day == day and furthest >= minute) or this_day > day:
                return at
        raise Beyond

    def shown(self, day: date, minute: int) -> datetime:
        """The first instant at which the clock shows that minute; an hour later where the clocks skip it."""
        for wanted in (minute, minute + 60):
            for at, this_day, minute_shown, _ in self.rows_near(day):
                if this_day == day and minute_shown == wanted:
                    return at
        raise Beyond

    def rows_near(self, day: date):
        """Rows from a day before to two days after, only to save time."""
        first = max(0, ((day - self.first_day).days - 1) * 1440)
        return self.rows[first : first + 4 * 1440]

    def days_due(
        self, start: datetime, n: int, unit: str, end: str = "", cut_off: int | None = None, roll: bool = False
    ) -> datetime:
        """Due instant of `n` days; `end` is '', 'close', 'same' or a minute of the day as text."""
        day, minute = self.local(start)
        rest = start - start.replace(second=0, microsecond=0)
        if cut_off is not None and (minute, rest) > (cut_off, timedelta(0)):
            n += 1
        if unit == "wd":
            last = self.working_day_after(day, n)
        else:
            last = day + timedelta(days=n)
            while roll and last not in self.working:
                last += timedelta(days=1)
                if last > self.rows[-1][1]:
                    raise Beyond
        if end == "":
            return self.reached(last, 1440)
        if end == "same":
            at = self.shown(last, minute) + rest
            if unit == "d" or self.is_open(at):
                return at
            end = "close"
        if end == "close":
            return self.reached(last, self.hours(last)[-1][1])
        return self.shown(last, int(end))


def marked(spans: list[tuple[int, int]]) -> list[bool]:
    """For every minute of a day, whether it is open."""
    marks = [False] * 1440
    for opens, closes in spans:
        for minute in range(opens, closes):
            marks[minute] = True
    return marks
