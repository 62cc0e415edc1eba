"""What the desk remembers of itself: one thing done to many tickets, and replies that have not left yet."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.models import Case, attachment_storage


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


class HeldReply(models.Model):
    """A reply from the composer for as long as it can be taken back, and its writer's draft where it did not leave.

    `given` is what was typed and chosen, `seen` how far the writer had read the timeline, `was_open` whether the ticket
    was open then. `key` is that of the form: a form sent twice is one reply. `language` is that of the writer's screen.
    `why` says in it why the reply did not leave; it is empty where the writer took it back. Once sent, the conversation
    has the words and the row only remembers that it went, and what that made of the ticket's version.
    """

    class State(models.TextChoices):
        HELD = "held", _("Going out")
        SENT = "sent", _("Sent")
        DRAFT = "draft", _("Draft")

    case: Any = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="+", db_index=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    key = models.CharField(max_length=64)
    language = models.CharField(max_length=10)
    given = models.JSONField(default=dict)
    seen = models.PositiveIntegerField(null=True, blank=True)
    was_open = models.BooleanField(default=True)
    state = models.CharField(max_length=5, choices=State, default=State.HELD)
    created_at = models.DateTimeField()
    fire_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    why = models.JSONField(default=list)
    version_before = models.PositiveIntegerField(null=True, blank=True)
    version_after = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["author", "key"], name="held_reply_once")]
        indexes = [
            models.Index(fields=["case", "state"], name="held_reply_of_case"),
            models.Index(fields=["state", "done_at"], name="held_reply_done"),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.case_id}: {self.state}"


class HeldFile(models.Model):
    """A file of a reply that has not left, already where attachments are kept: sending it only writes its row."""

    reply = models.ForeignKey(HeldReply, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=120)
    content_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    file = models.FileField(max_length=100, storage=attachment_storage)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name
