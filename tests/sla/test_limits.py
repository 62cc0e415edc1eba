"""Limits: what may be written, what it means, and the published dates it has to give."""

import math
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sla.arithmetic import (
    Calendar,
    CalendarError,
    DayLimit,
    Limit,
    LimitError,
    count_days,
    earliest,
    load_calendars,
    parse_limits,
)
from sla.library import DEFAULTS
from tests.sla.strategies import Case, agree, cases, day_limits, proof, reachable, spans, starts

SHIPPED = load_calendars(DEFAULTS)
ALWAYS = SHIPPED["always"]
CHINA = SHIPPED["china"]
OFFICE = SHIPPED["china-office"]
DAY = timedelta(days=1)


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai"))


def berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=fold).astimezone(UTC)


def last_day(limit: str, received: str, calendar: Calendar = CHINA) -> str:
    """The day whose 24:00 is the end, for something received at ten in the morning."""
    due = Limit.parse(limit).due(calendar, china(f"{received}T10:00"))
    local = calendar.local(due)
    assert (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)
    return (local.date() - DAY).isoformat()


# Against the oracle


@proof(150, share=0.2)
@given(cases(), starts, day_limits())
def test_day_limits_agree_with_a_minute_by_minute_walk(case: Case, offset, limit):
    text, asked = limit
    calendar, oracle = Calendar.from_dict("random", case.form), case.oracle
    start = case.at(offset)
    agree(oracle, lambda: Limit.parse(text).due(calendar, start), lambda: oracle.days_due(start, **asked))


@proof(60, share=0.05)
@given(cases(), starts, spans)
def test_running_limits_agree_with_a_minute_by_minute_walk(case: Case, offset, span):
    micros = span // timedelta(microseconds=1)
    calendar, oracle = Calendar.from_dict("random", case.form), case.oracle
    start = case.at(offset)
    limit = Limit.parse(f"{micros // 10**6}.{micros % 10**6:06}s")
    agree(oracle, lambda: limit.due(calendar, start), lambda: oracle.add(start, span) if span else start)


@proof(100, share=0.05)
@given(cases(), starts, day_limits())
def test_the_ledger_of_a_day_limit_ends_on_its_last_day_with_its_last_number(case: Case, offset, limit):
    text, _ = limit
    calendar, start, parsed = Calendar.from_dict("random", case.form), case.at(offset), Limit.parse(text)
    due = reachable(lambda: parsed.due(calendar, start))
    counted = list(count_days(parsed, calendar, start))
    received = calendar.local(start)
    assert counted[0].day.date == received.date()
    numbers = [one.number for one in counted if one.number is not None]
    assert numbers == list(range(parsed.count(received) + 1))
    last = counted[-1].day.date
    assert calendar.start_of_day(last) <= due <= calendar.start_of_day(last + DAY)


def test_the_ledger_of_a_day_that_closes_at_midnight_does_not_run_into_the_next():
    counted = list(count_days(Limit.parse("1wd@close"), CHINA, china("2026-03-02T10:00")))
    assert [(one.day.date, one.number) for one in counted] == [(date(2026, 3, 2), 0), (date(2026, 3, 3), 1)]


# Published dates: lesson 4 and requirements §30


@pytest.mark.parametrize(
    ("received", "reply_by"),
    [("2026-09-24", "2026-10-12"), ("2026-09-30", "2026-10-15"), ("2026-02-13", "2026-03-02")],
)
def test_lesson_4_seven_working_days_know_the_make_up_days(received, reply_by):
    assert last_day("7wd", received) == reply_by
    assert last_day("7wd", received, OFFICE) == reply_by


@pytest.mark.parametrize(
    ("received", "three", "seven", "fifteen", "earlier"),
    [
        ("2025-09-26", "2025-09-30", "2025-10-13", "2025-10-11", "2025-10-11"),
        ("2025-09-29", "2025-10-10", "2025-10-15", "2025-10-14", "2025-10-14"),
        ("2026-02-06", "2026-02-11", "2026-02-24", "2026-02-21", "2026-02-21"),
        ("2026-02-13", "2026-02-25", "2026-03-02", "2026-02-28", "2026-02-28"),
        ("2026-05-08", "2026-05-12", "2026-05-18", "2026-05-23", "2026-05-18"),
        ("2026-07-01", "2026-07-06", "2026-07-10", "2026-07-16", "2026-07-10"),
        ("2026-09-24", "2026-09-30", "2026-10-12", "2026-10-09", "2026-10-09"),
    ],
)
def test_the_date_examples_of_the_requirements(received, three, seven, fifteen, earlier):
    assert last_day("3wd", received) == three
    assert last_day("7wd", received) == seven
    assert last_day("15d", received) == fifteen
    due, dues = earliest(parse_limits("7wd,15d"), CHINA, china(f"{received}T10:00"))
    assert due == china(f"{earlier}T00:00") + DAY
    assert [str(limit) for limit, _ in dues] == ["7wd", "15d"]
    assert due == min(instant for _, instant in dues)


def test_a_last_day_on_a_holiday_rolls_to_a_working_day_and_a_make_up_saturday_stays():
    assert last_day("15d+roll", "2026-02-06") == "2026-02-24"
    assert last_day("15d+roll", "2026-02-13") == "2026-02-28"


# Meaning


@pytest.mark.parametrize(
    ("limit", "start", "due"),
    [
        # running time; the office is open 08:30-12:00 and 13:30-18:00, March 7 and 8 are a weekend
        ("2h", "2026-03-02T11:30", "2026-03-02T15:00"),
        ("3h30m", "2026-03-02T08:30", "2026-03-02T12:00"),  # the end of a segment, not the beginning of the next
        ("8h", "2026-03-06T08:30", "2026-03-06T18:00"),
        ("15m", "2026-03-07T10:00", "2026-03-09T08:45"),  # a start in shut time moves to the next opening
        ("6.4h", "2026-03-02T08:30", "2026-03-02T16:24"),
        ("0m", "2026-03-07T10:00", "2026-03-07T10:00"),  # nothing may be used, not even the night
        # working days; the day of receipt is day 0, worked or not
        ("1wd", "2026-03-06T10:00", "2026-03-10T00:00"),
        ("1wd", "2026-03-07T10:00", "2026-03-10T00:00"),
        ("1wd@close", "2026-03-06T10:00", "2026-03-09T18:00"),
        ("1wd@same", "2026-03-06T10:00:07.25", "2026-03-09T10:00:07.25"),
        ("1wd@same", "2026-03-06T08:30", "2026-03-09T08:30"),
        ("1wd@same", "2026-03-06T07:00", "2026-03-09T18:00"),  # shut: the last close of that day
        ("1wd@same", "2026-03-06T12:00", "2026-03-09T18:00"),
        ("1wd@same", "2026-03-06T12:30", "2026-03-09T18:00"),
        ("1wd@same", "2026-03-06T18:00", "2026-03-09T18:00"),
        ("1wd@18:00", "2026-03-06T23:00", "2026-03-09T18:00"),
        ("1wd@20:00", "2026-03-06T10:00", "2026-03-09T20:00"),
        # calendar days
        ("1d", "2026-03-06T10:00", "2026-03-08T00:00"),
        ("0d", "2026-03-06T10:00", "2026-03-07T00:00"),
        ("0d", "2026-03-06T00:00", "2026-03-07T00:00"),
        ("1d@same", "2026-03-06T10:00", "2026-03-07T10:00"),
        ("30d@same", "2026-03-06T23:59:59", "2026-04-05T23:59:59"),
        ("1d+roll", "2026-03-06T10:00", "2026-03-10T00:00"),
        ("1d@same+roll", "2026-03-06T07:00", "2026-03-09T07:00"),
        ("3d+roll", "2026-03-06T10:00", "2026-03-10T00:00"),
        # a cut-off
        ("1wd@18:00<15:00", "2026-03-05T14:59:59", "2026-03-06T18:00"),
        ("1wd@18:00<15:00", "2026-03-05T15:00", "2026-03-06T18:00"),
        ("1wd@18:00<15:00", "2026-03-05T15:00:00.000001", "2026-03-09T18:00"),
        ("1wd@18:00<15:00", "2026-03-06T16:00", "2026-03-10T18:00"),
        ("1d@18:00<15:00", "2026-03-06T16:00", "2026-03-08T18:00"),
        ("0d<16:00", "2026-03-06T15:00", "2026-03-07T00:00"),
        ("0d<16:00", "2026-03-06T17:00", "2026-03-08T00:00"),
        ("0d@18:00<16:00", "2026-03-06T16:00", "2026-03-06T18:00"),
        ("7wd<15:00", "2026-03-02T16:00", "2026-03-13T00:00"),
    ],
)
def test_what_a_limit_means(limit, start, due):
    assert Limit.parse(limit).due(OFFICE, china(start)) == china(due)


@pytest.mark.parametrize(
    ("limit", "start", "due"),
    [
        ("1d@same", berlin("2026-03-28T02:30"), berlin("2026-03-29T03:30")),  # missing: moves forward
        ("1d@same", berlin("2026-10-24T02:30"), berlin("2026-10-25T02:30", fold=0)),  # double: the first
        ("1d@same", berlin("2026-10-25T02:30", fold=1), berlin("2026-10-26T02:30")),
        ("1wd@02:30", berlin("2026-03-28T12:00"), berlin("2026-03-29T03:30")),
        ("1d", berlin("2026-03-28T12:00"), berlin("2026-03-30T00:00")),
        ("24h", berlin("2026-03-28T12:00"), berlin("2026-03-29T13:00")),
        ("24h", berlin("2026-10-24T12:00"), berlin("2026-10-25T11:00")),
    ],
)
def test_lesson_8_limits_across_the_clock_changes(limit, start, due):
    week = {day: ["00:00-24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    calendar = Calendar.from_dict("berlin", {"timezone": "Europe/Berlin", "week": week})
    assert Limit.parse(limit).due(calendar, start) == due


def test_the_local_day_is_that_of_the_calendar():
    late = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)  # March 3, 07:30 in Shanghai
    assert Limit.parse("1d").due(ALWAYS, late) == china("2026-03-05T00:00")


@pytest.mark.parametrize(
    ("text", "running", "open_time", "midnight"),
    [
        ("4h", True, True, False),
        ("7wd", False, True, True),
        ("7wd@close", False, True, False),
        ("15d", False, False, True),
        ("15d@same", False, False, False),
    ],
)
def test_what_a_limit_says_of_itself(text, running, open_time, midnight):
    limit = Limit.parse(text)
    assert (limit.is_running, limit.counts_open_time, limit.ends_at_midnight) == (running, open_time, midnight)


# Text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("15m", "15m"), ("4h", "4h"), ("90s", "1m30s"), ("6.4h", "6h24m"), ("1h30m", "1h30m"), ("90m", "1h30m"),
        ("153.4h", "153h24m"), ("345.6h", "345h36m"), ("0m", "0m"), ("0h", "0m"), ("1.5s", "1.5s"),
        ("0.000001s", "0.000001s"), ("0.5m", "30s"), (" 4h ", "4h"), ("26304h", "26304h"),
        ("7wd", "7wd"), ("07wd", "7wd"), ("7wd@close", "7wd@close"), ("7wd@same", "7wd@same"),
        ("1wd@18:00", "1wd@18:00"), ("1wd@18:00<15:00", "1wd@18:00<15:00"), ("1wd@00:00<00:00", "1wd@00:00<00:00"),
        ("15d", "15d"), ("15d@same+roll", "15d@same+roll"), ("15d+roll", "15d+roll"), ("0d<16:00", "0d<16:00"),
        ("3d@18:00<15:00+roll", "3d@18:00<15:00+roll"),
    ],
)  # fmt: skip
def test_a_limit_is_written_in_one_way(text, canonical):
    limit = Limit.parse(text)
    assert str(limit) == canonical
    assert Limit.parse(canonical) == limit
    assert hash(Limit.parse(canonical)) == hash(limit)


@proof(200, share=0.02)
@given(spans, day_limits())
def test_a_written_limit_reads_back_as_the_same(span, day_limit):
    limit = Limit.parse(day_limit[0])
    assert Limit.parse(str(limit)) == limit
    running = Limit.parse(f"{span // timedelta(seconds=1)}s")
    assert Limit.parse(str(running)) == running


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("6.4h", timedelta(seconds=23040)),
        ("153.4h", timedelta(seconds=552240)),
        ("345.6h", timedelta(seconds=1244160)),
        ("0.1m", timedelta(seconds=6)),
        ("1h0.5m", timedelta(seconds=3630)),
    ],
)
def test_fractions_are_exact(text, span):
    start = datetime(2026, 3, 2, tzinfo=UTC)
    assert Limit.parse(text).due(ALWAYS, start) == start + span


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a limit"),
        ("   ", "is not a limit"),
        ("4", "is not a limit"),
        ("h", "is not a limit"),
        ("-4h", "is not a limit"),
        ("4H", "is not a limit"),
        ("4,5h", "is not a limit"),
        ("30m1h", "is not a limit"),
        ("٤h", "is not a limit"),
        ("7wd@noon", "is not a limit"),
        ("7wd@24:00", "is not a limit"),
        ("7wd@18:60", "is not a limit"),
        ("7wd@close@same", "is not a limit"),
        ("9" * 5000 + "h", "is not a limit"),
        ("0.0000001s", "finer than a microsecond"),
        ("30000h", "longer than three years"),
        ("1097d", "longer than three years"),
        ("0wd", "write 0d"),
        ("7wd+roll", "nothing to roll to"),
        ("15d@close", "may have no close"),
        ("0d@same", "write 0m"),
        ("0d@18:00", "needs a cut-off"),
        ("0d@15:00<18:00", "needs a cut-off no later"),
    ],
)
def test_nonsense_is_refused_with_the_reason(text, reason):
    with pytest.raises(LimitError, match=reason):
        Limit.parse(text)


def test_one_bad_limit_among_several_is_refused():
    with pytest.raises(LimitError, match="'' is not a limit"):
        parse_limits("7wd,")


def test_a_limit_the_calendar_cannot_reach_is_refused():
    fridays = Calendar.from_dict("fridays", {"timezone": "UTC", "week": {"fri": ["09:00-10:00"]}})
    with pytest.raises(CalendarError, match="within three years"):
        Limit.parse("200wd").due(fridays, datetime(2026, 3, 2, tzinfo=UTC))
    with pytest.raises(CalendarError, match="has no offset"):
        Limit.parse("7wd").due(fridays, datetime(2026, 3, 2))


# Parts


@pytest.mark.parametrize(
    ("text", "fraction", "scaled"),
    [
        ("4h", Fraction(3, 4), "3h"),
        ("15m", Fraction(1, 2), "7m30s"),
        ("1s", Fraction(1, 3), "0.333333s"),
        ("7wd", Fraction(3, 4), "6wd"),
        ("7wd@close", Fraction(1, 2), "4wd@close"),
        ("15d+roll", Fraction(1, 100), "1d+roll"),
        ("1wd@18:00<15:00", Fraction(1, 2), "1wd@18:00<15:00"),
        ("0d", Fraction(1, 2), "0d"),
        ("4h", Fraction(3, 2), "6h"),
    ],
)
def test_a_part_of_a_limit(text, fraction, scaled):
    assert str(Limit.parse(text).scaled(fraction)) == scaled


@given(st.integers(1, 60), st.fractions(min_value=Fraction(1, 1000), max_value=1))
def test_part_of_n_days_is_the_same_limit_with_as_many_days_rounded_up(days, fraction):
    scaled = Limit.parse(f"{days}wd@same").scaled(fraction)
    assert isinstance(scaled, DayLimit)
    assert scaled.days == max(1, math.ceil(days * fraction))
    assert str(scaled) == f"{scaled.days}wd@same"


@pytest.mark.parametrize("text", ["4h", "7wd"])
@pytest.mark.parametrize("fraction", [Fraction(0), Fraction(-1, 2)])
def test_no_part_is_refused(text, fraction):
    with pytest.raises(LimitError, match="is no part of it"):
        Limit.parse(text).scaled(fraction)


# Every start date of a year against the plan as published, not as the library tells it


@pytest.mark.parametrize("n", [3, 7])
def test_lesson_4_every_start_of_2026_counts_the_days_of_the_plan(n):
    off = {date(2026, month, day) for month, first, last in OFF_2026 for day in range(first, last + 1)}
    on = {date(2026, month, day) for month, day in MADE_UP_2026}
    day = date(2026, 1, 1)
    while day < date(2026, 12, 10):
        expected, left = day, n
        while left:
            expected += DAY
            left -= expected in on or (expected.weekday() < 5 and expected not in off)
        assert last_day(f"{n}wd", day.isoformat()) == expected.isoformat()
        day += DAY


# The State Council's notice for 2026: days off by month, and the weekend days that are worked.
OFF_2026 = [(1, 1, 3), (2, 15, 23), (4, 4, 6), (5, 1, 5), (6, 19, 21), (9, 25, 27), (10, 1, 7)]
MADE_UP_2026 = [(1, 4), (2, 14), (2, 28), (5, 9), (9, 20), (10, 10)]
