"""Timers: pending work only; a bad one harms nobody, is parked in the end, and can be tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cases.facts import Fact
from cases.models import Case
from cases.services import record
from sla import timers
from sla.models import Deadline, Timer
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tests.proof import many, steps_taken
from tickets.models import Ticket

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent():
    builders.house()
    return builders.person("agent")


@pytest.fixture(autouse=True)
def _no_breath(settings):
    settings.SWEEP_BREATH_SECONDS = 0


def hours(count: float):
    return MONDAY + timedelta(hours=count)


@timers.handles("test.bad")
def always_raises(timer, now):
    if timer.case_id:
        record(Case.objects.locked(timer.case_id), Fact("checked", {"passed": True}), transition="checked", at=now)
    raise ValueError("the gateway of the gateway is shut")


@timers.handles("test.good")
def leaves_a_fact(timer, now):
    record(Case.objects.locked(timer.case_id), Fact("checked", {"passed": True}), transition="checked", at=now)


def test_a_handler_that_always_raises_blocks_nobody_and_leaves_no_half_effect(agent):
    ticket, other = builders.ticket(agent), builders.ticket(agent, customer=None)
    timers.set_timer("test.bad", key="bad", fire_at=MONDAY - timedelta(hours=1), case=ticket)
    timers.set_timer("test.good", key="same case", fire_at=MONDAY, case=ticket)
    timers.set_timer("test.good", key="other case", fire_at=MONDAY, case=other)
    events = ticket.events.count()
    outcome = sweep(now=MONDAY)
    assert (outcome.fired, outcome.failed) == (2, 1)
    assert (ticket.events.count(), other.events.filter(kind="checked").count()) == (events + 1, 1)
    bad = Timer.objects.get(key="bad")
    assert (bad.attempts, bad.error) == (1, "ValueError: the gateway of the gateway is shut")


def test_back_off_moves_try_at_and_leaves_fire_at_as_evidence(agent):
    timers.set_timer("test.bad", key="bad", fire_at=MONDAY)
    now, waits = MONDAY, []
    for _attempt in range(timers.MOST_ATTEMPTS):
        sweep(now=now)
        bad = Timer.objects.get(key="bad")
        assert bad.fire_at == MONDAY
        waits.append((bad.try_at - now).total_seconds())
        sweep(now=bad.try_at - timedelta(microseconds=1))  # too early: not tried
        assert Timer.objects.get(key="bad").attempts == bad.attempts
        now = bad.try_at
    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280]
    assert timers.back_off(30) == timedelta(hours=1)


def test_after_the_last_attempt_it_is_parked_and_left_alone_until_somebody_retries(agent):
    ticket = builders.ticket(agent)
    timers.set_timer("test.bad", key="bad", fire_at=MONDAY, case=ticket)
    now = MONDAY
    for _attempt in range(timers.MOST_ATTEMPTS):
        assert Timer.objects.get(key="bad").parked_at is None
        sweep(now=now)
        now = Timer.objects.get(key="bad").try_at
    bad = Timer.objects.get(key="bad")
    assert (bad.attempts, bad.parked_at is not None) == (timers.MOST_ATTEMPTS, True)
    assert sweep(now=now + timedelta(days=30)).failed == 0

    Timer.objects.filter(pk=bad.pk).update(handler="test.good")  # the fault is mended
    retried = timers.retry_parked(bad.pk, at=now)
    assert (retried.parked_at, retried.attempts, retried.fire_at) == (None, 0, MONDAY)
    assert sweep(now=now).fired >= 1
    assert not Timer.objects.filter(key="bad").exists()
    assert ticket.events.filter(kind="checked").count() == 1


def test_only_what_is_parked_can_be_retried(agent):
    timer = timers.set_timer("test.good", key="k", fire_at=MONDAY)
    with pytest.raises(Timer.DoesNotExist):
        timers.retry_parked(timer.pk, at=MONDAY)
    with pytest.raises(Timer.DoesNotExist):
        timers.retry_parked(99999, at=MONDAY)


def test_a_name_nobody_registered_is_put_off_like_any_failure(agent):
    timers.set_timer("from.an.older.release", key="k", fire_at=MONDAY)
    assert sweep(now=MONDAY).failed == 1
    assert "no handler is registered" in Timer.objects.get(key="k").error


@pytest.mark.parametrize("break_it", ["limits", "steps", "rule steps", "calendar"])
def test_one_bad_deadline_does_not_hold_up_its_batch(agent, break_it):
    cases = many(12, agent, channel="phone")
    bad = Deadline.objects.get(case_id=cases[5], promise="resolve")
    if break_it == "limits":
        bad.limits, bad.pauses, bad.state = ["nonsense"], [[MONDAY.isoformat(), None, "x"]], "paused"
        bad.paused_until, bad.due_at = hours(1), None
    elif break_it == "steps":
        bad.steps = [{**bad.steps[0], "at": "not an instant"}]
    elif break_it == "rule steps":
        bad.steps = [{**step, "name": f"renamed {step['name']}"} for step in bad.steps]
    else:
        bad.steps = [{**bad.steps[0], "kind": "unheard of"}]
    bad.save()
    outcome = sweep(now=hours(12))
    assert (outcome.fired, outcome.failed) == (11, 1)
    assert set(steps_taken(cases).values()) == {1}
    assert {key[0] for key in steps_taken(cases)} == set(cases) - {cases[5]}
    timer = Timer.objects.get(deadline=bad)
    assert (timer.attempts, timer.try_at > hours(12), timer.fire_at <= hours(12)) == (1, True, True)
    # The rest goes on being swept without it.
    assert sweep(now=hours(12)).failed == 0
    assert sweep(now=hours(18)).fired == 11


def test_setting_a_timer_again_moves_it_and_brings_it_back_from_parking(agent):
    ticket = builders.ticket(agent)
    timers.set_timer("test.bad", key="k", fire_at=MONDAY, case=ticket)
    Timer.objects.filter(key="k").update(parked_at=MONDAY, attempts=8, error="x", try_at=hours(9))
    timers.set_timer("test.good", key="k", fire_at=hours(1), case=ticket, args={"day": 2})
    timer = Timer.objects.get(key="k")
    assert (timer.parked_at, timer.attempts, timer.error, timer.try_at, timer.fire_at, timer.args) == (
        None, 0, "", hours(1), hours(1), {"day": 2},
    )  # fmt: skip


def test_cancelling_leaves_the_deadlines_alone(agent):
    ticket = builders.ticket(agent)
    deadlines = Timer.objects.filter(case=ticket).count()
    timers.set_timer("test.good", key="a", fire_at=MONDAY, case=ticket)
    timers.set_timer("test.bad", key="b", fire_at=MONDAY, case=ticket)
    assert timers.cancel_timers(ticket, "test.good") == 1
    assert timers.cancel_timers(ticket) == 1
    assert Timer.objects.filter(case=ticket).count() == deadlines


def test_a_change_of_the_deadline_unparks_its_timer(agent):
    from tickets import services

    ticket = builders.ticket(agent, channel="phone")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY)
    resolve = Deadline.objects.get(case=ticket, promise="resolve")
    Timer.objects.filter(deadline=resolve).update(parked_at=MONDAY, attempts=8, error="x")
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=hours(1))
    timer = Timer.objects.get(deadline=resolve)
    assert (timer.parked_at, timer.attempts) == (None, 0)


def test_one_timer_a_deadline_and_none_for_what_is_at_rest(agent):
    ticket = builders.ticket(agent, type="fault", channel="phone")
    live = Deadline.objects.filter(case=ticket, state="running").count()
    assert Timer.objects.filter(case=ticket).count() == live
    assert Timer.objects.filter(case=ticket).values("deadline").distinct().count() == live
    sweep(now=hours(500))
    assert Timer.objects.filter(case=ticket).count() == 0  # every step taken
    assert Ticket.objects.get(pk=ticket.pk).is_open
