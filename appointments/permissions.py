"""Who may reach an appointment and do what with it: the only door for every edge and service."""

from __future__ import annotations

from typing import Any

from common.errors import NotAllowed
from customers.models import Customer

from .models import Appointment


def access_appointment(person: Any, pk: int | None, *, to: str = "") -> Appointment:
    """The appointment, if this person may see it. Raises Appointment.DoesNotExist when not, NotAllowed without `to`."""
    appointment: Appointment = Appointment.objects.visible_to(person).with_people().get(pk=pk)
    if to:
        allow(person, to)
    return appointment


def allow(person: Any, *abilities: str) -> None:
    """Raise NotAllowed unless `person` holds one of the abilities; the system (None) may do everything."""
    if person is not None and (isinstance(person, Customer) or not any(person.may(name) for name in abilities)):
        raise NotAllowed()


def allow_own(person: Any, appointment: Appointment, *abilities: str) -> None:
    """The customer may, of the own appointment; staff with one of the abilities may; for others it does not exist."""
    if isinstance(person, Customer):
        if appointment.customer_id != person.pk:
            raise Appointment.DoesNotExist
        return
    allow(person, *abilities)


def allow_visit(person: Any, appointment: Appointment) -> None:
    """A technician works on the visits of the own crew; who may change dispatch may report for anybody."""
    if person is None or person.may("dispatch.change"):
        return
    allow(person, "visits.work")
    if not appointment.crew.filter(technician=person).exists():
        raise Appointment.DoesNotExist
