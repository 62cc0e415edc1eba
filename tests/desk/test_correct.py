"""The change form of a customer's file: who may, what comes back, and the log on the customer's page."""

from __future__ import annotations

import pytest
from django.urls import reverse

from customers.models import ChangeRecord, Customer
from customers.services import add_address, find_by_phone, reveal
from tests import builders
from tests.appointments import center

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(client):
    person = builders.person("agent", language="en")
    client.force_login(person)
    return person


@pytest.fixture
def wang():
    return builders.customer(name="王建国", street="Main Road", house="Flat 1203")


def address(customer):
    return reverse("desk:customer_correct", args=[customer.pk])


def send(client, customer, **typed):
    """The form as the page shows it, with what is typed into it."""
    form = client.get(address(customer)).context["form"]
    shown = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in {**shown, **typed}.items() if value not in (None, False, "")}
    return client.post(address(customer), data)


def test_the_form_shows_the_file_masked(client, agent, wang):
    page = client.get(address(wang))
    assert 'value="王建国"' in page.text
    assert "138****5678" in page.text
    for hidden in ("13812345678", "Flat 1203", "138 1234 5678"):
        assert hidden not in page.text


def test_sent_as_it_is_it_changes_nothing(client, agent, wang):
    assert send(client, wang).status_code == 302
    assert not ChangeRecord.objects.exists()


def test_a_new_number_replaces_the_old_one_and_the_log_says_so_masked(client, agent, wang):
    old = wang.phone.pk
    typed = {"phone": "139 0000 1111", f"retire_contact_{old}": "on", "first_phone": "new", "checked": "called_back"}
    assert send(client, wang, **typed)["Location"] == reverse("desk:customer", args=[wang.pk])
    assert find_by_phone("13900001111") == [wang]
    reveal(customer=wang, what=f"contact:{Customer.objects.get(pk=wang.pk).phone.pk}", reason="Call back", by=agent)
    page = client.get(reverse("desk:customer", args=[wang.pk])).text
    for shown in (
        "139****1111",
        "Contact no longer valid",
        "Called back on the number on file",
        "Looked at",
        "Withdraw them",
        "Call back",
    ):
        assert shown in page
    assert "13900001111" not in page.replace("139****1111", "")


def test_what_is_wrong_is_named_and_what_was_typed_is_kept(client, agent, wang):
    answer = send(client, wang, name="王建果", phone="138123", checked="document")
    assert answer.status_code == 422
    assert "The number is 5 digits short." in answer.context["form"].errors["phone"]
    assert 'value="王建果"' in answer.text
    assert Customer.objects.get(pk=wang.pk).name == "王建国"


def test_only_who_leads_is_asked_for_the_grade(client, agent, wang):
    assert "grade" not in client.get(address(wang)).context["form"].fields
    send(client, wang, grade="diamond", name="王建果", checked="document")
    assert Customer.objects.get(pk=wang.pk).grade == "basic"
    client.force_login(builders.person("lead"))
    assert send(client, wang, grade="diamond").status_code == 302
    assert Customer.objects.get(pk=wang.pk).grade == "diamond"


def test_somebody_elses_change_is_not_undone(client, agent, wang):
    page = client.get(address(wang)).context["form"]
    before = {name: page[name].value() or "" for name in page.fields}
    send(client, wang, name="王建果", checked="document")
    answer = client.post(address(wang), {**before, "phone": "13900001111", "checked": "document"})
    assert answer.status_code == 409
    assert "Somebody changed this customer" in answer.text
    assert 'value="王建果"' in answer.text
    assert 'value="13900001111"' in answer.text
    assert find_by_phone("13900001111") == []


def test_visits_at_a_retired_address_are_named(client, agent):
    center.center()
    center.technician("zhao")
    wang = builders.customer()
    home = add_address(customer=wang, region=center.region(), street="Lake Road", house="5")
    visit = center.book(wang, address=home)
    send(client, wang, **{f"retire_address_{home.pk}": "on", "checked": "document"})
    assert visit.number in client.get(reverse("desk:customer", args=[wang.pk])).text


def test_who_may_correct(client, wang):
    assert client.get(address(wang))["Location"].startswith("/sign-in/")
    assert client.post(address(wang))["Location"].startswith("/sign-in/")
    page = reverse("desk:customer", args=[wang.pk])
    for role, status in {"agent": 200, "lead": 200, "auditor": 403, "administrator": 403}.items():
        client.force_login(builders.person(role))
        assert client.get(address(wang)).status_code == status
        assert client.post(address(wang)).status_code == (422 if status == 200 else 403)
        assert (address(wang) in client.get(page).text) == (status == 200)
    assert client.get(reverse("desk:customer_correct", args=[999999])).status_code == 403
    client.force_login(builders.person("agent"))
    assert client.get(reverse("desk:customer_correct", args=[999999])).status_code == 404
