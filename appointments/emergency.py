"""An emergency that finds no free time: whose visit could make room for it, and making that room.

Somebody else's promise is moved for it, so the proposals say what that costs, and only a visit that is less urgent
makes room (requirements.md C-21).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import clock
from common.errors import DomainError, InvalidInput
from staff.models import User

from . import booking, checks, services
from .assignment import Part, job_points
from .availability import Grid, Needs
from .models import Appointment, Hold, Reservation
from .permissions import allow
from .states import PROMISED, TO_BOOK, Side
from .windows import Window, day_begins

# How far ahead a new time is looked for, and how many are offered.
AHEAD = timedelta(days=7)
OFFERED = 3


@dataclass(frozen=True)
class Proposal:
    """A visit that could make room: who would come to the emergency instead and when, and what the visit moved gets."""

    displaced: Appointment
    technicians: list[User]
    window: Window
    instead: list[Window]
    breaks: bool
    parts: list[Part]

    @property
    def score(self) -> int:
        return sum(part.points for part in self.parts)


def points(appointment: Appointment, *, at: datetime, peak: bool = False) -> int:
    """How urgent a visit is, in one number."""
    return sum(part.points for part in job_points(appointment, at=at, peak=peak))


def proposals(appointment: Appointment, *, day: date, at: datetime, most: int = 10) -> list[Proposal]:
    """Whose visit of that day could make room for this one, the best first; eleven statements.

    A visit that is as urgent itself, whose crew cannot do the work, or that finds no other time within a week makes no
    room.
    """
    needs, urgency = booking.needs_of(appointment), points(appointment, at=at)
    promised = (
        Appointment.objects.filter(
            state__in=PROMISED,
            starts_at__gt=at,
            starts_at__gte=day_begins(day),
            starts_at__lt=day_begins(day + timedelta(days=1)),
        )
        .exclude(pk=appointment.pk)
        .with_people()
        .prefetch_related("services", "crew")
    )
    grid = Grid(day, day + AHEAD, at=at)
    found = [_proposal(grid, visit, needs, urgency, at=at) for visit in promised]
    return sorted((one for one in found if one), key=_order)[:most]


def _order(one: Proposal) -> tuple[bool, int, Window, int]:
    """What breaks no promise first, whatever the score."""
    return one.breaks, -one.score, one.window, one.displaced.pk


def _proposal(grid: Grid, visit: Appointment, needs: Needs, urgency: int, *, at: datetime) -> Proposal | None:
    window = grid.window_at(visit.starts_at) if visit.starts_at else None
    if window is None:
        return None
    less = urgency - points(visit, at=at, peak=window.peak)
    crew = _crew(grid, visit, window, needs)
    if less <= 0 or len(crew) < needs.crew:
        return None
    offers = grid.open_windows(booking.needs_of(visit), earliest=window.starts_at, but=visit.pk)
    instead = [offer.window for offer in offers if offer.room][:OFFERED]
    if not instead:
        return None
    breaks = services.breaks_promise(visit, side=Side.US, at=at)
    waits = instead[0].starts_at - window.starts_at
    comes = window.starts_at - at
    return Proposal(
        displaced=visit,
        technicians=[grid.technicians[key] for key in crew],
        window=window,
        instead=instead,
        breaks=breaks,
        parts=[
            Part(_("Less urgent by"), min(less, 100)),
            Part(_("Breaks a promise") if breaks else _("Breaks no promise"), 0 if breaks else 40),
            Part(_("The visit moved waits"), max(0, 30 - int(waits / timedelta(hours=2)))),
            Part(_("We come to the emergency"), max(0, 30 - int(comes / timedelta(minutes=30)))),
        ],
    )


def _crew(grid: Grid, visit: Appointment, window: Window, needs: Needs) -> list[int]:
    """Who of a visit's crew could go to the emergency in its place, at most as many as it needs."""
    able = [
        member.technician_id
        for member in visit.crew.all()
        if grid.refusal(member.technician_id, window, needs, but=visit.pk) is None
    ]
    return able[: needs.crew]


def insert_emergency(
    *,
    appointment_id: int,
    displaced_id: int,
    to: datetime,
    reason: str,
    by: User | None,
    at: datetime | None = None,
) -> Appointment:
    """Move a less urgent visit to `to` and give its time to this one; return the emergency, booked.

    Two transactions, because nobody locks two cases: the first moves the one visit and turns the time it leaves into a
    hold for the other, so that nobody can take it in between; the second books with that hold. Should the second be
    refused (the emergency was cancelled a moment ago), the hold runs out after ten minutes like any other. Raises
    DomainError, InvalidInput naming `displaced` or `to`, WindowTaken for the new time of the visit moved.
    """
    now = at or clock.now()
    allow(by, "dispatch.change")
    reason = checks.text(reason, "reason", _("Say why the other visit has to wait."))
    hold = make_room(appointment_id=appointment_id, displaced_id=displaced_id, to=to, reason=reason, by=by, at=now)
    return services.move_appointment(
        appointment_id=appointment_id,
        starts_at=hold.starts_at,
        side=Side.US,
        hold=hold.key,
        reason=reason,
        by=by,
        at=now,
    )


@transaction.atomic
def make_room(
    *, appointment_id: int, displaced_id: int, to: datetime, reason: str, by: User | None, at: datetime
) -> Hold:
    """The first half: the less urgent visit gets another time, and what it leaves is kept for the emergency."""
    displaced = checks.locked(displaced_id)
    urgent = Appointment.objects.get(pk=appointment_id)
    if urgent.state not in TO_BOOK:
        raise DomainError(_("This visit has a time already."))
    window = displaced.window
    if displaced.state not in PROMISED or window is None or window.starts_at <= at:
        raise InvalidInput(_("This visit can no longer make room. Choose another one."), field="displaced")
    if points(displaced, at=at) >= points(urgent, at=at):
        raise InvalidInput(_("This visit is as urgent itself. Choose another one."), field="displaced")
    grid, needs = Grid(window.day, window.day, at=at), booking.needs_of(urgent)
    crew = _crew(grid, displaced, window, needs)
    if len(crew) < needs.crew:
        raise InvalidInput(_("Its technicians cannot do this work. Choose another one."), field="displaced")
    hold = Hold.objects.create(
        key=secrets.token_urlsafe(24),
        customer=urgent.customer,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        expires_at=at + booking.HOLD_FOR,
    )
    seats = [booking.Seat(key, window, needs, hold=hold) for key in crew]
    booking.reseat(seats, Reservation.objects.filter(appointment=displaced, technician__in=crew), grid=grid)
    services.move_appointment(appointment_id=displaced.pk, starts_at=to, side=Side.US, reason=reason, by=by, at=at)
    return hold
