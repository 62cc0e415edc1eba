"""The summary after a ticket is solved (requirements.md TCK-15, TRK-07): what went well, what did not, an idea.

Asked of nobody. It is an internal note in the words of whoever wrote it; the timeline tells that there is one, and
whether it brings an idea.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from common import clock
from common.errors import DomainError, InvalidInput
from common.given import short
from staff.models import User

from . import events, notes, permissions
from .models import Ticket
from .states import DONE

LONGEST = 2000


def summary_refusals(ticket: Ticket) -> list[Any]:
    """Why nothing can be summed up now; empty when it can."""
    return [] if ticket.state in DONE else [_("A ticket is summed up once it is resolved.")]


@transaction.atomic
def summarize_ticket(
    *,
    ticket_id: int,
    by: User | None,
    went_well: str = "",
    went_badly: str = "",
    idea: str = "",
    key: str = "",
    at: datetime | None = None,
) -> Ticket:
    """Add a summary to a resolved or closed ticket. `key` (of the form) makes a double click one summary.

    Raises InvalidInput where nothing is written or too much, DomainError where the ticket is not solved yet.
    """
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    if reasons := summary_refusals(ticket):
        raise DomainError(*reasons)
    if not (went_well.strip() or went_badly.strip() or idea.strip()):
        raise InvalidInput(_("Write at least one of the three."), field="went_well")
    add_summary(ticket, went_well=went_well, went_badly=went_badly, idea=idea, key=key, at=now, by=by)
    return ticket


def add_summary(
    ticket: Ticket, *, went_well: str, went_badly: str, idea: str, at: datetime, by: User | None, key: str = ""
) -> None:
    """What `summarize_ticket` writes on a ticket whose lock is held; nothing where nothing was said."""
    written = {"went_well": went_well, "went_badly": went_badly, "idea": idea}
    said = {field: short(words, field, most=LONGEST) for field, words in written.items()}
    lines = {
        "went_well": gettext("What went well: %(words)s"),
        "went_badly": gettext("What did not go well: %(words)s"),
        "idea": gettext("Idea for improvement: %(words)s"),
    }
    body = "\n".join(lines[field] % {"words": words} for field, words in said.items() if words)
    if not body or notes.sent_before(ticket, key, body):
        return
    notes.internal(ticket, body, at=at, by=by, key=key)
    cases.record(ticket, events.summarized(idea=bool(said["idea"])), transition="summarized", at=at, by=by)
