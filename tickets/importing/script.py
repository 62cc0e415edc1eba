"""What a file says happened to a case, in order: its opening, and then one act after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tickets.states import State

from .maps import CaseMap
from .reading import Record


@dataclass(frozen=True)
class Act:
    """At one instant a row says what state the case is in, and what it is."""

    at: datetime
    state: str
    record: Record


@dataclass
class Script:
    """One case: the row it is opened from, when it becomes known, and its acts in order."""

    record: Record
    opened_at: datetime
    acts: list[Act] = field(default_factory=list)

    @property
    def number(self) -> str:
        return self.record.number


@dataclass
class Notes:
    """What was set right on the way, counted for the report."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, text: str) -> None:
        self.counts[text] = self.counts.get(text, 0) + 1


def scripts(records: Iterable[Record], case_map: CaseMap, notes: Notes) -> Iterator[Script]:
    """The scripts of a file: one a row, or one for all rows of a case, in the order of its first row."""
    if case_map.mode == "case":
        for record in records:
            yield _of_row(record, case_map, notes)
        return
    by_case: dict[str, list[Record]] = {}
    for record in records:
        by_case.setdefault(record.number, []).append(record)
    for found in by_case.values():
        yield _of_events(found, notes)


def _of_row(record: Record, case_map: CaseMap, notes: Notes) -> Script:
    script = Script(record, record.received_at)
    state, resolved, closed = record.state, record.resolved_at, record.closed_at
    open_again = state not in ("", State.RESOLVED, State.CLOSED, State.CANCELLED)
    if open_again and (resolved or closed):
        notes.add("has a closing time and an open state: taken as open")
        resolved = closed = None
    if not state:
        state = State.CLOSED if closed else State.RESOLVED if resolved else State.NEW
    if resolved and state != State.CANCELLED:
        script.acts.append(Act(resolved, State.RESOLVED, record))
    if state not in (State.NEW, State.RESOLVED) or not resolved:
        # A state without a time of its own holds since the file was written, at the latest.
        fallback = max(case_map.as_of, record.received_at) if case_map.as_of else record.received_at
        at = closed or (max(fallback, resolved) if resolved else fallback)
        if state != State.NEW:
            script.acts.append(Act(at, state, record))
    return script


def _of_events(found: list[Record], notes: Notes) -> Script:
    """Rows of a case come in order; one dated before its own opening or before the row above it is moved up to it."""
    first = found[0]
    since = first.received_at
    script = Script(first, max(first.at, since))
    for record in found:
        if record.at < since:
            notes.add(
                "dated before the row above it: taken at its time"
                if script.acts
                else "dated before the case was opened: taken at its opening"
            )
        since = max(since, record.at)
        script.acts.append(Act(since, record.state or State.NEW, record))
    return script
