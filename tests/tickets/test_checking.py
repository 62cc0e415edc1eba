"""Registered first, checked afterwards (requirements.md INT-03, 04): what a check looks at; nothing is lost by it."""

from __future__ import annotations

import pytest
from django.utils import translation

from cases.facts import Names, sentence
from cases.models import Category
from common.errors import DomainError, InvalidInput
from tests import builders
from tests.builders import MONDAY
from tickets import checking, ending
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
ALL = ["identity", "equipment", "usage"]


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


@pytest.fixture
def agent():
    builders.house()
    return builders.person()


@pytest.fixture
def broadband(agent):
    root = Category.objects.create(code="broadband", name_zh="宽带", name_en="Broadband")
    order = Category.objects.create(code="broadband.order", name_zh="装", name_en="Order", parent=root)
    return builders.ticket(agent, type="order", category=order)


def check(ticket, by, **fields):
    fields = {"passed": True} | fields
    return checking.check_ticket(ticket_id=ticket.pk, by=by, at=MONDAY, **fields)


def said(ticket):
    return sentence(ticket.events.filter(kind="checked").latest("seq"), Names())


def test_broadband_passes_with_identity_equipment_and_usage_only(agent, broadband):
    with pytest.raises(InvalidInput) as refused:
        check(broadband, agent, checked=ALL[:2])
    assert refused.value.field == "checked"
    assert Ticket.objects.get().details == ""
    check(broadband, agent, checked=ALL)
    assert Ticket.objects.get().details == "complete"
    assert said(broadband) == "Details checked and complete"


def test_what_is_missing_is_noted_named_and_loses_nothing(agent, broadband):
    check(broadband, agent, passed=False, missing="The modem's label", checked=["identity"])
    kept = Ticket.objects.get()
    assert (kept.details, kept.state, kept.category) == ("missing", broadband.state, broadband.category)
    assert kept.notes.get().body == "The modem's label"
    assert said(broadband) == "Details checked. Missing: Equipment model, How the service is used"
    check(broadband, agent, checked=ALL)
    assert Ticket.objects.get().details == "complete"


def test_other_tickets_are_checked_as_a_whole(agent):
    ticket = builders.ticket(agent, type="fault")
    assert checking.items_of(ticket) == ()
    assert check(ticket, agent).details == "complete"


def test_a_check_waits_where_there_is_something_to_compare(agent):
    waits = {kind for kind in Ticket.TYPES if checking.is_expected(builders.ticket(agent, type=kind))}
    assert waits == {"fault", "service_request", "order"}
    question = builders.ticket(agent, type="enquiry")
    assert checking.is_expected(check(question, agent))


def test_a_ticket_that_is_over_is_checked_no_more(agent):
    ticket = builders.ticket(agent, type="fault", owner=agent)
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="ok", verified="test", by=agent, at=MONDAY)
    with pytest.raises(DomainError, match="Only an open ticket"):
        check(ticket, agent)
    assert not checking.is_expected(Ticket.objects.get())
