"""For whom: customers, how to reach them, where they live and what they have from us; protected at rest.

Whoever may see a case sees the name. Phone, mail and house number are masked until revealed (architecture.md §7).
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from common.crypto import EncryptedTextField

from . import masking


class Grade(models.TextChoices):
    """The customer's grade (requirements.md CUS-02, CUS-03); the handler's level is called tier."""

    DIAMOND = "diamond", _("Diamond")
    GOLD = "gold", _("Gold")
    SILVER = "silver", _("Silver")
    BASIC = "basic", _("Basic")
    A1 = "1A", "1A"
    A2 = "2A", "2A"
    A3 = "3A", "3A"
    A4 = "4A", "4A"
    A5 = "5A", "5A"
    B1 = "1B", "1B"
    B2 = "2B", "2B"
    B3 = "3B", "3B"
    B4 = "4B", "4B"
    B5 = "5B", "5B"


class Language(models.TextChoices):
    CHINESE = "zh-hans", "中文"
    ENGLISH = "en", "English"


class Region(models.Model):
    """An area we serve. `rural` decides which statutory fault limit holds: 48 h in town, 72 h in the country."""

    code = models.SlugField(max_length=40, db_index=False)
    name_zh = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80)
    rural = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code"], name="region_code")]
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name_en if (get_language() or "").startswith("en") else self.name_zh


class Customer(models.Model):
    """A person, household or enterprise. The name is kept as recorded and encrypted; look-ups go through NamePiece."""

    class Group(models.TextChoices):
        INDIVIDUAL = "individual", _("Individual")
        HOUSEHOLD = "household", _("Household")
        ENTERPRISE = "enterprise", _("Government or enterprise")

    class Channel(models.TextChoices):
        PHONE = "phone", _("Phone")
        SMS = "sms", _("SMS")
        EMAIL = "email", _("E-mail")

    name = EncryptedTextField()
    group = models.CharField(max_length=12, choices=Group, default=Group.INDIVIDUAL)
    grade = models.CharField(max_length=10, choices=Grade, default=Grade.BASIC)
    vulnerable = models.BooleanField(default=False)
    language = models.CharField(max_length=10, choices=Language, default=Language.CHINESE)
    preferred_channel = models.CharField(max_length=10, choices=Channel, default=Channel.PHONE)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @property
    def phone(self) -> Contact | None:
        """The telephone number used first, if any; reads prefetched contacts."""
        return next((contact for contact in self.contacts.all() if contact.kind == Contact.Kind.PHONE), None)

    @property
    def email(self) -> Contact | None:
        """The mail address used first, if any; reads prefetched contacts."""
        return next((contact for contact in self.contacts.all() if contact.kind == Contact.Kind.EMAIL), None)


class NamePiece(models.Model):
    """Keyed hashes of a customer's name, its pinyin, initials and two-character pieces: what a search can ask for."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="name_pieces", db_index=False)
    piece = models.CharField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "piece"], name="name_piece_once")]
        indexes = [models.Index(fields=["piece", "customer"], name="name_piece_lookup")]


class InUse(models.Manager):  # type: ignore[type-arg]
    """What still holds; what was retired stays on file (`_base_manager` has it) and is shown and searched nowhere."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(retired_at=None)


class Contact(models.Model):
    """One way to reach a customer. `lookup` and `last_four` are keyed hashes; several customers may share a number.

    Of each kind the preferred one is used first, else the oldest. A retired one has no hashes of its value any more:
    no look-up, and no sign-in by whoever holds the number today, can lead to this customer.
    """

    class Kind(models.TextChoices):
        PHONE = "phone", _("Phone")
        EMAIL = "email", _("E-mail")

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="contacts")
    kind = models.CharField(max_length=6, choices=Kind)
    value = EncryptedTextField()
    lookup = models.CharField(max_length=32)
    last_four = models.CharField(max_length=32, blank=True)
    preferred = models.BooleanField(default=False)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = InUse()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "lookup"], name="contact_once"),
            models.UniqueConstraint(
                fields=["customer", "kind"], condition=models.Q(preferred=True), name="contact_preferred_once"
            ),
            models.CheckConstraint(
                condition=models.Q(preferred=False) | models.Q(retired_at=None), name="contact_preferred_in_use"
            ),
        ]
        indexes = [
            models.Index(fields=["lookup"], name="contact_lookup"),
            models.Index(fields=["last_four"], name="contact_last_four"),
        ]
        ordering = ["-preferred", "pk"]

    @property
    def masked(self) -> str:
        return masking.phone(self.value) if self.kind == self.Kind.PHONE else masking.email(self.value)


class Address(models.Model):
    """A place we serve: region and street are seen by whoever may see the case, the house number is masked."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="addresses")
    region = models.ForeignKey(Region, on_delete=models.PROTECT, null=True, blank=True)
    street = EncryptedTextField(blank=True)
    house = EncryptedTextField(blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = InUse()

    class Meta:
        ordering = ["pk"]

    @property
    def masked(self) -> str:
        return masking.address(self.region, self.street, self.house)


class Service(models.Model):
    """What a customer has from us: an account with a product."""

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")
        ENDED = "ended", _("Ended")

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="services")
    account = models.CharField(max_length=40)
    product = models.CharField(max_length=80)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "product"], name="service_once")]
        ordering = ["pk"]


class AccessRecord(models.Model):
    """One look at protected data: who, what, why and when. Written before the value is shown; never changed.

    `staff` is beside this room, so the person is kept by number and name, not by a foreign key.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="access_records")
    by_id = models.BigIntegerField()
    by_name = models.CharField(max_length=80)
    at = models.DateTimeField()
    what = models.CharField(max_length=20)
    reason = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["by_id", "at"], name="access_by_at")]
        ordering = ["-at"]


class IdentityCheck(models.TextChoices):
    """How we know that whoever asks may have the file changed (requirements.md CUS-09)."""

    DOCUMENT = "document", _("Identity document seen")
    CALLED_BACK = "called_back", _("Called back on the number on file")
    ANSWERS = "answers", _("Number, address and account on file named")
    WRITTEN = "written", _("Signed form or authorization")


class ChangeRecord(models.Model):
    """One change of a customer's file: who, what, when, and how the identity was checked. Triggers refuse to change it.

    What stood there and what stands there now are protected like the file; for a contact or an address `item` is
    "contact:ID" or "address:ID". The person is kept by number and name, as in AccessRecord.
    """

    class What(models.TextChoices):
        NAME = "name", _("Name corrected")
        GRADE = "grade", _("Grade set")
        CONTACT_ADDED = "contact_added", _("Contact added")
        CONTACT_RETIRED = "contact_retired", _("Contact no longer valid")
        CONTACT_FIRST = "contact_first", _("Contact used first")
        ADDRESS_ADDED = "address_added", _("Address added")
        ADDRESS_CORRECTED = "address_corrected", _("Address corrected")
        ADDRESS_RETIRED = "address_retired", _("Address no longer valid")
        SERVED = "served", _("How to serve")

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="change_records", db_index=False)
    by_id = models.BigIntegerField()
    by_name = models.CharField(max_length=80)
    at = models.DateTimeField()
    what = models.CharField(max_length=20, choices=What)
    item = models.CharField(max_length=30, blank=True)
    before = EncryptedTextField(blank=True)
    after = EncryptedTextField(blank=True)
    checked = models.CharField(max_length=12, choices=IdentityCheck, blank=True)

    class Meta:
        indexes = [models.Index(fields=["customer", "id"], name="change_of_customer")]
        ordering = ["-pk"]
