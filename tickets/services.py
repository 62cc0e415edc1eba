"""One function per use case on a ticket, from intake to review. Each locks the case first, and tells the whole story
in one transaction.

What is said on it is in `conversation`, what it turns out to be in `handling`, its end in `ending`. In all of them `by`
is who did it (None: the system); `at` is the true moment, so that history can be entered late and replayed.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from cases.links import Purpose, link_address
from cases.models import Category, Note
from cases.querysets import locks_rows
from cases.states import SPOKEN_CHANNELS, Channel, Severity, Urgency
from common import clock
from common.bulk import reserve_key
from common.errors import DomainError, InvalidInput, NotAllowed
from common.given import choice, text
from common.transitions import run
from customers.models import Address, Customer, Region
from notifications.services import notify
from staff.models import Team, User

from . import events, notes, permissions
from .importing import walk
from .models import Ticket
from .states import HoldReason, State, Type, WaitReason

# --- opening -------------------------------------------------------------------------------------------------------


@transaction.atomic
def open_ticket(
    *,
    subject: str,
    type: str,
    channel: str,
    by: User | Customer | None,
    customer: Customer | None = None,
    description: str = "",
    category: Category | None = None,
    region: Region | None = None,
    address: Address | None = None,
    urgency: str = Urgency.NORMAL,
    severity: str = Severity.ONE,
    complex: bool = False,
    needs_visit: bool = False,
    team: Team | None = None,
    owner: User | None = None,
    received_at: datetime | None = None,
    at: datetime | None = None,
    acknowledge: bool = True,
    imported: bool = False,
) -> Ticket:
    """Register a request first and check it afterwards (requirements.md INT-03); return the new ticket.

    Starts its clocks from `received_at` (default: now). At the phone and the counter the intake itself is the first
    reply. What a customer opens (`by`) goes to the team of its category, else to the one that dispatches. `imported`
    marks a record of another system.
    Raises InvalidInput naming the field that cannot be taken.
    """
    now = at or clock.now()
    person = None if isinstance(by, Customer) else by
    if not isinstance(by, Customer):
        permissions.allow(by, "tickets.open")
    elif customer is None or by.pk != customer.pk:
        raise NotAllowed
    if address is not None and (customer is None or address.customer_id != customer.pk):
        raise InvalidInput(_("Choose one of the values offered."), field="address")
    received = received_at or now
    if received > now:
        raise InvalidInput(_("The time of receipt lies in the future."), field="received_at")
    subject = text(subject, "subject", _("Say in a few words what it is about."), most=200)
    ticket = Ticket(
        kind=Ticket.KIND,
        type=choice(type, Type, "type"),
        channel=choice(channel, Channel, "channel"),
        state=State.NEW,
        subject=subject,
        description=description.strip(),
        category=category,
        region=region,
        address=address,
        customer=customer,
        customer_grade=customer.grade if customer else "",
        urgency=choice(urgency, Urgency, "urgency"),
        severity=choice(severity, Severity, "severity"),
        complex=complex,
        needs_visit=needs_visit and type == Type.FAULT,
        team=team or (person.team if person else _team_for(category) if by else None),
        owner=owner,
        first_contact=person,
        received_at=received,
        created_at=now,
        changed_at=now,
        imported=imported,
    )
    ticket.priority = ticket.rank()
    # Written once, at the end, with what its clocks and its timeline make of it.
    reserve_key(ticket)
    transitions = ["opened"]
    facts = [walk.imported(events.opened(ticket)) if imported else events.opened(ticket)]
    if ticket.needs_visit:
        transitions.append("visit_needed")
        facts.append(events.reached("visit_needed"))
    if description.strip():
        cases.add_note(
            ticket,
            body=description.strip(),
            visibility=Note.Visibility.PUBLIC,
            direction=Note.Direction.IN,
            channel=channel,
            at=received,
            by=customer or by,
        )
    if channel in SPOKEN_CHANNELS:
        transitions.append("first_reply")
    else:
        ticket.unanswered = 1
    if owner is not None:
        facts.append(events.assigned(ticket))
        run(ticket.assign)
    cases.record(ticket, *facts, transition=tuple(transitions), at=received, by=by)
    if acknowledge and customer is not None and channel not in SPOKEN_CHANNELS:
        link = link_address(ticket, Purpose.VIEW, at=now)
        notify("ticket_received", case=ticket, key=f"received-{ticket.pk}", at=now, context={"link": link})
    return ticket


# --- who works on it -----------------------------------------------------------------------------------------------


@transaction.atomic
def assign_ticket(
    *,
    ticket_id: int,
    by: User | None,
    owner: User | None = None,
    team: Team | None = None,
    hand_over: bool = False,
    version: int | None = None,
    at: datetime | None = None,
) -> Ticket:
    """Give the ticket to a person or a team; the clocks run on.

    Whoever took the first contact stays accountable (requirements.md INT-07), until `hand_over`: then the new owner is.
    """
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.assign", version=version)
    if owner is None and team is None:
        raise InvalidInput(_("Choose a person or a team."), field="owner")
    if hand_over and owner is None:
        raise InvalidInput(_("A formal hand-over is to a person."), field="owner")
    if owner is not None:
        if not owner.is_active:
            raise InvalidInput(_("This person no longer works here."), field="owner")
        if not owner.may("tickets.work"):
            raise InvalidInput(_("This person does not work on tickets."), field="owner")
        permissions.allow_handling(owner, ticket)
    ticket.owner = owner
    ticket.team = team or (owner.team if owner and owner.team_id else ticket.team)
    if ticket.state in (State.NEW, State.ASSIGNED, State.RETURNED):
        run(ticket.assign)
    elif not ticket.is_open:
        run(ticket.assign)  # refuses, and says why
    facts = [events.assigned(ticket)]
    if hand_over and ticket.first_contact_id != ticket.owner_id:
        facts.append(events.handed_over(ticket.first_contact_id, ticket.owner_id))
        ticket.first_contact = owner
    cases.record(ticket, *facts, transition="assign", at=now, by=by)
    return ticket


@transaction.atomic
def take_ticket(*, ticket_id: int, by: User, at: datetime | None = None) -> Ticket:
    """Take an unassigned ticket (or one's own) and start on it. A ticket somebody else has is refused."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    if ticket.owner_id not in (None, by.pk):
        raise DomainError(_("%(person)s has taken this ticket.") % {"person": ticket.owner})
    permissions.allow_picking(by, ticket)
    return _take(ticket, by=by, at=now)


def _take(ticket: Ticket, *, by: User, at: datetime) -> Ticket:
    ticket.owner = by
    if by.team_id:
        ticket.team = ticket.team or by.team
    run(ticket.start)
    cases.record(ticket, events.assigned(ticket), events.moved(ticket, "start"), transition="start", at=at, by=by)
    return ticket


@transaction.atomic
def take_next_ticket(*, by: User, at: datetime | None = None) -> Ticket | None:
    """Take the most urgent unassigned ticket of the team that this person may handle; None when there is none.

    Safe in a race: a row somebody else is taking at this moment is skipped, never waited for, never taken twice.
    """
    now = at or clock.now()
    permissions.allow(by, "tickets.work")
    waiting = Ticket.objects.visible_to(by).open().unassigned().filter(state__in=[State.NEW, State.ASSIGNED])
    if by.team_id:
        waiting = waiting.filter(team_id=by.team_id)
    if not by.may("tickets.take_complex"):
        waiting = waiting.filter(complex=False)
    ticket = (
        waiting.order_by("sort_due_at", "id")
        .select_for_update(no_key=True, skip_locked=locks_rows(), of=("case_ptr", "self"))
        .first()
    )
    return _take(ticket, by=by, at=now) if ticket else None


@transaction.atomic
def start_ticket(*, ticket_id: int, by: User | None, at: datetime | None = None) -> Ticket:
    """Begin to work on an assigned ticket."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    run(ticket.start)
    cases.record(ticket, events.moved(ticket, "start"), transition="start", at=now, by=by)
    return ticket


@transaction.atomic
def return_ticket(*, ticket_id: int, reason: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Hand a ticket that this unit cannot solve back to the dispatcher; the overall limit keeps running (TCK-20)."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    reason = text(reason, "reason", _("Say why your team cannot solve it."))
    run(ticket.return_to_dispatcher)
    ticket.team = _dispatchers() or ticket.team
    notes.internal(ticket, reason, at=now, by=by)
    cases.record(
        ticket,
        events.moved(ticket, "return_to_dispatcher", note=reason),
        transition="return_to_dispatcher",
        at=now,
        by=by,
    )
    return ticket


def _dispatchers() -> Team | None:
    return _team_for(None)


def _team_for(category: Category | None) -> Team | None:
    """Whose work a category is (requirements.md INT-09), where there is such a team; else the dispatchers."""
    code = category.team_code if category else ""
    teams = list(Team.objects.filter(Q(code=code) | Q(dispatches=True) if code else Q(dispatches=True)).order_by("pk"))
    return next((team for team in teams if team.code == code), next((t for t in teams if t.dispatches), None))


# --- waiting -------------------------------------------------------------------------------------------------------


@transaction.atomic
def wait_for_customer(*, ticket_id: int, reason: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Wait for the customer: pauses the clocks that may pause, five days at the longest."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    ticket.pause_reason = choice(reason, WaitReason, "reason")
    run(ticket.wait)
    cases.record(ticket, events.moved(ticket, "wait", reason=reason), transition="wait", at=now, by=by)
    return ticket


@transaction.atomic
def hold_ticket(*, ticket_id: int, reason: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Wait for somebody else; the clock runs unless the policy says otherwise."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    ticket.pause_reason = choice(reason, HoldReason, "reason")
    run(ticket.hold)
    cases.record(ticket, events.moved(ticket, "hold", reason=reason), transition="hold", at=now, by=by)
    return ticket


@transaction.atomic
def resume_ticket(*, ticket_id: int, by: User | None, at: datetime | None = None) -> Ticket:
    """Go on after waiting; closes the pause."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    run(ticket.resume)
    cases.record(ticket, events.moved(ticket, "resume"), transition="resume", at=now, by=by)
    return ticket


# --- review --------------------------------------------------------------------------------------------------------


@transaction.atomic
def submit_for_review(*, ticket_id: int, by: User | None, note: str = "", at: datetime | None = None) -> Ticket:
    """Ask for a review against the procedure; complex work passes two rounds (requirements.md TCK-11)."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    run(ticket.submit_for_review)
    if note.strip():
        notes.internal(ticket, note.strip(), at=now, by=by)
    cases.record(ticket, events.moved(ticket, "submit_for_review"), transition="submit_for_review", at=now, by=by)
    return ticket


@transaction.atomic
def review_ticket(
    *, ticket_id: int, passed: bool, by: User | None, note: str = "", at: datetime | None = None
) -> Ticket:
    """Pass the work or send it back with a note. Nobody reviews their own work (requirements.md §30, point 27)."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.review")
    if by is not None and by.pk == ticket.owner_id:
        raise DomainError(_("Nobody reviews their own work."))
    if not passed:
        note = text(note, "note", _("Say what must be changed."))
    run(ticket.pass_review if passed else ticket.send_back)
    if note.strip():
        notes.internal(ticket, note.strip(), at=now, by=by)
    verb = "pass_review" if passed else "send_back"
    cases.record(ticket, events.moved(ticket, verb), transition=verb, at=now, by=by)
    return ticket
