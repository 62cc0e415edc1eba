"""Visits that are promised and whose technician can no longer come: leave, a paper that ran out, a skill taken away.

The room of the people knows no visits, so nobody there can tell; whoever looks at the day asks here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.translation import gettext_lazy as _

from common.errors import Sentence
from staff.models import User

from .availability import Grid
from .booking import needs_of
from .models import Appointment, CrewMember
from .states import PROMISED
from .windows import day_begins


@dataclass(frozen=True)
class Orphan:
    """A promised visit, one of its crew, and why this person cannot come."""

    appointment: Appointment
    technician: User
    reason: Sentence


def orphans(*, start: date, end: date, at: datetime) -> list[Orphan]:
    """The visits promised from `start` to `end` (local dates, both included) that need another technician.

    In the order of their windows; ten statements, however many days, technicians and visits. What is over at `at` is
    left out: it was kept or missed.
    """
    members = (
        CrewMember.objects.filter(
            appointment__state__in=PROMISED,
            appointment__starts_at__lt=day_begins(end + timedelta(days=1)),
            appointment__starts_at__gte=day_begins(start),
            appointment__ends_at__gt=at,
        )
        .select_related(*(f"appointment__{name}" for name in ("customer", "region", "owner", "address__region")))
        .select_related("technician")
        .prefetch_related("appointment__services")
        .order_by("appointment__starts_at", "appointment", "-contact", "pk")
    )
    crews = [(member.appointment, member.technician) for member in members]
    return unable(Grid(start, end, at=at), crews) if crews else []


def unable(grid: Grid, crews: Iterable[tuple[Appointment, User]]) -> list[Orphan]:
    """Those of these promised visits and people of their crews whom the grid refuses, without the database."""
    found = []
    for appointment, technician in crews:
        if reason := refusal(grid, appointment, technician.pk):
            found.append(Orphan(appointment, technician, reason))
    return found


def refusal(grid: Grid, appointment: Appointment, technician: int) -> Sentence | None:
    """Why this technician cannot go to the visit in its own window; what the visit has reserved does not count."""
    if technician not in grid.technicians:
        return _("No longer works as a technician.")
    window = appointment.window
    if window is None:
        return None
    return grid.refusal(technician, window, needs_of(appointment), but=appointment.pk)
