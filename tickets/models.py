"""A ticket: a request, question, fault or suggestion, from the first contact to the closed loop."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from cases.models import Case
from cases.querysets import CaseQuerySet
from common.crypto import EncryptedTextField
from common.transitions import guard
from customers.models import Address, Language, Region

from .states import OPEN, Details, ExceptionKind, State, Type, Verified

REOPEN_FOR = timedelta(days=30)
REVIEW_ROUNDS = 2


@guard(_("Write down what fixed it first."))
def has_resolution(ticket: Ticket) -> bool:
    return bool(ticket.resolution.strip())


@guard(_("Say how you know that it is solved."))
def is_verified(ticket: Ticket) -> bool:
    return bool(ticket.verified)


@guard(_("A complex ticket needs two passed reviews before it can be resolved."))
def has_passed_reviews(ticket: Ticket) -> bool:
    return not ticket.complex or ticket.reviews_passed >= REVIEW_ROUNDS or ticket.imported


@guard(_("Somebody must take the ticket first."))
def has_owner(ticket: Ticket) -> bool:
    return ticket.owner_id is not None


@guard(_("Say what we are waiting for."))
def has_pause_reason(ticket: Ticket) -> bool:
    return bool(ticket.pause_reason)


class TicketQuerySet(CaseQuerySet):
    def with_people(self) -> Any:
        """Everything a row or a page shows, in one query."""
        return self.select_related("customer", "region", "category", "owner", "team", "first_contact")


class Ticket(Case):
    """Columns and lifecycle of a ticket; transitions change the row in memory and read nothing else."""

    KIND = "ticket"
    PREFIX = "T"
    STATES = State
    TYPES = Type
    FEW = {State.PENDING: "owner", State.IN_REVIEW: "team"}

    description = models.TextField(blank=True)
    # Where it is, of the customer's addresses: few tickets have several to choose from, so the index is partial.
    address = models.ForeignKey(
        Address, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    needs_visit = models.BooleanField(default=False)
    details = models.CharField(max_length=8, choices=Details, blank=True, default="", db_default="")
    plan = models.TextField(blank=True)
    plan_due_on = models.DateField(null=True, blank=True)
    plan_cost = models.CharField(max_length=60, blank=True)
    pause_reason = models.CharField(max_length=20, blank=True)
    reviews_passed = models.PositiveSmallIntegerField(default=0)
    located_at = models.DateTimeField(null=True, blank=True)
    on_site_at = models.DateTimeField(null=True, blank=True)
    restored_at = models.DateTimeField(null=True, blank=True)
    resolution = models.TextField(blank=True)
    verified = models.CharField(max_length=12, choices=Verified, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    imported = models.BooleanField(default=False)
    # The round that has a service exception; 0 where none has.
    exception_cycle = models.PositiveSmallIntegerField(default=0, db_default=0)

    objects = TicketQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        indexes = [
            models.Index(fields=["address"], condition=models.Q(address__isnull=False), name="ticket_address"),
        ]

    @transition("state", source=[State.NEW, State.ASSIGNED, State.RETURNED], target=State.ASSIGNED)
    def assign(self) -> None:
        """To a team or person; the clocks run on."""

    @transition(
        "state", source=[State.NEW, State.ASSIGNED, State.RETURNED], target=State.IN_PROGRESS, conditions=[has_owner]
    )
    def start(self) -> None:
        """The owner begins to work."""

    @transition(
        "state",
        source=[State.NEW, State.ASSIGNED, State.IN_PROGRESS, State.HELD],
        target=State.PENDING,
        conditions=[has_pause_reason],
    )
    def wait(self) -> None:
        """Only the customer can move it on: the resolution clock pauses."""

    @transition(
        "state",
        source=[State.NEW, State.ASSIGNED, State.IN_PROGRESS, State.PENDING],
        target=State.HELD,
        conditions=[has_pause_reason],
    )
    def hold(self) -> None:
        """Somebody else must move it on; the clock runs unless the policy says otherwise."""

    @transition("state", source=[State.PENDING, State.HELD], target=State.IN_PROGRESS)
    def resume(self) -> None:
        self.pause_reason = ""

    @transition(
        "state",
        source=[State.NEW, State.ASSIGNED, State.IN_PROGRESS, State.HELD],
        target=State.RETURNED,
    )
    def return_to_dispatcher(self) -> None:
        """The unit cannot solve it; the overall limit keeps running (requirements.md TCK-20)."""
        self.owner = None
        self.pause_reason = ""

    @transition("state", source=State.IN_PROGRESS, target=State.IN_REVIEW, conditions=[has_owner])
    def submit_for_review(self) -> None:
        """A second pair of eyes."""

    @transition("state", source=State.IN_REVIEW, target=State.IN_PROGRESS)
    def pass_review(self) -> None:
        self.reviews_passed += 1

    @transition("state", source=State.IN_REVIEW, target=State.IN_PROGRESS)
    def send_back(self) -> None:
        """The reviewer wants something changed."""

    @transition(
        "state",
        source=[State.NEW, State.ASSIGNED, State.IN_PROGRESS, State.HELD, State.PENDING],
        target=State.RESOLVED,
        conditions=[has_resolution, is_verified, has_passed_reviews],
    )
    def resolve(self, *, at: datetime) -> None:
        self.resolved_at = at
        self.pause_reason = ""

    @transition("state", source=State.RESOLVED, target=State.CLOSED)
    def close(self, *, at: datetime, because: str) -> None:
        self.closed_at, self.closed_because = at, because

    @transition("state", source=[State.RESOLVED, State.CLOSED], target=State.IN_PROGRESS)
    def reopen(self) -> None:
        """Cycle n+1 begins; what the earlier cycle promised keeps its verdict."""
        self.resolved_at = self.closed_at = self.confirmed_at = None
        self.restored_at = self.located_at = self.on_site_at = None
        self.closed_because = self.resolution = self.verified = ""
        self.reviews_passed = 0
        self.cycle += 1

    @transition("state", source=OPEN, target=State.CANCELLED)
    def cancel(self, *, at: datetime) -> None:
        self.closed_at, self.closed_because = at, "cancelled"

    @transition("state", source=OPEN, target=State.MERGED)
    def merge(self, *, at: datetime) -> None:
        self.closed_at, self.closed_because = at, "merged"


class ServiceException(models.Model):
    """Something of ours that went wrong with a ticket (requirements.md TCK-10): reported to the supervisor, judged,
    solved, the customer told, followed up. At most one a round, because a round promises each thing once.

    `upheld` is empty until somebody has judged. That the customer was told is the deadline's to say.
    """

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="exceptions", db_index=False)
    cycle = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=20, choices=ExceptionKind)
    words = models.TextField()
    reported_at = models.DateTimeField()
    reported_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    upheld = models.BooleanField(null=True)
    judgement = models.TextField(blank=True)
    judged_at = models.DateTimeField(null=True, blank=True)
    solution = models.TextField(blank=True)
    solved_at = models.DateTimeField(null=True, blank=True)
    follow_up = models.TextField(blank=True)
    followed_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ticket", "cycle"], name="service_exception_once_a_round")]

    def __str__(self) -> str:
        return f"{self.ticket_id}/{self.cycle} {self.kind}"


class Outage(models.Model):
    """A known fault of a whole region, as customers read it. `expected_at`: when it should be over."""

    LONGEST_TEXT = 200

    region = models.ForeignKey(Region, on_delete=models.PROTECT, related_name="outages")
    text_zh = models.CharField(max_length=LONGEST_TEXT)
    text_en = models.CharField(max_length=LONGEST_TEXT)
    expected_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    entered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    began_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ended_at__isnull=True) | models.Q(ended_at__gte=models.F("began_at")),
                name="outage_ends_after",
            ),
        ]
        indexes = [models.Index(fields=["-began_at"], name="outage_began")]
        ordering = ["-began_at", "-pk"]

    def __str__(self) -> str:
        return self.text_en if (get_language() or "").startswith("en") else self.text_zh


class OutageFollower(models.Model):
    """A number that asked to be told when an outage is over. The number goes with the outage's record."""

    outage = models.ForeignKey(Outage, on_delete=models.CASCADE, related_name="followers", db_index=False)
    phone = EncryptedTextField()
    lookup = models.CharField(max_length=32)
    language = models.CharField(max_length=10, choices=Language)
    at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["outage", "lookup"], name="outage_follower_once")]
