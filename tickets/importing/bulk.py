"""Bringing a file in: histories built in memory and written in bulk, a few hundred cases a transaction.

Idempotent by the number in the other system. What is there already stays; where the file has news of it since (a
closing time, further events), the news is walked through the services.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from cases.models import Case, CaseEvent, ExternalReference, Note
from common import clock
from common.bulk import insert_rows, refresh_statistics, update_rows
from common.csv_rows import Broken
from common.errors import DomainError
from common.turns import take_turn
from sla.arithmetic import CalendarError
from sla.deadlines import timer_for
from sla.models import Deadline, Timer
from tickets import handling, services
from tickets.models import Ticket
from tickets.states import State

from .ground import Ground, prepare
from .history import History, classification, new_ticket
from .maps import CaseMap
from .reading import Reader
from .script import Act, Notes, Script, scripts
from .walk import walk_ticket

CHUNK = 400
# What a file fills.
LOADED = (Ticket, Note, CaseEvent, ExternalReference, Deadline, Timer)
# Columns that a history changes after the row of a case was inserted.
_CASE = [
    "state", "owner_id", "team_id", "tier", "type", "category_id", "urgency", "severity", "priority", "resolved_at",
    "closed_at", "closed_because", "cycle", "version", "changed_at", "sort_due_at", "clock_state", "clock_left",
    "clock_warn", "event_seq", "event_hash",
]  # fmt: skip
_TICKET = ["pause_reason", "reviews_passed", "resolution", "verified"]


@dataclass
class Report:
    """What became of a file."""

    rows: int = 0
    imported: int = 0
    updated: int = 0
    present: int = 0
    broken: list[Broken] = field(default_factory=list)
    cut: Broken | None = None
    notes: Notes = field(default_factory=Notes)
    strangers: list[str] = field(default_factory=list)

    def failure(self, done: str) -> str:
        """What the command must fail with: an end that was not read, or broken rows and nothing taken; else nothing."""
        if self.cut:
            return f"the file could not be read to its end; {self.cut}"
        if self.broken and not self.imported and not self.present:
            return f"nothing could be {done}"
        return ""

    def lines(self, *, dry_run: bool) -> Iterator[str]:
        """The report in plain words; every broken row is named."""
        would = "would be " if dry_run else ""
        yield f"{self.rows} rows read"
        yield f"{self.imported} cases {would}imported"
        yield f"{self.present} were there already"
        if self.updated:
            yield f"{self.updated} of them {would}brought up to date"
        for text, count in sorted(self.notes.counts.items()):
            yield f"{count} rows: {text}"
        yield from self.strangers
        yield f"{len(self.broken)} rows broken"
        yield from (f"  {broken}" for broken in sorted(self.broken, key=lambda broken: broken.line))


def import_file(
    path: Path, case_map: CaseMap, *, write: bool = True, progress: Callable[[Iterable[Any]], Iterable[Any]] = iter
) -> Report:
    """Import a file; raise MapError when the map or the header is no use. With `write=False` nothing is written."""
    now = clock.now()
    report = Report()
    reader = Reader(path, case_map, now=now)
    ground = prepare(case_map, at=now, write=write)
    found = iter(progress(scripts(reader, case_map, report.notes)))
    while chunk := list(islice(found, CHUNK)):
        _Chunk(chunk, ground, report, now).run()
        if write and settings.SWEEP_BREATH_SECONDS:
            # SQLite has one writer: let people at work have it between two chunks.
            time.sleep(settings.SWEEP_BREATH_SECONDS)
    if write:
        refresh_statistics(*LOADED)
    report.rows, report.broken, report.cut = reader.seen, [*reader.broken, *report.broken], reader.cut
    for kind, names in ground.strangers.items():
        if names:
            some = ", ".join(sorted(names)[:5]) + (" …" if len(names) > 5 else "")
            report.strangers.append(f"{len(names)} values of {kind} we do not know, left empty: {some}")
    return report


class _Chunk:
    def __init__(self, found: list[Script], ground: Ground, report: Report, now: datetime) -> None:
        self.found, self.ground, self.report, self.now = found, ground, report, now

    def run(self) -> None:
        with transaction.atomic():
            if self.ground.write:
                take_turn(f"import.{self.ground.map.name}")  # what another run brings in is present here
            present = dict(
                ExternalReference.objects.filter(
                    source=self.ground.map.name, number__in=[script.number for script in self.found]
                ).values_list("number", "case_id")
            )
            self._bring_in([script for script in self.found if script.number not in present])
            if present:
                self._bring_up_to_date([script for script in self.found if script.number in present], present)

    def _bring_in(self, fresh: list[Script]) -> None:
        if not fresh:
            return
        ground = self.ground
        tickets = [new_ticket(script.record, ground, now=self.now) for script in fresh]
        notes = {position: _note(ticket) for position, ticket in enumerate(tickets) if ticket.description}
        if ground.write:
            insert_rows(tickets)
            for position, note in notes.items():
                note.case_id = tickets[position].pk
            insert_rows(list(notes.values()))
        else:
            for position, ticket in enumerate(tickets, 1):
                ticket.id = ticket.pk = position
        good: list[tuple[Script, History]] = []
        without: list[int] = []
        for position, (ticket, script) in enumerate(zip(tickets, fresh, strict=True)):
            try:
                history = self._told(script, ticket, notes.get(position))
            except CalendarError as problem:
                self.report.broken.append(Broken(script.record.line, str(problem)))
                without.append(ticket.pk)
            else:
                good.append((script, history))
        if ground.write:
            if without:
                Ticket.objects.filter(pk__in=without).delete()
            _write([history for _script, history in good], [script for script, _history in good], ground.map.name)
        self.report.imported += len(good)

    def _told(self, script: Script, ticket: Ticket, note: Note | None) -> History:
        """The whole past of one case. Raises CalendarError where a promise has no end that a calendar can name."""
        history = History(ticket, self.ground)
        history.begin(script.record, note)
        for act in script.acts:
            self._perform(history, act)
        history.advance(self.now)
        ticket.changed_at = self.now
        return history

    def _perform(self, history: History, act: Act) -> None:
        perform(
            act,
            self.ground,
            is_open=history.ticket.is_open,
            state=history.ticket.state,
            reclassify=lambda changes: history.reclassify(changes, at=act.at),
            walk=lambda state: history.walk(state, at=act.at, reason=act.record.reason),
            hand_over=lambda owner, team: history.hand_over(owner, team, at=act.at),
            refused=self.report.broken.append,
        )

    def _bring_up_to_date(self, known: list[Script], present: dict[str, int]) -> None:
        """Walk what the file knows since; who has gone on here since the import is left alone."""
        self.report.present += len(known)
        last = dict(
            CaseEvent.objects.filter(case_id__in=present.values(), facts__imported=True)
            .exclude(kind__startswith="promise_")
            .values_list("case_id")
            .annotate(Max("at"))
        )
        tickets = Ticket.objects.in_bulk(list(present.values()))
        for script in known:
            ticket = tickets.get(present[script.number])
            if ticket is None or ticket.pk not in last:
                continue
            if self.ground.map.mode == "case":
                # A row is the whole story: what ended here stays ended.
                news = script.acts if ticket.closed_at is None else []
            else:
                news = [act for act in script.acts if act.at > last[ticket.pk]]
            if not any(act.state != ticket.state for act in news):
                continue
            if self.ground.write:
                for act in news:
                    self._act(ticket.pk, act)
                self.report.updated += Ticket.objects.get(pk=ticket.pk).version != ticket.version
            else:
                self.report.updated += 1

    def _act(self, ticket_id: int, act: Act) -> None:
        refused = self.report.broken.append
        try:
            with transaction.atomic():
                act_through_services(ticket_id, act, self.ground, refused=refused)
        except CalendarError as problem:
            refused(Broken(act.record.line, str(problem)))


def perform(
    act: Act,
    ground: Ground,
    *,
    is_open: bool,
    state: str,
    reclassify: Callable[[dict[str, Any]], None],
    walk: Callable[[str], None],
    hand_over: Callable[[Any, Any], None],
    refused: Callable[[Broken], None],
) -> None:
    """One act: what the row says the case is, the state it says, who has it; in the order that the lifecycle allows.

    Raises CalendarError where a promise has no end that its calendar can name.
    """
    changes = classification(act.record, ground)
    # An assigned case that the file still calls new is new to whoever works on it.
    stays = act.state == state or (act.state == State.NEW and state == State.ASSIGNED)
    try:
        if changes and is_open:
            reclassify(changes)
        if not stays:
            walk(act.state)
        if changes and not is_open and not stays and act.state not in _SHUT:
            reclassify(changes)
        owner, team = ground.owner(act.record), ground.team(act.record)
        if (owner or team) and act.state in _HANDED_OVER:
            hand_over(owner, team)
    except DomainError as problem:
        refused(Broken(act.record.line, "; ".join(str(reason) for reason in problem.reasons)))


_SHUT = {State.RESOLVED, State.CLOSED, State.CANCELLED}
_HANDED_OVER = {State.ASSIGNED, State.IN_PROGRESS, State.PENDING, State.HELD, State.IN_REVIEW}


def act_through_services(ticket_id: int, act: Act, ground: Ground, *, refused: Callable[[Broken], None]) -> None:
    """One act by the real services, at its true moment."""
    ticket = Ticket.objects.only("state", "resolved_at", "closed_at", "owner_id", "team_id").get(pk=ticket_id)

    def reclassify(changes: dict[str, Any]) -> None:
        category = ground.category(act.record.category) if "category_id" in changes else None
        named = {name: value for name, value in changes.items() if name != "category_id"}
        handling.reclassify_ticket(ticket_id=ticket_id, by=None, category=category, at=act.at, **named)

    def hand_over(owner: Any, team: Any) -> None:
        team = team or (owner.team if owner else None)
        if (owner and owner.pk != ticket.owner_id) or (team and team.pk != ticket.team_id):
            services.assign_ticket(ticket_id=ticket_id, by=None, owner=owner, team=team, at=act.at)

    perform(
        act,
        ground,
        is_open=ticket.is_open,
        state=ticket.state,
        reclassify=reclassify,
        walk=lambda state: void(
            walk_ticket(ticket_id=ticket_id, to=state, filled=ground.filled, reason=act.record.reason, at=act.at)
        ),
        hand_over=hand_over,
        refused=refused,
    )


def void(_result: Any) -> None:
    """A call whose answer nobody needs."""


def _note(ticket: Ticket) -> Note:
    """What the customer said, as `open_ticket` keeps it."""
    return Note(
        body=ticket.description,
        visibility=Note.Visibility.PUBLIC,
        direction=Note.Direction.IN,
        channel=ticket.channel,
        at=ticket.received_at,
    )


def _write(histories: list[History], fresh: list[Script], source: str) -> None:
    """The rows of whole histories: deadlines, timers, facts, references, and the cases as they ended."""
    deadlines = [deadline for history in histories for deadline in history.deadlines]
    insert_rows(deadlines)
    insert_rows([timer for deadline in deadlines if (timer := timer_for(deadline))])
    insert_rows([event for history in histories for event in history.ticket.__dict__.pop("_unwritten", [])])
    insert_rows(
        [
            ExternalReference(case_id=history.ticket.pk, source=source, number=script.number)
            for history, script in zip(histories, fresh, strict=True)
        ]
    )
    tickets = [history.ticket for history in histories]
    update_rows([_half(ticket) for ticket in tickets], _CASE)
    update_rows(tickets, _TICKET)


def _half(ticket: Ticket) -> Case:
    """The columns of a ticket that are in the table of cases, as a row of that table."""
    return Case(**{field.attname: getattr(ticket, field.attname) for field in Case._meta.concrete_fields})
