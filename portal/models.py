"""What the customer's site remembers of itself: who is visiting, and how often something was tried."""

from __future__ import annotations

from django.db import models

from common.crypto import EncryptedTextField
from customers.models import Customer


class Session(models.Model):
    """A customer's visit to the site, known by a cookie of which only the digest is kept; never a session of staff.

    `phone` is a number that a code has proven, `customer` whom the visitor is of those reachable under it; both are
    empty before, when a visit only keeps what is being written. One code at a time belongs to a visit, so that it can
    be entered only where it was asked for.
    """

    digest = models.CharField(max_length=64)
    phone = EncryptedTextField(blank=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    drafts = EncryptedTextField(blank=True)
    code_digest = models.CharField(max_length=64, blank=True)
    code_phone = EncryptedTextField(blank=True)
    code_until = models.DateTimeField(null=True, blank=True)
    code_tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest"], name="portal_session_once")]
        indexes = [models.Index(fields=["ends_at"], name="portal_session_ends")]


class Quota(models.Model):
    """When something limited was last done by or to somebody: one row is both the memory and the lock.

    `who` is a keyed hash, `uses` a list of epoch seconds.
    """

    what = models.CharField(max_length=20)
    who = models.CharField(max_length=32)
    uses = models.JSONField(default=list)
    used_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["what", "who"], name="portal_quota_once")]
        indexes = [models.Index(fields=["used_at"], name="portal_quota_used")]
