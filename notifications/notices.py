"""Notices to staff: how each reads, in the reader's language at the moment of reading, and what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from common import clock, clockface

from .models import Message

# The rooms above know what a promise is called; they pass that on.
Titles = Callable[[str], str]
Say = Callable[[dict[str, Any]], str]
_register: dict[str, tuple[str, Say]] = {}


def reads(template: str, icon: str) -> Callable[[Say], Say]:
    """Register how notices of a template are said, and the icon beside them."""

    def enter(say: Say) -> Say:
        _register[template] = (icon, say)
        return say

    return enter


def known_templates() -> set[str]:
    return set(_register)


def sentence(message: Message, *, titles: Titles = str) -> str:
    """The notice in the reader's language; an unknown template is named rather than hidden."""
    if message.template not in _register:
        return _("Notice: %(template)s") % {"template": message.template}
    facts = {**message.context, "promise": titles(str(message.context.get("promise", "")))}
    facts["due"] = _due(message.context.get("due"))
    facts.setdefault("number", "")
    facts.setdefault("tier", "")
    return _register[message.template][1](facts)


def icon(message: Message) -> str:
    return _register.get(message.template, ("bell", str))[0]


def _due(text: Any) -> str:
    try:
        return clockface.when(datetime.fromisoformat(str(text)))
    except ValueError:
        return _("paused")


@reads("promise_warning", "hourglass")
def _promise_warning(facts: dict[str, Any]) -> str:
    return _("%(promise)s of %(number)s is due at %(due)s.") % facts


@reads("promise_escalated", "flag")
def _promise_escalated(facts: dict[str, Any]) -> str:
    return _("%(number)s was escalated to you: %(promise)s is due at %(due)s.") % facts


@reads("promise_missed", "octagon-alert")
def _promise_missed(facts: dict[str, Any]) -> str:
    return _("%(promise)s of %(number)s is overdue since %(due)s.") % facts


@reads("promise_still_missed", "octagon-alert")
def _promise_still_missed(facts: dict[str, Any]) -> str:
    return _("%(promise)s of %(number)s is still not met. It was due at %(due)s.") % facts


@reads("promise_corrected", "circle-check")
def _promise_corrected(facts: dict[str, Any]) -> str:
    return _("%(promise)s of %(number)s was met after all: the time was corrected.") % facts


@reads("pause_ended", "timer")
def _pause_ended(facts: dict[str, Any]) -> str:
    return _("%(number)s was paused for as long as it may be. %(promise)s runs again, due at %(due)s.") % facts


@reads("ticket_unheard", "phone-call")
def _ticket_unheard(facts: dict[str, Any]) -> str:
    return _("%(number)s is resolved, but the customer was not told or has answered. Please look.") % facts


@reads("ticket_escalated", "flag")
def _ticket_escalated(facts: dict[str, Any]) -> str:
    return _("%(number)s was escalated to tier T%(tier)s.") % facts


@reads("exception_reported", "triangle-alert")
def _exception_reported(facts: dict[str, Any]) -> str:
    return _("A service exception was reported on %(number)s. Please judge it.") % facts


@reads("calendar_incomplete", "calendar-days")
def _calendar_incomplete(facts: dict[str, Any]) -> str:
    return _(
        "The working days of %(year)s are not in the calendars yet (%(calendars)s): what is due then may still move. "
        "Load them when they are announced."
    ) % {"year": facts["year"], "calendars": ", ".join(facts["calendars"])}


# --- what was read ---------------------------------------------------------------------------------------------------


def of(person: Any) -> models.QuerySet[Message]:
    """A person's notices, the newest first."""
    return Message.objects.filter(person=person, channel=Message.Channel.IN_APP).order_by("-pk")


def unread(person: Any) -> models.QuerySet[Message]:
    return of(person).filter(read_at=None)


def mark_read(person: Any, ids: Iterable[int] | None = None, *, at: datetime | None = None) -> int:
    """Mark a person's own notices as read, all of them without `ids`; return how many were unread."""
    mine = Message.objects.filter(person=person, channel=Message.Channel.IN_APP, read_at=None)
    if ids is not None:
        mine = mine.filter(pk__in=list(ids))
    return mine.update(read_at=at or clock.now())
