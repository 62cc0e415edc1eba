"""When people work: shifts, leave that takes time out of them, and the duty roster.

All of them are half-open spans of instants: `starts_at` belongs to the span, `ends_at` does not.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

# A longer shift is a slip of the pen; the queries rely on it too (staff.rota).
LONGEST_SHIFT = timedelta(hours=24)


class Shift(models.Model):
    """A time one person is planned to work. The service refuses overlaps under the person's row lock."""

    user = models.ForeignKey("staff.User", on_delete=models.PROTECT, related_name="shifts", db_index=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    note = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "starts_at"], name="shift_start"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="shift_span"),
        ]
        ordering = ["starts_at", "user_id"]


class Leave(models.Model):
    """A time one person is not there, whatever the shifts say."""

    class Kind(models.TextChoices):
        LEAVE = "leave", _("Leave")
        SICK = "sick", _("Sick")
        TRAINING = "training", _("Training")
        OFF = "off", _("Day off")

    user = models.ForeignKey("staff.User", on_delete=models.PROTECT, related_name="leaves", db_index=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.LEAVE)
    note = models.CharField(max_length=120, blank=True)
    entered_by = models.ForeignKey(
        "staff.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="leave_span"),
            models.CheckConstraint(condition=Q(kind__in=["leave", "sick", "training", "off"]), name="leave_kind"),
        ]
        # By the end: what is over falls out of every question, however long the history.
        indexes = [models.Index(fields=["user", "ends_at"], name="leave_user_end")]
        ordering = ["starts_at", "user_id"]


class Duty(models.Model):
    """Who answers for the center at a time, beside the ordinary shifts: the duty roster."""

    class Role(models.TextChoices):
        SUPERVISOR = "supervisor", _("Supervisor on duty")
        TECHNICAL = "technical", _("Technical support on duty")

    user = models.ForeignKey("staff.User", on_delete=models.PROTECT, related_name="duties", db_index=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    role = models.CharField(max_length=12, choices=Role, default=Role.SUPERVISOR)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "role", "starts_at"], name="duty_start"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="duty_span"),
            models.CheckConstraint(condition=Q(role__in=["supervisor", "technical"]), name="duty_role"),
        ]
        indexes = [models.Index(fields=["role", "ends_at"], name="duty_role_end")]
        ordering = ["starts_at", "role", "user_id"]
