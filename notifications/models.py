"""Everything we say to people: one row a message, written in the transaction of the change, delivered after commit."""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.models import Case
from common.crypto import EncryptedTextField
from customers.models import Contact, Customer


class Message(models.Model):
    """One message to one recipient. `key` makes queueing idempotent; the provider's id is kept as proof.

    `person` is set for in-app notices to staff; `recipient` (a phone or mail address) for what leaves the house.
    `secret` holds the values of `context` that must not be readable afterwards, until a provider accepted the message.
    """

    class Channel(models.TextChoices):
        IN_APP = "in_app", _("Notice")
        EMAIL = "email", _("E-mail")
        SMS = "sms", _("SMS")

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        SENT = "sent", _("Accepted")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    channel = models.CharField(max_length=8, choices=Channel)
    recipient = EncryptedTextField(blank=True)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="notices",
        db_index=False,
    )
    template = models.CharField(max_length=60)
    language = models.CharField(max_length=10)
    context = models.JSONField(default=dict)
    secret = EncryptedTextField(blank=True)
    # An iCalendar file, protected because it names the place; e-mail carries it, SMS cannot.
    calendar = EncryptedTextField(blank=True)
    key = models.CharField(max_length=120)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, blank=True, related_name="messages")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    try_at = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    provider_id = models.CharField(max_length=200, blank=True)
    # The id a delivery receipt names: of a text in several parts, the last one's.
    receipt_id = models.CharField(max_length=65, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="message_once")]
        indexes = [
            models.Index(fields=["try_at", "id"], condition=models.Q(state="queued"), name="message_waiting"),
            models.Index(
                fields=["person", "-id"], condition=models.Q(channel="in_app", read_at=None), name="notice_unread"
            ),
            models.Index(fields=["person", "-id"], condition=models.Q(channel="in_app"), name="notice_of_person"),
            models.Index(fields=["-id"], condition=models.Q(state="failed"), name="message_failed"),
            models.Index(fields=["receipt_id"], condition=~models.Q(receipt_id=""), name="message_receipt"),
        ]
        ordering = ["pk"]


class InboundMessage(models.Model):
    """One message somebody sent us, taken in once however often it is delivered (notifications.inbound).

    `lookup` is the keyed hash of the sender, the same as of a customer's telephone number. `acknowledged_at`: since
    when the SMSC is known to have read that we have it (SMPP numbers no incoming message).
    """

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("Waiting for somebody to look")
        ANSWERED = "answered", _("Answered")
        HANDLED = "handled", _("Handled without an answer")
        NOTED = "noted", _("Added to a case")
        LIMITED = "limited", _("Too many; the sender was told")
        SILENCED = "silenced", _("Too many")

    STOPPED = (Outcome.LIMITED, Outcome.SILENCED)

    channel = models.CharField(max_length=8, choices=Message.Channel)
    sender = EncryptedTextField()
    lookup = models.CharField(max_length=32)
    body = EncryptedTextField(blank=True)
    provider_id = models.CharField(max_length=200)
    received_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.WAITING)
    handled_by = models.CharField(max_length=100, blank=True)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, blank=True, related_name="inbound")
    answer = models.OneToOneField(Message, on_delete=models.PROTECT, null=True, blank=True, related_name="answers")
    # Who of us read it and decided what becomes of it, where nothing understood it by itself.
    dealt_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    dealt_at = models.DateTimeField(null=True, blank=True)

    # The match of the handler's pattern, while handlers run.
    match: re.Match[str]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "provider_id"], name="inbound_once")]
        indexes = [
            models.Index(fields=["lookup", "received_at"], name="inbound_of_sender"),
            models.Index(fields=["id"], condition=models.Q(outcome="waiting"), name="inbound_waiting"),
            models.Index(
                fields=["-dealt_at", "-id"], condition=models.Q(dealt_at__isnull=False), name="inbound_dealt_with"
            ),
            models.Index(
                fields=["id"],
                condition=models.Q(outcome__in=["limited", "silenced"], dealt_at=None),
                name="inbound_stopped",
            ),
        ]
        ordering = ["pk"]

    @property
    def is_stopped(self) -> bool:
        """Whether it was one too many of its sender's, and so was not read."""
        return self.outcome in self.STOPPED

    @property
    def is_undecided(self) -> bool:
        """Whether somebody has yet to say what becomes of it."""
        return self.dealt_at is None and (self.outcome == self.Outcome.WAITING or self.is_stopped)

    @property
    def text(self) -> str:
        """The body as keywords are looked for in it: wide letters made narrow, blanks around it gone."""
        return unicodedata.normalize("NFKC", self.body).strip()

    @cached_property
    def customers(self) -> list[Customer]:
        """Whose number it is; several people may share one, and nobody may have it."""
        return list(
            Customer.objects.filter(contacts__lookup=self.lookup, contacts__kind=Contact.Kind.PHONE)
            .distinct()
            .order_by("pk")
        )


class InboundPart(models.Model):
    """One part of a longer incoming text, kept until all are there; `digest` is a keyed hash of all of it."""

    sender = EncryptedTextField()
    lookup = models.CharField(max_length=32)
    reference = models.PositiveIntegerField()
    total = models.PositiveSmallIntegerField()
    number = models.PositiveSmallIntegerField()
    coding = models.PositiveSmallIntegerField()
    octets = EncryptedTextField()  # in hexadecimal
    digest = models.CharField(max_length=32)
    received_at = models.DateTimeField()
    message = models.ForeignKey(InboundMessage, on_delete=models.CASCADE, null=True, blank=True, related_name="parts")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest"], name="inbound_part_once")]
        indexes = [
            models.Index(fields=["lookup"], condition=models.Q(message=None), name="inbound_part_waiting"),
        ]
        ordering = ["pk"]
