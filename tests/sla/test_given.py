"""Promises dated from outside, broken by ourselves, put off for the customer, and begun anew with a new booking."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils.translation import override

from cases import services as cases
from cases.facts import Fact, Names, sentence
from cases.models import Case
from cases.services import verify_timeline
from cases.states import NEVER, ClockState
from common.errors import DomainError
from dashboards import figures
from dashboards.scope import Scope
from notifications.models import Message
from sla import services as sla
from sla.models import Deadline, Timer
from sla.shipped import publish_policy
from sla.states import DeadlineState, Verdict
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tests.proof import out_of_step, steps_taken, twice
from tickets import ending, handling, services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db

ALL = {"kind": "ticket"}
RESOLVE = {"promise": "resolve", "when": ALL, "stop": "resolved", "limit": "24h", "pauses": ["pending"]}
VISIT = {"promise": "visit", "when": ALL, "start": "given", "stop": "on_site", "limit": "1h", "warn": ["50%"]}
CONFIRM = {"promise": "confirm", "when": ALL, "stop": "confirmed", "limit": "4h"}
ONCE = {"promise": "law", "when": ALL, "stop": "resolved", "limit": "48h", "once": True}


def hours(count: float):
    return MONDAY + timedelta(hours=count)


@pytest.fixture(autouse=True)
def _no_breath(settings):
    settings.SWEEP_BREATH_SECONDS = 0


@pytest.fixture
def agent():
    builders.house()
    publish_policy({"rule": [RESOLVE, VISIT, CONFIRM, ONCE]}, at=MONDAY, valid_from=None)
    return builders.person("senior")


@pytest.fixture
def ticket(agent):
    return builders.ticket(agent, channel="phone", owner=agent)


def deadline(ticket, promise="visit", cycle=1) -> Deadline:
    return Deadline.objects.get(case=ticket, promise=promise, cycle=cycle)


def rebook(ticket, at, *, first=lambda case: None) -> None:
    """What a visit booked anew does: the room above raises the cycle and announces it."""
    with transaction.atomic():
        case = Case.objects.locked(ticket.pk)
        first(case)
        case.cycle += 1
        cases.record(case, Fact("moved", {"state": "new", "verb": "rebooked"}), transition="rebooked", at=at)


def break_it(ticket, at, promise="visit", why="we_moved"):
    with transaction.atomic():
        case = Case.objects.locked(ticket.pk)
        broken = sla.break_promise(case, promise, why=why, at=at)
        cases.write(case, at=at)
    return broken


def whole(ticket) -> None:
    assert out_of_step() == verify_timeline(Case.objects.get(pk=ticket.pk)) == []
    assert twice(steps_taken()) == {}


# --- given ---------------------------------------------------------------------------------------------------------


def test_a_promise_is_given_once_in_each_cycle_and_counts_from_where_it_is_told_to(ticket):
    sla.give_due(case_id=ticket.pk, dues={"visit": hours(6)}, started={"visit": hours(4)}, at=hours(1))
    sla.give_due(case_id=ticket.pk, dues={"visit": hours(9)}, at=hours(2))  # given already: nothing changes
    first = deadline(ticket)
    assert (first.started_at, first.due_at, first.pinned_at) == (hours(4), hours(6), hours(6))
    assert [step["at"] for step in first.steps if step["kind"] == "warn"] == [hours(5).isoformat()]

    rebook(ticket, hours(3))
    sla.give_due(case_id=ticket.pk, dues={"visit": hours(30)}, at=hours(3))
    sla.give_due(case_id=ticket.pk, dues={"visit": hours(31)}, at=hours(3))
    second = deadline(ticket, cycle=2)
    assert (second.started_at, second.due_at, second.state) == (hours(3), hours(30), DeadlineState.RUNNING)
    assert Deadline.objects.filter(case=ticket, promise="visit").count() == 2
    whole(ticket)


def test_without_a_start_of_its_own_a_given_promise_counts_from_the_receipt(ticket):
    sla.give_due(case_id=ticket.pk, dues={"visit": hours(6)}, at=hours(1))
    assert deadline(ticket).started_at == MONDAY


def test_only_what_the_policy_starts_as_given_can_be_given(ticket):
    before = deadline(ticket, "confirm").due_at
    sla.give_due(case_id=ticket.pk, dues={"confirm": hours(6), "nonsense": hours(6)}, at=hours(1))
    assert deadline(ticket, "confirm").due_at == before
    assert not Deadline.objects.filter(promise="nonsense").exists()


def test_a_given_promise_is_warned_of_at_its_time_before_the_due_instant_and_never_from_before_it_was_made(agent):
    warned = {**VISIT, "warn": ["due-4h", {"at": "due-15m", "tell": ["owner", "lead"]}]}
    publish_policy({"rule": [warned]}, at=MONDAY, valid_from=None)
    lead = builders.person("lead")
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    sla.give_due(case_id=ticket.pk, dues={"visit": hours(8)}, started={"visit": hours(5)}, at=hours(1))
    assert [step["at"] for step in deadline(ticket).steps if step["kind"] == "warn"] == [None, hours(7.75).isoformat()]
    sweep(now=hours(7.7))
    assert not Message.objects.filter(template="promise_warning").exists()
    sweep(now=hours(7.75))
    sweep(now=hours(7.76))
    told = Message.objects.filter(template="promise_warning").values_list("person_id", flat=True)
    assert sorted(told) == sorted([agent.pk, lead.pk])
    whole(ticket)


# --- a new booking -------------------------------------------------------------------------------------------------


def test_a_new_booking_ends_what_ran_and_begins_anew(ticket):
    sla.give_due(case_id=ticket.pk, dues={"visit": hours(3)}, at=hours(1))
    rebook(ticket, hours(5))  # the visit of cycle 1 and the confirmation were missed by then, the resolution was not
    assert deadline(ticket).verdict(hours(99)) == Verdict.MISSED
    assert deadline(ticket, "confirm").verdict(hours(99)) == Verdict.MISSED
    assert deadline(ticket, "resolve").verdict(hours(99)) == Verdict.VOID
    assert deadline(ticket, "law").state == DeadlineState.RUNNING  # owed once, owed still
    fresh = deadline(ticket, "resolve", 2)
    assert (fresh.started_at, fresh.carried, fresh.due_at) == (hours(5), None, hours(29))
    assert deadline(ticket, "confirm", 2).due_at == hours(9)
    assert not Deadline.objects.filter(promise="law", cycle=2).exists()
    whole(ticket)


def test_what_is_given_in_the_new_cycle_before_it_is_announced_stays(ticket):
    def give(case):
        case.cycle += 1
        sla.give(case, {"visit": hours(40)}, at=hours(5))
        case.cycle -= 1

    rebook(ticket, hours(5), first=give)
    assert deadline(ticket, cycle=2).state == DeadlineState.RUNNING
    whole(ticket)


# --- broken by us --------------------------------------------------------------------------------------------------


def test_what_we_break_before_it_is_due_is_missed_and_nobody_is_warned_of_it_later(ticket, agent):
    sla.give_due(case_id=ticket.pk, dues={"visit": hours(40)}, at=hours(1))
    assert [d.promise for d in break_it(ticket, hours(20))] == ["visit"]
    visit = deadline(ticket)
    assert (visit.state, visit.stopped_at, visit.because) == (DeadlineState.BROKEN, hours(20), "we_moved")
    assert visit.verdict(hours(20)) == visit.verdict(hours(99)) == Verdict.MISSED
    assert visit.missed_at(hours(99)) == hours(20)
    assert not Timer.objects.filter(deadline=visit).exists()
    event = Case.objects.get(pk=ticket.pk).events.get(kind="clocks_broken")
    assert event.facts["why"] == "we_moved"
    with override("en"):
        assert "we asked for another time" in sentence(event, Names())

    assert break_it(ticket, hours(21)) == []  # again: nothing changes
    assert Case.objects.get(pk=ticket.pk).events.filter(kind="clocks_broken").count() == 1
    sweep(now=hours(500))
    assert not [key for key in steps_taken() if key[1] == "visit"]
    whole(ticket)


def test_what_was_missed_before_we_broke_it_keeps_its_own_miss(ticket):
    sla.give_due(case_id=ticket.pk, dues={"visit": hours(3)}, at=hours(1))
    assert break_it(ticket, hours(5)) == []
    visit = deadline(ticket)
    assert (visit.state, visit.verdict(hours(9)), visit.missed_at(hours(9))) == (
        DeadlineState.STOPPED, Verdict.MISSED, hours(3),
    )  # fmt: skip
    assert not Case.objects.get(pk=ticket.pk).events.filter(kind="clocks_broken").exists()
    whole(ticket)


def test_what_was_kept_cannot_be_broken_any_more(ticket, agent):
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="x", verified="test", by=agent, at=hours(2))
    assert break_it(ticket, hours(3), "resolve") == []
    assert deadline(ticket, "resolve").verdict(hours(99)) == Verdict.MET


def test_a_paused_promise_can_be_broken_and_its_pause_is_closed(ticket, agent):
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=hours(2))
    break_it(ticket, hours(7), "resolve", "we_cancelled")
    resolve = deadline(ticket, "resolve")
    assert (resolve.state, resolve.due_at) == (DeadlineState.BROKEN, hours(29))
    assert resolve.pauses == [[hours(2).isoformat(), hours(7).isoformat(), "documents"]]
    whole(ticket)


def test_a_broken_resolution_shows_as_missed_in_the_queue_and_counts_as_missed_on_the_board(ticket, agent):
    supervisor = builders.person("supervisor", team=None)
    break_it(ticket, hours(2), "resolve", "we_cancelled")
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="x", verified="test", by=agent, at=hours(3))
    done = Ticket.objects.get(pk=ticket.pk)
    assert (done.clock_state, done.clock_left, done.sort_due_at) == (ClockState.MISSED, None, NEVER)

    scope = Scope(supervisor, None, hours(4))
    broken = deadline(ticket, "resolve")
    assert [row.pk for row in figures.rows_behind("target", scope)] == [broken.pk]
    assert [row.pk for row in figures.rows_behind("missed", scope)] == [broken.pk]
    assert [(hour.judged, hour.kept) for hour in figures.verdicts_by_hour(scope)] == [(1, 0)]
    assert sum(figures.misses_by_hour(scope).values()) == 1
    # It is judged on the day it was broken, not on the day it would have been due.
    tomorrow = Scope(supervisor, None, hours(4 + 24))
    assert list(figures.rows_behind("target", tomorrow)) == []


def test_pages_say_that_we_broke_it(ticket, agent, client):
    break_it(ticket, hours(2), "resolve", "we_cancelled")
    ending.cancel_ticket(ticket_id=ticket.pk, reason="by mistake", by=None, at=hours(3))
    client.force_login(builders.person("supervisor", team=None))
    client.cookies["django_language"] = "en"
    number, pk = Ticket.objects.get(pk=ticket.pk).number, deadline(ticket, "resolve").pk
    page = client.get(f"/desk/c/{number}/").content.decode()
    assert "Broken by us" in page
    explained = client.get(f"/desk/c/{number}/explain/{pk}/")
    assert "we cancelled" in explained.content.decode()
    assert str(Verdict.MISSED.label) in explained.content.decode()


# --- put off at the customer's wish ----------------------------------------------------------------------------------


def put_off(ticket, due, at, promise="resolve", reason="customer_choice"):
    return sla.defer(case_id=ticket.pk, promise=promise, due=due, reason=reason, at=at)


def test_a_promise_put_off_is_due_where_the_customer_wanted_it_and_back_at_its_limit_when_undone(ticket):
    assert put_off(ticket, hours(50), hours(2)).pk == deadline(ticket, "resolve").pk
    off = deadline(ticket, "resolve")
    assert (off.due_at, off.is_deferred, off.because) == (hours(50), True, "customer_choice")
    assert Ticket.objects.get(pk=ticket.pk).sort_due_at == deadline(ticket, "confirm").due_at
    assert put_off(ticket, hours(50), hours(2)) is None  # again: nothing changes
    assert sla.explain(off, now=hours(3)).deadline.is_deferred
    whole(ticket)

    assert put_off(ticket, None, hours(3)) is not None
    back = deadline(ticket, "resolve")
    assert (back.due_at, back.pinned_at, back.because) == (hours(24), None, "")
    assert put_off(ticket, None, hours(3)) is None
    kinds = list(Case.objects.get(pk=ticket.pk).events.filter(kind="clock_deferred").order_by("seq"))
    assert [event.facts["to"] for event in kinds] == [hours(50).isoformat(), None]
    with override("en"):
        assert "Put off to" in sentence(kinds[0], Names())
        assert "No longer put off" in sentence(kinds[1], Names())
    whole(ticket)


def test_a_choice_within_the_limit_puts_nothing_off_and_ends_an_earlier_putting_off(ticket):
    assert put_off(ticket, hours(20), hours(2)) is None
    put_off(ticket, hours(50), hours(2))
    assert put_off(ticket, hours(20), hours(3)).due_at == hours(24)
    whole(ticket)


def test_a_promise_put_off_does_not_pause_and_undone_it_pauses_with_its_case(ticket, agent):
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=hours(2))
    put_off(ticket, hours(50), hours(4))
    off = deadline(ticket, "resolve")
    assert (off.state, off.due_at, off.paused_until) == (DeadlineState.RUNNING, hours(50), None)
    put_off(ticket, None, hours(6))
    assert deadline(ticket, "resolve").state == DeadlineState.PAUSED
    services.resume_ticket(ticket_id=ticket.pk, by=agent, at=hours(8))
    assert deadline(ticket, "resolve").due_at == hours(24 + 2 + 2)
    whole(ticket)


def test_a_promise_put_off_follows_a_reclassification_without_moving(agent):
    builders.house()
    urgent = {**RESOLVE, "when": {**ALL, "urgency": "urgent"}, "limit": "8h"}
    publish_policy({"rule": [RESOLVE, urgent]}, at=MONDAY, valid_from=None)
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    put_off(ticket, hours(50), hours(1))
    handling.reclassify_ticket(ticket_id=ticket.pk, urgency="urgent", by=None, at=hours(2))
    assert deadline(ticket, "resolve").due_at == hours(50)
    put_off(ticket, None, hours(3))
    assert deadline(ticket, "resolve").due_at == hours(8)
    whole(ticket)


@pytest.mark.parametrize(
    ("promise", "at", "words"),
    [
        ("visit", 1, "dated from outside"),
        ("statutory_repair", 1, "legal limit"),
        ("confirm", 5, "missed already"),
        ("nonsense", 1, "not running"),
        ("resolve", 40, "not running"),
    ],
)
def test_what_cannot_be_put_off_says_why_and_stays(agent, promise, at, words):
    law = {**RESOLVE, "promise": "statutory_repair", "statutory": True, "pauses": []}
    publish_policy({"rule": [RESOLVE, VISIT, CONFIRM, law]}, at=MONDAY, valid_from=None)
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    sla.give_due(case_id=ticket.pk, dues={"visit": hours(6)}, at=MONDAY)
    if words == "not running":
        ending.resolve_ticket(ticket_id=ticket.pk, resolution="x", verified="test", by=agent, at=MONDAY)
    before = list(Deadline.objects.order_by("pk").values())
    with override("en"), pytest.raises(DomainError, match=words):
        put_off(ticket, hours(90), hours(at), promise)
    assert list(Deadline.objects.order_by("pk").values()) == before
    assert not Message.objects.filter(template="promise_missed").exists()


def test_undoing_what_ended_meanwhile_does_nothing(ticket, agent):
    put_off(ticket, hours(50), hours(1))
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="x", verified="test", by=agent, at=hours(30))
    assert put_off(ticket, None, hours(31)) is None
    assert deadline(ticket, "resolve").verdict(hours(99)) == Verdict.MET


def test_pages_say_that_the_customer_put_it_off(ticket, client):
    put_off(ticket, hours(50), hours(1))
    client.force_login(builders.person("supervisor", team=None))
    client.cookies["django_language"] = "en"
    number, pk = Ticket.objects.get(pk=ticket.pk).number, deadline(ticket, "resolve").pk
    assert "customer-deferred" in client.get(f"/desk/c/{number}/").content.decode()
    explained = client.get(f"/desk/c/{number}/explain/{pk}/").content.decode()
    assert "Customer-deferred" in explained
    assert "the customer chose a later time" in explained
