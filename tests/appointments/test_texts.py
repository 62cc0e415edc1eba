"""Booking, moving, cancelling and confirming by text message, through the door the gateways use."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appointments import visits
from appointments.models import Appointment, Reservation
from appointments.states import State
from customers.models import Address
from notifications.inbound import receive_sms
from notifications.models import InboundMessage, Message
from notifications.templates import render_sms
from sla.sweep import sweep
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
PHONE = "13812345678"


@pytest.fixture(autouse=True)
def _center(settings):
    settings.SWEEP_BREATH_SECONDS = 0
    center.center()
    center.technician()


@pytest.fixture
def customer():
    li = builders.customer(language="en", phone=PHONE)
    center.address(li)
    return li


def text(words: str, number: int = 1, *, sender: str = PHONE, at=MONDAY) -> str:
    """What the sender is answered; empty where the visit's own message says it."""
    message = receive_sms(sender=sender, text=words, provider_id=f"gateway-{number}", at=at)
    message = InboundMessage.objects.get(pk=message.pk)
    if message.answer is None:
        return ""
    return render_sms(message.answer.template, message.answer.language, message.answer.context)


def test_booked_by_text(customer):
    assert text("BOOK BROADBAND 3-3 10-12") == ""
    visit = Appointment.objects.get()
    assert (visit.starts_at, visit.channel, visit.customer) == (TUESDAY_TEN, "sms", customer)
    assert Message.objects.get(case=visit, template="visit_booked").channel == "sms"


def test_a_text_delivered_twice_books_once(customer):
    text("BOOK BROADBAND 3-3 10-12"), text("BOOK BROADBAND 3-3 10-12")
    assert Appointment.objects.count() == Reservation.objects.count() == 1
    assert Message.objects.filter(template="visit_booked").count() == 1


def test_a_taken_time_is_answered_with_the_nearest(customer):
    book(builders.customer(phone="13900000000"))
    said = text("BOOK BROADBAND 3-3 10-12")
    assert "taken" in said
    assert "13:00-15:00" in said
    assert not Appointment.objects.filter(customer=customer).exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("BOOK", "what is to be done"),
        ("BOOK BROADBAND 3-3 11-13", "08-10, 10-12"),
        ("BOOK BROADBAND 2025-03-03 10-12", "has passed"),
        ("BOOK BROADBAND 2027-03-03 10-12", "next 120 days"),
        ("HELP", "BOOK BROADBAND"),
        ("MOVE 3-4 10", "There is no visit"),
        ("CANCEL 9999-9999", "no visit with this number"),
        ("A", "no offer"),
    ],
)
def test_what_cannot_be_done_is_said(customer, words, said):
    assert said in text(words)
    assert not Appointment.objects.exists()


def test_a_stranger_is_told_where_to_book_in_the_language_of_the_text():
    assert "do not know this telephone number" in text("BOOK BROADBAND 3-3 10-12", sender="13911112222")
    assert "do not know" not in text("预约 宽带 3-3 10-12", 2, sender="13911113333")


def test_without_an_address_or_with_a_shared_number(customer):
    Address.objects.all().delete()
    assert "where to come" in text("BOOK BROADBAND 3-3 10-12")
    center.address(customer)
    builders.customer(name="王芳", phone=PHONE)
    assert "Several customers" in text("BOOK BROADBAND 3-3 10-12", 2)


def test_moved_confirmed_asked_and_cancelled(customer):
    text("BOOK BROADBAND 3-5 10-12")
    assert text("MOVE 3-6 13-15", 2) == ""
    visit = Appointment.objects.get()
    assert visit.starts_at == TUESDAY_TEN + timedelta(days=3, hours=3)
    assert visit.number in text("WHEN", 3)
    assert "We come" in text("y", 4)
    assert Appointment.objects.get().reconfirmed_at == MONDAY
    assert text("CANCEL", 5) == ""
    assert Appointment.objects.get().state == State.CANCELLED


def test_while_the_technician_is_on_the_way_a_text_asks_and_does_not_cancel(customer):
    visit = book(customer)
    visits.set_off(appointment_id=visit.pk, minutes=20, by=None, at=TUESDAY_TEN)
    said = text("WHEN", at=TUESDAY_TEN)
    assert (visit.number in said, "On the way" in said) == (True, True)
    for number, words in enumerate(("CANCEL", f"CANCEL {visit.number}", "MOVE 3-6 13-15"), start=2):
        assert "The technician is on the way. Please call us" in text(words, number, at=TUESDAY_TEN)
    assert Appointment.objects.get().state == State.UNDER_WAY


def test_several_visits_need_the_number(customer):
    first, second = book(customer), book(customer, starts_at=TUESDAY_TEN + timedelta(days=1))
    said = text("CANCEL")
    assert first.number in said
    assert second.number in said
    text(f"CANCEL {second.number}", 2)
    assert Appointment.objects.get(pk=second.pk).state == State.CANCELLED
    assert Appointment.objects.get(pk=first.pk).state == State.BOOKED


def test_an_offer_is_accepted_by_text(customer):
    early = book(builders.customer(phone="13900000000"))
    late = book(customer, starts_at=TUESDAY_TEN + timedelta(days=2))
    from appointments.services import cancel_appointment
    from appointments.waitlist import join_waitlist

    join_waitlist(appointment_id=late.pk, by=customer, at=MONDAY)
    cancel_appointment(appointment_id=early.pk, by=early.customer, at=MONDAY)
    sweep(now=MONDAY)
    assert text("A") == ""
    assert Appointment.objects.get(pk=late.pk).starts_at == TUESDAY_TEN
    assert "no longer open" not in text("A", 2)  # said twice, done once


def test_words_for_people_become_a_note(customer):
    visit = book(customer)
    assert text("Yes, but the bell is broken, please knock 🙂") == ""
    note = visit.notes.get()
    assert note.body == "Yes, but the bell is broken, please knock 🙂"
