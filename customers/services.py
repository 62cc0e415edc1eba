"""Use cases on customers: register, find, change, and look at protected data."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from common import clock, given, typed
from common.errors import DomainError, InvalidInput

from . import lookup
from .models import AccessRecord, Address, ChangeRecord, Contact, Customer, Language, NamePiece, Region, Service

REVEALS_PER_HOUR = 30


class TooManyReveals(DomainError):
    """The person looked at more protected values than one hour of honest work needs."""

    code = "too_many_reveals"
    status = 429


def register_customer(
    *,
    name: str,
    phone: str = "",
    email: str = "",
    region: Region | None = None,
    street: str = "",
    house: str = "",
    at: datetime | None = None,
    **fields: Any,
) -> Customer:
    """Create a customer file with its look-up hashes. Raises InvalidInput naming the field that cannot be taken."""
    name = given.text(name, "name", _("Enter the customer's name."))
    contacts = _contacts(phone=phone, email=email)
    with transaction.atomic(savepoint=False):
        customer = Customer.objects.create(name=name, created_at=at or clock.now(), **fields)
        NamePiece.objects.bulk_create(
            [NamePiece(customer=customer, piece=piece) for piece in sorted(lookup.name_pieces(name))]
        )
        for contact in contacts:
            contact.customer = customer
        Contact.objects.bulk_create(contacts)
        if region or street:
            Address.objects.create(customer=customer, region=region, street=street, house=house)
    return customer


def _contacts(*, phone: str, email: str) -> list[Contact]:
    typed_in = {Contact.Kind.PHONE: phone, Contact.Kind.EMAIL: email}
    return [new_contact(kind, value) for kind, value in typed_in.items() if value.strip()]


def new_contact(kind: Contact.Kind, value: str) -> Contact:
    """A contact nobody has yet, with its look-up hashes. Raises InvalidInput naming `phone` or `email`."""
    if kind == Contact.Kind.PHONE:
        number = lookup.normal_phone(value)
        hashes = {"lookup": lookup.phone_index(number), "last_four": lookup.last_four_index(number)}
        return Contact(kind=kind, value=number, **hashes)
    try:
        validate_email(value.strip())
    except ValidationError:
        raise InvalidInput(_("Enter a mail address like name@example.com."), field="email") from None
    return Contact(kind=kind, value=value.strip(), lookup=lookup.email_index(value))


def add_address(*, customer: Customer, region: Region | None, street: str, house: str = "") -> Address:
    """The address in the customer's file, entered where it is not there yet. Raises InvalidInput for none at all."""
    street, house = street.strip(), house.strip()
    if region is None and not street:
        raise InvalidInput(_("Please fill this in."), field="street")
    with transaction.atomic(savepoint=False):
        Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        # Streets are encrypted, so they are compared here.
        for known in customer.addresses.filter(region=region):
            if (known.street, known.house) == (street, house):
                return known
        return Address.objects.create(customer=customer, region=region, street=street, house=house)


def keys_of_customers(text: str) -> models.QuerySet[Any, Any]:
    """The keys of those whose phone, last four digits, mail, account number or name (also pinyin, initials) is `text`.

    A subquery, each way to ask on an index of its own: an OR across the tables would read all of them.
    """
    text = text.strip()
    ways: list[Any] = [
        NamePiece.objects.filter(piece=lookup.name_query(text)),
        Service.objects.filter(account=text),
    ]
    digits = "".join(character for character in text if character.isdigit())
    if len(digits) == 4 and digits == text:
        ways.append(Contact.objects.filter(last_four=lookup.last_four_index(digits)))
    elif len(digits) >= 7:
        with contextlib.suppress(InvalidInput):
            ways.append(Contact.objects.filter(lookup=lookup.phone_index(lookup.normal_phone(text))))
    if "@" in text:
        ways.append(Contact.objects.filter(lookup=lookup.email_index(text)))
    keys = [way.order_by().values("customer") for way in ways]
    return keys[0].union(*keys[1:])


def find_customers(text: str, *, limit: int = 8) -> list[Customer]:
    """Customers whose phone, last four digits, mail, account number or name (also pinyin, initials) is `text`."""
    if not text.strip():
        return []
    found = Customer.objects.filter(pk__in=keys_of_customers(text)).order_by("pk")[:limit]
    return list(found.prefetch_related("contacts"))


def find_by_phone(phone: str) -> list[Customer]:
    """Every customer who can be reached under this number, oldest first; empty for something that is no number."""
    try:
        number = lookup.normal_phone(phone)
    except InvalidInput:
        return []
    return list(
        Customer.objects.filter(contacts__lookup=lookup.phone_index(number)).prefetch_related("contacts").order_by("pk")
    )


def add_service(*, customer: Customer, account: str, product: str) -> Service:
    """Record what the customer has from us; the same account and product is recorded once."""
    service, _created = Service.objects.get_or_create(account=account, product=product, defaults={"customer": customer})
    return service


def reveal(*, customer: Customer, what: str, reason: str, by: Any, at: datetime | None = None) -> str:
    """The unmasked value of `what` ("contact:ID" or "address:ID"), after writing who looked and why.

    Raises InvalidInput without a reason, TooManyReveals beyond REVEALS_PER_HOUR (architecture.md §7).
    """
    now = at or clock.now()
    if len(reason.strip()) < 2:
        raise InvalidInput(_("Say why you need to see it."), field="reason")
    kind, _separator, typed_key = what.partition(":")
    key = typed.key(typed_key)
    if key is None or kind not in {"contact", "address"}:
        raise InvalidInput(_("There is nothing to show here."), field="what")
    with transaction.atomic():
        # The person's row is the lock: two looks at once are counted one after the other, whomever they are at.
        by.__class__.objects.select_for_update(no_key=True).get(pk=by.pk)
        recent = AccessRecord.objects.filter(by_id=by.pk, at__gt=now - timedelta(hours=1)).count()
        if recent >= REVEALS_PER_HOUR:
            raise TooManyReveals(
                _("You have looked at %(count)s values within an hour. Ask your team lead.") % {"count": recent}
            )
        AccessRecord.objects.create(
            customer=customer, by_id=by.pk, by_name=str(by)[:80], at=now, what=what[:20], reason=reason.strip()[:200]
        )
        if kind == "contact":
            contact = customer.contacts.filter(pk=key).first()
            value = contact.value if contact else None
        else:
            address = customer.addresses.filter(pk=key).first()
            value = address.house if address else None
        if value is None:
            raise InvalidInput(_("There is nothing to show here."), field="what")
        return value


CHANGEABLE = ("language", "preferred_channel", "vulnerable")


def change_customer(*, customer_id: int, by: Any, at: datetime | None = None, **changes: Any) -> Customer:
    """Change how a customer is served: `language`, `preferred_channel`, `vulnerable`. A record keeps who did it.

    Raises InvalidInput naming the field whose value is not offered.
    """
    if unknown := set(changes) - set(CHANGEABLE):
        raise TypeError(f"not changed here: {', '.join(sorted(unknown))}")
    offered: dict[str, list[Any]] = {
        "language": Language.values,
        "preferred_channel": Customer.Channel.values,
        "vulnerable": [True, False],
    }
    for name, value in changes.items():
        given.choice(value, offered[name], name)
    with transaction.atomic():
        customer = Customer.objects.select_for_update(no_key=True).get(pk=customer_id)
        changed = {name: value for name, value in changes.items() if getattr(customer, name) != value}
        if changed:
            before = {name: getattr(customer, name) for name in changed}
            for name, value in changed.items():
                setattr(customer, name, value)
            customer.save(update_fields=list(changed))
            record_change(
                customer,
                ChangeRecord.What.SERVED,
                by=by,
                at=at or clock.now(),
                before=_listed(before),
                after=_listed(changed),
            )
    return customer


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items()))


def record_change(
    customer: Customer,
    what: ChangeRecord.What,
    *,
    by: Any,
    at: datetime,
    item: str = "",
    before: str = "",
    after: str = "",
    checked: str = "",
) -> ChangeRecord:
    """Write down one change of a file, in the transaction that makes it."""
    return ChangeRecord.objects.create(
        customer=customer,
        by_id=by.pk,
        by_name=str(by)[:80],
        at=at,
        what=what,
        item=item,
        before=before,
        after=after,
        checked=checked,
    )
