"""A customer's page: masked until there is a reason."""

from __future__ import annotations

import pytest
from django.urls import reverse

from customers.models import AccessRecord, Customer
from customers.services import REVEALS_PER_HOUR, add_service
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
    found = builders.customer(
        name="王建国", email="wang@example.com", street="Main Road", house="Flat 1203", vulnerable=True, grade="gold"
    )
    add_service(customer=found, account="BJ-1", product="Fiber 500M")
    return found


def page(client, customer, **query):
    return client.get(reverse("desk:customer", args=[customer.pk]), query)


def reveal(client, customer, what, reason="call back", **options):
    return client.post(reverse("desk:reveal", args=[customer.pk]), {"what": what, "reason": reason}, **options)


def test_the_page_shows_who_it_is_and_hides_how_to_reach_them(client, agent, wang):
    text = page(client, wang).content.decode()
    for shown in ("王建国", "Gold", "Needs extra care", "138****5678", "w***@example.com", "BJ-1", "Main Road"):
        assert shown in text
    for hidden in ("13812345678", "138 1234 5678", "wang@example.com", "Flat 1203"):
        assert hidden not in text


def test_a_look_is_recorded_and_shows_one_value_once(client, agent, wang):
    what = f"contact:{wang.phone.pk}"
    text = reveal(client, wang, what, headers=HTMX).content.decode()
    assert "138 1234 5678" in text
    assert "<html" not in text
    record = AccessRecord.objects.get()
    assert (record.customer, record.by_id, record.what, record.reason) == (wang, agent.pk, what, "call back")
    assert "138 1234 5678" not in page(client, wang).content.decode()


def test_without_script_the_value_stands_in_the_page(client, agent, wang):
    answer = reveal(client, wang, f"address:{wang.addresses.get().pk}")
    text = answer.content.decode()
    assert "Flat 1203" in text
    assert "138****5678" in text
    assert answer["Cache-Control"] == "private, no-store"


def test_without_a_reason_nothing_is_shown_or_recorded(client, agent, wang):
    for options in ({"headers": HTMX}, {}):
        answer = reveal(client, wang, f"contact:{wang.phone.pk}", reason=" ", **options)
        assert answer.status_code == 422
        assert "Say why you need to see it." in answer.content.decode()
        assert "138 1234 5678" not in answer.content.decode()
    assert not AccessRecord.objects.exists()


def test_looking_at_very_many_values_is_refused(client, agent, wang):
    what = f"contact:{wang.phone.pk}"
    for _ in range(REVEALS_PER_HOUR):
        assert reveal(client, wang, what, headers=HTMX).status_code == 200
    refused = reveal(client, wang, what, headers=HTMX)
    assert refused.status_code == 409  # what htmx shows
    assert "Ask your team lead" in refused.content.decode()
    assert reveal(client, wang, what).status_code == 429
    assert AccessRecord.objects.count() == REVEALS_PER_HOUR


@pytest.mark.parametrize("what", ["contact:999999", "address:x", "name", "", "contact:"])
def test_what_is_not_there_cannot_be_shown(client, agent, wang, what):
    answer = reveal(client, wang, what)
    assert answer.status_code == 422
    assert "There is nothing to show here." in answer.content.decode()


def test_the_value_of_another_customer_is_not_shown(client, agent, wang):
    other = builders.customer(name="李芳", phone="13900001111")
    answer = reveal(client, wang, f"contact:{other.phone.pk}")
    assert answer.status_code == 422
    assert "139 0000 1111" not in answer.content.decode()


def test_tickets_are_those_the_person_may_see_in_pages(client, agent, wang):
    for number in range(21):
        builders.ticket(agent, customer=wang, subject=f"Mine {number}")
    far = builders.person("agent", team=builders.team("far"))
    builders.ticket(far, customer=wang, subject="Of another team")
    first, second = page(client, wang).content.decode(), page(client, wang, page=2).content.decode()
    assert "Mine 20" in first
    assert "Mine 0<" not in first
    assert "Mine 0<" in second
    assert "Of another team" not in first + second


def test_the_cost_does_not_grow_with_the_tickets(client, agent, wang, django_assert_max_num_queries):
    for number in range(20):
        builders.ticket(agent, customer=wang, subject=f"Mine {number}")
    with django_assert_max_num_queries(14):
        page(client, wang)


def test_how_to_serve_can_be_changed(client, agent, wang):
    answer = client.post(
        reverse("desk:customer_change", args=[wang.pk]), {"language": "en", "preferred_channel": "email"}
    )
    assert answer["Location"] == reverse("desk:customer", args=[wang.pk])
    changed = Customer.objects.get(pk=wang.pk)
    assert (changed.language, changed.preferred_channel, changed.vulnerable) == ("en", "email", False)


def test_a_value_that_is_not_offered_is_refused(client, agent, wang):
    answer = client.post(
        reverse("desk:customer_change", args=[wang.pk]), {"language": "fr", "preferred_channel": "email"}
    )
    assert answer.status_code == 422
    assert Customer.objects.get(pk=wang.pk).language == wang.language


@pytest.mark.parametrize(("role", "status"), [("agent", 302), ("lead", 302), ("auditor", 403), ("technician", 403)])
def test_who_may_withdraw_the_links_of_a_customer(client, wang, role, status):
    ticket = builders.ticket(builders.person("agent"), customer=wang)
    address = reverse("desk:withdraw_links", args=[wang.pk])
    assert client.post(address)["Location"].startswith("/sign-in/")
    client.force_login(builders.person(role, language="en"))
    assert client.post(address).status_code == status
    assert client.get(address).status_code == (405 if status == 302 else 403)
    ticket.refresh_from_db()
    assert ticket.link_version == (2 if status == 302 else 1)
    if status == 302:
        assert "The links about 1 case are withdrawn." in page(client, wang).content.decode()
    elif role == "auditor":
        assert address not in page(client, wang).content.decode()


def test_a_customer_without_any_case_has_no_link_to_withdraw(client, agent, wang):
    client.post(reverse("desk:withdraw_links", args=[wang.pk]))
    assert "No link that was sent to this customer still works." in page(client, wang).content.decode()


def test_who_may_see_look_and_change(client, wang):
    see, look, change = (reverse(f"desk:{name}", args=[wang.pk]) for name in ("customer", "reveal", "customer_change"))
    assert client.get(see)["Location"].startswith("/sign-in/")
    assert client.post(look)["Location"].startswith("/sign-in/")
    assert client.post(change)["Location"].startswith("/sign-in/")
    for role, statuses in {
        "agent": (200, 422, 422),
        "lead": (200, 422, 422),
        "auditor": (200, 403, 403),
        "administrator": (403, 403, 403),
    }.items():
        client.force_login(builders.person(role))
        assert (client.get(see).status_code, client.post(look).status_code, client.post(change).status_code) == statuses
    client.force_login(builders.person("auditor", language="en"))
    text = client.get(see).content.decode()
    assert "Show and record" not in text
    assert client.get(look).status_code == 403
    client.force_login(builders.person("agent"))
    assert client.get(look).status_code == 405
    assert client.get(reverse("desk:customer", args=[999999])).status_code == 404
