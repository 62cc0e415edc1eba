"""One's matters: who gets in, what is seen there and what never is, and what one can say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from cases.models import CaseEvent, Category, Note
from cases.states import ClockState
from customers.models import Address
from portal import matters, quotas
from portal.doors import Door
from portal.words import STANDINGS
from sla.services import defer
from tests import builders
from tests.builders import MONDAY
from tests.portal.visitors import OTHER_PHONE, PHONE, Visitor, link, words
from tickets import conversation, ending, handling, services
from tickets.models import Ticket
from tickets.states import State

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("house")]


@pytest.fixture
def agent(house):
    return builders.person("agent", name="Chen Secret")


@pytest.fixture
def ticket(agent, customer):
    ticket = builders.ticket(agent, customer=customer, type="fault", subject="Rude caller, again", description="断网了")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY + timedelta(minutes=5))
    return Ticket.objects.get(pk=ticket.pk)


def case(ticket, act=""):
    return reverse("portal:case", args=[ticket.number]) + act


def resolve(ticket, agent, at):
    return ending.resolve_ticket(ticket_id=ticket.pk, resolution="New modem", verified="test", by=agent, at=at)


# --- who gets in -----------------------------------------------------------------------------------------------------


def stranger():
    return Visitor()


def number_only():
    visitor = Visitor()
    visitor.sign_in("13911112222")
    return visitor


def another_customer():
    builders.customer("张三", OTHER_PHONE)
    visitor = Visitor()
    visitor.sign_in(OTHER_PHONE)
    return visitor


def staff(role):
    def enters():
        visitor = Visitor()
        visitor.force_login(builders.person(role))
        return visitor

    return enters


def the_customer():
    visitor = Visitor()
    visitor.sign_in(PHONE)
    return visitor


# Who gets what from (the list of matters, a matter of the customer).
DOORS = {
    "stranger": (stranger, 302, 302),
    "number only": (number_only, 200, 302),
    "another customer": (another_customer, 200, 404),
    "agent": (staff("agent"), 302, 302),
    "auditor": (staff("auditor"), 302, 302),
    "lead": (staff("lead"), 302, 302),
    "head": (staff("head"), 302, 302),
    "the customer": (the_customer, 200, 200),
}


@pytest.mark.parametrize("who", DOORS)
def test_the_doors(ticket, agent, time, who):
    enters, of_list, of_matter = DOORS[who]
    visitor = enters()
    assert visitor.get(reverse("portal:cases")).status_code == of_list
    assert visitor.get(case(ticket)).status_code == of_matter
    assert (ticket.number in visitor.get(reverse("portal:cases")).content.decode()) == (who == "the customer")
    if who == "the customer":
        return
    resolve(ticket, agent, time.at)
    before = Ticket.objects.get(pk=ticket.pk)
    for act, form in (("write/", {"body": "x"}), ("confirm/", {}), ("not-solved/", {"reason": "x"})):
        assert visitor.post(case(ticket, act), form).status_code == of_matter, act
        assert visitor.get(case(ticket, act)).status_code == of_matter, act
    after = Ticket.objects.get(pk=ticket.pk)
    assert (after.state, after.version) == (State.RESOLVED, before.version)


@pytest.mark.parametrize("who", [name for name in DOORS if name != "the customer"])
def test_a_link_opens_its_matter_for_whoever_holds_it_and_nothing_else(ticket, customer, agent, time, who):
    other = builders.ticket(agent, customer=customer)
    visitor = DOORS[who][0]()
    page = visitor.get(link(ticket, at=time.at))
    assert page.status_code == 200
    assert ticket.number in words(page)
    assert other.number not in words(page)
    assert customer.name not in words(page)
    assert "12345678" not in words(page)
    assert visitor.get(case(ticket)).status_code == DOORS[who][2]  # the link signs nobody in
    assert visitor.get(case(other)).status_code == DOORS[who][2]


@pytest.mark.parametrize("number", ["T-9999-9999", "nonsense", "1", "😀", "T-0000-0000", "9" * 40])
def test_numbers_that_are_none(visitor, customer, number):
    visitor.sign_in()
    assert visitor.get(reverse("portal:case", args=[number])).status_code == 404


def test_after_signing_in_the_wanted_matter_opens(visitor, ticket):
    wanted = visitor.get(case(ticket))["Location"]
    assert wanted.startswith(reverse("portal:sign_in"))
    assert visitor.sign_in(way=case(ticket))["Location"] == case(ticket)


# --- what is seen, and what never is ---------------------------------------------------------------------------------


def test_only_what_is_public_is_seen(visitor, ticket, agent, customer, time):
    at = MONDAY + timedelta(minutes=30)
    conversation.reply_to_customer(ticket_id=ticket.pk, body="We test the line.", by=agent, at=at)
    conversation.add_internal_note(ticket_id=ticket.pk, body="SECRET-NOTE splitter 3", by=agent, at=at)
    conversation.log_call(ticket_id=ticket.pk, body="SECRET-CALL", outcome="no_answer", by=agent, at=at)
    handling.escalate_ticket(ticket_id=ticket.pk, reason="SECRET-REASON", by=agent, at=at)
    handling.plan_ticket(ticket_id=ticket.pk, plan="SECRET-PLAN", cost="SECRET-COST", by=agent, at=at)
    conversation.log_call(ticket_id=ticket.pk, body="SECRET: she sounded tired.", outcome="reached", by=agent, at=at)
    visitor.sign_in()
    for address in (case(ticket), link(ticket, at=time.at), link(ticket, "confirm", at=time.at)):
        page = visitor.get(address)
        text = words(page)
        assert "断网了" in text
        assert "We test the line." in text
        assert "We spoke on the telephone." in text
        assert "SECRET" not in page.content.decode(), address
        for hidden in ("Rude caller", agent.name, agent.username, "tier", "T2", "P4", "Repair team"):
            assert hidden not in text, (address, hidden)


def test_no_wording_of_the_timeline_leaks_into_the_page(visitor, ticket, agent, time):
    """Every fact of a busy case is in the database; of them the page says only what the customer may know."""
    handling.reclassify_ticket(ticket_id=ticket.pk, urgency="urgent", by=agent, at=time.at)
    services.hold_ticket(ticket_id=ticket.pk, reason="supplier", by=agent, at=time.at)
    assert CaseEvent.objects.filter(case=ticket).count() > 6
    visitor.sign_in()
    text = words(visitor.get(case(ticket)))
    assert "A supplier has a part in it." in text
    assert "Urgent" not in text
    assert "Assigned" not in text


def test_who_signed_in_sees_the_address_in_full_who_has_a_link_does_not(visitor, agent, customer, region, time):
    place = Address.objects.create(customer=customer, region=region, street="长江路", house="5 号 301")
    ticket = services.open_ticket(
        subject="x", type="fault", channel="web", by=customer, customer=customer, address=place, at=time.at
    )
    visitor.sign_in()
    assert "长江路 5 号 301, Haidian" in words(visitor.get(case(ticket)))
    by_link = words(visitor.get(link(ticket, at=time.at)))
    assert "长江路***, Haidian" in by_link
    assert "301" not in by_link


def test_the_subject_is_staff_s_shorthand_the_category_is_for_customers(visitor, agent, customer):
    slow = Category.objects.get(code="broadband.fault.slow")
    builders.ticket(agent, customer=customer, subject="Grumbler, third time", category=slow)
    visitor.sign_in()
    home = words(visitor.get("/"))
    assert "Broadband: Slow speed" in home
    assert "Grumbler" not in home


# --- how it stands ---------------------------------------------------------------------------------------------------


def steps(ticket, customer, time):
    fresh = Ticket.objects.get(pk=ticket.pk)
    return [(step.place, step.title) for step in matters.Matter(Door(fresh, customer, "/"), now=time.at).steps]


def test_the_way_of_a_fault_step_by_step(ticket, agent, customer, time):
    assert steps(ticket, customer, time) == [
        ("done", "Fault reported"), ("now", "We are working on it"), ("next", "Repair done"),
    ]  # fmt: skip
    handling.need_visit(ticket_id=ticket.pk, by=agent, at=time.at)
    handling.reach_milestone(ticket_id=ticket.pk, milestone="located", by=agent, at=time.skip(minutes=1))
    assert steps(ticket, customer, time) == [
        ("done", "Fault reported"), ("done", "Cause found"), ("now", "We are working on it"),
        ("next", "A technician will come"), ("next", "Repair done"),
    ]  # fmt: skip
    handling.reach_milestone(ticket_id=ticket.pk, milestone="on_site", by=agent, at=time.skip(minutes=1))
    handling.reach_milestone(ticket_id=ticket.pk, milestone="restored", by=agent, at=time.skip(minutes=1))
    resolve(ticket, agent, time.skip(minutes=1))
    assert steps(ticket, customer, time) == [
        ("done", "Fault reported"), ("done", "Cause found"), ("done", "The technician was there"),
        ("done", "Service restored"), ("done", "Repair done"), ("now", "Please confirm"),
    ]  # fmt: skip
    ending.confirm_ticket(ticket_id=ticket.pk, by=customer, how="portal", at=time.skip(minutes=1))
    assert steps(ticket, customer, time)[-1] == ("done", "You confirmed it")
    ending.reopen_ticket(ticket_id=ticket.pk, reason="x", by=customer, at=time.skip(minutes=1))
    assert steps(ticket, customer, time) == [
        ("done", "Fault reported"), ("done", "Taken up again"), ("now", "We are working on it"),
        ("next", "A technician will come"), ("next", "Repair done"),
    ]  # fmt: skip


STATES = {
    "new": (lambda t, a, c, at: None, "Received", "We will answer you by"),
    "pending": (
        lambda t, a, c, at: services.wait_for_customer(ticket_id=t.pk, reason="documents", by=a, at=at),
        "Waiting for you",
        "We need papers or details from you.",
    ),
    "cancelled": (
        lambda t, a, c, at: ending.cancel_ticket(ticket_id=t.pk, reason="twice", by=a, at=at),
        "Withdrawn",
        "This request was withdrawn.",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_words_for_customers(visitor, agent, customer, time, state):
    act, word, sentence = STATES[state]
    ticket = builders.ticket(agent, customer=customer, at=time.at)
    act(ticket, agent, customer, time.at)
    visitor.sign_in()
    page = words(visitor.get(case(ticket)))
    assert word in page
    assert sentence in page


def test_each_state_of_the_machine_is_known():
    assert set(STANDINGS) == set(State)


def test_promises_are_said_in_plain_words(visitor, agent, customer, time):
    ticket = builders.ticket(agent, customer=customer, type="fault", at=time.at)
    visitor.sign_in()

    def page():
        return words(visitor.get(case(ticket)))

    assert "We will answer you by 14:15 today." in page()
    assert "Your service will work again by 14:00 tomorrow." in page()
    assert "By law a repair may take 48 hours at most: until Wed 4 Mar, 14:00." in page()
    assert "It will be solved by" not in page()  # the repair says it already
    time.skip(minutes=16)
    assert "We promised an answer by 14:15 today and are late. We are sorry." in page()
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=time.at)
    conversation.reply_to_customer(ticket_id=ticket.pk, body="Sorry!", by=agent, at=time.at)
    assert "Answered 14:16 today, 1 minute late. We are sorry." in page()
    assert "Promised within 15 minutes. Counted so far: 16 minutes. Every hour counts, day and night." in page()


def test_the_clock_is_seen_to_stand_still_while_we_wait(visitor, ticket, agent, time):
    services.wait_for_customer(ticket_id=ticket.pk, reason="customer_test", by=agent, at=time.at)
    visitor.sign_in()
    assert "The time stands still while we wait for you." in words(visitor.get(case(ticket)))
    time.skip(hours=3)
    services.resume_ticket(ticket_id=ticket.pk, by=agent, at=time.at)
    page = words(visitor.get(case(ticket)))
    assert "Not counted: 14:00 today to 17:00 today: while we waited for you" in page
    assert "Your service will work again by 12:00 tomorrow." in page


def test_a_window_the_customer_chose_is_said_to_be_the_customer_s_and_not_four_hours(visitor, agent, customer, time):
    fault = builders.ticket(agent, customer=customer, type="fault", needs_visit=True, at=time.at)
    visitor.sign_in()
    assert "Promised within 4 hours." in words(visitor.get(case(fault)))
    noon = time.at + timedelta(hours=22)
    defer(case_id=fault.pk, promise="on_site", due=noon, reason="customer_choice", at=time.at)
    page = words(visitor.get(case(fault)))
    assert "A technician will be with you by 12:00 tomorrow." in page
    assert "You chose this time; it takes the place of our 4 hours." in page
    assert "Promised within 4 hours." not in page


# --- lists -----------------------------------------------------------------------------------------------------------


def test_what_waits_for_the_customer_comes_first(visitor, ticket, agent, customer, time):
    solved = builders.ticket(agent, customer=customer)
    services.take_ticket(ticket_id=solved.pk, by=agent, at=MONDAY)
    resolve(solved, agent, time.at)
    newest = builders.ticket(agent, customer=customer, at=time.at)
    visitor.sign_in()
    page = visitor.get("/").content.decode()
    places = [page.index(number.number) for number in (solved, newest, ticket)]
    assert places == sorted(places)
    ending.confirm_ticket(ticket_id=solved.pk, by=customer, at=time.at)
    assert solved.number not in visitor.get("/").content.decode()
    assert solved.number in visitor.get("/my/cases/").content.decode()


def test_lists_cost_the_same_however_long(visitor, agent, customer, django_assert_max_num_queries):
    category = Category.objects.get(code="mobile.fault.no-signal")
    for _ in range(8):
        builders.ticket(agent, customer=customer, category=category)
    visitor.sign_in()
    with django_assert_max_num_queries(7):
        visitor.get("/")
    with django_assert_max_num_queries(5):
        visitor.get("/my/cases/")


def test_a_matter_costs_the_same_however_long(visitor, ticket, agent, django_assert_max_num_queries):
    for number in range(20):
        conversation.reply_to_customer(ticket_id=ticket.pk, body=f"Answer {number}", by=agent, at=MONDAY)
    visitor.sign_in()
    with django_assert_max_num_queries(9):
        assert words(visitor.get(case(ticket))).count("Answer ") == 20


# --- writing ---------------------------------------------------------------------------------------------------------


def test_the_customer_writes_and_the_desk_sees_it(visitor, ticket, customer, time):
    visitor.sign_in()
    sent = visitor.post(case(ticket, "write/"), {"body": "还没好 😟", "key": "a"})
    assert sent["Location"] == f"{case(ticket)}?said=written"
    assert "We have your message." in words(visitor.get(sent["Location"]))
    note = Note.objects.get(case=ticket, body="还没好 😟")
    assert (note.visibility, note.direction, note.channel, note.author) == ("public", "in", "web", None)
    assert Ticket.objects.get(pk=ticket.pk).unanswered == 2


def test_writing_ends_the_wait_and_the_clock_goes_on(visitor, ticket, agent, time):
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=time.at)
    visitor.sign_in()
    visitor.post(case(ticket, "write/"), {"body": "Here are the papers.", "key": "a"})
    fresh = Ticket.objects.get(pk=ticket.pk)
    assert (fresh.state, fresh.clock_state) == (State.IN_PROGRESS, ClockState.RUNNING)


def test_a_link_is_enough_to_write(ticket, time):
    strict = Visitor(enforce_csrf_checks=True)
    address = link(ticket, at=time.at)
    answer = strict.post(f"{address}write/", {"body": "By link", "key": "a"}, headers={"origin": "null"})
    assert answer["Location"] == f"{address}?said=written"
    assert Note.objects.filter(case=ticket, body="By link").exists()


def test_sent_twice_it_is_one_message_other_words_are_another(visitor, ticket):
    visitor.sign_in()
    for body in ("Once", "Once", "Twice"):
        visitor.post(case(ticket, "write/"), {"body": body, "key": "same"})
    said = Note.objects.filter(case=ticket, direction="in").order_by("pk").values_list("body", flat=True)
    assert list(said) == ["断网了", "Once", "Twice"]


def test_too_long_or_empty_is_said_and_kept(visitor, ticket):
    visitor.sign_in()
    long = "长" * 2001
    page = visitor.post(case(ticket, "write/"), {"body": long, "key": "a"})
    assert page.status_code == 422
    assert long in page.content.decode()
    assert "That is 2001 characters; we can take 2000." in words(page)
    assert "Please write a few words." in words(visitor.post(case(ticket, "write/"), {"body": " \n "}))
    assert Note.objects.filter(case=ticket, direction="in").count() == 1


def test_what_customers_write_is_shown_as_text(visitor, ticket):
    visitor.sign_in()
    visitor.post(case(ticket, "write/"), {"body": "<script>alert(1)</script>", "key": "a"})
    assert "<script>" not in visitor.get(case(ticket)).content.decode()


def test_there_is_an_end_to_writing(visitor, ticket, monkeypatch):
    monkeypatch.setattr(quotas, "WRITTEN_ON", ((2, quotas.HOUR),))
    visitor.sign_in()
    for number in range(2):
        assert visitor.post(case(ticket, "write/"), {"body": str(number), "key": "a"}).status_code == 302
    refused = visitor.post(case(ticket, "write/"), {"body": "and another", "key": "a"})
    assert refused.status_code == 429
    assert "and another" in refused.content.decode()


def test_nothing_is_written_on_what_is_closed(visitor, ticket, agent, time):
    ending.cancel_ticket(ticket_id=ticket.pk, reason="twice", by=agent, at=time.at)
    visitor.sign_in()
    assert "Write to us" not in words(visitor.get(case(ticket)))
    page = visitor.post(case(ticket, "write/"), {"body": "Too late", "key": "a"})
    assert page.status_code == 409
    assert "This request is closed." in words(page)
    assert "Too late" in page.content.decode()
    assert not Note.objects.filter(body="Too late").exists()


def test_a_message_sent_after_the_visit_was_over_is_shown_again_after_signing_in(visitor, ticket, time):
    visitor.sign_in()
    time.skip(hours=13)
    refused = visitor.post(case(ticket) + "write/", {"body": "光猫的红灯一直亮着", "key": "k"})
    assert refused.url.startswith(reverse("portal:sign_in"))
    visitor.sign_in(way=case(ticket) + "write/")
    page = visitor.get(case(ticket) + "write/")
    assert "光猫的红灯一直亮着</textarea>" in page.content.decode()
    assert not Note.objects.filter(body__contains="红灯").exists()
    assert visitor.get(case(ticket) + "write/").url == case(ticket), "shown once"
