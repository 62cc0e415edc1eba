"""What a customer may do alone: open, write, confirm and reopen one's own ticket; nothing else, and nobody else's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cases.links import Purpose, read_token
from cases.models import CaseEvent, Category, Note
from cases.services import verify_timeline
from common.errors import InvalidInput, NotAllowed, TransitionRefused
from customers.models import Address
from notifications.models import Message
from notifications.services import deliver_due
from sla.models import Deadline
from tests import builders
from tests.builders import MONDAY
from tickets import conversation, ending, handling, services
from tickets.models import Ticket
from tickets.permissions import access_ticket
from tickets.states import State

pytestmark = pytest.mark.django_db
LATER = MONDAY + timedelta(hours=2)


@pytest.fixture
def customer():
    builders.house()
    return builders.customer()


@pytest.fixture
def stranger():
    return builders.customer("王芳", "13900001111")


def opened(customer, **fields):
    fields = {"subject": "断网", "type": "fault", "channel": "web", "description": "断网了 😟", **fields}
    return services.open_ticket(by=customer, customer=customer, at=MONDAY, **fields)


def resolved(customer):
    agent = builders.person("agent")
    ticket = builders.ticket(agent, customer=customer)
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY)
    return ending.resolve_ticket(
        ticket_id=ticket.pk, resolution="New modem", verified="test", by=agent, at=MONDAY + timedelta(hours=1)
    )


def test_a_customer_opens_a_ticket_with_all_its_clocks(customer):
    dispatch = builders.team("dispatch", dispatches=True)
    ticket = Ticket.objects.get(pk=opened(customer).pk)
    assert (ticket.team, ticket.first_contact, ticket.owner, ticket.unanswered) == (dispatch, None, None, 1)
    promises = set(Deadline.objects.filter(case=ticket).values_list("promise", flat=True))
    assert promises == {"first_response", "resolve", "locate", "restore", "statutory_repair"}
    assert {event.by_kind for event in ticket.events.all()} == {"customer"}
    assert ticket.notes.get().body == "断网了 😟"
    assert verify_timeline(ticket) == []


def test_a_category_sends_it_to_the_team_whose_work_it_is_if_there_is_one(customer):
    dispatch = builders.team("dispatch", dispatches=True)
    category = Category.objects.create(code="order", name_zh="装机", name_en="Order", team_code="moves")
    assert opened(customer, category=category).team == dispatch
    moves = builders.team("moves")
    assert opened(customer, category=category).team == moves
    assert opened(customer).team == dispatch
    agent = builders.person("agent")
    assert builders.ticket(agent, customer=customer, category=category).team == agent.team


def test_nobody_opens_one_for_somebody_else(customer, stranger):
    for whose in (stranger, None):
        with pytest.raises(NotAllowed):
            services.open_ticket(subject="x", type="fault", channel="web", by=customer, customer=whose, at=MONDAY)
    assert not Ticket.objects.exists()


def test_the_place_is_one_of_the_customer_s(customer, stranger):
    mine = Address.objects.create(customer=customer, street="长江路", house="5 号")
    theirs = Address.objects.create(customer=stranger, street="黄河路", house="6 号")
    assert opened(customer, address=mine).address == mine
    with pytest.raises(InvalidInput) as refused:
        opened(customer, address=theirs)
    assert refused.value.field == "address"


def test_confirming_closes_it_as_the_customer_s_act(customer):
    ticket = resolved(customer)
    closed = ending.confirm_ticket(ticket_id=ticket.pk, by=customer, how="link", at=LATER)
    assert (closed.state, closed.closed_because, closed.confirmed_at) == (State.CLOSED, "confirmed", LATER)
    event = CaseEvent.objects.get(case=ticket, kind="confirmed")
    assert (event.by_kind, event.by, event.facts["how"]) == ("customer", None, "link")


def test_reopening_keeps_the_customer_s_words_in_the_conversation(customer):
    ticket = resolved(customer)
    again = ending.reopen_ticket(ticket_id=ticket.pk, reason="还是断网", by=customer, at=LATER)
    assert (again.state, again.cycle, again.unanswered) == (State.IN_PROGRESS, 2, 1)
    note = Note.objects.get(case=ticket, body="还是断网")
    assert (note.visibility, note.direction, note.channel) == ("public", "in", "web")
    assert verify_timeline(Ticket.objects.get(pk=ticket.pk)) == []


def test_another_customer_finds_nothing(customer, stranger):
    ticket = resolved(customer)
    acts = [
        lambda: ending.confirm_ticket(ticket_id=ticket.pk, by=stranger, at=LATER),
        lambda: ending.reopen_ticket(ticket_id=ticket.pk, reason="x", by=stranger, at=LATER),
        lambda: conversation.customer_wrote(ticket_id=ticket.pk, body="x", channel="web", by=stranger, at=LATER),
        lambda: access_ticket(stranger, ticket.pk),
    ]
    for act in acts:
        with pytest.raises(Ticket.DoesNotExist):
            act()
    assert Ticket.objects.get(pk=ticket.pk).state == State.RESOLVED
    assert access_ticket(customer, ticket.pk) == ticket


STAFF_ONLY = {
    "resolve": lambda pk, by: ending.resolve_ticket(ticket_id=pk, resolution="x", verified="test", by=by),
    "cancel": lambda pk, by: ending.cancel_ticket(ticket_id=pk, reason="x", by=by),
    "reply": lambda pk, by: conversation.reply_to_customer(ticket_id=pk, body="x", by=by),
    "note": lambda pk, by: conversation.add_internal_note(ticket_id=pk, body="x", by=by),
    "call": lambda pk, by: conversation.log_call(ticket_id=pk, body="x", outcome="reached", by=by),
    "assign": lambda pk, by: services.assign_ticket(ticket_id=pk, team=builders.team(), by=by),
    "reclassify": lambda pk, by: handling.reclassify_ticket(ticket_id=pk, urgency="urgent", by=by),
    "escalate": lambda pk, by: handling.escalate_ticket(ticket_id=pk, reason="x", by=by),
    "wait": lambda pk, by: services.wait_for_customer(ticket_id=pk, reason="documents", by=by),
    "milestone": lambda pk, by: handling.reach_milestone(ticket_id=pk, milestone="restored", by=by),
    "need a visit": lambda pk, by: handling.need_visit(ticket_id=pk, by=by),
}


@pytest.mark.parametrize("act", STAFF_ONLY)
def test_the_work_itself_is_not_the_customer_s(customer, act):
    ticket = opened(customer)
    version = Ticket.objects.get(pk=ticket.pk).version
    with pytest.raises(NotAllowed):
        STAFF_ONLY[act](ticket.pk, customer)
    assert Ticket.objects.get(pk=ticket.pk).version == version


def test_an_open_ticket_is_not_confirmed(customer):
    with pytest.raises(TransitionRefused):
        ending.confirm_ticket(ticket_id=opened(customer).pk, by=customer, at=LATER)


def test_messages_bring_a_link_that_fits_the_moment(customer):
    ticket = resolved(customer)
    deliver_due(now=LATER)
    links = {
        message.template: read_token(message.context["link"].split("/")[-2], at=LATER)
        for message in Message.objects.filter(case=ticket)
    }
    assert {name: (link.case_id, link.purpose) for name, link in links.items()} == {
        "ticket_received": (ticket.pk, Purpose.VIEW),
        "ticket_resolved": (ticket.pk, Purpose.CONFIRM),
    }


def test_the_link_to_confirm_lives_as_long_as_reopening_is_possible(customer):
    ticket = resolved(customer)
    token = Message.objects.get(case=ticket, template="ticket_resolved").context["link"].split("/")[-2]
    ending.close_silent_ticket(ticket_id=ticket.pk, at=MONDAY + timedelta(days=3))
    last = MONDAY + timedelta(days=33)
    assert read_token(token, at=last).purpose == Purpose.CONFIRM
    assert ending.reopen_ticket(ticket_id=ticket.pk, reason="x", by=customer, at=last).state == State.IN_PROGRESS
