"""Intake: the form of a new ticket, and what happens between the call and the queue (requirements.md INT-01 to 12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cases.models import Category
from cases.states import Channel, Severity, Urgency
from cases.suggesting import suggested
from common import clock, typed
from common.errors import DomainError, InvalidInput
from customers import lookup
from customers.models import Contact, Customer, Language, Region, Service
from customers.services import add_service, find_customers, register_customer
from notifications.models import InboundMessage
from notifications.waiting import settle
from staff.models import Team, User
from tickets.conversation import add_internal_note
from tickets.models import Ticket
from tickets.services import open_ticket, take_ticket
from tickets.states import Type

NEW = "new"
MINE = "me"
# The same person sending the same words for the same customer within this time has pressed the button twice.
TWICE = timedelta(minutes=2)


class PlainInput(forms.TextInput):
    """A text field for personal data: without a type attribute, so that drafts kept on the computer leave it out."""

    template_name = "desk/_new_plain_input.html"


def category_choices(nodes: list[Category] | None = None) -> list[Any]:
    """The category tree as one grouped select: a group a root, each option with its path below the root."""
    nodes = list(Category.objects.filter(active=True)) if nodes is None else nodes
    children: dict[int | None, list[Category]] = {}
    for node in nodes:
        children.setdefault(node.parent_id, []).append(node)

    def below(node: Category, trail: str) -> list[tuple[str, str]]:
        found = []
        for child in children.get(node.pk, []):
            label = f"{trail} › {child}" if trail else str(child)
            found += [(str(child.pk), label), *below(child, label)]
        return found

    groups: list[Any] = [("", gettext("Not decided yet"))]
    for root in children.get(None, []):
        groups.append((str(root), [(str(root.pk), str(root)), *below(root, "")]))
    return groups


class CategorySelect(forms.Select):
    """The tree as a select whose options say which of the choices of `to` their category routes to."""

    routes: dict[str, str] = {}

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(*args, **kwargs)
        if route := self.routes.get(str(option["value"])):
            option["attrs"]["data-to"] = route
        return option


def routes(nodes: list[Category], teams: list[Team], person: User) -> dict[str, str]:
    """Who works on it, by category: the team whose work it is, or the person where that is their own team."""
    known = {team.code: MINE if team.pk == person.team_id else str(team.pk) for team in teams}
    return {str(node.pk): known[node.team_code] for node in nodes if node.team_code in known}


OLDEST_RECEIPT = timedelta(days=366)


class ReceiptField(forms.DateTimeField):
    """When a request was received, entered late: at most a year ago. A year half typed is none."""

    def to_python(self, value: Any) -> datetime | None:
        try:
            received: datetime | None = super().to_python(value)
            too_old = received is not None and received < clock.now() - OLDEST_RECEIPT
        except OverflowError:
            too_old = True
        if too_old:
            raise forms.ValidationError(_("Give a time of receipt within the last year."))
        return received


class IntakeForm(forms.Form):
    """Who, what, how. Nothing but a name, a contact, a type and a few words is required (INT-05)."""

    phone = forms.CharField(
        label=_("Phone number"),
        required=False,
        max_length=80,
        help_text=_("Or the last four digits, an account number or a name: customers on file appear below."),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off", "autofocus": True}),
    )
    customer = forms.CharField(required=False, widget=forms.HiddenInput)
    text = forms.CharField(required=False, widget=forms.HiddenInput)
    name = forms.CharField(
        label=_("Customer's name"), required=False, max_length=80, widget=PlainInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(
        label=_("Mail address"), required=False, widget=forms.EmailInput(attrs={"autocomplete": "off"}), max_length=200
    )
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices, required=False)
    region = forms.ModelChoiceField(
        Region.objects.all(), label=_("Region"), required=False, empty_label=_("Not known yet")
    )
    street = forms.CharField(
        label=_("Street"), required=False, max_length=200, widget=PlainInput(attrs={"autocomplete": "off"})
    )
    house = forms.CharField(
        label=_("House number"), required=False, max_length=80, widget=PlainInput(attrs={"autocomplete": "off"})
    )
    account = forms.CharField(
        label=_("Account number"),
        required=False,
        max_length=40,
        widget=PlainInput(attrs={"autocomplete": "off", "list": "accounts"}),
    )
    product = forms.CharField(label=_("Product"), required=False, max_length=80, widget=PlainInput)

    type = forms.ChoiceField(
        label=_("Type"),
        choices=Type.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose what kind of request it is.")},
    )
    category = forms.ChoiceField(label=_("Category"), required=False, widget=CategorySelect)
    subject = forms.CharField(
        label=_("What it is about"),
        max_length=200,
        error_messages={"required": _("Say in a few words what it is about.")},
    )
    description = forms.CharField(
        label=_("What the customer says"), required=False, max_length=10000, widget=forms.Textarea(attrs={"rows": 5})
    )
    urgency = forms.ChoiceField(
        label=_("Urgency"), choices=Urgency.choices, initial=Urgency.NORMAL, widget=forms.RadioSelect
    )
    severity = forms.ChoiceField(
        label=_("Who is affected"), choices=Severity.choices, initial=Severity.ONE, widget=forms.RadioSelect
    )
    complex = forms.BooleanField(label=_("Complex: takes several steps or departments"), required=False)
    needs_visit = forms.BooleanField(label=_("A technician must go there"), required=False)

    channel = forms.ChoiceField(label=_("How it came in"), choices=Channel.choices, initial=Channel.PHONE)
    materials = forms.CharField(
        label=_("Papers brought"),
        required=False,
        max_length=500,
        help_text=_("What the customer showed or left at the counter."),
        widget=PlainInput,
    )
    to = forms.ChoiceField(label=_("Who works on it"))
    received_at = ReceiptField(
        label=_("Received at"),
        required=False,
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
        error_messages={"invalid": _("Give a date and a time.")},
    )
    late_because = forms.CharField(
        label=_("Why it is entered late"),
        required=False,
        max_length=200,
        help_text=_("For example: taken on paper during an outage."),
    )

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person
        nodes, teams = list(Category.objects.filter(active=True)), list(Team.objects.all())
        self.nodes, self.routes = nodes, routes(nodes, teams, person)
        self.fields["category"].choices = category_choices(nodes)  # type: ignore[attr-defined]
        self.fields["category"].widget.routes = self.routes  # type: ignore[attr-defined]
        self.fields["to"].choices = [  # type: ignore[attr-defined]
            (MINE, _("I take it myself")),
            *((str(team.pk), team) for team in teams),
        ]
        self.fields["to"].initial = MINE

    @property
    def proposed(self) -> str:
        """Who should work on it by the category chosen."""
        return self.routes.get(str(self["category"].value() or ""), MINE)

    @property
    def routed(self) -> bool:
        """Whether it goes where its category sends it, away from the person."""
        return self.proposed != MINE and self["to"].value() == self.proposed

    @property
    def late(self) -> bool:
        """Whether the part on late entry is in use, and so stands open."""
        return bool(self["received_at"].value() or self["late_because"].value() or self["received_at"].errors)

    @cached_property
    def message(self) -> InboundMessage | None:
        """The text message that is being made a ticket of."""
        return InboundMessage.objects.filter(pk=typed.key(str(self["text"].value() or ""))).first()

    def clean_phone(self) -> str:
        """The number typed; else that of the text message, which nobody need see to have it entered."""
        return str(self.cleaned_data["phone"]).strip() or (self.message.sender if self.message else "")

    def clean_text(self) -> InboundMessage | None:
        return self.message

    def clean_customer(self) -> Customer | None:
        wanted = self.cleaned_data["customer"]
        if not wanted or wanted == NEW:
            return None
        found = Customer.objects.filter(pk=typed.key(wanted)).first()
        if found is None:
            raise forms.ValidationError(_("Choose a customer from the list, or enter a new one."))
        return found

    def clean_category(self) -> Category | None:
        wanted = self.cleaned_data["category"]
        return Category.objects.get(pk=wanted) if wanted else None

    def clean_to(self) -> Team | None:
        wanted = self.cleaned_data["to"]
        return None if wanted == MINE else Team.objects.get(pk=wanted)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if "customer" in data and data["customer"] is None:
            self._clean_newcomer(data)
        if data.get("received_at") and not data.get("late_because"):
            self.add_error("late_because", _("Say why it is entered only now."))
        if data.get("needs_visit") and data.get("type") and data["type"] != Type.FAULT:
            self.add_error("needs_visit", _("Only a fault needs a technician. Choose the type “Fault”, or clear this."))
        return data

    def _clean_newcomer(self, data: dict[str, Any]) -> None:
        """A new file needs a name and one way to reach the customer."""
        if not data.get("name"):
            self.add_error("name", _("Enter the customer's name."))
        if data.get("phone"):
            try:
                lookup.normal_phone(data["phone"])
            except InvalidInput as refusal:
                self.add_error("phone", list(refusal.reasons))
        elif not data.get("email") and "email" not in self.errors:
            self.add_error("phone", _("Enter a telephone number, or a mail address below."))


@dataclass
class Registered:
    """What came of an intake: the ticket, and what the person should be told besides."""

    ticket: Ticket
    again: bool = False
    remarks: list[Any] = field(default_factory=list)


def register(data: dict[str, Any], *, by: User, at: datetime | None = None) -> Registered:
    """Register first (customer, service, ticket), then take it; a refused taking never loses the record (INT-03).

    `data` is the cleaned form. Raises DomainError naming the field that cannot be taken; nothing is kept then.
    """
    now = at or clock.now()
    registered = _register(data, by=by, at=now)
    if registered.again or data["to"] is not None:
        return registered
    try:
        registered.ticket = take_ticket(ticket_id=registered.ticket.pk, by=by, at=now)
    except DomainError as refusal:
        registered.remarks += refusal.reasons
    return registered


@transaction.atomic
def _register(data: dict[str, Any], *, by: User, at: datetime) -> Registered:
    # The person's row is the lock: a button pressed twice is one ticket.
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    if twin := _sent_before(data, by=by, at=at):
        return Registered(twin, again=True)
    customer = data["customer"] or register_customer(
        name=data["name"],
        phone=data["phone"],
        email=data["email"],
        region=data["region"],
        street=data["street"],
        house=data["house"],
        at=at,
        language=data["language"] or Language.CHINESE,
    )
    ticket = open_ticket(
        subject=data["subject"],
        type=data["type"],
        channel=data["channel"],
        by=by,
        customer=customer,
        description=data["description"],
        category=data["category"],
        region=data["region"] or _region_of(customer),
        urgency=data["urgency"],
        severity=data["severity"],
        complex=data["complex"],
        needs_visit=data["needs_visit"],
        team=data["to"],
        received_at=data["received_at"],
        at=at,
    )
    if data.get("text"):
        settle(message_id=data["text"].pk, case_id=ticket.pk, by=by, at=at)
    registered = Registered(ticket)
    lines = [*_service_lines(data, customer, registered), *_intake_lines(data)]
    if lines:
        registered.ticket = add_internal_note(ticket_id=ticket.pk, body="\n".join(lines), by=by, at=at)
    return registered


def _sent_before(data: dict[str, Any], *, by: User, at: datetime) -> Ticket | None:
    recent = Ticket.objects.filter(
        first_contact=by,
        created_at__gt=at - TWICE,
        subject=data["subject"].strip(),
        description=data["description"].strip(),
        type=data["type"],
    )
    if data["customer"] is not None:
        recent = recent.filter(customer=data["customer"])
    elif data["phone"]:
        recent = recent.filter(customer__contacts__lookup=lookup.phone_index(lookup.normal_phone(data["phone"])))
    else:
        recent = recent.filter(customer__contacts__lookup=lookup.email_index(data["email"]))
    # Two people may share a number; names are encrypted, so they are compared here.
    name = data["name"] if data["customer"] is None else ""
    return next((ticket for ticket in recent.order_by("-pk")[:5] if not name or str(ticket.customer) == name), None)


def _region_of(customer: Customer) -> Region | None:
    address = customer.addresses.select_related("region").first()
    return address.region if address else None


def _service_lines(data: dict[str, Any], customer: Customer, registered: Registered) -> list[str]:
    """The account the ticket is about, as a line of the intake note; an account new to us joins the customer's."""
    account, product = data["account"].strip(), data["product"].strip()
    if not account and not product:
        return []
    if not account:
        return [gettext("Product: %(product)s") % {"product": product}]
    known = Service.objects.filter(account=account)
    mine = [service for service in known if service.customer_id == customer.pk]
    if mine:
        product = product or mine[0].product
    elif known:
        registered.remarks.append(_("The account number belongs to another customer. Please check it."))
    elif product:
        add_service(customer=customer, account=account, product=product)
    if product:
        return [gettext("Account: %(account)s (%(product)s)") % {"account": account, "product": product}]
    return [gettext("Account: %(account)s") % {"account": account}]


def _intake_lines(data: dict[str, Any]) -> list[str]:
    lines = []
    if data["materials"]:
        lines.append(gettext("Papers brought: %(papers)s") % {"papers": data["materials"]})
    if data["late_because"]:
        lines.append(gettext("Entered late: %(reason)s") % {"reason": data["late_because"]})
    return lines


# --- what is shown while typing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Candidate:
    """A customer found while typing."""

    customer: Customer
    contact: Contact | None
    address: Any
    services: list[Service]
    open_tickets: int


def candidates(text: str) -> list[Candidate]:
    """Whom the text typed may mean, at most eight; four characters at the least, two for a Chinese name."""
    text = text.strip()
    if len(text) < (4 if text.isascii() else 2):
        return []
    return _with_files([customer.pk for customer in find_customers(text)])


def candidate(key: int) -> list[Candidate]:
    """The one customer chosen before, whatever is typed now."""
    return _with_files([key])


def _with_files(keys: list[int]) -> list[Candidate]:
    files = Customer.objects.filter(pk__in=keys).prefetch_related("contacts", "addresses__region", "services")
    counts: dict[int | None, int] = {}
    for key in Ticket.objects.open().filter(customer__in=keys).values_list("customer_id", flat=True):
        counts[key] = counts.get(key, 0) + 1
    return [
        Candidate(
            customer=customer,
            contact=customer.phone or customer.email,
            address=next(iter(customer.addresses.all()), None),
            services=list(customer.services.all()),
            open_tickets=counts.get(customer.pk, 0),
        )
        for customer in files.order_by("pk")
    ]


def reachable_under(text: str, candidate: Candidate) -> bool:
    """Whether the text is this customer's whole number or account: then nothing is left to choose."""
    if any(service.account == text.strip() for service in candidate.services):
        return True
    try:
        return lookup.phone_index(lookup.normal_phone(text)) in {c.lookup for c in candidate.customer.contacts.all()}
    except InvalidInput:
        return False


@dataclass(frozen=True)
class Duplicates:
    """The customer's open tickets: those like this one first, and how many lie with teams this person cannot see."""

    tickets: list[tuple[Ticket, bool]]
    elsewhere: int


def duplicates(customer_id: str, subject: str, *, person: User, most: int = 5) -> Duplicates:
    """Open tickets of a customer that a new one may repeat."""
    key = typed.key(customer_id)
    if key is None:
        return Duplicates([], 0)
    theirs = Ticket.objects.open().filter(customer_id=key)
    seen = list(theirs.visible_to(person).select_related("owner", "team").order_by("-received_at")[:50])
    pieces = _pieces(subject)
    ranked = sorted(seen, key=lambda ticket: _likeness(pieces, _pieces(ticket.subject)), reverse=True)
    return Duplicates(
        [(ticket, _likeness(pieces, _pieces(ticket.subject)) >= 0.3) for ticket in ranked[:most]],
        theirs.count() - len(seen),
    )


@dataclass(frozen=True)
class Suggestion:
    """A category that the words may mean, with its whole path."""

    key: int
    path: str


def suggestions(subject: str, category: str, nodes: list[Category] | None = None) -> list[Suggestion]:
    """Categories that the subject names, as long as none is chosen. Proposed, never set (requirements.md INT-09)."""
    if category or not subject.strip():
        return []
    nodes = list(Category.objects.filter(active=True)) if nodes is None else nodes
    by_key = {node.pk: node for node in nodes}

    def path(node: Category) -> str:
        above = by_key.get(node.parent_id or 0)
        return f"{path(above)} › {node}" if above else str(node)

    return [Suggestion(node.pk, path(node)) for node in suggested(subject, nodes)]


def _pieces(text: str) -> set[str]:
    """Two-character pieces: words of any language overlap in them when they mean the same thing."""
    compact = "".join(character for character in text.casefold() if character.isalnum())
    return {compact[start : start + 2] for start in range(len(compact) - 1)}


def _likeness(some: set[str], others: set[str]) -> float:
    return len(some & others) / min(len(some), len(others)) if some and others else 0.0
