"""What the technician leaves behind: the record of a visit, and the taps on the telephone that wrote it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.errors import InvalidInput

from .states import ActionKind, ActionOutcome, Type


class VisitRecord(models.Model):
    """What was checked, tested, agreed and handed over on a visit (requirements.md FLD-03 to FLD-14)."""

    CHECKS = ("tools_checked", "materials_checked", "spares_checked", "forms_checked")

    appointment = models.OneToOneField("appointments.Appointment", on_delete=models.PROTECT, related_name="record")
    # The booked time that was last prepared for: each departure has a checklist of its own.
    cycle = models.PositiveSmallIntegerField(default=1)
    # Before departure (FLD-03).
    tools_checked = models.BooleanField(default=False)
    materials_checked = models.BooleanField(default=False)
    spares_checked = models.BooleanField(default=False)
    forms_checked = models.BooleanField(default=False)
    # On site (FLD-08, FLD-09).
    computer_tested = models.BooleanField(null=True, blank=True)
    software_installed = models.BooleanField(default=False)
    software_consent = models.BooleanField(default=False)
    # The connection health record (FLD-11).
    download_mbps = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    upload_mbps = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    indoor_wiring = models.CharField(max_length=200, blank=True)
    splitter_position = models.CharField(max_length=200, blank=True)
    # Parts and pairs (FLD-14), hand-over (FLD-10).
    parts = models.TextField(blank=True)
    pair_from = models.CharField(max_length=60, blank=True)
    pair_to = models.CharField(max_length=60, blank=True)
    account_told = models.BooleanField(default=False)
    password_coached = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(software_installed=False) | Q(software_consent=True), name="visit_record_consent"
            ),
        ]

    def fill(self, values: dict[str, Any]) -> None:
        """Take the values of a form, by field. Raises InvalidInput naming the field that cannot be taken."""
        for name, value in values.items():
            field = self._meta.get_field(name)
            if field.name in ("id", "appointment"):
                raise InvalidInput(_("There is no such field."), field=name)
            try:
                setattr(self, name, field.clean(value, self))  # type: ignore[union-attr]
            except ValidationError as problem:
                raise InvalidInput(*problem.messages, field=name) from None
        if (self.pair_from == "") != (self.pair_to == ""):
            raise InvalidInput(_("Note both pairs: the one given up and the one now used."), field="pair_to")
        if self.software_installed and not self.software_consent:
            raise InvalidInput(_("Software is installed only with the customer's consent."), field="software_consent")

    def begin_again(self, cycle: int) -> None:
        """Another booked time: what is in the car must be looked at anew; what was found on site stays."""
        self.cycle = cycle
        for name in self.CHECKS:
            setattr(self, name, False)

    def ready(self, cycle: int) -> bool:
        """Whether the checklist before departure is complete for this booked time."""
        return self.cycle == cycle and all(getattr(self, name) for name in self.CHECKS)

    def missing(self) -> list[Any]:
        """What must be recorded before an installation, move or repair is done; empty when nothing is missing."""
        if self.appointment.type == Type.INSPECT:
            return []
        reasons: list[Any] = []
        if self.computer_tested is None:
            reasons.append(_("Say whether the customer's equipment was tested before you began."))
        if self.download_mbps is None or self.upload_mbps is None:
            reasons.append(_("Write down the speed test."))
        if not self.indoor_wiring or not self.splitter_position:
            reasons.append(_("Write down the indoor wiring and the place of the splitter."))
        if self.appointment.type in (Type.INSTALL, Type.MOVE) and not (self.account_told and self.password_coached):
            reasons.append(_("Hand over the account, and help the customer to change the password."))
        return reasons


class VisitAction(models.Model):
    """One tap on a technician's phone, heard of once however often it is sent: `key` is the phone's own.

    Stored in the transaction of its effect. A refused one keeps its reasons and what was written, for the technician.
    `at` is when it happened by the phone, `received_at` when we heard of it.
    """

    key = models.CharField(max_length=64)
    technician = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    appointment = models.ForeignKey("appointments.Appointment", on_delete=models.PROTECT, related_name="actions")
    action = models.CharField(max_length=12, choices=ActionKind)
    at = models.DateTimeField()
    received_at = models.DateTimeField()
    outcome = models.CharField(max_length=8, choices=ActionOutcome)
    reasons = models.JSONField(default=list)
    field = models.CharField(max_length=40, blank=True)
    # What was written, where it was refused; what was taken lives on in its effect.
    values = models.JSONField(default=dict)
    # Tells a repeated form from another one that bears its key by mistake.
    digest = models.CharField(max_length=16)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="visit_action_once")]
        indexes = [
            models.Index(
                fields=["technician", "-received_at"],
                condition=Q(outcome="refused", seen_at=None),
                name="visit_action_refused",
            )
        ]
        ordering = ["pk"]
