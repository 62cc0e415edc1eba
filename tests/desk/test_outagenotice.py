"""Area outages where the agent works: first beside the ticket, at intake, on the customer's page (INT-18)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from common import clock
from customers.models import Address, Region
from desk import outagenotice
from desk.lists import Listing
from desk.presenters import Pane
from tests import builders
from tests.builders import MONDAY
from tickets import outages
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
NOW = MONDAY + 2 * HOUR
EN = {"Accept-Language": "en"}
WORDS = "A fiber is being repaired."


@pytest.fixture(autouse=True)
def _house():
    builders.house()
    with clock.simulated(NOW), translation.override("en"):
        yield


@pytest.fixture
def region():
    return Region.objects.create(code="north", name_zh="北区", name_en="North")


@pytest.fixture
def agent(client):
    person = builders.person("agent", language="en")
    client.force_login(person)
    return person


@pytest.fixture
def buyer(region):
    return builders.customer(region=region, street="Main Road")


@pytest.fixture
def outage(region):
    return outages.enter_outage(
        region=region, text_zh="光缆抢修中。", text_en=WORDS, expected_at=MONDAY + 3 * HOUR, by=None, at=MONDAY + HOUR
    )


def beside(ticket, person):
    found = Ticket.objects.with_people().get(pk=ticket.pk)
    return [notice.words for notice in Pane(found, person, Listing(), now=NOW).outages]


def test_it_stands_first_beside_the_ticket_and_as_a_tag_in_its_head(client, agent, buyer, outage):
    ticket = builders.ticket(agent, customer=buyer)
    text = client.get(reverse("desk:case", args=[ticket.number]), headers=EN).text
    assert text.index("Area outage: North") < text.index("who-name")
    assert "Expected to be back at 12:00." in text
    assert {"words": "Area outage", "icon": "triangle-alert"} in Pane(ticket, agent, Listing(), now=NOW).tags


def test_the_reader_gets_it_in_the_own_language(client, buyer, outage):
    person = builders.person("agent", language="zh-hans")
    client.force_login(person)
    ticket = builders.ticket(person, customer=buyer)
    text = client.get(reverse("desk:case", args=[ticket.number])).text
    assert "光缆抢修中。" in text
    assert WORDS not in text


def test_the_region_of_the_ticket_counts_and_that_of_its_customer(agent, buyer, region, outage):
    assert beside(builders.ticket(agent, customer=buyer), agent) == [WORDS]
    assert beside(builders.ticket(agent, customer=None, region=region), agent) == [WORDS]
    assert beside(builders.ticket(agent, customer=builders.customer(), region=region), agent) == [WORDS]
    assert beside(builders.ticket(agent, customer=builders.customer()), agent) == []
    outages.end_outage(outage_id=outage.pk, by=None, at=NOW)
    assert beside(builders.ticket(agent, customer=buyer), agent) == []


def test_where_nothing_is_out_it_costs_no_statement(agent, buyer, region):
    ticket = builders.ticket(agent, customer=buyer, region=region)
    pane = Pane(Ticket.objects.with_people().get(pk=ticket.pk), agent, Listing(), now=NOW)
    with CaptureQueriesContext(connection) as captured:
        assert pane.outages == []
    assert len(captured) == 0


def test_it_counts_the_faults_that_its_region_reported_since(agent, region, outage):
    elsewhere = Region.objects.create(code="south", name_zh="南区", name_en="South")
    for fields in ({}, {}, {"type": "enquiry"}, {"at": MONDAY}, {"region": elsewhere}):
        builders.ticket(agent, **{"type": "fault", "region": region, "customer": None, "at": NOW, **fields})
    assert [notice.reports for notice in outagenotice.notices([region], now=NOW)] == [
        "2 faults reported from there since 10:00"
    ]


@pytest.mark.parametrize(
    ("expected_at", "words"),
    [
        (None, "When it will be over is not known yet."),
        (MONDAY + 2 * HOUR, "It should have been back at 11:00. No new time is known."),
    ],
)
def test_a_time_that_is_unknown_or_past_is_said_as_such(region, outage, expected_at, words):
    outage.expected_at = expected_at
    outage.save()
    assert [notice.expected for notice in outagenotice.notices([region], now=NOW)] == [words]


@pytest.mark.parametrize("name", ["new_customer", "new_duplicates"])
def test_at_intake_it_comes_with_the_customer_or_with_the_region_of_a_new_one(
    client, agent, buyer, region, outage, name
):
    address = reverse(f"desk:{name}")
    known = {"phone": "13812345678", "customer": buyer.pk}
    newcomer = {"phone": "13900001111", "customer": "new", "region": region.pk}
    for asked in (known, newcomer):
        assert WORDS in client.get(address, asked, headers=EN).text
    other = builders.customer(name="Wu", phone="13700001111")
    assert WORDS not in client.get(address, {"phone": "13700001111", "customer": other.pk}, headers=EN).text
    assert WORDS not in client.get(address, {"customer": "new", "region": "x"}, headers=EN).text


def test_the_intake_page_and_the_customers_page_show_it(client, agent, buyer, outage):
    for address in (f"{reverse('desk:new')}?customer={buyer.pk}", reverse("desk:customer", args=[buyer.pk])):
        assert WORDS in client.get(address, headers=EN).text
    Address.objects.all().delete()
    assert WORDS not in client.get(reverse("desk:customer", args=[buyer.pk]), headers=EN).text
