"""How a visit's time reads: one function for the page, the SMS, the mail and the calendar file (lessons.md 35)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime

from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from common import clockface

from .models import Appointment
from .states import DayPart
from .windows import site_zone


def zone_name(at: datetime) -> str:
    """The name of the site's zone as people say it, else its distance from UTC."""
    zone = site_zone()
    if zone.key == "Asia/Shanghai":
        return _("Beijing time")
    offset = at.astimezone(zone).strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:]}"


def day_text(at: datetime) -> str:
    """`Sunday 22 November` / the Chinese form, in the site's zone."""
    return date_format(at.astimezone(site_zone()), pgettext("date format of a visit's day", "l j F"))


def hour_text(at: datetime) -> str:
    """`09:30` in the site's zone."""
    return f"{at.astimezone(site_zone()):%H:%M}"


def hours_text(starts_at: datetime, ends_at: datetime) -> str:
    """`10:00–12:00` in the site's zone."""
    zone = site_zone()
    return f"{starts_at.astimezone(zone):%H:%M}–{ends_at.astimezone(zone):%H:%M}"


def window_text(starts_at: datetime, ends_at: datetime) -> str:
    """Day, hours and zone of a window, in the active language."""
    return _("%(day)s, %(hours)s (%(zone)s)") % {
        "day": day_text(starts_at),
        "hours": hours_text(starts_at, ends_at),
        "zone": zone_name(starts_at),
    }


def weekday_text(number: int) -> str:
    """`Mon` for 1, as ISO 8601 counts them."""
    return clockface.weekday(datetime(2024, 1, number, tzinfo=UTC))  # a year that began on a Monday


def wish_text(first: date | None, last: date | None, weekdays: Collection[int], parts: Collection[str]) -> str:
    """When somebody could be at home, in a line: `Sat, Sun · Evening · from 5 Mar`; else that any day suits."""
    plain = pgettext("day and month", "j M")
    said = [
        pgettext("between two days", ", ").join(weekday_text(day) for day in sorted(weekdays)),
        pgettext("between two days", ", ").join(str(part.label) for part in DayPart if part in parts),
        _("from %(day)s") % {"day": date_format(first, plain)} if first else "",
        _("until %(day)s") % {"day": date_format(last, plain)} if last else "",
    ]
    return " · ".join(filter(None, said)) or _("any day")


def time_of(appointment: Appointment, language: str = "") -> str:
    """The promised window of an appointment in a language (default: the active one); empty without a time."""
    if appointment.starts_at is None or appointment.ends_at is None:
        return ""
    with translation.override(language or translation.get_language()):
        return window_text(appointment.starts_at, appointment.ends_at)
