"""Queueing and delivering what we say. A row first, then the commit, then the world (house-style.md §8)."""

from __future__ import annotations

import importlib
import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import translation

from cases.models import Case
from cases.querysets import locks_rows
from common import clock
from customers.models import Customer

from . import signals, templates
from .models import Message

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 8
CLAIM = timedelta(minutes=5)


def notice(person: Any, *, template: str, case: Case, context: dict[str, Any], key: str, at: datetime) -> Message:
    """An unsaved in-app notice; it is delivered by being written."""
    return Message(
        channel=Message.Channel.IN_APP,
        person=person,
        template=template,
        language=person.language or settings.LANGUAGE_CODE,
        context=context,
        key=key,
        case_id=case.pk,
        state=Message.State.SENT,
        try_at=at,
        created_at=at,
        sent_at=at,
    )


def address_of(customer: Customer) -> tuple[str, str] | None:
    """Channel and address for a written message to a customer: what the customer prefers, else what there is."""
    choices = {"email": customer.email, "sms": customer.phone}
    order = ["email", "sms"] if customer.preferred_channel == Customer.Channel.EMAIL else ["sms", "email"]
    for channel in order:
        contact = choices[channel]
        if contact and settings.NOTIFICATION_ADAPTERS.get(channel, "").rpartition(".")[2] != "none":
            return channel, contact.value
    return None


def notify(
    template: str,
    *,
    case: Case,
    key: str,
    at: datetime,
    context: dict[str, Any] | None = None,
) -> Message | None:
    """Queue a message to the case's customer in the customer's language; None when no channel reaches the customer.

    Idempotent by `key`. Delivery starts after commit and is swept up by beat if that is lost.
    """
    customer = case.customer
    reach = address_of(customer) if customer else None
    if customer is None or reach is None:
        return None
    channel, recipient = reach
    message, created = Message.objects.get_or_create(
        key=key,
        defaults={
            "channel": channel,
            "recipient": recipient,
            "template": template,
            "language": customer.language,
            "context": {"number": case.number, **(context or {})},
            "case_id": case.pk,
            "try_at": at,
            "created_at": at,
        },
    )
    if created:
        transaction.on_commit(lambda: _kick(message.pk), robust=True)
    return message


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
        if message is None:
            return False
        # The claim: whoever comes next within these minutes leaves the message alone; a killed worker's is retried.
        message.try_at = now + CLAIM
        message.attempts += 1
        message.save(update_fields=["try_at", "attempts"])
    try:
        # A provider's word that could not be recorded last time stands: the customer does not get the message again.
        if not message.provider_id:
            message.provider_id, message.sent_at = _send(message)[:200], simulated or clock.now()
        _accepted(message, at=message.sent_at or now)
    except Exception as problem:
        _failed(message, problem, now=now)
        return False
    return True


def _send(message: Message) -> str:
    adapter = importlib.import_module(settings.NOTIFICATION_ADAPTERS[message.channel])
    with translation.override(message.language):
        subject, body = templates.render(message.template, message.language, message.context)
    return str(adapter.send(message, subject=subject, body=body))


def _failed(message: Message, problem: Exception, *, now: datetime) -> None:
    log.warning("message %s was not accepted: %s", message.pk, type(problem).__name__)
    # Mail servers repeat the address they refuse; it is protected data and `error` is not.
    words = f"{type(problem).__name__}: {problem}"
    message.error = (words.replace(message.recipient, "***") if message.recipient else words)[:2000]
    message.try_at = now + min(timedelta(seconds=30 * 2**message.attempts), timedelta(hours=1))
    message.state = Message.State.FAILED if message.attempts >= MOST_ATTEMPTS else Message.State.QUEUED
    message.save(update_fields=["error", "try_at", "state", "provider_id", "sent_at"])


def _accepted(message: Message, *, at: datetime) -> None:
    """Keep the provider's word as proof and announce it; lock order: the case first, then the message."""
    with transaction.atomic():
        case = Case.objects.locked(message.case_id) if message.case_id else None
        message.state, message.sent_at, message.error = Message.State.SENT, at, ""
        message.save(update_fields=["state", "sent_at", "provider_id", "error"])
        if case is not None:
            signals.message_accepted.send(sender=Message, message=message, case=case, at=at)


def deliver_due(*, now: datetime | None = None, limit: int = 500) -> int:
    """Deliver whatever waits, oldest first; return how many were accepted.

    Each delivery reads the clock for itself: a slow provider must not make the later claims old before they begin.
    """
    until = now or clock.now()
    waiting = Message.objects.filter(state=Message.State.QUEUED, try_at__lte=until).order_by("try_at", "pk")
    return sum(deliver(pk, now=now) for pk in list(waiting.values_list("pk", flat=True)[:limit]))


def retry_failed(message_id: int, *, at: datetime) -> Message:
    """Queue a failed message again, at once."""
    message = Message.objects.get(pk=message_id, state=Message.State.FAILED)
    message.state, message.attempts, message.try_at = Message.State.QUEUED, 0, at
    message.save(update_fields=["state", "attempts", "try_at"])
    transaction.on_commit(lambda: _kick(message.pk), robust=True)
    return message
