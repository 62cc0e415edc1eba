"""What every service on a visit does first: lock it, and look at what was written."""

from __future__ import annotations

from functools import partial

from django.utils.translation import gettext_lazy as _

from common import given
from common.errors import StaleVersion

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


# What is written about a visit: the technician's telephone keeps it until it is sent.
text = partial(given.text, most=MOST_NOTE)
short = partial(given.short, most=MOST_NOTE)
