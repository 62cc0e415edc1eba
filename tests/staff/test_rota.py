"""Working time: what the shifts say, minus leave; and who is on duty."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from common.errors import InvalidInput, NotAllowed
from staff.models import Duty, Leave, Shift, StaffRecord
from staff.planning import (
    cancel_leave,
    enter_leave,
    plan_duty,
    plan_shifts,
    remove_duty,
    remove_shift,
)
from staff.rota import absences, merge, on_duty, subtract, working_spans
from tests import builders

DAY = date(2026, 3, 2)
DAYS = [DAY + timedelta(days=number) for number in range(5)]
EIGHT, FIVE = time(8), time(17)


def at(hour, minute=0, day=2):
    """An instant of March 2026, by the clock on the wall in Shanghai."""
    return datetime(2026, 3, day, tzinfo=UTC) + timedelta(hours=hour - 8, minutes=minute)


@pytest.fixture
def boss(db):
    return builders.person("supervisor")


@pytest.fixture
def tech(db):
    return builders.person("technician", name="Wang Lei")


def plan(boss, *people, days=(DAY,), start=EIGHT, end=FIVE, **more):
    return plan_shifts(
        user_ids=[person.pk for person in people], days=days, start_time=start, end_time=end, by=boss, at=at(0), **more
    )


def leave(boss, person, starts, ends, kind="leave"):
    return enter_leave(user_id=person.pk, starts_at=starts, ends_at=ends, kind=kind, by=boss, at=at(0))


# --- the arithmetic, against a clock that ticks in minutes -----------------------------------------------------------

minute = st.integers(0, 300)
spans_of_minutes = st.lists(st.tuples(minute, minute).filter(lambda pair: pair[0] < pair[1]), max_size=7)


def ticks(spans):
    return {tick for begins, ends in spans for tick in range(begins, ends)}


def test_spans_are_merged_and_what_is_gone_is_gone():
    assert merge([(4, 6), (1, 3), (3, 4), (9, 10)]) == [(1, 6), (9, 10)]
    assert subtract([(0, 10), (20, 30)], [(2, 3), (9, 21), (30, 40)]) == [(0, 2), (3, 9), (21, 30)]
    assert subtract([(0, 10)], [(0, 10)]) == []


class AgainstAClockThatTicks(TestCase):
    @given(spans_of_minutes, spans_of_minutes, st.tuples(minute, minute).filter(lambda pair: pair[0] < pair[1]))
    def test_working_time_is_shifts_without_leave_within_the_window(self, shifts, leaves, window):
        zero = at(22)  # across midnight
        instant = lambda tick: zero + timedelta(minutes=tick)  # noqa: E731
        person, other = builders.person("technician"), builders.person("technician")
        rows = dict(shifts)
        Shift.objects.bulk_create(
            [Shift(user=person, starts_at=instant(begins), ends_at=instant(ends)) for begins, ends in rows.items()]
        )
        Leave.objects.bulk_create(
            [Leave(user=person, starts_at=instant(begins), ends_at=instant(ends)) for begins, ends in leaves]
        )
        found = working_spans([person.pk, other.pk], instant(window[0]), instant(window[1]))
        expected = (ticks(rows.items()) - ticks(leaves)) & ticks([window])
        got = [((a - zero).total_seconds() / 60, (b - zero).total_seconds() / 60) for a, b in found[person.pk]]
        assert ticks([(int(a), int(b)) for a, b in got]) == expected
        assert all(a < b for a, b in got)
        assert all(first[1] < second[0] for first, second in itertools.pairwise(got))  # sorted and merged
        assert found[other.pk] == []


# --- working time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("away", "left"),
    [
        ((at(6), at(20)), []),
        ((at(8), at(17)), []),
        ((at(6), at(8)), [(at(8), at(17))]),
        ((at(17), at(20)), [(at(8), at(17))]),
        ((at(12), at(13)), [(at(8), at(12)), (at(13), at(17))]),
        ((at(6), at(10)), [(at(10), at(17))]),
        ((at(16, 59), at(20)), [(at(8), at(16, 59))]),
    ],
    ids=["covering", "the same", "touching before", "touching after", "inside", "over the start", "over the end"],
)
def test_leave_takes_its_time_out_of_the_shift(boss, tech, away, left):
    plan(boss, tech)
    leave(boss, tech, *away)
    assert working_spans([tech.pk], at(0), at(24))[tech.pk] == left


def test_a_night_shift_is_seen_from_both_days_clipped(boss, tech):
    plan(boss, tech, start=time(22), end=time(6))
    assert working_spans([tech.pk], at(0), at(24))[tech.pk] == [(at(22), at(24))]
    assert working_spans([tech.pk], at(0, day=3), at(24, day=3))[tech.pk] == [(at(0, day=3), at(6, day=3))]
    assert working_spans([tech.pk], at(6, day=3), at(24, day=3))[tech.pk] == []


def test_a_whole_day_shift_is_seen_in_its_last_minute(boss, tech):
    plan(boss, tech, start=EIGHT, end=EIGHT)
    assert working_spans([tech.pk], at(7, 59, day=3), at(9, day=3))[tech.pk] == [(at(7, 59, day=3), at(8, day=3))]


def test_shifts_that_touch_are_one_span(boss, tech):
    plan(boss, tech)
    plan(boss, tech, start=FIVE, end=time(20))
    assert working_spans([tech.pk], at(0), at(24))[tech.pk] == [(at(8), at(20))]


def test_working_time_costs_two_queries_for_any_number_of_people(boss, django_assert_num_queries):
    people = [builders.person("technician") for _ in range(12)]
    plan(boss, *people, days=DAYS)
    leave(boss, people[0], at(8), at(12))
    for some in (people[:1], people):
        with django_assert_num_queries(2):
            spans = working_spans([person.pk for person in some], at(0), at(0, day=9))
        assert set(spans) == {person.pk for person in some}
        assert sum(len(found) for found in spans.values()) == 5 * len(some)


def test_absences_come_whole_and_in_order_with_one_query(boss, tech, django_assert_num_queries):
    other = builders.person("technician")
    second = leave(boss, tech, at(8, day=4), at(9, day=4), "sick")
    first = leave(boss, tech, at(0, day=1), at(8, day=2))
    leave(boss, tech, at(0, day=20), at(8, day=21))
    with django_assert_num_queries(1):
        assert absences([tech.pk, other.pk], at(0), at(0, day=9)) == {tech.pk: [first, second], other.pk: []}


# --- planning --------------------------------------------------------------------------------------------------------


def test_shifts_are_planned_for_people_and_days_in_local_time(boss, tech):
    other = builders.person("technician")
    made = plan(boss, tech, other, days=DAYS, note=" depot ")
    assert len(made) == 10
    first = Shift.objects.filter(user=tech).earliest("starts_at")
    assert (first.starts_at, first.ends_at, first.note) == (at(8), at(17), "depot")
    trail = StaffRecord.objects.filter(what="shifts_planned", about=tech).get()
    assert (trail.by, trail.at, len(trail.facts["starts"])) == (boss, at(0), 5)


def test_what_is_planned_already_is_left_alone_and_gaps_are_filled(boss, tech):
    plan(boss, tech, days=DAYS[:2])
    assert [shift.starts_at for shift in plan(boss, tech, days=DAYS[:3])] == [at(8, day=4)]
    assert plan(boss, tech, days=DAYS[:3]) == []
    assert Shift.objects.count() == 3
    assert StaffRecord.objects.filter(what="shifts_planned").count() == 2


def test_an_overlap_names_person_and_day_and_nothing_is_planned(boss, tech):
    other = builders.person("technician")
    plan(boss, tech, days=[DAYS[1]], start=time(16), end=time(20))
    with pytest.raises(InvalidInput) as refusal, translation.override("en"):
        plan(boss, tech, other, days=DAYS)
    reason = "Wang Lei works already: Tue 3 Mar 2026, 16:00–20:00."
    assert (refusal.value.field, refusal.value.reasons) == ("days", (reason,))
    assert Shift.objects.count() == 1


def test_a_night_before_runs_into_the_morning(boss, tech):
    plan(boss, tech, start=time(22), end=time(8, 1))
    words = r"Wang Lei works already: Mon 2 Mar 2026, 22:00 – 3 Mar, 08:01\."
    with pytest.raises(InvalidInput, match=words), translation.override("en"):
        plan(boss, tech, days=[DAYS[1]])
    assert len(plan(boss, tech, days=[DAYS[1]], start=time(8, 1))) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_ids": []}, "people"),
        ({"user_ids": [10**9]}, "people"),
        ({"days": []}, "days"),
        ({"days": [DAY + timedelta(days=number) for number in range(93)]}, "days"),
    ],
)
def test_a_plan_that_cannot_be_names_its_field(boss, tech, change, field):
    values = {"user_ids": [tech.pk], "days": [DAY], "start_time": EIGHT, "end_time": FIVE, "by": boss, **change}
    with pytest.raises(InvalidInput) as refusal:
        plan_shifts(**values)
    assert refusal.value.field == field
    assert not Shift.objects.exists()


def test_who_has_left_gets_no_shift(boss, tech):
    gone = builders.person("technician", is_active=False)
    with pytest.raises(InvalidInput):
        plan(boss, tech, gone)


def test_a_shift_can_be_removed_once(boss, tech):
    (shift,) = plan(boss, tech)
    remove_shift(shift_id=shift.pk, by=boss)
    assert working_spans([tech.pk], at(0), at(24))[tech.pk] == []
    with pytest.raises(Shift.DoesNotExist):
        remove_shift(shift_id=shift.pk, by=boss)
    assert StaffRecord.objects.filter(what="shift_removed", about=tech, by=boss).count() == 1


def test_leave_that_overlaps_leave_or_ends_before_it_starts_is_refused(boss, tech):
    leave(boss, tech, at(8), at(17))
    for starts, ends, kind, field in [
        (at(16), at(18), "sick", "starts_at"),
        (at(8, day=4), at(8, day=4), "sick", "ends_at"),
        (at(8, day=4), at(8, day=3), "sick", "ends_at"),
        (at(8, day=4), at(8, day=4) + timedelta(days=367), "sick", "ends_at"),
        (at(8, day=4), at(9, day=4), "sabbatical", "kind"),
    ]:
        with pytest.raises(InvalidInput) as refusal:
            leave(boss, tech, starts, ends, kind)
        assert refusal.value.field == field
    assert Leave.objects.count() == 1
    leave(boss, tech, at(17), at(18), "sick")


def test_cancelled_leave_gives_the_shift_back(boss, tech):
    plan(boss, tech)
    away = leave(boss, tech, at(0), at(24), "sick")
    assert away.entered_by == boss
    cancel_leave(leave_id=away.pk, by=boss)
    assert working_spans([tech.pk], at(0), at(24))[tech.pk] == [(at(8), at(17))]
    trail = StaffRecord.objects.filter(about=tech, what__startswith="leave")
    assert [row.what for row in trail] == ["leave_entered", "leave_cancelled"]
    assert "sick" not in str([row.facts for row in trail])


# --- on duty ---------------------------------------------------------------------------------------------------------


def duty(boss, person, starts, ends, role="supervisor"):
    return plan_duty(user_id=person.pk, starts_at=starts, ends_at=ends, role=role, by=boss)


def test_on_duty_are_those_of_the_role_whose_time_it_is(boss):
    anna, bob, carl = (builders.person("supervisor") for _ in range(3))
    duty(boss, anna, at(8), at(20))
    duty(boss, bob, at(6), at(18))
    technical = duty(boss, carl, at(8), at(20), "technical")
    assert on_duty(at(8)) == [bob, anna]
    assert on_duty(at(18)) == [anna]
    assert on_duty(at(20)) == []
    assert on_duty(at(12), "technical") == [carl]
    remove_duty(duty_id=technical.pk, by=boss)
    assert on_duty(at(12), "technical") == []


def test_who_is_on_leave_or_has_left_is_not_on_duty(boss):
    anna, bob = builders.person("supervisor"), builders.person("supervisor")
    for person in (anna, bob):
        duty(boss, person, at(8), at(20))
    leave(boss, anna, at(12), at(14), "sick")
    bob.is_active = False
    bob.save()
    assert on_duty(at(11, 59)) == [anna]
    assert on_duty(at(12)) == []
    assert on_duty(at(14)) == [anna]


def test_a_duty_that_cannot_be_names_its_field(boss, tech):
    duty(boss, tech, at(8), at(20))
    for starts, ends, role, field in [
        (at(19), at(21), "supervisor", "starts_at"),
        (at(21), at(21), "supervisor", "ends_at"),
        (at(21), at(21) + timedelta(days=32), "supervisor", "ends_at"),
        (at(21), at(22), "king", "role"),
    ]:
        with pytest.raises(InvalidInput) as refusal:
            duty(boss, tech, starts, ends, role)
        assert refusal.value.field == field
    assert Duty.objects.count() == 1
    duty(boss, tech, at(8), at(20), "technical")


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["agent", "senior", "auditor", "technician"])
def test_only_planners_change_working_time(boss, tech, role):
    (shift,) = plan(boss, tech)
    away, watch = leave(boss, tech, at(9), at(10)), duty(boss, tech, at(8), at(9))
    person, count = builders.person(role), StaffRecord.objects.count()
    for attempt in (
        lambda: plan(person, tech, days=DAYS),
        lambda: remove_shift(shift_id=shift.pk, by=person),
        lambda: leave(person, tech, at(12), at(13)),
        lambda: cancel_leave(leave_id=away.pk, by=person),
        lambda: duty(person, tech, at(12), at(13)),
        lambda: remove_duty(duty_id=watch.pk, by=person),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    assert (Shift.objects.count(), Leave.objects.count(), Duty.objects.count()) == (1, 1, 1)
    assert StaffRecord.objects.count() == count


@pytest.mark.parametrize("role", ["dispatcher", "lead"])
def test_who_plans_shifts_does_not_keep_the_duty_roster_which_is_the_supervisors(boss, tech, role):
    planner, watch = builders.person(role), duty(boss, tech, at(8), at(9))
    assert plan(planner, tech)
    for attempt in (
        lambda: duty(planner, planner, at(12), at(13)),
        lambda: remove_duty(duty_id=watch.pk, by=planner),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    assert list(Duty.objects.all()) == [watch]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_six_who_plan_overlapping_shifts_for_the_same_people_one_wins():
    people, planners = [builders.person("technician") for _ in range(3)], [builders.person("lead") for _ in range(6)]
    barrier, outcomes = threading.Barrier(6), []

    def race(number):
        try:
            barrier.wait(timeout=20)
            some = people if number % 2 else people[::-1]
            plan(planners[number], *some, days=DAYS, start=time(8 + number))
            outcomes.append("planned")
        except InvalidInput:
            outcomes.append("refused")
        except Exception as problem:
            outcomes.append(repr(problem))
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(outcomes) == ["planned"] + 5 * ["refused"]
    assert Shift.objects.count() == 15
