"""The proposed plan on the board: who may, what it says, and what becomes of what was taken meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appointments import services
from appointments.models import Appointment, Reservation
from appointments.states import State
from common import clock
from desk import plans
from notifications.models import Message
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
PAGE = "/desk/dispatch/plan/?day=2026-03-03"
EN = {"Accept-Language": "en"}
_phones = iter(range(10_000_000, 99_999_999))


@pytest.fixture(autouse=True)
def _center():
    center.center()
    with clock.simulated(MONDAY):
        yield


@pytest.fixture
def zhao():
    return center.technician("zhao")


@pytest.fixture
def dispatcher(client):
    person = builders.person("dispatcher", language="en")
    client.force_login(person)
    return person


def ask(code="broadband-repair", region="east", **fields):
    customer = builders.customer(phone=f"139{next(_phones)}")
    return book(customer, services=[center.service(code)], region=center.region(region), starts_at=None, **fields)


def steps(client):
    """What the page offers, by visit."""
    sheet = client.get(PAGE, headers=EN).context["sheet"]
    return {row.visit.pk: row.step for row in sheet.rows}


def post(client, page=PAGE, **data):
    return client.post(page, data, headers=EN)


def state(visit):
    return Appointment.objects.get(pk=visit.pk).state


@pytest.mark.parametrize(
    ("role", "status"),
    [("dispatcher", 200), ("lead", 200), ("supervisor", 200), ("auditor", 403), ("agent", 403), ("technician", 403)],
)
def test_who_may(client, zhao, role, status):
    visit = ask()
    assert client.get(PAGE).status_code == 302
    client.force_login(builders.person("dispatcher"))
    step = steps(client)[visit.pk]
    client.force_login(builders.person(role))
    assert client.get(PAGE).status_code == status
    assert post(client, step=step).status_code == (302 if status == 200 else 403)
    assert (state(visit) == State.REQUESTED) == (status != 200)


def test_each_waiting_visit_has_a_time_a_person_and_the_reason_or_why_it_has_none(client, dispatcher, zhao):
    visit, rare, called = ask(urgency="urgent"), ask("fiber-repair"), ask()
    Appointment.objects.filter(pk=called.pk).update(call_since=MONDAY)
    before = Reservation.objects.count(), Message.objects.count()
    answer = client.get(PAGE, headers=EN)
    (row,) = answer.context["sheet"].rows
    assert (row.visit, row.hours, row.people) == (visit, "08:00–10:00", "zhao")
    assert str(row.because[0].name) == "Urgent"
    assert "Tuesday 3 March" in answer.text
    assert {one.visit: (one.reason, one.act) for one in answer.context["sheet"].left} == {
        rare: ("Nobody has the skill and level for it that day and drives to this area.", "Give a time…"),
        called: ("Somebody must call this customer first.", "Call the customer"),
    }
    assert (Reservation.objects.count(), Message.objects.count()) == before


def test_the_board_leads_there_while_something_can_be_planned(client, dispatcher, zhao):
    board = "/desk/dispatch/?day=2026-03-03&region=east"
    link = 'href="/desk/dispatch/plan/?day=2026-03-03&amp;region=east"'
    assert link not in client.get(board).text
    ask()
    assert link in client.get(board).text
    client.force_login(builders.person("auditor"))
    assert link not in client.get(board).text


def test_the_filters_narrow_what_is_shown_but_not_what_is_planned_for(client, dispatcher, zhao):
    center.technician("wu", areas=("west",))
    west, _east = ask(region="west"), ask()
    sheet = client.get(PAGE + "&region=west").context["sheet"]
    assert [row.visit for row in sheet.rows] == [west]


def test_accepting_what_is_ticked_leaves_the_rest(client, dispatcher, zhao):
    first, second, third = ask(), ask(), ask()
    offered = steps(client)
    answer = post(client, step=[offered[first.pk], offered[third.pk]], shown=list(offered.values()))
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert [state(visit) for visit in (first, second, third)] == [State.BOOKED, State.REQUESTED, State.BOOKED]
    assert "2 visits are planned." in client.get(PAGE, headers=EN).text


def test_the_button_of_one_visit_accepts_that_one_whatever_is_ticked(client, dispatcher, zhao):
    first, second = ask(), ask()
    offered = steps(client)
    post(client, step=list(offered.values()), shown=list(offered.values()), only=offered[second.pk])
    assert [state(visit) for visit in (first, second)] == [State.REQUESTED, State.BOOKED]
    Appointment.objects.get(pk=second.pk, starts_at=TUESDAY_TEN)


def test_what_was_taken_meanwhile_is_said_stays_and_gets_another_proposal(client, dispatcher, zhao):
    first, second = ask(), ask()
    offered = steps(client)
    book(builders.customer(phone="13700000001"), starts_at=TUESDAY_TEN - TWO_HOURS)  # takes what `first` was to have
    unticked = ask()
    kept = plans.write(plans.read(steps(client)[unticked.pk]))
    answer = post(client, step=list(offered.values()), shown=[*offered.values(), kept])
    assert answer.status_code == 409
    rows = {row.visit.pk: row for row in answer.context["sheet"].rows}
    assert state(second) == State.BOOKED
    assert state(first) == State.REQUESTED
    assert "just been taken" in rows[first.pk].refused[0]
    assert rows[first.pk].step != offered[first.pk]
    assert (rows[first.pk].ticked, rows[unticked.pk].ticked) == (True, False)
    assert "One visit was not planned" in answer.text
    assert f"{second.number} is planned" in answer.text


def test_what_waits_no_longer_is_said_with_its_present_state(client, dispatcher, zhao):
    gone = ask()
    step = steps(client)[gone.pk]
    services.cancel_appointment(appointment_id=gone.pk, by=gone.customer, at=MONDAY)
    answer = post(client, step=step)
    assert answer.status_code == 409
    (row,) = answer.context["sheet"].gone
    assert row.reason == "Cancelled: No time yet"
    assert "changed this appointment" in row.refused[0]


def test_somebody_else_who_goes_is_named(client, dispatcher, zhao):
    visit = ask()
    step = steps(client)[visit.pk]
    center.technician("qian")
    type(zhao).objects.filter(pk=zhao.pk).update(is_active=False)
    post(client, step=step)
    assert "another technician goes: qian" in client.get(PAGE, headers=EN).text


@pytest.mark.parametrize("step", ["", "x", "1.2.3", "1.1.99999999999999999.1", "1.1.1772503200.", "-1.1.1772503200.1"])
def test_nothing_ticked_and_nonsense_are_said_and_change_nothing(client, dispatcher, zhao, step):
    visit = ask()
    answer = post(client, step=step) if step else post(client)
    assert answer.status_code == 422
    assert ("Tick at least one visit." if not step else "This is no proposal of ours.") in answer.text
    assert state(visit) == State.REQUESTED


def test_a_day_that_is_over_becomes_today_and_the_last_has_none_after_it(client, dispatcher, zhao):
    past = client.get("/desk/dispatch/plan/?day=2026-02-20", headers=EN)
    assert "Monday 2 March" in past.text
    assert "previous" not in past.context
    last = client.get(f"/desk/dispatch/plan/?day={(MONDAY + timedelta(days=120)).date()}", headers=EN)
    assert last.status_code == 200
    assert "next" not in last.context
    assert "Nothing waits for a plan" in last.text
