"""The service exception of a ticket's round, as a strip of steps with the next one as its button."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from sla.models import Deadline
from tickets import exceptions
from tickets.models import Ticket

from .doors import roles
from .lists import Listing, address

TOLD = "exception_feedback"


@dataclass(frozen=True)
class Step:
    """`at`: when it was done, None while it is not; `text`: what was written; `url` and `verb`: its form, for who may
    fill it in now; `waits`: who does it, where that is somebody else."""

    words: str
    at: datetime | None = None
    text: str = ""
    url: str = ""
    verb: str = ""
    waits: str = ""


@dataclass(frozen=True)
class ExceptionCard:
    title: str
    steps: list[Step]
    dismissed: bool


def exception_card(ticket: Ticket, person: Any, listing: Listing, *, deadlines: list[Deadline]) -> ExceptionCard | None:
    """None where the ticket's present round has none."""
    found = exceptions.current(ticket)
    if found is None:
        return None
    works, judges = person.may("tickets.work"), person.may("tickets.review") and person.pk != found.reported_by_id

    def url(name: str, *, allowed: bool) -> str:
        return address("do", ticket, listing, name) if allowed else ""

    judged = found.judged_at is not None
    verdict = _("Judged") if not judged else _("Upheld") if found.upheld else _("No exception")
    steps = [
        Step(_("Reported"), found.reported_at, found.words),
        Step(
            verdict,
            found.judged_at,
            found.judgement,
            url("judge_exception", allowed=judges and not judged),
            _("Judge the exception"),
            "" if judges or judged else _("Waits for: %(roles)s") % {"roles": roles("tickets.review")},
        ),
    ]
    if found.upheld is not False:
        steps += [
            Step(
                _("Exception solved"),
                found.solved_at,
                found.solution,
                url("solve_exception", allowed=works and judged and found.solved_at is None),
                _("The exception is solved"),
            ),
            *_told(ticket, deadlines),
            Step(
                _("Followed up"),
                found.followed_up_at,
                found.follow_up,
                url("follow_up_exception", allowed=works and bool(found.solved_at) and not found.followed_up_at),
                _("Follow up the exception"),
            ),
        ]
    title = _("Service exception: %(kind)s") % {"kind": found.get_kind_display()}
    return ExceptionCard(title, steps, dismissed=found.upheld is False)


def _told(ticket: Ticket, deadlines: list[Deadline]) -> list[Step]:
    """When the customer was told, by the promise to do so; nothing where the policy promises nothing."""
    return [
        Step(_("Customer told"), deadline.stopped_at)
        for deadline in deadlines
        if (deadline.promise, deadline.cycle) == (TOLD, ticket.cycle)
    ]
