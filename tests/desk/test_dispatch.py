"""The dispatch board: who opens it, what it lists and in which order, what a cell says, and what it costs."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from appointments import visits
from appointments.booking import hold_window
from appointments.conversation import rate_visit
from appointments.models import Appointment
from common import clock
from desk.dispatch import Board, Look
from staff.models import Leave, UserSkill
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.appointments.test_life import RECORD
from tests.builders import MONDAY
from tests.desk.test_queue import statements

pytestmark = pytest.mark.django_db
TUESDAY = date(2026, 3, 3)
PAGE = "/desk/dispatch/"
EN = {"Accept-Language": "en"}


@pytest.fixture(autouse=True)
def _center():
    center.center()
    with clock.simulated(MONDAY), translation.override("en"):
        yield


@pytest.fixture
def zhao():
    return center.technician("zhao", skills={"broadband": 3, "fixed_line": 2})


@pytest.fixture
def dispatcher():
    return builders.person("dispatcher", language="en")


def board(person=None, now=MONDAY, **look):
    return Board(person or builders.person("dispatcher"), Look(look.pop("day", TUESDAY), **look), now=now)


def cells(shown, technician):
    return next(line.cells for line in shown.lines if line.technician.pk == technician.pk)


def said(shown, technician):
    """What each cell of a technician says: the visit's state, why there is none, or "+"."""
    return [
        [str(visit.face.words) for visit in cell.visits] or cell.off or cell.kept or ("+" if cell.free_url else "")
        for cell in cells(shown, technician)
    ]


def get(client, person, address=PAGE, **options):
    client.force_login(person)
    return client.get(address, headers={**EN, **options.pop("headers", {})}, **options)


# --- who -------------------------------------------------------------------------------------------------------------


def test_a_stranger_is_sent_to_sign_in(client):
    for address in (PAGE, PAGE + "refresh/"):
        assert client.get(address).status_code == 302


@pytest.mark.parametrize(
    ("role", "status"),
    [("dispatcher", 200), ("lead", 200), ("supervisor", 200), ("auditor", 200),
     ("agent", 403), ("technician", 403), ("administrator", 403)],
)  # fmt: skip
def test_who_may_open_it(client, role, status):
    person = builders.person(role)
    assert get(client, person).status_code == status
    assert get(client, person, PAGE + "refresh/").status_code == status


def test_the_auditor_reads_and_has_nothing_to_press(client, zhao):
    book(starts_at=None)
    page = get(client, builders.person("auditor", language="en")).text
    assert "Needs a time" in page
    assert "/assign/" not in page
    assert "cell-free" not in page


# --- what waits ------------------------------------------------------------------------------------------------------


def test_everything_settled_is_an_empty_list(zhao):
    book()
    assert board().jobs == []


def test_what_needs_a_time_the_most_urgent_first_with_its_points_explained(zhao):
    book(starts_at=None, key="a")
    urgent = book(starts_at=None, urgency="urgent", key="b")
    shown = board().jobs
    assert shown[0].appointment.pk == urgent.pk
    assert len(shown) == 2
    first = shown[0]
    assert first.points == sum(part.points for part in first.parts)
    assert {str(part.name): part.points for part in first.parts}["Urgent"] == 60
    assert [why.words for why in first.whys] == ["Needs a time"]


def test_a_technician_on_leave_is_named_with_the_true_reason(zhao):
    visit = book()
    Leave.objects.create(
        user=zhao, kind="sick", starts_at=TUESDAY_TEN - TWO_HOURS, ends_at=TUESDAY_TEN + timedelta(hours=4)
    )
    (job,) = board().jobs
    assert job.appointment.pk == visit.pk
    assert "zhao: Is not on shift, or not for long enough." in job.whys[0].words
    assert cells(board(), zhao)[1].visits[0].orphaned


def test_a_visit_to_call_is_listed_even_though_it_has_a_technician(zhao):
    visit = book()
    Appointment.objects.filter(pk=visit.pk).update(call_since=MONDAY)
    (job,) = board().jobs
    assert job.calls_only
    assert job.whys[0].words == "Call: no message reaches the customer"


def test_who_rated_and_wants_a_call_is_listed_whenever_the_visit_was(zhao):
    visit = book()
    visits.arrive(appointment_id=visit.pk, by=zhao, at=TUESDAY_TEN)
    visits.keep_record(appointment_id=visit.pk, by=zhao, values=RECORD)
    visits.finish(appointment_id=visit.pk, report="New splitter", by=zhao, at=TUESDAY_TEN)
    week_later = TUESDAY_TEN + timedelta(days=7)
    rate_visit(appointment_id=visit.pk, score=2, callback="evening", by=visit.customer, at=week_later)
    (job,) = board(day=week_later.date(), now=week_later).jobs
    assert job.calls_only
    assert job.whys[0].words == "Call: the customer rated the visit 2 of 5 and asks for it. Evening"
    assert job.act == "Call the customer"


def test_the_filters_narrow_both_sides(zhao):
    other = center.technician("qian", areas=("west",), skills={"iptv": 1})
    book(starts_at=None)
    shown = board(region="west")
    assert [line.technician.pk for line in shown.lines] == [other.pk]
    assert shown.jobs == []
    assert [line.technician.pk for line in board(skill="broadband").lines] == [zhao.pk]
    assert len(board(skill="broadband").jobs) == 1
    assert board(skill="iptv").jobs == []


# --- the day ---------------------------------------------------------------------------------------------------------


def test_each_window_says_what_it_is(zhao):
    book()
    Leave.objects.create(
        user=zhao, kind="training", starts_at=TUESDAY_TEN - TWO_HOURS, ends_at=TUESDAY_TEN - timedelta(minutes=30)
    )
    other = center.technician("qian", days=1)  # on shift on Monday only
    shown = board()
    assert said(shown, zhao) == ["Training", ["Planned"], "+", "+", "+"]
    assert said(shown, other) == ["Off duty"] * 5
    line = next(line for line in shown.lines if line.technician == zhao)
    assert (line.taken, line.windows) == (1, 4)


def test_a_kept_window_is_not_offered(zhao):
    hold_window(services=[center.service()], region=center.region(), starts_at=TUESDAY_TEN, at=MONDAY)
    assert said(board(), zhao)[1] == "Kept for a customer"
    assert said(board(now=MONDAY + timedelta(minutes=11)), zhao)[1] == "+"


def test_a_long_visit_takes_the_next_window_too(zhao):
    helper = center.technician("qian", skills={"cable": 3})
    UserSkill.objects.create(user=zhao, skill=UserSkill.objects.get(user=helper).skill, level=3)
    book(services=[center.service("cabling")])
    shown = board()
    assert said(shown, zhao)[1:3] == [["Planned"], "+"]
    late = book(
        builders.customer(name="王芳", phone="13912345678"),
        services=[center.service("cabling")],
        starts_at=TUESDAY_TEN + timedelta(hours=3),
    )
    assert late.starts_at == TUESDAY_TEN + timedelta(hours=3)
    assert said(board(), zhao)[2:4] == [["Planned"], "until 15:30"]
    assert cells(board(), zhao)[2].visits[0].note == "with qian"


def test_the_day_as_it_goes(zhao):
    visit = book()
    assert said(board(now=TUESDAY_TEN + timedelta(minutes=80)), zhao)[1] == ["Planned"]
    # Half an hour before the end nobody has set off: whoever starts now comes too late.
    assert said(board(now=TUESDAY_TEN + timedelta(minutes=91)), zhao)[1] == ["May be late"]
    visits.set_off(appointment_id=visit.pk, minutes=30, by=zhao, at=TUESDAY_TEN)
    assert said(board(now=TUESDAY_TEN), zhao)[1] == ["On the way"]
    assert said(board(now=TUESDAY_TEN + TWO_HOURS + timedelta(minutes=1)), zhao)[1] == ["May be late"]
    visits.arrive(appointment_id=visit.pk, by=zhao, at=TUESDAY_TEN + timedelta(minutes=20))
    assert said(board(now=TUESDAY_TEN + timedelta(minutes=21)), zhao)[1] == ["On site"]


def test_whoever_is_still_on_site_makes_the_next_visit_late(zhao):
    first = book()
    book(builders.customer(name="王芳", phone="13912345678"), starts_at=TUESDAY_TEN + timedelta(hours=3))
    visits.arrive(appointment_id=first.pk, by=zhao, at=TUESDAY_TEN + TWO_HOURS)
    at = TUESDAY_TEN + timedelta(hours=4)
    assert said(board(now=at), zhao)[1:3] == [["On site"], ["Planned"]]
    assert said(board(now=at + timedelta(minutes=31)), zhao)[1:3] == [["On site"], ["May be late"]]


def test_who_has_left_since_keeps_the_visits_of_that_day(zhao):
    visit = book()
    visits.arrive(appointment_id=visit.pk, by=zhao, at=TUESDAY_TEN)
    type(zhao).objects.filter(pk=zhao.pk).update(is_active=False)
    assert said(board(now=TUESDAY_TEN), zhao)[1] == ["On site"]


def test_a_promised_visit_of_somebody_who_left_needs_another(zhao):
    book()
    type(zhao).objects.filter(pk=zhao.pk).update(is_active=False)
    (job,) = board().jobs
    assert "No longer works as a technician." in job.whys[0].words


def test_the_present_window_is_marked(client, dispatcher, zhao):
    with clock.simulated(TUESDAY_TEN + timedelta(minutes=5)):
        page = get(client, dispatcher).text
    assert page.count("is-now") == 2  # its heading, and the one technician's cell
    assert "10:00–12:00<span" in page


# --- the address -----------------------------------------------------------------------------------------------------


def test_a_day_that_is_none_is_said_and_today_is_shown(client, dispatcher):
    answer = get(client, dispatcher, PAGE + "?day=yesterday")
    assert answer.status_code == 200
    assert "This is no date." in answer.text
    assert "Monday 2 March" in answer.text


@pytest.mark.parametrize(("asked", "shown"), [("2020-01-01", "Friday 30 January"), ("2099-01-01", "Tuesday 30 June")])
def test_a_day_too_far_away_becomes_the_nearest(client, dispatcher, asked, shown):
    page = get(client, dispatcher, f"{PAGE}?day={asked}").text
    assert shown in page
    assert "the last 31 days and the next 120" in page


def test_the_days_beside_keep_the_filters(client, dispatcher):
    page = get(client, dispatcher, f"{PAGE}?day=2026-03-03&region=east").text
    assert 'href="/desk/dispatch/?day=2026-03-04&amp;region=east"' in page
    assert 'href="/desk/dispatch/?region=east"' in page


# --- live ------------------------------------------------------------------------------------------------------------


def test_nothing_new_costs_three_statements_and_a_change_shows(client, dispatcher, zhao):
    first = get(client, dispatcher, PAGE + "refresh/")
    again = {"If-None-Match": first["ETag"]}
    with CaptureQueriesContext(connection) as captured:
        assert client.get(PAGE + "refresh/", headers={**EN, **again}).status_code == 304
    assert len([sql for sql in statements(captured) if "django_session" not in sql and '"staff_user"' not in sql]) == 3
    book(starts_at=None)
    changed = get(client, dispatcher, PAGE + "refresh/", headers=again)
    assert changed.status_code == 200
    assert "Needs a time" in changed.text


def test_a_hold_shows_at_the_next_refresh(client, dispatcher, zhao):
    first = get(client, dispatcher, PAGE + "refresh/?day=2026-03-03")
    hold_window(services=[center.service()], region=center.region(), starts_at=TUESDAY_TEN, at=MONDAY)
    answer = get(client, dispatcher, PAGE + "refresh/?day=2026-03-03", headers={"If-None-Match": first["ETag"]})
    assert "Kept for a customer" in answer.text


def test_fourteen_statements_however_many_technicians_and_visits(zhao, dispatcher):
    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            shown = board(dispatcher)
            assert len(shown.jobs) + len(shown.lines) > 0
            assert [cell.visits for line in shown.lines for cell in line.cells]
        return len(statements(captured))

    book()
    few = cost()
    for number in range(4):
        center.technician(f"t{number}", areas=("east", "west"))
        person = builders.customer(name=f"王{number}", phone=f"1391234567{number}")
        book(person, starts_at=TUESDAY_TEN + number * timedelta(days=1))
        book(person, starts_at=None, key=f"k{number}")
    assert cost() == few <= 14
