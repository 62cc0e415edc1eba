"""Reading the file in the map's terms: a broken row is reported by its line, and the rest goes in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cases.states import PRIORITY
from common.csv_rows import Broken, Damaged, open_text, rows
from common.iso import read_instant
from tickets.states import State

from .maps import OUR_VALUES, CaseMap, FarOff, MapError, TimeColumn, local_instant

_SUBJECT = 200
# The pair that our table of priorities turns into each priority.
PAIRS = {rank: pair for pair, rank in sorted(PRIORITY.items())}


class BadRow(ValueError):
    """Why a row cannot be taken."""


@dataclass
class Record:
    """One row, read: instants in UTC, values in our words."""

    line: int
    number: str
    received_at: datetime
    at: datetime
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    state: str = ""
    reason: str = ""
    subject: str = ""
    description: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    team: str = ""
    owner: str = ""
    category: str = ""
    dues: dict[str, datetime] = field(default_factory=dict)


def _local(text: str, form: str) -> datetime:
    # A time without an offset is local; the map's zone makes an instant of it.
    return read_instant(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007


class Reader:
    """The rows of a file in the map's terms. `seen` counts rows, good or not; `broken` keeps those refused.

    `cut` says where and why the file could not be read to its end, if so.
    """

    def __init__(self, path: Path, case_map: CaseMap, *, now: datetime) -> None:
        self.path, self.map, self.now = path, case_map, now
        self.seen = 0
        self.broken: list[Broken] = []
        self.cut: Broken | None = None
        self._times: dict[tuple[str, str], datetime] = {}
        self._first_lines: dict[str, int] = {}

    def __iter__(self) -> Iterator[Record]:
        if self.map.as_of and self.map.as_of > self.now:
            raise MapError(f"source.as_of: {self.map.as_of:%Y-%m-%d %H:%M} UTC lies in the future")
        try:
            text = open_text(self.path, self.map.encoding)
        except OSError as problem:
            raise MapError(f"{self.path}: {problem.strerror or problem}") from None
        with text:
            try:
                yield from self._records(rows(text, self.map.delimiter))
            except Damaged as damage:
                self.cut = damage.broken
                self.broken.append(damage.broken)

    def _records(self, found: Iterator[tuple[int, list[str] | Broken]]) -> Iterator[Record]:
        header = self._header(found)
        for line, row in found:
            self.seen += 1
            if isinstance(row, Broken):
                self.broken.append(row)
                continue
            try:
                if len(row) != len(header):
                    raise BadRow(f"{len(row)} fields where the header has {len(header)}")
                record = self._read(line, dict(zip(header, row, strict=True)))
            except BadRow as problem:
                self.broken.append(Broken(line, str(problem)))
            else:
                yield record

    def _header(self, found: Iterator[tuple[int, list[str] | Broken]]) -> list[str]:
        _line, header = next(found, (1, []))
        if isinstance(header, Broken):
            raise MapError(f"{self.path}: the header: {header.reason}")
        header = [name.strip().removeprefix("\ufeff") for name in header]
        if missing := sorted(self.map.columns() - set(header)):
            there = ", ".join(header)
            there = there if len(there) <= 500 else f"{there[:500]}…"
            raise MapError(f"{self.path}: the file has no column {', '.join(missing)} (it has: {there})")
        if twice := sorted({name for name, count in Counter(header).items() if count > 1} & self.map.columns()):
            raise MapError(f"{self.path}: the file has two columns {', '.join(twice)}")
        return header

    def _read(self, line: int, row: dict[str, str]) -> Record:
        number = row[self.map.external_id].strip()
        if not number:
            raise BadRow(f"no number in {self.map.external_id}")
        if len(number) > 120:
            raise BadRow(f"{self.map.external_id} is longer than 120 characters")
        times = {name: self._time(name, entry, row) for name, entry in self.map.times.items()}
        at = times.get("at") or times.get("received_at")
        received = times.get("received_at") or at
        if at is None or received is None:
            raise BadRow("no time of receipt" if self.map.mode == "case" else "no time")
        record = Record(line, number, received, at, times.get("resolved_at"), times.get("closed_at"))
        self._read_texts(record, row)
        for promise in self.map.promises:
            if promise.due and (due := self._time(f"promise.{promise.name}", promise.due, row)):
                record.dues[promise.name] = due
        if self.map.mode == "case":
            self._check_case(record)
        self._check_not_ahead(record)
        return record

    def _time(self, name: str, entry: TimeColumn, row: dict[str, str]) -> datetime | None:
        text = row[entry.column].strip()
        if not text:
            return None
        found = self._times.get((text, entry.format))
        if found is None:
            try:
                found = local_instant(_local(text, entry.format), self.map.zone)
            except FarOff as problem:
                raise BadRow(f"{name}: {text[:40]!r} {problem}") from None
            except (ValueError, OverflowError):
                raise BadRow(f"{name}: {text[:40]!r} is not a time written {entry.format}") from None
            if len(self._times) > 200_000:
                self._times.clear()
            self._times[text, entry.format] = found
        return found

    def _read_texts(self, record: Record, row: dict[str, str]) -> None:
        texts, defaults = self.map.texts, self.map.defaults
        cell = {name: row[column].strip() for name, column in texts.items()}
        for name in ("type", "channel", "urgency", "severity", "priority"):
            if value := self._translated(name, cell.get(name, "")):
                record.fields[name] = value
        if priority := record.fields.pop("priority", ""):
            record.fields["urgency"], record.fields["severity"] = PAIRS[int(priority)]
        state = self._translated("state", cell.get("state", ""))
        record.state, _separator, record.reason = state.partition(":")
        record.team = self._translated("team", cell.get("team", "")) or defaults.get("team", "")
        record.owner = self._translated("owner", cell.get("owner", "")) or defaults.get("owner", "")
        by = next((promise.by for promise in self.map.promises if promise.by and not self.map.field_of(promise.by)), "")
        record.category = cell.get("category", "") or (row[by].strip() if by else "")
        subject = " ".join(cell.get("subject", "").split()) or defaults.get("subject", "")
        record.subject = subject or f"{self.map.name} {record.number}"
        record.description = row[texts["description"]].strip() if "description" in texts else ""
        if len(record.subject) > _SUBJECT:
            if record.subject not in " ".join(record.description.split()):  # the whole of it must stand somewhere
                record.description = "\n\n".join(filter(None, (record.subject, record.description)))
            record.subject = record.subject[: _SUBJECT - 1] + "…"

    def _translated(self, name: str, raw: str) -> str:
        if not raw:
            return ""
        table = self.map.values.get(name)
        if table is not None and raw in table:
            return table[raw]
        if name in ("team", "owner"):
            return raw
        if table is None and raw in OUR_VALUES[name]:
            return raw
        raise BadRow(f"{name}: there is no [values.{name}] for {raw[:40]!r}")

    def _check_case(self, record: Record) -> None:
        if (line := self._first_lines.setdefault(record.number, record.line)) != record.line:
            raise BadRow(f"the number {record.number} is also on line {line}")
        closed = record.closed_at
        for name, instant in (("resolved_at", record.resolved_at), ("closed_at", closed)):
            if instant is not None and instant < record.received_at:
                raise BadRow(f"{name} lies before received_at")
        if record.resolved_at and closed and closed < record.resolved_at:
            raise BadRow("closed_at lies before resolved_at")
        if record.state in (State.RESOLVED, State.CLOSED) and not (record.resolved_at or closed):
            if self.map.as_of is None:
                raise BadRow(f"{record.state}, but since when? There is no time, and the map has no source.as_of")

    def _check_not_ahead(self, record: Record) -> None:
        for instant in (record.received_at, record.at, record.resolved_at, record.closed_at):
            if instant is not None and instant > self.now:
                raise BadRow(f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC lies in the future")
