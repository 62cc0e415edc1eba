"""What every service on a visit does first: lock it, and look at what was written."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from common.errors import InvalidInput, StaleVersion

from .models import Appointment

MOST_NOTE = 2000


def locked(appointment_id: int, *, version: int | None = None) -> Appointment:
    """The appointment with its case's lock held; StaleVersion where it changed since the form was opened."""
    appointment: Appointment = Appointment.objects.locked(appointment_id)
    if version is not None and version != appointment.version:
        raise StaleVersion(
            _("Somebody changed this appointment since you opened it. Look at the change, then try again."),
            version=appointment.version,
        )
    return appointment


def text(value: str, field: str, message: Any, *, most: int = MOST_NOTE) -> str:
    """The text without blanks around it. Raises InvalidInput where it is empty or too long."""
    value = value.strip()
    if not value:
        raise InvalidInput(message, field=field)
    return short(value, field, most=most)


def short(value: str, field: str, *, most: int = MOST_NOTE) -> str:
    value = value.strip()
    if len(value) > most:
        raise InvalidInput(_("At most %(most)s characters, please.") % {"most": most}, field=field)
    return value
