"""Everything we say to people: one row a message, written in the transaction of the change, delivered after commit."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.models import Case
from common.crypto import EncryptedTextField


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
        ]
        ordering = ["pk"]
