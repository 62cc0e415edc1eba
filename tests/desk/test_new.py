"""Intake: from the call to a ticket in somebody's queue."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from cases.models import Category, Note
from common import clock
from customers.models import Customer, Region, Service
from customers.services import add_service
from sla.models import Deadline
from tests import builders
from tickets.models import Ticket
from tickets.states import State

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(client):
    builders.house()
    person = builders.person("agent", language="en")
    client.force_login(person)
    return person


def typed(**fields):
    """A form as a browser sends it, for a customer we do not know yet."""
    return {
        "phone": "139 1111 2222",
        "customer": "new",
        "name": "王建国",
        "language": "zh-hans",
        "type": "fault",
        "subject": "No broadband since noon",
        "description": "The modem is red.",
        "urgency": "normal",
        "severity": "one",
        "channel": "phone",
        "to": "me",
        **fields,
    }


def send(client, **fields):
    return client.post(reverse("desk:new"), typed(**fields))


def only():
    return Ticket.objects.get()


def test_a_call_becomes_a_customer_a_ticket_and_work_begun(client, agent):
    answer = send(client)
    ticket = only()
    assert answer["Location"] == reverse("desk:case", args=[ticket.number])
    assert (ticket.state, ticket.owner, ticket.first_contact, ticket.team) == (
        State.IN_PROGRESS,
        agent,
        agent,
        agent.team,
    )
    assert (ticket.subject, ticket.type, ticket.channel) == ("No broadband since noon", "fault", "phone")
    assert (ticket.customer.name, ticket.customer.phone.value) == ("王建国", "+8613911112222")
    assert Deadline.objects.get(case=ticket, promise="first_response").stopped_at == ticket.received_at


def test_a_known_customer_is_kept_and_the_ticket_gets_their_region(client, agent):
    region = Region.objects.create(code="north", name_zh="北区", name_en="North", rural=True)
    known = builders.customer(region=region, street="Main Road")
    send(client, phone="13812345678", customer=str(known.pk), name="")
    ticket = only()
    assert (ticket.customer, ticket.region, Customer.objects.count()) == (known, region, 1)


def test_without_script_the_form_is_sent_and_answered_as_a_page(client, agent):
    page = client.get(reverse("desk:new")).content.decode()
    assert f'action="{reverse("desk:new")}"' in page
    known = builders.customer()
    answer = client.post(reverse("desk:new"), {**typed(phone="13812345678"), "find": "1"})
    text = answer.content.decode()
    assert answer.status_code == 200
    assert f'value="{known.pk}"' in text
    assert "138****5678" in text
    assert 'value="No broadband since noon"' in text
    assert not Ticket.objects.exists()


def test_htmx_is_told_where_to_go(client, agent):
    answer = client.post(reverse("desk:new"), typed(), headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Redirect"]) == (200, reverse("desk:case", args=[only().number]))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "Enter the customer&#x27;s name."),
        ({"phone": "1391111222"}, "The number is 1 digit short."),
        ({"phone": ""}, "Enter a telephone number, or a mail address below."),
        ({"type": ""}, "Choose what kind of request it is."),
        ({"subject": "  "}, "Say in a few words what it is about."),
        ({"customer": "999999"}, "Choose a customer from the list, or enter a new one."),
        ({"customer": "x"}, "Choose a customer from the list, or enter a new one."),
        ({"received_at": "2026-01-01T10:00"}, "Say why it is entered only now."),
        ({"received_at": "2999-01-01T10:00", "late_because": "paper"}, "The time of receipt lies in the future."),
        ({"received_at": "yesterday"}, "Give a date and a time."),
        ({"type": "enquiry", "needs_visit": "on"}, "Only a fault needs a technician."),
    ],
)
def test_an_error_says_what_to_do_and_nothing_typed_is_lost(client, agent, fields, words):
    answer = send(client, **fields)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert text.count(words) >= 2 or words.startswith("Choose a customer")  # in the summary and at the field
    assert words in text
    assert "The modem is red." in text
    assert not Ticket.objects.exists()
    assert not Customer.objects.exists()


def test_the_same_button_pressed_twice_is_one_ticket(client, agent):
    first, second = send(client), send(client)
    assert first["Location"] == second["Location"]
    assert (Ticket.objects.count(), Customer.objects.count()) == (1, 1)


def test_another_customer_with_the_same_words_is_another_ticket(client, agent):
    send(client)
    send(client, phone="139 3333 4444")
    send(client, name="李芳")  # the same number, another person
    assert Ticket.objects.count() == 3


def test_a_mail_address_is_contact_enough(client, agent):
    send(client, phone="", email="wang@example.com", channel="email")
    assert only().customer.email.value == "wang@example.com"


def test_a_complex_ticket_an_agent_may_not_take_is_registered_all_the_same(client, agent):
    answer = send(client, complex="on")
    ticket = only()
    assert (ticket.state, ticket.owner, ticket.first_contact) == (State.NEW, None, agent)
    page = client.get(reverse("desk:notices"))
    assert "A complex ticket goes to a senior agent." in page.content.decode()
    assert answer.status_code == 302


def test_it_can_be_handed_to_another_team_and_the_first_contact_still_sees_it(client, agent):
    other = builders.team("billing")
    send(client, to=str(other.pk))
    ticket = only()
    assert (ticket.team, ticket.owner, ticket.state) == (other, None, State.NEW)
    assert Ticket.objects.visible_to(agent).filter(pk=ticket.pk).exists()


def test_papers_account_and_late_entry_stand_in_an_internal_note(client, agent):
    received = timezone.localtime(clock.now() - timedelta(hours=5)).replace(second=0, microsecond=0)
    send(
        client,
        channel="counter",
        materials="identity card",
        account="BJ-1",
        product="Fiber 500M",
        received_at=received.strftime("%Y-%m-%dT%H:%M"),
        late_because="taken on paper",
    )
    ticket = only()
    assert ticket.received_at == received
    assert Deadline.objects.get(case=ticket, promise="resolve").started_at == received
    note = ticket.notes.get(visibility=Note.Visibility.INTERNAL)
    assert note.body.splitlines() == [
        "Account: BJ-1 (Fiber 500M)",
        "Papers brought: identity card",
        "Entered late: taken on paper",
    ]
    assert Service.objects.get(customer=ticket.customer).account == "BJ-1"


def test_an_account_of_somebody_else_is_noted_and_questioned_but_not_taken_over(client, agent):
    owner = builders.customer()
    add_service(customer=owner, account="BJ-1", product="Fiber 500M")
    send(client, account="BJ-1", product="Fiber 500M")
    assert Service.objects.get().customer == owner
    assert "belongs to another customer" in client.get(reverse("desk:notices")).content.decode()


def test_the_category_tree_is_one_grouped_select(client, agent):
    root = Category.objects.create(code="broadband", name_zh="宽带", name_en="Broadband")
    child = Category.objects.create(code="broadband.down", name_zh="断网", name_en="No connection", parent=root)
    leaf = Category.objects.create(code="broadband.down.red", name_zh="红灯", name_en="Red light", parent=child)
    Category.objects.create(code="old", name_zh="旧", name_en="Old", active=False)
    text = client.get(reverse("desk:new")).content.decode()
    assert '<optgroup label="Broadband">' in text
    assert "No connection › Red light" in text
    assert ">Old<" not in text
    send(client, category=str(leaf.pk))
    assert only().category == leaf


@pytest.fixture
def bill():
    root = Category.objects.create(code="billing", name_zh="账务", name_en="Billing", team_code="billing")
    return Category.objects.create(
        code="billing.refund", name_zh="退费", name_en="Refund", parent=root, team_code="billing", words=["money back"]
    )


def test_a_category_says_whose_work_it_is(client, agent, bill):
    def shown():
        return client.get(reverse("desk:new")).text

    assert "data-to" not in shown()  # there is no such team
    team = builders.team("billing")
    assert f'value="{bill.pk}" data-to="{team.pk}"' in shown()
    agent.team = team
    agent.save()
    assert f'value="{bill.pk}" data-to="me"' in shown()


def test_a_subject_proposes_a_category_and_sets_none(client, agent, bill):
    def asked(**fields):
        return client.get(reverse("desk:new_duplicates"), {"subject": "I want my money back", **fields}).text

    assert f'name="suggest" value="{bill.pk}"' in asked()
    assert "Billing › Refund" in asked()
    assert "suggest" not in asked(category=bill.pk).replace("suggestions", "")
    assert "suggest" not in asked(subject="Hello").replace("suggestions", "")
    send(client, subject="I want my money back")
    assert only().category is None


def test_a_category_proposed_is_taken_without_script_with_its_team_unless_another_was_chosen(client, agent, bill):
    team, other = builders.team("billing"), builders.team("other")
    for before, after in (("me", team), (str(other.pk), other)):
        answer = client.post(reverse("desk:new"), typed(suggest=bill.pk, to=before))
        assert answer.status_code == 200
        assert f'<option value="{bill.pk}" selected data-to="{team.pk}">' in answer.text
        assert f'<option value="{after.pk}" selected>' in answer.text
    assert client.post(reverse("desk:new"), typed(suggest="nonsense")).status_code == 200
    assert not Ticket.objects.exists()


def test_while_typing_customers_are_found_masked(client, agent):
    builders.customer(name="王建国", street="Main Road", house="Flat 12")
    fragment = reverse("desk:new_customer")
    whole = client.get(fragment, {"phone": "138 1234 5678"}).content.decode()
    assert "王建国" in whole
    assert "138****5678" in whole
    assert "checked" in whole  # the only one with this number
    assert "13812345678" not in whole
    assert "Flat 12" not in whole
    for asked in ("5678", "wjg", "王建"):
        assert "王建国" in client.get(fragment, {"phone": asked}).content.decode() or len(asked) < 4
    assert "王建国" not in client.get(fragment, {"phone": "138"}).content.decode()


def test_a_choice_that_no_longer_fits_the_number_is_dropped(client, agent):
    wrong = builders.customer(name="李小明", phone="13812345678")
    right = builders.customer(name="王建国", phone="13900001111")
    text = client.get(reverse("desk:new_customer"), {"phone": "13900001111", "customer": wrong.pk}).content.decode()
    assert f'value="{right.pk}" checked' in text
    assert "李小明" not in text


def test_two_customers_of_one_number_are_left_to_choose(client, agent):
    builders.customer(name="李小明")
    builders.customer(name="李芳")
    text = client.get(reverse("desk:new_customer"), {"phone": "13812345678"}).content.decode()
    assert "李小明" in text
    assert "李芳" in text
    assert "checked" not in text


def test_open_tickets_like_the_new_one_are_shown_first(client, agent):
    known = builders.customer()
    alike = builders.ticket(agent, customer=known, subject="Broadband down since noon")
    builders.ticket(agent, customer=known, subject="Bill question")
    hidden = builders.ticket(builders.person("agent", team=builders.team("far")), customer=known, subject="Secret")
    text = client.get(
        reverse("desk:new_duplicates"), {"customer": known.pk, "subject": "broadband is down"}
    ).content.decode()
    assert text.index(alike.subject) < text.index("Bill question")
    assert text.count("Much alike") == 1
    assert hidden.subject not in text
    assert "1 more lies with another team." in text


def test_finding_costs_the_same_for_one_and_for_eight(client, agent, django_assert_max_num_queries):
    for number in range(8):
        builders.customer(name=f"李小{number}", phone=f"1391111567{number}"[:7] + "5678", street="Main Road")
    with django_assert_max_num_queries(12):
        client.get(reverse("desk:new_customer"), {"phone": "5678"})


@pytest.mark.parametrize("name", ["new", "new_customer", "new_duplicates"])
def test_who_may_register(client, name):
    address = reverse(f"desk:{name}")
    assert client.get(address)["Location"].startswith("/sign-in/")
    for role, status in [("agent", 200), ("lead", 200), ("auditor", 403), ("administrator", 403)]:
        client.force_login(builders.person(role))
        assert client.get(address).status_code == status
    assert client.post(reverse("desk:new"), typed()).status_code == 403


def test_who_may_not_reads_who_can_and_finds_the_way_back(client):
    client.force_login(builders.person("auditor", language="en"))
    page = client.get("/desk/new/", headers={"Accept-Language": "en"})
    assert page.status_code == 403
    assert "These roles can: Agent, Senior agent" in page.text
    assert 'href="/desk/"' in page.text
    note = client.get("/desk/new/customer/", headers={"Accept-Language": "en", "HX-Request": "true"})
    assert (note.status_code, note["HX-Retarget"]) == (403, "#notices")
    assert "<html" not in note.text
    client.force_login(builders.person("administrator", language="en"))  # no desk: the page without its frame
    assert "Your role does not include this page" in client.get("/desk/new/").text


def test_an_empty_queue_says_what_it_means_to_whom(client):
    for role, words in (("auditor", "You handle no tickets"), ("agent", "Your queue is clear")):
        client.force_login(builders.person(role, language="en"))
        assert words in client.get("/desk/", headers={"Accept-Language": "en"}).text
