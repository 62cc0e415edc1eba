"""The palette finds what this person may open, by whatever they were told."""

from __future__ import annotations

import pytest
from django.urls import reverse

from customers.services import add_service
from tests import builders

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def agent(client):
    builders.house()
    person = builders.person("agent", language="en")
    client.force_login(person)
    return person


@pytest.fixture
def wang():
    found = builders.customer(name="王建国", email="wang@example.com")
    add_service(customer=found, account="BJ-1000", product="Fiber 500M")
    return found


def find(client, text, **options):
    return client.get(reverse("desk:find"), {"q": text}, **options).content.decode()


def test_a_number_in_any_form_finds_the_ticket(client, agent):
    ticket = builders.ticket(agent)
    digits = ticket.number.replace("T", "").replace("-", "")
    for text in (ticket.number, ticket.number.lower(), digits, f" {digits[:4]} {digits[4:]} "):
        found = find(client, text, headers=HTMX)
        assert f'data-href="{reverse("desk:case", args=[ticket.number])}"' in found
        assert found.count('role="option"') == 2  # the ticket, and "New ticket"


def test_a_ticket_of_another_team_is_not_found(client, agent):
    hidden = builders.ticket(builders.person("agent", team=builders.team("far")), subject="Secret fibre")
    for text in (hidden.number, "Secret fibre", "13812345678"):
        assert "Secret fibre" not in find(client, text, headers=HTMX).replace("<mark>", "").replace("</mark>", "")
    client.force_login(builders.person("supervisor", language="en"))
    assert hidden.number in find(client, "Secret fibre", headers=HTMX)


@pytest.mark.parametrize(
    "text", ["13812345678", "+86 138-1234-5678", "5678", "wang@example.com", "BJ-1000", "王建国", "wjg", "wangjianguo"]
)
def test_a_customer_is_found_by_what_people_know_masked(client, agent, wang, text):
    builders.ticket(agent, customer=wang, subject="Modem red")
    found = find(client, text, headers=HTMX)
    assert reverse("desk:customer", args=[wang.pk]) in found
    assert "138****5678" in found
    assert "Modem red" in found  # and their open ticket
    assert f"{reverse('desk:new')}?customer={wang.pk}" in found


def test_the_subject_of_open_tickets_is_searched_and_marked(client, agent):
    builders.ticket(agent, subject="Broadband <down>")
    found = find(client, "band <", headers=HTMX)
    assert "Broad<mark>band &lt;</mark>down&gt;" in found


def test_no_more_than_eight_a_group(client, agent):
    for number in range(10):
        builders.ticket(agent, subject=f"Same words {number}", customer=None)
    assert find(client, "Same words", headers=HTMX).count('id="find-tickets-') == 8


def test_an_unknown_number_offers_a_new_ticket(client, agent):
    found = find(client, "139 9999 0000", headers=HTMX)
    assert f"{reverse('desk:new')}?phone=139+9999+0000" in found


def test_places_are_those_the_role_may_open(client, agent):
    assert reverse("desk:policies") not in find(client, "", headers=HTMX)
    assert reverse("desk:new") in find(client, "new ti", headers=HTMX)
    client.force_login(builders.person("administrator", language="en"))
    found = find(client, "", headers=HTMX)
    assert reverse("desk:people") in found
    assert reverse("desk:new") not in found


def test_nothing_found_says_what_to_try(client):
    client.force_login(builders.person("auditor", language="en"))
    assert "Nothing found. Try a ticket number" in find(client, "zzzz", headers=HTMX)
    assert "Nothing found" in find(client, "zzzz")


def test_without_script_it_is_a_page_with_links(client, agent, wang):
    text = find(client, "王建国")
    assert "<html" in text
    assert f'href="{reverse("desk:customer", args=[wang.pk])}"' in text


def test_an_administrator_finds_no_customers(client, wang):
    client.force_login(builders.person("administrator"))
    assert "王建国" not in find(client, "王建国").replace('value="王建国"', "")


def test_finding_is_cheap(client, agent, wang, django_assert_max_num_queries):
    for number in range(8):
        builders.ticket(agent, customer=wang, subject=f"Modem red {number}")
    with django_assert_max_num_queries(12):
        find(client, "王建国", headers=HTMX)


def test_a_stranger_signs_in_first(client):
    assert client.get(reverse("desk:find"))["Location"].startswith("/sign-in/")
