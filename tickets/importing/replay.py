"""A replay: the file's story told again through the real services, in time order, on a simulated clock.

Nothing looks ahead: a row is read when its instant has come. Between two acts the sweep runs at the next tick of its
grid at which something is due, and at no other; ticks at which nothing is due would do nothing.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

from django.db import transaction

from cases.models import ExternalReference
from common import clock
from common.bulk import refresh_statistics
from common.csv_rows import Broken
from sla import policies
from sla.arithmetic import CalendarError
from sla.models import Deadline, Timer
from sla.services import give_due
from sla.states import Verdict
from sla.sweep import sweep
from tickets import services
from tickets.models import Ticket

from .bulk import LOADED, Report, act_through_services
from .ground import Ground, prepare
from .maps import CaseMap
from .reading import Reader
from .script import Act, Script, scripts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HEADER = [
    "external", "number", "promise", "cycle", "due", "stopped", "met", "missed_at", "pauses", "paused_seconds",
    "verdict",
]  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """What happens at one instant: a case becomes known (no act), or a row tells of it."""

    at: datetime
    position: int
    script: Script
    act: Act | None = None


def timetable(found: Iterable[Script]) -> list[Entry]:
    """Every opening and act of the file in time order; what happens at one instant keeps the order of the file."""
    entries = []
    for script in found:
        entries.append(Entry(script.opened_at, script.record.line, script))
        entries += [Entry(act.at, act.record.line, script, act) for act in script.acts]
    return sorted(entries, key=lambda entry: (entry.at, entry.position))


class Replay:
    """One replay into the present database, which should be empty."""

    def __init__(self, path: Path, case_map: CaseMap, *, tick: timedelta, now: datetime | None = None) -> None:
        self.map, self.tick = case_map, tick
        self.reader = Reader(path, case_map, now=now or clock.now())
        self.report = Report()
        self.sweeps = 0
        self.until = EPOCH

    def run(
        self, *, until: datetime | None = None, progress: Callable[[Iterable[Any]], Iterable[Any]] = iter
    ) -> Report:
        """Feed the file, then let the sweep run until `until` (default: the last instant of the file)."""
        entries = timetable(scripts(self.reader, self.map, self.report.notes))
        self.until = until or (entries[-1].at if entries else clock.now())
        start = min((entry.script.record.received_at for entry in entries), default=self.until)
        with clock.simulated(min(start, self.until)), policies.scope(self.map.name), _nobody_to_tell():
            ground = prepare(self.map, at=clock.now(), write=True)
            keys: dict[str, int] = {}
            for entry in progress([entry for entry in entries if entry.at <= self.until]):
                self._sweep_before(entry.at)
                with clock.simulated(entry.at):
                    self._tell(entry, ground, keys)
            self._sweep_before(self.until)
            # Judgment day is a tick of its own, or a pause that is over would still count as one.
            self._sweep(self.until)
            refresh_statistics(*LOADED)
        self.report.rows, self.report.broken = self.reader.seen, [*self.reader.broken, *self.report.broken]
        self.report.imported, self.report.cut = len(keys), self.reader.cut
        return self.report

    def _tell(self, entry: Entry, ground: Ground, keys: dict[str, int]) -> None:
        number = entry.script.number
        try:
            with transaction.atomic():
                if entry.act is None:
                    keys[number] = _open(entry, ground)
                elif number in keys:
                    act_through_services(keys[number], entry.act, ground, refused=self._refuse)
        except CalendarError as problem:  # a promise has no end that its calendar can name
            self._refuse(Broken((entry.act or entry.script).record.line, str(problem)))

    def _refuse(self, broken: Broken) -> None:
        self.report.broken.append(broken)

    def _sweep_before(self, at: datetime) -> None:
        """Run the sweep at every tick before `at` at which something is due."""
        waiting = Timer.objects.filter(parked_at__isnull=True).order_by("try_at").values_list("try_at", flat=True)
        while (due := waiting.first()) is not None:
            instant = EPOCH - (EPOCH - due) // self.tick * self.tick
            if instant >= at or not self._sweep(instant):
                return

    def _sweep(self, instant: datetime) -> int:
        """Run one sweep; return how many timers it looked after."""
        self.sweeps += 1
        with clock.simulated(instant):
            outcome = sweep(now=instant)
        return outcome.fired + outcome.failed


@contextmanager
def _nobody_to_tell() -> Iterator[None]:
    """A throwaway database has no staff: that nobody hears of a miss is no news here."""
    log = logging.getLogger("sla.escalation")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _open(entry: Entry, ground: Ground) -> int:
    record, defaults = entry.script.record, ground.map.defaults
    fields = record.fields
    ticket: Ticket = services.open_ticket(
        subject=record.subject,
        description=record.description,
        type=fields.get("type") or defaults.get("type", "enquiry"),
        channel=fields.get("channel") or defaults.get("channel", "phone"),
        category=ground.category(record.category),
        urgency=fields.get("urgency") or defaults.get("urgency", "normal"),
        severity=fields.get("severity") or defaults.get("severity", "one"),
        team=ground.team(record),
        owner=ground.owner(record),
        by=None,
        received_at=record.received_at,
        at=entry.at,
        acknowledge=False,
        imported=True,
    )
    ExternalReference.objects.create(case_id=ticket.pk, source=ground.map.name, number=entry.script.number)
    if record.dues:
        give_due(case_id=ticket.pk, dues=record.dues, at=record.received_at)
    return int(ticket.pk)


# --- verdicts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One promise of one case in one cycle, judged."""

    external: str
    number: str
    promise: str
    cycle: int
    due: datetime | None
    stopped: datetime | None
    missed_at: datetime | None
    pauses: int
    paused: timedelta
    verdict: str

    def cells(self, zone: ZoneInfo) -> list[str]:
        def local(at: datetime | None) -> str:
            return at.astimezone(zone).isoformat() if at else ""

        met = {Verdict.MET: "true", Verdict.MISSED: "false"}.get(Verdict(self.verdict), "")
        return [
            self.external, self.number, self.promise, str(self.cycle), local(self.due), local(self.stopped), met,
            local(self.missed_at), str(self.pauses), f"{self.paused.total_seconds():g}", self.verdict,
        ]  # fmt: skip


def verdicts(source: str, *, until: datetime) -> Iterator[Line]:
    """Every promise of the cases of a source, judged at `until`, by external number."""
    references = ExternalReference.objects.filter(source=source).order_by("number").select_related("case")
    batch: list[ExternalReference] = []
    for reference in references.iterator(2000):
        batch.append(reference)
        if len(batch) == 2000:
            yield from _judged(batch, until)
            batch = []
    yield from _judged(batch, until)


def _judged(batch: list[ExternalReference], until: datetime) -> Iterator[Line]:
    by_case: dict[int, list[Deadline]] = {}
    for deadline in Deadline.objects.filter(case_id__in=[one.case_id for one in batch]).order_by(
        "case_id", "promise", "cycle"
    ):
        by_case.setdefault(deadline.case_id, []).append(deadline)
    for reference in batch:
        for deadline in by_case.get(reference.case_id, []):
            yield _line(reference, deadline, until)


def _line(reference: ExternalReference, deadline: Deadline, until: datetime) -> Line:
    verdict = deadline.verdict(until)
    spans = [
        (datetime.fromisoformat(end) if end else until) - datetime.fromisoformat(start)
        for start, end, _why in deadline.pauses
    ]
    return Line(
        external=reference.number,
        number=reference.case.number,
        promise=deadline.promise,
        cycle=deadline.cycle,
        due=deadline.due_at,
        stopped=deadline.stopped_at,
        # A breach is dated by its deadline, whenever it was noticed.
        missed_at=deadline.missed_at(until),
        pauses=len(spans),
        paused=sum(spans, timedelta()),
        verdict=str(verdict),
    )


def write_verdicts(out: IO[str], case_map: CaseMap, *, until: datetime) -> dict[str, int]:
    """Write verdicts.csv; return how many of each verdict there are, by promise."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    counts: dict[str, int] = {}
    for line in verdicts(case_map.name, until=until):
        writer.writerow(line.cells(case_map.zone))
        key = f"{line.promise} {line.verdict}"
        counts[key] = counts.get(key, 0) + 1
    return counts
