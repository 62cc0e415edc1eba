"""What a message may carry and when it may go: any address, secrets, a calendar file, quiet hours, an end of use."""

from __future__ import annotations

import email
import email.policy
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import translation
from icalendar import Calendar

from common.errors import DomainError, InvalidInput
from notifications import quiet, tasks, templates
from notifications.adapters import smtp
from notifications.models import Message
from notifications.services import GONE, deliver, deliver_due, notify, retry_failed, send_to, text_of
from tests import builders
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db

CODE = {
    "secret": ["code"],
    "zh": {"subject": "验证码", "body": "您的验证码是 {code}，{minutes} 分钟内有效。"},
    "en": {"subject": "Your code", "body": "Your code is {code}. It is good for {minutes} minutes."},
}
REMINDER = {"quiet": True, "zh": {"subject": "提醒", "body": "提醒"}, "en": {"subject": "Reminder", "body": "Reminder"}}


class Sent(list):
    """An adapter that keeps what it is given; `problem` is raised instead."""

    problem: Exception | None = None

    def send(self, message, *, subject, body):
        if self.problem:
            raise self.problem
        self.append((message.recipient, subject, body))
        return f"provider-{len(self)}"


@pytest.fixture
def sent(settings, monkeypatch):
    monkeypatch.setattr(templates, "_all", lambda: {"code": CODE, "reminder": REMINDER})
    settings.NOTIFICATION_ADAPTERS = {"sms": "recorded", "email": "recorded"}
    box = Sent()
    monkeypatch.setitem(sys.modules, "recorded", box)
    settings.DEMO = settings.DEBUG = False
    return box


def send(template="code", *, at=MONDAY, key="k1", **options):
    options.setdefault("context", {"code": "482913", "minutes": 5})
    return send_to(
        template, channel="sms", recipient="138 1234 5678", language=options.pop("language", "en"), key=key, at=at,
        **options,
    )  # fmt: skip


def reread(message):
    return Message.objects.get(pk=message.pk)


def stored(message):
    """The row as the database holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM notifications_message WHERE id = %s", [message.pk])
        return " ".join(map(str, cursor.fetchone()))


# --- to whom ----------------------------------------------------------------------------------------------------------


def test_a_number_that_belongs_to_no_case_and_no_customer_gets_a_message(sent):
    message = send()
    assert (message.channel, message.recipient, message.case_id) == ("sms", "+8613812345678", None)
    assert deliver(message.pk, now=MONDAY)
    assert sent == [("+8613812345678", "Your code", "Your code is 482913. It is good for 5 minutes.")]


def test_the_same_key_is_one_message(sent):
    assert send().pk == send().pk
    assert Message.objects.count() == 1


def test_the_language_is_the_one_asked_for(sent):
    deliver(send(language="zh-hans").pk, now=MONDAY)
    assert sent[0][2] == "您的验证码是 482913，5 分钟内有效。"


@pytest.mark.parametrize(
    ("channel", "recipient", "field"),
    [("sms", "1381234", "recipient"), ("sms", "call me", "recipient"), ("email", "nobody", "recipient"),
     ("in_app", "13812345678", "channel"), ("post", "x", "channel")],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_and_named(sent, channel, recipient, field):
    with pytest.raises(InvalidInput) as refusal:
        send_to("code", channel=channel, recipient=recipient, language="en", key="k", at=MONDAY, context={"code": "1"})
    assert refusal.value.field == field
    assert not Message.objects.exists()


def test_a_channel_that_nothing_carries_is_refused(sent, settings):
    settings.NOTIFICATION_ADAPTERS = {"sms": "notifications.adapters.none"}
    with translation.override("en"), pytest.raises(DomainError, match="No messages leave by SMS"):
        send()
    assert not Message.objects.exists()


def test_a_case_lends_its_number_and_one_channel_can_be_asked_for(settings):
    builders.house()
    customer = builders.customer(email="li@example.com", preferred_channel="email")
    case = builders.ticket(builders.person("agent"), customer=customer, channel="phone")

    def queued(channel, key):
        return notify("ticket_reply", case=case, key=key, at=MONDAY, context={"text": "x"}, channel=channel)

    assert [queued(channel, channel or "any").channel for channel in ("", "sms", "email")] == ["email", "sms", "email"]
    message = send_to(
        "ticket_reply", channel="sms", recipient="13900001111", language="en", key="k", at=MONDAY,
        context={"text": "x"}, case=case,
    )  # fmt: skip
    assert message.context["number"] == case.number
    settings.NOTIFICATION_ADAPTERS = {**settings.NOTIFICATION_ADAPTERS, "sms": "notifications.adapters.none"}
    assert queued("sms", "none") is None


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_a_code_is_never_readable_in_the_database_and_gone_once_accepted(sent):
    message = send()
    assert "482913" not in stored(message)
    assert message.context == {"minutes": 5}
    assert text_of(reread(message))[1].startswith("Your code is 482913.")
    deliver(message.pk, now=MONDAY)
    assert reread(message).secret == ""
    assert text_of(reread(message))[1].startswith(f"Your code is {GONE}.")


def test_a_code_is_kept_while_it_waits_for_another_attempt(sent):
    message, sent.problem = send(), OSError("no route")
    assert not deliver(message.pk, now=MONDAY)
    sent.problem = None
    assert deliver(message.pk, now=reread(message).try_at)
    assert "482913" in sent[0][2]


def test_dots_are_never_sent_instead_of_a_code(sent):
    message = send()
    Message.objects.filter(pk=message.pk).update(state=Message.State.FAILED, secret="")
    retry_failed(message.pk, at=MONDAY)
    assert not deliver(message.pk, now=MONDAY)
    assert "gone" in reread(message).error
    assert sent == []


def test_where_the_outbox_page_is_the_telephone_the_code_can_be_read_there(sent, settings):
    settings.NOTIFICATION_ADAPTERS = {"sms": "notifications.adapters.development"}
    settings.DEMO = True
    message = send()
    deliver(message.pk, now=MONDAY)
    assert "482913" in text_of(reread(message))[1]
    settings.DEMO = False
    other = send(key="k2")
    deliver(other.pk, now=MONDAY)
    assert GONE in text_of(reread(other))[1]


def test_the_secret_is_asked_for_by_name(sent):
    with pytest.raises(KeyError, match="code"):
        send(context={"minutes": 5})
    assert not Message.objects.exists()


# --- until when -------------------------------------------------------------------------------------------------------


def test_what_comes_too_late_is_cancelled_and_its_secret_wiped(sent):
    message = send(valid_until=MONDAY + timedelta(minutes=5))
    sent.problem = OSError("no route")
    assert not deliver(message.pk, now=MONDAY)
    sent.problem = None
    assert deliver_due(now=MONDAY + timedelta(minutes=5)) == 0
    kept = reread(message)
    assert (kept.state, kept.secret, sent) == (Message.State.CANCELLED, "", [])


def test_until_then_it_goes(sent):
    message = send(valid_until=MONDAY + timedelta(minutes=5))
    assert deliver(message.pk, now=MONDAY + timedelta(minutes=5) - timedelta(microseconds=1))


# --- quiet hours ------------------------------------------------------------------------------------------------------


def shanghai(day, hour, minute=0, second=0):
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC) - timedelta(hours=8)


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        (shanghai(2, 8), shanghai(2, 8)),
        (shanghai(2, 20, 59, 59), shanghai(2, 20, 59, 59)),
        (shanghai(2, 21), shanghai(3, 8)),
        (shanghai(2, 23, 59), shanghai(3, 8)),
        (shanghai(3, 0), shanghai(3, 8)),
        (shanghai(3, 7, 59, 59), shanghai(3, 8)),
    ],
)
def test_nobody_is_disturbed_from_nine_in_the_evening_to_eight_in_the_morning(at, opens):
    assert quiet.next_open(at) == opens


def test_the_morning_comes_by_the_local_clock_also_when_it_is_changed(settings):
    settings.TIME_ZONE = "Europe/Berlin"  # summer time begins in the night to March 29, 2026
    assert quiet.next_open(datetime(2026, 3, 28, 21, tzinfo=UTC)) == datetime(2026, 3, 29, 6, tzinfo=UTC)
    assert quiet.next_open(datetime(2026, 3, 27, 21, tzinfo=UTC)) == datetime(2026, 3, 28, 7, tzinfo=UTC)


def test_a_reminder_waits_for_the_morning_and_a_code_does_not(sent, monkeypatch):
    night = shanghai(2, 22)
    reminder, code = send("reminder", at=night, context={}), send(at=night, key="k2")
    assert (reminder.try_at, code.try_at) == (shanghai(3, 8), night)
    assert deliver_due(now=night) == 1
    assert deliver_due(now=shanghai(3, 7, 59)) == 0
    assert deliver_due(now=shanghai(3, 8)) == 1
    assert [subject for _to, subject, _body in sent] == ["Your code", "Reminder"]


def test_a_retry_that_falls_into_the_night_waits_too(sent):
    evening = shanghai(2, 20, 59)
    message, sent.problem = send("reminder", at=evening, context={}), OSError("no route")
    assert not deliver(message.pk, now=evening)
    sent.problem = None
    assert not deliver(message.pk, now=shanghai(2, 21, 30))
    kept = reread(message)
    assert (kept.try_at, kept.attempts) == (shanghai(3, 8), 1)
    assert deliver(message.pk, now=shanghai(3, 8))


def test_the_shipped_reminder_is_quiet_and_answers_are_not():
    assert templates.is_quiet("ticket_reminder")
    assert not any(map(templates.is_quiet, ("ticket_received", "ticket_reply", "ticket_resolved")))


@pytest.mark.django_db(transaction=True)
def test_no_worker_is_asked_for_what_is_held(sent, monkeypatch):
    asked = []
    monkeypatch.setattr(tasks.deliver, "apply_async", lambda arguments, **_options: asked.append(arguments))
    send("reminder", at=shanghai(2, 22), context={})
    assert asked == []
    message = send("reminder", at=shanghai(3, 9), context={}, key="k2")
    assert asked == [[message.pk]]


# --- a calendar file --------------------------------------------------------------------------------------------------

ICS = "\r\n".join(
    [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//service center//EN", "METHOD:REQUEST", "BEGIN:VEVENT",
        "UID:A-0000-0017@service", "SEQUENCE:1", "DTSTAMP:20260302T010000Z", "DTSTART:20260303T010000Z",
        "DTEND:20260303T030000Z", "SUMMARY:上门安装", "LOCATION:人民路 12 号", "END:VEVENT", "END:VCALENDAR", "",
    ]
)  # fmt: skip


class Mailbox(list):
    def send_messages(self, mails):
        self.extend(email.message_from_bytes(mail.message().as_bytes(), policy=email.policy.default) for mail in mails)
        return len(mails)


def test_a_mail_carries_the_appointment_as_a_calendar_takes_it(sent, monkeypatch):
    box = Mailbox()
    monkeypatch.setattr("django.core.mail.message.EmailMessage.get_connection", lambda *_args, **_options: box)
    message = send_to(
        "reminder", channel="email", recipient="li@example.com", language="en", key="k", at=MONDAY, calendar=ICS
    )
    assert "人民路" not in stored(message)
    smtp.send(reread(message), subject="Visit", body="We come on Tuesday.")
    (mail,) = box
    (part,) = mail.iter_attachments()
    assert part.get_content_type() == "text/calendar"
    assert part.get_param("method") == "REQUEST"
    assert part.get_filename() == "appointment.ics"
    assert part.get_payload(decode=True).decode() == ICS
    (event,) = Calendar.from_ical(part.get_payload(decode=True)).events
    assert event["LOCATION"] == "人民路 12 号"
    assert mail.get_body().get_content().strip() == "We come on Tuesday."


def test_a_mail_without_one_has_no_attachment_and_an_sms_ignores_it(sent, monkeypatch):
    box = Mailbox()
    monkeypatch.setattr("django.core.mail.message.EmailMessage.get_connection", lambda *_args, **_options: box)
    plain = send_to("reminder", channel="email", recipient="li@example.com", language="en", key="k", at=MONDAY)
    smtp.send(plain, subject="Visit", body="We come on Tuesday.")
    assert not box[0].is_multipart()
    assert deliver(send("reminder", context={}, calendar=ICS).pk, now=MONDAY)
    assert sent[0][1:] == ("Reminder", "Reminder")
