"""The states of an appointment (requirements.md §25; TMF646 names beside them) and the choices of its fields."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class State(models.TextChoices):
    REQUESTED = "requested", pgettext_lazy("appointment", "Requested")
    BOOKED = "booked", pgettext_lazy("appointment", "Booked")
    CONFIRMED = "confirmed", pgettext_lazy("appointment", "Confirmed")
    UNDER_WAY = "under_way", pgettext_lazy("appointment", "On the way")
    ON_SITE = "on_site", pgettext_lazy("appointment", "On site")
    DONE = "done", pgettext_lazy("appointment", "Done")
    ABSENT = "absent", pgettext_lazy("appointment", "Customer absent")
    MISSED = "missed", pgettext_lazy("appointment", "Not kept by us")
    FAILED = "failed", pgettext_lazy("appointment", "Not solved on site")
    CANCELLED = "cancelled", pgettext_lazy("appointment", "Cancelled")


# A time is promised and nobody is at the door yet.
PROMISED = [State.BOOKED, State.CONFIRMED]
# A technician is at work on it.
AT_WORK = [State.UNDER_WAY, State.ON_SITE]
# It needs a (new) time.
TO_BOOK = [State.REQUESTED, State.ABSENT, State.MISSED, State.FAILED]
OPEN = [*PROMISED, *AT_WORK, *TO_BOOK]

TMF = {
    State.REQUESTED: "initialized",
    State.BOOKED: "confirmed",
    State.CONFIRMED: "confirmed",
    State.UNDER_WAY: "confirmed",
    State.ON_SITE: "confirmed",
    State.DONE: "completed",
    State.ABSENT: "failed",
    State.MISSED: "failed",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}


class Type(models.TextChoices):
    INSTALL = "install", pgettext_lazy("appointment type", "Installation")
    REPAIR = "repair", pgettext_lazy("appointment type", "Repair")
    MOVE = "move", pgettext_lazy("appointment type", "Move to another address")
    INSPECT = "inspect", pgettext_lazy("appointment type", "Inspection")


class Side(models.TextChoices):
    """Who wanted it: what the customer changes breaks no promise of ours (requirements.md §30, points 21 and 22)."""

    CUSTOMER = "customer", _("The customer")
    US = "us", _("We ourselves")


class ClosedBecause(models.TextChoices):
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")
    ABSENT = "absent", _("The customer was absent three times")


class FailReason(models.TextChoices):
    """Why a visit could not solve it; `line` goes to cable maintenance (requirements.md FLD-15)."""

    LINE = "line", _("The fault lies outside, in the cable network")
    PARTS = "parts", _("A part is missing")
    ACCESS = "access", _("No access to the building or the room")
    CUSTOMER = "customer", _("The customer's own equipment or wiring")
    TIME = "time", _("More time is needed")


class RatingReason(models.TextChoices):
    """What a customer names as the reason of a low score."""

    LATE = "late", _("Late")
    NOT_FIXED = "not_fixed", _("Not fixed")
    ATTITUDE = "attitude", _("Attitude")
    CHARGES = "charges", _("Unclear charges")
    EXPLANATION = "explanation", _("Poor explanation")


class Trigger(models.TextChoices):
    """What makes a compensation due (standards.md XR-04)."""

    MISSED_WINDOW = "missed_window", _("We did not come within the promised window")
    LATE_CHANGE = "late_change", _("We moved or cancelled less than 24 hours before")


class Exclusion(models.TextChoices):
    """Why a compensation is not owed; each needs a proof in words."""

    CUSTOMER_ABSENT = "customer_absent", _("The customer was not there")
    NO_ACCESS = "no_access", _("The customer could not give access")
    FORCE_MAJEURE = "force_majeure", _("Beyond anybody's control, such as a storm")
    CUSTOMER_ASKED = "customer_asked", _("The customer asked for the change")
    KEPT = "kept", _("The technician was there in time after all")


class DayPart(models.TextChoices):
    """The parts of a day in which customers think; a window belongs to the one in which it begins."""

    MORNING = "morning", _("Morning")
    AFTERNOON = "afternoon", _("Afternoon")
    EVENING = "evening", _("Evening")


class CallTime(models.TextChoices):
    """When a customer who rated a visit would like to be called."""

    ANY = "any", _("Any time")
    MORNING = DayPart.MORNING.value, _("Morning")
    AFTERNOON = DayPart.AFTERNOON.value, _("Afternoon")
    EVENING = DayPart.EVENING.value, _("Evening")


class Outcome(models.TextChoices):
    """What became of a waitlist offer."""

    ACCEPTED = "accepted", pgettext_lazy("offer", "Accepted")
    DECLINED = "declined", pgettext_lazy("offer", "Declined")
    EXPIRED = "expired", pgettext_lazy("offer", "Not answered in time")


class ActionKind(models.TextChoices):
    """What a technician's phone reports of a visit."""

    CHECK = "check", _("Checklist")
    SET_OFF = "set_off", pgettext_lazy("step of a visit", "On the way")
    CALL = "call", _("Call")
    ARRIVE = "arrive", _("Arrived")
    RECORD = "record", _("Record")
    FINISH = "finish", _("Done")
    FAIL = "fail", _("Not solved")
    ABSENT = "absent", _("Nobody there")
    PHOTO = "photo", _("Photo")


class ActionOutcome(models.TextChoices):
    DONE = "done", _("Taken")
    REFUSED = "refused", _("Not taken")
