"""The pages of a visit: what they say in each state, who may open and change what, and that opening changes nothing."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from icalendar import Calendar

from appointments import conversation, services, visits, waitlist
from appointments.booking import hold_window
from appointments.messages import arrival_code
from appointments.models import Appointment, Hold, Reservation, VisitRating, WaitlistEntry, WaitlistOffer
from appointments.states import State
from appointments.wording import day_text, hours_text
from cases.models import CaseEvent, Note
from customers.models import Customer
from notifications.models import Message
from portal import times
from portal.models import Session
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book
from tests.appointments.test_life import RECORD
from tests.builders import MONDAY
from tests.portal.visitors import OTHER_PHONE, PHONE, Visitor, link, words

pytestmark = pytest.mark.django_db
WEDNESDAY, THURSDAY = TUESDAY_TEN + timedelta(days=1), TUESDAY_TEN + timedelta(days=2)
ACTS = ["", "visit.ics", "reconfirm/", "move/", "move/check/", "cancel/", "rate/", "wait/", "offer/"]


@pytest.fixture(autouse=True)
def _center(time, settings):
    center.center()
    settings.SERVICE_PHONE = "400-000-0000"


@pytest.fixture
def technician():
    person = center.technician("zhao")
    person.name = "Zhao Lei"
    person.save(update_fields=["name"])
    return person


@pytest.fixture
def customer(time) -> Customer:
    return builders.customer("王建国", PHONE, language="en", preferred_channel="sms")


@pytest.fixture
def visit(customer, technician) -> Appointment:
    return book(customer, starts_at=THURSDAY, address=center.address(customer), region=None)


@pytest.fixture
def signed_in(visitor, customer) -> Visitor:
    visitor.sign_in()
    return visitor


def mine(visit: Appointment, act: str = "") -> str:
    return reverse("portal:case", args=[visit.number]) + act


def now_of(visit: Appointment) -> Appointment:
    return Appointment.objects.get(pk=visit.pk)


def finish(visit: Appointment, technician, at) -> None:
    visits.arrive(appointment_id=visit.pk, by=technician, at=at)
    visits.keep_record(appointment_id=visit.pk, by=technician, values=RECORD)
    visits.finish(appointment_id=visit.pk, report="New splitter 🔧", by=technician, at=at)


def jump(time, at) -> None:
    """Days later, to somebody whose session lasts."""
    time.at = at
    Session.objects.update(ends_at=at + timedelta(hours=12))


def everything():
    """All rows that a page could have changed."""
    return (
        list(Appointment.objects.values()), list(CaseEvent.objects.values_list("hash", flat=True)),
        Note.objects.count(), Message.objects.count(), Hold.objects.count(), list(Reservation.objects.values()),
        VisitRating.objects.count(),
        list(WaitlistEntry.objects.values()), list(WaitlistOffer.objects.values()),
    )  # fmt: skip


# --- what the page says ----------------------------------------------------------------------------------------------


def test_booked_days_ahead_it_says_when_where_and_no_name_yet(signed_in, visit, time):
    page = words(signed_in.get(mine(visit)))
    assert f"{day_text(THURSDAY)} {hours_text(THURSDAY, THURSDAY + timedelta(hours=2))}" in page
    assert "Thursday 5 March 10:00–12:00" in page
    assert "5-1203 Lake Road, East" in page
    assert visit.number in page
    assert "Change time" in page
    assert "until Thu 5 Mar, 08:00" in page
    assert "Zhao" not in page
    assert arrival_code(visit) not in page
    assert "Visit booked" in page
    assert "Waiting for the visit now" not in page
    assert 'aria-current="step"' in signed_in.get(mine(visit)).content.decode()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_on_the_day_it_names_the_technician_and_the_code(visit, technician, time, language):
    visitor = Visitor(language)
    visitor.sign_in()
    jump(time, THURSDAY - timedelta(minutes=30))
    page = words(visitor.get(mine(visit)))
    assert "Zhao Lei" in page
    assert f"{technician.pk:04d}" in page
    assert arrival_code(visit) in page
    assert "400-000-0000" in page
    assert technician.username not in page
    visits.set_off(appointment_id=visit.pk, minutes=20, by=technician, at=time.at)
    page = words(visitor.get(mine(visit)))
    assert ("on the way. Expected: 09:50 today" if language == "en" else "预计今天 09:50") in page
    visits.arrive(appointment_id=visit.pk, by=technician, at=THURSDAY)
    page = words(visitor.get(mine(visit)))
    assert ("With you" if language == "en" else "正在上门") in page
    assert arrival_code(visit) not in page


def test_done_it_shows_the_report_and_asks_how_it_was(signed_in, visit, technician, time):
    jump(time, THURSDAY)
    finish(visit, technician, THURSDAY)
    page = words(signed_in.get(mine(visit)))
    assert "What we did: New splitter 🔧" in page
    assert "Rate this visit" in page
    assert "Change time" not in page
    assert "Book it again" in page
    assert "Done 10:00 today" in words(signed_in.get(reverse("portal:cases")))


def test_a_missed_visit_says_sorry_what_is_owed_and_how_to_go_on(signed_in, visit, technician, time):
    jump(time, THURSDAY + timedelta(hours=3))
    visits.report_missed(appointment_id=visit.pk, by=technician, at=time.at)
    page = words(signed_in.get(mine(visit)))
    assert "We are sorry: we did not come in the time we promised." in page
    assert "We owe you ¥20.00, because we did not come within the promised time." in page
    assert "Choose a time" in page
    services_free = signed_in.get(mine(visit, "move/"))
    assert services_free.status_code == 200


def test_late_is_said_before_anybody_asks(signed_in, visit, technician, time):
    jump(time, THURSDAY + timedelta(hours=1))
    assert "by 12:00 today at the latest" in words(signed_in.get(mine(visit)))
    jump(time, THURSDAY + timedelta(hours=2, minutes=1))
    assert "We are late, and we are sorry." in words(signed_in.get(mine(visit)))


def test_what_waits_for_a_time_stands_first_on_home_and_in_the_list(signed_in, visit, customer):
    asked = book(customer, starts_at=None, at=MONDAY)
    for address in ("portal:home", "portal:cases"):
        page = words(signed_in.get(reverse(address)))
        assert "Visit Thu 5 Mar, 10:00–12:00" in page
        assert page.index("We will call you to agree on a time") < page.index("Visit Thu 5 Mar")
    assert "We will call you by" in words(signed_in.get(mine(asked)))


def test_ten_more_visits_cost_home_no_more_statements(signed_in, visit, customer):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            signed_in.get(reverse("portal:home"))
        return len(queries)

    few = cost()
    for _number in range(10):
        book(customer, starts_at=None, at=MONDAY)
    assert cost() == few


# --- by a link -------------------------------------------------------------------------------------------------------


def test_the_message_s_link_opens_this_one_visit_only(visitor, visit, customer, time):
    other = book(customer, starts_at=None, at=MONDAY)
    address = link(visit, at=time.at)
    answer = visitor.get(address)
    page = words(answer)
    assert answer.status_code == 200
    assert "Thursday 5 March 10:00–12:00" in page
    assert "*** Lake Road, East" in page
    assert "1203" not in page
    assert "My requests" not in page
    assert other.number not in page
    assert answer["Referrer-Policy"] == "no-referrer"
    assert visitor.get(mine(visit)).url.startswith(reverse("portal:sign_in"))
    # What is the page of a ticket is none of a visit's.
    assert visitor.post(f"{address}confirm/").status_code == 404
    assert visitor.get(f"{address}write/").status_code == 404


def test_opening_changes_nothing_whoever_opens(signed_in, visit, technician, time):
    """Scanners of mail open every link before the customer does."""
    waitlist.join_waitlist(appointment_id=visit.pk, by=visit.customer, at=time.at)
    waitlist.offer_window(WEDNESDAY, at=time.at)
    before = everything()
    robot = Visitor()
    for act in ACTS:
        for purpose in ("view", "book", "rate", "confirm"):
            robot.get(link(visit, purpose, at=time.at, act=act))
            robot.head(link(visit, purpose, at=time.at, act=act))
        signed_in.get(mine(visit, act))
    assert everything() == before


@pytest.mark.parametrize(
    ("purpose", "changes", "rates"),
    [("view", True, True), ("book", True, False), ("rate", False, True), ("confirm", False, False)],
)
def test_what_a_link_may_do_depends_on_what_it_is_for(visitor, visit, technician, time, purpose, changes, rates):
    address = link(visit, purpose, at=time.at)
    slot = times.value_of(WEDNESDAY)
    before = everything()
    answers = [
        visitor.post(f"{address}reconfirm/"), visitor.post(f"{address}move/", {"slot": slot}),
        visitor.post(f"{address}move/check/", {"slot": slot}), visitor.post(f"{address}wait/"),
        visitor.post(f"{address}cancel/", {"reason": ""}),
    ]  # fmt: skip
    if changes:
        assert [answer.status_code for answer in answers] == [302] * 5
        assert now_of(visit).state == State.CANCELLED
    else:
        assert [answer.status_code for answer in answers] == [403] * 5
        assert everything() == before
        page = words(visitor.get(address))
        assert "Change time" not in page
        assert "Yes, this time suits me" not in page
        jump(time, THURSDAY)
        finish(visit, technician, THURSDAY)
        visitor.post(link(visit, purpose, at=time.at, act="rate/"), {"score": "5"})
        assert VisitRating.objects.exists() == rates


def test_links_that_do_not_work_say_so(visitor, visit, time):
    from cases.links import revoke_links

    old = link(visit, at=MONDAY - timedelta(days=40))
    for act in ACTS:
        for answer in (visitor.get(old + act), visitor.post(old + act)):
            assert answer.status_code == 410
            assert "This link has expired" in words(answer)
        assert visitor.get(f"/m/AAAA{'A' * 30}/{act}").status_code == 404
    good = link(visit, at=time.at)
    # Another last letter may spell the same bytes; one spelling is right.
    damaged = good[:-2] + ("B" if good[-2] != "B" else "C") + "/"
    assert visitor.get(damaged).status_code == 404
    assert visitor.get(good).status_code == 200
    revoke_links(case_id=visit.pk, by=None, at=time.at)
    assert visitor.get(good).status_code == 404


def test_an_expired_link_is_sent_again(visitor, visit, time):
    old = link(visit, at=MONDAY - timedelta(days=40))
    assert visitor.post(f"{old}again/").status_code == 200
    message = Message.objects.get(case=visit, template="matter_link")
    path = re.search(r"/m/[^/]+/", str(message.context) + str(message.secret))[0]
    assert visitor.get(path).status_code == 200
    assert visitor.get(f"{path}move/").status_code == 200
    time.skip(minutes=2)
    sent = visitor.post(reverse("portal:link_lost"), {"number": visit.number, "phone": PHONE})
    assert sent.status_code == 200
    assert Message.objects.filter(case=visit, template="matter_link").count() == 2


def test_a_link_sent_again_after_the_visit_lets_one_rate(visitor, visit, technician, time):
    jump(time, THURSDAY + timedelta(hours=2))
    finish(visit, technician, THURSDAY)
    visitor.post(f"{link(visit, at=MONDAY - timedelta(days=40))}again/")
    path = re.search(r"/m/[^/]+/", Message.objects.get(template="matter_link").context["link"])[0]
    assert "Rate this visit" in words(visitor.get(path))
    visitor.post(f"{path}rate/", {"score": "4"})
    assert VisitRating.objects.get().score == 4


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ACTS)
def test_strangers_other_customers_and_staff_find_nothing(visit, technician, act, time):
    stranger, other = Visitor(), Visitor()
    builders.customer("别人", OTHER_PHONE)
    other.sign_in(OTHER_PHONE)
    before = everything()
    for answer in (stranger.get(mine(visit, act)), stranger.post(mine(visit, act))):
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("portal:sign_in"))
    assert other.get(mine(visit, act)).status_code == 404
    assert other.post(mine(visit, act)).status_code == 404
    for role in ("agent", "auditor", "lead", "dispatcher", "administrator"):
        staff = Visitor()
        staff.force_login(builders.person(role))
        answer = staff.post(mine(visit, act), {"score": "5", "slot": times.value_of(WEDNESDAY)})
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("portal:sign_in"))
    assert everything() == before


def test_staff_never_rate(visit, technician, time):
    """Not by their session, whatever they may do elsewhere (requirements.md §30, point 36)."""
    finish(visit, technician, THURSDAY)
    for role in ("agent", "lead", "technician", "auditor"):
        staff = Visitor()
        staff.force_login(builders.person(role))
        staff.post(mine(visit, "rate/"), {"score": "5"})
    assert not VisitRating.objects.exists()


def test_forms_of_other_sites_change_nothing_for_who_is_signed_in(visit, customer, time):
    visitor = Visitor(enforce_csrf_checks=False)
    visitor.sign_in()
    visitor.handler.enforce_csrf_checks = True
    for act in ("reconfirm/", "cancel/", "move/", "move/check/", "wait/", "offer/", "rate/"):
        assert visitor.post(mine(visit, act)).status_code == 403
    assert now_of(visit).state == State.BOOKED


# --- confirming ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["portal", "link"])
def test_the_time_is_confirmed_by_one_button(signed_in, visit, time, how):
    jump(time, THURSDAY - timedelta(hours=24))
    address = mine(visit) if how == "portal" else link(visit, at=time.at)
    visitor = signed_in if how == "portal" else Visitor()
    assert "Yes, this time suits me" in words(visitor.get(address))
    for _again in range(2):
        assert visitor.post(f"{address}reconfirm/").url == f"{address}?said=confirmed"
    assert now_of(visit).reconfirmed_at == time.at
    assert CaseEvent.objects.get(case_id=visit.pk, kind="visit_reconfirmed").facts == {"how": how}
    page = words(visitor.get(address))
    assert "Yes, this time suits me" not in page
    assert "You confirmed the time" in page


def test_who_has_only_just_chosen_the_time_is_not_asked_whether_it_suits(signed_in, visit, time):
    jump(time, THURSDAY - timedelta(hours=26))
    assert "Yes, this time suits me" in words(signed_in.get(mine(visit)))
    moved = services.move_appointment(
        appointment_id=visit.pk, starts_at=WEDNESDAY, by=now_of(visit).customer, at=time.at
    )
    Appointment.objects.filter(pk=moved.pk).update(told_at=time.at, state=State.CONFIRMED)
    page = words(signed_in.get(mine(visit)))
    assert "Yes, this time suits me" not in page
    assert "Confirmed" in page


@pytest.mark.parametrize("slot", ["2020-01-01T02:00+00:00", "2026-03-04T03:17+00:00"])
def test_a_change_to_a_time_that_cannot_be_is_not_put_to_be_confirmed(signed_in, visit, time, slot):
    assert signed_in.get(mine(visit, "move/check/"), {"slot": slot}).url == mine(visit, "move/")


def test_a_change_that_may_not_be_made_is_not_put_to_be_confirmed(signed_in, visit, time):
    slot = {"slot": times.value_of(WEDNESDAY)}
    assert signed_in.get(mine(visit, "move/check/"), slot).status_code == 200
    Appointment.objects.filter(pk=visit.pk).update(moved_by_customer=services.MOST_MOVES)
    assert signed_in.get(mine(visit, "move/check/"), slot).url == mine(visit, "move/")


def test_what_may_no_longer_be_moved_is_not_offered_to_be_changed(signed_in, visit, time):
    assert "You can change or cancel free of charge until" in words(signed_in.get(mine(visit)))
    Appointment.objects.filter(pk=visit.pk).update(moved_by_customer=services.MOST_MOVES)
    page = words(signed_in.get(mine(visit)))
    assert "You can cancel free of charge until" in page
    assert "change or cancel" not in page


def test_nobody_is_asked_to_confirm_what_is_called_confirmed(signed_in, visit, time):
    Appointment.objects.filter(pk=visit.pk).update(told_at=time.at, state=State.CONFIRMED)
    assert "Confirmed" in words(signed_in.get(mine(visit)))
    jump(time, THURSDAY - timedelta(hours=24))
    page = words(signed_in.get(mine(visit)))
    assert "Please confirm the time" in page
    assert "Confirmed" not in page


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


# --- rating ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["portal", "link"])
def test_a_low_score_says_what_went_wrong_and_what_becomes_of_it(signed_in, visit, technician, time, how):
    lead = builders.person("lead", team=technician.team)
    jump(time, THURSDAY + timedelta(hours=1))
    finish(visit, technician, THURSDAY)
    address = mine(visit) if how == "portal" else link(visit, "rate", at=time.at)
    visitor = signed_in if how == "portal" else Visitor()
    page = words(visitor.get(f"{address}rate/"))
    assert "1 Very poor 2 Poor 3 Fair 4 Good 5 Very good" in page
    assert "What went wrong?" in page
    unscored = visitor.post(f"{address}rate/", {"comment": "Muddy boots 🥾"})
    assert unscored.status_code == 422
    assert "Muddy boots 🥾" in unscored.content.decode()
    for bad in ({"score": "6"}, {"score": "5.5"}, {"score": "2", "reasons": "rain"}):
        assert visitor.post(f"{address}rate/", bad).status_code == 422
    data = {"score": "2", "reasons": ["late", "attitude"], "comment": "Muddy boots 🥾"}
    for _twice in range(2):
        visitor.post(f"{address}rate/", data)
    rating = VisitRating.objects.get()
    assert (rating.score, rating.reasons, rating.comment, rating.channel) == (
        2,
        ["late", "attitude"],
        "Muddy boots 🥾",
        how,
    )
    thanks = words(visitor.get(f"{address}rate/"))
    assert "The team lead has been told and will read your answer." in thanks
    assert Message.objects.get(template="visit_low_rating_notice").person == lead
    assert "Rate this visit" not in words(visitor.get(address))


@pytest.mark.parametrize("how", ["portal", "link"])
def test_who_wants_a_call_says_when_and_reads_that_it_comes(signed_in, visit, technician, time, how):
    jump(time, THURSDAY + timedelta(hours=1))
    finish(visit, technician, THURSDAY)
    address = mine(visit) if how == "portal" else link(visit, "rate", at=time.at)
    visitor = signed_in if how == "portal" else Visitor()
    page = visitor.get(f"{address}rate/")
    assert "Shall we call you about it? 138****5678" in words(page)
    assert re.findall(r'name="callback" value="(\w*)"[^>]* checked', page.content.decode()) == [""]
    unscored = visitor.post(f"{address}rate/", {"callback": "morning"})
    assert re.findall(r'name="callback" value="(\w*)"[^>]* checked', unscored.content.decode()) == ["morning"]
    assert visitor.post(f"{address}rate/", {"score": "4", "callback": "midnight"}).status_code == 422
    visitor.post(f"{address}rate/", {"score": "4", "callback": "morning"})
    assert VisitRating.objects.get().callback == "morning"
    promise = "We will call you at 138****5678, in the morning."
    assert promise in words(visitor.get(f"{address}rate/"))
    conversation.record_call(appointment_id=visit.pk, by=builders.person("dispatcher"), note="Rang", reached=True)
    assert promise not in words(visitor.get(f"{address}rate/"))


def test_the_browser_cuts_nothing_off_what_is_written(signed_in, visit, technician, time):
    """It would do so in silence: the server says how much is too much, and what was typed stays."""
    cancel = signed_in.post(mine(visit, "cancel/"), {"reason": "🐕" * 2001})
    assert cancel.status_code == 422
    assert "That is 2001 characters; we can take 2000." in words(cancel)
    assert "🐕" * 2001 in cancel.content.decode()
    assert "maxlength" not in cancel.content.decode()


def test_without_a_telephone_no_call_is_offered(visit, technician, time):
    jump(time, THURSDAY + timedelta(hours=1))
    finish(visit, technician, THURSDAY)
    visit.customer.contacts.all().delete()
    address = link(visit, "rate", at=time.at, act="rate/")
    assert "Shall we call you" not in words(Visitor().get(address))
    Visitor().post(address, {"score": "4", "callback": "any"})
    assert VisitRating.objects.get().callback == ""


def test_a_good_score_is_thanked_for(signed_in, visit, technician, time):
    jump(time, THURSDAY + timedelta(hours=1))
    finish(visit, technician, THURSDAY)
    signed_in.post(mine(visit, "rate/"), {"score": "5"})
    thanks = words(signed_in.get(mine(visit, "rate/")))
    assert "Your answer helps us to keep it that way." in thanks
    assert "lead" not in thanks


def test_what_is_not_done_cannot_be_rated(signed_in, visit):
    assert signed_in.get(mine(visit, "rate/")).url == mine(visit)
    assert signed_in.post(mine(visit, "rate/"), {"score": "5"}).url == mine(visit)
    assert not VisitRating.objects.exists()


# --- something earlier -----------------------------------------------------------------------------------------------


def test_somebody_who_waits_is_offered_an_earlier_time_for_ten_minutes(signed_in, visit, time):
    assert "Tell me if an earlier time comes free" in words(signed_in.get(mine(visit)))
    assert signed_in.post(mine(visit, "wait/")).url.endswith("said=waiting")
    assert "We will tell you if an earlier time comes free: any day." in words(signed_in.get(mine(visit)))
    assert "No longer needed" in words(signed_in.get(mine(visit, "wait/")))
    waitlist.offer_window(WEDNESDAY, at=time.at)
    address = link(visit, "book", at=time.at)
    holder = Visitor()
    page = holder.get(address)
    assert "An earlier time is free Wednesday 4 March 10:00–12:00" in words(page)
    assert "We keep this time for you until 14:10." in words(page)
    assert f'data-until="{int((time.at + timedelta(minutes=10)).timestamp() * 1000)}"' in page.content.decode()
    assert holder.post(f"{address}offer/").url == f"{address}?said=taken"
    assert now_of(visit).starts_at == WEDNESDAY
    assert holder.post(f"{address}offer/").url == f"{address}?said=taken", "a button pressed twice"
    assert holder.post(f"{address}offer/", {"decline": "1"}).url == f"{address}?said=over", "too late to say no"


@pytest.mark.parametrize("how", ["portal", "link"])
def test_a_customer_says_when_somebody_could_be_at_home(signed_in, visit, time, how):
    address = mine(visit) if how == "portal" else link(visit, at=time.at)
    visitor = signed_in if how == "portal" else Visitor()
    assert visitor.get(f"{address}wait/").status_code == 200
    wish = {"weekdays": ["3"], "parts": ["morning", "evening"], "first_on": "", "last_on": "2026-03-04"}
    for _twice in range(2):
        assert visitor.post(f"{address}wait/", wish).url == f"{address}?said=waiting"
    entry = WaitlistEntry.objects.get()
    assert (entry.weekdays, entry.parts, entry.first_on) == ([3], ["morning", "evening"], None)
    assert CaseEvent.objects.filter(case_id=visit.pk, kind="visit_waitlisted").count() == 1
    page = visitor.get(address)
    assert "We will tell you if an earlier time comes free: Wed · Morning, Evening · until 4 Mar." in words(page)
    # Changed later: filled in as it was, and the place in the line stays.
    time.skip(minutes=5)
    form = visitor.get(f"{address}wait/").content.decode()
    assert re.findall(r'value="(\w+)"[^>]* checked', form) == ["3", "morning", "evening"]
    assert 'value="2026-03-04"' in form
    visitor.post(f"{address}wait/", {"parts": ["evening"]})
    changed = WaitlistEntry.objects.get()
    assert (changed.parts, changed.last_on, changed.joined_at) == (["evening"], None, entry.joined_at)
    assert waitlist.offer_window(WEDNESDAY, at=time.at) is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"last_on": "2026-02-01"}, "This day has passed. Please choose a later one."),
        ({"first_on": "2026-03-09"}, "Your visit is earlier than that."),
        ({"first_on": "tomorrow"}, "Please write the day like 2026-03-31."),
        ({"first_on": "2026-03-05", "last_on": "2026-03-04"}, "The last day comes before the first."),
        ({"weekdays": ["6", "7"]}, "None of these days comes in that time."),
        ({"weekdays": ["8"]}, "Please choose one of these."),
    ],
)
def test_a_wish_that_cannot_be_met_is_said_and_kept_as_typed(signed_in, visit, typed, said):
    refused = signed_in.post(mine(visit, "wait/"), {"parts": ["evening"], **typed})
    assert refused.status_code == 422
    assert said in words(refused)
    assert re.findall(r'value="(evening)"[^>]* checked', refused.content.decode()) == ["evening"]
    assert not WaitlistEntry.objects.exists()


def test_switching_the_language_keeps_the_wish(signed_in, visit):
    switched = signed_in.post(mine(visit, "wait/"), {"weekdays": ["2", "3"], "first_on": "x", "switch": "zh-hans"})
    assert re.findall(r'value="(\d)"[^>]* checked', switched.content.decode()) == ["2", "3"]
    assert 'value="x"' in switched.content.decode()
    assert not WaitlistEntry.objects.exists()


def test_who_found_no_fitting_time_is_offered_one_that_gets_free(signed_in, customer, technician, time):
    asked = book(customer, starts_at=None, at=MONDAY)
    assert "Tell me when a time comes free" in words(signed_in.get(mine(asked)))
    signed_in.post(mine(asked, "wait/"), {"weekdays": ["3"]})
    assert waitlist.offer_window(TUESDAY_TEN, at=time.at) is None
    waitlist.offer_window(WEDNESDAY, at=time.at)
    assert Message.objects.filter(case=asked, template="visit_offer_first").count() == 1
    assert "A time is free Wednesday 4 March 10:00–12:00" in words(signed_in.get(mine(asked)))
    taken = signed_in.post(mine(asked, "offer/"))
    assert "Your time is booked." in words(signed_in.get(taken.url))
    assert (now_of(asked).starts_at, now_of(asked).state) == (WEDNESDAY, State.BOOKED)


def test_what_is_done_or_on_the_way_waits_for_nothing(signed_in, visit, technician, time):
    jump(time, THURSDAY)
    finish(visit, technician, THURSDAY)
    assert signed_in.get(mine(visit, "wait/")).url == mine(visit)
    assert signed_in.post(mine(visit, "wait/")).url == mine(visit)
    assert not WaitlistEntry.objects.exists()


def test_no_is_an_answer_and_late_is_too_late(signed_in, visit, time):
    waitlist.join_waitlist(appointment_id=visit.pk, by=visit.customer, at=time.at)
    waitlist.offer_window(WEDNESDAY, at=time.at)
    for _twice in range(2):
        assert signed_in.post(mine(visit, "offer/"), {"decline": "1"}).url.endswith("said=declined")
    assert now_of(visit).starts_at == THURSDAY
    assert WaitlistOffer.objects.get().outcome == "declined"
    waitlist.offer_window(TUESDAY_TEN, at=time.at)
    time.skip(minutes=10)
    assert "An earlier time is free" not in words(signed_in.get(mine(visit)))
    over = signed_in.post(mine(visit, "offer/"))
    assert "This offer is no longer open." in words(signed_in.get(over.url))
    assert now_of(visit).starts_at == THURSDAY
    signed_in.post(mine(visit, "wait/"), {"leave": "1"})
    assert WaitlistEntry.objects.get().ended_at == time.at


def test_a_choice_of_one_s_own_leaves_the_offer_s_hold_alone(signed_in, visit, time):
    waitlist.join_waitlist(appointment_id=visit.pk, by=visit.customer, at=time.at)
    offer = waitlist.offer_window(WEDNESDAY, at=time.at)
    signed_in.post(mine(visit, "move/"), {"slot": times.value_of(TUESDAY_TEN)})
    assert Hold.objects.filter(key=offer.hold_key).exists()
    assert Hold.objects.count() == 2
    assert Session.objects.count() == 1
