"""A ticket that reached a higher tier while nobody had it, or nobody had answered, goes to whom the rung tells.

The sweep holds the locks and writes the cases; what is decided here is who gets a ticket, and by which transition
(architecture.md §3). To everybody who listens it is an assignment like any other.
"""

from __future__ import annotations

from typing import Any

from cases import services as cases
from cases.signals import case_changed
from common.transitions import run
from sla.signals import Raise
from staff.models import User

from . import events, permissions
from .models import Ticket
from .states import State


def on_rung_reached(sender: Any, raises: list[Raise], **_signal: Any) -> None:
    """Give each of these tickets to the first of the rung's people who may have it."""
    of_tickets = [one for one in raises if one.case.kind == Ticket.KIND]
    tickets = Ticket.objects.in_bulk([one.case.pk for one in of_tickets])
    for one in of_tickets:
        _give(one, tickets[one.case.pk])


def _give(one: Raise, ticket: Ticket) -> None:
    case, person = one.case, _first_who_may(one.people, ticket)
    if person is None or person.pk == case.owner_id:
        return
    before = (case.owner_id, case.team_id)
    case.owner = ticket.owner = person
    if person.team_id:
        case.team = ticket.team = person.team
    if ticket.state in (State.NEW, State.ASSIGNED, State.RETURNED):
        run(ticket.assign)
        case.follow_state(ticket)
    cases.add_fact(case, events.handed_up(case, before), at=one.at)
    case_changed.send(sender=Ticket, case=case, transitions=("assign",), at=one.at, by=None, deadlines=one.deadlines)
    one.given_to = person


def _first_who_may(people: list[User], ticket: Ticket) -> User | None:
    return next(
        (
            person
            for person in people
            if person.may("tickets.work") and not permissions.handling_refusals(person, ticket)
        ),
        None,
    )
