"""A visit in a line of another page: what it is called, when it is, how its state looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from appointments.models import Appointment
from appointments.states import State
from appointments.wording import window_text
from cases.models import Case
from desk.dispatch import FACES, Face
from tickets.models import Ticket

VISITS_SHOWN = 5
REQUESTED = Face("plan", "calendar-clock", State.REQUESTED.label)
CANCELLED = Face("gone", "x", State.CANCELLED.label)


def face_of(visit: Appointment) -> Face:
    """How a visit's state looks, in its own words."""
    other = {State.REQUESTED: REQUESTED, State.CANCELLED: CANCELLED}
    return other.get(State(visit.state)) or Face(
        FACES[visit.state].css, FACES[visit.state].icon, visit.get_state_label()
    )


def time_words(visit: Appointment) -> str:
    if visit.starts_at is None or visit.ends_at is None:
        return _("No time yet")
    return window_text(visit.starts_at, visit.ends_at)


@dataclass(frozen=True)
class VisitLine:
    """A visit in a list beside something else."""

    number: str
    url: str
    words: str
    time: str
    face: Face
    technician: str


def visit_lines(person: Any, **of: Any) -> list[VisitLine]:
    """The visits of a ticket or a customer, the newest first: one statement."""
    found = Appointment.objects.visible_to(person).filter(**of).select_related("owner").order_by("-received_at", "-pk")
    return [_visit_line(visit) for visit in found[:VISITS_SHOWN]]


def _visit_line(visit: Appointment) -> VisitLine:
    return VisitLine(
        number=visit.number,
        url=reverse("desk:case", args=[visit.number]),
        words=visit.get_type_label(),
        time=time_words(visit),
        face=face_of(visit),
        technician=str(visit.owner) if visit.owner_id else "",
    )


def beside(case: Case, person: Any, *, most: int) -> tuple[list[Case], list[VisitLine]]:
    """What stands beside a case: the customer's last tickets, and the visits that serve it; one statement for both.

    Whoever sees a ticket on the desk may see its visits.
    """
    tickets = Case.objects.visible_to(person).filter(customer_id=case.customer_id, kind=Ticket.KIND)
    serving = Q(appointment__for_ticket=case.pk) if person.may("appointments.see") else Q(pk=None)
    found = Case.objects.filter(Q(pk__in=tickets.values("pk")) | serving, customer_id=case.customer_id)
    # Visits first: "appointment" stands before "ticket".
    rows = found.exclude(pk=case.pk).select_related("appointment", "owner").order_by("kind", "-received_at", "-pk")
    shown = list(rows[: most + VISITS_SHOWN])
    visits = [_visit_line(row.appointment) for row in shown if row.kind == Appointment.KIND]
    return [row for row in shown if row.kind == Ticket.KIND][:most], visits
