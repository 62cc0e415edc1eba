"""The change form of a customer's file, and the file's log of changes and looks (requirements.md CUS-09, TRK-09)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.errors import DomainError
from customers import masking
from customers.corrections import NEW, Corrections, Home, version_of
from customers.models import Address, ChangeRecord, Contact, Customer, Grade, IdentityCheck, Region
from desk.forms import NOT_OFFERED, choice
from desk.intake import PlainInput

KINDS = (Contact.Kind.PHONE, Contact.Kind.EMAIL)
LOG_SHOWN = 8
What = ChangeRecord.What


def _text(label: Any, most: int, **options: Any) -> forms.CharField:
    widget = PlainInput(attrs={"autocomplete": "off"})
    return forms.CharField(label=label, required=False, max_length=most, widget=widget, **options)


def _region() -> forms.ModelChoiceField:
    return forms.ModelChoiceField(
        Region.objects.all(),
        label=gettext_lazy("Region"),
        required=False,
        empty_label=gettext_lazy("Not known yet"),
        error_messages=NOT_OFFERED,
    )


@dataclass(frozen=True)
class ContactLine:
    """A contact on the form: what it is, masked, and the tick that retires it."""

    contact: Contact
    retire: Any


@dataclass(frozen=True)
class HomeLine:
    """An address on the form: masked, with its fields."""

    address: Address
    fields: list[Any]
    retire: Any


class CorrectForm(forms.Form):
    """Everything of a file that may be corrected, in one form: what is left as it is stays."""

    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    name = _text(gettext_lazy("Customer's name"), 80)
    grade = choice(gettext_lazy("Customer grade"), Grade.choices)
    phone = forms.CharField(
        label=gettext_lazy("Another phone number"),
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
    )
    email = forms.CharField(
        label=gettext_lazy("Another mail address"),
        required=False,
        max_length=200,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    region = _region()
    street = _text(gettext_lazy("Street"), 200)
    house = _text(gettext_lazy("House number"), 80)
    checked = choice(
        gettext_lazy("How did you check who asks for the change?"),
        IdentityCheck.choices,
        radio=True,
        help_text=gettext_lazy("Not needed where only the grade is set."),
    )

    ADDED = ("phone", "email", "region", "street", "house", "checked")

    def __init__(self, *args: Any, customer: Customer, person: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.customer = customer
        self.contacts = list(customer.contacts.all())
        self.addresses = list(customer.addresses.all())
        self.initial = {"name": customer.name, "grade": customer.grade, "version": version_of(customer)}
        if not person.may("customers.grade"):
            del self.fields["grade"]
        for kind in KINDS:
            self._offer_first(kind)
        for contact in self.contacts:
            self._offer_to_retire(f"contact_{contact.pk}")
        for address in self.addresses:
            self._offer_home(address)

    def _offer_first(self, kind: Contact.Kind) -> None:
        theirs = [contact for contact in self.contacts if contact.kind == kind]
        if not theirs:
            return
        new = _("The new number below") if kind == Contact.Kind.PHONE else _("The new address below")
        label = _("Phone used first") if kind == Contact.Kind.PHONE else _("Mail address used first")
        choices = [*((str(contact.pk), contact.masked) for contact in theirs), (NEW, new)]
        self.fields[f"first_{kind.value}"] = choice(label, choices, radio=True)
        self.initial[f"first_{kind.value}"] = str(theirs[0].pk)

    def _offer_to_retire(self, what: str) -> None:
        self.fields[f"retire_{what}"] = forms.BooleanField(label=_("No longer valid"), required=False)

    def _offer_home(self, address: Address) -> None:
        key = address.pk
        self.fields |= {
            f"region_{key}": _region(),
            f"street_{key}": _text(gettext_lazy("Street"), 200),
            f"house_{key}": _text(
                gettext_lazy("House number"), 80, help_text=_("Left empty, it stays as it is.") if address.house else ""
            ),
        }
        self.initial |= {f"region_{key}": address.region_id, f"street_{key}": address.street}
        self._offer_to_retire(f"address_{key}")

    @property
    def contact_lines(self) -> list[ContactLine]:
        return [ContactLine(contact, self[f"retire_contact_{contact.pk}"]) for contact in self.contacts]

    @property
    def first_fields(self) -> list[Any]:
        return [self[f"first_{kind.value}"] for kind in KINDS if f"first_{kind.value}" in self.fields]

    @property
    def home_lines(self) -> list[HomeLine]:
        return [
            HomeLine(
                address,
                [self[f"{name}_{address.pk}"] for name in ("region", "street", "house")],
                self[f"retire_address_{address.pk}"],
            )
            for address in self.addresses
        ]

    @property
    def changes(self) -> Corrections:
        data = self.cleaned_data
        return Corrections(
            name=data["name"],
            grade=data.get("grade") or None,
            phone=data["phone"],
            email=data["email"],
            first={kind.value: data[name] for kind in KINDS if data.get(name := f"first_{kind.value}")},
            retire=[contact.pk for contact in self.contacts if data[f"retire_contact_{contact.pk}"]],
            homes=list(self._homes(data)),
        )

    def _homes(self, data: dict[str, Any]) -> Iterator[Home]:
        for key in [address.pk for address in self.addresses]:
            yield Home(
                key,
                data[f"region_{key}"],
                data[f"street_{key}"],
                data[f"house_{key}"],
                retire=data[f"retire_address_{key}"],
            )
        yield Home(None, data["region"], data["street"], data["house"])

    def refuse(self, refusal: DomainError) -> None:
        """Show a service's refusal beside the field it is about, or over the form."""
        self.add_error(refusal.field if refusal.field in self.fields else None, [str(r) for r in refusal.reasons])


# --- the log ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One line of the log: what was done, the values masked, why or how checked, by whom and when."""

    at: datetime
    icon: str
    words: str
    note: str
    by: str


def log_of(customer: Customer) -> list[Entry]:
    """The last changes of the file and looks at it, the latest first: two statements."""
    changes = [_change(record) for record in customer.change_records.all()[:LOG_SHOWN]]
    looks = [
        Entry(look.at, "eye", _("Looked at"), " · ".join([_looked_at(look.what), look.reason]), look.by_name)
        for look in customer.access_records.order_by("-at")[:LOG_SHOWN]
    ]
    return sorted([*changes, *looks], key=lambda entry: entry.at, reverse=True)[:LOG_SHOWN]


def _looked_at(what: str) -> str:
    return _("an address") if what.startswith("address") else _("a contact")


def _change(record: ChangeRecord) -> Entry:
    values = [_shown(record, value) for value in (record.before, record.after) if value]
    checked = record.get_checked_display() if record.checked else ""
    note = " · ".join(filter(None, [" → ".join(filter(None, values)), checked]))
    return Entry(record.at, "pencil", record.get_what_display(), note, record.by_name)


def _shown(record: ChangeRecord, value: str) -> str:
    """A value of the log as whoever may see the customer reads it: what is protected stays masked."""
    if record.what == What.NAME:
        return value
    if record.what == What.GRADE:
        return str(Grade(value).label) if value in Grade.values else value
    if record.item.startswith("contact"):
        return masking.email(value) if "@" in value else masking.phone(value)
    if record.item.startswith("address"):
        return value.split("\n")[1]
    return ""
