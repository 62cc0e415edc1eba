"""The states of a ticket (architecture.md §2; TMF621 names beside them) and the choices of its fields."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class State(models.TextChoices):
    NEW = "new", _("New")
    ASSIGNED = "assigned", _("Assigned")
    IN_PROGRESS = "in_progress", _("In progress")
    PENDING = "pending", _("Waiting for customer")
    HELD = "held", _("Waiting for others")
    RETURNED = "returned", _("Returned")
    IN_REVIEW = "in_review", _("In review")
    RESOLVED = "resolved", _("Resolved")
    CLOSED = "closed", _("Closed")
    CANCELLED = "cancelled", _("Cancelled")
    MERGED = "merged", _("Merged")


TO_DO = [State.NEW, State.ASSIGNED, State.IN_PROGRESS, State.HELD, State.RETURNED, State.IN_REVIEW]
WAITING = [State.PENDING]
OPEN = [*TO_DO, *WAITING]
DONE = [State.RESOLVED, State.CLOSED]

TMF = {
    State.NEW: "acknowledged",
    State.ASSIGNED: "acknowledged",
    State.IN_PROGRESS: "inProgress",
    State.PENDING: "pending",
    State.HELD: "held",
    State.RETURNED: "acknowledged",
    State.IN_REVIEW: "inProgress",
    State.RESOLVED: "resolved",
    State.CLOSED: "closed",
    State.CANCELLED: "cancelled",
    State.MERGED: "closed",
}


class Type(models.TextChoices):
    ENQUIRY = "enquiry", _("Enquiry")
    SERVICE_REQUEST = "service_request", _("Service request")
    FAULT = "fault", _("Fault")
    SUGGESTION = "suggestion", _("Suggestion")
    ORDER = "order", pgettext_lazy("ticket type", "Order")


class ClosedBecause(models.TextChoices):
    CONFIRMED = "confirmed", _("Confirmed by the customer")
    SILENCE = "silence", _("No answer from the customer")
    CANCELLED = "cancelled", _("Cancelled")
    MERGED = "merged", _("Merged")
    IMPORTED = "imported", _("Closed in the system it came from")


class Verified(models.TextChoices):
    """How we know that it is solved (requirements.md TCK-14)."""

    CUSTOMER = "customer", _("The customer tried it")
    TEST = "test", _("Tested by us")
    SYSTEM = "system", _("Checked in the system")
    NOT_NEEDED = "not_needed", _("Nothing to test: information given")


class Details(models.TextChoices):
    """What the check after registering found (requirements.md INT-03); empty before it."""

    COMPLETE = "complete", _("Checked")
    MISSING = "missing", _("Incomplete")


class CheckItem(models.TextChoices):
    """What is looked at one by one where the service needs it (requirements.md INT-04)."""

    IDENTITY = "identity", _("Identity of the customer")
    EQUIPMENT = "equipment", _("Equipment model")
    USAGE = "usage", _("How the service is used")


class ExceptionKind(models.TextChoices):
    """What of ours goes wrong in the service (requirements.md TCK-10)."""

    PRODUCT_FAULT = "product_fault", _("Product fault")
    SYSTEM_DELAY = "system_delay", _("System delay")
    WRONG_INFORMATION = "wrong_information", _("Wrong information")
    COMPLAINT = "complaint", _("The customer complains")


class WaitReason(models.TextChoices):
    DOCUMENTS = "documents", _("Papers or details from the customer")
    CUSTOMER_TIME = "customer_time", _("The customer chose a later time")
    UNREACHABLE = "unreachable", _("The customer cannot be reached")
    CUSTOMER_TEST = "customer_test", _("The customer is trying it out")


class HoldReason(models.TextChoices):
    DEPARTMENT = "department", _("Another department")
    SUPPLIER = "supplier", _("A supplier")
    PARTS = "parts", _("Parts or material")
    OUTAGE = "outage", _("An area outage")
