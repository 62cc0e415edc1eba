"""How times and deadlines read: pure functions from instants and durations to words (interface.md §10 and §15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import floor
from typing import Literal

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from . import clock

State = Literal["running", "paused", "met", "missed", "broken", "none"]
Level = Literal["ok", "soon", "over", "paused", "met", "missed"]

ICONS: dict[Level, str] = {
    "ok": "timer",
    "soon": "hourglass",
    "over": "octagon-alert",
    "paused": "circle-pause",
    "met": "circle-check",
    "missed": "circle-x",
}
WARN = timedelta(minutes=30)


@dataclass(frozen=True)
class Chip:
    """One finished SLA chip: right without script, and enough for <sla-timer> to go on counting."""

    level: Level
    icon: str
    words: str
    due_ms: int | None
    warn_s: int | None
    label: str

    @property
    def label_pattern(self) -> str:
        """The accessible name with the words left open, so that the page can renew it."""
        return self.label.replace(self.words, "{words}")


def span(length: timedelta) -> str:
    """`1d 4h` from a day, `2h 42m` from an hour, `27:55` below; the sign is dropped."""
    seconds = floor(abs(length.total_seconds()))
    days, hours = seconds // 86400, seconds // 3600 % 24
    minutes = seconds // 60 % 60
    if days:
        return _("%(days)sd %(hours)sh") % {"days": days, "hours": hours}
    if hours:
        return _("%(hours)sh %(minutes)sm") % {"hours": hours, "minutes": f"{minutes:02d}"}
    return f"{minutes:02d}:{seconds % 60:02d}"


def chip(
    *,
    state: State,
    due_at: datetime | None = None,
    left: timedelta | None = None,
    over: timedelta | None = None,
    took: timedelta | None = None,
    warn: timedelta = WARN,
    now: datetime,
    name: str | Promise = "",
) -> Chip | None:
    """The chip of one clock, or None when there is nothing to show."""
    if state == "running":
        return _running(due_at, warn, now, str(name)) if due_at else None
    if state == "paused":
        return _still("paused", _paused_words(left), str(name))
    if state == "met":
        words = _("Met in %(span)s") % {"span": span(took)} if took is not None else _("Met")
        return _still("met", words, str(name))
    if state == "missed":
        words = _("Missed by %(span)s") % {"span": span(over)} if over is not None else _("Missed")
        return _still("missed", words, str(name))
    if state == "broken":
        return _still("missed", _("Broken by us"), str(name))
    return None


def level(due_at: datetime, warn: timedelta, now: datetime) -> Level:
    if due_at < now:
        return "over"
    return "soon" if due_at - now <= warn else "ok"


def _running(due_at: datetime, warn: timedelta, now: datetime, name: str) -> Chip:
    at_level = level(due_at, warn, now)
    length = {"span": span(due_at - now)}
    words = _("Over %(span)s") % length if at_level == "over" else _("%(span)s left") % length
    facts = {"name": name, "words": words, "at": when(due_at, now)}
    label = _("%(name)s, %(words)s, due %(at)s") % facts if name else _("%(words)s, due %(at)s") % facts
    due_ms = int(due_at.timestamp() * 1000)
    return Chip(at_level, ICONS[at_level], words, due_ms, int(warn.total_seconds()), label)


def _paused_words(left: timedelta | None) -> str:
    if left is None:
        return _("Paused")
    if left < timedelta(0):
        return _("Paused · over %(span)s") % {"span": span(left)}
    return _("Paused · %(span)s left") % {"span": span(left)}


def _still(at_level: Level, words: str, name: str) -> Chip:
    label = _("%(name)s, %(words)s") % {"name": name, "words": words} if name else words
    return Chip(at_level, ICONS[at_level], words, None, None, label)


def when(value: datetime, now: datetime | None = None) -> str:
    """`14:20` today, else `20 Nov, 14:20`, with the year when it is another one."""
    local, today = timezone.localtime(value), timezone.localtime(now or clock.now())
    if local.date() == today.date():
        return date_format(local, "H:i")
    if local.year == today.year:
        return date_format(local, pgettext("date format", "j M, H:i"))
    return date_format(local, pgettext("date format", "j M Y, H:i"))


def full_when(value: datetime) -> str:
    """`Fri 20 Nov 2026, 15:30`: nothing left to guess, for hints and letters."""
    local = timezone.localtime(value)
    return _("%(weekday)s %(day)s, %(time)s") % {
        "weekday": weekday(local),
        "day": date_format(local, pgettext("date format", "j M Y")),
        "time": date_format(local, "H:i"),
    }


def day(value: datetime) -> str:
    """`20 November 2026`."""
    return date_format(timezone.localtime(value), pgettext("date format", "j F Y"))


def plain_day(value: date) -> str:
    """`20 Nov 2026`, of a date that has no time."""
    return date_format(value, pgettext("date format", "j M Y"))


def hours(starts: datetime, ends: datetime) -> str:
    """`Fri 20 Nov 2026, 08:00–17:00`; with the second day where the span ends on another one."""
    first, last = timezone.localtime(starts), timezone.localtime(ends)
    if last.date() != first.date():  # spaces, so that the hours before and the day after are not read as one
        return f"{full_when(starts)} – {date_format(last, pgettext('date format', 'j M, H:i'))}"
    return f"{full_when(starts)}–{date_format(last, 'H:i')}"


def ago(value: datetime, now: datetime | None = None) -> str:
    """`5 min ago` within the hour; after that, and for what lies ahead, the time itself."""
    present = now or clock.now()
    minutes = floor((present - value).total_seconds() / 60)
    if minutes == 0:
        return _("just now")
    return _("%(minutes)s min ago") % {"minutes": minutes} if 0 < minutes < 60 else when(value, present)


def weekday(local: datetime) -> str:
    # Django's own Chinese catalogue says the long name even for the short form.
    return [
        pgettext("weekday", "Mon"),
        pgettext("weekday", "Tue"),
        pgettext("weekday", "Wed"),
        pgettext("weekday", "Thu"),
        pgettext("weekday", "Fri"),
        pgettext("weekday", "Sat"),
        pgettext("weekday", "Sun"),
    ][local.weekday()]


def counting_words() -> dict[str, str]:
    """What <sla-timer> says while it counts: the same sentences, with {…} for the numbers."""
    return {
        "days": _("%(days)sd %(hours)sh") % {"days": "{d}", "hours": "{h}"},
        "hours": _("%(hours)sh %(minutes)sm") % {"hours": "{h}", "minutes": "{m}"},
        "left": _("%(span)s left") % {"span": "{span}"},
        "over": _("Over %(span)s") % {"span": "{span}"},
    }
