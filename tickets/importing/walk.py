"""From one state to another by the shortest legal path, for records of another system.

Every step is a transition of the lifecycle with its guards; what a guard asks for and the file does not say (who works
on it, why it waits, how it was solved) is filled with the map's defaults, and the facts are marked imported.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from django.db import transaction

from cases import services as cases
from cases.facts import Fact
from common import clock
from common.errors import DomainError
from common.transitions import run
from sla import timers
from tickets import events
from tickets.ending import too_late_to_reopen
from tickets.models import Ticket
from tickets.states import ClosedBecause, HoldReason, Verified, WaitReason

if TYPE_CHECKING:
    from .maps import CaseMap

# A merge needs another case, and no file names one.
_NOT_WALKED = {"merge"}


@dataclass(frozen=True)
class Filled:
    """What an import says where the lifecycle asks and the file does not answer."""

    owner_id: int | None
    wait_reason: str = WaitReason.DOCUMENTS
    hold_reason: str = HoldReason.DEPARTMENT
    resolution: str = "Imported"
    verified: str = Verified.SYSTEM

    @classmethod
    def of(cls, case_map: CaseMap, *, owner_id: int | None) -> Filled:
        defaults = case_map.defaults
        return cls(
            owner_id=owner_id,
            wait_reason=defaults.get("wait_reason", WaitReason.DOCUMENTS),
            hold_reason=defaults.get("hold_reason", HoldReason.DEPARTMENT),
            resolution=defaults.get("resolution", f"Imported: {case_map.name}"),
            verified=defaults.get("verified", Verified.SYSTEM),
        )

    def because(self, step: str, reason: str) -> str:
        """The reason to wait or to hold: the file's, or the default one of that step."""
        return reason or (self.wait_reason if step == "wait" else self.hold_reason)


@cache
def path(start: str, goal: str) -> tuple[str, ...] | None:
    """The names of the transitions that lead from one state to another, as few as possible; None if none do."""
    if start == goal:
        return ()
    edges: dict[str, list[tuple[str, str]]] = {}
    for found in Ticket._meta.get_field("state").get_all_transitions(Ticket):
        if found.name not in _NOT_WALKED:
            edges.setdefault(str(found.source), []).append((found.name, str(found.target)))
    waiting: deque[tuple[str, tuple[str, ...]]] = deque([(start, ())])
    known = {start}
    while waiting:
        state, steps = waiting.popleft()
        for name, target in sorted(edges.get(state, []), key=lambda edge: (edge[0] in _DETOURS, edge[0])):
            if target == goal:
                return (*steps, name)
            if target not in known:
                known.add(target)
                waiting.append((target, (*steps, name)))
    return None


# Of two equally short ways, not the one that says more than the file does.
_DETOURS = {"send_back", "submit_for_review", "return_to_dispatcher"}


def steps_to(ticket: Ticket, goal: str) -> tuple[str, ...]:
    """The path from where the ticket is. Raises DomainError when there is none."""
    steps = path(ticket.state, goal)
    if steps is None:
        raise DomainError(f"no legal way leads from {ticket.state} to {goal}")
    return steps


def take(ticket: Ticket, step: str, *, at: datetime, filled: Filled, reason: str = "") -> tuple[str, list[Fact]]:
    """Run one transition in memory; return the word that the clocks listen for, and its facts, marked imported."""
    facts: list[Fact] = []
    verb = {"resolve": "resolved", "close": "closed", "reopen": "reopened", "cancel": "cancelled"}.get(step, step)
    if step in ("start", "submit_for_review") and ticket.owner_id is None:
        ticket.owner_id = filled.owner_id
        facts.append(events.assigned(ticket))
    if step == "resolve":
        ticket.resolution, ticket.verified = filled.resolution, filled.verified
        run(ticket.resolve, at=at)
        facts.append(events.resolved(ticket))
    elif step == "close":
        run(ticket.close, at=at, because=ClosedBecause.IMPORTED)
        facts.append(events.closed(ticket))
    elif step == "reopen":
        if reasons := too_late_to_reopen(ticket, at=at):
            raise DomainError(*reasons)
        run(ticket.reopen)
        facts.append(events.reopened(ticket, filled.resolution))
    elif step == "cancel":
        run(ticket.cancel, at=at)
        facts.append(events.cancelled(filled.resolution))
    elif step == "assign":
        run(ticket.assign)
        facts.append(events.assigned(ticket))
    else:
        why = filled.because(step, reason) if step in ("wait", "hold") else ""
        ticket.pause_reason = why or ticket.pause_reason
        run(getattr(ticket, step))
        facts.append(events.moved(ticket, step, reason=why))
    return verb, [imported(fact) for fact in facts]


@transaction.atomic
def walk_ticket(*, ticket_id: int, to: str, filled: Filled, reason: str = "", at: datetime | None = None) -> Ticket:
    """Take an imported ticket to a state by the shortest legal path, all at one instant; nobody is told of the past.

    What a guard asks for and the record does not say comes from `filled`. Raises DomainError when no path leads there
    or a step is refused; then nothing has changed.
    """
    now = at or clock.now()
    ticket: Ticket = Ticket.objects.locked(ticket_id)
    for step in steps_to(ticket, to):
        verb, facts = take(ticket, step, at=now, filled=filled, reason=reason)
        if step in ("reopen", "cancel"):
            timers.cancel_timers(ticket)
        cases.record(ticket, *facts, transition=verb, at=now)
    return ticket


def imported(fact: Fact) -> Fact:
    """The fact, marked as taken over from another system."""
    return Fact(fact.kind, {**fact.facts, "imported": True}, fact.public)
