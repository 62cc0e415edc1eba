"""What tests of a customer's visit share."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse

from appointments import visits
from appointments.models import Appointment, Hold, Reservation, VisitRating, WaitlistEntry, WaitlistOffer
from cases.models import CaseEvent, Note
from notifications.models import Message
from portal.models import Session
from tests.appointments.center import TUESDAY_TEN
from tests.appointments.test_life import RECORD

WEDNESDAY, THURSDAY = TUESDAY_TEN + timedelta(days=1), TUESDAY_TEN + timedelta(days=2)
ACTS = ["", "visit.ics", "reconfirm/", "move/", "move/check/", "cancel/", "rate/", "wait/", "offer/"]


def mine(visit: Appointment, act: str = "") -> str:
    return reverse("portal:case", args=[visit.number]) + act


def now_of(visit: Appointment) -> Appointment:
    return Appointment.objects.get(pk=visit.pk)


def finish(visit: Appointment, technician, at) -> None:
    visits.arrive(appointment_id=visit.pk, by=technician, at=at)
    visits.keep_record(appointment_id=visit.pk, by=technician, values=RECORD)
    visits.finish(appointment_id=visit.pk, report="New splitter 🔧", by=technician, at=at)


def jump(time, at) -> None:
    """Days later, to somebody whose session lasts."""
    time.at = at
    Session.objects.update(ends_at=at + timedelta(hours=12))


def everything():
    """All rows that a page could have changed."""
    return (
        list(Appointment.objects.values()), list(CaseEvent.objects.values_list("hash", flat=True)),
        Note.objects.count(), Message.objects.count(), Hold.objects.count(), list(Reservation.objects.values()),
        VisitRating.objects.count(),
        list(WaitlistEntry.objects.values()), list(WaitlistOffer.objects.values()),
    )  # fmt: skip
