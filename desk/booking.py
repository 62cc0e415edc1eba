"""Booking at the phone and at the counter: the form, the week's windows, and what happens when it is sent."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from appointments.availability import Grid, Needs, next_free
from appointments.booking import HORIZON
from appointments.checks import MOST_NOTE
from appointments.conversation import note_visit
from appointments.models import Appointment, Hold, VisitService
from appointments.services import book_appointment
from appointments.windows import Window
from appointments.wording import day_text, hours_text
from cases.facts import listed
from cases.numbers import key_of
from cases.states import Channel
from common import clockface, typed
from common.clockface import Chip
from common.errors import DomainError
from customers.models import Address, Customer, Language, Region
from customers.services import add_address, register_customer
from desk.forms import choice, text
from desk.intake import PlainInput
from tickets.models import Ticket

DAYS = 7
ELSEWHERE = "elsewhere"
PAPERS = [("identity", _("Identity document")), ("contract", _("Contract"))]
HOLD_WARN = timedelta(minutes=3)


class BookForm(forms.Form):
    """Who, what, where; the windows are buttons, each of which sends the whole form."""

    phone = forms.CharField(
        label=_("Phone number"),
        required=False,
        max_length=80,
        help_text=_("Also the last four digits, an account number or a name."),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
    )
    customer = forms.CharField(required=False, widget=forms.HiddenInput)
    name = forms.CharField(label=_("Customer's name"), required=False, max_length=80, widget=PlainInput)
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices, required=False)
    services = forms.ModelMultipleChoiceField(
        VisitService.objects.filter(active=True),
        label=_("What is to be done"),
        help_text=_("Several are done in one visit."),
        to_field_name="code",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose what is to be done.")},
    )
    place = forms.ChoiceField(label=_("Where"), required=False, widget=forms.RadioSelect)
    region = forms.ModelChoiceField(Region.objects.all(), label=_("Region"), required=False, empty_label=_("Choose"))
    street = forms.CharField(label=_("Street"), required=False, max_length=200, widget=PlainInput)
    house = forms.CharField(label=_("House number"), required=False, max_length=80, widget=PlainInput)
    channel = choice(
        _("How it came in"),
        [(Channel.PHONE, Channel.PHONE.label), (Channel.COUNTER, Channel.COUNTER.label)],
        radio=True,
        initial=Channel.PHONE,
    )
    papers = forms.MultipleChoiceField(
        label=_("Papers seen"), choices=PAPERS, required=False, widget=forms.CheckboxSelectMultiple
    )
    urgent = forms.BooleanField(label=_("Urgent"), required=False)
    note = text(_("Note for the technician"), rows=3, max_length=MOST_NOTE)
    ticket = forms.CharField(required=False, widget=forms.HiddenInput)
    hold = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    key = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, person: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.person = person
        self.known = self._customer()
        self.homes = list(self.known.addresses.select_related("region")) if self.known else []
        places = [(f"address:{home.pk}", home.masked) for home in self.homes]
        if places:
            self.fields["place"].choices = [*places, (ELSEWHERE, _("Somewhere else"))]  # type: ignore[attr-defined]
            self.fields["place"].initial = places[0][0]
        else:
            self.fields["place"].choices = [(ELSEWHERE, _("Somewhere else"))]  # type: ignore[attr-defined]
            self.fields["place"].initial = ELSEWHERE

    def _customer(self) -> Customer | None:
        key = typed.key(str(self["customer"].value() or ""))
        return Customer.objects.filter(pk=key).first() if key else None

    # --- what is known before everything is filled in ----------------------------------------------------------------

    @property
    def chosen_services(self) -> list[VisitService]:
        codes = self["services"].value() or []
        return list(VisitService.objects.filter(active=True, code__in=[str(code) for code in codes]))

    @property
    def home(self) -> Address | None:
        wanted = str(self["place"].value() or self.fields["place"].initial)
        return next((home for home in self.homes if wanted == f"address:{home.pk}"), None)

    @property
    def area(self) -> Region | None:
        """Where the visit would be: by the address chosen, else by the region."""
        if (home := self.home) and home.region:
            return home.region
        key = typed.key(str(self["region"].value() or ""))
        return Region.objects.filter(pk=key).first() if key else None

    # --- the whole form ----------------------------------------------------------------------------------------------

    def clean_ticket(self) -> Ticket | None:
        key = key_of(self.cleaned_data["ticket"]) if self.cleaned_data["ticket"] else None
        return Ticket.objects.visible_to(self.person).filter(pk=key).first() if key else None

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.known is None:
            if not data.get("name"):
                self.add_error("name", _("Enter the customer's name."))
            if not data.get("phone"):
                self.add_error("phone", _("Enter a telephone number."))
        if self.area is None:
            self.add_error("region", _("Choose the area of the visit."))
        if data.get("channel") == Channel.COUNTER and not data.get("papers"):
            self.add_error("papers", _("At the counter, tick the papers you have seen."))
        return data

    def refuse(self, refusal: DomainError) -> None:
        field = {"address": "place", "starts_at": None}.get(refusal.field, refusal.field)
        self.add_error(field if field in self.fields else None, [str(reason) for reason in refusal.reasons])


# --- the week --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Room:
    """A window with its room; `key` is the value of its button."""

    key: int
    words: str
    room: int
    held: bool
    present: bool


@dataclass(frozen=True)
class Week:
    """Seven days of windows, full ones included."""

    days: list[tuple[str, list[Room]]]
    before: str
    after: str
    next_free: tuple[str, str] | None


def week(needs: Needs, *, on: str, now: datetime, hold: Hold | None = None, moving: Appointment | None = None) -> Week:
    """The windows of seven days from `on` (a date; today where it is none)."""
    today = Window(now, now).day
    first = today
    with suppress(ValueError):
        first = min(max(date.fromisoformat(on), today), today + HORIZON - timedelta(days=DAYS))
    # What is kept for the customer is free for this customer.
    grid = Grid(first, first + timedelta(days=DAYS - 1), at=now, own_hold=hold.key if hold else "")
    offers = grid.open_windows(needs, but=moving.pk if moving else None)
    kept = hold.starts_at if hold else None
    present = moving.starts_at if moving else None
    days: dict[date, tuple[str, list[Room]]] = {}
    for offer in offers:
        window = offer.window
        rooms = days.setdefault(window.day, (day_text(window.starts_at), []))[1]
        rooms.append(
            Room(
                key=int(window.starts_at.timestamp()),
                words=hours_text(window.starts_at, window.ends_at),
                room=offer.room,
                held=window.starts_at == kept,
                present=window.starts_at == present,
            )
        )
    free = None
    if not any(room.room for _words, rooms in days.values() for room in rooms):
        found = next_free(needs, at=now)
        free = (found.day.isoformat(), day_text(found.starts_at)) if found else ("", "")
    return Week(
        days=list(days.values()),
        before=(first - timedelta(days=DAYS)).isoformat() if first > today else "",
        after=(first + timedelta(days=DAYS)).isoformat(),
        next_free=free,
    )


def needs_in(form: BookForm) -> Needs | None:
    """What the form asks for so far; None while service or place is missing."""
    services, area = form.chosen_services, form.area
    return Needs.of(services, area) if services and area else None


def countdown(hold: Hold, *, now: datetime) -> Chip | None:
    return clockface.chip(
        state="running", due_at=hold.expires_at, warn=HOLD_WARN, now=now, name=gettext("Kept for the customer")
    )


def live_hold(key: str, *, now: datetime) -> Hold | None:
    return Hold.objects.filter(key=key, expires_at__gt=now).first() if key else None


# --- sending it ------------------------------------------------------------------------------------------------------


@transaction.atomic
def book(form: BookForm, starts_at: datetime | None, *, by: Any, at: datetime) -> Appointment:
    """Book what the form says: a new customer or address first, then the visit, and the papers seen as a note.

    All or nothing. Raises DomainError naming the field; WindowTaken with the nearest free windows.
    """
    data = form.cleaned_data
    customer = form.known or register_customer(
        name=data["name"], phone=data["phone"], language=data["language"] or Language.CHINESE, at=at
    )
    home = form.home
    if home is None and data["street"].strip():
        home = add_address(customer=customer, region=form.area, street=data["street"], house=data["house"])
    visit = book_appointment(
        customer=customer,
        services=list(data["services"]),
        region=form.area,
        address=home,
        ticket=data["ticket"],
        starts_at=starts_at,
        channel=data["channel"] or Channel.PHONE,
        urgency="urgent" if data["urgent"] else "normal",
        note=data["note"],
        hold=data["hold"],
        key=data["key"],
        by=by,
        at=at,
    )
    if data["papers"]:
        seen = listed([str(dict(PAPERS)[paper]) for paper in data["papers"]])
        body = gettext("Papers seen: %(papers)s") % {"papers": seen}
        visit = note_visit(appointment_id=visit.pk, body=body, key=data["key"], by=by, at=at)
    return visit
