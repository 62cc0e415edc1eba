"""A visit as its customer sees it: how it stands, when and where, who comes, what was done, and what may be changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from appointments import promises as visit_promises
from appointments.booking import HORIZON
from appointments.conversation import LOW_SCORE
from appointments.messages import arrival_code
from appointments.models import Appointment, Compensation, VisitRating, WaitlistEntry, WaitlistOffer
from appointments.promises import change_cutoff
from appointments.services import cancel_refusals, move_refusals
from appointments.states import AT_WORK, OPEN, PROMISED, TO_BOOK, CallTime, ClosedBecause, State
from appointments.waitlist import WAITS_IN, open_offer
from appointments.windows import Window
from appointments.wording import day_text, hours_text, wish_text
from cases.models import Note
from customers import masking
from customers.models import Customer
from sla.services import deadlines_of
from sla.states import DeadlineState

from . import words
from .doors import Door
from .matters import Row, Step
from .times import Kept, short_window
from .visit_steps import steps_of
from .words import Standing

SHOWN = 100
# A note of more characters is folded, so that it does not push everything else off the page.
LONG_NOTE = 200
# From so long before the window the customer is asked whether the time still suits.
ASKED_FROM = timedelta(hours=48)


STANDINGS: dict[str, Standing] = {
    State.REQUESTED: Standing(
        gettext_lazy("Time to be agreed"),
        "calendar-clock",
        "soon",
        gettext_lazy("We will call you to agree on a time. You can also choose one yourself."),
    ),
    State.BOOKED: Standing(gettext_lazy("Booked"), "calendar-clock", "ok", ""),
    State.CONFIRMED: Standing(gettext_lazy("Confirmed"), "circle-check", "ok", ""),
    State.UNDER_WAY: Standing(pgettext_lazy("visit", "On the way"), "truck", "brand", ""),
    State.ON_SITE: Standing(gettext_lazy("With you"), "wrench", "brand", gettext_lazy("The technician is with you.")),
    State.DONE: Standing(gettext_lazy("Done"), "circle-check", "ok", gettext_lazy("The work is done.")),
    State.ABSENT: Standing(
        gettext_lazy("We did not meet you"),
        "triangle-alert",
        "soon",
        gettext_lazy("The technician was there and did not meet you. Please choose another time."),
    ),
    State.MISSED: Standing(
        gettext_lazy("We did not come"),
        "octagon-alert",
        "over",
        gettext_lazy(
            "We are sorry: we did not come in the time we promised. Please choose another, or we will call you."
        ),
    ),
    State.FAILED: Standing(
        gettext_lazy("Not solved yet"),
        "flag",
        "soon",
        gettext_lazy("It could not be solved on this visit. Please choose another time, or we will call you."),
    ),
    State.CANCELLED: Standing(
        gettext_lazy("Cancelled"), "circle-x", "", gettext_lazy("This visit was cancelled. Nobody will come.")
    ),
}

_OWED: dict[str, Callable[[], str]] = {
    "missed_window": lambda: _("We owe you %(amount)s, because we did not come within the promised time."),
    "late_change": lambda: _("We owe you %(amount)s, because we changed the visit less than 24 hours before."),
}

_CALLED: dict[str, Callable[[], str]] = {
    CallTime.ANY: lambda: _("We will call you at %(phone)s."),
    CallTime.MORNING: lambda: _("We will call you at %(phone)s, in the morning."),
    CallTime.AFTERNOON: lambda: _("We will call you at %(phone)s, in the afternoon."),
    CallTime.EVENING: lambda: _("We will call you at %(phone)s, in the evening."),
}


def title_of(visit: Appointment) -> str:
    """`Broadband repair`; several things done in one visit are named one after the other."""
    return _(", ").join(str(service) for service in visit.services.all())


# --- lists -----------------------------------------------------------------------------------------------------------


def in_progress(customer: Customer, *, now: datetime) -> list[Row]:
    """The visits to come, the next one first; those without a time before them, because they wait for the customer."""
    found = _visits(customer).filter(state__in=OPEN)[:SHOWN]
    rows = sorted(found, key=lambda visit: (visit.state not in TO_BOOK, visit.starts_at or visit.received_at))
    return [_row(visit, now) for visit in rows]


def finished(customer: Customer, *, now: datetime) -> list[Row]:
    return [_row(visit, now) for visit in _visits(customer).exclude(state__in=OPEN).order_by("-received_at")[:SHOWN]]


def of_ticket(ticket: Any, *, now: datetime) -> list[Row]:
    """The visits that serve a ticket, the newest first."""
    found = Appointment.objects.filter(for_ticket=ticket).prefetch_related("services").order_by("-received_at")
    return [_row(visit, now) for visit in found[:SHOWN]]


def _visits(customer: Customer) -> Any:
    return Appointment.objects.visible_to(customer).prefetch_related("services")


def _row(visit: Appointment, now: datetime) -> Row:
    standing = STANDINGS[visit.state]
    if visit.window is not None and visit.state in (*PROMISED, *AT_WORK):
        said = _("Visit %(time)s") % {"time": short_window(visit.window)}
    elif visit.state == State.DONE and visit.closed_at:
        said = _("Done %(time)s") % {"time": words.when(visit.closed_at, now)}
    else:
        said = str(standing.sentence)
    return Row(visit.number, title_of(visit), said, "calendar-clock", visit.received_at)


# --- one visit -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Owed:
    """A compensation that is due, in words."""

    sentence: str


class Visit:
    """Everything the pages of one visit show; worked out when first shown."""

    def __init__(self, door: Door, *, now: datetime) -> None:
        self.door, self.visit, self.now = door, door.visit, now

    @property
    def number(self) -> str:
        return self.visit.number

    @cached_property
    def title(self) -> str:
        return title_of(self.visit)

    @property
    def standing(self) -> Standing:
        # Nobody is asked to confirm what is called confirmed above.
        return STANDINGS[State.BOOKED if self.visit.state == State.CONFIRMED and self.asks else self.visit.state]

    @property
    def window(self) -> Window | None:
        """The promised time, while it is one."""
        kept = self.visit.state in (*PROMISED, *AT_WORK, State.DONE)
        return self.visit.window if kept else None

    @property
    def day(self) -> str:
        return words.spaced(day_text(self.window.starts_at)) if self.window else ""

    @property
    def hours(self) -> str:
        return hours_text(self.window.starts_at, self.window.ends_at) if self.window else ""

    @property
    def short(self) -> str:
        return short_window(self.visit.window) if self.visit.window else ""

    @property
    def brief(self) -> str:
        """What and when, in a line."""
        if not self.short:
            return self.title
        return pgettext("what is done and when", "%(what)s, %(time)s") % {"what": self.title, "time": self.short}

    @property
    def sentence(self) -> str:
        """The one thing to know now."""
        visit = self.visit
        if visit.state in PROMISED and visit.starts_at and visit.ends_at:
            if self.now > visit.ends_at:
                return _("We are late, and we are sorry. We are finding out where the technician is.")
            if self.now >= visit.starts_at:
                return words.filled(
                    _("The technician will come by %(time)s at the latest."), time=words.when(visit.ends_at, self.now)
                )
            return _("The technician will come within this time and tell you before setting off.")
        if visit.state == State.UNDER_WAY:
            late = visit.ends_at is not None and max(self.now, visit.expected_at or self.now) > visit.ends_at
            expected = visit.expected_at and words.when(visit.expected_at, self.now)
            if late:
                return words.filled(_("The technician is late, and we are sorry. Expected: %(time)s."), time=expected)
            return words.filled(_("The technician is on the way. Expected: %(time)s."), time=expected)
        if visit.state == State.CANCELLED and visit.closed_because == ClosedBecause.ABSENT:
            return _("The technician came three times and did not meet you. Please call us if you still need it.")
        if visit.state == State.REQUESTED and self.called_by:
            return words.filled(
                _("We will call you by %(due)s to agree on a time. You can also choose one yourself."),
                due=self.called_by,
            )
        return str(self.standing.sentence)

    @cached_property
    def called_by(self) -> str:
        """Until when we promised that the visit gets a time."""
        for deadline in deadlines_of(self.visit):
            of_now = deadline.promise == visit_promises.ARRANGE and deadline.cycle == self.visit.cycle
            if of_now and deadline.state != DeadlineState.CANCELLED and deadline.due_at and deadline.due_at > self.now:
                return words.due(deadline.due_at, deadline.limits, self.now)
        return ""

    @property
    def place(self) -> str:
        """Where: in full for who is signed in, without the house number for who brought a link."""
        address = self.visit.address
        if address is not None:
            return masking.address(
                address.region, address.street, address.house, reveal=self.door.signed_in and bool(address.house)
            )
        return str(self.visit.region or "")

    @property
    def is_today(self) -> bool:
        """Whether it is the day of the visit, or somebody is on the way."""
        visit = self.visit
        if visit.state in AT_WORK:
            return True
        return visit.state in PROMISED and bool(visit.window) and visit.window.day == Window(self.now, self.now).day  # type: ignore[union-attr]

    @property
    def code(self) -> str:
        """What the technician is shown at the door, as proof of who comes and when."""
        return arrival_code(self.visit) if self.visit.state in (*PROMISED, State.UNDER_WAY) else ""

    @property
    def technician(self) -> str:
        """Who comes, on the day: name and staff number, and no number of their own."""
        owner = self.visit.owner
        if owner is None or not self.is_today:
            return ""
        return words.filled(_("%(name)s, staff number %(number)s"), name=owner, number=staff_number(owner))

    @property
    def report(self) -> str:
        return self.visit.report if self.visit.state == State.DONE else ""

    @cached_property
    def owed(self) -> list[Owed]:
        """What is due to the customer, in words."""
        due = Compensation.objects.filter(appointment=self.visit, excluded="")
        return [
            Owed(_OWED[row.trigger]() % {"amount": money(row.amount, row.currency)})
            for row in due
            if row.trigger in _OWED
        ]

    @cached_property
    def note(self) -> str:
        """What the customer wrote for the technician."""
        said = Note.objects.filter(case_id=self.visit.pk, direction=Note.Direction.IN).exclude(body="").first()
        return said.body if said else ""

    @property
    def note_is_long(self) -> bool:
        return len(self.note) > LONG_NOTE

    # --- what may be done here

    @cached_property
    def move_refusals(self) -> list[Any]:
        return move_refusals(self.visit, at=self.now, by=self.door.customer)

    @cached_property
    def cancel_refusals(self) -> list[Any]:
        return cancel_refusals(self.visit, at=self.now)

    @property
    def can_change(self) -> bool:
        """Whether a (new) time could be chosen in this state at all; `move_refusals` may still say no."""
        return self.door.may_change and self.visit.state in (*PROMISED, *TO_BOOK)

    @property
    def may_move(self) -> bool:
        return self.can_change and not self.move_refusals

    @property
    def may_cancel(self) -> bool:
        return self.can_change and not self.cancel_refusals

    @property
    def needs_time(self) -> bool:
        return self.visit.state in TO_BOOK

    @property
    def asks(self) -> bool:
        """Whether the customer is asked to confirm the time again: where we asked, or it was told before ASKED_FROM."""
        visit = self.visit
        if not self.door.may_change or visit.state not in PROMISED or visit.reconfirmed_at or visit.starts_at is None:
            return False
        from_then = visit.starts_at - ASKED_FROM
        # Who has only just chosen the time is not asked whether it suits.
        chosen_before = (visit.told_at or visit.received_at) < from_then
        return self.now < visit.starts_at and (visit.asked_at is not None or (chosen_before and self.now >= from_then))

    @cached_property
    def cutoff(self) -> timedelta:
        return change_cutoff(self.visit)

    @property
    def change_until(self) -> str:
        """Until when it may be changed free of charge; empty when that is over or was never so."""
        visit = self.visit
        if visit.state not in PROMISED or visit.starts_at is None or self.now >= visit.starts_at - self.cutoff:
            return ""
        return words.when(visit.starts_at - self.cutoff, self.now)

    @property
    def cutoff_words(self) -> str:
        return words.length(self.cutoff)

    @property
    def has_calendar(self) -> bool:
        return self.visit.state in PROMISED

    @property
    def may_book_again(self) -> bool:
        return self.door.signed_in and self.visit.state in (State.CANCELLED, State.DONE)

    # --- an earlier time

    @cached_property
    def waits(self) -> WaitlistEntry | None:
        return WaitlistEntry.objects.filter(appointment=self.visit, ended_at=None).first()

    @property
    def may_wait(self) -> bool:
        """Whether to be told of something earlier makes sense: without a time always, else where a day lies before."""
        visit = self.visit
        if not self.may_move or visit.state not in WAITS_IN:
            return False
        return visit.state not in PROMISED or self.wish_bounds[1] > self.wish_bounds[0]

    @property
    def wish_bounds(self) -> tuple[date, date]:
        """The first and the last day on which something could be offered: today, and the day of the visit."""
        visit, today = self.visit, Window(self.now, self.now).day
        booked = visit.window.day if visit.window and visit.state in PROMISED else None
        return today, booked or today + HORIZON

    @property
    def wish(self) -> dict[str, Any]:
        """What was wished for so far, as the form takes it."""
        entry = self.waits
        return {name: getattr(entry, name) for name in ("weekdays", "parts", "first_on", "last_on")} if entry else {}

    @property
    def waiting(self) -> str:
        """What we watch out for on the customer's behalf."""
        entry = self.waits
        if entry is None:
            return ""
        wish = wish_text(entry.first_on, entry.last_on, entry.weekdays, entry.parts)
        if self.window:
            return words.filled(_("We will tell you if an earlier time comes free: %(wish)s."), wish=wish)
        return words.filled(_("We will tell you when a time comes free: %(wish)s."), wish=wish)

    @cached_property
    def offer(self) -> WaitlistOffer | None:
        return open_offer(self.visit, at=self.now) if self.door.may_change else None

    @property
    def offer_kept(self) -> Kept | None:
        return Kept(self.offer) if self.offer else None

    @property
    def offered_day(self) -> str:
        return words.spaced(day_text(self.offer.starts_at)) if self.offer else ""

    @property
    def offered_hours(self) -> str:
        return hours_text(self.offer.starts_at, self.offer.ends_at) if self.offer else ""

    # --- rating

    @cached_property
    def rating(self) -> VisitRating | None:
        return VisitRating.objects.filter(appointment=self.visit).first()

    @property
    def may_rate(self) -> bool:
        return self.door.may_rate and self.visit.state == State.DONE and self.rating is None

    @property
    def phone(self) -> str:
        """The number at which we would call the customer, masked; empty without one."""
        contact = self.door.customer.phone
        return contact.masked if contact else ""

    @property
    def call_promised(self) -> str:
        """That we call, and when, for who asked for it with the rating; empty once it is done."""
        if self.rating is None or not self.rating.callback or self.visit.call_since is None:
            return ""
        return words.filled(_CALLED[self.rating.callback](), phone=self.phone)

    @property
    def rated_low(self) -> bool:
        return self.rating is not None and self.rating.score <= LOW_SCORE

    @cached_property
    def steps(self) -> list[Step]:
        return steps_of(self)


def staff_number(person: Any) -> str:
    """The number by which a member of staff is known to customers; it signs nobody in."""
    return f"{person.pk:04d}"


def money(amount: Any, currency: str) -> str:
    """`¥20.00`, with the code before the amount for another currency."""
    return f"¥{amount:,.2f}" if currency == "CNY" else f"{currency} {amount:,.2f}"
