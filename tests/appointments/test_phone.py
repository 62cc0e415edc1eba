"""The pages of the technician's phone: what they show, to whom, on which day, and that they work without script."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from appointments import services
from appointments.messages import arrival_code
from appointments.models import ServiceArea, VisitAction, VisitRecord
from appointments.states import State
from cases.models import Attachment
from common import clock
from customers.models import AccessRecord
from staff.landing import landing
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book
from tests.appointments.test_actions import CHECKS, ON_SITE, photo, tap
from tests.appointments.test_life import fresh
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db


class Now:
    def __init__(self, at):
        self.at = at


@pytest.fixture(autouse=True)
def now(monkeypatch, settings):
    settings.SWEEP_BREATH_SECONDS = 0
    center.center()
    moment = Now(TUESDAY_TEN - timedelta(minutes=40))
    monkeypatch.setattr(clock, "now", lambda: moment.at)
    return moment


@pytest.fixture
def technician():
    person = center.technician("zhao")
    person.language = "en"
    person.save()
    return person


@pytest.fixture
def visit(technician):
    customer = builders.customer()
    fault = builders.ticket(builders.person(), customer=customer, type="fault", needs_visit=True)
    return book(customer, address=center.address(customer), ticket=fault, note="The bell is broken, please knock 🐕")


@pytest.fixture
def phone(client, technician):
    client.force_login(technician)
    return client


def page(client, name="visits", *args, **query):
    return client.get(reverse(f"appointments:{name}", args=args), query)


def text(answer):
    return answer.content.decode()


def key_in(answer, action):
    form = re.search(rf'<form[^>]*data-action="{action}".*?</form>', text(answer), re.S)
    return re.search(r'name="key" value="(\w+)"', form[0])[1]


def act(client, visit, action, values=None, **fields):
    shown = page(client, "visit", visit.number)
    fields.setdefault("key", key_in(shown, action))
    return client.post(reverse("appointments:act", args=[visit.number, action]), (values or {}) | fields)


# --- who may ----------------------------------------------------------------------------------------------------------


def addresses(visit):
    number = visit.number
    yield "get", reverse("appointments:visits")
    yield "get", reverse("appointments:visit", args=[number])
    yield "get", reverse("appointments:worker")
    yield "get", reverse("appointments:offline")
    yield "post", reverse("appointments:reveal", args=[number])
    yield "post", reverse("appointments:act", args=[number, "arrive"])
    yield "post", reverse("appointments:seen", args=["x"])


def test_a_stranger_signs_in(client, visit):
    for method, url in addresses(visit):
        answer = getattr(client, method)(url)
        assert (answer.status_code, answer.url) == (302, f"/sign-in/?next={url}"), url


@pytest.mark.parametrize("role", ["agent", "senior", "dispatcher", "lead", "supervisor", "head", "auditor"])
def test_everybody_else_has_the_desk(client, visit, role):
    client.force_login(builders.person(role))
    for method, url in addresses(visit):
        assert getattr(client, method)(url).status_code == 403, url
    assert not AccessRecord.objects.exists()


def test_another_crew_s_visit_does_not_exist(client, visit):
    client.force_login(center.technician("qian"))
    assert visit.number not in text(page(client))
    for method, url in addresses(visit):
        if visit.number in url:
            assert getattr(client, method)(url).status_code == 404, url
    assert fresh(visit).arrived_at is None


def test_a_technician_lands_here(technician, phone):
    assert landing(technician) == "/visits/"
    assert phone.get("/desk/").url == "/visits/"


def test_a_notice_leads_to_the_phone_s_own_page(phone, visit):
    from notifications import notices

    told = notices.unread(visit.owner).get(template="visit_new_notice")
    assert "1 unread" in text(page(phone))
    assert phone.post(reverse("desk:notice", args=[told.pk])).url == f"/visits/{visit.number}/"


# --- the day ----------------------------------------------------------------------------------------------------------


def test_the_list_says_what_is_needed_at_the_door(phone, visit):
    shown = text(page(phone))
    for needed in (
        visit.number, "10:00–12:00", "Booked", "Broadband repair", "East", "Lake Road", "5-1203", "李小明",
        visit.for_ticket.number, "No signal on the line", "The bell is broken",
        "geo:0,0?q=5-1203%20Lake%20Road%2C%20East",
    ):  # fmt: skip
        assert needed in shown, needed
    assert not re.search(r"138 ?[\d*]{4}", shown)  # no telephone number, masked or not; "0138" may end a visit's


def test_house_number_and_telephone_are_for_the_day_and_the_day_before(phone, visit, now):
    number = visit.number
    day = TUESDAY_TEN.date().isoformat()
    now.at = MONDAY
    assert "5-1203" in text(page(phone, day=day))
    for far in (MONDAY - timedelta(days=1), TUESDAY_TEN + timedelta(days=1)):
        now.at = far
        for shown in (text(page(phone, day=day)), text(page(phone, "visit", number))):
            assert "Lake Road" in shown
            assert "5-1203" not in shown
        assert phone.post(reverse("appointments:reveal", args=[number])).status_code == 409
    assert not AccessRecord.objects.exists()


def test_the_number_is_shown_once_and_the_look_written_down(phone, visit, technician):
    answer = phone.post(reverse("appointments:reveal", args=[visit.number]))
    assert 'href="tel:' in text(answer)
    assert "138 1234 5678" in text(answer)
    assert answer["Cache-Control"] == "private, no-store"
    record = AccessRecord.objects.get()
    assert (record.by_id, record.customer) == (technician.pk, visit.customer)
    assert record.reason == f"On the way to visit {visit.number}"
    assert "138 1234 5678" not in text(page(phone, "visit", visit.number))


def test_a_cancelled_visit_shows_no_more_than_that(phone, visit):
    services.cancel_appointment(appointment_id=visit.pk, by=visit.customer, at=MONDAY)
    shown = text(page(phone))
    assert "Cancelled" in shown
    assert "5-1203" not in shown
    assert "geo:" not in shown
    assert phone.post(reverse("appointments:reveal", args=[visit.number])).status_code == 409


def test_the_way_opens_in_the_map_of_the_house(phone, visit, settings):
    settings.NAVIGATION_URL = "https://maps.example.com/?to={address}&mode=drive"
    assert "https://maps.example.com/?to=5-1203%20Lake%20Road%2C%20East&amp;mode=drive" in text(page(phone))


def test_other_days(phone, visit, now):
    now.at = MONDAY
    assert visit.number not in text(page(phone))
    assert visit.number in text(page(phone, day="2026-03-03"))
    assert "Tuesday 3 March, 1 visit" in text(page(phone))
    assert page(phone, day="2026-02-23").status_code == 200
    assert page(phone, day="2026-03-16").status_code == 200


@pytest.mark.parametrize("day", ["2026-02-22", "2026-03-18", "nonsense", "2026-13-01", "0001-01-01"])
def test_days_that_are_not_shown(phone, visit, day):
    answer = page(phone, day=day)
    assert answer.status_code == 422
    assert visit.number in text(answer)  # today's list all the same
    assert 'role="alert"' in text(answer)


def test_a_crew_of_two_knows_who_speaks(phone, visit, technician):
    other = center.technician("qian")
    visit.crew.create(technician=other)
    shown = text(page(phone, "visit", visit.number))
    assert "You speak with the customer" in shown
    assert "qian" in shown
    other.language = "en"
    other.save()
    phone.force_login(other)
    assert "zhao speaks with the customer" in text(page(phone, "visit", visit.number))


def test_public_facts_of_the_ticket_and_no_others(phone, visit):
    from tickets.conversation import add_internal_note

    add_internal_note(ticket_id=visit.for_ticket_id, body="Owes us money", by=None, at=MONDAY)
    shown = text(page(phone, "visit", visit.number))
    assert visit.for_ticket.number in shown
    assert "Owes us money" not in shown


def statements(client, *args, **query):
    page(client, *args, **query)  # what is read once a process is read now
    with CaptureQueriesContext(connection) as queries:
        assert page(client, *args, **query).status_code == 200
    return len(queries)


def test_a_full_day_costs_as_many_statements_as_one_visit(phone, visit):
    one = statements(phone)
    for hours, name in ((-2, "a"), (3, "b"), (5, "c")):
        customer = builders.customer(name, f"1391234567{hours % 10}")
        fault = builders.ticket(builders.person(), customer=customer, type="fault", needs_visit=True)
        starts_at = TUESDAY_TEN + timedelta(hours=hours)
        book(customer, address=center.address(customer), ticket=fault, note="x", starts_at=starts_at)
    shown = text(page(phone))
    assert shown.count("<article") == 4
    assert statements(phone) == one
    assert one <= 12


def test_when_to_leave_is_planned_from_the_way_and_said_until_one_has_left(phone, visit, technician, now):
    """APT-19: from where the day begins, else from the visit before it; half an hour within a region, else an hour."""

    def said(number):
        found = re.search(r"Leave by (\d\d:\d\d) to be there", text(page(phone, "visit", number)))
        return found and found[1]

    other = center.region("west")
    ServiceArea.objects.create(technician=technician, region=other)
    customer = builders.customer("王芳", "13912345671")
    later = book(customer, region=other, starts_at=TUESDAY_TEN + timedelta(hours=5))
    assert (said(visit.number), said(later.number)) == ("09:30", "14:00")
    assert re.findall(r"Leave by (\d\d:\d\d)", text(page(phone))) == ["09:30", "14:00"]
    services.cancel_appointment(appointment_id=visit.pk, by=builders.person("lead"), override="x", at=now.at)
    ServiceArea.objects.filter(technician=technician).update(base=False)
    ServiceArea.objects.filter(technician=technician, region=other).update(base=True)
    assert said(later.number) == "14:30"
    now.at = later.starts_at
    assert said(later.number) is None


def test_a_visit_s_page_is_cheap(phone, visit):
    before = statements(phone, "visit", visit.number)
    visit.crew.create(technician=center.technician("qian"))
    tap(visit, "check", CHECKS)
    assert statements(phone, "visit", visit.number) == before
    assert before <= 16


# --- the visit, by plain forms ----------------------------------------------------------------------------------------


def primary(answer):
    found = re.findall(r'<li class="v-step is-now[^"]*" data-step="(\w+)"', text(answer))
    return found[0] if found else ""


def test_one_step_at_a_time_from_the_car_to_the_hand_over(phone, visit, now):
    for step, values, later in [
        ("check", CHECKS, 0),
        ("set_off", {"minutes": "30"}, 5),
        ("arrive", {}, 40),
        ("record", ON_SITE, 60),
        ("finish", {"report": "Splitter replaced"}, 10),
    ]:
        now.at += timedelta(minutes=later)
        assert primary(page(phone, "visit", visit.number)) == step
        answer = act(phone, visit, step, values)
        assert (answer.status_code, answer.url) == (302, f"/visits/{visit.number}/"), text(answer)
    visit = fresh(visit)
    assert visit.state == State.DONE
    assert visit.arrived_at == TUESDAY_TEN + timedelta(minutes=5)
    shown = page(phone, "visit", visit.number)
    assert primary(shown) == ""
    assert "nothing left for you to do" in text(shown)


def test_what_is_not_possible_yet_says_why(phone, visit):
    shown = text(page(phone, "visit", visit.number))
    visible = re.findall(r'<p class="v-reason" data-at="check">([^<]*)</p>', shown)
    assert "Go through the checklist first." in visible
    assert "Possible when you have arrived." in visible
    assert re.search(r'<p class="v-reason" data-early>Possible from\s+10:00', shown)  # nobody there


def test_the_code_counts_in_full_width_digits_and_what_is_none_is_refused(phone, visit):
    for wrong in ("１２", "四位数", "😀"):
        assert act(phone, visit, "arrive", {"code": wrong, "time": "09:10"}).status_code == 422
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in arrival_code(fresh(visit)))
    assert act(phone, visit, "arrive", {"code": wide}).status_code == 302
    assert fresh(visit).arrived_at is not None


def test_a_refused_form_keeps_what_was_typed_and_says_where(phone, visit):
    answer = act(phone, visit, "arrive", {"code": "no code", "time": "09:10"})
    assert answer.status_code == 422
    shown = text(answer)
    assert 'value="no code"' in shown
    assert 'href="#arrive_code"' in shown
    assert "not the customer" in shown
    assert fresh(visit).arrived_at is None
    # It was shown at once, so nobody has to put it away.
    assert "data-refused=" not in text(page(phone))


def test_a_photo_follows_the_word_of_the_arrival(phone, visit, attachments_folder):
    act(phone, visit, "arrive", {"photo": photo()})
    assert Attachment.objects.get().case_id == visit.pk
    assert "door.png" in text(page(phone, "visit", visit.number))
    assert act(phone, visit, "photo", {"photo": photo(b"words", "notes.txt")}).status_code == 422
    assert act(phone, visit, "photo").status_code == 422


def test_a_photo_that_cannot_be_kept_takes_nothing_back(phone, visit, attachments_folder):
    answer = act(phone, visit, "arrive", {"photo": photo(b"")})
    assert answer.status_code == 302
    assert fresh(visit).arrived_at is not None
    assert "The photo was not kept" in text(page(phone, "visit", visit.number))


def test_a_double_click_is_one_call(phone, visit):
    key = key_in(page(phone, "visit", visit.number), "call")
    for _ in range(2):
        assert act(phone, visit, "call", {"reached": "yes", "note": "Coming"}, key=key).status_code == 302
    assert VisitAction.objects.count() == 1


def test_the_same_key_with_other_words_is_refused_with_them(phone, visit):
    key = key_in(page(phone, "visit", visit.number), "call")
    act(phone, visit, "call", {"reached": "yes", "note": "First"}, key=key)
    answer = act(phone, visit, "call", {"reached": "no", "note": "Second"}, key=key)
    assert answer.status_code == 422
    assert "Second" in text(answer)
    assert key_in(answer, "call") != key


def test_what_the_record_still_misses_is_listed(phone, visit):
    act(phone, visit, "arrive")
    act(phone, visit, "record", {"computer_tested": "1"})
    shown = text(page(phone, "visit", visit.number))
    assert primary(page(phone, "visit", visit.number)) == "record"
    assert "Write down the speed test." in shown
    assert VisitRecord.objects.get().computer_tested is True


def test_a_phone_s_refusal_waits_on_both_pages_until_it_is_read(phone, visit):
    entry = tap(visit, "finish", {"report": "All done"}, at=clock.now())
    for shown in (text(page(phone)), text(page(phone, "visit", visit.number))):
        assert f'data-refused="{entry.key}"' in shown
        assert "All done" in shown
    phone.post(reverse("appointments:seen", args=[entry.key]))
    assert "data-refused=" not in text(page(phone))


def test_odd_addresses(phone, visit):
    compact = visit.number.replace("-", "")
    assert page(phone, "visit", compact).url == f"/visits/{visit.number}/"
    assert page(phone, "visit", "A-0000-0000").status_code == 404
    assert page(phone, "visit", "x" * 200).status_code == 404
    assert phone.get(reverse("appointments:act", args=[visit.number, "arrive"])).status_code == 302
    assert phone.post(reverse("appointments:act", args=[visit.number, "explode"])).status_code == 302
    assert act(phone, visit, "arrive", key="").status_code == 422


def test_the_worker_keeps_only_what_it_should(phone, visit):
    answer = page(phone, "worker")
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Cache-Control"] == "private, no-cache"
    assert "appointments/visits" in text(answer)
    assert "{{" not in text(answer)


def test_late_word_shows_on_the_page(phone, visit, now):
    from sla.sweep import sweep

    now.at = TUESDAY_TEN + timedelta(hours=3)
    sweep(now=now.at)
    shown = page(phone, "visit", visit.number)
    assert primary(shown) == "arrive"
    assert "we had no word" in text(shown)
    act(phone, visit, "arrive", {"time": "11:30"})
    assert fresh(visit).arrived_at == TUESDAY_TEN + timedelta(minutes=90)
