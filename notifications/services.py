"""Queueing and delivering what we say. A row first, then the commit, then the world (house-style.md §8)."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from cases.models import Case, Note
from cases.querysets import locks_rows
from common import clock
from common.errors import DomainError, InvalidInput
from common.given import choice
from customers.lookup import normal_phone
from customers.models import Customer

from . import quiet, signals, templates
from .adapters import TryLater
from .models import Message

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 8
CLAIM = timedelta(minutes=5)
# For how long a provider that is busy may put a message off before that counts as failing.
PATIENCE = timedelta(days=1)
# What stands where a secret was.
GONE = "••••••"


def notice(
    person: Any, *, template: str, case: Case | None, context: dict[str, Any], key: str, at: datetime
) -> Message:
    """An unsaved in-app notice; it is delivered by being written. `case` is what it is about, if it is one."""
    return Message(
        channel=Message.Channel.IN_APP,
        person=person,
        template=template,
        language=person.language or settings.LANGUAGE_CODE,
        context=context,
        key=key,
        case_id=case.pk if case else None,
        state=Message.State.SENT,
        try_at=at,
        created_at=at,
        sent_at=at,
    )


def carried(channel: str) -> bool:
    """Whether something carries messages of this channel."""
    return settings.NOTIFICATION_ADAPTERS.get(channel, "none").rpartition(".")[2] != "none"


def address_of(customer: Customer, *, channel: str = "") -> tuple[str, str] | None:
    """Channel and address for a written message to a customer: what the customer prefers, else what there is.

    `channel` ("sms" or "email") allows no other. None when nothing reaches the customer.
    """
    choices = {"email": customer.email, "sms": customer.phone}
    order = ["email", "sms"] if customer.preferred_channel == Customer.Channel.EMAIL else ["sms", "email"]
    for name in [channel] if channel else order:
        contact = choices[name]
        if contact and carried(name):
            return name, contact.value
    return None


def notify(
    template: str,
    *,
    case: Case,
    key: str,
    at: datetime,
    context: dict[str, Any] | None = None,
    channel: str = "",
    calendar: str = "",
    valid_until: datetime | None = None,
) -> Message | None:
    """Queue a message to the case's customer in the customer's language; None when no channel reaches the customer.

    Idempotent by `key`. Delivery starts after commit and is swept up by beat if that is lost. `channel` as in
    `address_of`, the rest as in `send_to`.
    """
    customer = case.customer
    reach = address_of(customer, channel=channel) if customer else None
    if customer is None or reach is None:
        return None
    return _queue(
        template,
        reach=reach,
        language=customer.language,
        key=key,
        at=at,
        context=context,
        case=case,
        calendar=calendar,
        valid_until=valid_until,
    )


def send_to(
    template: str,
    *,
    channel: str,
    recipient: str,
    language: str,
    key: str,
    at: datetime,
    context: dict[str, Any] | None = None,
    case: Case | None = None,
    calendar: str = "",
    valid_until: datetime | None = None,
) -> Message:
    """Queue a message to a telephone number or mail address that need not be a customer's; return its row.

    Idempotent by `key`. `calendar` is an iCalendar file, which e-mail carries. At `valid_until` a message not yet sent
    is cancelled. Raises InvalidInput for a `recipient` that is none, DomainError where nothing carries the channel.
    """
    choice(channel, (Message.Channel.SMS, Message.Channel.EMAIL), "channel")
    if channel == Message.Channel.SMS:
        recipient = normal_phone(recipient, field="recipient")
    elif "@" not in recipient:
        raise InvalidInput(_("This is not a mail address."), field="recipient")
    if not carried(channel):
        raise DomainError(_("No messages leave by %(channel)s here.") % {"channel": Message.Channel(channel).label})
    return _queue(
        template,
        reach=(channel, recipient),
        language=language,
        key=key,
        at=at,
        context=context,
        case=case,
        calendar=calendar,
        valid_until=valid_until,
    )


def _queue(
    template: str,
    *,
    reach: tuple[str, str],
    language: str,
    key: str,
    at: datetime,
    context: dict[str, Any] | None,
    case: Case | None,
    calendar: str,
    valid_until: datetime | None,
) -> Message:
    channel, recipient = reach
    facts = {"number": case.number, **(context or {})} if case else dict(context or {})
    secret = {name: facts.pop(name) for name in templates.secrets_of(template)}
    try_at = quiet.next_open(at) if templates.is_quiet(template) else at
    message, created = Message.objects.get_or_create(
        key=key,
        defaults={
            "channel": channel,
            "recipient": recipient,
            "template": template,
            "language": language,
            "context": facts,
            "secret": json.dumps(secret) if secret else "",
            "calendar": calendar,
            "case_id": case.pk if case else None,
            "valid_until": valid_until,
            "try_at": try_at,
            "created_at": at,
        },
    )
    if created and try_at == at:
        transaction.on_commit(lambda: _kick(message.pk), robust=True)
    return message


def text_of(message: Message) -> tuple[str, str]:
    """Subject and text as the recipient reads them; a secret that is gone shows as dots.

    Raises KeyError for a template that is gone or a value that is missing.
    """
    facts = {**dict.fromkeys(templates.secrets_of(message.template), GONE), **message.context}
    facts |= json.loads(message.secret or "{}")
    with translation.override(message.language):
        subject, body = templates.render(message.template, message.language, facts)
        if message.channel == Message.Channel.SMS:
            body = templates.render_sms(message.template, message.language, facts)
    return subject, body


def _kick(message_id: int) -> None:
    """Ask a worker to deliver at once. A broker that is down costs seconds, never the message: beat sweeps."""
    from .tasks import deliver

    try:
        deliver.apply_async([message_id], retry=False, expires=60)
    except Exception:
        log.warning("the broker did not take message %s; the sweep will deliver it", message_id)


def deliver(message_id: int, *, now: datetime | None = None) -> bool:
    """Deliver one queued message; return whether a provider accepted it. Runs twice without harm."""
    simulated, now = now, now or clock.now()
    with transaction.atomic():
        message = (
            Message.objects.filter(pk=message_id, state=Message.State.QUEUED, try_at__lte=now)
            .select_for_update(skip_locked=locks_rows())
            .first()
        )
        if message is None or _pointless(message, now=now) or _held(message, now=now):
            return False
        # The claim: whoever comes next within these minutes leaves the message alone; a killed worker's is retried.
        message.try_at = now + CLAIM
        message.attempts += 1
        message.save(update_fields=["try_at", "attempts"])
    try:
        # A provider's word that could not be recorded last time stands: the customer does not get the message again.
        if not message.provider_id:
            message.provider_id, message.sent_at = _send(message)[:200], simulated or clock.now()
            message.receipt_id = message.provider_id.rpartition(" ")[2][:65]
        _accepted(message, at=message.sent_at or now)
    except Exception as problem:
        _failed(message, problem, now=now)
        return False
    return True


def _pointless(message: Message, *, now: datetime) -> bool:
    """Cancel what comes too late to be of use, such as a code that has expired."""
    if message.valid_until is None or now < message.valid_until or message.provider_id:
        return False
    message.state, message.secret = Message.State.CANCELLED, ""
    message.save(update_fields=["state", "secret"])
    return True


def _held(message: Message, *, now: datetime) -> bool:
    """Put off what quiet hours hold; a retry may fall into them too."""
    if not templates.is_quiet(message.template) or message.provider_id or quiet.next_open(now) == now:
        return False
    message.try_at = quiet.next_open(now)
    message.save(update_fields=["try_at"])
    return True


def _send(message: Message) -> str:
    adapter = importlib.import_module(settings.NOTIFICATION_ADAPTERS[message.channel])
    if templates.secrets_of(message.template) and not message.secret:
        raise RuntimeError("what it said was secret and is gone; a new one must be made")
    _require_public(message)
    subject, body = text_of(message)
    return str(adapter.send(message, subject=subject, body=body))


def _require_public(message: Message) -> None:
    """Whoever wrote the row: a note's words leave only if the note is this customer's to read (architecture.md §5)."""
    note = message.context.get("note")
    if note is None:
        return
    public = Note.objects.filter(pk=note, case_id=message.case_id or 0, visibility=Note.Visibility.PUBLIC)
    if not public.exists():
        raise RuntimeError("it carries a note that this customer may not read")


def _failed(message: Message, problem: Exception, *, now: datetime) -> None:
    log.warning("message %s was not accepted: %s", message.pk, type(problem).__name__)
    # Mail servers repeat the address they refuse; it is protected data and `error` is not.
    words = f"{type(problem).__name__}: {problem}"
    message.error = (words.replace(message.recipient, "***") if message.recipient else words)[:2000]
    wait = min(timedelta(seconds=30 * 2**message.attempts), timedelta(hours=1))
    if isinstance(problem, TryLater) and now < message.created_at + PATIENCE:
        message.attempts -= 1
        wait = timedelta(seconds=problem.seconds)
    message.try_at = now + wait
    message.save(update_fields=["error", "try_at", "attempts", "provider_id", "receipt_id", "sent_at"])
    if message.attempts >= MOST_ATTEMPTS:
        # Only what still waits: one that was withdrawn while the provider had it stays withdrawn.
        Message.objects.filter(pk=message.pk, state=Message.State.QUEUED).update(state=Message.State.FAILED)


def _accepted(message: Message, *, at: datetime) -> None:
    """Keep the provider's word as proof and announce it; lock order: the case first, then the message."""
    with transaction.atomic():
        case = Case.objects.locked(message.case_id) if message.case_id else None
        message.state, message.sent_at, message.error = Message.State.SENT, at, ""
        message.secret = message.secret if _read_here(message) else ""
        message.save(update_fields=["state", "sent_at", "provider_id", "receipt_id", "error", "secret"])
        if case is not None:
            signals.message_accepted.send(sender=Message, message=message, case=case, at=at)


def _read_here(message: Message) -> bool:
    """Whether /dev/outbox/ is where the recipient reads it: then a secret must still be there."""
    development = settings.NOTIFICATION_ADAPTERS[message.channel].endswith(".development")
    return development and (settings.DEMO or settings.DEBUG)


def deliver_due(*, now: datetime | None = None, limit: int = 500) -> int:
    """Deliver whatever waits, oldest first; return how many were accepted.

    Each delivery reads the clock for itself: a slow provider must not make the later claims old before they begin.
    """
    until = now or clock.now()
    waiting = Message.objects.filter(state=Message.State.QUEUED, try_at__lte=until).order_by("try_at", "pk")
    return sum(deliver(pk, now=now) for pk in list(waiting.values_list("pk", flat=True)[:limit]))


def withdraw(case: Case, of: Iterable[str]) -> int:
    """Cancel a case's messages of these templates that have not left, and return how many.

    Those that failed are among them, or somebody could send them on their way after all (`retry_failed`).
    """
    unsent = Message.objects.filter(case_id=case.pk, template__in=list(of))
    return unsent.filter(state__in=[Message.State.QUEUED, Message.State.FAILED]).update(state=Message.State.CANCELLED)


def retry_failed(message_id: int, *, at: datetime) -> Message:
    """Queue a failed message again, at once."""
    message = Message.objects.get(pk=message_id, state=Message.State.FAILED)
    message.state, message.attempts, message.try_at = Message.State.QUEUED, 0, at
    message.save(update_fields=["state", "attempts", "try_at"])
    transaction.on_commit(lambda: _kick(message.pk), robust=True)
    return message
