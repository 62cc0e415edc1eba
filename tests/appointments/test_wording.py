"""One time in the page, the text message, the mail and the calendar file (lessons.md 35), in the site's own zone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone, translation
from icalendar import Calendar

from appointments import services, wording
from appointments.ics import calendar_file
from notifications import templates
from notifications.models import Message
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _center():
    center.center()
    center.technician()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Tuesday 3 March, 10:00–12:00 (Beijing time)"),
        ("zh-hans", "3月3日（星期二）10:00–12:00（北京时间）"),
    ],
)
def test_page_message_mail_and_calendar_say_the_same(language, said):
    visit = book(builders.customer(language=language, email="li@example.com"))
    # A server or a reader in another zone changes nothing: the visit is where the door is.
    with timezone.override("America/New_York"), translation.override(language):
        assert wording.time_of(visit) == said
        message = Message.objects.get(case=visit, template="visit_booked")
        text = templates.render_sms("visit_booked", language, message.context)
        assert said in text.replace("-12:00", "–12:00")  # the letters of a text message have no long dash
        subject, body = templates.render("visit_booked", language, message.context)
        assert said in subject
        assert said in body
        event = Calendar.from_ical(message.calendar).walk("VEVENT")[0]
    assert event.decoded("dtstart") == TUESDAY_TEN
    assert event.decoded("dtend") == TUESDAY_TEN + TWO_HOURS
    local = event.decoded("dtstart")
    assert (local.hour, str(local.tzinfo)) == (10, "Asia/Shanghai")


def test_a_change_replaces_and_a_cancellation_removes():
    visit = book(starts_at=TUESDAY_TEN + timedelta(days=2))
    first = event_of(calendar_file(visit, at=MONDAY))
    visit = services.move_appointment(
        appointment_id=visit.pk, starts_at=TUESDAY_TEN + timedelta(days=3), by=visit.customer, at=MONDAY
    )
    second = event_of(calendar_file(visit, at=MONDAY))
    visit = services.cancel_appointment(appointment_id=visit.pk, by=visit.customer, at=MONDAY)
    third = event_of(calendar_file(visit, at=MONDAY))
    assert first["uid"] == second["uid"] == third["uid"]
    assert first["sequence"] < second["sequence"] < third["sequence"]
    assert (str(second["status"]), str(third["status"])) == ("CONFIRMED", "CANCELLED")
    assert second.decoded("dtstart") - first.decoded("dtstart") == timedelta(days=1)


def event_of(text: str):
    return Calendar.from_ical(text).walk("VEVENT")[0]
