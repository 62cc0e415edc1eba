"""Two visits change technicians."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import translation

from appointments import visits
from appointments.booking import WindowTaken
from appointments.crews import swap_crews
from appointments.models import Appointment, Reservation
from cases.services import verify_timeline
from common.errors import DomainError, InvalidInput, NotAllowed
from notifications.models import Message
from staff.models import Leave
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
AFTERNOON = TUESDAY_TEN + timedelta(hours=3)


@pytest.fixture(autouse=True)
def _center():
    center.center()
    with translation.override("en"):
        yield


@pytest.fixture
def dispatcher():
    return builders.person("dispatcher")


def pair(first_at=TUESDAY_TEN, second_at=TUESDAY_TEN, **fields):
    """A visit of zhao's and one of qian's."""
    zhao = center.technician("zhao")
    first = book(starts_at=first_at, **fields)
    Leave.objects.create(user=zhao, starts_at=MONDAY, ends_at=MONDAY + timedelta(days=5))
    qian = center.technician("qian")
    second = book(builders.customer(name="王芳", phone="13912345678"), starts_at=second_at, **fields)
    Leave.objects.all().delete()
    assert (first.owner, second.owner) == (zhao, qian)
    return first, second, zhao, qian


def fresh(visit):
    return Appointment.objects.get(pk=visit.pk)


def taken():
    rows = Reservation.objects.order_by("technician", "starts_at")
    return {(row.technician.username, row.starts_at): row.appointment_id for row in rows}


@pytest.mark.parametrize("second_at", [TUESDAY_TEN, AFTERNOON, AFTERNOON + timedelta(days=1)])
def test_each_goes_to_the_other_s_window(dispatcher, second_at):
    first, second, zhao, qian = pair(second_at=second_at)
    swap_crews(first_id=first.pk, second_id=second.pk, by=dispatcher, reason="Nearer", at=MONDAY)
    assert (fresh(first).owner, fresh(second).owner) == (qian, zhao)
    assert taken() == {("qian", TUESDAY_TEN): first.pk, ("zhao", second_at): second.pk}
    assert (fresh(first).starts_at, fresh(second).starts_at) == (TUESDAY_TEN, second_at)
    assert (fresh(first).cycle, fresh(second).cycle) == (1, 1)
    for visit in (first, second):
        assert verify_timeline(fresh(visit)) == []
        assert not Message.objects.filter(case=visit, template__startswith="visit_moved").exists()
        assert set(Message.objects.filter(case=visit, channel="in_app").values_list("template", flat=True)) >= {
            "visit_new_notice",
            "visit_off_notice",
        }


def test_back_and_forth_is_as_before(dispatcher):
    first, second, zhao, qian = pair()
    before = taken()
    for _time in range(2):
        swap_crews(first_id=first.pk, second_id=second.pk, by=dispatcher, at=MONDAY)
    assert taken() == before
    assert (fresh(first).owner, fresh(second).owner) == (zhao, qian)


def test_who_cannot_go_there_is_named_and_nothing_changes(dispatcher):
    first, second, _zhao, qian = pair(second_at=AFTERNOON)
    Leave.objects.create(user=qian, starts_at=TUESDAY_TEN, ends_at=TUESDAY_TEN + TWO_HOURS)
    before = taken()
    with pytest.raises(InvalidInput) as refusal:
        swap_crews(first_id=first.pk, second_id=second.pk, by=dispatcher, at=MONDAY)
    assert (
        str(refusal.value.reasons[0]) == f"qian cannot go to {first.number}: Is not on shift, or not for long enough."
    )
    assert taken() == before
    assert fresh(first).version == first.version


def test_a_third_visit_in_the_way_is_seen(dispatcher):
    first, second, _zhao, qian = pair(second_at=AFTERNOON)
    third = book(builders.customer(name="赵云", phone="13712345678"), starts_at=TUESDAY_TEN)
    assert third.owner == qian
    with pytest.raises(InvalidInput, match="Has another visit then"):
        swap_crews(first_id=first.pk, second_id=second.pk, by=dispatcher, at=MONDAY)


def test_of_two_crews_only_who_differs_changes(dispatcher):
    for name in ("a", "b", "c"):
        center.technician(name)
    first = book(services=[center.service("cabling")])
    second = book(
        builders.customer(name="王芳", phone="13912345678"),
        services=[center.service("cabling")],
        starts_at=TUESDAY_TEN + timedelta(days=1),
    )
    crews = [list(visit.crew.values_list("technician__username", flat=True)) for visit in (first, second)]
    only = [set(crews[0]) - set(crews[1]), set(crews[1]) - set(crews[0])]
    if not only[0]:
        with pytest.raises(InvalidInput, match="same technicians"):
            swap_crews(first_id=first.pk, second_id=second.pk, by=dispatcher, at=MONDAY)
        return
    swap_crews(first_id=first.pk, second_id=second.pk, by=dispatcher, at=MONDAY)
    assert set(first.crew.values_list("technician__username", flat=True)) == set(crews[1])


def test_what_cannot_be_swapped(dispatcher):
    first, second, zhao, _qian = pair()
    with pytest.raises(InvalidInput, match="two different visits"):
        swap_crews(first_id=first.pk, second_id=first.pk, by=dispatcher, at=MONDAY)
    with pytest.raises(InvalidInput, match="two different visits"):
        swap_crews(first_id=first.pk, second_id=999999, by=dispatcher, at=MONDAY)
    with pytest.raises(NotAllowed):
        swap_crews(first_id=first.pk, second_id=second.pk, by=builders.person("agent"), at=MONDAY)
    visits.set_off(appointment_id=first.pk, minutes=20, by=zhao, at=TUESDAY_TEN)
    with pytest.raises(DomainError, match="until they set off"):
        swap_crews(first_id=first.pk, second_id=second.pk, by=dispatcher, at=TUESDAY_TEN)


def test_a_longer_visit_takes_what_it_needs_besides(dispatcher):
    first, second, _zhao, qian = pair(second_at=AFTERNOON)
    Appointment.objects.filter(pk=second.pk).update(minutes=100)  # touches the window at 15:00 too
    swap_crews(first_id=first.pk, second_id=second.pk, by=dispatcher, at=MONDAY)
    assert taken() == {
        ("qian", TUESDAY_TEN): first.pk,
        ("zhao", AFTERNOON): second.pk,
        ("zhao", AFTERNOON + TWO_HOURS): second.pk,
    }
    assert qian


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_swaps_that_cross_wait_for_each_other_and_never_in_a_circle(dispatcher):
    first, second, _zhao, _qian = pair()
    rounds, problems, done = 12, [], []
    gate = threading.Barrier(4)

    def swap(one, other):
        try:
            gate.wait()
            for _round in range(rounds):
                swap_crews(first_id=one, second_id=other, by=None, at=MONDAY)
                done.append(1)
        except Exception as problem:
            problems.append(repr(problem))
        finally:
            connection.close()

    def intrude():
        """Somebody who tries to get in between."""
        gate.wait()
        try:
            for number in range(rounds):
                try:
                    book(first.customer, key=f"intruder-{number}")
                    problems.append("somebody got in")
                except WindowTaken:
                    pass
        except Exception as problem:
            problems.append(repr(problem))
        finally:
            connection.close()

    pairs = [(first.pk, second.pk), (second.pk, first.pk), (first.pk, second.pk)]
    threads = [threading.Thread(target=swap, args=pair) for pair in pairs] + [threading.Thread(target=intrude)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    assert problems == []
    assert len(done) == 3 * rounds
    assert len(taken()) == 2
    for visit in (first, second):
        assert verify_timeline(fresh(visit)) == []
        assert fresh(visit).owner.pk == Reservation.objects.get(appointment=visit).technician_id
