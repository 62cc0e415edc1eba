"""An earlier time is offered to one at a time, for ten minutes, never twice and never at night (lessons.md 37)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appointments import services, visits, waitlist
from appointments.booking import WindowTaken
from appointments.models import Appointment, Reservation, WaitlistEntry, WaitlistOffer
from common.errors import DomainError, InvalidInput
from notifications.models import Message
from sla.sweep import sweep
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
WEDNESDAY, THURSDAY, FRIDAY = (TUESDAY_TEN + timedelta(days=days) for days in (1, 2, 3))


@pytest.fixture(autouse=True)
def _center(settings):
    settings.SWEEP_BREATH_SECONDS = 0
    center.center()
    center.technician()


def visit(number: int, starts_at) -> Appointment:
    return book(builders.customer(name=f"C{number}", phone=f"1380000000{number}"), starts_at=starts_at)


def waits(number: int, starts_at, **days) -> Appointment:
    appointment = visit(number, starts_at)
    waitlist.join_waitlist(appointment_id=appointment.pk, by=appointment.customer, at=MONDAY, **days)
    return appointment


def cancel(appointment: Appointment, at=MONDAY) -> None:
    services.cancel_appointment(appointment_id=appointment.pk, by=appointment.customer, at=at)
    sweep(now=at)


def test_one_after_the_other_until_somebody_wants_it():
    early = visit(1, TUESDAY_TEN)
    first, second = waits(2, WEDNESDAY), waits(3, THURSDAY)
    cancel(early)
    offer = WaitlistOffer.objects.get()
    assert offer.entry.appointment_id == first.pk
    assert Message.objects.filter(case=first, template="visit_offer").count() == 1
    # While it runs, nobody else can take the window: it is held.
    with pytest.raises(WindowTaken):
        visit(4, TUESDAY_TEN)
    later = MONDAY + timedelta(minutes=10)
    sweep(now=later)
    offer.refresh_from_db()
    assert offer.outcome == "expired"
    other = WaitlistOffer.objects.get(outcome="")
    assert other.entry.appointment_id == second.pk
    with pytest.raises(DomainError, match="no longer open"):
        waitlist.accept_offer(offer_id=offer.pk, by=first.customer, at=later)
    waitlist.accept_offer(offer_id=other.pk, by=second.customer, at=later)
    moved = Appointment.objects.get(pk=second.pk)
    assert (moved.starts_at, moved.state) == (TUESDAY_TEN, "booked")
    assert Reservation.objects.filter(appointment=moved).count() == 1
    # Thursday got free by that; the first one's time is earlier, so nobody is asked.
    sweep(now=later)
    assert WaitlistOffer.objects.count() == 2


def test_declining_asks_the_next_and_stays_on_the_list():
    early = visit(1, TUESDAY_TEN)
    first, second = waits(2, WEDNESDAY), waits(3, THURSDAY)
    cancel(early)
    waitlist.decline_offer(offer_id=WaitlistOffer.objects.get().pk, by=first.customer, at=MONDAY)
    sweep(now=MONDAY)
    assert WaitlistOffer.objects.get(outcome="").entry.appointment_id == second.pk
    assert first.waitlist.ended_at is None


def test_days_that_suit():
    early = visit(1, TUESDAY_TEN)
    waits(2, FRIDAY, first_on=WEDNESDAY.date())
    suits = waits(3, FRIDAY - timedelta(hours=2), last_on=TUESDAY_TEN.date())
    cancel(early)
    assert WaitlistOffer.objects.get().entry.appointment_id == suits.pk
    with pytest.raises(InvalidInput) as refusal:
        waitlist.join_waitlist(
            appointment_id=suits.pk, by=suits.customer, first_on=FRIDAY.date(), last_on=MONDAY.date(), at=MONDAY
        )
    assert refusal.value.field == "last_on"


def test_weekdays_and_parts_of_the_day_that_suit():
    early = visit(1, TUESDAY_TEN)
    waits(2, FRIDAY, weekdays=[3, 4])
    waits(3, FRIDAY - timedelta(hours=2), parts=["afternoon", "evening"])
    suits = waits(4, FRIDAY + timedelta(hours=3), weekdays=[2], parts=["morning"])
    cancel(early)
    assert WaitlistOffer.objects.get().entry.appointment_id == suits.pk


@pytest.mark.parametrize(("field", "wish"), [("weekdays", [0]), ("parts", ["night"]), ("weekdays", [6])])
def test_a_wish_is_one_that_can_be_met(field, wish):
    suits = waits(1, FRIDAY, weekdays=[2])
    with pytest.raises(InvalidInput) as refusal:
        waitlist.join_waitlist(appointment_id=suits.pk, by=suits.customer, at=MONDAY, **{field: wish})
    assert refusal.value.field == field
    assert WaitlistEntry.objects.get().weekdays == [2]


def test_who_was_not_met_is_offered_what_gets_free():
    early = visit(1, FRIDAY)
    missed = waits(2, TUESDAY_TEN)
    late = TUESDAY_TEN + timedelta(hours=4)
    visits.report_missed(appointment_id=missed.pk, by=None, at=late)
    cancel(early, at=late)
    assert WaitlistOffer.objects.get().entry.appointment_id == missed.pk


def test_nobody_is_asked_at_night_but_in_the_morning():
    early = visit(1, WEDNESDAY)
    waits(2, THURSDAY)
    night = MONDAY + timedelta(hours=14)  # 23:00
    cancel(early, at=night)
    assert not WaitlistOffer.objects.exists()
    sweep(now=MONDAY + timedelta(days=1))  # 09:00
    assert WaitlistOffer.objects.count() == 1


def test_a_window_about_to_begin_is_not_offered():
    early = visit(1, TUESDAY_TEN)
    waits(2, WEDNESDAY)
    lead = builders.person("lead")
    at = TUESDAY_TEN - timedelta(minutes=30)
    services.cancel_appointment(appointment_id=early.pk, by=lead, override="Rang us", at=at)
    sweep(now=at)
    assert not WaitlistOffer.objects.exists()


def test_who_left_the_list_or_the_matter_is_not_asked():
    early = visit(1, TUESDAY_TEN)
    left, gone = waits(2, WEDNESDAY), waits(3, THURSDAY)
    waitlist.leave_waitlist(appointment_id=left.pk, by=left.customer, at=MONDAY)
    cancel(gone)
    cancel(early)
    assert not WaitlistOffer.objects.exists()


def test_an_offer_is_the_customer_s_own():
    early, first = visit(1, TUESDAY_TEN), waits(2, WEDNESDAY)
    cancel(early)
    offer = WaitlistOffer.objects.get()
    with pytest.raises(Appointment.DoesNotExist):
        waitlist.accept_offer(offer_id=offer.pk, by=early.customer, at=MONDAY)
    assert waitlist.open_offer(first, at=MONDAY) == offer
    assert waitlist.open_offer(first, at=MONDAY + timedelta(minutes=10)) is None
