"""Aims: pauses, reopening, warnings and rungs, and what the ledger says of them."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sla.arithmetic import (
    Aim,
    Calendar,
    CalendarError,
    Interval,
    Limit,
    LimitError,
    Pause,
    Why,
    load_calendars,
    parse_limits,
    verdict,
)
from sla.library import DEFAULTS
from tests.sla.oracle import Beyond
from tests.sla.strategies import Case, agree, cases, day_limits, proof, reachable, starts

SHIPPED = load_calendars(DEFAULTS)
ALWAYS = SHIPPED["always"]
CHINA = SHIPPED["china"]
OFFICE = SHIPPED["china-office"]
H, M = timedelta(hours=1), timedelta(minutes=1)
HALF, QUARTER = Fraction(1, 2), Fraction(1, 4)


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai"))


def aim(limits: str, start: str, *pauses: tuple[str, str | None], calendar: Calendar = OFFICE, **more) -> Aim:
    made = tuple(Pause(china(begin), china(end) if end else None, "customer away") for begin, end in pauses)
    return Aim(parse_limits(limits), calendar, china(start), made, **more)


# Against the oracle

minutes = st.integers(1, 2 * 1440)
gaps = st.lists(st.tuples(minutes, minutes), max_size=3)


def pauses_from(start: datetime, gaps: list[tuple[int, int]]) -> list[tuple[datetime, datetime]]:
    """Pauses on whole minutes, one after the other, each `wait` after the one before and `length` long."""
    at, pauses = start.replace(second=0, microsecond=0), []
    for wait, length in gaps:
        begin = at + wait * M
        at = begin + length * M
        pauses.append((begin, at))
    return pauses


@proof(100, share=0.1)
@given(cases(), starts, st.integers(1, 24 * 60), gaps)
def test_a_running_limit_with_pauses_ends_when_that_much_was_not_paused(case: Case, offset, worked, gaps):
    calendar, oracle = Calendar.from_dict("random", case.form), case.oracle
    start, span = case.at(offset), worked * M
    pauses = pauses_from(start, gaps)
    mine = Aim((Limit.parse(f"{worked}m"),), calendar, start, tuple(Pause(*pause) for pause in pauses))
    agree(oracle, mine.due, lambda: oracle.add(start, span, paused=pauses))


@proof(100, share=0.1)
@given(cases(), starts, day_limits(), gaps)
def test_what_was_left_of_a_day_limit_is_left_after_each_pause(case: Case, offset, limit, gaps):
    text, asked = limit
    calendar, oracle = Calendar.from_dict("random", case.form), case.oracle
    start, plain = case.at(offset), asked["unit"] == "d"
    pauses = pauses_from(start, gaps)

    def walked() -> datetime:
        due = oracle.days_due(start, **asked)
        for begin, end in pauses:
            if begin < due and oracle.between(begin, end, plain=plain):
                due = oracle.add(end, oracle.between(begin, due, plain=plain), plain=plain)
        return due

    mine = Aim((Limit.parse(text),), calendar, start, tuple(Pause(*pause) for pause in pauses))
    agree(oracle, mine.due, walked)


@proof(100, share=0.05)
@given(cases(), starts, st.integers(1, 24 * 60), gaps, st.integers(0, 10 * 1440))
def test_the_ledger_leaves_nothing_out_and_adds_up_to_what_was_used(case: Case, offset, worked, gaps, length):
    calendar, oracle = Calendar.from_dict("random", case.form), case.oracle
    start = case.at(offset)
    pauses, until = pauses_from(start, gaps), start + length * M
    mine = Aim((Limit.parse(f"{worked}m"),), calendar, start, tuple(Pause(*pause, "why") for pause in pauses))
    ledger = mine.explain(until)
    assert sum((piece.span for piece in ledger if piece.open), timedelta(0)) == mine.used(until)
    assert [piece.start for piece in ledger[:1]] == [start][: len(ledger)]
    assert [piece.end for piece in ledger[-1:]] == [until][: len(ledger)]
    assert all(one.end == other.start for one, other in pairwise(ledger))
    assert all((piece.why is Why.PAUSED) == in_any(piece, pauses) for piece in ledger)
    try:
        assert mine.used(until) == oracle.between(start, until, paused=pauses)
    except Beyond:
        return


def in_any(piece: Interval, pauses: list[tuple[datetime, datetime]]) -> bool:
    return any(begin <= piece.start and piece.end <= end for begin, end in pauses)


@proof(100, share=0.05)
@given(cases(), starts, st.integers(1, 24 * 60), gaps, st.integers(1, 99))
def test_lesson_19_warning_and_due_come_from_one_function(case: Case, offset, worked, gaps, percent):
    calendar, start = Calendar.from_dict("random", case.form), case.at(offset)
    limit = Limit.parse(f"{worked * 100}s")  # so that each percent is a whole second
    mine = Aim((limit,), calendar, start, tuple(Pause(*pause) for pause in pauses_from(start, gaps)))
    due, warning = reachable(mine.due), mine.at_fraction(Fraction(percent, 100))
    assert mine.at_fraction(Fraction(1)) == due
    assert warning < due
    assert mine.used(warning) == timedelta(seconds=worked * percent)
    assert mine.left(warning) == timedelta(seconds=worked * (100 - percent))
    assert (mine.used(due), mine.left(due)) == (timedelta(seconds=worked * 100), timedelta(0))


@proof(60, share=0.03)
@given(cases(), starts, st.integers(1, 600), st.integers(1, 600))
def test_lesson_19_working_time_between_a_level_and_due_is_exactly_its_offset(case: Case, offset, worked, k):
    calendar, start = Calendar.from_dict("random", case.form), case.at(offset)
    mine = Aim((Limit.parse(f"{worked}m"),), calendar, start)
    assert calendar.between(reachable(mine.due), reachable(lambda: mine.after(k * M))) == k * M
    assert calendar.between(calendar.subtract(mine.due(), k * M), mine.due()) == k * M


# Pauses


def test_a_running_limit_stands_still_while_paused():
    assert aim("4h", "2026-03-02T09:00").due() == china("2026-03-02T14:30")
    assert aim("4h", "2026-03-02T09:00", ("2026-03-02T10:00", "2026-03-02T11:00")).due() == china("2026-03-02T15:30")


def test_lesson_10_an_hour_run_and_three_days_paused_is_an_hour_used():
    paused = aim("4h", "2026-03-02T09:00", ("2026-03-02T10:00", "2026-03-05T10:00"))
    assert paused.used(china("2026-03-05T10:00")) == H
    retargeted = Aim(parse_limits("2h"), OFFICE, paused.started_at, paused.pauses)
    assert retargeted.due() == china("2026-03-05T11:00")


def test_lesson_12_a_pause_is_measured_in_the_clocks_own_time():
    friday_evening_to_monday = ("2026-03-06T17:00", "2026-03-09T09:30")  # 2 open hours, 64.5 plain ones
    running = aim("4h", "2026-03-06T15:00", friday_evening_to_monday)
    assert running.due() == china("2026-03-09T11:30")
    working = aim("1wd@close", "2026-03-05T10:00", friday_evening_to_monday)
    assert working.due() == china("2026-03-09T10:30")  # an hour was left on Friday
    calendar_days = aim("2d", "2026-03-05T10:00", friday_evening_to_monday)
    assert calendar_days.due() == china("2026-03-08T00:00") + 64.5 * H
    round_the_clock = aim("1wd", "2026-03-05T10:00", friday_evening_to_monday, calendar=CHINA)
    assert round_the_clock.due() == china("2026-03-09T16:30")  # 7 hours were left on Friday


@pytest.mark.parametrize(
    ("limits", "due"), [("1wd", "2026-03-07T00:00"), ("4h", "2026-03-06T10:00"), ("1wd@20:00", "2026-03-06T20:00")]
)
def test_a_pause_all_in_shut_time_moves_nothing(limits, due):
    start = "2026-03-05T15:30"
    assert aim(limits, start).due() == china(due)
    assert aim(limits, start, ("2026-03-05T19:00", "2026-03-05T20:00")).due() == china(due)


def test_a_pause_after_the_last_close_leaves_no_open_time_and_is_due_where_the_clock_runs_again():
    paused = aim("1wd", "2026-03-05T10:00", ("2026-03-06T19:00", "2026-03-09T19:00"))
    assert paused.due() == china("2026-03-10T08:30")


def test_a_pause_at_or_after_the_due_instant_comes_too_late():
    due = china("2026-03-02T10:00")
    assert aim("1h", "2026-03-02T09:00", ("2026-03-02T10:00", "2026-03-02T11:00")).due() == due
    assert aim("1h", "2026-03-02T09:00", ("2026-03-02T10:00", None)).due() == due
    assert aim("1h", "2026-03-02T09:00", ("2026-03-02T09:59:59", "2026-03-02T11:00")).due() == china(
        "2026-03-02T11:00:01"
    )


def test_a_pause_that_moves_the_due_instant_lets_a_later_pause_count():
    first, second = ("2026-03-02T09:30", "2026-03-02T10:30"), ("2026-03-02T10:45", "2026-03-02T11:45")
    assert aim("1h", "2026-03-02T09:00", second).due() == china("2026-03-02T10:00")
    assert aim("1h", "2026-03-02T09:00", first, second).due() == china("2026-03-02T12:00")
    assert aim("1h", "2026-03-02T09:00", second, first) != aim("1h", "2026-03-02T09:00", first, second)
    assert aim("1h", "2026-03-02T09:00", second, first).due() == aim("1h", "2026-03-02T09:00", first, second).due()


def test_no_due_instant_while_paused_and_what_is_left_stands_still():
    paused = aim("4h", "2026-03-02T09:00", ("2026-03-02T10:00", None))
    assert paused.due() is None
    assert paused.dues() == [(Limit.parse("4h"), None)]
    assert paused.after(H) is None
    assert paused.at_fraction(Fraction(3, 4)) is None
    assert paused.at_fraction(Fraction(1, 8)) == china("2026-03-02T09:30")
    assert paused.at_limit(Limit.parse("30m")) == china("2026-03-02T09:30")
    assert paused.left(china("2026-03-02T09:30")) == 3.5 * H
    assert paused.left(china("2026-03-02T10:00")) == paused.left(china("2026-04-02T10:00")) == 3 * H
    assert paused.used(china("2026-04-02T10:00")) == H


def test_overlapping_pauses_and_those_before_the_start_count_once():
    twice = aim(
        "4h", "2026-03-02T09:00", ("2026-03-02T10:00", "2026-03-02T11:00"), ("2026-03-02T10:30", "2026-03-02T11:30")
    )
    assert twice.due() == aim("4h", "2026-03-02T09:00", ("2026-03-02T10:00", "2026-03-02T11:30")).due()
    early = aim("1h", "2026-03-02T09:00", ("2026-03-01T09:00", "2026-03-02T09:30"))
    assert early.due() == china("2026-03-02T10:30")
    inside = aim(
        "4h", "2026-03-02T09:00", ("2026-03-02T10:00", "2026-03-02T11:30"), ("2026-03-02T10:30", "2026-03-02T11:00")
    )
    assert inside.due() == twice.due()
    backwards = aim("4h", "2026-03-02T09:00", ("2026-03-02T11:00", "2026-03-02T10:00"))
    assert backwards.due() == aim("4h", "2026-03-02T09:00").due()


def test_a_limit_that_ran_out_before_the_pause_decides():
    both = aim("1h,4h", "2026-03-02T09:00", ("2026-03-02T10:30", None))
    assert both.due() == china("2026-03-02T10:00")
    assert both.dues() == [(Limit.parse("1h"), china("2026-03-02T10:00")), (Limit.parse("4h"), None)]


def test_the_earliest_of_several_limits_is_due_and_all_are_shown():
    reply = aim("7wd,15d", "2026-09-24T10:00", calendar=CHINA)
    assert reply.due() == china("2026-10-10T00:00")
    assert [due for _, due in reply.dues()] == [china("2026-10-13T00:00"), china("2026-10-10T00:00")]


# Reopening


@pytest.mark.parametrize(
    ("carried", "left"),
    [(timedelta(0), 4 * H), (H, 3 * H), (3 * H, H), (3.5 * H, H), (40 * H, H)],  # at least a quarter
)
def test_reopening_carries_the_time_used_but_leaves_a_quarter(carried, left):
    reopened = aim("4h", "2026-03-02T09:00", calendar=ALWAYS, carried=carried)
    assert reopened.due() == china("2026-03-02T09:00") + left
    assert reopened.left(china("2026-03-02T09:00")) == left


def test_reopening_starts_a_day_limit_afresh():
    assert aim("7wd", "2026-09-24T10:00", carried=40 * H).due() == china("2026-10-13T00:00")


@pytest.mark.parametrize(
    ("carried", "minutes"),  # after reopening, until half of the four hours is used
    [(timedelta(0), 120), (H, 60), (2 * H, 0), (2.5 * H, 0), (40 * H, 0)],
)
def test_a_part_used_up_before_reopening_is_reached_at_the_start(carried, minutes):
    reopened = aim("4h", "2026-03-02T09:00", calendar=ALWAYS, carried=carried)
    assert reopened.at_fraction(HALF) == china("2026-03-02T09:00") + minutes * M


def test_parts_after_reopening_keep_their_order_up_to_the_due_instant():
    reopened = aim("4h", "2026-03-02T09:00", calendar=ALWAYS, carried=3.5 * H)
    start = china("2026-03-02T09:00")
    parts = [reopened.at_fraction(Fraction(n, 8)) - start for n in range(1, 9)]
    assert parts == [timedelta(0)] * 6 + [30 * M, 60 * M]


def test_another_floor_may_be_set():
    assert aim("4h", "2026-03-02T09:00", calendar=ALWAYS, carried=4 * H, floor=HALF).left(
        china("2026-03-02T09:00")
    ) == (2 * H)


# Warnings and rungs


def test_a_warning_at_three_quarters_of_a_day_limit_is_the_same_limit_with_fewer_days():
    assert aim("7wd", "2026-09-24T10:00", calendar=CHINA).at_fraction(Fraction(3, 4)) == china("2026-10-11T00:00")


def test_a_rung_after_the_breach_runs_in_the_calendar():
    late = aim("4h", "2026-03-06T13:30")
    assert late.due() == china("2026-03-06T17:30")
    assert late.after(H) == china("2026-03-09T09:00")
    assert late.after(timedelta(0)) == late.due()


def test_a_rung_may_be_a_limit_of_its_own_from_the_start():
    answer = aim("15m", "2026-03-02T09:00", ("2026-03-02T09:20", "2026-03-02T09:40"), carried=H)
    assert answer.at_limit(Limit.parse("1h")) == china("2026-03-02T10:20")


def test_what_is_left_of_a_calendar_day_limit_is_plain_time():
    reply = aim("2d", "2026-03-06T10:00", ("2026-03-07T10:00", "2026-03-07T12:00"))
    assert reply.due() == china("2026-03-09T02:00")
    assert reply.left(china("2026-03-07T00:00")) == 48 * H
    assert reply.left(china("2026-03-07T12:00")) == 38 * H
    assert reply.left(china("2026-03-10T12:00")) == timedelta(0)
    waiting = aim("2d", "2026-03-06T10:00", ("2026-03-07T10:00", None))
    assert waiting.left(china("2026-03-09T10:00")) == 38 * H


# Verdict, ledger, refusals


def test_the_due_instant_is_still_in_time():
    due = china("2026-03-02T17:00")
    late = due + timedelta(microseconds=1)
    assert verdict(due, due, now=late) == "met"
    assert verdict(due, late, now=late) == "missed"
    assert verdict(due, None, now=due) == "open"
    assert verdict(due, None, now=late) == "missed"
    assert verdict(due, due - H, now=late + H) == "met"  # the evidence came late, the answer did not
    assert verdict(None, None, now=late) == "open"
    assert verdict(None, late, now=late) == "met"


def test_the_ledger_names_every_interval():
    ledger = aim("4h", "2026-03-06T17:00", ("2026-03-06T17:30", "2026-03-06T19:00")).explain(china("2026-03-09T09:00"))
    assert ledger == [
        Interval(china("2026-03-06T17:00"), china("2026-03-06T17:30"), True, Why.WEEK),
        Interval(china("2026-03-06T17:30"), china("2026-03-06T18:00"), False, Why.PAUSED, "customer away"),
        Interval(china("2026-03-06T18:00"), china("2026-03-06T19:00"), False, Why.PAUSED, "customer away"),
        Interval(china("2026-03-06T19:00"), china("2026-03-07T00:00"), False, Why.SHUT),
        Interval(china("2026-03-07T00:00"), china("2026-03-08T00:00"), False, Why.WEEKEND),
        Interval(china("2026-03-08T00:00"), china("2026-03-09T00:00"), False, Why.WEEKEND),
        Interval(china("2026-03-09T00:00"), china("2026-03-09T08:30"), False, Why.SHUT),
        Interval(china("2026-03-09T08:30"), china("2026-03-09T09:00"), True, Why.WEEK),
    ]


def test_equal_aims_are_equal_and_may_be_keys():
    assert {aim("4h", "2026-03-02T09:00"), aim("4h", "2026-03-02T09:00")} == {aim("4h", "2026-03-02T09:00")}


def test_a_promise_needs_a_limit_and_instants_an_offset():
    with pytest.raises(LimitError, match="promises nothing"):
        Aim((), OFFICE, china("2026-03-02T09:00"))
    with pytest.raises(CalendarError, match="has no offset"):
        Aim(parse_limits("4h"), OFFICE, datetime(2026, 3, 2)).due()
    with pytest.raises(CalendarError, match="has no offset"):
        Aim(parse_limits("4h"), OFFICE, datetime(2026, 3, 2, tzinfo=UTC), (Pause(datetime(2026, 3, 3), None),)).due()
