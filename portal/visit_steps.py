"""The steps of a visit as its customer sees them: what was done, what is now and what comes, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from appointments.states import PROMISED, TO_BOOK, State

from . import words
from .matters import Step

if TYPE_CHECKING:
    from .visits import Visit


def steps_of(shown: Visit) -> list[Step]:
    """What was done, what is now and what comes."""
    visit = shown.visit
    steps = []
    ticket = visit.for_ticket
    if ticket is not None and shown.door.signed_in:
        told = _("Fault reported") if ticket.type == "fault" else _("Received")
        steps.append(Step("done", "check", told, words.when(ticket.received_at, shown.now)))
    if visit.state == State.REQUESTED:
        steps.append(Step("done", "check", _("Visit requested"), words.when(visit.received_at, shown.now)))
    else:
        steps.append(Step("done", "check", _("Visit booked"), words.when(visit.received_at, shown.now)))
    if visit.reconfirmed_at and visit.state != State.CANCELLED:
        steps.append(Step("done", "check", _("You confirmed the time"), words.when(visit.reconfirmed_at, shown.now)))
    return steps + _FOLLOWING[visit.state](shown)


def _to_agree(shown: Visit) -> list[Step]:
    said = {
        State.ABSENT: _("We did not meet you"),
        State.MISSED: _("We did not come"),
        State.FAILED: _("Not solved on this visit"),
    }.get(State(shown.visit.state))
    before = [Step("broken", "triangle-alert", said, shown.short)] if said else []
    title = pgettext("step of a visit", "A new time") if said else pgettext("step of a visit", "A time")
    return [
        *before,
        # The sentence stands above already.
        Step("now", "calendar-clock", title, _("Choose one above, or wait for our call.") if shown.may_move else ""),
        Step("next", "truck", _("The technician will come")),
        Step("next", "circle-check", _("Work done")),
    ]


def _booked(shown: Visit) -> list[Step]:
    who = shown.technician
    waiting = (
        _("%(technician)s. We will tell you before they set off.") % {"technician": who} if who else shown.sentence
    )
    work_done = Step("next", "circle-check", _("Work done"), _("Then we will ask you how it went."))
    if shown.asks:
        return [
            Step(
                "now", "message-circle", _("Please confirm the time"), _("So that nobody makes the trip for nothing.")
            ),
            Step("next", "truck", _("The technician will come"), waiting),
            work_done,
        ]
    return [Step("now", "calendar-clock", _("Waiting for the visit"), waiting), work_done]


def _under_way(shown: Visit) -> list[Step]:
    said = _("%(technician)s. %(sentence)s") % {"technician": shown.technician, "sentence": shown.sentence}
    return [
        Step("now", "truck", _("On the way to you"), said if shown.technician else shown.sentence),
        Step("next", "circle-check", _("Work done"), _("Then we will ask you how it went.")),
    ]


def _on_site(shown: Visit) -> list[Step]:
    return [
        Step("now", "wrench", _("At work with you"), shown.technician),
        Step("next", "circle-check", _("Work done"), _("Then we will ask you how it went.")),
    ]


def _done(shown: Visit) -> list[Step]:
    steps = []
    if shown.visit.arrived_at:
        steps.append(Step("done", "check", _("The technician came"), words.when(shown.visit.arrived_at, shown.now)))
    if shown.visit.closed_at:
        steps.append(Step("done", "check", _("Work done"), words.when(shown.visit.closed_at, shown.now)))
    if shown.rating is not None:
        steps.append(Step("done", "check", _("You rated the visit"), words.when(shown.rating.at, shown.now)))
    elif shown.may_rate:
        steps.append(Step("now", "star", _("How was it?"), _("Takes less than 20 seconds.")))
    return steps


def _cancelled(shown: Visit) -> list[Step]:
    closed = shown.visit.closed_at
    return [Step("broken", "x", _("Cancelled"), words.when(closed, shown.now) if closed else "")]


_FOLLOWING: dict[str, Callable[[Visit], list[Step]]] = {
    **dict.fromkeys(TO_BOOK, _to_agree),
    **dict.fromkeys(PROMISED, _booked),
    State.UNDER_WAY: _under_way,
    State.ON_SITE: _on_site,
    State.DONE: _done,
    State.CANCELLED: _cancelled,
}
