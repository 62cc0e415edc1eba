"""One function per use case on a ticket. Each locks the case first, and tells the whole story in one transaction.

`by` is who did it (None: the system); `at` is the true moment, so that history can be entered late and replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases import attachments
from cases import services as cases
from cases.attachments import Received
from cases.links import Purpose, link_address
from cases.models import Category, Note
from cases.querysets import locks_rows
from cases.states import SPOKEN_CHANNELS, Channel, Severity, Urgency
from common import clock
from common.bulk import reserve_key
from common.errors import DomainError, InvalidInput, NotAllowed, StaleVersion
from common.transitions import run
from customers.models import Address, Customer, Region
from notifications.services import notify
from sla import timers
from staff.models import Team, User

from . import events, permissions, silence
from .importing import walk
from .models import REOPEN_FOR, Ticket
from .states import HoldReason, State, Type, Verified, WaitReason

MILESTONES = {"located": "located_at", "on_site": "on_site_at", "restored": "restored_at"}


def _locked(
    ticket_id: int, by: User | Customer | None, ability: str, *, own: bool = False, version: int | None = None
) -> Ticket:
    """The ticket with its case's lock held; refuses who may not see it (DoesNotExist) or not do it (NotAllowed).

    `own`: the customer whose ticket it is may do this too.
    """
    ticket: Ticket = Ticket.objects.locked(ticket_id)
    permissions.allow_visible(by, ticket)
    if not (own and isinstance(by, Customer)):
        permissions.allow(by, ability)
    _require_version(ticket, version)
    return ticket


def _require_version(ticket: Ticket, version: int | None) -> None:
    if version is not None and version != ticket.version:
        raise StaleVersion(
            _("Somebody changed this ticket since you opened it. Look at the change, then try again."),
            version=ticket.version,
        )


def _sent_before(ticket: Ticket, key: str, body: str) -> bool:
    """Whether this very form was taken already (a double click). With other words it is refused, not lost."""
    sent = Note.objects.filter(external_id=f"form-{key}").first() if key else None
    if sent is None:
        return False
    if (sent.case_id, sent.body) != (ticket.pk, body):
        raise StaleVersion(
            _("This form was sent before, with other words. Please send it again."), version=ticket.version
        )
    return True


def _choice(value: str, choices: Any, field: str) -> str:
    if value not in choices:
        raise InvalidInput(_("Choose one of the values offered."), field=field)
    return value


def _text(value: str, field: str, message: Any, *, most: int = 10000) -> str:
    value = value.strip()
    if not value:
        raise InvalidInput(message, field=field)
    if len(value) > most:
        raise InvalidInput(_("At most %(most)s characters, please.") % {"most": most}, field=field)
    return value


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
    reply. What a customer opens (`by`) goes to the team that dispatches. `imported` marks a record of another system.
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
    subject = _text(subject, "subject", _("Say in a few words what it is about."), most=200)
    ticket = Ticket(
        kind=Ticket.KIND,
        type=_choice(type, Type, "type"),
        channel=_choice(channel, Channel, "channel"),
        state=State.NEW,
        subject=subject,
        description=description.strip(),
        category=category,
        region=region,
        address=address,
        customer=customer,
        customer_grade=customer.grade if customer else "",
        urgency=_choice(urgency, Urgency, "urgency"),
        severity=_choice(severity, Severity, "severity"),
        complex=complex,
        needs_visit=needs_visit and type == Type.FAULT,
        team=team or (person.team if person else _dispatchers() if by else None),
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


@transaction.atomic
def check_ticket(*, ticket_id: int, passed: bool, by: User | None, at: datetime | None = None) -> Ticket:
    """Record that the details were checked after registering; a failed check never loses the record (INT-03)."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
    cases.record(ticket, events.checked(passed=passed), transition="checked", at=now, by=by)
    return ticket


# --- who works on it -----------------------------------------------------------------------------------------------


@transaction.atomic
def assign_ticket(
    *,
    ticket_id: int,
    by: User | None,
    owner: User | None = None,
    team: Team | None = None,
    version: int | None = None,
    at: datetime | None = None,
) -> Ticket:
    """Give the ticket to a person or a team; the clocks run on. The first contact stays accountable until then."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.assign", version=version)
    if owner is None and team is None:
        raise InvalidInput(_("Choose a person or a team."), field="owner")
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
    cases.record(ticket, events.assigned(ticket), transition="assign", at=now, by=by)
    return ticket


@transaction.atomic
def take_ticket(*, ticket_id: int, by: User, at: datetime | None = None) -> Ticket:
    """Take an unassigned ticket (or one's own) and start on it. A ticket somebody else has is refused."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
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
    ticket = _locked(ticket_id, by, "tickets.work")
    run(ticket.start)
    cases.record(ticket, events.moved(ticket, "start"), transition="start", at=now, by=by)
    return ticket


@transaction.atomic
def return_ticket(*, ticket_id: int, reason: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Hand a ticket that this unit cannot solve back to the dispatcher; the overall limit keeps running (TCK-20)."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
    reason = _text(reason, "reason", _("Say why your team cannot solve it."))
    run(ticket.return_to_dispatcher)
    ticket.team = _dispatchers() or ticket.team
    _internal(ticket, reason, at=now, by=by)
    cases.record(
        ticket,
        events.moved(ticket, "return_to_dispatcher", note=reason),
        transition="return_to_dispatcher",
        at=now,
        by=by,
    )
    return ticket


def _dispatchers() -> Team | None:
    return Team.objects.filter(dispatches=True).order_by("pk").first()


# --- conversation --------------------------------------------------------------------------------------------------


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
    version: int | None = None,
    files: Sequence[Received] = (),
) -> Ticket:
    """Send a public reply, and in the same breath wait for the customer (`then="wait"`) or resolve (`then="resolve"`).

    Counts as first reply. `key` (of the form) makes a double click one reply. `files` are kept with the reply for the
    customer to see; the message that leaves does not carry them.
    """
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
    body = _text(body, "body", _("Write the reply first."))
    if _sent_before(ticket, key, body):
        return ticket
    _require_version(ticket, version)
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
    _answered(ticket)
    message = notify(
        "ticket_reply",
        case=ticket,
        key=f"note-{note.pk}",
        at=now,
        context={"text": body, "link": link_address(ticket, Purpose.VIEW, at=now)},
    )
    facts = [events.notice("queued" if message else "no_channel", template="ticket_reply")]
    transitions = ["first_reply", "replied"]
    if message is not None:
        note.channel = message.channel
        note.save(update_fields=["channel"])
    if then == "wait":
        ticket.pause_reason = _choice(reason or WaitReason.CUSTOMER_TEST, WaitReason, "reason")
        run(ticket.wait)
        facts.append(events.moved(ticket, "wait", reason=ticket.pause_reason))
        transitions.append("wait")
    cases.record(ticket, *facts, transition=tuple(transitions), at=now, by=by)
    if then == "resolve":
        _resolve(ticket, resolution=resolution or body, verified=verified, at=now, by=by)
    return ticket


def _answered(ticket: Ticket) -> None:
    ticket.unanswered = 0


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
    ticket = _locked(ticket_id, by, "tickets.work")
    body = _text(body, "body", _("Write the note first."))
    if _sent_before(ticket, key, body):
        return ticket
    note = _internal(ticket, body, at=now, by=by, key=key)
    attachments.attach_all(ticket, files, note=note, by=by, at=now)
    cases.record(ticket, transition="noted", at=now, by=by)
    return ticket


def _internal(ticket: Ticket, body: str, *, at: datetime, by: User | None, key: str = "") -> Note:
    return cases.add_note(
        ticket,
        body=body,
        visibility=Note.Visibility.INTERNAL,
        direction=Note.Direction.NONE,
        at=at,
        by=by,
        external_id=f"form-{key}" if key else "",
    )


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
    ticket = _locked(ticket_id, by, "tickets.work")
    outcome = _choice(outcome, Note.Outcome, "outcome")
    reached = outcome == Note.Outcome.REACHED
    body = (
        _text(body, "body", _("Write what was said.")) if reached else body.strip() or str(Note.Outcome(outcome).label)
    )
    if _sent_before(ticket, key, body):
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
        _answered(ticket)
        transitions = (
            "first_reply",
            "replied",
            *(("customer_told",) if ticket.state in (State.RESOLVED, State.CLOSED) else ()),
        )
    cases.record(ticket, transition=transitions, at=now, by=by)
    if confirmed == "yes":
        _confirm(ticket, how="call", at=now, by=by)
    elif confirmed == "no":
        _reopen(ticket, reason=body, at=now, by=by)
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
    body = _text(body, "body", _("Write what the customer said."))
    if external_id and Note.objects.filter(external_id=external_id).exists():
        return ticket
    note = _said(ticket, body, channel=_choice(channel, Channel, "channel"), at=now, by=by, external_id=external_id)
    attachments.attach_all(ticket, files, note=note, by=by, at=now)
    transitions = ["customer_wrote"]
    facts = []
    if ticket.state == State.PENDING:
        run(ticket.resume)
        facts.append(events.moved(ticket, "resume"))
        transitions.append("resume")
    cases.record(ticket, *facts, transition=tuple(transitions), at=now, by=by)
    return ticket


def _said(ticket: Ticket, body: str, *, channel: str, at: datetime, by: Any, external_id: str = "") -> Note:
    """The customer's words, which wait for an answer from now on."""
    note = cases.add_note(
        ticket,
        body=body,
        visibility=Note.Visibility.PUBLIC,
        direction=Note.Direction.IN,
        channel=channel,
        at=at,
        by=by,
        external_id=external_id,
    )
    ticket.unanswered += 1
    return note


# --- waiting -------------------------------------------------------------------------------------------------------


@transaction.atomic
def wait_for_customer(*, ticket_id: int, reason: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Wait for the customer: pauses the clocks that may pause, five days at the longest."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
    ticket.pause_reason = _choice(reason, WaitReason, "reason")
    run(ticket.wait)
    cases.record(ticket, events.moved(ticket, "wait", reason=reason), transition="wait", at=now, by=by)
    return ticket


@transaction.atomic
def hold_ticket(*, ticket_id: int, reason: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Wait for somebody else; the clock runs unless the policy says otherwise."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
    ticket.pause_reason = _choice(reason, HoldReason, "reason")
    run(ticket.hold)
    cases.record(ticket, events.moved(ticket, "hold", reason=reason), transition="hold", at=now, by=by)
    return ticket


@transaction.atomic
def resume_ticket(*, ticket_id: int, by: User | None, at: datetime | None = None) -> Ticket:
    """Go on after waiting; closes the pause."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
    run(ticket.resume)
    cases.record(ticket, events.moved(ticket, "resume"), transition="resume", at=now, by=by)
    return ticket


# --- what it is ----------------------------------------------------------------------------------------------------


@transaction.atomic
def reclassify_ticket(
    *,
    ticket_id: int,
    by: User | None,
    type: str | None = None,
    urgency: str | None = None,
    severity: str | None = None,
    complex: bool | None = None,
    category: Category | None = None,
    version: int | None = None,
    at: datetime | None = None,
) -> Ticket:
    """Change what the ticket is; priority and targets follow, and no time used is forgotten."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.reclassify", version=version)
    if not ticket.is_open:
        raise DomainError(_("Only an open ticket can be changed."))
    before = {name: getattr(ticket, name) for name in ("type", "urgency", "severity", "complex", "category_id")}
    if type is not None:
        ticket.type = _choice(type, Type, "type")
    if urgency is not None:
        ticket.urgency = _choice(urgency, Urgency, "urgency")
    if severity is not None:
        ticket.severity = _choice(severity, Severity, "severity")
    if complex is not None:
        ticket.complex = complex
    if category is not None:
        ticket.category = category
    if all(value == getattr(ticket, name) for name, value in before.items()):
        return ticket
    ticket.priority = ticket.rank()
    cases.record(ticket, events.reclassified(before, ticket), transition="reclassified", at=now, by=by)
    return ticket


@transaction.atomic
def plan_ticket(
    *,
    ticket_id: int,
    plan: str,
    by: User | None,
    due_on: date | None = None,
    cost: str = "",
    at: datetime | None = None,
) -> Ticket:
    """Write the handling plan: what, by when, at what cost (requirements.md TCK-06)."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
    if not ticket.is_open:
        raise DomainError(_("Only an open ticket can be changed."))
    ticket.plan = _text(plan, "plan", _("Write what will be done."), most=4000)
    ticket.plan_due_on, ticket.plan_cost = due_on, cost.strip()[:60]
    cases.record(ticket, events.planned(ticket), transition="planned", at=now, by=by)
    return ticket


@transaction.atomic
def escalate_ticket(*, ticket_id: int, reason: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Raise the ticket to the next tier by hand, with a reason (requirements.md ESC-01)."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.escalate")
    reason = _text(reason, "reason", _("Say why it must go up."))
    if not ticket.is_open:
        raise DomainError(_("Only an open ticket can be escalated."))
    if ticket.tier >= 3:
        raise DomainError(_("The ticket is at the highest tier already."))
    ticket.tier += 1
    _internal(ticket, reason, at=now, by=by)
    silence.tell_tier(ticket, at=now)
    cases.record(ticket, events.escalated(ticket, reason), transition="escalated", at=now, by=by)
    return ticket


@transaction.atomic
def reach_milestone(*, ticket_id: int, milestone: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Record *located*, *on site* or *restored* of a fault; each stops its clock."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
    if milestone not in MILESTONES:
        raise InvalidInput(_("There is no such milestone."), field="milestone")
    if reasons := milestone_refusals(ticket, milestone):
        raise DomainError(*reasons)
    setattr(ticket, MILESTONES[milestone], now)
    cases.record(ticket, events.reached(milestone), transition=milestone, at=now, by=by)
    return ticket


def milestone_refusals(ticket: Ticket, milestone: str) -> list[Any]:
    """Why a milestone cannot be recorded now; empty when it can."""
    if ticket.type != Type.FAULT:
        return [_("Only a fault has this milestone.")]
    if not ticket.is_open:
        return [_("Only an open ticket can be changed.")]
    if getattr(ticket, MILESTONES[milestone]) is not None:
        return [_("This is recorded already.")]
    if milestone == "on_site" and not ticket.needs_visit:
        return [_("No visit is planned for this fault.")]
    return []


@transaction.atomic
def need_visit(*, ticket_id: int, by: User | None, at: datetime | None = None) -> Ticket:
    """Decide that somebody must go there; the on-site promise runs from the report (requirements.md C-05)."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
    if ticket.type != Type.FAULT:
        raise DomainError(_("Only a fault needs a visit."))
    if not ticket.is_open:
        raise DomainError(_("Only an open ticket can be changed."))
    if ticket.needs_visit:
        raise DomainError(_("This is recorded already."))
    ticket.needs_visit = True
    cases.record(ticket, events.reached("visit_needed"), transition="visit_needed", at=now, by=by)
    return ticket


# --- review --------------------------------------------------------------------------------------------------------


@transaction.atomic
def submit_for_review(*, ticket_id: int, by: User | None, note: str = "", at: datetime | None = None) -> Ticket:
    """Ask for a review against the procedure; complex work passes two rounds (requirements.md TCK-11)."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work")
    run(ticket.submit_for_review)
    if note.strip():
        _internal(ticket, note.strip(), at=now, by=by)
    cases.record(ticket, events.moved(ticket, "submit_for_review"), transition="submit_for_review", at=now, by=by)
    return ticket


@transaction.atomic
def review_ticket(
    *, ticket_id: int, passed: bool, by: User | None, note: str = "", at: datetime | None = None
) -> Ticket:
    """Pass the work or send it back with a note. Nobody reviews their own work (requirements.md §30, point 27)."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.review")
    if by is not None and by.pk == ticket.owner_id:
        raise DomainError(_("Nobody reviews their own work."))
    if not passed:
        note = _text(note, "note", _("Say what must be changed."))
    run(ticket.pass_review if passed else ticket.send_back)
    if note.strip():
        _internal(ticket, note.strip(), at=now, by=by)
    verb = "pass_review" if passed else "send_back"
    cases.record(ticket, events.moved(ticket, verb), transition=verb, at=now, by=by)
    return ticket


# --- the end, and beginning again ----------------------------------------------------------------------------------


@transaction.atomic
def resolve_ticket(
    *,
    ticket_id: int,
    resolution: str,
    verified: str,
    by: User | None,
    version: int | None = None,
    at: datetime | None = None,
) -> Ticket:
    """Resolve a ticket and tell the customer.

    Stops its deadlines, queues the completion notice and sets the silence timer in one transaction; the message leaves
    after commit. Raises TransitionRefused with the reasons.
    """
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work", version=version)
    return _resolve(ticket, resolution=resolution, verified=verified, at=now, by=by)


def _resolve(
    ticket: Ticket, *, resolution: str, verified: str, at: datetime, by: User | None, tell: bool = True
) -> Ticket:
    ticket.resolution = resolution.strip()
    ticket.verified = _choice(verified, Verified, "verified") if verified else ""
    run(ticket.resolve, at=at)
    _answered(ticket)
    facts = [events.resolved(ticket)]
    if tell:
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
        facts.append(events.notice("queued" if message else "no_channel", template="ticket_resolved"))
        silence.start(ticket, at=at)
    cases.record(ticket, *facts, transition="resolved", at=at, by=by)
    return ticket


@transaction.atomic
def confirm_ticket(*, ticket_id: int, by: Any, how: str = "call", at: datetime | None = None) -> Ticket:
    """The customer says that it is solved: closes at once. `how`: by call, or by the customer's own link or portal."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work", own=True)
    return _confirm(ticket, how=how, at=now, by=by)


def _confirm(ticket: Ticket, *, how: str, at: datetime, by: Any) -> Ticket:
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
    ticket = _locked(ticket_id, None, "tickets.work")
    run(ticket.close, at=at, because="silence")
    silence.end(ticket)
    cases.record(ticket, events.closed(ticket), transition="closed", at=at)
    return ticket


@transaction.atomic
def reopen_ticket(*, ticket_id: int, reason: str, by: Any, at: datetime | None = None) -> Ticket:
    """Take a resolved or closed ticket up again, for 30 days after closing; a new cycle of promises begins."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.work", own=True)
    reason = _text(reason, "reason", _("Say what is not solved."))
    reopened = _reopen(ticket, reason=reason, at=now, by=by)
    if isinstance(by, Customer):
        _said(ticket, reason, channel=Channel.WEB, at=now, by=by)
        cases.record(ticket, transition="customer_wrote", at=now, by=by)
    else:
        _internal(ticket, reason, at=now, by=by)
        cases.record(ticket, transition="noted", at=now, by=by)
    return reopened


def _reopen(ticket: Ticket, *, reason: str, at: datetime, by: Any) -> Ticket:
    if ticket.closed_at is not None and at > ticket.closed_at + REOPEN_FOR and ticket.state == State.CLOSED:
        raise DomainError(_("It was closed more than 30 days ago. Please open a new ticket."))
    run(ticket.reopen)
    silence.end(ticket)
    cases.record(ticket, events.reopened(ticket, reason), transition="reopened", at=at, by=by)
    return ticket


@transaction.atomic
def cancel_ticket(*, ticket_id: int, reason: str, by: Any, at: datetime | None = None) -> Ticket:
    """End a ticket that the customer withdrew or that was opened by mistake; its promises become void."""
    now = at or clock.now()
    ticket = _locked(ticket_id, by, "tickets.cancel")
    reason = _text(reason, "reason", _("Say why it is cancelled."))
    run(ticket.cancel, at=now)
    timers.cancel_timers(ticket)
    _internal(ticket, reason, at=now, by=by)
    cases.record(ticket, events.cancelled(reason), transition="cancelled", at=now, by=by)
    return ticket


# --- records of other systems --------------------------------------------------------------------------------------


@transaction.atomic
def walk_ticket(
    *, ticket_id: int, to: str, filled: walk.Filled, reason: str = "", at: datetime | None = None
) -> Ticket:
    """Take an imported ticket to a state by the shortest legal path, all at one instant; nobody is told of the past.

    What a guard asks for and the record does not say comes from `filled`. Raises DomainError when no path leads there
    or a step is refused; then nothing has changed.
    """
    now = at or clock.now()
    ticket = _locked(ticket_id, None, "tickets.work")
    for step in walk.steps_to(ticket, to):
        verb, facts = walk.take(ticket, step, at=now, filled=filled, reason=reason)
        if step in ("reopen", "cancel"):
            timers.cancel_timers(ticket)
        cases.record(ticket, *facts, transition=verb, at=now)
    return ticket
