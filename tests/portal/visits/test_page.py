"""A visit on the customer's page: what it says, by a link too, and to whom; confirming it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from appointments import services, visits, waitlist
from appointments.messages import arrival_code
from appointments.models import Appointment, VisitRating
from appointments.states import State
from appointments.wording import day_text, hours_text
from cases.models import CaseEvent
from notifications.models import Message
from portal import times
from tests import builders
from tests.appointments.center import book
from tests.builders import MONDAY
from tests.portal.visitors import OTHER_PHONE, PHONE, Visitor, link, words

from .mine import ACTS, THURSDAY, WEDNESDAY, everything, finish, jump, mine, now_of

pytestmark = pytest.mark.django_db

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
