"""A message to an address that belongs to no case. Stands in for `notifications.services.send_to` and goes when that
is merged: replace the imports of this module by it, and delete this file."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from cases.models import Case
from notifications import services
from notifications.models import Message


def send_to(
    template: str, *, channel: str, recipient: str, language: str, key: str, at: datetime, context: dict[str, Any],
    case: Case | None = None,
) -> Message:  # fmt: skip
    """Queue a message to an address; idempotent by `key`."""
    message, created = Message.objects.get_or_create(
        key=key,
        defaults={
            "channel": channel,
            "recipient": recipient,
            "template": template,
            "language": language,
            "context": context,
            "case": case,
            "try_at": at,
            "created_at": at,
        },
    )
    if created:
        transaction.on_commit(lambda: services._kick(message.pk), robust=True)
    return message
