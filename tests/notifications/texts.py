"""A text message that comes in, and what became of it."""

from __future__ import annotations

from notifications.inbound import receive_sms
from notifications.models import InboundMessage, Message
from tests.builders import MONDAY

SENDER = "13812345678"


def receive(text="hello", *, sender=SENDER, number="1", at=MONDAY):
    return receive_sms(sender=sender, text=text, provider_id=number, at=at)


def reread(message):
    return InboundMessage.objects.get(pk=message.pk)


def answers():
    return list(Message.objects.filter(key__startswith="inbound-").order_by("pk"))
