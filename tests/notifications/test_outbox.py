"""Messages: written with the change, delivered after it, over a real SMTP server; a failure is retried, never lost."""

from __future__ import annotations

import contextlib
import email
import email.policy
import re
import socket
from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller
from django.db import connection, transaction

from common import clock
from notifications import services as outbox
from notifications import tasks, templates
from notifications.models import Message
from notifications.notices import mark_read, unread
from notifications.services import (
    CLAIM,
    MOST_ATTEMPTS,
    address_of,
    deliver,
    deliver_due,
    notice,
    notify,
    retry_failed,
    withdraw,
)
from sla.models import Deadline
from sla.states import Verdict
from tests import builders
from tests.builders import MONDAY
from tests.conftest import ROOT
from tickets import conversation, ending, services

pytestmark = pytest.mark.django_db


class Postbox:
    """An SMTP handler that keeps what it is given, or refuses with `answer`."""

    def __init__(self):
        self.mails = []
        self.answer = "250 OK"
        self.seen = 0

    async def handle_DATA(self, server, session, envelope):
        self.seen += 1
        if self.answer.startswith("250"):
            self.mails.append(
                (envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=email.policy.default))
            )
        return self.answer


@pytest.fixture
def postbox(settings):
    """A real SMTP server on the loopback, with the product's own SMTP adapter speaking to it."""
    box = Postbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=20)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 5
    settings.DEFAULT_FROM_EMAIL = "Service Center <service@telecom.example>"
    settings.NOTIFICATION_ADAPTERS = {
        "email": "notifications.adapters.smtp",
        "sms": "notifications.adapters.none",
    }
    yield box
    controller.stop()


@pytest.fixture
def case():
    """A ticket of a customer who reads mail in English."""
    builders.house()
    customer = builders.customer(
        name="Daniel Weber", email="daniel@example.com", language="en", preferred_channel="email"
    )
    ticket = builders.ticket(builders.person("agent"), customer=customer, channel="phone")
    assert not Message.objects.exists()
    return ticket


def queue(case, key="k1", template="ticket_reply", **context):
    return notify(template, case=case, key=key, at=MONDAY, context=context or {"text": "The line is repaired."})


PUBLIC = {"visibility": "public", "direction": "out", "body": "Of somebody else.", "at": MONDAY}


def reread(message):
    return Message.objects.get(pk=message.pk)


# --- over a real server ----------------------------------------------------------------------------------------------


def test_a_mail_arrives_and_its_message_id_is_kept_as_proof(case, postbox):
    message = queue(case)
    assert deliver(message.pk, now=MONDAY)
    (recipients, mail) = postbox.mails[0]
    kept = reread(message)
    assert recipients == ["daniel@example.com"]
    assert mail["Subject"] == f"A reply to ticket {case.number}"
    assert "The line is repaired." in mail.get_content()
    assert kept.provider_id == mail["Message-ID"]
    assert kept.provider_id.endswith("@telecom.example>")
    assert (kept.state, kept.sent_at, kept.attempts, kept.error) == (Message.State.SENT, MONDAY, 1, "")


def test_a_mail_says_that_a_machine_wrote_it_and_cannot_be_answered_yet(case, postbox):
    deliver(queue(case).pk, now=MONDAY)
    mail = postbox.mails[0][1]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert "cannot be answered yet" in mail.get_content()
    assert mail["From"] == "Service Center <service@telecom.example>"


def test_chinese_arrives_as_chinese(case, postbox):
    case.customer.language = "zh-hans"
    case.customer.save()
    deliver(queue(case, text="您好，已修复。").pk, now=MONDAY)
    mail = postbox.mails[0][1]
    assert case.number in mail["Subject"]
    assert re.search(r"[\u4e00-\u9fff]", mail["Subject"])
    assert "您好，已修复。" in mail.get_content()


def test_delivering_twice_sends_once(case, postbox):
    message = queue(case)
    assert deliver(message.pk, now=MONDAY)
    assert not deliver(message.pk, now=MONDAY)
    assert deliver_due(now=MONDAY + timedelta(days=1)) == 0
    assert len(postbox.mails) == 1


def test_a_refusal_is_retried_with_growing_waits_and_fails_after_eight_attempts(case, postbox):
    postbox.answer = "451 try again later"
    message, now, waits = queue(case), MONDAY, []
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert not deliver(message.pk, now=now)
        kept = reread(message)
        assert (kept.attempts, kept.state) == (
            attempt,
            Message.State.FAILED if attempt == MOST_ATTEMPTS else Message.State.QUEUED,
        )
        assert "451" in kept.error
        waits.append(kept.try_at - now)
        assert not deliver(message.pk, now=kept.try_at - timedelta(seconds=1))  # not before its time
        now = kept.try_at
    assert waits == sorted(waits)
    assert waits[0] == timedelta(minutes=1)
    assert waits[-1] == timedelta(hours=1)
    assert postbox.seen == MOST_ATTEMPTS
    assert deliver_due(now=now + timedelta(days=1)) == 0


def test_a_failed_message_can_be_tried_again_and_then_arrives(case, postbox):
    message = queue(case)
    Message.objects.filter(pk=message.pk).update(state=Message.State.FAILED, attempts=MOST_ATTEMPTS, error="gone")
    retry_failed(message.pk, at=MONDAY)
    assert deliver(message.pk, now=MONDAY)
    assert (reread(message).state, reread(message).error) == (Message.State.SENT, "")
    with pytest.raises(Message.DoesNotExist):
        retry_failed(message.pk, at=MONDAY)


def test_what_is_withdrawn_while_the_provider_refuses_it_stays_withdrawn(case, monkeypatch):
    """Lesson 36: a visit that moves at that very moment must not be spoken of by the next attempt."""
    message, now = queue(case), MONDAY

    def refused(_message):
        assert withdraw(case, [message.template]) == 1
        raise OSError("451 try again later")

    monkeypatch.setattr(outbox, "_send", refused)
    assert not deliver(message.pk, now=now)
    monkeypatch.undo()
    assert reread(message).state == Message.State.CANCELLED
    assert deliver_due(now=now + timedelta(days=1)) == 0


def test_what_has_failed_is_withdrawn_too_and_cannot_be_tried_again(case):
    message, other = queue(case), queue(case, "other")
    Message.objects.filter(pk=message.pk).update(state=Message.State.FAILED)
    assert withdraw(case, ["another"]) == 0
    assert withdraw(case, [message.template]) == 2
    assert reread(other).state == Message.State.CANCELLED
    with pytest.raises(Message.DoesNotExist):
        retry_failed(message.pk, at=MONDAY)


def test_lesson_39_the_words_of_an_internal_note_leave_by_no_message(case, postbox):
    """Whatever queued it: the note is looked at again where the message is made."""
    agent = builders.person()
    conversation.add_internal_note(ticket_id=case.pk, body="He shouts a lot.", by=agent, at=MONDAY)
    conversation.reply_to_customer(ticket_id=case.pk, body="We are on it.", by=agent, at=MONDAY)
    replied = Message.objects.get(template="ticket_reply")
    inside, others = case.notes.get(visibility="internal"), builders.ticket(agent, customer=None)
    for number, note in enumerate((inside.pk, others.notes.create(**PUBLIC).pk, 10**9)):
        wrong = queue(case, key=f"wrong-{number}", **{**replied.context, "note": note})
        assert not deliver(wrong.pk, now=MONDAY)
        assert "may not read" in reread(wrong).error
    assert postbox.mails == []
    assert deliver(replied.pk, now=MONDAY)
    assert "We are on it." in postbox.mails[0][1].get_content()


def test_a_server_that_is_down_harms_no_other_message(case, postbox, settings):
    first, second = queue(case, "k1"), queue(case, "k2")
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1  # nobody listens there
    assert deliver_due(now=MONDAY) == 0
    assert "refused" in reread(first).error.lower()
    settings.EMAIL_PORT = port
    assert deliver_due(now=MONDAY + timedelta(minutes=2)) == 2
    assert {reread(first).state, reread(second).state} == {Message.State.SENT}


def test_a_worker_killed_between_claim_and_delivery_loses_nothing(case, postbox, monkeypatch):
    message = queue(case)

    class Killed(BaseException):
        pass

    def die(*_args, **_options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("notifications.services._send", die)
        with pytest.raises(Killed):
            deliver(message.pk, now=MONDAY)
    assert not deliver(message.pk, now=MONDAY + CLAIM - timedelta(seconds=1))  # still claimed
    assert deliver(message.pk, now=MONDAY + CLAIM)
    assert len(postbox.mails) == 1


def test_an_accepted_completion_notice_keeps_the_promise_of_that_notice(case, postbox):
    agent = case.first_contact
    services.take_ticket(ticket_id=case.pk, by=agent, at=MONDAY)
    ending.resolve_ticket(
        ticket_id=case.pk, resolution="new splitter", verified="test", by=agent, at=MONDAY + timedelta(hours=1)
    )
    assert deliver_due(now=MONDAY + timedelta(hours=2)) == 1
    promise = Deadline.objects.get(case=case, promise="completion_notice")
    assert (promise.stopped_at, promise.verdict(MONDAY + timedelta(days=9))) == (
        MONDAY + timedelta(hours=2),
        Verdict.MET,
    )


# --- queueing --------------------------------------------------------------------------------------------------------


def test_the_same_key_is_one_message(case):
    assert queue(case).pk == queue(case).pk
    assert Message.objects.count() == 1


def test_a_change_that_is_rolled_back_says_nothing(case):
    class Undo(Exception):
        pass

    with contextlib.suppress(Undo), transaction.atomic():
        queue(case)
        raise Undo
    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_costs_the_request_nothing_and_the_sweep_delivers(case, postbox, monkeypatch, caplog):
    def down(*_args, **_options):
        raise OSError("connection refused")

    monkeypatch.setattr(tasks.deliver, "apply_async", down)
    message = queue(case)
    assert "the sweep will deliver it" in caplog.text
    with clock.simulated(MONDAY):
        tasks.deliver_due()
    assert reread(message).state == Message.State.SENT


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_asked_after_the_commit_and_with_the_key_alone(case, monkeypatch):
    asked = []
    monkeypatch.setattr(tasks.deliver, "apply_async", lambda arguments, **_options: asked.append(arguments))
    with transaction.atomic():
        message = queue(case)
        assert asked == []
    assert asked == [[message.pk]]


def test_the_preferred_channel_is_used_where_something_carries_it(settings):
    settings.NOTIFICATION_ADAPTERS = {
        "email": "notifications.adapters.smtp",
        "sms": "notifications.adapters.development",
    }
    both = builders.customer(email="a@example.com", preferred_channel="email")
    assert address_of(both) == ("email", "a@example.com")
    both.preferred_channel = "sms"
    assert address_of(both) == ("sms", "+8613812345678")
    settings.NOTIFICATION_ADAPTERS = {
        "email": "notifications.adapters.smtp",
        "sms": "notifications.adapters.none",
    }
    assert address_of(both) == ("email", "a@example.com")
    assert address_of(builders.customer(name="No mail")) is None


def test_a_customer_whom_nothing_reaches_gets_no_message(case, settings):
    settings.NOTIFICATION_ADAPTERS = {"email": "notifications.adapters.none", "sms": "notifications.adapters.none"}
    assert queue(case) is None
    assert not Message.objects.exists()


def test_the_recipient_is_not_readable_in_the_database(case):
    queue(case)
    with connection.cursor() as cursor:
        cursor.execute("SELECT recipient FROM notifications_message")
        assert "daniel" not in cursor.fetchone()[0]


# --- templates -------------------------------------------------------------------------------------------------------


def holes(text):
    return set(re.findall(r"\{(\w+)(?::\.)?\}", text))


def test_every_template_says_the_same_in_both_languages():
    for name in templates.names():
        texts = {language: templates._all()[name][language] for language in ("zh", "en")}
        assert set(templates._all()[name]) <= {"zh", "en", "quiet", "secret"}, name
        assert texts["zh"].keys() == texts["en"].keys(), name
        for part in texts["en"]:
            assert texts["zh"][part].strip(), name
            assert holes(texts["zh"][part]) == holes(texts["en"][part]), (name, part)
            assert not re.search(r"[\u3400-\u9fff]", texts["en"][part]), (name, part)
            own_words = re.sub(r"\{[^}]+\}", "", texts["zh"][part])
            assert re.search(r"[\u3400-\u9fff]", own_words) or not re.search(r"\w", own_words), (name, part)
        assert {"subject", "body"} <= texts["en"].keys()


def test_every_template_that_is_sent_exists_and_every_one_that_exists_is_sent():
    sent = set()
    for path in ROOT.glob("*/**/*.py"):
        if path.relative_to(ROOT).parts[0] not in {"tests", ".venv", "var"}:
            code = path.read_text()
            sent |= set(re.findall(r"(?:notify|send_to|Answer)\(\s*\"(\w+)\"", code))
            for choice in re.findall(r"[. ]tell\(\s*appointment,([^)]*?)at=|return (\"visit_.*\")\n", code):
                sent |= set(re.findall(r"\"(\w+)\"", "".join(choice)))
    assert sent == set(templates.names())


def test_braces_in_a_reply_are_text_not_placeholders(case):
    message = queue(case, text="set {ssid} to {0}")
    _subject, body = templates.render(message.template, "en", message.context)
    assert "set {ssid} to {0}" in body


# --- what staff read -------------------------------------------------------------------------------------------------


def test_reading_notices(case):
    reader, other = builders.person("lead"), builders.person("lead")
    for person in (reader, other):
        for number in range(3):
            notice(person, template="pause_ended", case=case, context={}, key=f"{person.pk}-{number}", at=MONDAY).save()
    newest = unread(reader).first()
    assert mark_read(reader, [newest.pk], at=MONDAY) == 1
    assert mark_read(reader, [newest.pk, unread(other).first().pk], at=MONDAY) == 0
    assert mark_read(reader, at=MONDAY) == 2
    assert (unread(reader).count(), unread(other).count()) == (0, 3)
