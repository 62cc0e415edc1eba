"""What staff's states, promises and times are called before customers (interface.md §16)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from cases.models import Case
from common import clockface
from sla.arithmetic import Limit
from sla.arithmetic.limits import DayLimit, RunningLimit
from tickets.states import State, Type

# A space between Chinese and Latin letters or figures (interface.md §15), also where a value was put in.
_BETWEEN_SCRIPTS = re.compile(r"(?<=[\u4e00-\u9fff])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])(?=[\u4e00-\u9fff])")


def filled(pattern: str, **facts: object) -> str:
    """A sentence with its values in."""
    return spaced(pattern % facts)


def spaced(text: str) -> str:
    """The same with a space wherever the scripts change."""
    return _BETWEEN_SCRIPTS.sub(" ", text)


_AFTER_STOP = re.compile(r"(?<=[\u3002\uff01\uff1f\uff1a])\s+")  # full-width stops bring their own space


def joined(*sentences: object) -> str:
    """Sentences one after the other, as the reader's language sets them; empty ones are left out."""
    return _AFTER_STOP.sub("", " ".join(str(sentence) for sentence in sentences if sentence))


# --- times -----------------------------------------------------------------------------------------------------------


def when(value: datetime, now: datetime) -> str:
    """`16:10 today`, `09:00 tomorrow`, else `Fri 20 Nov, 15:30`, with the year when it is another one."""
    local, today = timezone.localtime(value), timezone.localtime(now)
    facts = {
        "time": date_format(local, "H:i"),
        "day": date_format(local, pgettext("day and month", "j M")),
        "weekday": clockface.weekday(local),
    }
    apart = (local.date() - today.date()).days
    if apart == 0:
        return _("%(time)s today") % facts
    if apart == 1:
        return _("%(time)s tomorrow") % facts
    if local.year != today.year:
        return clockface.full_when(value)
    return _("%(weekday)s %(day)s, %(time)s") % facts


def due(value: datetime, limits: Iterable[str], now: datetime) -> str:
    """The instant something is due; a day limit ends with its day (24:00 is stored as the next midnight)."""
    local = timezone.localtime(value)
    at_midnight = (local.hour, local.minute, local.second) == (0, 0, 0)
    if at_midnight and any(Limit.parse(text).ends_at_midnight for text in limits):
        last = local - timedelta(days=1)
        return _("the end of %(weekday)s %(day)s") % {
            "day": date_format(last, pgettext("day and month", "j M")),
            "weekday": clockface.weekday(last),
        }
    return when(value, now)


def length(span: timedelta) -> str:
    """`40 minutes`, `3 hours`, `2 days`: rounded, as people say it."""
    minutes = max(1, round(abs(span.total_seconds()) / 60))
    if minutes < 90:
        return ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}
    hours = round(minutes / 60)
    if hours <= 72:
        return ngettext("%(count)s hour", "%(count)s hours", hours) % {"count": hours}
    days = round(hours / 24)
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}


def limit(text: str) -> str:
    """One limit of a promise: `15 minutes`, `24 hours`, `7 working days`."""
    parsed = Limit.parse(text)
    if isinstance(parsed, RunningLimit):
        return length(parsed.span)
    if isinstance(parsed, DayLimit) and parsed.working:
        return ngettext("%(count)s working day", "%(count)s working days", parsed.days) % {"count": parsed.days}
    if isinstance(parsed, DayLimit):
        return ngettext("%(count)s day", "%(count)s days", parsed.days) % {"count": parsed.days}
    return str(parsed)


# --- what it is ------------------------------------------------------------------------------------------------------


def title(case: Case) -> str:
    """What a matter is called before the customer: its category, else its kind. The subject is staff's shorthand."""
    category = case.category
    if category is None:
        return _TYPES[case.type]() if case.type in _TYPES else case.get_type_label()
    root = category
    while root.parent_id and root.parent:
        root = root.parent
    if root.pk == category.pk:
        return str(category)
    return pgettext("a service and what is wrong with it", "%(service)s: %(matter)s") % {
        "service": root,
        "matter": category,
    }


_TYPES: dict[str, Callable[[], str]] = {
    Type.ENQUIRY: lambda: _("Your question"),
    Type.SERVICE_REQUEST: lambda: _("Your request"),
    Type.FAULT: lambda: _("Fault report"),
    Type.SUGGESTION: lambda: _("Your suggestion"),
    Type.ORDER: lambda: _("Your order"),
}

# --- how it stands ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """How a matter stands: in a word, with its icon and tint, and in a sentence."""

    word: str | Promise
    icon: str
    tone: str
    sentence: str | Promise


_RECEIVED = Standing(
    pgettext_lazy("state of a matter", "Received"),
    "inbox",
    "brand",
    gettext_lazy("We have received it. A colleague will take it up."),
)
_WORKING = Standing(gettext_lazy("Being handled"), "wrench", "brand", gettext_lazy("We are working on it."))
STANDINGS: dict[str, Standing] = {
    State.NEW: _RECEIVED,
    State.ASSIGNED: _RECEIVED,
    State.RETURNED: _WORKING,
    State.IN_PROGRESS: _WORKING,
    State.HELD: _WORKING,
    State.IN_REVIEW: _WORKING,
    State.PENDING: Standing(
        gettext_lazy("Waiting for you"),
        "message-circle",
        "soon",
        gettext_lazy("We need something from you before we can go on."),
    ),
    State.RESOLVED: Standing(
        gettext_lazy("Please confirm"), "circle-check", "ok", gettext_lazy("We think it is solved. Is it?")
    ),
    State.CLOSED: Standing(gettext_lazy("Finished"), "circle-check", "ok", gettext_lazy("This request is closed.")),
    State.CANCELLED: Standing(gettext_lazy("Withdrawn"), "circle-x", "", gettext_lazy("This request was withdrawn.")),
    State.MERGED: Standing(
        gettext_lazy("Joined"), "link", "", gettext_lazy("We handle it together with another report of yours.")
    ),
}


def standing(case: Case) -> Standing:
    return STANDINGS.get(case.state) or Standing(case.get_state_label(), "clipboard-list", "", "")
