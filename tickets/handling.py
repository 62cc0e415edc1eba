"""What a ticket turns out to be, and how far the work has come: its kind, plan and tier, a fault's milestones."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from cases.models import Category
from cases.states import Severity, Urgency
from common import clock
from common.errors import DomainError, InvalidInput
from common.given import choice, text
from staff.models import User

from . import events, notes, permissions, silence
from .models import Ticket
from .states import Type

MILESTONES = {"located": "located_at", "on_site": "on_site_at", "restored": "restored_at"}


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
    ticket = permissions.locked(ticket_id, by, "tickets.reclassify", version=version)
    if not ticket.is_open:
        raise DomainError(_("Only an open ticket can be changed."))
    before = {name: getattr(ticket, name) for name in ("type", "urgency", "severity", "complex", "category_id")}
    if type is not None:
        ticket.type = choice(type, Type, "type")
    if urgency is not None:
        ticket.urgency = choice(urgency, Urgency, "urgency")
    if severity is not None:
        ticket.severity = choice(severity, Severity, "severity")
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
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    if not ticket.is_open:
        raise DomainError(_("Only an open ticket can be changed."))
    ticket.plan = text(plan, "plan", _("Write what will be done."), most=4000)
    ticket.plan_due_on, ticket.plan_cost = due_on, cost.strip()[:60]
    cases.record(ticket, events.planned(ticket), transition="planned", at=now, by=by)
    return ticket


@transaction.atomic
def escalate_ticket(*, ticket_id: int, reason: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Raise the ticket to the next tier by hand, with a reason (requirements.md ESC-01)."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.escalate")
    reason = text(reason, "reason", _("Say why it must go up."))
    if reasons := escalation_refusals(ticket):
        raise DomainError(*reasons)
    ticket.tier += 1
    notes.internal(ticket, reason, at=now, by=by)
    silence.tell_tier(ticket, at=now)
    cases.record(ticket, events.escalated(ticket, reason), transition="escalated", at=now, by=by)
    return ticket


def escalation_refusals(ticket: Ticket) -> list[Any]:
    """Why a ticket cannot be escalated now; empty when it can."""
    if not ticket.is_open:
        return [_("Only an open ticket can be escalated.")]
    if ticket.tier >= 3:
        return [_("The ticket is at the highest tier already.")]
    return []


@transaction.atomic
def reach_milestone(*, ticket_id: int, milestone: str, by: User | None, at: datetime | None = None) -> Ticket:
    """Record *located*, *on site* or *restored* of a fault; each stops its clock."""
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
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
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    if reasons := visit_refusals(ticket):
        raise DomainError(*reasons)
    ticket.needs_visit = True
    cases.record(ticket, events.reached("visit_needed"), transition="visit_needed", at=now, by=by)
    return ticket


def visit_refusals(ticket: Ticket) -> list[Any]:
    """Why it cannot be decided now that a visit is needed; empty when it can."""
    if ticket.type != Type.FAULT:
        return [_("Only a fault needs a visit.")]
    if not ticket.is_open:
        return [_("Only an open ticket can be changed.")]
    if ticket.needs_visit:
        return [_("This is recorded already.")]
    return []
