"""Writing to a case: the one door through which facts, notes and changes of state pass.

Callers hold the case's row lock (`CaseQuerySet.locked`) inside a transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from common import clock
from common.bulk import insert_rows
from customers.models import Customer

from . import events, facts, signals
from .facts import Fact
from .models import Case, CaseEvent, Note


def add_fact(case: Case, fact: Fact, *, at: datetime, by: Any = None) -> CaseEvent:
    """Chain a fact to the case's timeline, in memory; `record` or `write` stores it together with the case."""
    by_kind, person = _author(by)
    recorded_at = clock.now()
    case.event_seq += 1
    case.event_hash = facts.chained_hash(
        number=case.number,
        seq=case.event_seq,
        before=case.event_hash,
        fact=fact,
        at=at,
        recorded_at=recorded_at,
        by_kind=by_kind,
        by_id=person.pk if person else None,
    )
    event = CaseEvent(
        case_id=case.pk,
        seq=case.event_seq,
        kind=fact.kind,
        at=at,
        recorded_at=recorded_at,
        by_kind=by_kind,
        by=person,
        facts=fact.facts,
        public=fact.public,
        hash=case.event_hash,
    )
    case.__dict__.setdefault("_unwritten", []).append(event)
    return event


def record(
    case: Case, *new_facts: Fact, transition: str | tuple[str, ...], at: datetime, by: Any = None
) -> list[CaseEvent]:
    """Write facts, announce the change, and save the case; return the events written.

    `transition` is the verb or milestone, or several that happened at once, that higher rooms hear through
    `case_changed`.
    """
    for fact in new_facts:
        add_fact(case, fact, at=at, by=by)
    transitions = (transition,) if isinstance(transition, str) else transition
    signals.case_changed.send(sender=type(case), case=case, transitions=transitions, at=at, by=by)
    return write(case, at=at)


def write(case: Case, *, at: datetime) -> list[CaseEvent]:
    """Store the chained facts and the changed columns of a case; return the events."""
    case.version += 1
    case.changed_at = max(case.changed_at, at)
    return write_quietly(case)


def write_quietly(case: Case) -> list[CaseEvent]:
    """The same where nobody worked on the case: open forms stay valid, and the time of change stays."""
    unwritten: list[CaseEvent] = case.__dict__.pop("_unwritten", [])
    insert_rows(unwritten)
    case.save_changes()
    return unwritten


def add_note(
    case: Case,
    *,
    body: str,
    visibility: str,
    direction: str,
    at: datetime,
    by: Any = None,
    channel: str = "",
    outcome: str = "",
    external_id: str = "",
) -> Note:
    """Add a turn to the conversation and chain its digest; the caller records the change."""
    _kind, person = _author(by)
    note = Note(
        case_id=case.pk,
        body=body,
        visibility=visibility,
        direction=direction,
        channel=channel,
        outcome=outcome,
        author=person,
        at=at,
        external_id=external_id,
    )
    insert_rows([note])
    add_fact(case, events.note_added(note), at=at, by=by)
    return note


def _author(by: Any) -> tuple[str, Any]:
    if by is None:
        return CaseEvent.By.SYSTEM, None
    if isinstance(by, Customer):
        return CaseEvent.By.CUSTOMER, None
    return CaseEvent.By.PERSON, by


def verify_timeline(case: Case) -> list[str]:
    """What is wrong with a case's timeline, as plain sentences for operators; empty when every hash holds."""
    problems: list[str] = []
    before, expected = "", 1
    for event in CaseEvent.objects.filter(case_id=case.pk).order_by("seq"):
        if event.seq != expected:
            problems.append(f"{case.number}: event {expected} is missing")
        computed = facts.chained_hash(
            number=case.number,
            seq=event.seq,
            before=before,
            fact=Fact(event.kind, event.facts, event.public),
            at=event.at,
            recorded_at=event.recorded_at,
            by_kind=event.by_kind,
            by_id=event.by_id,
        )
        if computed != event.hash:
            problems.append(f"{case.number}: event {event.seq} was changed")
        before, expected = event.hash, event.seq + 1
    if case.event_seq != expected - 1 or case.event_hash != before:
        problems.append(f"{case.number}: the end of the timeline is not the one the case remembers")
    return problems
