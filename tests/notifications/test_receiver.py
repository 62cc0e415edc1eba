"""SMS in over SMPP: kept before it is answered, joined from its parts, never lost; and receipts."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection

from common import clock
from notifications import inbound, receiver, smpp, sms
from notifications.adapters import sms_smpp
from notifications.inbound import HANDLED, Answer, join_late
from notifications.models import InboundMessage, InboundPart, Message
from notifications.receiver import HEARTBEAT, Receiver
from notifications.services import deliver, notify
from tests.builders import MONDAY
from tests.conftest import ROOT

from .smsc import ENQUIRE, RESPONSE, SMSC, UNBIND
from .texts import answers

pytestmark = pytest.mark.django_db


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
