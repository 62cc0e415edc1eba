"""From what a customer chose, step by step, to one booked visit; for somebody new to us, too."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from appointments.availability import Grid, Needs
from appointments.booking import hold_window, release_hold
from appointments.models import Appointment, Hold, VisitService
from appointments.promises import change_cutoff
from appointments.services import book_appointment
from appointments.states import OPEN as OPEN_STATES
from appointments.states import Type
from appointments.windows import Window
from cases.numbers import key_of
from cases.states import Channel
from common.errors import DomainError
from customers.lookup import phone_index
from customers.models import Customer, Region
from tickets.models import Ticket
from tickets.states import Type as TicketType

from . import quotas, sessions
from .models import Session
from .reports import address_for, newcomer, region_of
from .subjects import root_of
from .times import moment, value_of

NAME = "visit"  # of the draft
WHAT, WHERE, WHEN, CHECK = "what", "where", "when", "check"
STEPS = (WHAT, WHERE, WHEN, CHECK)
# What is more than a day's work is several visits.
MOST_WORK = timedelta(hours=8)
NEAR = timedelta(days=14)


@dataclass(frozen=True)
class Draft:
    """What was chosen so far, as values. `key` names this one booking, `hold` the window kept for it, `sent` the
    number it became; `call` instead of `starts` asks us to call and agree on a time."""

    services: tuple[str, ...] = ()
    ticket: int = 0
    place: str = ""
    region: str = ""
    street: str = ""
    house: str = ""
    starts: str = ""
    call: bool = False
    hold: str = ""
    key: str = ""
    note: str = ""
    name: str = ""
    sent: str = ""

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Draft:
        known = {name: value for name, value in kept.items() if name in cls.__dataclass_fields__}
        return cls(**{**known, "services": tuple(known.get("services", ()))})

    @property
    def values(self) -> dict[str, Any]:
        return {name: list(value) if name == "services" else value for name, value in self.__dict__.items() if value}

    @property
    def starts_at(self) -> datetime | None:
        return moment(self.starts) if self.starts else None

    @property
    def shown(self) -> str:
        """What stands on the last page, as a short digest: only that is booked by its button."""
        facts = [*sorted(self.services), self.place, self.region, self.street, self.house, self.starts, str(self.call)]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def draft_of(session: Session | None) -> Draft:
    return Draft.of(sessions.draft(session, NAME))


def begun(draft: Draft) -> Draft:
    """The draft to go on with: a new one, with a key of its own, where there is none or it was sent."""
    return Draft(key=uuid.uuid4().hex) if draft.sent or not draft.key else draft


# --- what is to be done ----------------------------------------------------------------------------------------------


def offered() -> list[VisitService]:
    return list(VisitService.objects.filter(active=True))


def services_of(draft: Draft) -> list[VisitService]:
    """What was chosen, in the order in which we offer it; what is no longer offered is left out."""
    return [service for service in offered() if service.code in draft.services] if draft.services else []


# Which skills a technician needs for a service of the category tree, by its root.
_SKILLS = {"broadband": ("broadband", "fiber"), "tv": ("iptv",), "fixed": ("fixed_line",)}


def services_for(ticket: Ticket) -> list[VisitService]:
    """What a visit for this ticket would do: the usual first. Empty where no technician could help."""
    if ticket.category is None:
        return []
    if ticket.type == TicketType.FAULT:
        kinds = [Type.REPAIR]
    elif ticket.type == TicketType.ORDER:
        kinds = [Type.MOVE] if ticket.category.code.endswith(".move") else [Type.INSTALL]
    else:
        return []
    skills = _SKILLS.get(root_of(ticket.category).code, ())
    return [service for service in offered() if service.skill in skills and service.type in kinds]


def may_book_for(ticket: Ticket) -> bool:
    """Whether a visit for this ticket can be booked: it is open, none is arranged yet, and a visit would help."""
    if not ticket.is_open or Appointment.objects.filter(for_ticket=ticket, state__in=OPEN_STATES).exists():
        return False
    return ticket.needs_visit or bool(services_for(ticket))


def draft_for(ticket: Ticket) -> Draft:
    """A booking that serves this ticket, with what it knows filled in."""
    chosen = services_for(ticket)[:1]
    place = ticket.address
    return Draft(
        key=uuid.uuid4().hex,
        ticket=ticket.pk,
        services=tuple(service.code for service in chosen),
        place=str(place.pk) if place is not None and place.customer_id == ticket.customer_id else "",
    )


def draft_again(visit: Appointment) -> Draft:
    """The same once more, after a visit that was cancelled or has ended."""
    ticket = visit.for_ticket
    return Draft(
        key=uuid.uuid4().hex,
        ticket=ticket.pk if ticket is not None and ticket.is_open else 0,
        services=tuple(service.code for service in visit.services.all() if service.active),
        place=str(visit.address_id or ""),
    )


# --- when ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What a draft amounts to for a customer (or somebody who is none yet)."""

    draft: Draft
    customer: Customer | None

    @cached_property
    def services(self) -> list[VisitService]:
        return services_of(self.draft)

    @cached_property
    def region(self) -> Region | None:
        return region_of(self.draft, self.customer)

    @property
    def needs(self) -> Needs:
        return Needs.of(self.services, self.region)

    @property
    def missing(self) -> str:
        """The first question that was not answered yet; empty when nothing is missing."""
        if not self.services:
            return WHAT
        if self.region is None:
            return WHERE
        return "" if self.draft.call or self.draft.starts_at else WHEN

    def cutoff(self, at: datetime) -> timedelta:
        """How long before the window it may be changed without calling us."""
        kind = self.services[0].type if self.services else Type.REPAIR
        return change_cutoff(
            Appointment(kind=Appointment.KIND, type=kind, channel=Channel.WEB, received_at=at, region=self.region)
        )


def keep_time(*, session: Session, plan: Plan, starts_at: datetime, at: datetime) -> Hold:
    """Hold a window for this draft; an earlier hold of it is let go. Raises InvalidInput, WindowTaken, TooOften."""
    quotas.spend(("hold", phone_index(session.phone), quotas.HELD_BY), at=at)
    return hold_window(
        services=plan.services,
        region=plan.region,
        starts_at=starts_at,
        customer=session.customer,
        key=plan.draft.hold,
        at=at,
    )


def nearest(refusal: DomainError, needs: Needs, to: datetime | None, *, at: datetime) -> list[Window]:
    """The three free windows nearest to a time that cannot be had."""
    known = refusal.facts.get("nearest")
    if known is not None:
        return list(known)
    today = Window(at, at).day
    return Grid(today, today + NEAR, at=at).nearest(needs, to or at)


# --- and done --------------------------------------------------------------------------------------------------------


@transaction.atomic
def send(
    *, session: Session, note: str, name: str = "", starts_at: datetime | None = None, language: str, at: datetime
) -> Appointment:
    """Book the visit of this session's draft and return it; sent twice it is one visit.

    `starts_at` is another window than the one held, where that was taken meanwhile. Raises InvalidInput naming the
    field, WindowTaken with the nearest free windows, DomainError when something is missing, or quotas.TooOften; what
    was chosen stays.
    """
    # The visit's row is the lock: of two sendings at once the second finds the number of the first.
    present = Session.objects.select_for_update().select_related(None).get(pk=session.pk)
    drafts = json.loads(present.drafts) if present.drafts else {}
    draft = Draft.of(drafts.get(NAME, {}))
    if draft.sent:
        return _sent(draft)
    if not present.phone:
        raise DomainError(_("Prove your mobile number first."))
    if starts_at is not None:
        draft = replace(draft, starts=value_of(starts_at), call=False)
    if Plan(draft, present.customer).missing:
        raise DomainError(_("Something is missing. Please go through the questions again."))
    quotas.spend(("book", phone_index(present.phone), quotas.BOOKED_BY), at=at)
    customer = present.customer or newcomer(present, name or draft.name, language, at)
    address = address_for(draft, customer)
    visit = book_appointment(
        customer=customer,
        services=services_of(draft),
        region=address.region if address else region_of(draft, customer),
        starts_at=None if draft.call else draft.starts_at,
        channel=Channel.WEB,
        by=customer,
        address=address,
        ticket=_ticket(draft, customer),
        note=note,
        hold=draft.hold,
        key=draft.key,
        at=at,
    )
    # A hold of another window than the one booked keeps it from everybody for nothing.
    release_hold(draft.hold)
    drafts[NAME] = {"sent": visit.number}
    present.customer, present.drafts = customer, json.dumps(drafts, ensure_ascii=False)
    present.save(update_fields=["customer", "drafts"])
    session.customer, session.drafts = present.customer, present.drafts
    return visit


def _sent(draft: Draft) -> Appointment:
    visit: Appointment = Appointment.objects.get(pk=key_of(draft.sent) or 0)
    return visit


def _ticket(draft: Draft, customer: Customer) -> Ticket | None:
    """The ticket the visit serves, while it is open and the customer's own."""
    if not draft.ticket:
        return None
    ticket = Ticket.objects.filter(pk=draft.ticket, customer=customer).first()
    return ticket if ticket is not None and ticket.is_open else None
