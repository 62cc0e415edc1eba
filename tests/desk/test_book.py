"""Booking and moving at the desk: windows with room, the ten minutes, the last room taken, papers, and overrides."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from appointments import services
from appointments.booking import hold_window
from appointments.models import Appointment, Hold, Reservation
from appointments.states import State
from cases.models import Note
from common import clock
from customers.models import Customer
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
EN = {"Accept-Language": "en"}
PAGE = "/desk/visits/new/"
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
def agent(client):
    person = builders.person("agent", language="en")
    client.force_login(person)
    return person


def key(starts_at):
    return str(int(starts_at.timestamp()))


def filled(customer=None, **more):
    data = {
        "customer": customer.pk if customer else "",
        "services": ["broadband-repair"],
        "place": "elsewhere",
        "region": center.region().pk,
        "channel": "phone",
        "key": "form-1",
    }
    return data | more


def post(client, address=PAGE, **data):
    return client.post(address, data, headers=EN)


def held(client, customer, starts_at=TUESDAY_TEN, **more):
    answer = post(client, **filled(customer, pick=key(starts_at), **more))
    assert answer.status_code == 200, answer.text
    return Hold.objects.get(starts_at=starts_at).key


# --- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "status"),
    [("agent", 200), ("senior", 200), ("lead", 200), ("dispatcher", 200), ("auditor", 403), ("technician", 403)],
)
def test_who_may(client, zhao, role, status):
    visit = book()
    move = f"/desk/c/{visit.number}/move/"
    for address in (PAGE, move):
        assert client.get(address).status_code == 302
    client.force_login(builders.person(role))
    for address in (PAGE, move):
        assert client.get(address).status_code == status
    if status == 403:
        assert post(client, **filled(visit.customer, do="book")).status_code == 403
        assert Appointment.objects.count() == 1


# --- booking ---------------------------------------------------------------------------------------------------------


def test_full_windows_are_shown_and_cannot_be_pressed(client, agent, zhao):
    book()
    page = post(client, **filled(builders.customer(name="王芳", phone="13912345678"), do="times")).text
    assert page.count("<small>full</small>") == 1
    assert page.count('value="' + key(TUESDAY_TEN) + '"') == 0
    assert f'name="pick" value="{key(WEDNESDAY_TEN)}"' in page
    assert "the last one" in page


def test_from_the_window_to_the_booking(client, agent, zhao):
    customer = builders.customer()
    hold = held(client, customer)
    page = post(client, **filled(customer, hold=hold)).text
    assert "Kept for this customer for ten minutes" in page
    assert "sla-timer" in page
    answer = post(client, **filled(customer, hold=hold, starts=key(TUESDAY_TEN), note="Dog 🐕", do="book"))
    visit = Appointment.objects.get()
    assert answer["Location"] == f"/desk/c/{visit.number}/"
    assert (visit.state, visit.starts_at, visit.owner) == (State.CONFIRMED, TUESDAY_TEN, zhao)
    assert Note.objects.get(case=visit).body == "Dog 🐕"
    assert not Hold.objects.exists()
    shown = client.get(answer["Location"], headers=EN).text
    assert f"{visit.number} is booked: Tuesday 3 March, 10:00–12:00 (Beijing time)." in shown
    # The form sent twice is one visit.
    post(client, **filled(customer, hold=hold, starts=key(TUESDAY_TEN), note="Dog 🐕", do="book"))
    assert Appointment.objects.count() == 1


def test_ten_minutes_more_once(client, agent, zhao):
    customer = builders.customer()
    hold = held(client, customer)
    with clock.simulated(MONDAY + timedelta(minutes=9)):
        page = post(client, **filled(customer, hold=hold, keep="1")).text
        assert Hold.objects.get().expires_at == MONDAY + timedelta(minutes=19)
        assert 'name="keep"' not in page
        assert "for ten more minutes already" in post(client, **filled(customer, hold=hold, keep="1")).text
    with clock.simulated(MONDAY + timedelta(minutes=20)):
        assert "The ten minutes are over." in post(client, **filled(customer, hold=hold, keep="1")).text


def test_another_window_lets_the_first_go(client, agent, zhao):
    customer = builders.customer()
    first = held(client, customer)
    held(client, customer, WEDNESDAY_TEN, hold=first)
    assert Hold.objects.get().starts_at == WEDNESDAY_TEN
    answer = post(client, **filled(customer, hold=Hold.objects.get().key, drop="1"))
    assert answer.status_code == 200
    assert not Hold.objects.exists()


def test_the_last_room_taken_meanwhile_keeps_everything_and_offers_three(client, agent, zhao):
    customer = builders.customer()
    hold = held(client, customer)
    late = MONDAY + timedelta(minutes=11)  # the ten minutes are over, and somebody else was quicker
    book(builders.customer(name="王芳", phone="13912345678"), at=late, key="quicker")
    with clock.simulated(late):
        answer = post(
            client, **filled(customer, hold=hold, starts=key(TUESDAY_TEN), note="Ring twice", urgent="on", do="book")
        )
    assert answer.status_code == 409
    assert "This time has just been taken." in answer.text
    assert answer.text.split('role="alert"')[1].split("</div>")[0].count('name="pick"') == 3
    assert "Ring twice" in answer.text
    assert 'value="broadband-repair" id="id_services_0" checked' in answer.text
    assert Appointment.objects.count() == 1


def test_taken_before_it_could_be_kept(client, agent, zhao):
    hold_window(services=[center.service()], region=center.region(), starts_at=TUESDAY_TEN, at=MONDAY)
    answer = post(client, **filled(builders.customer(), pick=key(TUESDAY_TEN), note="Ring twice"))
    assert answer.status_code == 409
    assert "Ring twice" in answer.text
    assert Hold.objects.count() == 1


def test_several_services_are_one_visit_at_the_customer_s_address(client, agent, zhao):
    customer = builders.customer()
    home = center.address(customer)
    both = {"services": ["broadband-repair", "fixed-line-repair"], "place": f"address:{home.pk}", "region": ""}
    hold = held(client, customer, **both)
    page = post(client, **filled(customer, hold=hold, **both)).text
    assert "5-1203" not in page  # the house number stays masked
    post(client, **filled(customer, hold=hold, starts=key(TUESDAY_TEN), do="book", **both))
    visit = Appointment.objects.get()
    assert (visit.minutes, visit.address, visit.services.count()) == (120, home, 2)


def test_a_newcomer_with_an_address(client, agent, zhao):
    data = filled(phone="13700000001", name="Zhang San", street="Lake Road", house="7", language="en")
    hold = post(client, **data, pick=key(TUESDAY_TEN)) and Hold.objects.get().key
    post(client, **data, hold=hold, starts=key(TUESDAY_TEN), do="book")
    visit = Appointment.objects.get()
    assert visit.customer.name == "Zhang San"
    assert visit.address.street == "Lake Road"


def test_a_newcomer_is_not_kept_where_the_time_is_gone(client, agent, zhao):
    book()
    data = filled(phone="13700000001", name="Zhang San", starts=key(TUESDAY_TEN), do="book")
    assert post(client, **data).status_code == 409
    assert not Customer.objects.exclude(pk=Appointment.objects.get().customer_id).exists()


def test_whoever_calls_is_found_by_the_number(client, agent):
    customer = builders.customer()
    page = post(client, phone="13812345678", do="find").text
    assert f'name="customer" value="{customer.pk}"' in page
    assert "13812345678" in page


def test_what_is_missing_is_named_and_kept(client, agent):
    answer = post(client, do="book", note="Ring twice", channel="counter")
    assert answer.status_code == 422
    for words in ("Choose what is to be done.", "Enter the customer&#x27;s name.", "Choose the area of the visit.",
                  "At the counter, tick the papers you have seen.", "Ring twice"):  # fmt: skip
        assert words in answer.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"pick": "soon"},
        {"pick": "-5"},
        {"pick": "9" * 30},
        {"customer": "x"},
        {"region": "x"},
        {"services": ["nothing"]},
        {"on": "never"},
        {"pick": "1772503201"},
    ],
)
def test_nonsense_is_answered_not_crashed(client, agent, zhao, wrong):
    answer = post(client, **{**filled(builders.customer(), do="times"), **wrong})
    assert answer.status_code in (200, 422)
    assert not Hold.objects.exists()


def test_without_a_time_it_waits_for_the_dispatcher(client, agent):
    post(client, **filled(builders.customer(), do="book", urgent="on"))
    visit = Appointment.objects.get()
    assert (visit.state, visit.starts_at, visit.urgency) == (State.REQUESTED, None, "urgent")


def test_at_the_counter_the_papers_are_kept_and_the_form_is_printed(client, agent, zhao):
    customer = builders.customer()
    counter = {"channel": "counter", "papers": ["identity", "contract"]}
    hold = held(client, customer, **counter)
    answer = post(client, **filled(customer, hold=hold, starts=key(TUESDAY_TEN), do="book", **counter))
    visit = Appointment.objects.get()
    assert answer["Location"] == f"/desk/c/{visit.number}/form/"
    note = Note.objects.get(case=visit, visibility="internal")
    assert note.body == "Papers seen: Identity document, Contract"
    page = client.get(answer["Location"], headers=EN).text
    assert "Booking form for a visit" in page
    assert "138****5678" in page
    assert "13812345678" not in page


def test_from_a_ticket_everything_known_is_there(client, agent, zhao):
    fault = builders.ticket(agent, type="fault", needs_visit=True, region=center.region(), urgency="urgent")
    page = client.get(f"{PAGE}?ticket={fault.number}", headers=EN).text
    assert fault.number in page
    assert fault.customer.name in page
    hold = held(client, fault.customer, ticket=fault.number)
    post(client, **filled(fault.customer, ticket=fault.number, hold=hold, starts=key(TUESDAY_TEN), do="book"))
    assert Appointment.objects.get().for_ticket == fault
    shown = client.get(f"/desk/c/{fault.number}/", headers=EN).text
    assert Appointment.objects.get().number in shown
    assert f"/desk/visits/new/?ticket={fault.number}" in shown


def test_no_room_at_all_says_when_there_is(client, agent):
    center.technician("late", first=MONDAY.date() + timedelta(days=20), days=5)
    page = post(client, **filled(builders.customer(), do="times")).text
    assert "No room in these seven days." in page
    assert "Next free: Sunday 22 March" in page


# --- moving ----------------------------------------------------------------------------------------------------------


def move(client, visit, **data):
    data.setdefault("version", Appointment.objects.get(pk=visit.pk).version)
    return client.post(f"/desk/c/{visit.number}/move/", data, headers=EN)


def test_moving_for_the_customer(client, agent, zhao):
    visit = book()
    page = client.get(f"/desk/c/{visit.number}/move/", headers=EN).text
    assert "<small>booked</small>" in page
    assert move(client, visit, pick=key(WEDNESDAY_TEN)).status_code == 200
    hold = Hold.objects.get().key
    assert Reservation.objects.filter(appointment=visit).exists()  # the present time is kept until then
    answer = move(client, visit, hold=hold, starts=key(WEDNESDAY_TEN), side="customer", do="move")
    assert answer.status_code == 302
    visit = Appointment.objects.get()
    assert (visit.starts_at, visit.moved_by_customer) == (WEDNESDAY_TEN, 1)
    assert Reservation.objects.get().starts_at == WEDNESDAY_TEN


def test_to_the_window_beside_the_present_one_with_the_same_technician(client, agent, zhao):
    """What the visit would leave does not stand in its own way."""
    center.technician("far", areas=("west",))
    visit = book()
    assert move(client, visit, pick=key(TUESDAY_TEN + timedelta(hours=3))).status_code == 200
    assert Hold.objects.get().starts_at == TUESDAY_TEN + timedelta(hours=3)


def test_the_rule_for_customers_is_set_aside_only_by_who_may(client, agent, zhao):
    visit = book()
    late = TUESDAY_TEN - timedelta(hours=1)
    with clock.simulated(late):
        page = client.get(f"/desk/c/{visit.number}/move/", headers=EN).text
        assert "It is less than 2 hours until the visit." in page
        assert "These roles can set the rule aside: Team lead, Supervisor, Head." in page
        assert re.search(r'<textarea name="override"[^>]* disabled', page)
        refused = move(client, visit, starts=key(WEDNESDAY_TEN), side="customer", override="Please", do="move")
        assert refused.status_code == 409
        client.force_login(builders.person("lead", language="en"))
        done = move(client, visit, starts=key(WEDNESDAY_TEN), side="customer", override="She is ill", do="move")
        assert done.status_code == 302
    assert Appointment.objects.get().starts_at == WEDNESDAY_TEN


def test_moved_by_us_inside_a_day_is_said_to_count(client, agent, zhao):
    visit = book()
    with clock.simulated(TUESDAY_TEN - timedelta(hours=5)):
        page = client.get(f"/desk/c/{visit.number}/move/", headers=EN).text
        assert "it counts as a visit we missed" in page
        move(client, visit, starts=key(WEDNESDAY_TEN), side="us", reason="Van", do="move")
    assert Appointment.objects.get().moved_by_us == 1


def test_somebody_moved_it_meanwhile(client, agent, zhao):
    visit = book()
    services.move_appointment(appointment_id=visit.pk, starts_at=WEDNESDAY_TEN, by=visit.customer, at=MONDAY)
    answer = move(client, visit, starts=key(WEDNESDAY_TEN + timedelta(days=1)), version=visit.version, do="move")
    assert answer.status_code == 409
    assert "Somebody changed this appointment" in answer.text
    assert Appointment.objects.get().starts_at == WEDNESDAY_TEN


def test_no_time_chosen(client, agent, zhao):
    visit = book()
    answer = move(client, visit, side="customer", do="move")
    assert answer.status_code == 422
    assert "Choose a time first." in answer.text
