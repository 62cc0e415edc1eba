"""What can be done with a ticket now, and what stands against the rest."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from common.transitions import fits, refusals
from sla.models import Deadline
from sla.states import DeadlineState
from tickets import exceptions
from tickets.checking import check_refusals
from tickets.ending import too_late_to_reopen
from tickets.handling import MILESTONES, escalation_refusals, milestone_refusals, visit_refusals
from tickets.models import Ticket
from tickets.permissions import picking_refusals
from tickets.states import Type, Verified, WaitReason
from tickets.summaries import summary_refusals

from .lists import Listing, address


@dataclass(frozen=True)
class Verb:
    """One thing that can be done with the ticket, or why it cannot be done now."""

    name: str
    words: str
    icon: str
    url: str
    reasons: tuple[str, ...] = ()
    asks: bool = False
    key: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Verbs:
    """The bar: what this state can lead to, greyed where something else stands against it; the rest is in the menu
    behind it, each with its reason."""

    bar: list[Verb]
    milestones: list[dict[str, Any]]
    more: list[Verb]

    @property
    def ready(self) -> list[Verb]:
        return [verb for verb in self.more if not verb.reasons]

    @property
    def refused(self) -> list[tuple[tuple[str, ...], list[Verb]]]:
        """What cannot be done now, under what stands against it: one reason is said once."""
        groups: dict[tuple[str, ...], list[Verb]] = {}
        for verb in self.more:
            if verb.reasons:
                groups.setdefault(verb.reasons, []).append(verb)
        return list(groups.items())


def with_form_filled(ticket: Ticket, person: Any) -> Ticket:
    """A copy as it would be once the form of a transition is filled in: what its form asks for is no refusal yet."""
    probe: Ticket = copy.copy(ticket)
    probe.resolution, probe.verified = "…", Verified.TEST
    probe.pause_reason = WaitReason.DOCUMENTS
    if probe.owner_id is None:
        probe.owner_id = person.pk
    return probe


def verbs_of(ticket: Ticket, person: Any, listing: Listing, *, deadlines: list[Deadline], now: datetime) -> Verbs:
    """Every verb this person's role may use, each with what stands against it at this moment."""
    probe = with_form_filled(ticket, person)

    def verb(name: str, words: str, icon: str, reasons: Iterable[Any], **more: Any) -> Verb:
        return Verb(name, words, icon, address("do", ticket, listing, name), tuple(map(str, reasons)), **more)

    if not person.may("tickets.work"):
        return Verbs([], [], [])
    start = verb("start", _("Start"), "check", refusals(probe.start), kind="primary")
    if ticket.owner_id is None:
        against = picking_refusals(person, ticket) or refusals(probe.start)
        start = verb("take", _("Take it"), "user-plus", against, kind="primary", key="t")
    moving = [
        start,
        verb("wait", _("Wait for customer"), "circle-pause", refusals(probe.wait), asks=True),
        verb("hold", _("Wait for others"), "clock", refusals(probe.hold), asks=True),
        verb("resume", _("Go on"), "arrow-left", refusals(ticket.resume)),
        verb("submit_for_review", _("Submit for review"), "eye", refusals(ticket.submit_for_review), asks=True),
    ]
    if person.may("tickets.review"):
        own = [_("Nobody reviews their own work.")] if ticket.owner_id == person.pk else []
        moving.append(verb("review", _("Review"), "clipboard-list", refusals(ticket.pass_review) or own, asks=True))
    resolve = verb("resolve", _("Resolve"), "circle-check", refusals(probe.resolve), asks=True, key="e")
    ending = [
        verb("confirm", _("Customer confirmed"), "circle-check", refusals(ticket.close)),
        verb(
            "reopen", _("Reopen"), "history", too_late_to_reopen(ticket, at=now) or refusals(ticket.reopen), asks=True
        ),
    ]
    closed = [] if ticket.is_open else [_("Only an open ticket can be changed.")]
    more = [
        verb("check", _("Check the details"), "clipboard-list", check_refusals(ticket), asks=True),
        verb("return", _("Return to the dispatcher"), "arrow-left", refusals(ticket.return_to_dispatcher), asks=True),
        verb("escalate", _("Escalate"), "flag", escalation_refusals(ticket), asks=True),
        verb("plan", _("Write the plan"), "calendar-days", closed, asks=True),
        verb(
            "report_exception",
            _("Report a service exception"),
            "triangle-alert",
            exceptions.report_refusals(ticket),
            asks=True,
        ),
    ]
    if ticket.type == Type.FAULT:
        more.append(verb("need_visit", _("A visit is needed"), "truck", visit_refusals(ticket)))
    if person.may("tickets.pause_beyond_cap"):
        paused = any(deadline.state == DeadlineState.PAUSED for deadline in deadlines)
        resting = [] if paused else [_("No clock of this case is paused.")]
        more.append(verb("extend_pause", _("Allow a longer pause"), "hourglass", resting, asks=True))
    if person.may("tickets.cancel"):
        more.append(verb("cancel", _("Cancel the ticket"), "x", refusals(ticket.cancel), asks=True, kind="danger"))
    summing = verb("summarize", _("Write a summary"), "square-pen", summary_refusals(ticket), asks=True)
    steps = [*moving, resolve, *ending]
    leads = {
        "start": ticket.start,
        "take": ticket.start,
        "wait": ticket.wait,
        "hold": ticket.hold,
        "resume": ticket.resume,
        "submit_for_review": ticket.submit_for_review,
        "review": ticket.pass_review,
        "resolve": ticket.resolve,
        "confirm": ticket.close,
        "reopen": ticket.reopen,
    }
    bar = [step for step in steps if fits(leads[step.name])]
    behind = [*([] if ticket.is_open else [summing]), *more, *(step for step in steps if step not in bar)]
    return Verbs(bar, _milestones(ticket, listing), behind)


def _milestones(ticket: Ticket, listing: Listing) -> list[dict[str, Any]]:
    """Of a fault: located, on site, restored; each a button until it is reached, then its time."""
    if ticket.type != Type.FAULT:
        return []
    words = {"located": _("Located"), "on_site": _("On site"), "restored": _("Restored")}
    names = {"located": "locate"}
    return [
        {
            "words": words[milestone],
            "at": getattr(ticket, column),
            "reasons": [str(reason) for reason in milestone_refusals(ticket, milestone)],
            "url": address("do", ticket, listing, names.get(milestone, milestone)),
        }
        for milestone, column in MILESTONES.items()
        if (milestone != "on_site" or ticket.needs_visit) and (ticket.is_open or getattr(ticket, column))
    ]
