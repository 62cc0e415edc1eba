"""A case's past, built in memory: the same transitions, clocks and facts as the services, written later in bulk.

The clocks are `sla.clocks.Clocks` itself; only where they would read or write rows, they use what is in memory. Between
two events the deadlines do what the sweep would have done at that time, except that nobody is told: nothing is sent
for the past.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cases import services as cases
from cases.events import note_added
from cases.facts import Fact
from cases.models import Note
from cases.states import SPOKEN_CHANNELS
from common.transitions import run
from sla import events as sla_events
from sla import policies
from sla.clocks import Clocks
from sla.deadlines import pending_steps, resume
from sla.models import Deadline
from sla.queue_columns import show_on_case
from sla.states import LIVE, DeadlineState, StepKind
from staff.models import Team, User
from tickets import events
from tickets.models import Ticket
from tickets.states import State

from .ground import Ground
from .reading import Record
from .walk import imported, steps_to, take


class MemoryClocks(Clocks):
    """The clocks of a case that is not in the database yet."""

    tells = False

    def __init__(self, case: Ticket, book: policies.Book) -> None:
        super().__init__(case, at=case.received_at, deadlines=[])
        self._read = book

    def _stop_by_what_was_done(self, deadlines: list[Deadline]) -> None:
        """Nothing: a file tells of states, not of replies, plans and milestones; and no timeline is stored yet."""

    def save(self) -> None:
        """Set the queue's columns; rows are written with the whole history."""
        show_on_case(self.case, self.deadlines)
        self.new = []


class History:
    """One case from its receipt on."""

    def __init__(self, ticket: Ticket, ground: Ground) -> None:
        self.ticket, self.filled = ticket, ground.filled
        self.clocks = MemoryClocks(ticket, ground.book)
        self.ticket._stored = {"state": ticket.state}

    @property
    def deadlines(self) -> list[Deadline]:
        return self.clocks.deadlines

    def begin(self, record: Record, note: Note | None = None) -> None:
        """Open the case at its receipt, as `open_ticket` and `give_due` do."""
        ticket = self.ticket
        transitions = ["opened"]
        facts = [imported(events.opened(ticket))]
        if note is not None:
            facts.insert(0, note_added(note))
        if ticket.channel in SPOKEN_CHANNELS:
            transitions.append("first_reply")
        if ticket.owner_id is not None:
            run(ticket.assign)
            facts.append(events.assigned(ticket))
        self._record(facts, transitions, at=ticket.received_at)
        for promise, due in record.dues.items():
            self.clocks.give(promise, due)
        self.clocks.save()

    def walk(self, goal: str, *, at: datetime, reason: str = "") -> None:
        """Go to a state at `at`. Raises DomainError when no legal path leads there; then nothing has changed."""
        steps = steps_to(self.ticket, goal)
        for step in steps:
            self.advance(at)
            verb, facts = take(self.ticket, step, at=at, filled=self.filled, reason=reason)
            self._record(facts, [verb], at=at)

    def hand_over(self, owner: User | None, team: Team | None, *, at: datetime) -> None:
        """As `assign_ticket` does it, where somebody else has the case now."""
        ticket = self.ticket
        team = team or (owner.team if owner else None)
        if not (owner and owner.pk != ticket.owner_id) and not (team and team.pk != ticket.team_id):
            return
        self.advance(at)
        ticket.owner, ticket.team = owner, team or ticket.team
        if ticket.state in (State.NEW, State.ASSIGNED, State.RETURNED):
            run(ticket.assign)
        self._record([events.assigned(ticket)], ["assign"], at=at)

    def reclassify(self, changes: dict[str, Any], *, at: datetime) -> None:
        """As `reclassify_ticket` does it: only what is open, and only what differs."""
        ticket = self.ticket
        before = {name: getattr(ticket, name) for name in changes}
        if not ticket.is_open or before == changes:
            return
        self.advance(at)
        for name, value in changes.items():
            setattr(ticket, name, value)
        ticket.priority = ticket.rank()
        self._record([imported(events.reclassified(before, ticket))], ["reclassified"], at=at)

    def advance(self, until: datetime) -> None:
        """Let the deadlines do what was due before `until`, as the sweep would have: pauses end, steps are dated."""
        while due := self._next(until):
            at, deadline, step = due
            if step is None:  # the longest pause
                resume(deadline, at)
                cases.add_fact(self.ticket, sla_events.clocks_resumed([deadline], capped=True), at=at)
            else:
                self._take_step(deadline, step, at)
            show_on_case(self.ticket, self.deadlines)

    def _next(self, until: datetime) -> tuple[datetime, Deadline, dict[str, Any] | None] | None:
        found: list[tuple[datetime, int, Deadline, dict[str, Any] | None]] = []
        for position, deadline in enumerate(self.deadlines):
            if deadline.state not in LIVE:
                continue
            if deadline.state == DeadlineState.PAUSED and deadline.paused_until and deadline.paused_until < until:
                found.append((deadline.paused_until, position, deadline, None))
            for at, step in pending_steps(deadline):
                if at < until:
                    found.append((at, position, deadline, step))
        if not found:
            return None
        at, _position, deadline, first = min(found, key=lambda entry: entry[:2])
        return at, deadline, first

    def _take_step(self, deadline: Deadline, step: dict[str, Any], at: datetime) -> None:
        step["done"] = step["at"]
        facts: dict[str, Any] = {}
        if step["kind"] == StepKind.TIER:
            detail = next(entry for entry in deadline.rule.steps if entry["name"] == step["name"])
            self.ticket.tier = max(self.ticket.tier, detail["tier"])
            facts = {"tier": detail["tier"]}
        cases.add_fact(self.ticket, imported(sla_events.step_fired(deadline, step, facts=facts)), at=at)

    def _record(self, facts: list[Fact], transitions: list[str], *, at: datetime) -> None:
        for fact in facts:
            cases.add_fact(self.ticket, fact, at=at)
        self.clocks.at = at
        for transition in transitions:
            self.clocks.apply(transition)
        self.clocks.save()
        self.ticket.version += 1
        self.ticket._stored = {"state": self.ticket.state}


def new_ticket(record: Record, ground: Ground, *, now: datetime) -> Ticket:
    """The row of a case as it was opened, not saved yet."""
    defaults, fields = ground.map.defaults, record.fields
    owner = ground.owner(record)
    team = ground.team(record)
    ticket = Ticket(
        kind=Ticket.KIND,
        type=fields.get("type") or defaults.get("type", "enquiry"),
        channel=fields.get("channel") or defaults.get("channel", "phone"),
        state=State.NEW,
        subject=record.subject,
        description=record.description,
        category=ground.category(record.category),
        urgency=fields.get("urgency") or defaults.get("urgency", "normal"),
        severity=fields.get("severity") or defaults.get("severity", "one"),
        team=team or (owner.team if owner else None),
        owner=owner,
        received_at=record.received_at,
        created_at=now,
        changed_at=now,
        imported=True,
    )
    ticket.priority = ticket.rank()
    if ticket.channel not in SPOKEN_CHANNELS:
        ticket.unanswered = 1
    return ticket


def classification(record: Record, ground: Ground) -> dict[str, Any]:
    """What a row says the case is, of what may change during its life."""
    changes: dict[str, Any] = {
        name: record.fields[name] for name in ("type", "urgency", "severity") if name in record.fields
    }
    if record.category and (category := ground.category(record.category)):
        changes["category_id"] = category.pk
    return changes
