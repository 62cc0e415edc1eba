"""What people can do: skills with levels, and the certificates some of them need."""

from __future__ import annotations

from datetime import date

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language

LEVELS = range(1, 6)


class _Named(models.Model):
    """A code for the programs, a name in both languages for people."""

    code = models.SlugField(max_length=40, db_index=False)
    name_zh = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name_en if (get_language() or "").startswith("en") else self.name_zh


class CertificateKind(_Named):
    """A qualification that is proved by a paper with a validity."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code"], name="certificate_kind_code")]
        ordering = ["code"]


class Skill(_Named):
    """Something people can do better or worse. With a `certificate_kind`, nobody holds it without that paper."""

    certificate_kind = models.ForeignKey(
        CertificateKind, on_delete=models.PROTECT, null=True, blank=True, related_name="skills"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code"], name="skill_code")]
        ordering = ["code"]


class UserSkill(models.Model):
    """How well one person does one thing: 1 (beginner) to 5 (teaches others)."""

    user = models.ForeignKey("staff.User", on_delete=models.PROTECT, related_name="skills", db_index=False)
    skill = models.ForeignKey(Skill, on_delete=models.PROTECT, related_name="held_by")
    level = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(LEVELS[0]), MaxValueValidator(LEVELS[-1])], default=LEVELS[0]
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "skill"], name="user_skill"),
            models.CheckConstraint(condition=Q(level__range=(LEVELS[0], LEVELS[-1])), name="user_skill_level"),
        ]
        ordering = ["user_id", "skill_id"]


class Certificate(models.Model):
    """One paper of one person. It is never deleted: it expires or is revoked."""

    user = models.ForeignKey("staff.User", on_delete=models.PROTECT, related_name="certificates", db_index=False)
    kind = models.ForeignKey(CertificateKind, on_delete=models.PROTECT, related_name="certificates", db_index=False)
    number = models.CharField(max_length=60)
    issued_on = models.DateField()
    expires_on = models.DateField()
    revoked_on = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            # A renewed paper often keeps its number.
            models.UniqueConstraint(fields=["kind", "number", "issued_on"], name="certificate_number"),
            models.CheckConstraint(condition=Q(expires_on__gte=F("issued_on")), name="certificate_span"),
        ]
        indexes = [
            models.Index(fields=["user", "kind"], name="certificate_user_kind"),
            models.Index(fields=["expires_on"], name="certificate_expires"),
        ]
        ordering = ["user_id", "expires_on"]

    def valid_on(self, day: date) -> bool:
        """Whether it holds on `day`: from the day of issue to the day of expiry, both included, until revoked."""
        return self.issued_on <= day <= self.expires_on and (self.revoked_on is None or day < self.revoked_on)
