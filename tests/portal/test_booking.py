"""Booking a visit: four questions, ten minutes to look at it, booked once; and everything that can be typed wrong."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from appointments.booking import hold_window
from appointments.messages import arrival_code
from appointments.models import Appointment, Hold, Reservation, VisitService
from appointments.services import book_appointment
from cases.models import Category, Note
from common.management.commands.build_icons import NAMES, sprite
from customers.models import Address, Customer, Region
from notifications.models import Message
from portal import booking, times
from portal.models import Session
from staff.models import Shift
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN
from tests.portal.visitors import OTHER_PHONE, PHONE, Visitor, words
from tickets.models import Ticket
from tickets.services import open_ticket

pytestmark = pytest.mark.django_db

SLOT = times.value_of(TUESDAY_TEN)


@pytest.fixture(autouse=True)
def _center(time):
    center.center()
    builders.categories()


@pytest.fixture
def technician():
    return center.technician("zhao")


@pytest.fixture
def customer(time) -> Customer:
    return builders.customer("王建国", PHONE, language="en", preferred_channel="sms")


@pytest.fixture
def home(customer) -> Address:
    return center.address(customer)


@pytest.fixture
def signed_in(visitor, customer) -> Visitor:
    visitor.sign_in()
    return visitor


def at(step: str) -> str:
    return reverse("portal:book_step", args=[step])


def choose(visitor: Visitor, *, services=("broadband-repair",), place="", slot: str = SLOT, **new: str):
    """Answer the first three questions; the answer to the last of them."""
    assert visitor.post(at("what"), {"services": list(services)}).status_code == 302
    where = visitor.post(at("where"), {"place": place or "new", **new})
    assert where.status_code == 302, words(where)
    return visitor.post(at("when"), {"slot": slot})


def checked(visitor: Visitor, **data: str):
    return visitor.post(at("check"), {"note": "", **data})


def fill(starts_at=TUESDAY_TEN, at_=None) -> Appointment:
    """Somebody else books that window."""
    other = builders.customer("别人", OTHER_PHONE)
    return book_appointment(
        customer=other,
        services=[center.service()],
        region=center.region(),
        starts_at=starts_at,
        channel="phone",
        by=builders.person(),
        at=at_ or builders.MONDAY + timedelta(hours=5),
    )


# --- the way through -------------------------------------------------------------------------------------------------


def test_four_questions_and_it_is_booked_once(signed_in, technician, customer, home, time):
    held = choose(signed_in, place=str(home.pk), services=("broadband-install", "iptv-install"))
    assert held.url == at("check")
    hold = Hold.objects.get()
    assert (hold.starts_at, hold.expires_at) == (TUESDAY_TEN, time.at + timedelta(minutes=10))
    page = signed_in.get(at("check"))
    said = words(page)
    assert "Step 4 of 4" in said
    assert "Tue 3 Mar, 10:00–12:00" in said
    assert "Broadband installation, IPTV installation, about 1.5 hours" in said
    assert "5-1203 Lake Road, East" in said
    assert "We will contact you at 138****5678." in said
    assert PHONE not in page.content.decode()
    assert "We keep this time for you until 14:10." in said
    assert f'data-until="{int(hold.expires_at.timestamp() * 1000)}"' in page.content.decode()

    note = "小狗很友好 🐕 " + "x" * 1900
    assert checked(signed_in, note=note).url == reverse("portal:book_done")
    visit = Appointment.objects.get()
    assert (visit.customer, visit.starts_at, visit.address, visit.owner) == (customer, TUESDAY_TEN, home, technician)
    assert {service.code for service in visit.services.all()} == {"broadband-install", "iptv-install"}
    assert Note.objects.get(case_id=visit.pk).body == note.strip()
    assert not Hold.objects.exists()
    # Sent again, by the button or by a page gone back to, it is the same visit.
    assert checked(signed_in, note=note).url == reverse("portal:book_done")
    assert Appointment.objects.count() == 1

    done = words(signed_in.get(reverse("portal:book_done")))
    assert "Tuesday 3 March 10:00–12:00" in done
    assert visit.number in done
    assert arrival_code(visit) in done
    assert "free of charge until 08:00 tomorrow" in done
    message = Message.objects.get(case=visit, template="visit_booked")
    assert message.context["time"] == "Tuesday 3 March, 10:00–12:00 (Beijing time)"
    assert message.context["code"] == arrival_code(visit)


def test_a_new_visit_begins_after_one_was_sent(signed_in, technician, home):
    choose(signed_in, place=str(home.pk))
    checked(signed_in)
    assert "checked" not in signed_in.get(at("what")).content.decode()
    choose(signed_in, place=str(home.pk), slot=times.value_of(TUESDAY_TEN + timedelta(days=1)))
    checked(signed_in)
    assert Appointment.objects.count() == 2


def test_somebody_new_becomes_a_customer_by_booking(visitor, technician, time):
    asked = visitor.post(at("what"), {"services": ["broadband-install"]})
    assert visitor.get(asked.url).url.startswith(reverse("portal:sign_in"))
    visitor.sign_in(OTHER_PHONE, at("where"))
    # What was chosen before signing in is kept.
    assert 'value="broadband-install" ' in visitor.get(at("what")).content.decode()
    region = center.region()
    placed = visitor.post(at("where"), {"region": region.code, "street": "湖光路 8 号", "house": "3-501"})
    assert placed.url == at("when")
    visitor.post(at("when"), {"slot": SLOT})
    nameless = checked(visitor, name=" ", note="Ring twice")
    assert nameless.status_code == 422
    assert "Enter your name." in words(nameless)
    assert "Ring twice" in nameless.content.decode()
    checked(visitor, name="Ann 😀 O'Neil", note="Ring twice")
    visit = Appointment.objects.get()
    assert visit.customer.name == "Ann 😀 O'Neil"
    assert (visit.address.street, visit.address.house, visit.region) == ("湖光路 8 号", "3-501", region)


def test_nothing_known_is_asked_again_for_a_ticket(signed_in, technician, customer, home):
    agent = builders.person()
    ticket = open_ticket(
        subject="No internet",
        type="fault",
        channel="web",
        by=agent,
        customer=customer,
        category=Category.objects.get(code="broadband.fault.no-connection"),
        region=home.region,
        address=home,
        at=builders.MONDAY,
    )
    page = signed_in.get(reverse("portal:case", args=[ticket.number]))
    assert "Book a visit" in words(page)
    begun = signed_in.post(reverse("portal:case_book", args=[ticket.number]))
    assert begun.url == at("when")
    assert "Broadband repair, about 1 hour 5-1203 Lake Road, East" in words(signed_in.get(begun.url))
    signed_in.post(at("when"), {"slot": SLOT})
    checked(signed_in)
    visit = Appointment.objects.get()
    assert (visit.for_ticket.pk, visit.address) == (ticket.pk, home)
    page = signed_in.get(reverse("portal:case", args=[ticket.number]))
    assert visit.number in page.content.decode()
    assert "Book a visit" not in words(page)
    # One visit at a time for one ticket.
    again = signed_in.post(reverse("portal:case_book", args=[ticket.number]))
    assert again.url == reverse("portal:case", args=[ticket.number])


def test_an_enquiry_about_a_bill_needs_no_technician(signed_in, customer):
    ticket = builders.ticket(builders.person(), customer=customer)
    assert "Book a visit" not in words(signed_in.get(reverse("portal:case", args=[ticket.number])))


def test_the_only_address_is_ticked_and_back_keeps_everything(signed_in, technician, home):
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    assert re.search(rf'value="{home.pk}"[^>]*checked', signed_in.get(at("where")).content.decode())
    back = signed_in.post(at("where"), {"place": "new", "street": "Half written", "back": "1"})
    assert back.url == at("what")
    assert "Half written" in signed_in.get(at("where")).content.decode()
    choose(signed_in, place=str(home.pk))
    gone = signed_in.post(at("check"), {"note": "Second door", "go": "when"})
    assert gone.url == at("when")
    page = signed_in.get(at("when")).content.decode()
    assert re.search(rf'value="{re.escape(SLOT)}"[^>]*>', page)
    assert "Second door" in signed_in.get(at("check")).content.decode()


def test_the_language_changes_and_keeps_what_is_ticked(signed_in, technician, home):
    choose(signed_in, place=str(home.pk))
    switched = signed_in.post(at("check"), {"note": "二号门", "switch": "zh-hans"})
    assert switched.status_code == 200
    assert "请核对" in words(switched)
    assert "二号门" in switched.content.decode()
    assert not Appointment.objects.exists()
    slots = signed_in.post(at("when"), {"slot": SLOT, "switch": "en"})
    assert re.search(rf'value="{re.escape(SLOT)}"[^>]* checked', slots.content.decode())


# --- choosing a time -------------------------------------------------------------------------------------------------


def test_full_windows_are_there_struck_out_and_one_left_is_said(signed_in, technician, home):
    center.technician("qian")
    fill(), fill(TUESDAY_TEN + timedelta(hours=3)), fill(TUESDAY_TEN + timedelta(hours=3))
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    signed_in.post(at("where"), {"place": str(home.pk)})
    page = signed_in.get(f"{at('when')}?day=2026-03-03")
    said = words(page)
    assert "Morning , Tue 3 Mar 08:00–10:00 Free 10:00–12:00 1 left" in said
    assert "13:00–15:00 Full 15:00–17:00 Free" in said
    assert said.count("1 left") == 1
    full = times.value_of(TUESDAY_TEN + timedelta(hours=3))
    assert re.search(rf'value="{re.escape(full)}"[^>]* disabled', page.content.decode())
    # Five days; the first with room is the earliest, and it was opened without a question.
    assert "Today 2 Earliest" in said
    assert len(re.findall(r'class="day( is-full)?"', page.content.decode())) == 5
    assert re.search(r'day=2026-03-02" aria-current', signed_in.get(at("when")).content.decode())


def test_a_full_today_is_named_and_the_first_free_day_opened(signed_in, technician, home):
    fill(builders.MONDAY + timedelta(hours=6)), fill(builders.MONDAY + timedelta(hours=9))
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    signed_in.post(at("where"), {"place": str(home.pk)})
    page = signed_in.get(at("when")).content.decode()
    assert re.search(r'class="day is-full"[^>]*day=2026-03-02"><span>Today</span> <b>2</b> <small>Full', page)
    assert re.search(r'day=2026-03-03" aria-current="date"><span>Tue</span> <b>3</b> <small>Earliest', page)


def test_five_booked_out_days_lead_on_to_the_first_free_one(signed_in, home):
    center.technician("far", first=builders.MONDAY.date() + timedelta(days=9), days=3)
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    signed_in.post(at("where"), {"place": str(home.pk)})
    page = signed_in.get(at("when"))
    assert "Wed 11 Earliest" in words(page)
    assert re.search(r'day=2026-03-11" aria-current', page.content.decode())
    assert "Earlier dates" in words(page)


def test_where_nothing_is_free_we_call(signed_in, customer, home):
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    signed_in.post(at("where"), {"place": str(home.pk)})
    page = words(signed_in.get(at("when")))
    assert "No time is free until Tue 31 Mar." in page
    assert "Look at later dates" in page
    called = signed_in.post(at("when"), {"call": "1"})
    assert called.url == at("check")
    assert "We will call you to agree on a time" in words(signed_in.get(at("check")))
    checked(signed_in, note="After six, please")
    visit = Appointment.objects.get()
    assert (visit.state, visit.starts_at) == ("requested", None)
    done = words(signed_in.get(reverse("portal:book_done")))
    assert "We will call you by 14:00 tomorrow to agree on a time." in done
    assert "Arrival code" not in done


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("day=2026-02-01", "This day has passed or does not exist"),
        ("day=2031-01-01", "within the next 120 days"),
        ("since=2026-13-45", "This day has passed or does not exist"),
        ("day=%F0%9F%98%80", "This day has passed or does not exist"),
        ("since=99999-01-01", "This day has passed or does not exist"),
    ],
)
def test_odd_days_in_the_address_are_answered(signed_in, technician, home, query, said):
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    signed_in.post(at("where"), {"place": str(home.pk)})
    page = signed_in.get(f"{at('when')}?{query}")
    assert page.status_code == 200
    assert said in words(page)
    assert "Tue" in words(page)


def test_the_last_days_that_can_be_booked_have_no_more_after_them(signed_in, technician, home, time):
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    signed_in.post(at("where"), {"place": str(home.pk)})
    last = (time.at + timedelta(days=120)).date()
    page = words(signed_in.get(f"{at('when')}?since={last}&day={last}"))
    assert "More dates" not in page


def test_one_reading_of_the_calendar_a_page(signed_in, home, django_assert_max_num_queries):
    for number in range(20):
        center.technician(f"t{number}", days=40)
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    signed_in.post(at("where"), {"place": str(home.pk)})
    signed_in.get(at("when"))
    with CaptureQueriesContext(
        connection,
    ) as all_of_it:
        assert signed_in.get(at("when")).status_code == 200
    calendar = [
        query["sql"] for query in all_of_it
        if re.search(r'FROM "(appointments_(arrivalwindow|servicearea|reservation)|staff_)', query["sql"])
    ]  # fmt: skip
    assert 0 < len(calendar) <= 10
    assert len([sql for sql in calendar if "appointments_reservation" in sql]) == 1


# --- taken meanwhile, too late, odd ----------------------------------------------------------------------------------


def test_a_window_taken_while_choosing_offers_the_three_nearest(signed_in, technician, home):
    fill()
    refused = choose(signed_in, place=str(home.pk))
    assert refused.status_code == 409
    said = words(refused)
    assert "This time has just been taken." in said
    assert "The nearest free times" in said
    offered = re.findall(r'id="near\d"[^>]*data-said="([^"]+)"', refused.content.decode())

    assert len(offered) == 3
    assert "Tue 3 Mar, 08:00–10:00" in offered
    assert not Hold.objects.exists()


def test_a_hold_that_ran_out_and_was_taken_offers_others_and_keeps_what_was_written(signed_in, technician, home, time):
    choose(signed_in, place=str(home.pk))
    time.skip(minutes=11)
    fill(at_=time.at)
    page = signed_in.get(at("check"))
    assert "The ten minutes are over." in words(page)
    refused = checked(signed_in, note="Second door")
    assert refused.status_code == 409
    said = words(refused)
    assert "This time has just been taken. These are the nearest free times." in said
    assert "Second door" in refused.content.decode()
    assert len(re.findall(r'id="near\d"', refused.content.decode())) == 3
    assert Appointment.objects.count() == 1
    chosen = re.search(r'value="([^"]+)" id="near1"', refused.content.decode())[1]
    assert checked(signed_in, note="Second door", slot=chosen).url == reverse("portal:book_done")
    mine = Appointment.objects.latest("pk")
    assert times.value_of(mine.starts_at) == chosen
    assert Note.objects.get(case_id=mine.pk).body == "Second door"


def test_a_hold_that_ran_out_still_books_where_nobody_came(signed_in, technician, home, time):
    choose(signed_in, place=str(home.pk))
    time.skip(minutes=11)
    assert checked(signed_in).url == reverse("portal:book_done")


def test_another_time_than_the_one_held_frees_that_one(signed_in, technician, home):
    choose(signed_in, place=str(home.pk))
    checked(signed_in, slot=times.value_of(TUESDAY_TEN + timedelta(days=1)))
    assert not Hold.objects.exists()
    assert set(Reservation.objects.values_list("hold", flat=True)) == {None}


def test_ten_minutes_more_once(signed_in, technician, home, time):
    choose(signed_in, place=str(home.pk))
    time.skip(minutes=8)
    assert signed_in.post(reverse("portal:book_keep"), {"note": "Ring twice"}).url == at("check")
    page = signed_in.get(at("check"))
    assert "until 14:18." in words(page)
    assert "Ring twice" in page.content.decode()
    assert "ten more minutes" not in words(page)
    again = signed_in.post(reverse("portal:book_keep"), {"note": "Ring twice"})
    assert again.status_code == 409
    assert "already" in words(again)
    assert Hold.objects.get().expires_at == time.at + timedelta(minutes=10)


def test_kept_anew_after_it_ran_out_or_the_nearest_where_it_was_taken(signed_in, technician, home, time):
    choose(signed_in, place=str(home.pk))
    time.skip(minutes=11)
    assert signed_in.post(reverse("portal:book_keep"), {"note": ""}).url == at("check")
    time.skip(minutes=11)
    fill(at_=time.at)
    refused = signed_in.post(reverse("portal:book_keep"), {"note": "Mind the dog"})
    assert refused.status_code == 409
    assert len(re.findall(r'id="near\d"', refused.content.decode())) == 3
    assert "Mind the dog" in refused.content.decode()


def test_a_visit_chosen_yesterday_is_not_booked_for_the_past(signed_in, technician, home, time):
    choose(signed_in, place=str(home.pk), slot=times.value_of(builders.MONDAY + timedelta(hours=6)))
    time.skip(hours=2)
    late = checked(signed_in)
    assert late.status_code == 422
    assert "has passed or is too soon" in words(late)
    assert len(re.findall(r'id="near\d"', late.content.decode())) == 3
    assert not Appointment.objects.exists()


@pytest.mark.parametrize(
    ("slot", "said"),
    [
        ("", "Please choose a time."),
        ("tomorrow", "Please choose one of the times shown."),
        ("2026-03-03T10:00", "Please choose one of the times shown."),  # no zone
        ("2026-03-03T02:01+00:00", "No arrival window begins at this time"),
        ("2026-02-01T02:00+00:00", "has passed or is too soon"),
        ("2027-03-03T02:00+00:00", "within the next 120 days"),
        ("9999-12-31T23:59+00:00", "Please choose one of the times shown."),
        ("2026-03-03T02:00+00:00" + "0" * 100, "at most 40 characters"),
    ],
)
def test_odd_times_are_refused_in_words(signed_in, technician, home, slot, said):
    refused = choose(signed_in, place=str(home.pk), slot=slot)
    assert refused.status_code == 422
    assert said in words(refused)
    assert not Hold.objects.exists()
    # And at the end, too, where a page was tampered with.
    if slot and slot != SLOT:
        choose(signed_in, place=str(home.pk))
        refused = checked(signed_in, slot=slot, note="kept")
        assert refused.status_code == 422
        assert said in words(refused)
        assert "kept" in refused.content.decode()
        assert not Appointment.objects.exists()


def test_odd_answers_are_refused_and_kept(signed_in, technician, home, customer):
    assert "Please choose at least one service." in words(signed_in.post(at("what"), {}))
    assert signed_in.post(at("what"), {"services": ["teleport"]}).status_code == 422
    everything = list(VisitService.objects.values_list("code", flat=True))
    too_much = signed_in.post(at("what"), {"services": everything})
    assert too_much.status_code == 422
    assert "more than 8 hours of work" in words(too_much)
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    stranger = center.address(builders.customer("别人", OTHER_PHONE))
    assert signed_in.post(at("where"), {"place": str(stranger.pk)}).status_code == 422
    unknown = signed_in.post(at("where"), {"place": "new", "region": "atlantis", "street": "Road 😀"})
    assert unknown.status_code == 422
    assert "Road 😀" in unknown.content.decode()
    nowhere = Address.objects.create(customer=customer, region=None, street="Somewhere", house="")
    unplaced = signed_in.post(at("where"), {"place": str(nowhere.pk)})
    assert "The area of this address is not known." in words(unplaced)
    choose(signed_in, place=str(home.pk))
    long = checked(signed_in, note="字" * 2001)
    assert long.status_code == 422
    assert "2001 characters" in words(long)
    assert "字" * 2001 in long.content.decode()
    assert checked(signed_in, note="字" * 2000).status_code == 302


def test_steps_cannot_be_jumped_over(signed_in, technician):
    assert signed_in.get(at("where")).url == at("what")
    assert signed_in.get(at("when")).url == at("what")
    assert signed_in.get(at("check")).url == at("what")
    assert signed_in.get(reverse("portal:book_done")).url == reverse("portal:book")
    assert signed_in.get("/book/elsewhere/").status_code == 404
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    assert signed_in.get(at("check")).url == at("where")
    assert checked(signed_in).url == at("where")
    assert not Appointment.objects.exists()


def test_a_hold_of_somebody_else_is_of_no_use(signed_in, technician, home, time):
    """The draft lives with us: a key typed into a form changes nothing."""
    other = hold_window(services=[center.service()], region=center.region(), starts_at=TUESDAY_TEN, at=time.at)
    choose(signed_in, place=str(home.pk), slot=times.value_of(TUESDAY_TEN + timedelta(days=1)))
    checked(signed_in, hold=other.key, key=other.key)
    assert Appointment.objects.get().starts_at == TUESDAY_TEN + timedelta(days=1)
    assert Hold.objects.get() == other


def test_who_keeps_time_after_time_must_wait(signed_in, technician, home, monkeypatch):
    from portal import quotas

    monkeypatch.setattr(quotas, "HELD_BY", ((2, quotas.HOUR),))
    for days in (0, 1):
        choose(signed_in, place=str(home.pk), slot=times.value_of(TUESDAY_TEN + timedelta(days=days)))
    refused = choose(signed_in, place=str(home.pk), slot=times.value_of(TUESDAY_TEN + timedelta(days=2)))
    assert refused.status_code == 429
    assert "Please try again in" in words(refused)
    assert Hold.objects.get().starts_at == TUESDAY_TEN + timedelta(days=1)


# --- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["agent", "auditor", "lead", "technician", "administrator"])
def test_staff_are_strangers_here(time, technician, role):
    """A session of staff opens nothing of a customer's: the number must be proven."""
    visitor = Visitor()
    visitor.force_login(builders.person(role))
    visitor.post(at("what"), {"services": ["broadband-repair"]})
    for step in ("where", "when", "check"):
        assert visitor.get(at(step)).url.startswith(reverse("portal:sign_in"))
        assert visitor.post(at(step), {"slot": SLOT}).url.startswith(reverse("portal:sign_in"))
    assert visitor.post(reverse("portal:book_keep")).url.startswith(reverse("portal:sign_in"))
    assert not Hold.objects.exists()


def test_nobody_begins_a_booking_for_somebody_else_s_ticket(signed_in, customer, technician):
    ticket = builders.ticket(builders.person(), customer=builders.customer("别人", OTHER_PHONE))
    assert signed_in.post(reverse("portal:case_book", args=[ticket.number])).status_code == 404
    assert Visitor().post(reverse("portal:case_book", args=[ticket.number])).url.startswith(reverse("portal:sign_in"))
    assert signed_in.get(reverse("portal:case_book", args=[ticket.number])).status_code in (302, 404)
    assert not Session.objects.get().drafts


def test_a_form_from_another_site_books_nothing(technician, customer, home):
    visitor = Visitor(enforce_csrf_checks=True)
    assert visitor.post(at("what"), {"services": ["broadband-repair"]}).status_code == 403


# --- what it weighs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_page_of_times_stays_light(technician, customer, home, language, time):
    """At most 10 KB of HTML, 6 KB of styles and 40 KB in all, as a phone gets them (interface.md §14)."""
    visitor = Visitor(language)
    visitor.sign_in()
    visitor.post(at("what"), {"services": ["broadband-repair", "iptv-install"]})
    visitor.post(at("where"), {"place": str(home.pk)})
    page = visitor.get(at("when")).content
    assert len(gzip.compress(page)) < 10_000
    parts = {"ui/base.css", "portal/portal.css", "portal/book.css", "portal/book.js", "ui/mark.svg"}
    linked = set(re.findall(rf'{settings.STATIC_URL}([^"#]+)["#]', page.decode())) - {"icons.svg"}
    assert linked == parts
    weighs = {name: len(gzip.compress(Path(finders.find(name)).read_bytes())) for name in parts}
    assert sum(size for name, size in weighs.items() if name.endswith(".css")) <= 6_000
    assert weighs["portal/book.js"] < 2_000
    icons = len(gzip.compress(sprite(NAMES.read_text().split()).encode()))  # of the whole house, fetched once
    assert len(gzip.compress(page)) + sum(weighs.values()) + icons < 40_000


def test_unknown_areas_have_no_free_time_and_say_so(signed_in, technician, customer):
    Region.objects.create(code="moon", name_zh="月球", name_en="Moon")
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    signed_in.post(at("where"), {"place": "new", "region": "moon", "street": "Crater 1"})
    assert "No time is free until" in words(signed_in.get(at("when")))
    assert Ticket.objects.count() == 0


def test_two_sendings_of_one_form_are_one_visit(signed_in, technician, customer, home, time):
    """The second one read the session before the first was through: the row decides, not what was read before."""
    choose(signed_in, place=str(home.pk))
    first, second = Session.objects.get(), Session.objects.get()
    sent = [booking.send(session=session, note="Once", language="en", at=time.at) for session in (first, second)]
    assert sent[0] == sent[1] == Appointment.objects.get()
    assert Message.objects.filter(template="visit_booked").count() == 1


def test_the_day_chosen_before_does_not_open_where_it_has_become_full(signed_in, technician, customer, home, time):
    choose(signed_in, place=str(home.pk))
    Shift.objects.filter(starts_at__date=TUESDAY_TEN.date()).delete()
    page = signed_in.get(at("when"))
    assert re.search(r'aria-current="date"><span>Today', page.content.decode())


def test_what_was_changed_in_another_window_is_looked_at_before_it_is_booked(signed_in, technician, customer, home):
    choose(signed_in, place=str(home.pk))
    shown = re.findall(r'name="shown" value="(\w+)"', signed_in.get(at("check")).content.decode())[0]
    choose(signed_in, place=str(home.pk), services=("broadband-repair", "iptv-install"))
    page = checked(signed_in, note="门禁 502", shown=shown)
    assert page.status_code == 409
    assert "You have changed this in another window." in words(page)
    assert "IPTV installation" in words(page)
    assert "门禁 502" in words(page)
    assert not Appointment.objects.exists()
    shown = re.findall(r'name="shown" value="(\w+)"', page.content.decode())[0]
    sent = checked(signed_in, shown=shown)
    assert sent.status_code == 302, words(sent)
    assert sent.url == reverse("portal:book_done")


def test_who_adds_a_service_can_have_the_time_that_was_kept(signed_in, technician, customer, home):
    choose(signed_in, place=str(home.pk))
    added = choose(signed_in, place=str(home.pk), services=("broadband-repair", "iptv-install"))
    assert added.status_code == 302, words(added)
    assert Hold.objects.count() == 1


# --- left open overnight ---------------------------------------------------------------------------------------------


def overnight(time) -> None:
    time.skip(hours=13)


def test_a_booking_left_open_overnight_goes_on_where_it_was_with_what_was_typed(signed_in, technician, home, time):
    choose(signed_in, place=str(home.pk))
    overnight(time)
    refused = checked(signed_in, note="门禁 502 😀")
    assert refused.url == f"{reverse('portal:sign_in')}?next=%2Fbook%2Fcheck%2F"
    assert not Appointment.objects.exists()
    assert signed_in.sign_in(way=at("check")).url == at("check")
    page = signed_in.get(at("check"))
    said = words(page)
    assert page.status_code == 200
    assert "门禁 502 😀" in said
    assert "Tue 3 Mar, 10:00–12:00" in said
    assert "5-1203 Lake Road, East" in said
    assert "门禁 502 😀" not in words(signed_in.get(at("check"))), "it is shown once; then it is the form's own"
    assert checked(signed_in, note="门禁 502 😀").url == reverse("portal:book_done")
    assert Note.objects.get(case=Appointment.objects.get().case_ptr).body == "门禁 502 😀"


def test_what_was_left_is_given_to_nobody_else(signed_in, technician, home, time):
    choose(signed_in, place=str(home.pk))
    overnight(time)
    signed_in.get(at("when"))
    signed_in.sign_in(OTHER_PHONE)
    assert signed_in.get(at("check")).url == at("what")


def test_what_was_left_a_day_ago_is_gone(signed_in, technician, home, time):
    choose(signed_in, place=str(home.pk))
    time.skip(hours=37)
    signed_in.sign_in()
    assert signed_in.get(at("check")).url == at("what")
    assert Session.objects.count() == 1, "the ended visit is thrown away"


def test_asking_for_ten_more_minutes_after_the_visit_is_over_leads_back_to_the_check(signed_in, technician, home, time):
    choose(signed_in, place=str(home.pk))
    overnight(time)
    refused = signed_in.post(reverse("portal:book_keep"), {"note": "门禁 502"})
    assert refused.url == f"{reverse('portal:sign_in')}?next=%2Fbook%2Fcheck%2F"
    signed_in.sign_in(way=at("check"))
    assert "门禁 502" in words(signed_in.get(at("check")))


def test_more_than_a_form_takes_is_not_kept_for_who_signs_in_again(signed_in, technician, home, time):
    choose(signed_in, place=str(home.pk))
    overnight(time)
    checked(signed_in, note="长" * 20_001)
    signed_in.sign_in()
    assert "长" not in words(signed_in.get(at("check")))


# --- what went wrong, and where --------------------------------------------------------------------------------------


def test_a_missing_answer_is_named_in_the_summary_and_beside_the_question(signed_in, technician, customer, home):
    assert words(signed_in.post(at("what"), {})).count("Please choose at least one service.") == 2
    signed_in.post(at("what"), {"services": ["broadband-repair"]})
    where = words(signed_in.post(at("where"), {"place": "new"}))
    assert where.count("Please choose the region.") == 2
    assert where.count("Please enter the street or the estate.") == 2
    signed_in.post(at("where"), {"place": str(home.pk)})
    assert words(signed_in.post(at("when"), {})).count("Please choose a time.") == 2


def test_no_free_change_is_promised_for_a_visit_that_begins_sooner(signed_in, technician, customer, home, time):
    choose(signed_in, place=str(home.pk))
    assert "free of charge up to 2 hours before" in words(signed_in.get(at("check")))
    time.at = TUESDAY_TEN - timedelta(minutes=90)
    Session.objects.update(ends_at=TUESDAY_TEN)
    page = words(signed_in.get(at("check")))
    assert "This visit begins in less than 2 hours: once it is booked, please call us to change it." in page
    assert "free of charge" not in page
    checked(signed_in)
    done = words(signed_in.get(reverse("portal:book_done")))
    assert "We have also sent you these details." in done
    assert "change" not in done


def test_what_is_nobody_s_mistake_is_not_called_a_thing_to_put_right(visitor, time):
    visitor.post(reverse("portal:sign_in"), {"phone": PHONE})
    page = words(visitor.post(reverse("portal:code"), {"again": "1"}))
    assert "That did not work Please try again in 60 seconds." in page
    assert "to put right" not in page
