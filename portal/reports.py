"""From what a customer wrote, step by step, to one ticket: also for somebody who becomes a customer by it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from cases.models import Category
from cases.numbers import key_of
from cases.states import Channel
from common import clock, typed
from common.errors import DomainError, InvalidInput
from customers.lookup import phone_index
from customers.models import Address, Customer, Region
from customers.services import add_address, register_customer
from tickets.models import Ticket
from tickets.services import open_ticket

from . import quotas
from .models import Session
from .subjects import SUBJECTS, Subject, branches, leaves, root_of

LONGEST = 2000
NEW_PLACE = "new"
OTHER = "other"  # none of the faults named


class Placed(Protocol):
    """Something being written that happens at a place: one on file, by key, or a new one."""

    @property
    def place(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def street(self) -> str: ...
    @property
    def house(self) -> str: ...
    @property
    def values(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Draft:
    """What was written so far, as values: categories by code, places by key. `sent` is the number it became."""

    service: str = ""
    what: str = ""
    words: str = ""
    place: str = ""
    region: str = ""
    street: str = ""
    house: str = ""
    name: str = ""
    sent: str = ""

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Draft:
        return cls(**{name: str(value) for name, value in kept.items() if name in cls.__dataclass_fields__})

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if value}


def category_of(subject: Subject, draft: Draft) -> Category | None:
    """The category chosen, or the branch of it for something else."""
    offered = {branch.code: branch for branch in branches(subject)}
    for branch in list(offered.values()):
        offered |= {leaf.code: leaf for leaf in leaves(branch)}
    return offered.get(draft.what) or offered.get(draft.service)


def missing_step(subject: Subject, draft: Draft, customer: Customer | None) -> str:
    """The first question that was not answered yet; empty when nothing is missing."""
    if "service" in subject.steps and not draft.service and branches(subject):
        return "service"
    if not draft.what and not draft.words:
        return "what"
    if "where" in subject.steps and draft.place != NEW_PLACE and place_of(draft, customer) is None:
        return "where"
    return ""


def place_of(draft: Placed, customer: Customer | None) -> Address | None:
    """The address of the customer's file that was chosen."""
    key = typed.key(draft.place)
    if customer is None or key is None:
        return None
    return customer.addresses.select_related("region").filter(pk=key).first()


def place_known(draft: Placed, customer: Customer | None) -> dict[str, Any]:
    """What was answered so far; where no place was chosen yet, with the only address on file."""
    values = dict(draft.values)
    if not values.get("place") and customer is not None:
        known = list(customer.addresses.values_list("pk", flat=True)[:2])
        if len(known) == 1:
            values["place"] = str(known[0])
    return values


def region_of(draft: Placed, customer: Customer | None) -> Region | None:
    """Where it is, from the address chosen or the region named."""
    place = place_of(draft, customer)
    return place.region if place else Region.objects.filter(code=draft.region).first() if draft.region else None


@transaction.atomic
def send(*, session: Session, subject: str, name: str = "", language: str, at: datetime | None = None) -> Ticket:
    """Make the ticket of this visit's draft and return it; sent twice it is one ticket.

    Somebody not known yet becomes a customer, reachable under the proven number. Raises InvalidInput naming the field,
    DomainError when something is missing, or quotas.TooOften; what was written stays.
    """
    now = at or clock.now()
    # The visit's row is the lock: of two sendings at once the second finds the number of the first.
    present = Session.objects.select_for_update().select_related(None).get(pk=session.pk)
    drafts = json.loads(present.drafts) if present.drafts else {}
    about, draft = SUBJECTS[subject], Draft.of(drafts.get(subject, {}))
    if draft.sent:
        ticket: Ticket = Ticket.objects.get(pk=key_of(draft.sent) or 0)
        return ticket
    if not present.phone:
        raise DomainError(_("Prove your mobile number first."))
    if missing_step(about, draft, present.customer):
        raise DomainError(_("Something is missing. Please go through the questions again."))
    quotas.spend(("report", phone_index(present.phone), quotas.REPORTED_BY), at=now)
    customer = present.customer or newcomer(present, name or draft.name, language, now)
    address = address_for(draft, customer)
    category = category_of(about, draft)
    ticket = open_ticket(
        subject=_subject(draft, category),
        type=about.type,
        channel=Channel.WEB,
        by=customer,
        customer=customer,
        description=draft.words[:LONGEST],
        category=category,
        region=address.region if address else region_of(draft, customer),
        address=address,
        at=now,
    )
    drafts[subject] = {"sent": ticket.number}
    present.customer, present.drafts = customer, json.dumps(drafts, ensure_ascii=False)
    present.save(update_fields=["customer", "drafts"])
    session.customer, session.drafts = present.customer, present.drafts
    return ticket


def newcomer(session: Session, name: str, language: str, at: datetime) -> Customer:
    """Whoever holds the proven number becomes a customer. Raises InvalidInput without a name."""
    if not name.strip():
        raise InvalidInput(_("Enter your name."), field="name")
    return register_customer(
        name=name,
        phone=session.phone,
        language=language,
        preferred_channel=Customer.Channel.SMS,
        at=at,
    )


def address_for(draft: Placed, customer: Customer) -> Address | None:
    """The place chosen, or the new one, now on the customer's file."""
    if draft.place != NEW_PLACE:
        return place_of(draft, customer)
    if not draft.street:
        return None
    return add_address(customer=customer, region=region_of(draft, customer), street=draft.street, house=draft.house)


def _subject(draft: Draft, category: Category | None) -> str:
    """What staff read in their queue: the service and what is wrong, or the beginning of the customer's own words."""
    begins = " ".join(draft.words.split())[:80]
    if category is None:
        return begins or _("Report from the website")
    service = root_of(category)
    matter = str(category) if draft.what == category.code else begins or str(category)
    return pgettext("a service and what is wrong with it", "%(service)s: %(matter)s") % {
        "service": service,
        "matter": matter,
    }
