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
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


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
    return finish(book(), technician)


def finish(visit, technician) -> Appointment:
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


@pytest.mark.parametrize("score", [2, 5])
def test_who_asks_for_a_call_with_the_rating_is_on_the_list_until_called(technician, score):
    lead, dispatcher = builders.person("lead", team=technician.team), builders.person("dispatcher")
    visit = done(technician)
    assert not Appointment.objects.to_call_back().exists()
    conversation.rate_visit(
        appointment_id=visit.pk, score=score, callback="evening", by=visit.customer, at=TUESDAY_TEN + HOUR
    )
    assert [one.call_since for one in Appointment.objects.to_call_back()] == [TUESDAY_TEN + HOUR]
    notices = Message.objects.filter(template="visit_callback_notice")
    assert {message.person_id for message in notices} == {lead.pk, dispatcher.pk}
    assert not Message.objects.filter(template="visit_low_rating_notice").exists()
    for reached in (False, True):
        conversation.record_call(appointment_id=visit.pk, by=dispatcher, note="Rang", reached=reached)
        assert Appointment.objects.to_call_back().exists() is not reached


def test_what_was_to_be_said_before_the_visit_needs_no_call_once_it_is_done(technician):
    visit = book(at=MONDAY)
    Appointment.objects.filter(pk=visit.pk).update(call_since=MONDAY)
    finish(visit, technician)
    assert not Appointment.objects.to_call_back().exists()


def test_a_call_is_asked_for_at_a_time_offered_and_by_who_has_a_telephone(technician):
    visit = done(technician)
    for wish in ("night", "any"):
        if wish == "any":
            visit.customer.contacts.all().delete()
        with pytest.raises(InvalidInput) as refusal:
            conversation.rate_visit(appointment_id=visit.pk, score=1, callback=wish, by=visit.customer, at=TUESDAY_TEN)
        assert refusal.value.field == "callback"
    assert not VisitRating.objects.exists()


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
