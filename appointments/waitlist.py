"""The waitlist: who wants an earlier time is offered one when it gets free, one person at a time, ten minutes each.

An offer is a hold: while it runs nobody else can take the window, and when it runs out the next in line is asked.
Nobody is asked twice for the same window, nor at night.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from common import clock
from common.errors import DomainError, InvalidInput
from common.given import choices
from sla import timers

from . import booking, events, messages
from .checks import locked
from .models import Appointment, WaitlistEntry, WaitlistOffer
from .permissions import allow_own
from .services import arrange_appointment, move_appointment, move_refusals
from .states import PROMISED, DayPart, Outcome, State
from .windows import Window

FREED_TIMER = booking.FREED_TIMER
OFFER_TIMER = "appointments.offer"
# A window that begins sooner cannot be offered: the customer must have the time to be there.
SOONEST = timedelta(hours=3)
WAITS_IN = (*PROMISED, State.REQUESTED, State.ABSENT, State.MISSED, State.FAILED)


@transaction.atomic
def join_waitlist(
    *,
    appointment_id: int,
    by: Any,
    first_on: date | None = None,
    last_on: date | None = None,
    weekdays: Collection[int] = (),
    parts: Collection[str] = (),
    at: datetime | None = None,
) -> WaitlistEntry:
    """Ask to be told when an earlier window gets free at which somebody could be at home.

    `first_on` and `last_on` bound the days, `weekdays` (1 is Monday) and `parts` (of DayPart) choose among them; what
    is left out excludes nothing. Asking again changes the wish and keeps the place in the line. Raises InvalidInput
    naming the field where no day before the visit is left.
    """
    now = at or clock.now()
    appointment = locked(appointment_id)
    allow_own(by, appointment, "appointments.book", "dispatch.change")
    if appointment.state not in WAITS_IN:
        raise DomainError(
            _("This is not possible while the state is “%(state)s”.") % {"state": appointment.get_state_label()}
        )
    if first_on and last_on and last_on < first_on:
        raise InvalidInput(_("The last day comes before the first."), field="last_on")
    weekdays = choices(weekdays, range(1, 8), "weekdays")
    parts = choices(parts, DayPart, "parts")
    entry = WaitlistEntry.objects.filter(appointment=appointment).first() or WaitlistEntry(appointment=appointment)
    wish = {
        "first_on": first_on,
        "last_on": last_on,
        "weekdays": sorted(weekdays),
        "parts": [part for part in DayPart.values if part in parts],
    }
    if entry.pk and entry.ended_at is None and all(getattr(entry, name) == value for name, value in wish.items()):
        return entry  # sent twice
    for name, value in wish.items():
        setattr(entry, name, value)
    _refuse_hopeless(entry, at=now)
    if entry.pk is None or entry.ended_at is not None:
        entry.joined_at, entry.ended_at = now, None
    entry.save()
    cases.record(appointment, events.waitlisted(entry), transition="noted", at=now, by=by)
    return entry


def _refuse_hopeless(entry: WaitlistEntry, *, at: datetime) -> None:
    """Raise InvalidInput where no day that could be offered is among those wanted."""
    today = Window(at, at).day
    if entry.last_on is not None and entry.last_on < today:
        raise InvalidInput(_("This day has passed. Please choose a later one."), field="last_on")
    first = max(today, entry.first_on or today)
    appointment = entry.appointment
    if appointment.state not in PROMISED or appointment.window is None:
        last = first + timedelta(days=6)  # a week has every weekday
    else:
        last = appointment.window.day
        if first > last:
            raise InvalidInput(_("Your visit is earlier than that. Please choose an earlier day."), field="first_on")
    last = min(last, entry.last_on or last)
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    if not any(entry.wants_day(day) for day in days):
        raise InvalidInput(_("None of these days comes in that time. Please choose others too."), field="weekdays")


@transaction.atomic
def leave_waitlist(*, appointment_id: int, by: Any, at: datetime | None = None) -> bool:
    """No longer wait for an earlier time; whether the visit was on the list."""
    now = at or clock.now()
    appointment = locked(appointment_id)
    allow_own(by, appointment, "appointments.book", "dispatch.change")
    left = WaitlistEntry.objects.filter(appointment=appointment, ended_at=None).update(ended_at=now)
    _withdraw(appointment, Outcome.DECLINED, at=now)
    return bool(left)


@timers.handles(FREED_TIMER)
def window_freed(timer: Any, now: datetime) -> None:
    """A window got free: offer it to the first who wants it and can have it."""
    starts_at = datetime.fromisoformat(timer.args["starts_at"])
    by_day = messages.by_day(now)
    if by_day > now:
        # Nobody is woken for ten minutes' time to answer.
        if starts_at > by_day + SOONEST:
            timers.set_timer(FREED_TIMER, key=timer.key, fire_at=by_day, args=timer.args)
        return
    if starts_at > now + SOONEST:
        offer_window(starts_at, at=now)


@transaction.atomic
def offer_window(starts_at: datetime, *, at: datetime) -> WaitlistOffer | None:
    """Offer a window to the first in line for whom it is possible; None where nobody wants it or it is taken again."""
    grid = booking.grid_around(starts_at, at=at)
    window = grid.window_at(starts_at)
    if window is None:
        return None
    for entry in _in_line(window):
        needs = booking.needs_of(entry.appointment)
        if grid.room(window, needs, but=entry.appointment_id):
            offer = _offer(entry, window, at=at)
            if offer is not None:
                return offer
    return None


def _in_line(window: Window) -> list[WaitlistEntry]:
    """Who waits for such a window: the longest first; not those whose time is as early, nor who were asked for it."""
    waiting = (
        WaitlistEntry.objects.filter(ended_at=None, appointment__state__in=WAITS_IN)
        .exclude(appointment__state__in=PROMISED, appointment__starts_at__lte=window.starts_at)
        .exclude(offers__starts_at=window.starts_at)
        .exclude(offers__outcome="")
        .select_related("appointment__region")
        .order_by("joined_at", "pk")
    )
    return [entry for entry in waiting if entry.wants(window)]


def _offer(entry: WaitlistEntry, window: Window, *, at: datetime) -> WaitlistOffer | None:
    appointment = locked(entry.appointment_id)
    if appointment.state not in WAITS_IN or move_refusals(appointment, at=at, by=appointment.customer):
        return None
    try:
        hold = booking.hold_window(
            services=list(appointment.services.all()),
            region=appointment.region,
            starts_at=window.starts_at,
            customer=appointment.customer,
            at=at,
        )
    except booking.WindowTaken:
        return None
    offer = WaitlistOffer.objects.create(
        entry=entry, starts_at=window.starts_at, ends_at=window.ends_at, hold_key=hold.key, expires_at=hold.expires_at
    )
    timers.set_timer(
        OFFER_TIMER, key=f"offer-{offer.pk}", fire_at=hold.expires_at, case=appointment, args={"offer": offer.pk}
    )
    facts = messages.offer(appointment, offer, at=at)
    cases.record(appointment, events.offered(offer), *facts, transition="noted", at=at)
    return offer


@transaction.atomic
def accept_offer(*, offer_id: int, by: Any, at: datetime | None = None) -> Appointment:
    """Take the window offered; the present one is let go, and somebody else may have it.

    Raises DomainError where the ten minutes are over; the present time stands then.
    """
    now = at or clock.now()
    offer = WaitlistOffer.objects.select_related("entry").get(pk=offer_id)
    appointment = locked(offer.entry.appointment_id)
    allow_own(by, appointment, "appointments.book", "dispatch.change")
    offer.refresh_from_db()
    if offer.outcome == Outcome.ACCEPTED:
        return appointment
    if offer.outcome or offer.expires_at <= now:
        raise DomainError(_("This offer is no longer open. Your present time stands."))
    _end(offer, Outcome.ACCEPTED, at=now)
    WaitlistEntry.objects.filter(pk=offer.entry_id).update(ended_at=now)
    if appointment.state == State.REQUESTED:
        return arrange_appointment(
            appointment_id=appointment.pk, starts_at=offer.starts_at, hold=offer.hold_key, by=by, at=now
        )
    return move_appointment(
        appointment_id=appointment.pk, starts_at=offer.starts_at, hold=offer.hold_key, by=by, at=now
    )


@transaction.atomic
def decline_offer(*, offer_id: int, by: Any, at: datetime | None = None) -> WaitlistOffer:
    """Not this one: the next in line is asked at once; the customer stays on the list."""
    now = at or clock.now()
    offer = WaitlistOffer.objects.select_related("entry").get(pk=offer_id)
    appointment = locked(offer.entry.appointment_id)
    allow_own(by, appointment, "appointments.book", "dispatch.change")
    offer.refresh_from_db()
    if not offer.outcome:
        _end(offer, Outcome.DECLINED, at=now)
        _pass_on(offer, at=now)
    return offer


@timers.handles(OFFER_TIMER)
def offer_ran_out(timer: Any, now: datetime) -> None:
    """Ten minutes without an answer: the next in line is asked."""
    offer = WaitlistOffer.objects.get(pk=timer.args["offer"])
    if not offer.outcome:
        _end(offer, Outcome.EXPIRED, at=now)
        _pass_on(offer, at=now)


def _withdraw(appointment: Appointment, outcome: str, *, at: datetime) -> None:
    for offer in WaitlistOffer.objects.filter(entry__appointment=appointment, outcome=""):
        _end(offer, outcome, at=at)
        _pass_on(offer, at=at)


def _end(offer: WaitlistOffer, outcome: str, *, at: datetime) -> None:
    offer.outcome, offer.answered_at = outcome, at
    offer.save(update_fields=["outcome", "answered_at"])
    timers.cancel_timers(offer.entry.appointment, OFFER_TIMER)


def _pass_on(offer: WaitlistOffer, *, at: datetime) -> None:
    booking.release_hold(offer.hold_key, at=at)
    booking.announce_free([offer.starts_at], at=at)


def open_offer(appointment: Appointment, *, at: datetime) -> WaitlistOffer | None:
    """The offer this visit has at the moment, if any."""
    return WaitlistOffer.objects.filter(entry__appointment=appointment, outcome="", expires_at__gt=at).first()
