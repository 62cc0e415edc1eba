"""A visit's own page: who sees it, what can be done, calls, cancelling, what is owed, and the ways that lead to it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from appointments import services, visits
from appointments.messages import arrival_code
from appointments.models import Appointment, Compensation
from appointments.states import State
from common import clock
from notifications.models import Message
from sla.models import Deadline
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.builders import MONDAY
from tests.desk.test_queue import statements

pytestmark = pytest.mark.django_db
EN = {"Accept-Language": "en"}


@pytest.fixture(autouse=True)
def _center():
    center.center()
    with clock.simulated(MONDAY):
        yield


@pytest.fixture
def zhao():
    return center.technician("zhao")


def signed_in(client, role):
    person = builders.person(role, language="en")
    client.force_login(person)
    return person


def do(client, visit, name, **data):
    return client.post(f"/desk/c/{visit.number}/visit/{name}/", data, headers=EN)


def fresh(visit):
    return Appointment.objects.get(pk=visit.pk)


@pytest.mark.parametrize(
    ("role", "status"),
    [("agent", 200), ("lead", 200), ("dispatcher", 200), ("auditor", 200), ("technician", 403), ("administrator", 403)],
)
def test_who_sees_it(client, zhao, role, status):
    visit = book()
    deadline = Deadline.objects.filter(case=visit).first()
    addresses = [
        f"/desk/c/{visit.number}/",
        f"/desk/c/{visit.number}/explain/{deadline.pk}/",
        f"/desk/c/{visit.number}/form/",
    ]
    assert {client.get(address).status_code for address in addresses} == {302}
    signed_in(client, role)
    assert {client.get(address, headers=EN).status_code for address in addresses} == {status}


def test_the_auditor_reads_and_does_nothing(client, zhao):
    visit = book()
    signed_in(client, "auditor")
    page = client.get(f"/desk/c/{visit.number}/", headers=EN).text
    assert "You can read this visit." in page
    assert "/visit/" not in page
    for name in ("call", "reconfirm", "release", "cancel"):
        assert do(client, visit, name, reason="x", note="x", reached="yes").status_code == 403
    assert fresh(visit).version == visit.version


def test_every_form_of_the_number_leads_there(client, zhao):
    visit = book()
    signed_in(client, "agent")
    digits = visit.number.removeprefix("A-").replace("-", "")
    assert client.get(f"/desk/c/{digits}/", headers=EN)["Location"] == f"/desk/c/{visit.number}/"
    assert client.get("/desk/c/A-9999-9999/", headers=EN).status_code == 404
    for text in (visit.number, digits):
        found = client.get(f"/desk/find/?q={text}", headers={**EN, "HX-Request": "true"}).text
        assert f'data-href="/desk/c/{visit.number}/"' in found


def test_neither_the_code_nor_the_link_is_shown_to_staff(client, zhao):
    visit = book()
    signed_in(client, "lead")
    page = client.get(f"/desk/c/{visit.number}/", headers=EN).text
    said = page.split("told-letter")[1].split("</div>")[0]
    assert "••••" in said
    assert arrival_code(visit) not in said
    assert "/m/" not in said


def test_what_cannot_be_done_says_why(client, zhao):
    visit = book()
    visits.arrive(appointment_id=visit.pk, by=zhao, at=TUESDAY_TEN)
    signed_in(client, "dispatcher")
    page = client.get(f"/desk/c/{visit.number}/", headers=EN).text
    assert "This is not possible while the state is “On site”." in page
    assert do(client, visit, "cancel", side="us", reason="x").status_code == 409
    assert do(client, visit, "reconfirm").status_code == 409
    assert do(client, visit, "dance").status_code == 404


def test_a_call_that_reached_the_customer_takes_it_off_the_list(client, zhao):
    visit = book()
    Appointment.objects.filter(pk=visit.pk).update(call_since=MONDAY)
    signed_in(client, "agent")
    assert "Call: no message reaches the customer" in client.get(f"/desk/c/{visit.number}/", headers=EN).text
    assert do(client, visit, "call", note="", reached="yes").status_code == 422
    do(client, visit, "call", note="Tried", reached="no")
    assert fresh(visit).call_since is not None
    assert do(client, visit, "call", note="She knows", reached="yes").status_code == 302
    assert fresh(visit).call_since is None
    assert "She knows" in client.get(f"/desk/c/{visit.number}/", headers=EN).text


def test_the_customer_confirms_by_phone(client, zhao):
    visit = book()
    signed_in(client, "agent")
    assert do(client, visit, "reconfirm").status_code == 302
    assert fresh(visit).reconfirmed_at == MONDAY


def test_cancelled_for_the_customer(client, zhao):
    visit = book()
    signed_in(client, "agent")
    assert do(client, visit, "cancel", side="customer", version=visit.version).status_code == 302
    assert fresh(visit).state == State.CANCELLED
    assert not Compensation.objects.exists()


def test_cancelled_by_us_needs_a_reason_and_counts(client, zhao):
    visit = book()
    signed_in(client, "dispatcher")
    with clock.simulated(TUESDAY_TEN - timedelta(hours=3)):
        assert "counts as a visit we missed" in client.get(f"/desk/c/{visit.number}/visit/cancel/", headers=EN).text
        assert do(client, visit, "cancel", side="us").status_code == 422
        do(client, visit, "cancel", side="us", reason="Storm")
    assert fresh(visit).state == State.CANCELLED
    assert Compensation.objects.get().trigger == "late_change"


def test_the_cutoff_binds_the_agent_and_not_the_lead(client, zhao):
    visit = book()
    with clock.simulated(TUESDAY_TEN - timedelta(hours=1)):
        signed_in(client, "agent")
        assert do(client, visit, "cancel", side="customer", override="Please").status_code == 409
        signed_in(client, "lead")
        assert do(client, visit, "cancel", side="customer", override="She is ill").status_code == 302
    assert fresh(visit).state == State.CANCELLED


def test_a_time_given_up_waits_for_a_new_one(client, zhao):
    visit = book()
    signed_in(client, "agent")
    assert do(client, visit, "release", reason="Van").status_code == 403
    signed_in(client, "dispatcher")
    assert do(client, visit, "release", reason=" ").status_code == 422
    assert do(client, visit, "release", reason="Van", version=visit.version + 5).status_code == 409
    assert do(client, visit, "release", reason="Van").status_code == 302
    assert fresh(visit).state == State.REQUESTED


@pytest.mark.parametrize(
    ("role", "status"), [("dispatcher", 302), ("lead", 302), ("agent", 403), ("auditor", 403), ("technician", 403)]
)
def test_who_may_say_that_we_missed_it(client, zhao, role, status):
    visit = book()
    with clock.simulated(TUESDAY_TEN + timedelta(minutes=90)):
        assert do(client, visit, "missed").status_code == 302  # to sign in
        assert fresh(visit).state == State.BOOKED
        signed_in(client, role)
        assert do(client, visit, "missed").status_code == status
    assert (fresh(visit).state == State.MISSED) == (status == 302)


def test_we_missed_it_is_asked_first_and_said_before_the_window_is_over(client, zhao):
    visit = book()
    signed_in(client, "dispatcher")
    soon = do(client, visit, "missed")
    assert soon.status_code == 409
    assert "The window has not begun yet" in soon.text
    assert fresh(visit).state == State.BOOKED
    with clock.simulated(TUESDAY_TEN + timedelta(minutes=90)):
        assert "compensation falls due" in client.get(f"/desk/c/{visit.number}/visit/missed/", headers=EN).text
        do(client, visit, "missed")
        assert Compensation.objects.get(appointment=visit).trigger == "missed_window"
        assert Message.objects.filter(case=visit, template="visit_missed").exists()
        assert do(client, visit, "missed").status_code == 409
    assert Compensation.objects.count() == 1


def test_only_leaders_exclude_a_compensation_and_only_with_proof(client, zhao):
    visit = book()
    visits.report_missed(appointment_id=visit.pk, by=zhao, at=TUESDAY_TEN + TWO_HOURS)
    owed = Compensation.objects.get()
    address = f"/desk/c/{visit.number}/owed/{owed.pk}/"
    for role in ("agent", "dispatcher", "auditor"):
        signed_in(client, role)
        assert client.post(address, {"why": "no_access", "proof": "Photo"}).status_code == 403
        assert "Exclude with reason" not in client.get(f"/desk/c/{visit.number}/", headers=EN).text
    signed_in(client, "lead")
    assert "Exclude with reason and proof" in client.get(f"/desk/c/{visit.number}/", headers=EN).text
    assert client.post(address, {"why": "no_access", "proof": " "}, headers=EN).status_code == 422
    assert client.post(address, {"why": "mood", "proof": "Photo"}, headers=EN).status_code == 422
    assert client.post(address, {"why": "no_access", "proof": "Photo"}, headers=EN).status_code == 302
    owed.refresh_from_db()
    assert (owed.excluded, owed.proof) == ("no_access", "Photo")
    other = book(builders.customer(name="王芳", phone="13912345678"), starts_at=TUESDAY_TEN + timedelta(days=1))
    assert client.get(f"/desk/c/{other.number}/owed/{owed.pk}/").status_code == 404


def test_a_notice_leads_to_the_visit_and_a_technician_to_the_own_day(client, zhao):
    visit = book()
    person = signed_in(client, "dispatcher")
    Message.objects.filter(case=visit, channel="in_app").update(person=person, read_at=None)
    notice = Message.objects.filter(person=person).first()
    answer = client.post(f"/desk/notices/{notice.pk}/")
    assert answer["Location"] == f"/desk/c/{visit.number}/"
    Message.objects.filter(pk=notice.pk).update(person=zhao)
    client.force_login(zhao)
    assert "/desk/c/" not in client.post(f"/desk/notices/{notice.pk}/")["Location"]


def test_the_customer_s_page_lists_the_visits(client, zhao):
    visit = book()
    signed_in(client, "agent")
    page = client.get(f"/desk/customers/{visit.customer_id}/", headers=EN).text
    assert visit.number in page
    assert f"/desk/visits/new/?customer={visit.customer_id}" in page


def test_a_long_life_costs_no_more_than_a_short_one(client, zhao):
    visit = book(starts_at=TUESDAY_TEN + timedelta(days=3))
    signed_in(client, "agent")

    def cost():
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"/desk/c/{visit.number}/", headers=EN).status_code == 200
        return len(statements(captured))

    short = cost()
    center.technician("qian")
    for day in (4, 5, 6):
        services.move_appointment(
            appointment_id=visit.pk, starts_at=TUESDAY_TEN + timedelta(days=day), by=None, side="us", at=MONDAY
        )
    assert cost() <= short + 1  # at most one more: the names of those who went before


def test_a_visit_stands_at_dispatch_for_who_may_open_it(client, zhao):
    visit = book()
    for role, place in (("dispatcher", "/desk/dispatch/"), ("agent", "/desk/")):
        signed_in(client, role)
        page = client.get(f"/desk/c/{visit.number}/", headers=EN).text
        assert re.findall(r'href="([^"]*)" aria-current="page"', page)[0] == place
