"""What the ticket hears when its visit did not solve it, and of pairs that were swapped."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appointments import services, visits
from appointments.models import VisitRecord
from appointments.states import State
from cases.models import Note
from notifications.models import Message
from sla.sweep import sweep
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.appointments.test_life import RECORD, fresh, tick
from tests.builders import MONDAY
from tickets import services as tickets
from tickets.states import State as TicketState

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _center(settings):
    settings.SWEEP_BREATH_SECONDS = 0
    center.center()


@pytest.fixture
def technician():
    return center.technician("zhao")


@pytest.fixture
def fault():
    agent = builders.person()
    opened = builders.ticket(agent, customer=builders.customer(), type="fault", needs_visit=True)
    return tickets.take_ticket(ticket_id=opened.pk, by=agent, at=MONDAY)


def on_site(technician, ticket=None):
    visit = book(ticket.customer if ticket else None, ticket=ticket)
    visits.arrive(appointment_id=visit.pk, by=technician, at=TUESDAY_TEN)
    return visit


def internal(case):
    return list(Note.objects.filter(case_id=case.pk, visibility="internal").values_list("body", flat=True))


def test_a_fault_in_the_line_goes_back_to_the_dispatcher_with_the_finding(technician, fault):
    dispatch = builders.team("dispatch", dispatches=True)
    visit = on_site(technician, fault)
    visits.fail(appointment_id=visit.pk, reason="line", note="Cable cut at pole 7", by=technician, at=TUESDAY_TEN)
    sweep(now=TUESDAY_TEN)
    fault.refresh_from_db()
    assert (fault.state, fault.team, fault.owner) == (TicketState.RETURNED, dispatch, None)
    assert internal(fault) == ["Cable cut at pole 7"]


def test_every_other_reason_stays_with_its_team_and_is_noted(technician, fault):
    visit = on_site(technician, fault)
    visits.fail(appointment_id=visit.pk, reason="parts", note="No splitter left", by=technician, at=TUESDAY_TEN)
    sweep(now=TUESDAY_TEN)
    fault.refresh_from_db()
    assert (fault.state, fault.owner) == (TicketState.IN_PROGRESS, fault.first_contact)
    assert internal(fault) == ["No splitter left"]


def test_a_ticket_that_can_not_be_returned_keeps_the_finding(technician, fault):
    visit = on_site(technician, fault)
    tickets.wait_for_customer(ticket_id=fault.pk, reason="documents", by=None, at=TUESDAY_TEN)
    visits.fail(appointment_id=visit.pk, reason="line", note="Cable cut", by=technician, at=TUESDAY_TEN)
    sweep(now=TUESDAY_TEN)
    fault.refresh_from_db()
    assert fault.state == TicketState.PENDING
    assert internal(fault) == ["Cable cut"]


def test_a_swapped_pair_is_noted_on_the_ticket_once(technician, fault):
    visit = on_site(technician, fault)
    swap = {"pair_from": "A-17", "pair_to": "A-21"}
    visits.keep_record(appointment_id=visit.pk, by=technician, values=RECORD | swap)
    visits.fail(appointment_id=visit.pk, reason="time", note="Too late today", by=technician, at=TUESDAY_TEN)
    sweep(now=TUESDAY_TEN)
    noted = [body for body in internal(fault) if "A-17" in body]
    assert len(noted) == 1
    assert noted[0].index("A-17") < noted[0].index("A-21")
    # The second visit finds the pairs in its record: they were told.
    second = TUESDAY_TEN + timedelta(days=1)
    services.move_appointment(appointment_id=visit.pk, starts_at=second, by=visit.customer, at=TUESDAY_TEN + TWO_HOURS)
    visits.arrive(appointment_id=visit.pk, by=technician, at=second)
    visits.finish(appointment_id=visit.pk, report="Works", by=technician, at=second)
    sweep(now=second)
    assert len([body for body in internal(fault) if "A-17" in body]) == 1


def test_without_a_ticket_the_pair_is_noted_on_the_visit(technician):
    visit = on_site(technician)
    visits.keep_record(appointment_id=visit.pk, by=technician, values=RECORD | {"pair_from": "A-17", "pair_to": "A-21"})
    visits.finish(appointment_id=visit.pk, report="Works", by=technician, at=TUESDAY_TEN)
    assert len([body for body in internal(visit) if "A-17" in body and "A-21" in body]) == 1


# --- word that came late ----------------------------------------------------------------------------------------------


def test_a_departure_heard_of_after_the_miss_is_kept_and_the_arrival_decides(technician):
    visit = book()
    over = TUESDAY_TEN + TWO_HOURS
    tick(TUESDAY_TEN - timedelta(minutes=40))
    tick(over + timedelta(minutes=15))
    said = Message.objects.count()
    left, heard = TUESDAY_TEN + timedelta(minutes=5), over + timedelta(minutes=30)
    visits.set_off(appointment_id=visit.pk, minutes=20, by=technician, at=left, heard_at=heard)
    visit = fresh(visit)
    assert (visit.state, visit.left_at) == (State.MISSED, left)
    assert Message.objects.count() == said
    visits.arrive(appointment_id=visit.pk, by=technician, at=left + timedelta(minutes=20))
    assert fresh(visit).state == State.ON_SITE


def test_nobody_is_told_of_a_coming_that_is_over(technician):
    visit = book()
    left = TUESDAY_TEN
    heard = left + timedelta(minutes=31)
    visits.set_off(appointment_id=visit.pk, minutes=30, by=technician, at=left, heard_at=heard)
    assert fresh(visit).left_at == left
    assert not Message.objects.filter(case=visit, template="visit_under_way").exists()


def test_word_that_is_a_little_late_tells_the_minutes_that_are_left(technician):
    visit = book()
    heard = TUESDAY_TEN + timedelta(minutes=10)
    visits.set_off(appointment_id=visit.pk, minutes=30, by=technician, at=TUESDAY_TEN, heard_at=heard)
    assert Message.objects.get(case=visit, template="visit_under_way").context["minutes"] == 20


def test_each_departure_has_a_checklist_of_its_own(technician):
    visit = book()
    checks = dict.fromkeys(VisitRecord.CHECKS, True)
    record = visits.keep_record(appointment_id=visit.pk, by=technician, values=checks)
    assert record.ready(visit.cycle)
    services.move_appointment(
        appointment_id=visit.pk, starts_at=TUESDAY_TEN + timedelta(days=1), by=visit.customer, at=MONDAY
    )
    visit = fresh(visit)
    assert not VisitRecord.objects.get(appointment=visit).ready(visit.cycle)
    record = visits.keep_record(appointment_id=visit.pk, by=technician, values={"tools_checked": True})
    assert not record.ready(visit.cycle)
