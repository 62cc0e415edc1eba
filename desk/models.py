"""What the desk remembers of itself: one thing done to many tickets, and what became of each."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.models import Case


class BulkJob(models.Model):
    """One action on many tickets, asked for by one person. Workers only hurry it on: the row is the promise.

    `key` is that of the form, so that a form sent twice is one job. `given` is what was typed, as `desk.bulk` reads it.
    `listing` is the query of the list it came from, to lead back to it. `gone` counts chosen tickets that were out of
    the person's reach when it began. `run_at` is when somebody last worked on it, so that the sweep leaves it alone.
    """

    key = models.CharField(max_length=64)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    action = models.CharField(max_length=20)
    given = models.JSONField(default=dict)
    listing = models.CharField(max_length=500, blank=True)
    gone = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    run_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "key"], name="bulk_job_once")]
        indexes = [
            models.Index(fields=["run_at"], condition=models.Q(done_at__isnull=True), name="bulk_job_undone"),
            models.Index(fields=["created_at"], name="bulk_job_created"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.key}"


class BulkItem(models.Model):
    """One ticket of a job. Its outcome is written in the transaction that acts, so that nothing is done twice.

    `version` is that of the ticket when it was chosen; `why` the service's own sentences, in the person's language.
    """

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("To come")
        DONE = "done", _("Done")
        REFUSED = "refused", _("Refused")
        FAILED = "failed", _("Failed")

    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="items", db_index=False)
    case: Any = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="+", db_index=False)
    place = models.PositiveIntegerField()
    version = models.PositiveIntegerField()
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.WAITING)
    why = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "place"], name="bulk_item_place")]
        ordering = ["job_id", "place"]

    def __str__(self) -> str:
        return f"{self.case_id}: {self.outcome}"
