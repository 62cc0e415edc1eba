"""What the pages for customers add to a visit: a hold extended once, and a low score that is heard."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appointments import conversation, visits
from appointments.booking import HoldExpired, WindowTaken, extend_hold, hold_window
from appointments.models import Appointment, Reservation, VisitRating
from common.errors import InvalidInput
from notifications.models import Message
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book
from tests.appointments.test_life import RECORD
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _center():
    center.center()


@pytest.fixture
def technician():
    return center.technician("zhao")


def hold(at=MONDAY):
    return hold_window(services=[center.service()], region=center.region(), starts_at=TUESDAY_TEN, at=at)


def test_a_hold_is_extended_once_and_keeps_everybody_else_out(technician):
    held = hold()
    longer = extend_hold(held.key, at=MONDAY + 9 * MINUTE)
    assert longer.expires_at == MONDAY + 19 * MINUTE
    with pytest.raises(WindowTaken):
        book(at=MONDAY + 15 * MINUTE)
    with pytest.raises(HoldExpired, match="already"):
        extend_hold(held.key, at=MONDAY + 10 * MINUTE)
    assert Reservation.objects.get().expires_at == MONDAY + 19 * MINUTE
    assert book(at=MONDAY + 19 * MINUTE).state == "booked"


def test_what_ran_out_or_was_never_held_is_not_extended(technician):
    held = hold()
    for key, at in ((held.key, MONDAY + 10 * MINUTE), ("nonsense", MONDAY), ("", MONDAY)):
        with pytest.raises(HoldExpired):
            extend_hold(key, at=at)
    assert Reservation.objects.get().expires_at == MONDAY + 10 * MINUTE


def done(technician) -> Appointment:
    visit = book()
    visits.arrive(appointment_id=visit.pk, by=technician, at=TUESDAY_TEN)
    visits.keep_record(appointment_id=visit.pk, by=technician, values=RECORD)
    return visits.finish(appointment_id=visit.pk, report="New splitter", by=technician, at=TUESDAY_TEN)


@pytest.mark.parametrize(("score", "kept", "told"), [(3, ["late", "charges"], 1), (4, [], 0)])
def test_a_low_score_names_its_reasons_and_the_lead_hears_of_it(technician, score, kept, told):
    lead = builders.person("lead", team=technician.team)
    visit = done(technician)
    conversation.rate_visit(
        appointment_id=visit.pk, score=score, reasons=["late", "charges", "late"], by=visit.customer, at=TUESDAY_TEN
    )
    assert VisitRating.objects.get().reasons == kept
    notices = Message.objects.filter(template="visit_low_rating_notice")
    assert notices.count() == told
    assert {message.person_id for message in notices} <= {lead.pk}


def test_reasons_are_those_offered(technician):
    visit = done(technician)
    with pytest.raises(InvalidInput) as refusal:
        conversation.rate_visit(appointment_id=visit.pk, score=1, reasons=["rain"], by=visit.customer, at=TUESDAY_TEN)
    assert refusal.value.field == "reasons"
    assert not VisitRating.objects.exists()


def test_a_customer_sees_the_own_visits_only(technician):
    visit = book()
    other = builders.customer(phone="13987654321")
    assert list(Appointment.objects.visible_to(visit.customer)) == [visit]
    assert not Appointment.objects.visible_to(other).exists()
