"""What a deadline can be. The verdict is not a state: it is computed from instants (architecture.md §3)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class DeadlineState(models.TextChoices):
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    STOPPED = "stopped", _("Stopped")
    CANCELLED = "cancelled", _("Cancelled")
    BROKEN = "broken", _("Broken by us")


LIVE = (DeadlineState.RUNNING, DeadlineState.PAUSED)


class Verdict(models.TextChoices):
    OPEN = "open", _("Open")
    MET = "met", _("Met")
    MISSED = "missed", _("Missed")
    VOID = "void", _("Void")


class StepKind(models.TextChoices):
    WARN = "warn", _("Warning")
    TIER = "tier", _("Tier change")
    BREACH = "breach", _("Missed")
    AFTER = "after", _("After the miss")
