"""Who goes to a visit: writing the crew, sending others in the same window, letting two visits change technicians.

`by` is who did it, None for the system; `at` is the true moment. Each service locks the case first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from common import clock
from common.errors import DomainError, InvalidInput
from staff.models import User

from . import booking, events, messages
from .availability import Grid
from .checks import locked, short
from .models import Appointment, CrewMember, Reservation
from .permissions import allow
from .states import PROMISED
from .windows import Window


def crew_of(appointment: Appointment) -> list[int]:
    """The keys of who goes; the first is the one who talks to the customer."""
    return list(appointment.crew.values_list("technician_id", flat=True))


def set_crew(appointment: Appointment, crew: Sequence[int], *, at: datetime) -> None:
    """Write who goes and tell them; the first of the crew is the one who talks to the customer (APT-11, APT-18)."""
    before = crew_of(appointment)
    CrewMember.objects.filter(appointment=appointment).delete()
    CrewMember.objects.bulk_create(
        CrewMember(appointment=appointment, technician_id=key, contact=position == 0)
        for position, key in enumerate(crew)
    )
    contact = User.objects.filter(pk=crew[0]).first() if crew else None
    appointment.owner = contact
    appointment.team = contact.team if contact and contact.team_id else appointment.team
    messages.tell_technicians(appointment, crew, "visit_new_notice", at=at)
    messages.tell_technicians(appointment, [key for key in before if key not in crew], "visit_off_notice", at=at)


@transaction.atomic
def reassign_crew(
    *,
    appointment_id: int,
    technicians: Sequence[int],
    by: User | None,
    reason: str = "",
    version: int | None = None,
    at: datetime | None = None,
) -> Appointment:
    """Send other technicians in the same window; the first of them talks to the customer.

    The customer's time stays, so the promises do. Raises WindowTaken where one of them is not free (any more).
    """
    now = at or clock.now()
    appointment = locked(appointment_id, version=version)
    allow(by, "dispatch.change")
    if appointment.state not in PROMISED or appointment.window is None:
        raise DomainError(_("Technicians can be changed until they set off."))
    wanted = list(dict.fromkeys(technicians))
    if len(wanted) != appointment.crew_size:
        raise InvalidInput(
            _("This visit needs %(count)s technicians.") % {"count": appointment.crew_size}, field="technicians"
        )
    before = crew_of(appointment)
    needs = booking.needs_of(appointment)
    grid = Grid(appointment.window.day, appointment.window.day, at=now)
    window = grid.window_at(appointment.window.starts_at) or appointment.window
    for key in wanted:
        if key not in grid.technicians:
            raise InvalidInput(_("This person is not a technician."), field="technicians")
        if refusal := grid.refusal(key, window, needs, but=appointment.pk):
            raise InvalidInput(
                _("%(person)s: %(reason)s") % {"person": grid.technicians[key], "reason": refusal}, field="technicians"
            )
    crew = booking.take(window, needs, grid=grid, at=now, appointment=appointment, prefer=wanted, only=wanted)
    crew = [key for key in wanted if key in crew]
    set_crew(appointment, crew, at=now)
    cases.record(
        appointment, events.crew_changed(crew, before=before, reason=reason), transition="reassigned", at=now, by=by
    )
    booking.give_back(appointment, at=now, but=crew, window=window)
    return appointment


@transaction.atomic
def swap_crews(
    *, first_id: int, second_id: int, by: User | None, reason: str = "", at: datetime | None = None
) -> tuple[Appointment, Appointment]:
    """Let two visits change technicians; both windows stay, so the customers need not be told.

    Besides the sweep's batches this is the only place where two cases are locked: neither visit can be without its
    technician for an instant, or somebody else takes them. They are locked in one statement in the order of their
    keys, as the batches do, so that two swaps which cross wait for each other and never in a circle.

    Who is on both crews stays on both. Raises InvalidInput where it is no swap or one of them cannot come there (with
    the reason), DomainError where one has set off, WindowTaken where somebody took time that is needed besides.
    """
    now = at or clock.now()
    allow(by, "dispatch.change")
    reason = short(reason, "reason")
    found = {one.pk: one for one in Appointment.objects.locked_together([first_id, second_id])}
    if len(found) != 2:
        raise InvalidInput(_("Choose two different visits."), field="other")
    first, second = found[first_id], found[second_id]
    windows = {one.pk: _swappable(one) for one in (first, second)}
    days = sorted(window.day for window in windows.values())
    grid = Grid(days[0], days[-1], at=now)
    crews = {one.pk: [member.technician_id for member in one.crew.all()] for one in (first, second)}
    after = crews_after_swap(grid, first, second)
    seats = [
        booking.Seat(key, windows[one.pk], booking.needs_of(one), one)
        for one in (first, second)
        for key in after[one.pk]
    ]
    booking.reseat(seats, Reservation.objects.filter(appointment__in=[first, second]), grid=grid)
    for one in (first, second):
        set_crew(one, after[one.pk], at=now)
        fact = events.crew_changed(after[one.pk], before=crews[one.pk], reason=reason)
        cases.record(one, fact, transition="reassigned", at=now, by=by)
    for one in (first, second):
        booking.give_back(one, at=now, but=after[one.pk], window=windows[one.pk])
    return first, second


def crews_after_swap(grid: Grid, first: Appointment, second: Appointment) -> dict[int, list[int]]:
    """Who would go to each of two visits after a swap, by visit. Raises InvalidInput with the reason why it cannot be,
    DomainError where one has set off."""
    windows = {one.pk: _swappable(one) for one in (first, second)}
    crews = {one.pk: [member.technician_id for member in one.crew.all()] for one in (first, second)}
    after: dict[int, list[int]] = {}
    for one, other in ((first, second), (second, first)):
        leaving = [key for key in crews[one.pk] if key not in crews[other.pk]]
        coming = [key for key in crews[other.pk] if key not in crews[one.pk]]
        if len(leaving) != len(coming):
            raise InvalidInput(_("The two visits need crews of different sizes."), field="other")
        if not coming:
            raise InvalidInput(_("The same technicians go to both visits."), field="other")
        needs = booking.needs_of(one)
        for key in coming:
            if refusal := grid.refusal(key, windows[one.pk], needs, but=other.pk):
                raise InvalidInput(_in_words(grid, key, one, refusal), field="other")
        # Each newcomer takes the place of one who leaves: the one who speaks with the customer first.
        instead = dict(zip(leaving, coming, strict=True))
        after[one.pk] = [instead.get(key, key) for key in crews[one.pk]]
    return after


def _swappable(appointment: Appointment) -> Window:
    if appointment.state not in PROMISED or appointment.window is None:
        raise DomainError(
            _("%(number)s: technicians can be changed until they set off.") % {"number": appointment.number}
        )
    return appointment.window


def _in_words(grid: Grid, key: int, appointment: Appointment, refusal: Any) -> Any:
    values = {"person": grid.technicians.get(key, ""), "number": appointment.number, "reason": refusal}
    return _("%(person)s cannot go to %(number)s: %(reason)s") % values
