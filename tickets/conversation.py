"""What is said on a ticket: replies and calls to the customer, notes among us, and the customer's own words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases import attachments
from cases import services as cases
from cases.attachments import Received
from cases.links import Purpose, link_address
from cases.models import Note
from cases.states import Channel
from common import clock
from common.errors import InvalidInput
from common.given import choice, text
from common.transitions import run
from customers.models import Customer
from notifications.services import notify
from staff.models import User

from . import ending, events, notes, permissions
from .meanwhile import require_not_overtaken
from .models import Ticket
from .states import State, WaitReason


@transaction.atomic
def reply_to_customer(
    *,
    ticket_id: int,
    body: str,
    by: User | None,
    then: str = "",
    reason: str = "",
    resolution: str = "",
    verified: str = "",
    at: datetime | None = None,
    key: str = "",
    seen: int | None = None,
    files: Sequence[Received] = (),
) -> Ticket:
    """Send a public reply, and in the same breath wait for the customer (`then="wait"`) or resolve (`then="resolve"`).

    Counts as first reply, unless nothing we have reaches this customer: then somebody has to call, and the clocks run
    on until a call is logged (lessons.md 15). `seen` is the number of the newest fact that the writer had before them:
    Overtaken where that was answered since (tickets.meanwhile). `key` (of the form) makes a double click one reply.
    `files` are kept with the reply for the customer to see; the message that leaves does not carry them.
    """
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    body = text(body, "body", _("Write the reply first."))
    if notes.sent_before(ticket, key, body):
        return ticket
    require_not_overtaken(ticket, seen=seen, by=by, then=then)
    note = cases.add_note(
        ticket,
        body=body,
        visibility=Note.Visibility.PUBLIC,
        direction=Note.Direction.OUT,
        at=now,
        by=by,
        external_id=f"form-{key}" if key else "",
    )
    attachments.attach_all(ticket, files, note=note, by=by, at=now)
    message = notify(
        "ticket_reply",
        case=ticket,
        key=f"note-{note.pk}",
        at=now,
        context={"text": body, "note": note.pk, "link": link_address(ticket, Purpose.VIEW, at=now)},
    )
    facts = [events.notice("queued" if message else "no_channel", template="ticket_reply")]
    transitions = ["noted"]
    if message is not None or ticket.customer_id is None:
        ticket.unanswered = 0
        transitions = ["first_reply", "replied"]
    if message is not None:
        note.channel = message.channel
        note.save(update_fields=["channel"])
    if then == "wait":
        ticket.pause_reason = choice(reason or WaitReason.CUSTOMER_TEST, WaitReason, "reason")
        run(ticket.wait)
        facts.append(events.moved(ticket, "wait", reason=ticket.pause_reason))
        transitions.append("wait")
    cases.record(ticket, *facts, transition=tuple(transitions), at=now, by=by)
    if then == "resolve":
        ending.resolve(ticket, resolution=resolution or body, verified=verified, at=now, by=by)
    return ticket


@transaction.atomic
def add_internal_note(
    *,
    ticket_id: int,
    body: str,
    by: User | None,
    at: datetime | None = None,
    key: str = "",
    files: Sequence[Received] = (),
) -> Ticket:
    """Add a note, with files or without, that only staff see; it answers nobody and stops no clock."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    body = text(body, "body", _("Write the note first."))
    if notes.sent_before(ticket, key, body):
        return ticket
    note = notes.internal(ticket, body, at=now, by=by, key=key)
    attachments.attach_all(ticket, files, note=note, by=by, at=now)
    cases.record(ticket, transition="noted", at=now, by=by)
    return ticket


@transaction.atomic
def log_call(
    *,
    ticket_id: int,
    body: str,
    outcome: str,
    by: User | None,
    confirmed: str = "",
    at: datetime | None = None,
    key: str = "",
) -> Ticket:
    """Record a call to the customer. A call that reached the customer answers; an unanswered one does not.

    On a resolved ticket `confirmed` may be "yes" (closes it) or "no" (reopens it).
    """
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    outcome = choice(outcome, Note.Outcome, "outcome")
    reached = outcome == Note.Outcome.REACHED
    body = (
        text(body, "body", _("Write what was said.")) if reached else body.strip() or str(Note.Outcome(outcome).label)
    )
    if notes.sent_before(ticket, key, body):
        return ticket
    if confirmed and not reached:
        raise InvalidInput(_("Only a customer who was reached can confirm."), field="confirmed")
    cases.add_note(
        ticket,
        body=body,
        visibility=Note.Visibility.PUBLIC if reached else Note.Visibility.INTERNAL,
        direction=Note.Direction.OUT if reached else Note.Direction.NONE,
        channel=Channel.PHONE,
        outcome=outcome,
        at=now,
        by=by,
        external_id=f"form-{key}" if key else "",
    )
    transitions: tuple[str, ...] = ("called",)
    if reached:
        ticket.unanswered = 0
        transitions = (
            "first_reply",
            "replied",
            *(("customer_told",) if ticket.state in (State.RESOLVED, State.CLOSED) else ()),
        )
    cases.record(ticket, transition=transitions, at=now, by=by)
    if confirmed == "yes":
        ending.confirm(ticket, how="call", at=now, by=by)
    elif confirmed == "no":
        ending.reopen(ticket, reason=body, at=now, by=by)
    return ticket


@transaction.atomic
def customer_wrote(
    *,
    ticket_id: int,
    body: str,
    channel: str,
    by: Customer | User | None = None,
    at: datetime | None = None,
    external_id: str = "",
    files: Sequence[Received] = (),
) -> Ticket:
    """Enter what the customer said and sent. Resumes a ticket that waited for it; idempotent by `external_id`."""
    now = at or clock.now()
    ticket: Ticket = Ticket.objects.locked(ticket_id)
    if isinstance(by, User):
        permissions.allow_visible(by, ticket)
        permissions.allow(by, "tickets.work")
    elif isinstance(by, Customer) and by.pk != ticket.customer_id:
        raise Ticket.DoesNotExist
    body = text(body, "body", _("Write what the customer said."))
    if external_id and Note.objects.filter(external_id=external_id).exists():
        return ticket
    note = notes.said(ticket, body, channel=choice(channel, Channel, "channel"), at=now, by=by, external_id=external_id)
    attachments.attach_all(ticket, files, note=note, by=by, at=now)
    transitions = ["customer_wrote"]
    facts = []
    if ticket.state == State.PENDING:
        run(ticket.resume)
        facts.append(events.moved(ticket, "resume"))
        transitions.append("resume")
    cases.record(ticket, *facts, transition=tuple(transitions), at=now, by=by)
    return ticket
