"""A service exception: told within two hours, solved within 48 (requirements.md SLA-09, TCK-10, ESC-02)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import translation

from common.errors import DomainError, InvalidInput, NotAllowed
from notifications.models import Message
from sla.models import Deadline
from sla.states import DeadlineState, Verdict
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tickets import conversation, ending, exceptions
from tickets.models import ServiceException

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_english():
    with translation.override("en"):
        yield


@pytest.fixture
def agent():
    builders.house()
    return builders.person("agent")


@pytest.fixture
def lead(agent):
    return builders.person("lead")


def hours(count):
    return MONDAY + timedelta(hours=count)


def reported(agent, **fields):
    ticket = builders.ticket(agent, channel="phone", **fields)
    given = {"kind": "system_delay", "words": "The order system answers after minutes."}
    exceptions.report_exception(ticket_id=ticket.pk, by=agent, at=hours(1), **given)
    ticket.refresh_from_db()
    return ticket


def promise(ticket, name, cycle=1):
    return Deadline.objects.get(case=ticket, promise=f"exception_{name}", cycle=cycle)


def test_reporting_begins_both_promises_and_tells_lead_and_supervisor_at_once(agent, lead):
    supervisor, head = builders.person("supervisor"), builders.person("head")
    ticket = reported(agent)
    assert promise(ticket, "feedback").due_at == hours(3)
    assert promise(ticket, "solve").due_at == hours(49)
    told = Message.objects.filter(template="exception_reported", case=ticket)
    assert {message.person for message in told} == {lead, supervisor}
    assert head not in {message.person for message in told}


def test_five_steps_in_order(agent, lead):
    ticket = reported(agent)
    with pytest.raises(DomainError, match="judges it first"):
        exceptions.solve_exception(ticket_id=ticket.pk, words="Restarted", by=agent, at=hours(2))
    exceptions.judge_exception(ticket_id=ticket.pk, upheld=True, words="Seen in the log", by=lead, at=hours(2))
    conversation.reply_to_customer(ticket_id=ticket.pk, body="Our system is slow today.", by=agent, at=hours(2.5))
    with pytest.raises(DomainError, match="once it is solved"):
        exceptions.follow_up_exception(ticket_id=ticket.pk, words="Holds", by=agent, at=hours(3))
    exceptions.solve_exception(ticket_id=ticket.pk, words="Restarted", by=agent, at=hours(4))
    exceptions.follow_up_exception(ticket_id=ticket.pk, words="Holds", by=agent, at=hours(30))
    found = ServiceException.objects.get(ticket=ticket)
    assert (found.judged_at, found.solved_at, found.followed_up_at) == (hours(2), hours(4), hours(30))
    feedback, solve = promise(ticket, "feedback"), promise(ticket, "solve")
    assert (feedback.stopped_at, feedback.verdict(hours(5))) == (hours(2.5), Verdict.MET)
    assert (solve.stopped_at, solve.verdict(hours(5))) == (hours(4), Verdict.MET)
    steps = [event.facts["step"] for event in ticket.events.filter(kind="exception").order_by("seq")]
    assert steps == ["reported", "upheld", "solved", "followed_up"]


def test_saying_nothing_to_the_customer_for_two_hours_is_a_breach_that_is_told(agent, lead):
    ticket = reported(agent)
    sweep(now=hours(3) + timedelta(minutes=1))
    assert promise(ticket, "feedback").verdict(hours(4)) == Verdict.MISSED
    missed = Message.objects.filter(template="promise_missed", context__promise="exception_feedback")
    assert lead in {message.person for message in missed}


def test_what_is_judged_to_be_none_promises_nothing_more_and_is_not_solved(agent, lead):
    ticket = reported(agent)
    exceptions.judge_exception(
        ticket_id=ticket.pk, upheld=False, words="The customer's own router", by=lead, at=hours(2)
    )
    assert {promise(ticket, name).state for name in ("feedback", "solve")} == {DeadlineState.STOPPED}
    with pytest.raises(DomainError, match="no exception"):
        exceptions.solve_exception(ticket_id=ticket.pk, words="Restarted", by=agent, at=hours(3))
    with pytest.raises(DomainError, match="judged already"):
        exceptions.judge_exception(ticket_id=ticket.pk, upheld=True, words="Or is it", by=lead, at=hours(3))


def test_agents_judge_none_and_nobody_their_own_report(agent, lead):
    ticket = reported(lead)
    with pytest.raises(NotAllowed):
        exceptions.judge_exception(ticket_id=ticket.pk, upheld=True, words="Yes", by=agent, at=hours(2))
    with pytest.raises(DomainError, match="reported themselves"):
        exceptions.judge_exception(ticket_id=ticket.pk, upheld=True, words="Yes", by=lead, at=hours(2))
    assert ServiceException.objects.get(ticket=ticket).judged_at is None


def test_resolving_the_ticket_solves_its_exception(agent, lead):
    ticket = reported(agent)
    exceptions.judge_exception(ticket_id=ticket.pk, upheld=True, words="Yes", by=lead, at=hours(2))
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="Restarted", verified="test", by=agent, at=hours(5))
    found = ServiceException.objects.get(ticket=ticket)
    assert (found.solution, found.solved_at) == ("Restarted", hours(5))
    assert promise(ticket, "solve").stopped_at == hours(5)
    exceptions.follow_up_exception(ticket_id=ticket.pk, words="Holds", by=agent, at=hours(40))


def test_resolving_solves_nothing_that_was_no_exception(agent, lead):
    ticket = reported(agent)
    exceptions.judge_exception(ticket_id=ticket.pk, upheld=False, words="Their own router", by=lead, at=hours(2))
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="Explained", verified="not_needed", by=agent, at=hours(3))
    assert ServiceException.objects.get(ticket=ticket).solved_at is None


def test_a_round_has_one_and_the_next_round_may_have_its_own(agent, lead):
    ticket = reported(agent)
    again = {"ticket_id": ticket.pk, "kind": "product_fault", "words": "And the modem", "by": agent}
    with pytest.raises(DomainError, match="already"):
        exceptions.report_exception(**again, at=hours(2))
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="Restarted", verified="test", by=agent, at=hours(5))
    with pytest.raises(DomainError, match="open ticket"):
        exceptions.report_exception(**again, at=hours(6))
    ending.reopen_ticket(ticket_id=ticket.pk, reason="Slow again", by=agent, at=hours(7))
    exceptions.report_exception(**again, at=hours(8))
    assert promise(ticket, "feedback", cycle=2).due_at == hours(10)
    assert promise(ticket, "feedback").verdict(hours(9)) == Verdict.MISSED


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"kind": "weather"}, "kind"), ({"words": "  "}, "words"), ({"words": "x" * 2001}, "words")],
)
def test_what_cannot_be_taken_names_its_field_and_begins_nothing(agent, fields, field):
    ticket = builders.ticket(agent)
    given = {"kind": "complaint", "words": "Angry", **fields}
    with pytest.raises(InvalidInput) as refusal:
        exceptions.report_exception(ticket_id=ticket.pk, by=agent, at=hours(1), **given)
    assert refusal.value.field == field
    assert not Deadline.objects.filter(promise__startswith="exception").exists()
