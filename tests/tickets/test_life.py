"""A ticket from the call to closure, with everything it promises on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cases.services import verify_timeline
from cases.states import NEVER, ClockState
from common.errors import NotAllowed, TransitionRefused
from notifications.models import Message
from notifications.services import deliver_due
from sla.models import Deadline, Timer
from sla.states import DeadlineState, Verdict
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tickets import conversation, ending, handling, services
from tickets.models import Ticket
from tickets.states import State

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent():
    builders.house()
    return builders.person("agent")


def minutes(count):
    return MONDAY + timedelta(minutes=count)


def hours(count):
    return MONDAY + timedelta(hours=count)


def deadline(ticket, promise, cycle=1):
    return Deadline.objects.get(case=ticket, promise=promise, cycle=cycle)


def test_opening_starts_the_promises_of_the_type_from_the_true_receipt(agent):
    ticket = builders.ticket(agent, type="fault", received_at=MONDAY - timedelta(minutes=5))
    dues = {d.promise: d.due_at for d in Deadline.objects.filter(case=ticket)}
    received = MONDAY - timedelta(minutes=5)
    assert dues == {
        "first_response": received + timedelta(minutes=15),
        "resolve": received + timedelta(hours=24),
        "locate": received + timedelta(hours=4),
        "restore": received + timedelta(hours=24),
        "statutory_repair": received + timedelta(hours=48),
    }
    assert Timer.objects.filter(case=ticket).count() == 5
    assert ticket.sort_due_at == dues["first_response"]
    assert ticket.clock_state == ClockState.RUNNING


def test_at_the_phone_the_intake_is_the_first_reply(agent):
    ticket = builders.ticket(agent, channel="phone")
    first = deadline(ticket, "first_response")
    assert (first.state, first.stopped_at) == (DeadlineState.STOPPED, MONDAY)
    assert ticket.sort_due_at == deadline(ticket, "resolve").due_at
    assert not Timer.objects.filter(deadline=first).exists()


def test_neither_taking_nor_notes_nor_unanswered_calls_are_a_first_reply(agent):
    ticket = builders.ticket(agent)
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=minutes(1))
    conversation.add_internal_note(ticket_id=ticket.pk, body="looks like the splitter", by=agent, at=minutes(2))
    conversation.log_call(ticket_id=ticket.pk, body="", outcome="no_answer", by=agent, at=minutes(3))
    assert deadline(ticket, "first_response").state == DeadlineState.RUNNING
    conversation.log_call(ticket_id=ticket.pk, body="explained", outcome="reached", by=agent, at=minutes(4))
    first = deadline(ticket, "first_response")
    assert (first.stopped_at, first.verdict(minutes(5))) == (minutes(4), Verdict.MET)


def test_an_answer_at_the_due_instant_is_in_time_and_a_microsecond_later_is_not(agent):
    in_time, late = builders.ticket(agent), builders.ticket(agent, customer=None)
    conversation.reply_to_customer(ticket_id=in_time.pk, body="Hello", by=agent, at=minutes(15))
    conversation.reply_to_customer(
        ticket_id=late.pk, body="Hello", by=agent, at=minutes(15) + timedelta(microseconds=1)
    )
    assert deadline(in_time, "first_response").verdict(hours(1)) == Verdict.MET
    assert deadline(late, "first_response").verdict(hours(1)) == Verdict.MISSED


def test_waiting_for_the_customer_pauses_and_the_reply_resumes(agent):
    ticket = builders.ticket(agent, channel="phone")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=hours(1))
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=hours(2))
    paused = deadline(ticket, "resolve")
    assert (paused.state, paused.due_at) == (DeadlineState.PAUSED, None)
    ticket = Ticket.objects.get(pk=ticket.pk)
    assert (ticket.clock_state, ticket.clock_left, ticket.sort_due_at) == (
        ClockState.PAUSED,
        timedelta(hours=22),
        NEVER,
    )
    conversation.customer_wrote(ticket_id=ticket.pk, body="here they are", channel="web", at=hours(12))
    ticket = Ticket.objects.get(pk=ticket.pk)
    assert ticket.state == State.IN_PROGRESS
    assert ticket.sort_due_at == deadline(ticket, "resolve").due_at == hours(34)


def test_a_pause_ends_by_itself_after_five_days_and_the_lead_is_told(agent):
    lead = builders.person("lead")
    ticket = builders.ticket(agent, channel="phone")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=hours(1))
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=hours(2))
    sweep(now=hours(2) + timedelta(days=5, minutes=3))
    resumed = deadline(ticket, "resolve")
    assert (resumed.state, resumed.due_at) == (DeadlineState.RUNNING, hours(24) + timedelta(days=5))
    ticket = Ticket.objects.get(pk=ticket.pk)
    assert (ticket.state, ticket.sort_due_at) == (State.PENDING, resumed.due_at)
    assert Message.objects.filter(person=lead, template="pause_ended").count() == 1
    assert verify_timeline(ticket) == []


def test_from_paused_straight_to_resolved_closes_the_pause(agent):
    ticket = builders.ticket(agent, channel="phone")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=hours(1))
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=hours(2))
    ending.resolve_ticket(
        ticket_id=ticket.pk, resolution="sent by the customer", verified="system", by=agent, at=hours(40)
    )
    resolve = deadline(ticket, "resolve")
    assert resolve.pauses[-1][1] == hours(40).isoformat()
    assert (resolve.due_at, resolve.verdict(hours(50))) == (hours(62), Verdict.MET)


def test_the_rungs_climb_and_each_step_happens_once(agent):
    lead, supervisor = builders.person("lead"), builders.person("supervisor", team=None)
    ticket = builders.ticket(agent, channel="phone")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=hours(1))
    for _round in range(3):
        sweep(now=hours(12))
    assert Ticket.objects.get(pk=ticket.pk).tier == 2
    sweep(now=hours(18))
    sweep(now=hours(20))
    for _round in range(3):
        sweep(now=hours(24))
    told = list(Message.objects.filter(channel="in_app").order_by("pk").values_list("template", "person__username"))
    assert told == [
        ("promise_escalated", lead.username),
        ("promise_warning", agent.username),
        ("promise_escalated", supervisor.username),
        ("promise_missed", agent.username),
        ("promise_missed", lead.username),
    ]
    ticket = Ticket.objects.get(pk=ticket.pk)
    assert ticket.tier == 3
    kinds = list(ticket.events.filter(kind__startswith="promise_").values_list("kind", "at"))
    assert kinds == [
        ("promise_tier", hours(12)),
        ("promise_warn", hours(18)),
        ("promise_tier", hours(19.2)),
        ("promise_breach", hours(24)),
    ]
    assert verify_timeline(ticket) == []


def test_after_an_outage_no_stale_warning_goes_out_and_no_breach_is_lost(agent):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    sweep(now=hours(24) + timedelta(minutes=1))
    events = {event.kind: event.facts.get("skipped") for event in ticket.events.filter(kind__startswith="promise_")}
    assert events == {"promise_warn": "late", "promise_tier": None, "promise_breach": None}
    assert not Message.objects.filter(template="promise_warning").exists()
    assert Message.objects.filter(template="promise_missed", person=agent).count() == 1


def test_evidence_that_comes_late_corrects_the_verdict_and_tells_again(agent):
    ticket = builders.ticket(agent, owner=agent)
    sweep(now=minutes(16))
    assert Message.objects.filter(template="promise_missed", person=agent).count() == 1
    conversation.log_call(ticket_id=ticket.pk, body="called back", outcome="reached", by=agent, at=minutes(10))
    assert deadline(ticket, "first_response").verdict(hours(1)) == Verdict.MET
    assert ticket.events.filter(kind="verdict_corrected").count() == 1
    assert Message.objects.filter(template="promise_corrected", person=agent).count() == 1


def test_raising_the_urgency_forgets_no_time_used(agent):
    ticket = builders.ticket(agent, channel="phone", complex=True, owner=None)
    senior = builders.person("senior")
    services.take_ticket(ticket_id=ticket.pk, by=senior, at=hours(1))
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=senior, at=hours(2))
    handling.reclassify_ticket(ticket_id=ticket.pk, complex=False, by=senior, at=hours(50))
    services.resume_ticket(ticket_id=ticket.pk, by=senior, at=hours(74))
    resolve = deadline(ticket, "resolve")
    assert resolve.aim.used(hours(74)) == timedelta(hours=2)
    assert resolve.due_at == hours(74 + 22)


def test_reopening_begins_a_cycle_that_carries_the_time_used(agent):
    ticket = builders.ticket(agent, channel="phone")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=hours(1))
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="restarted", verified="test", by=agent, at=hours(6))
    ending.reopen_ticket(ticket_id=ticket.pk, reason="still down", by=agent, at=hours(30))
    first, second = deadline(ticket, "resolve"), deadline(ticket, "resolve", cycle=2)
    assert first.verdict(hours(100)) == Verdict.MET
    assert second.due_at == hours(30 + 18)
    assert not Deadline.objects.filter(case=ticket, promise="first_response", cycle=2).exists()
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="new cable", verified="test", by=agent, at=hours(50))
    sweep(now=hours(51))
    assert deadline(ticket, "resolve", cycle=2).verdict(hours(51)) == Verdict.MISSED
    assert deadline(ticket, "resolve").verdict(hours(51)) == Verdict.MET


def test_reopening_leaves_at_least_a_quarter_of_the_limit(agent):
    ticket = builders.ticket(agent, channel="phone")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=hours(1))
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="restarted", verified="test", by=agent, at=hours(23))
    ending.reopen_ticket(ticket_id=ticket.pk, reason="still down", by=agent, at=hours(30))
    assert deadline(ticket, "resolve", cycle=2).due_at == hours(36)


def test_the_completion_notice_is_queued_and_kept_by_acceptance(agent):
    ticket = builders.ticket(agent, channel="phone")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=hours(1))
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="restarted", verified="test", by=agent, at=hours(6))
    notice = deadline(ticket, "completion_notice")
    assert (notice.state, notice.due_at) == (DeadlineState.RUNNING, hours(30))
    assert deliver_due(now=hours(6.5)) == 1
    assert deadline(ticket, "completion_notice").stopped_at == hours(6.5)


def test_silence_reminds_twice_and_closes_on_the_third_day_at_ten(agent):
    ticket = builders.ticket(agent, channel="phone")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=hours(1))
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="restarted", verified="test", by=agent, at=hours(6))
    deliver_due(now=hours(6))
    ten = MONDAY + timedelta(hours=1)
    for day in (1, 2):
        sweep(now=ten + timedelta(days=day))
        assert Message.objects.filter(template="ticket_reminder").count() == day
    sweep(now=ten + timedelta(days=3) - timedelta(seconds=1))
    assert Ticket.objects.get(pk=ticket.pk).state == State.RESOLVED
    sweep(now=ten + timedelta(days=3, hours=2))
    ticket = Ticket.objects.get(pk=ticket.pk)
    assert (ticket.state, ticket.closed_because, ticket.closed_at) == ("closed", "silence", ten + timedelta(days=3))
    assert verify_timeline(ticket) == []


@pytest.mark.parametrize("end", ["cancel", "confirm"])
def test_ended_tickets_leave_no_timer_behind(agent, end):
    ticket = builders.ticket(agent, type="fault", channel="phone")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=hours(1))
    if end == "cancel":
        ending.cancel_ticket(ticket_id=ticket.pk, reason="withdrawn", by=agent, at=hours(2))
    else:
        ending.resolve_ticket(ticket_id=ticket.pk, resolution="x", verified="test", by=agent, at=hours(6))
        ending.confirm_ticket(ticket_id=ticket.pk, by=agent, at=hours(7))
    assert not Timer.objects.filter(case=ticket).exists()
    sweep(now=hours(500))
    assert not ticket.events.filter(kind="promise_breach").exists()


def test_who_may_not_choose_takes_the_next_one_or_what_they_registered(agent):
    mine, theirs = builders.ticket(agent), builders.ticket(builders.person("lead"), customer=None)
    assert services.take_ticket(ticket_id=mine.pk, by=agent, at=minutes(1)).owner == agent
    with pytest.raises(NotAllowed):
        services.take_ticket(ticket_id=theirs.pk, by=agent, at=minutes(1))
    assert Ticket.objects.get(pk=theirs.pk).owner is None
    senior = builders.person("senior")
    assert services.take_ticket(ticket_id=theirs.pk, by=senior, at=minutes(2)).owner == senior


def test_nobody_starts_a_ticket_that_nobody_has_taken(agent):
    ticket = builders.ticket(agent)
    with pytest.raises(TransitionRefused):
        services.start_ticket(ticket_id=ticket.pk, by=agent, at=minutes(1))
    assert Ticket.objects.get(pk=ticket.pk).state == State.NEW
