"""Rating a visit, and waiting for an earlier one."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from appointments import conversation, waitlist
from appointments.models import Hold, VisitRating, WaitlistEntry, WaitlistOffer
from appointments.states import State
from cases.models import CaseEvent
from notifications.models import Message
from portal import times
from portal.models import Session
from tests import builders
from tests.appointments.center import TUESDAY_TEN, book
from tests.builders import MONDAY
from tests.portal.visitors import Visitor, link, words

from .mine import THURSDAY, WEDNESDAY, finish, jump, mine, now_of

pytestmark = pytest.mark.django_db

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
