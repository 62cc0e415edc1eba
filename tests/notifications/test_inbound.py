"""SMS in: taken in once, handed to whoever knows the keyword, answered at most once, never lost."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection

from cases.models import Case, Note
from cases.services import verify_timeline
from common import clock
from common.errors import InvalidInput
from notifications import inbound, receiver, smpp, sms
from notifications.adapters import sms_smpp
from notifications.inbound import HANDLED, Answer, join_late, receive_sms
from notifications.models import InboundMessage, InboundPart, Message
from notifications.receiver import HEARTBEAT, Receiver
from notifications.services import deliver, notify
from tests import builders
from tests.builders import MONDAY
from tests.conftest import ROOT
from tickets import ending, services
from tickets.models import Ticket

from .smsc import ENQUIRE, RESPONSE, SMSC, UNBIND

pytestmark = pytest.mark.django_db
SENDER = "13812345678"


@pytest.fixture
def handlers(monkeypatch):
    """No handler but the test's own."""
    found = []
    monkeypatch.setattr(inbound, "_handlers", found)
    return found


@pytest.fixture
def ticket():
    builders.house()
    customer = builders.customer(phone=SENDER, language="en")
    return builders.ticket(builders.person("agent"), customer=customer, channel="phone")


def receive(text="hello", *, sender=SENDER, number="1", at=MONDAY):
    return receive_sms(sender=sender, text=text, provider_id=number, at=at)


def reread(message):
    return InboundMessage.objects.get(pk=message.pk)


def answers():
    return list(Message.objects.filter(key__startswith="inbound-").order_by("pk"))


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


# --- over SMPP --------------------------------------------------------------------------------------------------------


@pytest.fixture
def smsc(settings, monkeypatch):
    with SMSC() as server:
        settings.SMPP_HOST, settings.SMPP_PORT = "127.0.0.1", server.port
        settings.SMPP_SYSTEM_ID, settings.SMPP_PASSWORD, settings.SMPP_SYSTEM_TYPE = "center", "secret", ""
        settings.SMPP_TLS, settings.SMS_TIMEOUT, settings.SMS_SENDER = False, 5.0, "10000"
        monkeypatch.setattr(receiver, "TICK_SECONDS", 0.02)
        monkeypatch.setattr(receiver, "RETRY_SECONDS", (0.02,))
        yield server


@pytest.fixture
def while_receiving(smsc):
    """Runs the receiver here, where the database is, and the story of the SMSC in a thread; returns its result."""

    def run(story):
        process, told = Receiver(), {}

        def tell():
            try:
                told["result"] = story()
            except BaseException as problem:
                told["problem"] = problem
            finally:
                process.stop.set()

        thread = threading.Thread(target=tell)
        thread.start()
        process.run()
        thread.join()
        smsc.left()
        if "problem" in told:
            raise told["problem"]
        return told["result"]

    return run


def utf16(text):
    return text.encode("utf-16-be")


def parts(text, reference=7):
    return sms.split(text, reference=reference)[1]


def test_a_message_is_kept_before_it_is_answered(handlers, smsc, monkeypatch, while_receiving):
    seen, reply = [], smpp.Line.reply

    def watched(line, request, **options):
        if request.command == "deliver_sm":
            seen.append(list(InboundMessage.objects.values_list("pk", flat=True)))
        return reply(line, request, **options)

    monkeypatch.setattr(smpp.Line, "reply", watched)
    assert while_receiving(lambda: smsc.deliver(utf16("我家断网了 🔧"))) == 0
    kept = InboundMessage.objects.get()
    assert (kept.sender, kept.body) == ("+8613812345678", "我家断网了 🔧")
    assert seen == [[kept.pk]]
    assert kept.acknowledged_at is not None  # the sign of life came: the center has read the answer


@pytest.mark.django_db(transaction=True)
def test_a_message_is_committed_before_it_is_answered(handlers, smsc, monkeypatch, while_receiving):
    committed, reply = [], smpp.Line.reply

    def watched(line, request, **options):
        committed.append(not connection.in_atomic_block)
        return reply(line, request, **options)

    monkeypatch.setattr(smpp.Line, "reply", watched)
    assert while_receiving(lambda: smsc.deliver(b"hello", coding=0)) == 0
    assert committed == [True]


def killed_before_the_answer(monkeypatch, *which):
    """As if the process died between the commit and the answer: the line is cut there, at these deliveries."""
    reply, count = smpp.Line.reply, itertools.count(1)

    def dying(line, request, **options):
        if request.command == "deliver_sm" and next(count) in which:
            raise OSError("killed")
        return reply(line, request, **options)

    monkeypatch.setattr(smpp.Line, "reply", dying)


def test_what_was_kept_but_not_answered_is_one_row_and_one_answer_when_it_comes_again(
    handlers, smsc, monkeypatch, while_receiving
):
    inbound.handles("1")(lambda message: Answer("sms_too_many"))
    killed_before_the_answer(monkeypatch, 1, 2)

    def story():
        return [smsc.deliver(b"1", coding=0) for _ in range(3)]

    assert while_receiving(story) == [None, None, 0]
    assert InboundMessage.objects.count() == 1
    assert len(answers()) == 1
    assert smsc.binds == ["receiver"] * 3


def test_the_same_words_again_after_the_answer_are_another_message(handlers, smsc, while_receiving):
    handled = []
    inbound.handles("1")(lambda message: handled.append(message.pk) or HANDLED)

    def story():
        first = [smsc.deliver(b"1", coding=0) for _ in range(2)]  # at once, in one session
        smsc.settled(2)
        smsc.hang_up()
        return [*first, smsc.deliver(b"1", coding=0)]  # and in another

    assert while_receiving(story) == [0, 0, 0]
    assert len(handled) == 3


def test_the_same_words_an_hour_after_an_answer_that_was_never_read_are_another_message(
    handlers, smsc, monkeypatch, while_receiving
):
    killed_before_the_answer(monkeypatch, 1)
    with clock.simulated(MONDAY):
        assert while_receiving(lambda: smsc.deliver(b"1", coding=0)) is None
    with clock.simulated(MONDAY + inbound.AGAIN_WITHIN - timedelta(seconds=1)):
        assert while_receiving(lambda: smsc.deliver(b"1", coding=0)) == 0
    assert InboundMessage.objects.count() == 1
    InboundMessage.objects.update(acknowledged_at=None)
    with clock.simulated(MONDAY + inbound.AGAIN_WITHIN):
        assert while_receiving(lambda: smsc.deliver(b"1", coding=0)) == 0
    assert InboundMessage.objects.count() == 2


LONG = "我家的宽带从昨天晚上开始就断断续续，光猫红灯一直亮，重启过三次都没有用。🔧" * 4


def test_a_long_text_is_joined_from_its_parts_in_any_order(handlers, smsc, while_receiving):
    pieces = parts(LONG)
    assert len(pieces) == 3

    def story():
        return [smsc.deliver(piece, esm_class=0x40) for piece in (pieces[2], pieces[0], pieces[1])]

    assert while_receiving(story) == [0, 0, 0]
    assert InboundMessage.objects.get().body == LONG


def test_a_part_delivered_again_makes_no_second_text(handlers, smsc, monkeypatch, while_receiving):
    inbound.handles("")(lambda message: Answer("sms_too_many"))
    first, second, third = parts(LONG)
    killed_before_the_answer(monkeypatch, 1, 3, 5)

    def story():
        order = [first, first, second, second, third, third, third]
        return [smsc.deliver(piece, esm_class=0x40) for piece in order]

    assert while_receiving(story) == [None, 0, None, 0, None, 0, 0]
    assert InboundMessage.objects.get().body == LONG
    assert len(answers()) == 1
    assert not InboundPart.objects.filter(message=None).exists()


def test_texts_of_two_people_with_the_same_reference_are_kept_apart(handlers, smsc, while_receiving):
    mine, yours = parts("A" * 200), parts("B" * 200)

    def story():
        for number in (0, 1):
            smsc.deliver(mine[number], esm_class=0x40, coding=0)
            smsc.deliver(yours[number], esm_class=0x40, coding=0, source="8613900001111")

    while_receiving(story)
    assert sorted(message.body for message in InboundMessage.objects.all()) == ["A" * 200, "B" * 200]


def test_parts_by_optional_parameters_and_a_payload_beside_the_message(handlers, smsc, while_receiving):
    def tlv(tag, value):
        return tag.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value

    def sar(number):
        return tlv(0x020C, b"\x00\x09") + tlv(0x020E, b"\x02") + tlv(0x020F, bytes([number]))

    def story():
        smsc.deliver(b"one ", coding=0, more=sar(1))
        smsc.deliver(b"two", coding=0, more=sar(2))
        return smsc.deliver(b"", coding=8, more=tlv(0x0424, utf16("很长的一条")) + tlv(0x1500, b"vendor's own"))

    assert while_receiving(story) == 0
    assert sorted(message.body for message in InboundMessage.objects.all()) == ["one two", "很长的一条"]


def test_what_has_not_come_within_ten_minutes_is_taken_in_with_a_gap(handlers, smsc, while_receiving):
    pieces = parts(LONG)

    def story():
        smsc.deliver(pieces[0], esm_class=0x40)
        smsc.deliver(pieces[2], esm_class=0x40)

    with clock.simulated(MONDAY):
        while_receiving(story)
        assert join_late(now=MONDAY + inbound.PARTS_WITHIN - timedelta(seconds=1)) == 0
        assert join_late(now=MONDAY + inbound.PARTS_WITHIN) == 1
        assert join_late(now=MONDAY + inbound.PARTS_WITHIN) == 0
    body = InboundMessage.objects.get().body
    assert body == LONG[: body.index("[…]")] + "[…]" + LONG[-(len(body) - body.index("[…]") - 3) :]
    assert join_late(now=MONDAY + inbound.PARTS_KNOWN) == 0
    assert not InboundPart.objects.exists()


def test_a_header_that_makes_no_sense_loses_no_text(handlers, smsc, while_receiving):
    assert (
        while_receiving(lambda: smsc.deliver(bytes([5, 0, 3, 1, 2, 9]) + b"part nine of two", esm_class=0x40, coding=0))
        == 0
    )
    assert InboundMessage.objects.get().body == "part nine of two"


def test_what_cannot_be_kept_is_asked_for_again_and_the_session_goes_on(handlers, smsc, monkeypatch, while_receiving):
    take, left = inbound._take, [1]

    def failing(message):
        if left.pop() if left else False:
            raise OSError("the database is away")
        take(message)

    monkeypatch.setattr(inbound, "_take", failing)
    assert while_receiving(lambda: [smsc.deliver(b"x", coding=0), smsc.deliver(b"x", coding=0)]) == [0x64, 0]
    assert InboundMessage.objects.count() == 1
    assert smsc.binds == ["receiver"]


def test_it_binds_again_after_the_center_went_away_and_leaves_a_sign(handlers, smsc, while_receiving):
    def story():
        smsc.deliver(b"one", coding=0)
        smsc.hang_up()
        return smsc.deliver(b"two", coding=0)

    assert while_receiving(story) == 0
    assert smsc.binds == ["receiver", "receiver"]
    assert time.time() - cache.get(HEARTBEAT) < 60


def test_it_says_goodbye_and_answers_signs_of_life(handlers, smsc, while_receiving):
    def story():
        session = smsc.receiver()
        session.send(ENQUIRE, sequence=77)
        return session.answers.get(timeout=20)

    assert while_receiving(story) == (ENQUIRE | RESPONSE, 0, 77)
    until = time.monotonic() + 20
    while UNBIND not in smsc.seen and time.monotonic() < until:
        time.sleep(0.01)
    assert UNBIND in smsc.seen


def test_a_center_that_falls_silent_is_left(handlers, smsc, monkeypatch, while_receiving):
    monkeypatch.setattr(receiver, "QUIET_SECONDS", 0.1)
    answered = smsc._answer

    def mute(session, command, *rest):
        if command != ENQUIRE:
            answered(session, command, *rest)

    monkeypatch.setattr(smsc, "_answer", mute)

    def story():
        until = time.monotonic() + 20
        while len(smsc.binds) < 2 and time.monotonic() < until:
            time.sleep(0.01)

    while_receiving(story)
    assert len(smsc.binds) >= 2


# --- receipts ---------------------------------------------------------------------------------------------------------


def test_a_receipt_says_when_a_message_reached_the_telephone(handlers, smsc, ticket, settings, while_receiving):
    settings.NOTIFICATION_ADAPTERS = {"sms": "notifications.adapters.sms_smpp", "email": "notifications.adapters.none"}
    message = notify("ticket_reply", case=ticket, key="k", at=MONDAY, context={"text": "修好了。" * 30})
    assert deliver(message.pk, now=MONDAY)
    sms_smpp.hang_up()
    assert [got.receipt for got in smsc.taken] == [0, 0, 1]  # for the last part only
    receipt = b"id:%s sub:001 dlvrd:001 submit date:2603020900 done date:2603020901 stat:%s err:000 text:"

    def story():
        for name, state in ((b"id-3", b"UNDELIV"), (b"id-1", b"DELIVRD"), (b"other", b"DELIVRD")):
            smsc.deliver(receipt % (name, state), esm_class=0x04, coding=0)

    while_receiving(story)
    assert Message.objects.get(pk=message.pk).delivered_at is None
    later = MONDAY + timedelta(minutes=3)
    with clock.simulated(later):
        while_receiving(lambda: smsc.deliver(receipt % (b"id-3", b"DELIVRD"), esm_class=0x04, coding=0))
    assert Message.objects.get(pk=message.pk).delivered_at == later
    assert not InboundMessage.objects.exists()
    more = (0x001E).to_bytes(2, "big") + b"\x00\x05id-3\x00" + (0x0427).to_bytes(2, "big") + b"\x00\x01\x02"
    Message.objects.update(delivered_at=None)
    with clock.simulated(later):
        while_receiving(lambda: smsc.deliver(b"", esm_class=0x04, coding=0, more=more))
    assert Message.objects.get(pk=message.pk).delivered_at == later


# --- the process ------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_process_receives_and_ends_in_order(tmp_path, smsc, settings):
    if not settings.EMBEDDED:
        pytest.skip("runs with the embedded default")
    folder = tmp_path / "var"
    environment = {
        "PATH": os.environ["PATH"],
        "SERVICECENTER_VAR": str(folder),
        "DJANGO_SETTINGS_MODULE": "servicecenter.settings.base",
        "SMPP_HOST": "127.0.0.1",
        "SMPP_PORT": str(smsc.port),
        "SMPP_SYSTEM_ID": "center",
        "SMPP_PASSWORD": "secret",
        "SMPP_RECEIVE": "1",
    }
    migrate = [sys.executable, "manage.py", "migrate", "-v", "0"]
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(["scripts/serve", "sms"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        assert smsc.deliver(utf16("你好"), timeout=60) == 0, (tmp_path / "log").read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
    with contextlib.closing(sqlite3.connect(folder / "servicecenter.sqlite3")) as database:
        rows = database.execute("SELECT outcome, acknowledged_at IS NOT NULL FROM notifications_inboundmessage")
        assert rows.fetchall() == [("waiting", 1)]
    # What people write is in no log.
    assert "你好" not in (tmp_path / "log").read_text()
    assert "13812345678" not in (tmp_path / "log").read_text()


def test_without_a_center_it_says_so():
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match="SMPP_HOST"):
        call_command("sms_receiver")
