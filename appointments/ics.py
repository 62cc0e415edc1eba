"""The calendar file of a visit (RFC 5545): one event per appointment, whose sequence number grows with every change.

A calendar that has the event replaces it when a file with the same UID and a higher SEQUENCE comes, and takes it out
when the file says CANCELLED (lessons.md, part 3, booking flow).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from icalendar import Alarm, Calendar, Event, Timezone

from customers import masking

from .models import Appointment
from .states import State
from .windows import site_zone


@lru_cache(maxsize=4)
def _zone(name: str) -> Timezone:
    """The definition of a zone, which is nobody's own and never changed: to find its clock changes takes 20 ms."""
    return Timezone.from_tzid(name)


def uid_of(appointment: Appointment) -> str:
    """The name of the event, the same for life."""
    host = settings.PUBLIC_URL.partition("://")[2].partition("/")[0].partition(":")[0] or "localhost"
    return f"{appointment.number}@{host}"


def calendar_file(appointment: Appointment, *, at: datetime, language: str = "", page: str = "") -> str:
    """The file for the customer's calendar; empty where there is nothing to enter.

    `language` is that of who asks for it, else the customer's; `page` the address at which the visit can be changed by
    who signs in there, for calendars are shared with others. For the same reason the house number is left out.
    A visit without a time, or a cancelled one, that was booked before is taken out of the calendar again.
    """
    off = appointment.state in (State.CANCELLED, State.REQUESTED) or appointment.window is None
    if off and appointment.calendar_sequence == 0:
        return ""
    own = appointment.customer.language if appointment.customer else settings.LANGUAGE_CODE
    with translation.override(language or own):
        return _file(appointment, off=off, at=at, page=page)


def _file(appointment: Appointment, *, off: bool, at: datetime, page: str) -> str:
    name = settings.SERVICE_NAME["en" if (translation.get_language() or "").startswith("en") else "zh-hans"]
    calendar = Calendar()
    calendar.add("prodid", "-//Service Center//Visits//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if off else "PUBLISH")
    event = Event()
    event.add("uid", uid_of(appointment))
    event.add("dtstamp", at)
    event.add("sequence", appointment.calendar_sequence)
    event.add("status", "CANCELLED" if off else "CONFIRMED")
    what = _(", ").join(str(service) for service in appointment.services.all())
    event.add("summary", _("%(what)s (%(service)s)") % {"what": what, "service": name})
    window = appointment.window
    # Told in the site's own zone, so that a phone in another one still shows the visit at the door's hour.
    starts_at = (window.starts_at if window else at).astimezone(site_zone())
    ends_at = (window.ends_at if window else at + timedelta(hours=1)).astimezone(site_zone())
    event.add("dtstart", starts_at)
    event.add("dtend", ends_at)
    home = appointment.address
    event.add("location", masking.address(home.region, home.street, "") if home else str(appointment.region or ""))
    lines = [_("Reference: %(number)s") % {"number": appointment.number}]
    if page and not off:
        lines.append(_("See, change or cancel: %(page)s") % {"page": page})
        event.add("url", page)
    if settings.SERVICE_PHONE:
        lines.append(_("Questions: %(telephone)s") % {"telephone": settings.SERVICE_PHONE})
    event.add("description", "\n".join(lines))
    if not off:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", what)
        alarm.add("trigger", timedelta(hours=-2))
        event.add_component(alarm)
    calendar.add_component(event)
    for name in calendar.get_missing_tzids():
        calendar.subcomponents.insert(0, _zone(name))
    return str(calendar.to_ical().decode())
