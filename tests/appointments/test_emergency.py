"""An emergency that takes the time of a less urgent visit."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from appointments import emergency
from appointments.booking import WindowTaken, hold_window
from appointments.models import Appointment, Compensation, Hold, Reservation
from appointments.services import cancel_appointment
from appointments.states import State
from common.errors import DomainError, InvalidInput, NotAllowed
from notifications.models import Message
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
TUESDAY = (MONDAY + timedelta(days=1)).date()
AFTERNOON = TUESDAY_TEN + timedelta(hours=3)


@pytest.fixture(autouse=True)
def _center():
    center.center()
    with translation.override("en"):
        yield


@pytest.fixture
def dispatcher():
    return builders.person("dispatcher")


@pytest.fixture
def zhao():
    return center.technician("zhao")


def urgent(**fields):
    fields = {"starts_at": None, "urgency": "urgent", "key": "urgent", **fields}
    return book(builders.customer(name="王芳", phone="13912345678"), **fields)


def insert(visit, displaced, by, to=AFTERNOON, at=MONDAY, **fields):
    fields.setdefault("reason", "A lift alarm")
    return emergency.insert_emergency(appointment_id=visit.pk, displaced_id=displaced.pk, to=to, by=by, at=at, **fields)


def fresh(visit):
    return Appointment.objects.get(pk=visit.pk)


def taken():
    rows = Reservation.objects.order_by("technician", "starts_at")
    return {(row.technician.username, row.starts_at): row.appointment_id for row in rows}


# --- proposals -------------------------------------------------------------------------------------------------------


def test_the_less_urgent_visit_makes_room_and_the_cost_is_explained(zhao):
    visit, alarm = book(), urgent()
    (one,) = emergency.proposals(alarm, day=TUESDAY, at=MONDAY)
    assert (one.displaced.pk, one.technicians, one.window.starts_at) == (visit.pk, [zhao], TUESDAY_TEN)
    assert one.instead[0].starts_at == AFTERNOON
    assert len(one.instead) == 3
    assert not one.breaks
    assert {str(part.name) for part in one.parts} >= {"Less urgent by", "Breaks no promise"}
    inside = emergency.proposals(alarm, day=TUESDAY, at=TUESDAY_TEN - timedelta(hours=23))
    assert [proposal.breaks for proposal in inside] == [True]


def test_a_visit_as_urgent_or_a_crew_that_cannot_makes_no_room(zhao):
    visit = book()
    Appointment.objects.filter(pk=visit.pk).update(severity="area")
    assert emergency.proposals(urgent(key="a"), day=TUESDAY, at=MONDAY) == []
    Appointment.objects.update(severity="one")
    fiber = urgent(key="b", services=[center.service("fiber-repair")])
    assert emergency.proposals(fiber, day=TUESDAY, at=MONDAY) == []


def test_what_breaks_no_promise_comes_first(zhao):
    center.technician("qian")
    soon = book()
    later = book(starts_at=TUESDAY_TEN + timedelta(hours=8), key="later")
    found = emergency.proposals(urgent(), day=TUESDAY, at=TUESDAY_TEN - timedelta(hours=20))
    assert [(one.displaced.pk, one.breaks) for one in found] == [(later.pk, False), (soon.pk, True)]


def test_eleven_statements_however_many_visits(zhao):
    alarm = urgent()
    book()

    def cost():
        with CaptureQueriesContext(connection) as captured:
            assert emergency.proposals(alarm, day=TUESDAY, at=MONDAY)
        return len(captured)

    few = cost()
    for number in range(5):
        center.technician(f"t{number}")
        book(builders.customer(name=f"赵{number}", phone=f"1371234567{number}"))
    assert cost() == few <= 12


# --- making room -----------------------------------------------------------------------------------------------------


def test_the_one_is_moved_and_told_and_the_other_gets_its_time(dispatcher, zhao):
    visit, alarm = book(), urgent()
    insert(visit=alarm, displaced=visit, by=dispatcher)
    assert (fresh(alarm).state, fresh(alarm).starts_at, fresh(alarm).owner) == (State.BOOKED, TUESDAY_TEN, zhao)
    assert (fresh(visit).starts_at, fresh(visit).moved_by_us) == (AFTERNOON, 1)
    assert taken() == {("zhao", TUESDAY_TEN): alarm.pk, ("zhao", AFTERNOON): visit.pk}
    assert Message.objects.filter(case=visit, template="visit_moved_by_us").exists()
    assert Message.objects.filter(case=alarm, template="visit_booked").exists()
    assert not Hold.objects.exists()
    assert not Compensation.objects.exists()


def test_inside_a_day_the_promise_of_the_other_is_broken_and_owed(dispatcher, zhao):
    visit, alarm = book(), urgent()
    insert(alarm, visit, dispatcher, at=TUESDAY_TEN - timedelta(hours=5))
    assert Compensation.objects.get().appointment == visit


def test_nobody_can_take_the_time_in_between(dispatcher, zhao):
    visit, alarm = book(), urgent()
    hold = emergency.make_room(
        appointment_id=alarm.pk, displaced_id=visit.pk, to=AFTERNOON, reason="Alarm", by=dispatcher, at=MONDAY
    )
    third = builders.customer(name="赵云", phone="13712345678")
    with pytest.raises(WindowTaken):
        book(third, starts_at=TUESDAY_TEN)
    with pytest.raises(WindowTaken):
        hold_window(services=[center.service()], region=center.region(), starts_at=TUESDAY_TEN, at=MONDAY)
    assert taken() == {("zhao", TUESDAY_TEN): None, ("zhao", AFTERNOON): visit.pk}
    assert hold.starts_at == TUESDAY_TEN


def test_a_longer_emergency_takes_the_next_window_too_or_nothing(dispatcher, zhao):
    visit = book(starts_at=AFTERNOON)
    long = urgent(services=[center.service("broadband-move"), center.service("fixed-line-install")])
    assert long.minutes == 120
    evening = TUESDAY_TEN + timedelta(hours=8)
    insert(long, visit, dispatcher, to=evening)
    assert taken() == {
        ("zhao", AFTERNOON): long.pk,
        ("zhao", AFTERNOON + TWO_HOURS): long.pk,
        ("zhao", evening): visit.pk,
    }


@pytest.mark.parametrize("to", [TUESDAY_TEN, TUESDAY_TEN + timedelta(minutes=5), MONDAY - timedelta(days=1)])
def test_without_a_new_time_for_the_other_nothing_happens(dispatcher, zhao, to):
    visit, alarm = book(), urgent()
    before = taken()
    with pytest.raises(DomainError):
        insert(alarm, visit, dispatcher, to=to)
    assert taken() == before
    assert not Hold.objects.exists()
    assert fresh(visit).version == visit.version
    assert fresh(alarm).state == State.REQUESTED


def test_what_is_refused(dispatcher, zhao):
    visit, alarm = book(), urgent()
    with pytest.raises(NotAllowed):
        insert(alarm, visit, builders.person("agent"))
    with pytest.raises(InvalidInput) as refusal:
        insert(alarm, visit, dispatcher, reason=" ")
    assert refusal.value.field == "reason"
    Appointment.objects.filter(pk=visit.pk).update(urgency="urgent", severity="area")
    with pytest.raises(InvalidInput, match="as urgent itself"):
        insert(alarm, visit, dispatcher)
    Appointment.objects.filter(pk=visit.pk).update(urgency="normal", severity="one")
    with pytest.raises(InvalidInput, match="no longer make room"):
        insert(alarm, visit, dispatcher, at=TUESDAY_TEN)
    cancel_appointment(appointment_id=alarm.pk, by=alarm.customer, at=MONDAY)
    with pytest.raises(DomainError, match="has a time already"):
        insert(alarm, visit, dispatcher)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_on_real_connections_a_crowd_never_gets_the_time(dispatcher, zhao):
    visit, alarm = book(), urgent()
    stop, stolen, problems = threading.Event(), [], []
    customer = visit.customer

    def crowd(number):
        try:
            tries = 0
            while not stop.is_set():
                tries += 1
                with suppress(WindowTaken):
                    stolen.append(book(customer, key=f"{number}-{tries}"))
        except Exception as problem:
            problems.append(repr(problem))
        finally:
            connection.close()

    threads = [threading.Thread(target=crowd, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        insert(alarm, visit, None)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
    assert problems == []
    assert stolen == []
    assert taken() == {("zhao", TUESDAY_TEN): alarm.pk, ("zhao", AFTERNOON): visit.pk}
