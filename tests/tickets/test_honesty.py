"""What is on record stays true: through reopening, reclassifying, cancelling, late mail and silence that was none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cases.services import verify_timeline
from common.errors import StaleVersion
from notifications.models import Message
from notifications.services import deliver_due, text_of
from sla.models import Deadline
from sla.states import DeadlineState, Verdict
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tickets import conversation, ending, handling
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


def resolved(agent, at, **fields):
    ticket = builders.ticket(agent, owner=agent, **fields)
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="restarted", verified="test", by=agent, at=at)
    return ticket


def test_reopening_erases_no_miss_and_forgets_no_first_reply(agent):
    missed, owed = resolved(agent, hours(1)), resolved(agent, minutes(2), customer=None)
    ending.reopen_ticket(ticket_id=missed.pk, reason="again", by=agent, at=hours(30))
    ending.reopen_ticket(ticket_id=owed.pk, reason="again", by=agent, at=minutes(5))
    assert deadline(missed, "first_response").verdict(hours(31)) == Verdict.MISSED
    assert deadline(missed, "completion_notice").verdict(hours(31)) == Verdict.MISSED
    assert deadline(owed, "first_response").state == DeadlineState.RUNNING
    conversation.reply_to_customer(ticket_id=owed.pk, body="Hello", by=agent, at=minutes(10))
    assert deadline(owed, "first_response").verdict(hours(1)) == Verdict.MET


def test_a_promise_made_by_reclassifying_a_reopened_ticket_counts_from_the_reopening(agent):
    ticket = resolved(agent, hours(1), channel="phone")
    ending.reopen_ticket(ticket_id=ticket.pk, reason="again", by=agent, at=hours(240))
    handling.reclassify_ticket(ticket_id=ticket.pk, type="fault", by=agent, at=hours(241))
    assert deadline(ticket, "statutory_repair", cycle=2).started_at == hours(240)
    sweep(now=hours(242))
    assert not ticket.events.filter(kind="promise_breach").exists()


def test_what_was_done_before_counts_for_a_promise_made_later(agent):
    ticket = builders.ticket(agent, owner=agent)
    conversation.reply_to_customer(ticket_id=ticket.pk, body="Hello", by=agent, at=minutes(10))
    handling.plan_ticket(ticket_id=ticket.pk, plan="new cable", by=agent, at=minutes(20))
    handling.reclassify_ticket(ticket_id=ticket.pk, complex=True, by=agent, at=hours(3))
    assert deadline(ticket, "complex_reply").stopped_at == minutes(10)
    assert deadline(ticket, "first_handling").stopped_at == minutes(20)
    sweep(now=hours(4))
    assert not ticket.events.filter(kind="promise_breach").exists()
    assert verify_timeline(Ticket.objects.get(pk=ticket.pk)) == []


def test_a_notice_of_an_earlier_cycle_keeps_no_promise_of_this_one(agent):
    ticket = resolved(agent, hours(1), channel="phone")
    ending.reopen_ticket(ticket_id=ticket.pk, reason="again", by=agent, at=hours(2))
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="cable", verified="test", by=agent, at=hours(3))
    # A worker had it in hand when the ticket was reopened, and the provider took it.
    Message.objects.filter(key=f"resolved-{ticket.pk}-1").update(state=Message.State.QUEUED)
    Message.objects.filter(key=f"resolved-{ticket.pk}-2").update(try_at=hours(100))
    assert deliver_due(now=hours(4)) == 1
    assert deadline(ticket, "completion_notice", cycle=2).state == DeadlineState.RUNNING


def test_cancelling_erases_no_miss(agent):
    ticket = builders.ticket(agent, type="fault", channel="phone", owner=agent)
    ending.cancel_ticket(ticket_id=ticket.pk, reason="withdrawn", by=agent, at=hours(60))
    verdicts = {d.promise: d.verdict(hours(61)) for d in Deadline.objects.filter(case=ticket)}
    assert verdicts["statutory_repair"] == verdicts["resolve"] == Verdict.MISSED


@pytest.mark.parametrize("fields", [{}, {"imported": True}, {"customer": None}])
def test_no_ticket_is_cancelled_behind_the_customer_s_back(agent, fields):
    ticket = builders.ticket(agent, channel="phone", owner=agent, **fields)
    ending.cancel_ticket(ticket_id=ticket.pk, reason="withdrawn", by=agent, at=hours(1))
    said = Message.objects.filter(case=ticket, channel="sms")
    assert list(said.values_list("template", "state")) == ([] if fields else [("ticket_cancelled", "queued")])
    assert ticket.events.filter(kind="notice").count() == len(said)
    if said:
        text = text_of(said.get())[1]
        assert ticket.number in text
        assert "withdrawn" not in text  # the reason is among us


@pytest.mark.parametrize("why", ["not told", "answered"])
def test_nobody_is_closed_for_silence_who_was_not_told_or_who_answered(agent, why):
    ticket = resolved(agent, hours(1), channel="phone")
    if why == "answered":
        deliver_due(now=hours(1))
        conversation.customer_wrote(ticket_id=ticket.pk, body="still broken", channel="sms", at=hours(2))
    for day in range(1, 6):
        sweep(now=MONDAY + timedelta(days=day, hours=1, minutes=1))
    assert Ticket.objects.get(pk=ticket.pk).state == State.RESOLVED
    assert not Message.objects.filter(template="ticket_reminder").exists()
    assert Message.objects.filter(template="ticket_unheard", person=agent).count() == 5
    # Once the customer is told, or answered, the three days begin.
    if why == "answered":
        conversation.reply_to_customer(
            ticket_id=ticket.pk, body="It was another line.", by=agent, at=MONDAY + timedelta(days=5, hours=5)
        )
    deliver_due(now=MONDAY + timedelta(days=5, hours=6))
    for day in range(6, 10):
        sweep(now=MONDAY + timedelta(days=day, hours=1, minutes=1))
    assert Ticket.objects.get(pk=ticket.pk).closed_because == "silence"
    assert Message.objects.filter(template="ticket_reminder").count() == 2


def test_a_reminder_not_yet_sent_is_withdrawn_when_the_customer_confirms(agent):
    ticket = resolved(agent, hours(1), channel="phone")
    deliver_due(now=hours(1))
    sweep(now=MONDAY + timedelta(days=1, hours=2))
    ending.confirm_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY + timedelta(days=1, hours=3))
    assert deliver_due(now=MONDAY + timedelta(days=1, hours=4)) == 0
    assert Message.objects.get(template="ticket_reminder").state == Message.State.CANCELLED


def test_nobody_is_told_that_it_is_solved_after_it_was_taken_up_again(agent):
    """The gateway was down: the notice waited, or had been given up, when the customer called again."""
    for state in (Message.State.QUEUED, Message.State.FAILED):
        ticket = resolved(agent, hours(1), channel="phone", customer=builders.customer())
        notice = Message.objects.filter(key=f"resolved-{ticket.pk}-1")
        notice.update(state=state)
        ending.reopen_ticket(ticket_id=ticket.pk, reason="again", by=agent, at=hours(2))
        assert deliver_due(now=hours(3)) == 0
        assert notice.get().state == Message.State.CANCELLED


def test_a_form_sent_twice_is_one_reply_and_with_other_words_it_is_refused(agent):
    ticket = builders.ticket(agent, owner=agent)
    sent = {"ticket_id": ticket.pk, "by": agent, "key": "once", "seen": ticket.event_seq, "at": minutes(1)}
    conversation.reply_to_customer(body="Hello", **sent)
    conversation.reply_to_customer(body="Hello", **sent)
    with pytest.raises(StaleVersion):
        conversation.reply_to_customer(body="Something else", **sent)
    assert list(ticket.notes.values_list("body", flat=True)) == ["Hello"]


def test_whoever_was_told_of_a_miss_is_told_of_the_correction(agent):
    people = {agent, builders.person("lead"), builders.person("supervisor", team=None)}
    ticket = builders.ticket(agent, owner=agent)
    sweep(now=hours(2))
    conversation.log_call(ticket_id=ticket.pk, body="called back", outcome="reached", by=agent, at=minutes(10))
    told = Message.objects.filter(template="promise_corrected").values_list("person", flat=True)
    assert set(told) == {person.pk for person in people}
