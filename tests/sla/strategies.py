"""Random calendars, starts and limits for the properties of the arithmetic."""

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

from hypothesis import HealthCheck, reject, settings
from hypothesis import strategies as st

from sla.arithmetic import CalendarError
from tests.sla.oracle import WEEKDAYS, Beyond, Oracle

# `make proof` asks for 100,000 random calendars, shared out between the properties; every run of the suite, for a few.
PROOF = int(os.environ.get("SC_PROOF_CALENDARS", "0"))

WINDOW = 24  # days
WINDOWS = [
    ("Asia/Shanghai", date(2026, 2, 10)),
    ("Asia/Shanghai", date(2026, 12, 20)),  # across the year
    ("Europe/Berlin", date(2026, 3, 21)),  # clocks go forward on March 29
    ("Europe/Berlin", date(2026, 10, 17)),  # and back on October 25
    ("America/New_York", date(2026, 2, 28)),  # forward on March 8
    ("America/New_York", date(2027, 10, 30)),  # back on November 7
]


def proof(examples: int, share: float):
    """Settings for a property that costs `examples` in the suite, and its share of the proof's calendars."""
    return settings(
        max_examples=max(examples, int(PROOF * share)),
        deadline=None,
        derandomize=not PROOF,  # the suite asks the same every day; the proof, something new each time
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


# Quarter hours touch each other and the changes of the clocks more often than minutes would; minutes are there too.
edges = st.one_of(st.integers(0, 96).map(lambda quarter: quarter * 15), st.integers(0, 1440))


@st.composite
def hours(draw, least: int = 1) -> list[str]:
    """One to four segments; one in five days is open around the clock."""
    if draw(st.integers(0, 4)) == 0:
        return ["00:00-24:00"]
    count = draw(st.integers(least, 4))
    times = sorted(draw(st.lists(edges, min_size=2 * count, max_size=2 * count, unique=True)))
    pairs = list(zip(times[::2], times[1::2], strict=True))
    if count > 1 and draw(st.booleans()):  # let the first two touch
        pairs[0] = (pairs[0][0], pairs[1][0])
    return [f"{clock(opens)}-{clock(closes)}" for opens, closes in pairs]


@dataclass
class Case:
    """A calendar's form, and the weeks for which the oracle knows it."""

    form: dict
    first_day: date

    @cached_property
    def oracle(self) -> Oracle:
        return Oracle(self.form, self.first_day, WINDOW)

    def at(self, seconds: int) -> datetime:
        """An instant counted from the morning (UTC) of the first day."""
        return datetime.combine(self.first_day, time(6), UTC) + timedelta(seconds=seconds)


@st.composite
def cases(draw) -> Case:
    zone, first_day = draw(st.sampled_from(WINDOWS))
    subset = draw(st.integers(1, 127))
    some_day = st.integers(0, WINDOW - 1).map(lambda n: (first_day + timedelta(days=n)).isoformat())
    closed = draw(st.lists(some_day, max_size=4, unique=True))
    opened = draw(st.dictionaries(some_day, hours(), max_size=3))
    form = {
        "timezone": zone,
        "week": {day: draw(hours()) for bit, day in enumerate(WEEKDAYS) if subset >> bit & 1},
        "closed": closed,
        "open": {day: its_hours for day, its_hours in opened.items() if day not in closed},
    }
    return Case(form, first_day)


def agree(oracle: Oracle, answer, truth) -> None:
    """Both give the same answer; or the oracle found none in its window, and the answer lies outside or is refused."""
    try:
        expected = truth()
    except Beyond:
        try:
            given = answer()
        except CalendarError:
            return
        if isinstance(given, datetime):
            assert not oracle.begin <= given < oracle.end - timedelta(days=1)
    else:
        assert answer() == expected


def reachable(ask):
    """Return the answer, or give the example up: a minute a week makes a day of work take longer than three years."""
    try:
        return ask()
    except CalendarError:
        reject()


DAY_SECONDS = 24 * 3600
starts = st.one_of(
    st.integers(0, 14 * 24 * 4).map(lambda quarter: quarter * 900),
    st.integers(0, 14 * DAY_SECONDS),
)
spans = st.one_of(
    st.integers(0, 96).map(lambda quarter: timedelta(minutes=15 * quarter)),
    st.integers(0, 5 * DAY_SECONDS).map(lambda seconds: timedelta(seconds=seconds)),
    st.integers(0, 10**11).map(lambda micros: timedelta(microseconds=micros)),
)


@st.composite
def day_limits(draw) -> tuple[str, dict]:
    """A day limit's text, and what the oracle has to be told of it."""
    unit = draw(st.sampled_from(["wd", "d"]))
    minute = draw(st.integers(0, 1439))
    ends = ["", "same", str(minute)] + (["close"] if unit == "wd" else [])
    asked = {
        "n": draw(st.integers(1, 7)),
        "unit": unit,
        "end": draw(st.sampled_from(ends)),
        "cut_off": draw(st.one_of(st.none(), st.integers(0, 1439))),
        "roll": unit == "d" and draw(st.booleans()),
    }
    end = asked["end"] if asked["end"] in ("", "same", "close") else clock(minute)
    text = f"{asked['n']}{unit}" + (f"@{end}" if end else "")
    text += f"<{clock(asked['cut_off'])}" if asked["cut_off"] is not None else ""
    return text + ("+roll" if asked["roll"] else ""), asked
