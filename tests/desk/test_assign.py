"""Assigning and moving from the dispatch board: who goes, why not the others, and what the customer reads."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appointments import messages, services
from appointments.models import Appointment, Compensation, Reservation
from appointments.states import State
from appointments.windows import Window
from common import clock
from notifications import templates
from notifications.models import Message
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
EN = {"Accept-Language": "en"}
HTMX = {**EN, "HX-Request": "true"}
WEDNESDAY_TEN = TUESDAY_TEN + timedelta(days=1)


@pytest.fixture(autouse=True)
def _center():
    center.center()
    with clock.simulated(MONDAY):
        yield


@pytest.fixture
def zhao():
    return center.technician("zhao")


@pytest.fixture
def qian():
    return center.technician("qian")


@pytest.fixture
def dispatcher(client):
    person = builders.person("dispatcher", language="en")
    client.force_login(person)
    return person


def address(visit, starts=None, **more):
    named = {"starts": int(starts.timestamp())} if starts else {}
    query = "&".join(f"{name}={value}" for name, value in {**named, **more}.items())
    return f"/desk/dispatch/{visit.number}/assign/" + (f"?{query}" if query else "")


def fresh(visit):
    return Appointment.objects.get(pk=visit.pk)


def post(client, visit, starts=None, **data):
    data.setdefault("version", fresh(visit).version)
    return client.post(address(visit, starts), data, headers=EN)


# --- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "status"), [("dispatcher", 200), ("lead", 200), ("auditor", 403), ("agent", 403), ("technician", 403)]
)
def test_who_may(client, zhao, role, status):
    visit = book(starts_at=None)
    slot = f"/desk/dispatch/slot/{zhao.pk}/{int(TUESDAY_TEN.timestamp())}/"
    assert client.get(address(visit)).status_code == 302
    client.force_login(builders.person(role))
    assert client.get(address(visit)).status_code == status
    assert client.post(address(visit, TUESDAY_TEN), {"technician": zhao.pk}).status_code == (
        302 if status == 200 else 403
    )
    assert client.get(slot).status_code == status
    assert (fresh(visit).state == State.REQUESTED) == (status != 200)


def test_a_number_that_is_none(client, dispatcher):
    assert client.get("/desk/dispatch/A-0000-0000/assign/").status_code == 404
    assert client.get("/desk/dispatch/nonsense/assign/").status_code == 404


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_the_list_is_ranked_explained_and_names_why_the_others_cannot(client, dispatcher, zhao):
    center.technician("sun", skills={"iptv": 2})
    center.technician("wu", areas=("west",))
    visit = book(starts_at=None)
    page = client.get(address(visit, TUESDAY_TEN), headers=EN).text
    assert "Skill fits closely" in page or "Is more skilled than needed" in page
    assert "Way to go" in page
    assert "Has not learned this skill." in page
    assert "Does not drive to this area." in page
    assert page.count("disabled") == 2


def test_a_full_window_stays_visible_and_cannot_be_chosen(client, dispatcher, zhao):
    book()
    visit = book(builders.customer(name="王芳", phone="13912345678"), starts_at=None)
    page = client.get(address(visit, on="2026-03-03"), headers=EN).text
    assert "nobody is free" in page
    assert "<s" in page
    assert "room for 1" in page


@pytest.mark.parametrize(("channel", "to"), [("phone", "138****5678"), ("email", "a***@example.com")])
def test_the_message_is_shown_before_it_goes_out_and_is_the_one_that_does(client, dispatcher, zhao, channel, to):
    visit = book(
        builders.customer(language="en", preferred_channel=channel, email="a.lee@example.com"), starts_at=WEDNESDAY_TEN
    )
    shown = messages.preview(visit, "visit_moved_by_us", window=Window(TUESDAY_TEN, TUESDAY_TEN + TWO_HOURS), at=MONDAY)
    page = client.get(address(visit, TUESDAY_TEN), headers=EN).text
    assert "Tuesday 3 March, 10:00–12:00 (Beijing time)" in page
    assert shown.to == to
    assert shown.to in page
    assert "counts as a visit we missed" not in page
    assert post(client, visit, TUESDAY_TEN, technician=zhao.pk).status_code == 302
    sent = Message.objects.get(case=visit, template="visit_moved_by_us")
    hidden = {"code": "••••", "link": "…"}
    values = sent.template, sent.language, {**sent.context, **hidden}
    subject, body = ("", templates.render_sms(*values)) if sent.channel == "sms" else templates.render(*values)
    assert (subject, body) == (shown.subject, shown.body)
    assert (shown.channel, shown.to) == (sent.channel, to)


def test_neither_code_nor_link_of_the_customer_is_shown(client, dispatcher, zhao):
    visit = book(starts_at=WEDNESDAY_TEN)
    page = client.get(address(visit, TUESDAY_TEN), headers=EN).text
    then = fresh(visit)
    then.cycle += 1
    assert f"{messages.arrival_code(then)}" not in page.split("told-letter")[1]
    assert "到访码 ••••" in page
    assert "/m/" not in page


def test_inside_a_day_the_page_says_that_it_counts_as_missed_and_what_falls_due(client, dispatcher, zhao):
    visit = book()
    with clock.simulated(TUESDAY_TEN - timedelta(hours=23)):
        page = client.get(address(visit, WEDNESDAY_TEN), headers=EN).text
        assert "this counts as a visit we missed" in page
        assert "Compensation of 20.00 CNY falls due." in page
        post(client, visit, WEDNESDAY_TEN, technician=zhao.pk, reason="Van broke down")
    assert Compensation.objects.get(appointment=visit).trigger == "late_change"


def test_nothing_is_said_where_the_time_stays(client, dispatcher, zhao, qian):
    visit = book()
    page = client.get(address(visit), headers=EN).text
    assert "the customer need not be told" in page
    assert "The customer must be told" not in page


# --- what is done ----------------------------------------------------------------------------------------------------


def test_another_technician_for_the_same_time(client, dispatcher, zhao, qian):
    visit = book()
    before = fresh(visit)
    other = qian if visit.owner == zhao else zhao
    assert post(client, visit, technician=other.pk, reason="Nearer").status_code == 302
    after = fresh(visit)
    assert (after.owner, after.starts_at, after.cycle) == (other, before.starts_at, before.cycle)
    assert Reservation.objects.get(appointment=visit).technician == other


def test_a_first_time_with_the_technician_chosen(client, dispatcher, zhao, qian):
    visit = book(starts_at=None)
    answer = post(client, visit, WEDNESDAY_TEN, technician=qian.pk)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/desk/dispatch/")
    assert (fresh(visit).owner, fresh(visit).starts_at) == (qian, WEDNESDAY_TEN)


def test_from_the_dialog_the_board_opens_anew(client, dispatcher, zhao):
    visit = book(starts_at=None)
    answer = client.post(
        address(visit, TUESDAY_TEN, day="2026-03-03"), {"technician": zhao.pk, "version": visit.version}, headers=HTMX
    )
    assert answer["HX-Redirect"] == "/desk/dispatch/?day=2026-03-03"


def test_a_customer_who_was_absent_is_not_told_that_we_are_sorry(client, dispatcher, zhao):
    from appointments import visits

    visit = book(builders.customer(language="en"))
    visits.report_absent(appointment_id=visit.pk, notice="Card left", by=zhao, at=TUESDAY_TEN)
    with clock.simulated(TUESDAY_TEN + timedelta(hours=1)):
        shown = client.get(address(visit, WEDNESDAY_TEN), headers=EN).text.split("told-letter")[1]
        assert "Wednesday 4 March" in shown
        assert "sorry" not in shown
        post(client, visit, WEDNESDAY_TEN, technician=zhao.pk)
    assert Message.objects.filter(case=visit, template="visit_moved").exists()
    assert not Message.objects.filter(case=visit, template="visit_moved_by_us").exists()


def test_not_solved_then_sent_out_again_takes_no_time_away(zhao):
    from appointments import visits

    visit = book()
    visits.arrive(appointment_id=visit.pk, by=zhao, at=TUESDAY_TEN)
    visits.fail(appointment_id=visit.pk, reason="parts", note="No splitter", by=zhao, at=TUESDAY_TEN)
    services.move_appointment(
        appointment_id=visit.pk, starts_at=WEDNESDAY_TEN, side="us", by=None, at=TUESDAY_TEN + TWO_HOURS
    )
    assert Message.objects.filter(case=visit, template="visit_moved").exists()
    assert not Compensation.objects.exists()


def test_whoever_was_taken_meanwhile_is_named_and_nothing_is_lost(client, dispatcher, zhao, qian):
    visit = book()
    other = qian if visit.owner == zhao else zhao
    book(builders.customer(name="王芳", phone="13912345678"))
    answer = post(client, visit, technician=other.pk, reason="Nearer")
    assert answer.status_code == 422
    assert "This technician cannot come." in answer.text
    assert "Nearer" in answer.text
    assert fresh(visit).owner == visit.owner


def test_too_few_technicians(client, dispatcher, zhao, qian):
    visit = book(services=[center.service("cabling")], starts_at=None)
    answer = post(client, visit, TUESDAY_TEN, technician=[zhao.pk])
    assert answer.status_code == 422
    assert "This visit needs 2 technicians." in answer.text


def test_somebody_changed_it_meanwhile(client, dispatcher, zhao, qian):
    visit = book(starts_at=None)
    answer = post(client, visit, TUESDAY_TEN, technician=zhao.pk, version=fresh(visit).version - 1)
    assert answer.status_code == 409
    assert "Somebody changed this appointment" in answer.text
    assert fresh(visit).state == State.REQUESTED


@pytest.mark.parametrize("starts", ["now", "99999999999999999", "-1", "1772503201"])
def test_times_that_are_none_are_not_taken(client, dispatcher, zhao, starts):
    visit = book(starts_at=None)
    answer = client.post(f"/desk/dispatch/{visit.number}/assign/?starts={starts}", {"technician": zhao.pk}, headers=EN)
    assert answer.status_code in (302, 422)
    assert fresh(visit).starts_at is None or starts in ("now", "99999999999999999", "-1")


def test_a_window_that_has_begun_is_refused_by_the_service(client, dispatcher, zhao):
    visit = book(starts_at=None)
    with clock.simulated(TUESDAY_TEN + timedelta(minutes=1)):
        answer = post(client, visit, TUESDAY_TEN, technician=zhao.pk)
    assert answer.status_code == 422
    assert "This time has passed or is too soon." in answer.text


# --- a free window ---------------------------------------------------------------------------------------------------


def test_a_free_window_offers_what_fits_it(client, dispatcher, zhao):
    center.technician("qian", skills={"fiber": 4})
    book(starts_at=None, key="a")
    book(starts_at=None, key="b", services=[center.service("fiber-repair")])
    url = f"/desk/dispatch/slot/{zhao.pk}/{int(TUESDAY_TEN.timestamp())}/"
    page = client.get(url, headers=EN).text
    assert "Has not learned this skill." in page
    assert page.count("technician=") == 2  # one visit: its link, and the same for htmx
    assert client.get(url, headers=HTMX).text.count("<html") == 0
    assert client.get(f"/desk/dispatch/slot/{zhao.pk}/1/", headers=EN).status_code == 404
    assert client.get(f"/desk/dispatch/slot/999999/{int(TUESDAY_TEN.timestamp())}/", headers=EN).status_code == 404


# --- on to the next --------------------------------------------------------------------------------------------------


def waiting(number, **fields):
    return book(builders.customer(phone=f"1391234567{number}"), starts_at=None, key=f"k{number}", **fields)


def test_the_next_in_the_list_follows_and_after_the_last_the_first(client, dispatcher, zhao):
    first, second, third = (waiting(n, at=MONDAY - timedelta(hours=6 * (3 - n))) for n in range(3))
    query = "?day=2026-03-03&region=east"
    onto = {"day": "2026-03-03", "region": "east"}
    sent = {"technician": zhao.pk, "then": "next"}
    answer = client.post(address(second, TUESDAY_TEN, **onto), sent, headers=EN)
    assert answer["Location"] == f"/desk/dispatch/{third.number}/assign/{query}"
    answer = client.post(address(third, WEDNESDAY_TEN, **onto), sent, headers=EN)
    assert answer["Location"] == f"/desk/dispatch/{first.number}/assign/{query}"
    answer = client.post(address(first, TUESDAY_TEN + timedelta(hours=3), **onto), sent, headers=EN)
    assert answer["Location"] == f"/desk/dispatch/{query}"
    assert "No other visit waits" in client.get(answer["Location"], headers=EN).text


def test_in_the_dialog_the_next_form_says_what_was_done_and_the_board_renews_itself(client, dispatcher, zhao):
    first, second = waiting(0, urgency="urgent"), waiting(1)
    sent = {"technician": zhao.pk, "then": "next", "version": first.version}
    answer = client.post(address(first, TUESDAY_TEN, day="2026-03-03"), sent, headers=HTMX)
    assert (answer.status_code, answer["HX-Trigger"]) == (200, "board-changed")
    assert answer.context["visit"] == second
    assert f"{first.number}: Tuesday 3 March, 10:00–12:00" in answer.text
    assert f'value="{zhao.pk}" checked' in answer.text


def test_what_is_refused_does_not_go_on(client, dispatcher, zhao):
    visit, _other = waiting(0), waiting(1)
    book()
    answer = client.post(address(visit, TUESDAY_TEN), {"technician": zhao.pk, "then": "next"}, headers=HTMX)
    assert answer.status_code == 422
    assert answer.context["visit"] == visit
    assert "HX-Trigger" not in answer


def test_a_visit_that_only_wants_a_call_is_not_the_next(client, dispatcher, zhao):
    visit = waiting(0)
    Appointment.objects.filter(pk=book().pk).update(call_since=MONDAY)
    answer = client.post(address(visit, WEDNESDAY_TEN), {"technician": zhao.pk, "then": "next"}, headers=EN)
    assert answer["Location"] == "/desk/dispatch/?day=2026-03-02"


# --- a day without room ----------------------------------------------------------------------------------------------


def test_where_nobody_is_free_that_day_the_first_free_window_is_one_press_away(client, dispatcher):
    center.technician("zhao", days=2)  # on shift on Monday and Tuesday only
    visit = waiting(0)
    page = client.get(address(visit, on="2026-03-06"), headers=EN)
    words, url = page.context["assignment"].first_free
    assert words == "Monday 2 March, 10:00–12:00 (Beijing time)"
    assert f"First free: {words}" in page.text
    assert client.get(url, headers=EN).context["assignment"].able
    assert "First free" not in client.get(address(visit, on="2026-03-03"), headers=EN).text
