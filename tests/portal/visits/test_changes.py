"""A visit moved and cancelled by its customer, and in the customer's calendar."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from icalendar import Calendar

from appointments import services
from appointments.booking import hold_window
from appointments.models import Hold, Reservation
from appointments.states import State
from cases.models import CaseEvent
from portal import times
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book
from tests.builders import MONDAY
from tests.portal.visitors import OTHER_PHONE, Visitor, link, words

from .mine import THURSDAY, WEDNESDAY, everything, jump, mine, now_of

pytestmark = pytest.mark.django_db

# --- another time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["portal", "link"])
def test_the_old_time_is_let_go_only_when_the_new_one_is_confirmed(signed_in, visit, time, how):
    address = mine(visit) if how == "portal" else link(visit, at=time.at)
    visitor = signed_in if how == "portal" else Visitor()
    page = visitor.get(f"{address}move/?day=2026-03-05")
    assert "Your time now: Thu 5 Mar, 10:00–12:00." in words(page)
    assert "10:00–12:00 Your time now" in words(page)
    held = visitor.post(f"{address}move/", {"slot": times.value_of(WEDNESDAY)})
    assert held.status_code == 302
    check = words(visitor.get(held.url))
    assert "Thu 5 Mar, 10:00–12:00" in check
    assert "Wed 4 Mar, 10:00–12:00" in check
    assert "We keep this time for you until 14:10." in check
    assert now_of(visit).starts_at == THURSDAY
    assert set(Reservation.objects.values_list("starts_at", flat=True)) == {WEDNESDAY, THURSDAY}
    slot, key = times.value_of(WEDNESDAY), Hold.objects.get().key
    for _twice in range(2):
        sent = visitor.post(f"{address}move/check/", {"slot": slot, "hold": key})
        assert sent.url == f"{address}?said=moved"
    moved = now_of(visit)
    assert (moved.starts_at, moved.moved_by_customer, moved.cycle) == (WEDNESDAY, 1, 2)
    assert Reservation.objects.get().starts_at == WEDNESDAY
    assert "Wednesday 4 March 10:00–12:00" in words(visitor.get(address))


def test_a_new_time_taken_meanwhile_keeps_the_old_and_offers_three(signed_in, visit, time):
    held = signed_in.post(mine(visit, "move/"), {"slot": times.value_of(WEDNESDAY)})
    time.skip(minutes=11)
    book(builders.customer("别人", OTHER_PHONE), starts_at=WEDNESDAY, at=time.at)
    assert "The ten minutes are over." in words(signed_in.get(held.url))
    refused = signed_in.post(mine(visit, "move/check/"), {"slot": times.value_of(WEDNESDAY), "hold": "x"})
    assert refused.status_code == 409
    assert "This time has just been taken." in words(refused)
    offered = re.findall(r'value="([^"]+)" id="near\d"', refused.content.decode())
    assert len(offered) >= 2
    assert times.value_of(THURSDAY) not in offered
    assert now_of(visit).starts_at == THURSDAY
    signed_in.post(mine(visit, "move/check/"), {"slot": offered[0], "hold": "x"})
    assert times.value_of(now_of(visit).starts_at) == offered[0]


def test_a_window_full_at_once_is_refused_on_the_page_of_times(signed_in, visit, time):
    book(builders.customer("别人", OTHER_PHONE), starts_at=WEDNESDAY, at=time.at)
    refused = signed_in.post(mine(visit, "move/"), {"slot": times.value_of(WEDNESDAY)})
    assert refused.status_code == 409
    assert "The nearest free times" in words(refused)
    assert not Hold.objects.exists()


def test_choosing_again_keeps_one_hold_and_shows_it_as_free(signed_in, visit, time):
    signed_in.post(mine(visit, "move/"), {"slot": times.value_of(WEDNESDAY)})
    page = words(signed_in.get(mine(visit, "move/") + "?day=2026-03-04"))
    assert "10:00–12:00 1 left" in page
    signed_in.post(mine(visit, "move/"), {"slot": times.value_of(TUESDAY_TEN)})
    assert Hold.objects.get().starts_at == TUESDAY_TEN


def test_ten_minutes_more_for_a_new_time(signed_in, visit, time):
    held = signed_in.post(mine(visit, "move/"), {"slot": times.value_of(WEDNESDAY)})
    data = {"slot": times.value_of(WEDNESDAY), "hold": Hold.objects.get().key, "keep": "1"}
    time.skip(minutes=5)
    assert signed_in.post(mine(visit, "move/check/"), data).url == held.url
    assert Hold.objects.get().expires_at == time.at + timedelta(minutes=10)
    again = signed_in.post(mine(visit, "move/check/"), data)
    assert again.status_code == 409
    assert "already" in words(again)


def test_inside_the_limit_there_is_a_number_to_call(signed_in, visit, time):
    jump(time, THURSDAY - timedelta(hours=1, minutes=59))
    page = words(signed_in.get(mine(visit)))
    assert "It is less than 2 hours until the visit." in page
    assert "Call 400-000-0000" in page
    assert "Change time" not in page
    before = everything()
    for act, data in (("move/", {"slot": times.value_of(THURSDAY + timedelta(days=1))}), ("cancel/", {"reason": "x"})):
        for answer in (signed_in.get(mine(visit, act)), signed_in.post(mine(visit, act), data)):
            assert "It is less than 2 hours until the visit." in words(answer)
            assert "tel:4000000000" in answer.content.decode()
    sent = signed_in.post(mine(visit, "move/check/"), {"slot": times.value_of(THURSDAY + timedelta(days=1))})
    assert sent.status_code == 409
    assert "less than 2 hours" in words(sent)
    assert everything() == before


@pytest.mark.parametrize(
    "slot", ["", "soon", "2026-03-04T02:01+00:00", "2031-01-01T00:00+00:00", "9999-12-31T23:59+00:00"]
)
def test_odd_times_move_nothing(signed_in, visit, slot):
    before = everything()
    assert signed_in.post(mine(visit, "move/"), {"slot": slot}).status_code == 422
    sent = signed_in.post(mine(visit, "move/check/"), {"slot": slot, "hold": "tampered"})
    assert sent.status_code in (302, 422)
    assert signed_in.get(mine(visit, f"move/check/?slot={slot}&hold=%00")).status_code in (200, 302, 400)
    assert everything() == before


def test_somebody_else_s_hold_is_of_no_use_for_another_window(signed_in, visit, time):
    other = hold_window(services=[center.service()], region=center.region(), starts_at=WEDNESDAY, at=time.at)
    signed_in.post(
        mine(visit, "move/check/"), {"slot": times.value_of(THURSDAY + timedelta(days=1)), "hold": other.key}
    )
    assert now_of(visit).starts_at == THURSDAY + timedelta(days=1)
    assert Hold.objects.get() == other


# --- cancelling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["portal", "link"])
def test_cancelling_asks_once_keeps_first_and_needs_no_reason(signed_in, visit, time, how):
    address = mine(visit) if how == "portal" else link(visit, at=time.at)
    visitor = signed_in if how == "portal" else Visitor()
    page = visitor.get(f"{address}cancel/")
    said = words(page)
    assert said.index("Keep the visit") < said.index("Reason (optional)") < said.index("Cancel the visit")
    refused = visitor.post(f"{address}cancel/", {"reason": "字" * 2001})
    assert refused.status_code == 422
    assert "字" * 2001 in refused.content.decode()
    for _twice in range(2):
        visitor.post(f"{address}cancel/", {"reason": ""})
    assert now_of(visit).state == State.CANCELLED
    assert not Reservation.objects.exists()
    assert "Nobody will come." in words(visitor.get(address))
    assert visitor.get(f"{address}cancel/").url == address
    assert CaseEvent.objects.filter(case_id=visit.pk, kind="visit_cancelled").count() == 1


def test_a_cancelled_visit_is_booked_again_with_what_is_known(signed_in, visit, customer):
    services.cancel_appointment(appointment_id=visit.pk, by=customer, at=MONDAY)
    begun = signed_in.post(reverse("portal:case_book", args=[visit.number]))
    assert begun.url == reverse("portal:book_step", args=["when"])
    assert "Broadband repair, about 1 hour 5-1203 Lake Road, East" in words(signed_in.get(begun.url))


# --- the calendar ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["portal", "link"])
def test_the_calendar_file_says_the_same_time(signed_in, visit, time, how):
    address = mine(visit) if how == "portal" else link(visit, at=time.at)
    answer = (signed_in if how == "portal" else Visitor()).get(f"{address}visit.ics")
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="{visit.number}.ics"'
    event = Calendar.from_ical(answer.content).walk("VEVENT")[0]
    assert event.decoded("dtstart") == THURSDAY
    assert "1203" not in str(event["location"])


def test_the_calendar_file_speaks_the_language_of_the_page_and_leads_back_to_it(signed_in, visit, time):
    signed_in.post("/", {"switch": "zh-hans"})
    event = Calendar.from_ical(signed_in.get(mine(visit, "visit.ics")).content.decode()).walk("VEVENT")[0]
    assert event["summary"].startswith("宽带维修")
    assert event["url"].endswith(mine(visit))
    assert mine(visit) in event["description"]
    assert "*" not in event["location"]
    assert "5-1203" not in event["location"]


def test_without_a_time_there_is_no_calendar_file(signed_in, customer, technician):
    asked = book(customer, starts_at=None, at=MONDAY)
    assert "Add to calendar" not in words(signed_in.get(mine(asked)))
    assert signed_in.get(mine(asked, "visit.ics")).status_code == 404
