"""Appointments: visits of technicians in arrival windows, and the scarce time they take.

`Reservation` rows are the promise that nobody is booked twice: the database refuses a second row for the same
technician and window, whoever asks, on every database (architecture.md §6).
"""

from __future__ import annotations

from datetime import date, datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django_fsm import transition

from cases.models import Case
from common.transitions import guard
from customers.models import Address, Customer, Region
from tickets.models import Ticket

from .querysets import AppointmentQuerySet
from .states import (
    PROMISED,
    TO_BOOK,
    CallTime,
    Exclusion,
    FailReason,
    Outcome,
    State,
    Trigger,
    Type,
)
from .windows import Window


class VisitService(models.Model):
    """Something a technician does on a visit: the skill it needs, how long it takes, how many hands."""

    code = models.SlugField(max_length=40, db_index=False)
    name_zh = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80)
    type = models.CharField(max_length=16, choices=Type)
    skill = models.CharField(max_length=40)
    level = models.PositiveSmallIntegerField(default=1)
    minutes = models.PositiveSmallIntegerField()
    crew = models.PositiveSmallIntegerField(default=1)
    active = models.BooleanField(default=True)
    order = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code"], name="visit_service_code"),
            models.CheckConstraint(condition=Q(level__range=(1, 5)), name="visit_service_level"),
            models.CheckConstraint(condition=Q(minutes__range=(10, 480)), name="visit_service_minutes"),
            models.CheckConstraint(condition=Q(crew__range=(1, 6)), name="visit_service_crew"),
        ]
        ordering = ["order", "code"]

    def __str__(self) -> str:
        return self.name_en if (get_language() or "").startswith("en") else self.name_zh


class ArrivalWindow(models.Model):
    """One of the day's arrival windows in the site's local time; `peak` marks the hours everybody wants."""

    starts = models.TimeField()
    ends = models.TimeField()
    peak = models.BooleanField(default=False)
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["starts"], name="arrival_window_once"),
            models.CheckConstraint(condition=Q(ends__gt=models.F("starts")), name="arrival_window_forward"),
        ]
        ordering = ["starts"]

    def __str__(self) -> str:
        return f"{self.starts:%H:%M}–{self.ends:%H:%M}"


class ServiceArea(models.Model):
    """A region a technician drives to. `base` is where the day begins: the travel there costs nothing."""

    technician = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="service_areas")
    region = models.ForeignKey(Region, on_delete=models.CASCADE, related_name="+")
    base = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["technician", "region"], name="service_area_once"),
            models.UniqueConstraint(fields=["technician"], condition=Q(base=True), name="service_area_one_base"),
        ]
        ordering = ["technician", "-base", "region"]


@guard(_("Choose a time first."))
def has_window(appointment: Appointment) -> bool:
    return appointment.starts_at is not None


@guard(_("Assign a technician first."))
def has_technician(appointment: Appointment) -> bool:
    return appointment.owner_id is not None


@guard(_("Say why it could not be done."))
def has_fail_reason(appointment: Appointment) -> bool:
    return bool(appointment.fail_reason)


@guard(_("Say what was done."))
def has_work_report(appointment: Appointment) -> bool:
    return bool(appointment.report.strip())


class Appointment(Case):
    """Columns and lifecycle of a visit; transitions change the row in memory and read nothing else.

    Each booked time is a cycle of the case: moving begins the next one, with its own promises and messages.
    `owner` is the technician who speaks with the customer.
    """

    KIND = "appointment"
    PREFIX = "A"
    STATES = State
    TYPES = Type

    for_ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, null=True, blank=True, related_name="appointments")
    address = models.ForeignKey(Address, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    services = models.ManyToManyField(VisitService, related_name="+")
    minutes = models.PositiveSmallIntegerField()
    crew_size = models.PositiveSmallIntegerField(default=1)
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    reconfirmed_at = models.DateTimeField(null=True, blank=True)
    noticed_at = models.DateTimeField(null=True, blank=True)
    left_at = models.DateTimeField(null=True, blank=True)
    expected_at = models.DateTimeField(null=True, blank=True)
    arrived_at = models.DateTimeField(null=True, blank=True)
    call_since = models.DateTimeField(null=True, blank=True)
    moved_by_customer = models.PositiveSmallIntegerField(default=0)
    moved_by_us = models.PositiveSmallIntegerField(default=0)
    absences = models.PositiveSmallIntegerField(default=0)
    fail_reason = models.CharField(max_length=12, choices=FailReason, blank=True)
    report = models.TextField(blank=True)
    calendar_sequence = models.PositiveIntegerField(default=0)

    objects = AppointmentQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at=None, ends_at=None) | Q(ends_at__gt=models.F("starts_at")),
                name="appointment_window_forward",
            ),
        ]
        indexes = [
            models.Index(fields=["starts_at"], name="appointment_starts"),
            models.Index(fields=["call_since"], condition=Q(call_since__isnull=False), name="appointment_to_call"),
        ]

    @property
    def window(self) -> Window | None:
        return Window(self.starts_at, self.ends_at) if self.starts_at and self.ends_at else None

    @transition("state", source=State.REQUESTED, target=State.BOOKED, conditions=[has_window])
    def book(self) -> None:
        """A window is reserved; the confirmation goes out."""

    @transition("state", source=State.BOOKED, target=State.CONFIRMED)
    def confirm(self, *, at: datetime) -> None:
        """The confirmation reached the customer."""
        self.told_at = at

    @transition("state", source=[*PROMISED, *TO_BOOK], target=State.BOOKED, conditions=[has_window])
    def move(self) -> None:
        """Another window: the next cycle, with promises of its own."""
        self._begin_again()

    @transition("state", source=[*PROMISED, State.UNDER_WAY], target=State.REQUESTED)
    def release(self) -> None:
        """We cannot keep the window and have no other yet."""
        self._begin_again()
        self.starts_at = self.ends_at = None

    @transition("state", source=PROMISED, target=State.UNDER_WAY, conditions=[has_technician])
    def set_off(self, *, at: datetime, expected_at: datetime) -> None:
        self.left_at, self.expected_at = at, expected_at

    @transition(
        "state", source=[*PROMISED, State.UNDER_WAY, State.MISSED], target=State.ON_SITE, conditions=[has_technician]
    )
    def arrive(self, *, at: datetime) -> None:
        """At the door. A visit that was counted as missed may turn out to have been kept: the word came late."""
        self.arrived_at = at

    @transition("state", source=State.ON_SITE, target=State.DONE, conditions=[has_work_report])
    def finish(self, *, at: datetime) -> None:
        self.resolved_at = self.closed_at = at
        self.closed_because = "done"

    @transition("state", source=State.ON_SITE, target=State.FAILED, conditions=[has_fail_reason])
    def fail(self) -> None:
        """Not solved on this visit: another unit or another day."""

    @transition("state", source=[State.UNDER_WAY, State.ON_SITE], target=State.ABSENT)
    def find_nobody(self) -> None:
        self.absences += 1

    @transition("state", source=[*PROMISED, State.UNDER_WAY], target=State.MISSED)
    def miss(self) -> None:
        """The window is over and nobody of ours came."""

    @transition("state", source=[*PROMISED, *TO_BOOK, State.UNDER_WAY], target=State.CANCELLED)
    def cancel(self, *, at: datetime, because: str) -> None:
        self.closed_at, self.closed_because = at, because
        self.calendar_sequence += 1

    def _begin_again(self) -> None:
        self.cycle += 1
        self.calendar_sequence += 1
        self.told_at = self.asked_at = self.reconfirmed_at = self.noticed_at = self.call_since = None
        self.left_at = self.expected_at = self.arrived_at = None
        self.fail_reason = ""


class CrewMember(models.Model):
    """A technician on a visit. Exactly one of a crew speaks with the customer (requirements.md APT-18)."""

    appointment = models.ForeignKey(Appointment, on_delete=models.CASCADE, related_name="crew")
    technician = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    contact = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["appointment", "technician"], name="crew_member_once"),
            models.UniqueConstraint(fields=["appointment"], condition=Q(contact=True), name="crew_one_contact"),
        ]
        ordering = ["-contact", "pk"]


class Hold(models.Model):
    """A window kept for ten minutes while the customer decides. `key` is the secret of whoever holds it."""

    key = models.CharField(max_length=64)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    extended = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="hold_key_once")]
        indexes = [models.Index(fields=["expires_at"], name="hold_expires")]

    @property
    def window(self) -> Window:
        return Window(self.starts_at, self.ends_at)


class Reservation(models.Model):
    """A technician's time in one window, for an appointment or, until `expires_at`, for a hold.

    `visit_at` is the window in which the visit begins and `until` when the technician is expected to be free again; a
    long visit has a row in every window it touches.
    """

    technician = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reservations", db_index=False
    )
    starts_at = models.DateTimeField()
    visit_at = models.DateTimeField()
    until = models.DateTimeField()
    region = models.ForeignKey(Region, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    appointment = models.ForeignKey(
        Appointment, on_delete=models.CASCADE, null=True, blank=True, related_name="reservations"
    )
    hold = models.ForeignKey(Hold, on_delete=models.CASCADE, null=True, blank=True, related_name="reservations")
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["technician", "starts_at"], name="reservation_once"),
            models.CheckConstraint(
                condition=Q(appointment__isnull=False, hold=None, expires_at=None)
                | Q(appointment=None, hold__isnull=False, expires_at__isnull=False),
                name="reservation_for_one",
            ),
        ]
        indexes = [models.Index(fields=["starts_at"], name="reservation_starts")]
        # By column: by "technician" it would be by name, every reading a join, and a lock would lock people too.
        ordering = ["starts_at", "technician_id"]


class CompensationRule(models.Model):
    """What we owe when we break a promise about a visit; amounts are data, with the day from which they hold."""

    trigger = models.CharField(max_length=16, choices=Trigger)
    valid_from = models.DateField()
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    currency = models.CharField(max_length=3, default="CNY")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trigger", "valid_from"], name="compensation_rule_once"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="compensation_rule_positive"),
        ]
        ordering = ["trigger", "-valid_from"]


class Compensation(models.Model):
    """Something owed to a customer because of one booked time; excluded only with a reason and a proof."""

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="compensations")
    cycle = models.PositiveSmallIntegerField()
    trigger = models.CharField(max_length=16, choices=Trigger)
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    currency = models.CharField(max_length=3)
    due_at = models.DateTimeField()
    excluded = models.CharField(max_length=16, choices=Exclusion, blank=True)
    proof = models.TextField(blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # One visit that was moved late and then missed is owed once, as in the scheme it follows.
            models.UniqueConstraint(fields=["appointment", "cycle"], name="compensation_once"),
            models.CheckConstraint(
                condition=Q(excluded="") | (~Q(proof="") & Q(decided_at__isnull=False)), name="compensation_proof"
            ),
        ]
        ordering = ["pk"]


class VisitRating(models.Model):
    """How the customer found the visit, given by the customer's own link or number only (§30, point 36)."""

    appointment = models.OneToOneField(Appointment, on_delete=models.PROTECT, related_name="rating")
    score = models.PositiveSmallIntegerField()
    reasons = models.JSONField(default=list, blank=True)
    comment = models.TextField(blank=True)
    # Whether and when to call the customer about it; the call is owed on the visit (`Appointment.call_since`).
    callback = models.CharField(max_length=12, choices=CallTime, blank=True)
    channel = models.CharField(max_length=12)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(score__range=(1, 5)), name="visit_rating_score")]


class WaitlistEntry(models.Model):
    """A visit whose customer wants an earlier time: when somebody could be at home. Nothing named means any day."""

    appointment = models.OneToOneField(Appointment, on_delete=models.CASCADE, related_name="waitlist")
    first_on = models.DateField(null=True, blank=True)
    last_on = models.DateField(null=True, blank=True)
    # 1 is Monday, as in ISO 8601; the parts of the day are those of `states.DayPart`.
    weekdays = models.JSONField(default=list, blank=True)
    parts = models.JSONField(default=list, blank=True)
    joined_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["joined_at"], condition=Q(ended_at=None), name="waitlist_waiting")]
        ordering = ["joined_at", "pk"]

    def wants(self, window: Window) -> bool:
        """Whether that window would suit."""
        return self.wants_day(window.day) and (not self.parts or window.part in self.parts)

    def wants_day(self, day: date) -> bool:
        """Whether any window on that day would suit."""
        within = (self.first_on is None or day >= self.first_on) and (self.last_on is None or day <= self.last_on)
        return within and (not self.weekdays or day.isoweekday() in self.weekdays)


class WaitlistOffer(models.Model):
    """One window offered to one who waits, until `expires_at`; kept by a hold. An entry has one open offer at most."""

    entry = models.ForeignKey(WaitlistEntry, on_delete=models.CASCADE, related_name="offers")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    hold_key = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entry"], condition=Q(outcome=""), name="waitlist_one_open_offer"),
            models.UniqueConstraint(fields=["entry", "starts_at"], name="waitlist_asked_once"),
        ]
        ordering = ["pk"]


# A story of its own; here so that every model of the room has one address.
from .fieldwork import VisitAction, VisitRecord  # noqa: E402

__all__ = [
    "Appointment", "ArrivalWindow", "Compensation", "CompensationRule", "CrewMember", "Hold", "Reservation",
    "ServiceArea", "VisitAction", "VisitRating", "VisitRecord", "VisitService", "WaitlistEntry", "WaitlistOffer",
]  # fmt: skip
