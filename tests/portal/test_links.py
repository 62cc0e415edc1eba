"""Links in messages: what opens them, what a link may do, what happens when it is old, cut off or called back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse

from cases.links import link_token, read_token, revoke_links
from cases.models import CaseEvent, Note
from cases.numbers import number_of
from notifications.models import Message
from portal import quotas
from portal.models import Session
from tests import builders
from tests.builders import MONDAY
from tests.portal.visitors import OTHER_PHONE, PHONE, Visitor, link, words
from tickets import ending, services
from tickets.models import Ticket
from tickets.states import State

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("house")]


@pytest.fixture
def agent(house):
    return builders.person("agent")


@pytest.fixture
def ticket(agent, customer):
    ticket = builders.ticket(agent, customer=customer)
    return services.take_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY)


@pytest.fixture
def resolved(ticket, agent, time):
    return ending.resolve_ticket(
        ticket_id=ticket.pk, resolution="New modem", verified="test", by=agent, at=time.at - timedelta(hours=1)
    )


def everything():
    """All rows that a page could have changed."""
    return (
        list(Ticket.objects.values()), CaseEvent.objects.count(), Note.objects.count(), Message.objects.count(),
        Session.objects.count(),
    )  # fmt: skip


# --- the secret in the address ---------------------------------------------------------------------------------------


def test_the_address_is_told_to_nobody(visitor, resolved, time):
    good = link(resolved, "confirm", at=time.at)
    addresses = [
        good, f"{good}not-solved/", link(resolved, "confirm", at=MONDAY, days=-1), "/m/nonsense/", f"{good}write/",
    ]  # fmt: skip
    for address in addresses:
        answer = visitor.get(address)
        assert answer["Referrer-Policy"] == "no-referrer", address
        assert answer["Cache-Control"] == "no-store", address
        assert "noindex" in answer["X-Robots-Tag"], address
    for act in ("write/", "confirm/", "again/"):
        answer = visitor.post(f"{good}{act}", {"body": ""})
        assert answer["Referrer-Policy"] == "no-referrer", act


def test_opening_any_address_of_a_link_changes_nothing(visitor, resolved, time):
    """Scanners of mail open every link, and every link on the page behind it, before the customer does."""
    good = link(resolved, "confirm", at=time.at)
    before = everything()
    for address in (good, f"{good}?said=confirmed"):
        assert visitor.get(address).status_code == 200
    for act in ("confirm/", "write/"):
        answer = visitor.get(f"{good}{act}")
        assert (answer.status_code, answer["Location"]) == (302, good)
    assert visitor.get(f"{good}not-solved/").status_code == 200
    assert visitor.get(f"{good}again/")["Location"] == good
    assert visitor.head(good).status_code == 200
    assert everything() == before


def test_a_link_sets_no_session(visitor, ticket, time):
    visitor.get(link(ticket, at=time.at))
    assert visitor.cookies.keys() == set()


# --- what a link may do ----------------------------------------------------------------------------------------------


def test_one_press_confirms_and_closes(visitor, resolved, customer, time):
    address = link(resolved, "confirm", at=time.at)
    page = words(visitor.get(address))
    assert "Is it solved?" in page
    assert "What we did: New modem" in page
    answer = visitor.post(f"{address}confirm/")
    assert answer["Location"] == f"{address}?said=confirmed"
    assert "Thank you. We are glad that it is solved." in words(visitor.get(answer["Location"]))
    ticket = Ticket.objects.get()
    assert (ticket.state, ticket.closed_because) == (State.CLOSED, "confirmed")
    event = CaseEvent.objects.get(kind="confirmed")
    assert (event.by_kind, event.facts["how"]) == ("customer", "link")


def test_confirming_again_is_calm_and_changes_nothing(visitor, resolved, time):
    address = link(resolved, "confirm", at=time.at)
    visitor.post(f"{address}confirm/")
    before = everything()
    answer = visitor.post(f"{address}confirm/")
    page = visitor.get(answer["Location"])
    assert page.status_code == 200
    assert "Thank you." in words(page)
    assert "Finished" in words(page)
    assert everything() == before


def test_confirming_what_was_closed_for_silence_is_calm_too(visitor, resolved, time):
    ending.close_silent_ticket(ticket_id=resolved.pk, at=time.at)
    address = link(resolved, "confirm", at=time.at)
    page = visitor.get(address)
    assert "Closed, as we heard nothing more" in words(page)
    assert "It is not solved" in words(page)
    assert visitor.post(f"{address}confirm/").status_code == 302
    assert Ticket.objects.get().closed_because == "silence"


def test_an_open_matter_is_not_confirmed(visitor, ticket, time):
    address = link(ticket, "confirm", at=time.at)
    assert "Is it solved?" not in words(visitor.get(address))
    answer = visitor.post(f"{address}confirm/")
    assert answer["Location"] == address
    assert Ticket.objects.get().state == State.IN_PROGRESS
    assert visitor.get(f"{address}?said=confirmed").status_code == 200


def test_not_solved_takes_it_up_again_in_the_customer_s_words(visitor, resolved, time):
    address = link(resolved, "confirm", at=time.at)
    empty = visitor.post(f"{address}not-solved/", {"reason": " "})
    assert empty.status_code == 422
    assert "Please write a few words." in words(empty)
    answer = visitor.post(f"{address}not-solved/", {"reason": "还是断网"})
    assert answer["Location"] == f"{address}?said=reopened"
    page = words(visitor.get(answer["Location"]))
    assert "We will take it up again." in page
    assert "还是断网" in page
    ticket = Ticket.objects.get()
    assert (ticket.state, ticket.cycle, ticket.unanswered) == (State.IN_PROGRESS, 2, 1)
    assert visitor.post(f"{address}not-solved/", {"reason": "again"})["Location"] == address
    assert Ticket.objects.get().cycle == 2


def test_a_closed_matter_can_be_taken_up_for_thirty_days(visitor, resolved, time):
    address = link(resolved, "confirm", at=time.at, days=90)
    visitor.post(f"{address}confirm/")
    time.skip(days=30)
    assert "It is not solved" in words(visitor.get(address))
    time.skip(seconds=1)
    assert "It is not solved" not in words(visitor.get(address))
    assert visitor.post(f"{address}not-solved/", {"reason": "x"})["Location"] == address
    assert Ticket.objects.get().state == State.CLOSED


@pytest.mark.parametrize("purpose", ["view", "rate", "book"])
def test_only_a_link_to_confirm_decides(visitor, resolved, time, purpose):
    address = link(resolved, purpose, at=time.at)
    page = words(visitor.get(address))
    assert "To tell us, open the link in our newest message." in page
    assert "Yes, solved" not in page
    before = everything()
    assert visitor.post(f"{address}confirm/").status_code == 403
    assert visitor.post(f"{address}not-solved/", {"reason": "x"}).status_code == 403
    assert everything() == before


def test_who_is_signed_in_decides_as_well(visitor, resolved, customer):
    visitor.sign_in()
    address = reverse("portal:case", args=[resolved.number])
    visitor.post(f"{address}confirm/")
    assert CaseEvent.objects.get(kind="confirmed").facts["how"] == "portal"


def test_without_script_and_cookies_a_link_works(resolved, time):
    strict = Visitor(enforce_csrf_checks=True)
    address = link(resolved, "confirm", at=time.at)
    assert strict.post(f"{address}confirm/", headers={"origin": "null"})["Location"] == f"{address}?said=confirmed"
    assert Ticket.objects.get().state == State.CLOSED


# --- links that do not work any more ---------------------------------------------------------------------------------


def test_an_expired_link_says_so_and_offers_a_new_one(visitor, ticket, time):
    old = link(ticket, at=MONDAY, days=-1)
    page = visitor.get(old)
    assert page.status_code == 410
    assert "This link has expired" in words(page)
    assert ticket.number not in words(page)
    for act in ("write/", "confirm/", "not-solved/"):
        assert visitor.post(f"{old}{act}", {"body": "x"}).status_code == 410
    sent = visitor.post(f"{old}again/")
    assert "a new link is on its way" in words(sent)
    message = Message.objects.get(template="matter_link")
    assert message.recipient == "+8613812345678"
    token = message.context["link"].split("/")[-2]
    assert read_token(token, at=time.at).case_id == ticket.pk
    assert visitor.get(f"/m/{token}/").status_code == 200


def test_the_new_link_fits_the_moment(visitor, resolved, time):
    visitor.post(link(resolved, at=time.at, act="again/"))
    token = Message.objects.get(template="matter_link").context["link"].split("/")[-2]
    assert read_token(token, at=time.at).purpose == "confirm"


def test_however_often_it_is_asked_for_three_a_day_are_sent_and_the_answer_is_the_same(visitor, ticket, time):
    old = link(ticket, at=MONDAY, days=-1)
    answers = set()
    for _ in range(6):
        answers.add((lambda answer: (answer.status_code, words(answer)))(visitor.post(f"{old}again/")))
        time.skip(minutes=2)
    assert len(answers) == 1
    assert Message.objects.filter(template="matter_link").count() == 3


def test_a_caller_who_asks_for_link_after_link_must_wait(visitor, ticket, time, monkeypatch):
    monkeypatch.setattr(quotas, "LINK_FROM", ((2, quotas.HOUR),))
    old = link(ticket, at=MONDAY, days=-1)
    for _ in range(2):
        assert visitor.post(f"{old}again/").status_code == 200
    refused = visitor.post(f"{old}again/")
    assert refused.status_code == 429
    assert "Please try again in 60 minutes." in words(refused)
    assert visitor.post("/link/", {"number": ticket.number, "phone": PHONE}).status_code == 429


def test_a_customer_nobody_can_reach_gets_the_same_answer(visitor, agent, time):
    nobody = builders.ticket(agent, customer=builders.customer("无号", phone=""))
    page = visitor.post(link(nobody, at=MONDAY, days=-1, act="again/"))
    assert "a new link is on its way" in words(page)
    assert not Message.objects.exists()


@pytest.mark.parametrize("change", ["cut", "longer", "letter", "case", "nonsense", "emoji"])
def test_a_damaged_link_is_answered_calmly(visitor, ticket, time, change):
    token = link_token(ticket, "view", at=time.at)
    damaged = {
        "cut": token[:-3],
        "longer": token + "A",
        "letter": token[:8] + ("A" if token[8] != "A" else "B") + token[9:],
        "case": token.swapcase(),
        "nonsense": "x" * 300,
        "emoji": "😀",
    }[change]
    for address in (f"/m/{damaged}/", f"/m/{damaged}/confirm/", f"/m/{damaged}/not-solved/"):
        page = visitor.get(address)
        assert page.status_code == 404
        assert "This link does not work" in words(page)
    assert visitor.post(f"/m/{damaged}/again/").status_code == 404
    assert not Message.objects.filter(template="matter_link").exists()


def test_a_link_that_was_called_back_opens_nothing(visitor, ticket, time):
    address = link(ticket, at=time.at)
    revoke_links(case_id=ticket.pk, by=None, at=time.at)
    assert visitor.get(address).status_code == 404
    assert visitor.post(f"{address}again/").status_code == 404
    assert visitor.get(link(Ticket.objects.get(), at=time.at)).status_code == 200


def test_number_and_telephone_bring_a_new_link_and_one_answer_whatever_fits(visitor, ticket, time):
    builders.customer("张三", OTHER_PHONE)
    answers = set()
    for number, phone in (
        (ticket.number, OTHER_PHONE), (number_of("T", 99_999), PHONE), (ticket.number, "13777777777"),
        (ticket.number, PHONE),
    ):  # fmt: skip
        answer = visitor.post("/link/", {"number": number, "phone": phone})
        answers.add((answer.status_code, words(answer)))
    assert len(answers) == 1
    message = Message.objects.get(template="matter_link")
    assert (message.case_id, message.recipient) == (ticket.pk, "+8613812345678")


def test_what_is_missing_on_that_form_is_said(visitor, house):
    page = visitor.post("/link/", {"number": "", "phone": ""})
    assert page.status_code == 422
    assert "Enter the request number." in words(page)
    assert "Enter your mobile number." in words(page)


def test_what_no_number_looks_like_is_refused_before_anybody_waits_for_a_link(visitor, ticket, time):
    for number, phone, said in (
        ("nonsense 😀", PHONE, "This is no number of ours."), (ticket.number, "12", "digits short."),
        (ticket.number[:-1], PHONE, "This is no number of ours."),
    ):  # fmt: skip
        page = visitor.post("/link/", {"number": number, "phone": phone})
        assert page.status_code == 422
        assert said in words(page)
    assert not Message.objects.filter(template="matter_link").exists()


def test_a_case_without_a_customer_has_no_page(visitor, agent, time):
    ticket = builders.ticket(agent, customer=None)
    assert visitor.get(link(ticket, at=time.at)).status_code == 404


def test_tokens_are_in_no_table_of_the_portal(visitor, resolved, time):
    address = link(resolved, "confirm", at=time.at)
    visitor.get(address)
    visitor.post(f"{address}again/")
    with connection.cursor() as cursor:
        for table in ("portal_session", "portal_quota"):
            cursor.execute(f"SELECT * FROM {table}")
            assert address.split("/")[2] not in str(cursor.fetchall())
