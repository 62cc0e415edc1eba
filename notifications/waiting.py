"""Text messages that nothing understood, or that were too many to be read: a person reads them and decides what becomes
of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import clock
from common.errors import DomainError
from staff.models import User

from .models import InboundMessage


def waiting() -> Any:
    """Those nobody has dealt with, the oldest first."""
    return InboundMessage.objects.filter(outcome=InboundMessage.Outcome.WAITING).order_by("pk")


def stopped() -> Any:
    """Those beyond the limit of their sender (SMS_INBOUND_PER_HOUR), which nobody has dealt with, the oldest first."""
    return InboundMessage.objects.filter(outcome__in=InboundMessage.STOPPED, dealt_at=None).order_by("pk")


def dealt_with() -> Any:
    """Those a person has dealt with, the latest first."""
    return InboundMessage.objects.filter(dealt_at__isnull=False).order_by("-dealt_at", "-pk")


@transaction.atomic
def settle(*, message_id: int, by: User, case_id: int | None = None, at: datetime | None = None) -> InboundMessage:
    """A person has dealt with a text: it belongs to this case now, or nothing is to be done.

    One that was stopped stays known as that: whether its sender was told goes by it. Two people decide once: the second
    hears who was first. Raises InboundMessage.DoesNotExist, DomainError.
    """
    now = at or clock.now()
    message: InboundMessage = InboundMessage.objects.select_for_update(no_key=True).get(pk=message_id)
    if not message.is_undecided:
        if message.dealt_by is None:
            raise DomainError(_("This text message does not wait any more."))
        raise DomainError(_("%(person)s has dealt with this text message already.") % {"person": message.dealt_by})
    if not message.is_stopped:
        message.outcome = InboundMessage.Outcome.HANDLED if case_id is None else InboundMessage.Outcome.NOTED
    message.case_id, message.dealt_by, message.dealt_at = case_id, by, now
    message.save(update_fields=["outcome", "case", "dealt_by", "dealt_at"])
    return message
