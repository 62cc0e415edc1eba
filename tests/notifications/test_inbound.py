"""SMS in: taken in once, handed to whoever knows the keyword, answered at most once, never lost."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from cases.models import Case, Note
from cases.services import verify_timeline
from common import clock
from common.errors import InvalidInput
from notifications import inbound
from notifications.inbound import HANDLED, Answer
from notifications.models import InboundMessage, Message
from tests import builders
from tests.builders import MONDAY
from tickets import ending, services
from tickets.models import Ticket

from .texts import answers, receive, reread

pytestmark = pytest.mark.django_db


# --- once -------------------------------------------------------------------------------------------------------------


def test_a_message_is_a_row_that_only_we_can_read(handlers):
    kept = reread(receive("我家断网了"))
    assert (kept.sender, kept.body, kept.received_at) == ("+8613812345678", "我家断网了", MONDAY)
    assert (kept.outcome, kept.case, kept.answer) == ("waiting", None, None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM notifications_inboundmessage")
        stored = " ".join(map(str, cursor.fetchone()))
    assert "13812345678" not in stored
    assert "断网" not in stored


def test_what_the_provider_delivers_again_is_taken_in_once_and_answered_once(handlers):
    seen = []
    inbound.handles("hello")(lambda message: seen.append(message.pk) or Answer("sms_too_many"))
    assert receive().pk == receive("other words", at=MONDAY + timedelta(hours=1)).pk
    assert len(seen) == 1
    assert [message.key for message in answers()] == [f"inbound-{seen[0]}"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"sender": " "}, "sender"),
        ({"sender": "x" * 61}, "sender"),
        ({"number": ""}, "provider_id"),
        ({"number": "x" * 201}, "provider_id"),
        ({"text": "x" * 10001}, "text"),
    ],
)
def test_what_cannot_be_taken_in_is_named(handlers, given, field):
    with pytest.raises(InvalidInput) as refusal:
        receive(**given)
    assert refusal.value.field == field
    assert not InboundMessage.objects.exists()


def test_what_no_database_takes_is_left_out(handlers):
    assert reread(receive("a\x00b\ud800c", number="\x00n")).body == "ab?c"


@pytest.mark.parametrize(
    ("sender", "kept"),
    [
        ("8613812345678", "+8613812345678"),
        ("+86 138 1234 5678", "+8613812345678"),
        ("+4915112345678", "+4915112345678"),
        ("BANK", "BANK"),
        ("95588", "+8695588"),
    ],
)
def test_any_sender_is_accepted(handlers, sender, kept):
    assert reread(receive(sender=sender)).sender == kept


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_delivered_to_many_at_once_it_is_one_row_with_one_answer(handlers):
    handled, barrier = [], threading.Barrier(6)
    inbound.handles("")(lambda message: handled.append(message.pk) or Answer("sms_too_many"))

    def deliver_it():
        barrier.wait()
        try:
            return receive().pk
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        found = {future.result() for future in [pool.submit(deliver_it) for _ in range(6)]}
    assert found == {InboundMessage.objects.get().pk}
    assert len(handled) == 1
    assert len(answers()) == 1


# --- handlers ---------------------------------------------------------------------------------------------------------


def test_handlers_are_tried_in_order_until_one_takes_it(handlers):
    tried = []

    def trying(name, answer):
        def handler(message):
            tried.append((name, message.match[0]))
            return answer

        return handler

    inbound.handles("YY|BOOK")(trying("wrong keyword", HANDLED))
    inbound.handles(r"\d")(trying("not mine", None))
    inbound.handles(r"1\b")(trying("mine", HANDLED))
    inbound.handles("")(trying("too late", HANDLED))
    kept = reread(receive(" １ thanks"))  # a wide digit, as Chinese telephones write it
    assert tried == [("not mine", "1"), ("mine", "1")]
    assert (kept.outcome, kept.answer) == ("handled", None)
    assert kept.handled_by.endswith(".handler")
    assert kept.body == " １ thanks"


def test_the_answer_goes_to_the_sender_in_the_customers_language(handlers, ticket):
    inbound.handles("yy")(lambda message: Answer("ticket_reply", {"text": "fine", "number": "T-1"}))
    kept = reread(receive("YY 0307 AM"))
    (message,) = answers()
    assert (message.channel, message.recipient, message.language) == ("sms", "+8613812345678", "en")
    assert (kept.outcome, kept.answer) == ("answered", message)
    receive("YY", sender="13900001111", number="2")
    assert answers()[1].language == "zh-hans"
    inbound.handles("XX")(lambda message: Answer("sms_too_many", language="en"))
    receive("XX", sender="13900001111", number="3")
    assert answers()[2].language == "en"


@pytest.mark.parametrize("sender", ["BANK", "95588", "10690000123456", "+8610000"])
def test_machines_are_not_answered(handlers, settings, sender):
    settings.SMS_SENDER = "10000"
    inbound.handles("")(lambda message: Answer("sms_too_many"))
    assert receive(sender=sender).outcome == "answered"
    assert answers() == []


def test_a_number_of_a_range_that_is_new_is_answered(handlers, settings):
    inbound.handles("")(lambda message: Answer("sms_too_many"))
    receive(sender="+8616875506730")
    assert [message.recipient for message in answers()] == ["+8616875506730"]


def test_our_own_number_is_not_answered(handlers, settings):
    settings.SMS_SENDER = "+8613812345678"
    inbound.handles("")(lambda message: Answer("sms_too_many"))
    receive()
    assert answers() == []


def test_a_handler_that_fails_loses_what_it_did_and_the_message_stays(handlers, ticket, caplog):
    def half(message):
        Message.objects.create(channel="sms", template="x", language="en", key="half", try_at=MONDAY, created_at=MONDAY)
        message.case = Case.objects.get()
        raise ZeroDivisionError

    inbound.handles("STOP")(half)
    kept = reread(receive("STOP it"))
    assert not Message.objects.filter(key="half").exists()
    assert kept.handled_by.endswith(".half")
    assert (kept.outcome, kept.case_id) == ("noted", ticket.pk)  # people see it on the case
    assert "could not handle" in caplog.text
    unknown = reread(receive("STOP it", sender="13900001111", number="2"))
    assert (unknown.outcome, unknown.case) == ("waiting", None)


def test_an_answer_that_cannot_be_made_does_not_lose_the_message(handlers):
    inbound.handles("")(lambda message: Answer("no_such_template"))
    assert reread(receive()).outcome == "waiting"
    assert answers() == []


# --- what nobody understands ------------------------------------------------------------------------------------------


def test_a_text_becomes_a_note_on_the_only_open_ticket_and_work_goes_on(handlers, ticket):
    agent = ticket.first_contact
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY)
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=MONDAY)
    kept = reread(receive("Here is the account number: 4711", at=MONDAY + timedelta(hours=1)))
    note = Note.objects.get(case=ticket, body="Here is the account number: 4711")
    assert (note.direction, note.visibility, note.channel, note.at) == ("in", "public", "sms", kept.received_at)
    now = Ticket.objects.get(pk=ticket.pk)
    assert (now.state, now.unanswered) == ("in_progress", 1)
    assert (kept.outcome, kept.case_id, answers()) == ("noted", ticket.pk, [])
    assert verify_timeline(now) == []


def opened(ticket, **fields):
    return builders.ticket(ticket.first_contact, customer=ticket.customer, channel="phone", **fields)


def test_among_several_the_number_decides_and_without_one_nobody_guesses(handlers, ticket):
    other = opened(ticket)
    assert receive("still broken").outcome == "waiting"
    assert receive(f"about {other.number}: still broken", number="2").case_id == other.pk
    assert receive(f"about {ticket.number.replace('-', '')}", number="3").case_id == ticket.pk
    strangers = builders.ticket(ticket.first_contact, customer=builders.customer(name="X", phone="13900001111"))
    assert receive(f"about {strangers.number}", number="4").case is None


def test_what_is_resolved_but_not_closed_is_still_talked_about(handlers, ticket):
    agent = ticket.first_contact
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY)
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="x", verified="test", by=agent, at=MONDAY)
    assert receive("no, it is not").case_id == ticket.pk
    ending.confirm_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY)
    assert receive("thanks", number="2").outcome == "waiting"


def test_a_kind_without_words_of_its_own_gets_a_plain_note(handlers, ticket, monkeypatch):
    monkeypatch.setattr(inbound, "_noting", {})
    assert receive("hello").case_id == ticket.pk
    assert Note.objects.filter(case=ticket, body="hello", direction="in").count() == 1
    assert verify_timeline(Ticket.objects.get(pk=ticket.pk)) == []


def test_an_empty_text_waits_for_somebody_to_look(handlers, ticket):
    assert receive("  ").outcome == "waiting"


# --- not too many -----------------------------------------------------------------------------------------------------


def test_too_many_are_told_so_once_and_then_nothing_until_the_hour_is_over(handlers, settings):
    settings.SMS_INBOUND_PER_HOUR = 3
    handled = []
    inbound.handles("")(lambda message: handled.append(message.pk) or HANDLED)
    outcomes = [receive(number=str(minute), at=MONDAY + timedelta(minutes=minute)).outcome for minute in range(7)]
    assert outcomes == ["handled"] * 3 + ["limited"] + ["silenced"] * 3
    assert [message.template for message in answers()] == ["sms_too_many"]
    assert len(handled) == 3
    assert receive(sender="13900001111", number="other").outcome == "handled"  # others are not touched by it
    assert receive(number="later", at=MONDAY + timedelta(minutes=66)).outcome == "handled"


def test_the_limit_holds_for_unknown_and_foreign_numbers_too(handlers, settings):
    settings.SMS_INBOUND_PER_HOUR = 1
    assert [receive(sender="+4915112345678", number=n).outcome for n in "123"] == ["waiting", "limited", "silenced"]


# --- over HTTP --------------------------------------------------------------------------------------------------------

SECRET = "a secret of the gateway"
GIVEN = {"id": "gw-1", "from": "+8613812345678", "text": "hello", "received_at": "2026-03-02T08:59:00+08:00"}


@pytest.fixture
def post(client, settings, handlers):
    settings.SMS_INBOUND_SECRET = SECRET

    def posted(given=GIVEN, *, secret=SECRET, at=MONDAY, content_type="application/json", **headers):
        body = given if isinstance(given, bytes) else json.dumps(given).encode()
        stamp = str(int(at.timestamp()))
        signature = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {"X-Timestamp": stamp, "X-Signature": signature, "Accept-Language": "en", **headers}
        return client.post("/inbound/sms/", body, content_type=content_type, headers=headers)

    with clock.simulated(MONDAY):
        yield posted


def test_a_signed_message_is_taken_in_and_again_makes_no_difference(post):
    first, again = post(), post()
    assert (first.status_code, first.json()["status"]) == (200, "ok")
    assert (again.status_code, again.json()) == (200, first.json())
    kept = InboundMessage.objects.get()
    assert (kept.sender, kept.body, kept.provider_id) == ("+8613812345678", "hello", "gw-1")
    assert kept.received_at == MONDAY - timedelta(minutes=1)


def test_the_signature_of_another_secret_body_or_time_is_refused(post):
    minutes = timedelta(minutes=1)
    for refused in (
        post(secret="another secret, as long"),
        post(at=MONDAY - 5 * minutes - timedelta(seconds=1)),
        post(at=MONDAY + 5 * minutes + timedelta(seconds=1)),
        post(**{"X-Signature": ""}),
        post(**{"X-Signature": "0" * 64}),
        post(**{"X-Signature": "\xe9" * 64}),
        post(**{"X-Timestamp": "now"}),
        post(**{"X-Timestamp": "9" * 5000}),
        post(**{"X-Timestamp": str(int(MONDAY.timestamp()) + 1)}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (401, "bad_signature")
    assert not InboundMessage.objects.exists()
    assert post(at=MONDAY - 5 * minutes).status_code == 200


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (b"not json", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 5000, "body"),
        ([1], "body"),
        ({**GIVEN, "from": None}, "from"),
        ({**GIVEN, "from": ""}, "from"),
        ({**GIVEN, "text": 7}, "text"),
        ({"from": "1", "text": "x"}, "id"),
        ({**GIVEN, "id": " "}, "id"),
        ({**GIVEN, "text": "x" * 10001}, "text"),
        ({**GIVEN, "received_at": "yesterday"}, "received_at"),
        ({**GIVEN, "received_at": "2026-03-02T08:59:00"}, "received_at"),
        ({**GIVEN, "received_at": "2026-02-30T08:59:00Z"}, "received_at"),
        ({**GIVEN, "received_at": "2025-03-02T08:59:00Z"}, "received_at"),
        ({**GIVEN, "received_at": 5}, "received_at"),
    ],
)
def test_a_bad_body_is_refused_and_the_field_named(post, given, field):
    answer = post(given)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert answer.json()["reasons"][0]
    assert not InboundMessage.objects.exists()


def test_a_clock_that_is_ahead_does_not_make_the_future(post):
    post({**GIVEN, "received_at": "2026-03-03T08:59:00+08:00"})
    assert InboundMessage.objects.get().received_at == MONDAY


def test_large_bodies_other_types_and_other_methods_are_refused_before_they_are_read(post, client, settings):
    assert post({**GIVEN, "more": "x" * 17000}).status_code == 413
    assert post(content_type="multipart/form-data; boundary=x").status_code == 415
    assert client.get("/inbound/sms/").status_code == 405
    settings.SMS_INBOUND_SECRET = ""
    assert post().status_code == 404


def test_the_forgery_check_of_forms_does_not_stand_in_the_way(post, settings):
    from django.test import Client

    body = json.dumps(GIVEN).encode()
    stamp = str(int(MONDAY.timestamp()))
    signature = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(
        "/inbound/sms/",
        body,
        content_type="application/json",
        headers={"X-Timestamp": stamp, "X-Signature": signature.upper()},
    )
    assert answer.status_code == 200
