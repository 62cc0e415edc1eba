"""Correcting a customer's file: one change form, one look at the file under its lock, one record for each change.

What a case says of the customer at its opening (`customer_grade`) stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common import clock, given
from common.errors import InvalidInput, NotAllowed, StaleVersion

from . import lookup
from .models import Address, ChangeRecord, Contact, Customer, Grade, IdentityCheck, NamePiece, Region
from .services import new_contact, record_change

What = ChangeRecord.What
NEW = "new"


@dataclass(frozen=True)
class Home:
    """An address as the form has it. `key` None: a new one; `house` empty: the one on file stays."""

    key: int | None
    region: Region | None = None
    street: str = ""
    house: str = ""
    retire: bool = False


@dataclass(frozen=True)
class Corrections:
    """What shall be otherwise; what is None or empty stays. `first` names by kind the contact used first, or NEW."""

    name: str | None = None
    grade: str | None = None
    phone: str = ""
    email: str = ""
    first: dict[str, str] = field(default_factory=dict)
    retire: Sequence[int] = ()
    homes: Sequence[Home] = ()


def version_of(customer: Customer) -> int:
    """Which state of the file a form shows: the key of its last change."""
    return ChangeRecord.objects.filter(customer=customer).values_list("pk", flat=True).first() or 0


@transaction.atomic
def correct_customer(
    *,
    customer_id: int,
    changes: Corrections,
    by: Any,
    checked: str = "",
    version: int | None = None,
    at: datetime | None = None,
) -> list[ChangeRecord]:
    """Change the file and write down each change; return the records, none where nothing differs.

    Raises InvalidInput naming the field; NotAllowed for a grade without `customers.grade`; StaleVersion where somebody
    changed the file since `version`.
    """
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer_id)
    if version is not None and version != version_of(customer):
        raise StaleVersion(
            _("Somebody changed this customer's data since you opened the form. Look at it, then enter yours again.")
        )
    file = _File(customer, by=by, checked=checked, at=at or clock.now())
    file.rename(changes.name)
    file.set_grade(changes.grade)
    file.change_contacts(changes)
    for home in changes.homes:
        file.change_home(home)
    if any(record.what != What.GRADE for record in file.records) and checked not in IdentityCheck.values:
        raise InvalidInput(_("Say how you checked who asks for the change."), field="checked")
    return file.records


class _File:
    """One customer's file while it is being changed, its lock held."""

    def __init__(self, customer: Customer, *, by: Any, checked: str, at: datetime) -> None:
        self.customer, self.by, self.at = customer, by, at
        self.checked = checked if checked in IdentityCheck.values else ""
        self.records: list[ChangeRecord] = []

    def record(self, what: What, item: Any = None, *, before: str = "", after: str = "") -> None:
        self.records.append(
            record_change(
                self.customer,
                what,
                by=self.by,
                at=self.at,
                item=f"{item._meta.model_name}:{item.pk}" if item else "",
                before=before,
                after=after,
                checked=self.checked,
            )
        )

    def rename(self, wanted: str | None) -> None:
        if wanted is None:
            return
        name = given.text(wanted, "name", _("Enter the customer's name."))
        if name == self.customer.name:
            return
        before, self.customer.name = self.customer.name, name
        self.customer.save(update_fields=["name"])
        self.customer.name_pieces.all().delete()
        NamePiece.objects.bulk_create(
            [NamePiece(customer=self.customer, piece=piece) for piece in sorted(lookup.name_pieces(name))]
        )
        self.record(What.NAME, before=before, after=name)

    def set_grade(self, grade: str | None) -> None:
        if grade is None or grade == self.customer.grade:
            return
        if not self.by.may("customers.grade"):
            raise NotAllowed(field="grade")
        before, self.customer.grade = self.customer.grade, given.choice(grade, Grade, "grade")
        self.customer.save(update_fields=["grade"])
        self.record(What.GRADE, before=before, after=grade)

    # --- contacts ---------------------------------------------------------------------------------------------------

    def change_contacts(self, changes: Corrections) -> None:
        added = {
            kind: self.add_contact(kind, value)
            for kind, value in ((Contact.Kind.PHONE, changes.phone), (Contact.Kind.EMAIL, changes.email))
            if value.strip()
        }
        for key in changes.retire:
            self.retire_contact(key)
        for kind, wanted in changes.first.items():
            self.use_first(kind, wanted, added)
        if changes.retire and not Contact.objects.filter(customer=self.customer).exists():
            raise InvalidInput(_("Add another way to reach the customer first."), field="phone")

    def add_contact(self, kind: Contact.Kind, value: str) -> Contact:
        contact = new_contact(kind, value)
        if Contact.objects.filter(customer=self.customer, lookup=contact.lookup).exists():
            raise InvalidInput(_("This is on file already."), field=str(kind.value))
        contact.customer = self.customer
        contact.save()
        self.record(What.CONTACT_ADDED, contact, after=contact.value)
        return contact

    def retire_contact(self, key: int) -> None:
        contact = Contact.objects.filter(customer=self.customer, pk=key).first()
        if contact is None:
            raise InvalidInput(_("This is no longer on file."), field=f"retire_contact_{key}")
        contact.retired_at, contact.preferred = self.at, False
        # Its hashes go: whoever holds the number today is somebody else. The key keeps the pair unique.
        contact.lookup, contact.last_four = f"retired-{contact.pk}", ""
        contact.save(update_fields=["retired_at", "preferred", "lookup", "last_four"])
        self.record(What.CONTACT_RETIRED, contact, before=contact.value)

    def use_first(self, kind: str, wanted: str, added: dict[Contact.Kind, Contact]) -> None:
        theirs = Contact.objects.filter(customer=self.customer, kind=kind)
        if wanted == NEW:
            chosen = added.get(Contact.Kind(kind))
            if chosen is None:
                raise InvalidInput(_("Enter the new one that shall be used first."), field=kind)
        else:
            chosen = next((contact for contact in theirs if str(contact.pk) == wanted), None)
            if chosen is None:
                raise InvalidInput(_("What is no longer valid cannot be used first."), field=f"first_{kind}")
        present = theirs.first()
        if present == chosen:
            return
        theirs.filter(preferred=True).update(preferred=False)
        chosen.preferred = True
        chosen.save(update_fields=["preferred"])
        self.record(What.CONTACT_FIRST, chosen, before=present.value if present else "", after=chosen.value)

    # --- addresses --------------------------------------------------------------------------------------------------

    def change_home(self, home: Home) -> None:
        street, house = home.street.strip(), home.house.strip()
        if home.key is None:
            if home.region or street or house:
                self.add_home(home.region, street, house)
            return
        address = Address.objects.filter(customer=self.customer, pk=home.key).select_related("region").first()
        if address is None:
            raise InvalidInput(_("This is no longer on file."), field=f"street_{home.key}")
        before = _whole(address)
        if home.retire:
            address.retired_at = self.at
            address.save(update_fields=["retired_at"])
            self.record(What.ADDRESS_RETIRED, address, before=before)
            return
        if home.region is None and not street:
            raise InvalidInput(
                _("Enter the street, or mark the address as no longer valid."), field=f"street_{home.key}"
            )
        address.region, address.street, address.house = home.region, street, house or address.house
        if _whole(address) != before:
            # In place: a visit that is booked there goes to the right door.
            address.save(update_fields=["region", "street", "house"])
            self.record(What.ADDRESS_CORRECTED, address, before=before, after=_whole(address))

    def add_home(self, region: Region | None, street: str, house: str) -> None:
        if not street:
            raise InvalidInput(_("Enter the street."), field="street")
        # Streets are encrypted, so they are compared here.
        theirs = Address.objects.filter(customer=self.customer, region=region)
        if any((known.street, known.house) == (street, house) for known in theirs):
            raise InvalidInput(_("This is on file already."), field="street")
        address = Address.objects.create(customer=self.customer, region=region, street=street, house=house)
        self.record(What.ADDRESS_ADDED, address, after=_whole(address))


def _whole(address: Address) -> str:
    return "\n".join([address.region.code if address.region else "", address.street, address.house])
