"""The trail of what was changed about people: rows that are only ever added (staff.apps guards them)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from .models import User


class StaffRecord(models.Model):
    """One change: when, by whom (None: the command line), about whom (None: the house), what; ids and short values."""

    at = models.DateTimeField()
    by = models.ForeignKey("staff.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    about = models.ForeignKey("staff.User", on_delete=models.PROTECT, null=True, related_name="records", db_index=False)
    what = models.CharField(max_length=40)
    facts = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["about", "at"], name="staff_record_about")]
        ordering = ["id"]


def record(what: str, *, by: User | None, at: datetime, about: User | None = None, **facts: Any) -> StaffRecord:
    """Write down what was done, in the transaction that does it."""
    return StaffRecord.objects.create(at=at, by=by, about=about, what=what, facts=facts)
