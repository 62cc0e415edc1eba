"""View models of the ticket's page: its pane with the composer, and the customer beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import prefetch_related_objects
from django.urls import reverse
from django.utils.translation import gettext as _

from cases.states import Channel
from common import clockface
from common.transitions import refusals
from customers import masking
from customers.models import Customer
from notifications.services import address_of
from sla.models import Deadline
from sla.services import deadlines_of
from tickets.checking import is_expected
from tickets.models import Ticket
from tickets.states import Details, State

from . import forms, lists, outagenotice
from .clocks import Clocks, clocks_of
from .conversation import Conversation, conversation
from .doors import roles
from .exceptioncard import ExceptionCard, exception_card
from .lists import Listing, address
from .models import HeldFile, HeldReply
from .sending import OnItsWay, on_its_way
from .verbs import Verbs, verbs_of, with_form_filled
from .visitlines import beside

HISTORY_SHOWN = 5


# --- composer ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Composer:
    """The four ways to write; `mode` is the one in front. A refused form keeps everything that was typed.

    `draft` is the writer's own reply that did not leave: the form of the reply is filled with it.
    """

    mode: str
    forms: dict[str, Any]
    to: str
    reaches: bool
    thens: list[dict[str, Any]]
    urls: dict[str, str]
    can_confirm: bool
    draft: Draft | None = None


@dataclass(frozen=True)
class Draft:
    """A reply taken back, or given back with the reasons `why`; its files, each with whether it goes along."""

    key: int
    why: str
    at: datetime
    files: list[tuple[HeldFile, bool]]
    discard_url: str


def composer_of(
    ticket: Ticket,
    person: Any,
    listing: Listing,
    *,
    mode: str = "",
    bound: Any = None,
    drafts: Sequence[HeldReply] = (),
    focus: bool = False,
) -> Composer | None:
    """The composer for who may write. `drafts`: the person's own on this ticket; `focus`: the reply is to be gone on
    with."""
    if not person.may("tickets.work"):
        return None
    refused = bound if mode == "reply" else None
    given_back = _draft_in(drafts, refused)
    kinds = {"reply": forms.ReplyForm, "note": forms.NoteForm, "call": forms.CallForm, "customer": forms.CustomerForm}
    made = {
        name: bound if bound is not None and name == mode else kind(ticket=ticket, person=person, auto_id=f"{name}_%s")
        for name, kind in kinds.items()
    }
    if given_back and refused is None:
        made["reply"].initial = given_back.given
    if focus:
        made["reply"].fields["body"].widget.attrs |= {"data-focus": "", "autofocus": True}
    reach = address_of(ticket.customer) if ticket.customer else None
    probe = with_form_filled(ticket, person)
    wait, resolve = list(map(str, refusals(probe.wait))), list(map(str, refusals(probe.resolve)))
    chosen = made["reply"]["then"].value() if made["reply"].is_bound or given_back else ("" if wait else "wait")
    if given_back and refused is None and {"wait": wait, "resolve": resolve}.get(chosen):
        chosen = ""  # what was to follow is not possible any more
    thens = [
        {"value": "wait", "words": _("Send and wait"), "icon": "circle-pause", "reasons": wait},
        {"value": "", "words": _("Send"), "icon": "send", "reasons": []},
        {"value": "resolve", "words": _("Send and resolve"), "icon": "circle-check", "reasons": resolve},
    ]
    return Composer(
        mode=mode if mode in kinds else ("call" if ticket.state == State.RESOLVED and not given_back else "reply"),
        forms=made,
        to=_recipient(reach),
        reaches=reach is not None,
        thens=[{**then, "checked": then["value"] == (chosen or "")} for then in thens],
        urls={name: address("do", ticket, listing, name) for name in kinds},
        can_confirm=ticket.state == State.RESOLVED,
        draft=_shown_draft(given_back, refused, ticket, listing),
    )


def _draft_in(drafts: Sequence[HeldReply], refused: Any) -> HeldReply | None:
    """The draft in the form of the reply: the newest, or the one that a refused form was filled with."""
    if refused is None:
        return next(iter(drafts), None)
    return next((draft for draft in drafts if str(draft.pk) == refused["draft"].value()), None)


def _shown_draft(draft: HeldReply | None, refused: Any, ticket: Ticket, listing: Listing) -> Draft | None:
    if draft is None:
        return None
    ticked = refused["kept"].value() if refused is not None else None
    return Draft(
        key=draft.pk,
        why=" ".join(draft.why),
        at=draft.done_at or draft.created_at,
        files=[(file, ticked is None or str(file.pk) in ticked) for file in draft.files.all()],
        discard_url=address("discard_reply", ticket, listing, draft.pk),
    )


def _recipient(reach: tuple[str, str] | None) -> str:
    if reach is None:
        return _("No written channel reaches this customer: please call")
    channel, value = reach
    if channel == "email":
        return _("To: e-mail %(address)s") % {"address": masking.email(value)}
    return _("To: SMS %(number)s, up to three parts") % {"number": masking.phone(value)}


# --- customer ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CustomerPane:
    customer: Customer
    profile_url: str
    protected: list[dict[str, Any]]
    history: list[Any]
    visits: list[Any]
    may_reveal: bool
    languages: str


def customer_pane(ticket: Ticket, person: Any, listing: Listing) -> CustomerPane | None:
    customer = ticket.customer
    if customer is None:
        return None
    earlier, visits = beside(ticket, person, most=HISTORY_SHOWN)
    return CustomerPane(
        customer=customer,
        profile_url=reverse("desk:customer", args=[customer.pk]),
        protected=[
            _protected("contact", contact.pk, contact.get_kind_display(), contact.masked)
            for contact in customer.contacts.all()
        ]
        + [
            _protected(
                "address",
                home.pk,
                _("Address of this ticket") if home.pk == ticket.address_id else _("Address"),
                home.masked,
                bool(home.house),
            )
            for home in customer.addresses.all()
        ],
        history=[
            {"url": address("case", case, listing), "subject": case.subject, "at": case.received_at} for case in earlier
        ],
        visits=visits,
        may_reveal=person.may("customers.reveal"),
        languages=_("%(language)s · prefers %(channel)s")
        % {"language": customer.get_language_display(), "channel": customer.get_preferred_channel_display()},
    )


def _protected(kind: str, key: int, label: str, masked: str, hidden: bool = True) -> dict[str, Any]:
    """What desk/_customer_value.html shows: a masked value, and whether there is more to see."""
    return {"what": f"{kind}:{key}", "key": f"{kind}-{key}", "label": label, "masked": masked, "hidden": hidden}


# --- the ticket pane -----------------------------------------------------------------------------------------------


class Pane:
    """Everything the ticket's pane and the customer's beside it show. Parts are worked out when first shown."""

    def __init__(self, ticket: Ticket, person: Any, listing: Listing, *, now: datetime, whole: bool = False) -> None:
        self.ticket, self.person, self.listing, self.now, self.whole = ticket, person, listing, now, whole
        if ticket.customer:
            prefetch_related_objects([ticket.customer], "contacts", outagenotice.addresses(now), "services")

    @cached_property
    def deadlines(self) -> list[Deadline]:
        return deadlines_of(self.ticket)

    @cached_property
    def clocks(self) -> Clocks:
        return clocks_of(self.ticket, self.deadlines, self.listing, now=self.now)

    @cached_property
    def verbs(self) -> Verbs:
        return verbs_of(self.ticket, self.person, self.listing, deadlines=self.deadlines, now=self.now)

    @cached_property
    def conversation(self) -> Conversation:
        return conversation(self.ticket, self.person, whole=self.whole)

    @cached_property
    def on_its_way(self) -> OnItsWay:
        return on_its_way(self.ticket, self.person, now=self.now)

    @property
    def undo_url(self) -> str:
        """Where the reply that is going out is taken back."""
        held = self.on_its_way.mine
        return address("undo_reply", self.ticket, self.listing, held.pk) if held else ""

    @cached_property
    def customer(self) -> CustomerPane | None:
        return customer_pane(self.ticket, self.person, self.listing)

    @cached_property
    def outages(self) -> list[outagenotice.OutageNotice]:
        return outagenotice.of_ticket(self.ticket, now=self.now)

    @cached_property
    def exception(self) -> ExceptionCard | None:
        return exception_card(self.ticket, self.person, self.listing, deadlines=self.deadlines)

    @property
    def book_url(self) -> str:
        """Where a visit for this ticket is booked; "" for whom or where none can be."""
        if not (self.ticket.is_open and self.ticket.customer_id and self.person.may("appointments.book")):
            return ""
        return f"{reverse('desk:book')}?ticket={self.ticket.number}"

    @property
    def url(self) -> str:
        return address("case", self.ticket, self.listing)

    @property
    def conversation_url(self) -> str:
        return address("conversation", self.ticket, self.listing)

    @property
    def back_url(self) -> str:
        listing = self.listing
        if listing.name == lists.TEAM:
            return reverse("desk:team") + (f"?{lists.urlencode({'team': listing.team})}" if listing.team else "")
        return reverse("desk:queue") + listing.query

    @property
    def source(self) -> str:
        return _("%(channel)s · opened %(time)s") % {
            "channel": Channel(self.ticket.channel).label,
            "time": clockface.when(self.ticket.received_at, self.now),
        }

    @property
    def owner(self) -> str:
        if self.ticket.owner_id == self.person.pk:
            return _("Me")
        if self.ticket.owner_id:
            return str(self.ticket.owner)
        return _("nobody, %(team)s") % {"team": self.ticket.team} if self.ticket.team_id else _("nobody")

    @property
    def first_contact(self) -> str:
        """Who took the first contact and stays accountable; "" where the customer opened the ticket alone."""
        if self.ticket.first_contact_id == self.person.pk:
            return _("Me")
        return str(self.ticket.first_contact or "")

    @property
    def assign_url(self) -> str:
        open_here = self.ticket.is_open and self.person.may("tickets.assign")
        return address("do", self.ticket, self.listing, "assign") if open_here else ""

    @property
    def reclassify_url(self) -> str:
        open_here = self.ticket.is_open and self.person.may("tickets.reclassify")
        return address("do", self.ticket, self.listing, "reclassify") if open_here else ""

    @property
    def details(self) -> str:
        """What the check after registering found; "" where this ticket needs none."""
        if not is_expected(self.ticket):
            return ""
        return str(Details(self.ticket.details).label) if self.ticket.details else _("Not checked yet")

    @property
    def check_url(self) -> str:
        open_here = self.ticket.is_open and self.person.may("tickets.work")
        return address("do", self.ticket, self.listing, "check") if open_here else ""

    @property
    def tags(self) -> list[dict[str, str]]:
        ticket = self.ticket
        found = []
        if self.outages:
            found.append({"words": _("Area outage"), "icon": "triangle-alert"})
        if ticket.customer and ticket.customer.vulnerable:
            found.append({"words": _("Needs extra care"), "icon": "life-buoy"})
        if ticket.complex:
            found.append({"words": _("Complex"), "icon": "clipboard-list"})
        if ticket.tier > 1:
            found.append({"words": _("Tier T%(tier)s") % {"tier": ticket.tier}, "icon": "flag"})
        if ticket.cycle > 1:
            found.append({"words": _("Reopened, round %(cycle)s") % {"cycle": ticket.cycle}, "icon": "history"})
        if ticket.needs_visit:
            found.append({"words": _("Needs a visit"), "icon": "truck"})
        return found

    @property
    def who_may_work(self) -> str:
        able = roles("tickets.work")
        return _("You can read this ticket. These roles can work on it: %(roles)s.") % {"roles": able}
