"""The end of a ticket, and beginning again: resolved, confirmed or closed in silence, taken up once more, cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from cases.links import Purpose, link_address
from cases.states import Channel
from common import clock
from common.errors import DomainError
from common.given import choice, text
from common.transitions import run
from customers.models import Customer
from notifications.services import notify, withdraw
from sla import timers
from staff.models import User

from . import events, exceptions, notes, permissions, silence, summaries
from .models import REOPEN_FOR, Ticket
from .states import State, Verified


@transaction.atomic
def resolve_ticket(
    *,
    ticket_id: int,
    resolution: str,
    verified: str,
    by: User | None,
    went_well: str = "",
    went_badly: str = "",
    idea: str = "",
    version: int | None = None,
    at: datetime | None = None,
) -> Ticket:
    """Resolve a ticket and tell the customer.

    Stops its deadlines, queues the completion notice and sets the silence timer in one transaction; the message leaves
    after commit. Raises TransitionRefused with the reasons. A summary (`summaries`) is among us and may be left out.
    """
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work", version=version)
    resolve(ticket, resolution=resolution, verified=verified, at=now, by=by)
    summaries.add_summary(ticket, went_well=went_well, went_badly=went_badly, idea=idea, at=now, by=by)
    return ticket


def resolve(ticket: Ticket, *, resolution: str, verified: str, at: datetime, by: User | None) -> Ticket:
    """What `resolve_ticket` does to a ticket whose lock is held."""
    ticket.resolution = resolution.strip()
    ticket.verified = choice(verified, Verified, "verified") if verified else ""
    run(ticket.resolve, at=at)
    ticket.unanswered = 0
    exceptions.solved_with(ticket, at=at)
    message = notify(
        "ticket_resolved",
        case=ticket,
        key=f"resolved-{ticket.pk}-{ticket.cycle}",
        at=at,
        context={
            "resolution": ticket.resolution,
            "time": silence.local_text(at, ticket),
            "link": silence.confirm_link(ticket, at=at),
        },
    )
    told = events.notice("queued" if message else "no_channel", template="ticket_resolved")
    silence.start(ticket, at=at)
    cases.record(ticket, events.resolved(ticket), told, transition="resolved", at=at, by=by)
    return ticket


@transaction.atomic
def confirm_ticket(*, ticket_id: int, by: Any, how: str = "call", at: datetime | None = None) -> Ticket:
    """The customer says that it is solved: closes at once. `how`: by call, or by the customer's own link or portal."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work", own=True)
    return confirm(ticket, how=how, at=now, by=by)


def confirm(ticket: Ticket, *, how: str, at: datetime, by: Any) -> Ticket:
    """What `confirm_ticket` does to a ticket whose lock is held."""
    ticket.confirmed_at = at
    run(ticket.close, at=at, because="confirmed")
    silence.end(ticket)
    cases.record(
        ticket, events.confirmed(how=how), events.closed(ticket), transition=("confirmed", "closed"), at=at, by=by
    )
    return ticket


@transaction.atomic
def close_silent_ticket(*, ticket_id: int, at: datetime) -> Ticket:
    """Close a resolved ticket of whose customer nothing was heard; counted apart from satisfied ones (§30, point 9)."""
    ticket = permissions.locked(ticket_id, None, "tickets.work")
    run(ticket.close, at=at, because="silence")
    silence.end(ticket)
    cases.record(ticket, events.closed(ticket), transition="closed", at=at)
    return ticket


@transaction.atomic
def reopen_ticket(*, ticket_id: int, reason: str, by: Any, at: datetime | None = None) -> Ticket:
    """Take a resolved or closed ticket up again, for 30 days after closing; a new cycle of promises begins."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work", own=True)
    reason = text(reason, "reason", _("Say what is not solved."))
    reopened = reopen(ticket, reason=reason, at=now, by=by)
    if isinstance(by, Customer):
        notes.said(ticket, reason, channel=Channel.WEB, at=now, by=by)
        cases.record(ticket, transition="customer_wrote", at=now, by=by)
    else:
        notes.internal(ticket, reason, at=now, by=by)
        cases.record(ticket, transition="noted", at=now, by=by)
    return reopened


def reopen(ticket: Ticket, *, reason: str, at: datetime, by: Any) -> Ticket:
    """What `reopen_ticket` does to a ticket whose lock is held."""
    if reasons := too_late_to_reopen(ticket, at=at):
        raise DomainError(*reasons)
    run(ticket.reopen)
    silence.end(ticket)
    withdraw(ticket, ["ticket_resolved"])  # nobody is told now that it is solved
    cases.record(ticket, events.reopened(ticket, reason), transition="reopened", at=at, by=by)
    return ticket


def too_late_to_reopen(ticket: Ticket, *, at: datetime) -> list[Any]:
    """Why a closed ticket stays closed whatever its lifecycle would allow; empty when it may be taken up again."""
    if ticket.state == State.CLOSED and ticket.closed_at is not None and at > ticket.closed_at + REOPEN_FOR:
        return [_("It was closed more than 30 days ago. Please open a new ticket.")]
    return []


@transaction.atomic
def cancel_ticket(*, ticket_id: int, reason: str, by: Any, at: datetime | None = None) -> Ticket:
    """End a ticket that the customer withdrew or that was opened by mistake; its promises become void.

    The customer is told, whose loop nobody closes in silence (requirements.md TRK-02); of a record from another system
    nobody is.
    """
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.cancel")
    reason = text(reason, "reason", _("Say why it is cancelled."))
    run(ticket.cancel, at=now)
    timers.cancel_timers(ticket)
    notes.internal(ticket, reason, at=now, by=by)
    facts = [events.cancelled(reason)]
    if ticket.customer_id is not None and not ticket.imported:
        link = link_address(ticket, Purpose.VIEW, at=now)
        message = notify("ticket_cancelled", case=ticket, key=f"cancelled-{ticket.pk}", at=now, context={"link": link})
        facts.append(events.notice("queued" if message else "no_channel", template="ticket_cancelled"))
    cases.record(ticket, *facts, transition="cancelled", at=now, by=by)
    return ticket
