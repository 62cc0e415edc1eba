"""Choices that every kind of case shares, and the table that makes a priority of them."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

# What `sort_due_at` holds when nothing runs: a NULL would fall out of keyset pages.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class Channel(models.TextChoices):
    PHONE = "phone", _("Phone")
    COUNTER = "counter", _("Counter")
    WEB = "web", _("Web")
    APP = "app", _("App")
    SMS = "sms", _("SMS")
    EMAIL = "email", _("E-mail")
    CHAT = "chat", _("Chat")
    SOCIAL = "social", _("Social media")
    PARTNER = "partner", _("Partner")
    MONITORING = "monitoring", _("Monitoring")


SPOKEN_CHANNELS = {Channel.PHONE, Channel.COUNTER}


class Urgency(models.TextChoices):
    NORMAL = "normal", _("Normal")
    URGENT = "urgent", _("Urgent")


class Severity(models.TextChoices):
    ONE = "one", _("One customer")
    SEVERAL = "several", _("Several customers")
    AREA = "area", _("A whole area")


class ClockState(models.TextChoices):
    NONE = "none", _("No target")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    MET = "met", _("Met")
    MISSED = "missed", _("Missed")


# P1–P4 is computed, never typed by hand (architecture.md §2).
PRIORITY: dict[tuple[str, str], int] = {
    (Urgency.URGENT, Severity.AREA): 1,
    (Urgency.URGENT, Severity.SEVERAL): 1,
    (Urgency.URGENT, Severity.ONE): 2,
    (Urgency.NORMAL, Severity.AREA): 2,
    (Urgency.NORMAL, Severity.SEVERAL): 3,
    (Urgency.NORMAL, Severity.ONE): 4,
}
