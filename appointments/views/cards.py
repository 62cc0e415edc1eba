"""A visit as its technician sees it: what is needed at the door, and no more of the customer than the day asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db.models import Prefetch
from django.utils.translation import get_language

from appointments.availability import travel
from appointments.forms import FORMS
from appointments.models import Appointment, CrewMember, Reservation, ServiceArea, VisitAction
from appointments.states import PROMISED, State
from appointments.steps import TITLES
from appointments.visits import at_hand
from appointments.windows import day_begins, site_zone
from appointments.wording import day_text, hour_text, hours_text
from cases.models import Note
from customers import masking

ICONS: dict[str, str] = {
    State.BOOKED: "calendar-clock",
    State.CONFIRMED: "calendar-clock",
    State.UNDER_WAY: "truck",
    State.ON_SITE: "wrench",
    State.DONE: "circle-check",
    State.ABSENT: "user",
    State.MISSED: "octagon-alert",
    State.FAILED: "flag",
    State.CANCELLED: "circle-x",
}
MOST_REFUSED = 20
TONES: dict[str, str] = {
    State.UNDER_WAY: "brand",
    State.ON_SITE: "brand",
    State.DONE: "ok",
    State.MISSED: "over",
    State.FAILED: "soon",
    State.ABSENT: "soon",
}


def with_details(visits: Any) -> Any:
    """Everything a card shows, in a fixed number of statements."""
    said = Note.objects.filter(visibility=Note.Visibility.PUBLIC, direction=Note.Direction.IN)
    return visits.with_people().prefetch_related(
        "services",
        Prefetch("crew", CrewMember.objects.select_related("technician")),
        Prefetch("notes", said.order_by("at", "pk"), to_attr="said"),
    )


@dataclass(frozen=True)
class Card:
    """`came_from`: the region from which this person sets off, where it is known."""

    appointment: Appointment
    person: Any
    now: datetime
    came_from: int | None = None

    @property
    def number(self) -> str:
        return self.appointment.number

    @property
    def hours(self) -> str:
        window = self.appointment.window
        return hours_text(window.starts_at, window.ends_at) if window else ""

    @property
    def leave_by(self) -> str:
        """Until when to set off, to be there when the window opens (requirements.md APT-19); empty when it is over."""
        visit = self.appointment
        if visit.starts_at is None or visit.state not in PROMISED or self.now >= visit.starts_at:
            return ""
        return hour_text(visit.starts_at - travel(self.came_from, visit.region_id))

    @property
    def day(self) -> str:
        return day_text(self.appointment.starts_at) if self.appointment.starts_at else ""

    @property
    def state(self) -> dict[str, str]:
        state = self.appointment.state
        return {
            "words": self.appointment.get_state_label(),
            "icon": ICONS.get(state, "circle"),
            "tone": TONES.get(state, ""),
        }

    @property
    def version(self) -> str:
        """Another page of the visit has another version: what a phone keeps is renewed when it differs."""
        return f"{self.appointment.version}-{self.now.astimezone(site_zone()).date()}-{get_language()}"

    @property
    def gone(self) -> bool:
        """Nobody goes there (any more)."""
        return self.appointment.state in (State.CANCELLED, State.REQUESTED)

    @property
    def services(self) -> list[str]:
        return [str(service) for service in self.appointment.services.all()]

    @property
    def at_hand(self) -> bool:
        return at_hand(self.appointment, now=self.now)

    @property
    def place(self) -> str:
        address = self.appointment.address
        if address is None:
            return str(self.appointment.region or "")
        return masking.address(address.region, address.street, address.house, reveal=self.at_hand)

    @property
    def way(self) -> str:
        """Opens the way there in the phone's map; empty where we know no street."""
        return way_to(self.place) if self.appointment.address and not self.gone else ""

    @property
    def said(self) -> list[Note]:
        """What the customer wrote about it."""
        return [note for note in self.appointment.said if note.body]  # type: ignore[attr-defined]

    @property
    def contact(self) -> Any:
        """Who of the crew speaks with the customer."""
        return next((member.technician for member in self.appointment.crew.all() if member.contact), None)

    @property
    def is_contact(self) -> bool:
        return self.contact is not None and self.contact.pk == self.person.pk

    @property
    def colleagues(self) -> list[Any]:
        return [member.technician for member in self.appointment.crew.all() if member.technician_id != self.person.pk]


def cards(appointments: Iterable[Appointment], person: Any, *, now: datetime) -> list[Card]:
    """The cards of one day's visits, in the order of their windows: each sets off from the one before it."""
    found, here = [], base_of(person)
    for appointment in appointments:
        card = Card(appointment, person, now, here)
        here = here if card.gone else appointment.region_id
        found.append(card)
    return found


def card_of(appointment: Appointment, person: Any, *, now: datetime) -> Card:
    """The card of one visit, which sets off from this person's visit before it on that day."""
    window = appointment.window
    before: Any = None
    if window is not None:
        taken = Reservation.objects.filter(technician=person, appointment__isnull=False, visit_at__lt=window.starts_at)
        today = taken.filter(visit_at__gte=day_begins(window.day)).order_by("-visit_at")
        before = today.values_list("region_id").first()
    return Card(appointment, person, now, before[0] if before else base_of(person))


def base_of(person: Any) -> int | None:
    """The region where this person's day begins."""
    return ServiceArea.objects.filter(technician=person, base=True).values_list("region_id", flat=True).first()


@dataclass(frozen=True)
class Refused:
    """A tap that was not taken: what it was, why, and what was written."""

    action: VisitAction

    @property
    def title(self) -> str:
        return str(TITLES[self.action.action])

    @property
    def written(self) -> list[tuple[str, str]]:
        """The words typed, under their labels."""
        fields = FORMS[self.action.action].base_fields
        values = self.action.values
        return [
            (str(field.label), str(dict(getattr(field, "choices", ())).get(values[name], values[name])))
            for name, field in fields.items()
            if isinstance(values.get(name), str) and values[name].strip() and values[name] not in ("on", "true")
        ]


def refused(actions: Any) -> list[Refused]:
    return [Refused(action) for action in actions.select_related("appointment")[:MOST_REFUSED]]


def way_to(place: str) -> str:
    """The address of the way to a place, by the template NAVIGATION_URL."""
    template = settings.NAVIGATION_URL or "geo:0,0?q={address}"
    return str(template).replace("{address}", quote(place, safe=""))
