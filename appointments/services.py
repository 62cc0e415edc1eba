"""The time of a visit: asked for, booked, moved, cancelled, or let go. One function per use case.

`by` is who did it: a member of staff, the customer (own appointments only), or None for the system; `at` is the true
moment. Each locks the case first. Who goes is decided in `crews`, what is said about a visit is in `conversation`, and
what the technician does on the day in `visits`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from cases.models import Note
from cases.states import SPOKEN_CHANNELS, Channel
from common import clock
from common.errors import DomainError, InvalidInput
from common.given import choice
from common.transitions import run
from customers.models import Address, Customer, Region
from sla.services import break_promise
from staff.models import User
from tickets.models import Ticket

from . import booking, compensation, events, messages, promises
from .availability import Needs
from .checks import locked, short, text
from .crews import crew_of, set_crew
from .models import Appointment, VisitService
from .permissions import allow, allow_own
from .states import PROMISED, ClosedBecause, Side, State

# How often a customer may move one visit without calling us.
MOST_MOVES = 3
LATE_CHANGE = timedelta(hours=24)


# --- asking for a visit, and booking it ------------------------------------------------------------------------------


P = ParamSpec("P")
R = TypeVar("R")


def _sent_once(service: Callable[P, R]) -> Callable[P, R]:
    """Of two clicks at the same moment neither sees the other's `key` yet: the database lets one of them through, and
    the other one tries again and finds what that one did."""

    @wraps(service)
    def call(*args: P.args, **fields: P.kwargs) -> R:
        try:
            return service(*args, **fields)
        except IntegrityError:
            if not fields.get("key"):
                raise
            return service(*args, **fields)

    return call


@_sent_once
@transaction.atomic
def book_appointment(
    *,
    customer: Customer,
    services: Sequence[VisitService],
    region: Region | None,
    starts_at: datetime | None,
    channel: str,
    by: Any,
    address: Address | None = None,
    ticket: Ticket | None = None,
    note: str = "",
    hold: str = "",
    key: str = "",
    urgency: str = "normal",
    at: datetime | None = None,
) -> Appointment:
    """Book a visit in the window that begins at `starts_at`, or without one register that a time is wanted.

    All services of one order are done in one visit (requirements.md APT-17). `hold` is the key of the ten-minute hold;
    `key` identifies the form, so that a double click books once and gives the same appointment back. Raises
    InvalidInput naming the field, WindowTaken with the three nearest free windows; nothing is stored then.
    """
    now = at or clock.now()
    if by is not None and not (isinstance(by, Customer) and by.pk == customer.pk):
        allow(by, "appointments.book")
    if key and (sent := Note.objects.filter(external_id=f"book-{key}").first()):
        return Appointment.objects.get(pk=sent.case_id)
    if not services:
        raise InvalidInput(_("Choose what is to be done."), field="services")
    channel = choice(channel, Channel, "channel")
    if address is not None and address.customer_id != customer.pk:
        raise InvalidInput(_("This is not an address of this customer."), field="address")
    if ticket is not None and ticket.customer_id not in (None, customer.pk):
        raise InvalidInput(_("This ticket belongs to another customer."), field="ticket")
    note = short(note, "note")
    region = region or (address.region if address else None)
    if region is None:
        raise InvalidInput(_("Choose the area of the visit."), field="region")
    needs = Needs.of(services, region)
    person = by if isinstance(by, User) else None
    appointment = Appointment(
        kind=Appointment.KIND,
        type=services[0].type,
        channel=channel,
        state=State.REQUESTED,
        subject=" + ".join(service.code for service in services)[:200],
        customer=customer,
        customer_grade=customer.grade,
        region=region,
        address=address,
        for_ticket=ticket,
        team=None,
        first_contact=person,
        urgency=ticket.urgency if ticket else urgency,
        severity=ticket.severity if ticket else "one",
        minutes=needs.minutes,
        crew_size=needs.crew,
        received_at=now,
        created_at=now,
        changed_at=now,
    )
    appointment.priority = appointment.rank()
    appointment.save_changes()
    appointment.services.set(services)
    if note or key:
        cases.add_note(
            appointment,
            body=note,
            visibility=Note.Visibility.PUBLIC,
            direction=Note.Direction.IN,
            channel=channel,
            at=now,
            by=by,
            external_id=f"book-{key}" if key else "",
        )
    cases.record(appointment, events.requested(appointment), transition="opened", at=now, by=by)
    if starts_at is None:
        promises.promise_arrangement(appointment, at=now)
        return appointment
    return _book(appointment, starts_at, needs, side=Side.CUSTOMER, hold=hold, at=now, by=by)


@transaction.atomic
def arrange_appointment(
    *,
    appointment_id: int,
    starts_at: datetime,
    by: Any,
    side: str = Side.CUSTOMER,
    hold: str = "",
    prefer: Sequence[int] = (),
    version: int | None = None,
    at: datetime | None = None,
) -> Appointment:
    """Give a requested appointment its first window. `side` says who chose it."""
    now = at or clock.now()
    appointment = locked(appointment_id, version=version)
    allow_own(by, appointment, "appointments.book", "dispatch.change")
    side = Side.CUSTOMER if isinstance(by, Customer) else choice(side, Side, "side")
    needs = booking.needs_of(appointment)
    return _book(appointment, starts_at, needs, side=side, hold=hold, prefer=prefer, at=now, by=by)


def _book(
    appointment: Appointment,
    starts_at: datetime,
    needs: Needs,
    *,
    side: str,
    hold: str,
    at: datetime,
    by: Any,
    prefer: Sequence[int] = (),
) -> Appointment:
    crew = _reserve(appointment, starts_at, needs, hold=hold, prefer=prefer, at=at)
    run(appointment.book)
    facts, transitions = [events.booked(appointment, crew)], ["booked"]
    set_crew(appointment, crew, at=at)
    promises.void(appointment)
    facts += messages.tell(appointment, "visit_booked", at=at)
    spoken = isinstance(by, User) and appointment.channel in SPOKEN_CHANNELS
    if spoken:
        run(appointment.confirm, at=at)
        facts.append(events.told("spoken"))
        transitions.append("confirmed")
    cases.record(appointment, *facts, transition=tuple(transitions), at=at, by=by)
    promises.promise_window(appointment, at=at)
    promises.tell_ticket(appointment, "booked", at=at, due=_end_of(appointment), side=side)
    return appointment


def _reserve(
    appointment: Appointment, starts_at: datetime, needs: Needs, *, hold: str, at: datetime, prefer: Sequence[int] = ()
) -> list[int]:
    """Take the window's time, from a hold where there is one, and put the window on the appointment."""
    grid = booking.grid_around(starts_at, at=at)
    window = booking.checked_window(starts_at, at=at, grid=grid)
    crew = booking.use_hold(hold, appointment, window, needs, at=at)
    if crew is None:
        # A hold that did not serve was let go: its time is free again, for us too.
        grid = booking.grid_around(starts_at, at=at) if hold else grid
        crew = booking.take(window, needs, grid=grid, at=at, appointment=appointment, prefer=prefer)
    appointment.starts_at, appointment.ends_at = window.starts_at, window.ends_at
    return crew


def _end_of(appointment: Appointment) -> str:
    return appointment.ends_at.isoformat() if appointment.ends_at else ""


# --- changing it -----------------------------------------------------------------------------------------------------


@transaction.atomic
def move_appointment(
    *,
    appointment_id: int,
    starts_at: datetime,
    by: Any,
    side: str = Side.CUSTOMER,
    reason: str = "",
    hold: str = "",
    prefer: Sequence[int] = (),
    override: str = "",
    version: int | None = None,
    at: datetime | None = None,
) -> Appointment:
    """Move a visit to another window; the present one is let go only when the new one is taken.

    `side` says who wanted it. The customer may until two hours before, three times; a leader may set that aside with
    `override`, a reason. What we move ourselves inside 24 hours counts as missed, whatever the customer says to it
    (requirements.md §30, point 22). Raises WindowTaken, InvalidInput, DomainError; then the present time stands.
    """
    now = at or clock.now()
    appointment = locked(appointment_id, version=version)
    allow_own(by, appointment, "appointments.book", "dispatch.change")
    side = Side.CUSTOMER if isinstance(by, Customer) else choice(side, Side, "side")
    if appointment.state == State.REQUESTED:
        needs = booking.needs_of(appointment)
        return _book(appointment, starts_at, needs, side=side, hold=hold, prefer=prefer, at=now, by=by)
    facts = []
    if side == Side.CUSTOMER and (refusals := move_refusals(appointment, at=now, by=by)):
        if not override:
            raise DomainError(*refusals)
        facts.append(_overridden(override, by))
    if starts_at == appointment.starts_at and appointment.state in PROMISED:
        raise InvalidInput(_("This is the time you have already."), field="starts_at")
    before, was_promised = _before(appointment), appointment.state in PROMISED
    template = moving_message(appointment, side)
    if breaks_promise(appointment, side=side, at=now):
        facts += _break(appointment, "we_moved", at=now, by=by)
    crew = _reserve(appointment, starts_at, booking.needs_of(appointment), hold=hold, prefer=prefer, at=now)
    run(appointment.move)
    if side == Side.CUSTOMER and was_promised:
        appointment.moved_by_customer += 1
    elif side == Side.US:
        appointment.moved_by_us += 1
    set_crew(appointment, crew, at=now)
    promises.void(appointment)
    facts += messages.tell(appointment, template, at=now)
    facts.append(events.moved(appointment, crew, before=before, side=side, reason=reason))
    cases.record(appointment, *facts, transition=("moved", "rebooked"), at=now, by=by)
    promises.promise_window(appointment, at=now)
    promises.tell_ticket(appointment, "booked", at=now, due=_end_of(appointment), side=side)
    # Last, so that nobody who waits for this time is waited for.
    booking.give_back(appointment, at=now, but=crew, window=appointment.window)
    return appointment


def moving_message(appointment: Appointment, side: str) -> str:
    """The template that tells the customer of another time. We say sorry for it only where we take a time away."""
    if appointment.state == State.REQUESTED:
        return "visit_booked"
    return "visit_moved_by_us" if side == Side.US and appointment.state in PROMISED else "visit_moved"


def breaks_promise(appointment: Appointment, *, side: str, at: datetime) -> bool:
    """Whether taking the present time away now counts as a visit we missed (requirements.md §30, point 22)."""
    return appointment.state in (*PROMISED, State.UNDER_WAY) and _is_late_change(appointment, side, at)


def move_refusals(appointment: Appointment, *, at: datetime, by: Any = None) -> list[Any]:
    """Why a customer may not move this visit alone any more; empty where it is possible."""
    if appointment.state == State.ABSENT and appointment.absences >= 2 and isinstance(by, Customer):
        return [_("Please call us to arrange a new time.")]
    if refusals := cancel_refusals(appointment, at=at):
        return refusals
    if appointment.state in PROMISED and appointment.moved_by_customer >= MOST_MOVES:
        return [_("This visit was moved %(count)s times already. Please call us.") % {"count": MOST_MOVES}]
    return []


def cancel_refusals(appointment: Appointment, *, at: datetime) -> list[Any]:
    """Why a customer may not cancel this visit alone any more; empty where it is possible."""
    if appointment.state == State.UNDER_WAY:
        return [_("The technician is on the way. Please call us if the time no longer suits you.")]
    if appointment.state not in PROMISED or appointment.starts_at is None:
        return []
    if at <= appointment.starts_at - promises.change_cutoff(appointment):
        return []
    return [
        _("It is less than %(hours)s hours until the visit. Please call us if the time no longer suits you.")
        % {"hours": promises.cutoff_hours(appointment)}
    ]


@transaction.atomic
def cancel_appointment(
    *,
    appointment_id: int,
    by: Any,
    side: str = Side.CUSTOMER,
    reason: str = "",
    override: str = "",
    version: int | None = None,
    at: datetime | None = None,
) -> Appointment:
    """Cancel a visit. For customers the same limit holds as for moving; when we do it inside 24 hours it is missed."""
    now = at or clock.now()
    appointment = locked(appointment_id, version=version)
    allow_own(by, appointment, "appointments.book", "dispatch.change")
    side = Side.CUSTOMER if isinstance(by, Customer) else choice(side, Side, "side")
    reason = text(reason, "reason", _("Say why it is cancelled.")) if side == Side.US else short(reason, "reason")
    facts = []
    if side == Side.CUSTOMER and (refusals := cancel_refusals(appointment, at=now)):
        if not override:
            raise DomainError(*refusals)
        facts.append(_overridden(override, by))
    if breaks_promise(appointment, side=side, at=now):
        facts += _break(appointment, "we_cancelled", at=now, by=by)
    _end(appointment, because=ClosedBecause.CANCELLED, at=now)
    facts += messages.tell(appointment, "visit_cancelled", at=now)
    messages.tell_technicians(appointment, crew_of(appointment), "visit_off_notice", at=now)
    facts.append(events.cancelled(side=side, reason=reason))
    cases.record(appointment, *facts, transition="cancelled", at=now, by=by)
    promises.tell_ticket(appointment, "cancelled", at=now)
    booking.give_back(appointment, at=now)
    return appointment


def _end(appointment: Appointment, *, because: str, at: datetime) -> None:
    run(appointment.cancel, at=at, because=because)
    promises.void(appointment)


@transaction.atomic
def release_appointment(
    *, appointment_id: int, reason: str, by: User | None, version: int | None = None, at: datetime | None = None
) -> Appointment:
    """We cannot keep the time and have no other yet: the visit needs a new one, and the customer is told why."""
    now = at or clock.now()
    appointment = locked(appointment_id, version=version)
    allow(by, "dispatch.change")
    reason = text(reason, "reason", _("Say why we cannot come."))
    before = _before(appointment)
    breaks = breaks_promise(appointment, side=Side.US, at=now)
    facts = _break(appointment, "we_moved", at=now, by=by) if breaks else []
    run(appointment.release)
    appointment.moved_by_us += 1
    promises.void(appointment)
    set_crew(appointment, [], at=now)
    facts += messages.tell(appointment, "visit_released", at=now)
    facts.append(events.released(before=before, reason=reason))
    cases.record(appointment, *facts, transition=("released", "rebooked"), at=now, by=by)
    promises.promise_arrangement(appointment, at=now)
    booking.give_back(appointment, at=now)
    return appointment


def _overridden(override: str, by: Any) -> Any:
    allow(by, "appointments.override")
    reason = text(override, "override", _("Say why the rule is set aside."))
    return events.overridden("change_cutoff", reason)


def _before(appointment: Appointment) -> list[str | None]:
    return [
        appointment.starts_at.isoformat() if appointment.starts_at else None,
        appointment.ends_at.isoformat() if appointment.ends_at else None,
    ]


def _break(appointment: Appointment, why: str, *, at: datetime, by: Any) -> list[Any]:
    """What we change inside 24 hours is a promise we broke: the verdict is missed, and compensation falls due."""
    break_promise(appointment, promises.WINDOW, why=why, at=at, by=by)
    return compensation.falls_due(appointment, "late_change", at=at)


def _is_late_change(appointment: Appointment, side: str, at: datetime) -> bool:
    starts_at = appointment.starts_at
    return side == Side.US and starts_at is not None and at >= starts_at - LATE_CHANGE
