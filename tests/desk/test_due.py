"""The red figure at Dispatch: what is due now and nothing else, for who arranges visits, at no further statement."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments.due import due
from appointments.models import Appointment, CrewMember
from common import clock
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book
from tests.builders import MONDAY
from tests.desk.test_queue import statements

pytestmark = pytest.mark.django_db
SHOWN = '<span class="rail-count" data-count="rail.dispatch"><span>'


@pytest.fixture(autouse=True)
def _center():
    center.center()
    center.technician()
    with clock.simulated(MONDAY):
        yield


def counted(now=MONDAY):
    found = [visit.pk for part in due(now) for visit in part]
    assert len(found) == len(set(found))
    return set(found)


def changed(visit, **fields):
    Appointment.objects.filter(pk=visit.pk).update(**fields)
    return visit


def without_technician(visit):
    CrewMember.objects.filter(appointment=visit).delete()
    return changed(visit, owner=None)


def test_who_must_be_called_is_due_until_the_call_is_made():
    visit = book()
    assert counted() == set()
    changed(visit, call_since=MONDAY)
    assert counted() == {visit.pk}
    changed(visit, closed_at=MONDAY)
    assert counted() == set()


def test_a_promised_window_without_a_technician_is_due_a_day_before():
    visit = without_technician(book())
    assert counted(TUESDAY_TEN - timedelta(hours=24)) == set()
    assert counted(TUESDAY_TEN - timedelta(hours=23)) == {visit.pk}
    changed(visit, call_since=MONDAY)  # once, although there are two reasons
    assert counted(TUESDAY_TEN - timedelta(hours=23)) == {visit.pk}


def test_a_visit_without_a_time_is_due_when_its_promise_is_overdue():
    visit = book(starts_at=None)
    visit.refresh_from_db()
    assert counted(visit.sort_due_at - timedelta(minutes=1)) == set()
    assert counted(visit.sort_due_at + timedelta(minutes=1)) == {visit.pk}


@pytest.mark.parametrize(("role", "figure"), [("dispatcher", 1), ("lead", 1), ("auditor", None), ("agent", None)])
def test_the_rail_shows_it_to_who_arranges_visits_and_the_feed_keeps_it_fresh(client, role, figure):
    changed(book(), call_since=MONDAY)
    client.force_login(builders.person(role))
    page = client.get("/desk/").text
    assert (f"{SHOWN}1<" in page) == bool(figure)
    counts = next(fact for fact in client.get("/desk/changes").json()["facts"] if fact["kind"] == "counts")
    assert counts.get("rail.dispatch") == figure


def test_it_costs_no_statement_more_than_the_queue_of_an_agent(client):
    costs = {}
    for role in ("agent", "lead"):
        client.force_login(builders.person(role))
        for address in ("/desk/", "/desk/changes"):
            with CaptureQueriesContext(connection) as captured:
                client.get(address)
            costs[role, address] = len(statements(captured))
    assert costs == dict.fromkeys(costs, 4)
