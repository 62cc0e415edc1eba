"""Maps: what the columns of somebody else's file mean here, written in TOML (docs/import.md).

A map is refused whole, with one message naming everything unknown or missing; nothing in it is guessed.
"""

from __future__ import annotations

import codecs
import io
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.text import slugify

from cases.states import Channel, Severity, Urgency
from common.csv_rows import MARKING
from common.iso import read_instant
from common.text import unstorable_key
from sla.arithmetic import Calendar, CalendarError, Limit, LimitError
from sla.arithmetic.calendars import ANSWERED_YEARS
from sla.arithmetic.toml import new_calendar
from tickets.states import HoldReason, State, Type, Verified, WaitReason

SHIPPED = Path(__file__).resolve().parent.parent / "maps"

TIMES = {"received_at", "resolved_at", "closed_at", "at"}
TEXTS = {
    "subject", "description", "state", "team", "owner", "priority", "type", "channel", "urgency", "severity",
    "category",
}  # fmt: skip
_KEYS = {
    "source": {"kind", "name", "timezone", "encoding", "delimiter", "external_id", "mode", "as_of"},
    "promise": {"due", "by", "limits", "default", "calendar", "stop", "pauses", "warn"},
    "defaults": {
        "type", "channel", "subject", "urgency", "severity", "wait_reason", "hold_reason", "resolution", "verified",
        "team", "owner",
    },
}  # fmt: skip
_CHOICES: dict[str, Any] = {
    "type": Type,
    "channel": Channel,
    "urgency": Urgency,
    "severity": Severity,
    "wait_reason": WaitReason,
    "hold_reason": HoldReason,
    "verified": Verified,
    "state": State,
}
OUR_VALUES = {**{name: choices.values for name, choices in _CHOICES.items()}, "priority": ["1", "2", "3", "4"]}
# Selectors a table of limits may go by, beside the category.
SELECTED = ("type", "channel", "urgency", "severity", "priority")


# Encodings of Python that decode no file, or anything: a name in the network, a source text.
_NO_FILE = {"punycode", "idna", "undefined", "unicode-escape", "raw-unicode-escape"}
_NAME = re.compile(r"[\w-]{1,40}")


class MapError(ValueError):
    """A map that cannot be used, with every reason."""


class FarOff(ValueError):
    """An instant that no clock of ours can reckon with."""


@dataclass(frozen=True)
class TimeColumn:
    """A column that holds local times, and how they are written: a strptime format, or `iso`."""

    column: str
    format: str


@dataclass(frozen=True)
class PromiseMap:
    """One promise: given by a column of the file, or one limit for each value of a column."""

    name: str
    due: TimeColumn | None = None
    by: str = ""
    limits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default: tuple[str, ...] = ()
    calendar: str = "always"
    stops: tuple[str, ...] = ("resolved",)
    pauses: tuple[str, ...] = ()
    warn: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaseMap:
    """A whole map, checked."""

    name: str
    zone: ZoneInfo
    external_id: str
    mode: str
    encoding: str
    delimiter: str
    as_of: datetime | None
    times: Mapping[str, TimeColumn]
    texts: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]
    defaults: Mapping[str, str]
    promises: tuple[PromiseMap, ...]
    calendars: Mapping[str, Calendar]

    def columns(self) -> set[str]:
        """Every column of the file that the map needs."""
        named = {self.external_id, *self.texts.values(), *(entry.column for entry in self.times.values())}
        for promise in self.promises:
            named |= {promise.due.column} if promise.due else {promise.by} if promise.by else set()
        return named

    def field_of(self, column: str) -> str:
        """Our name for a column, where the map gives it one."""
        return next((name for name, mapped in self.texts.items() if mapped == column), "")


def load_map(path: Path) -> CaseMap:
    """Read a map; raise MapError naming the file and everything that is wrong in it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise MapError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MapError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise MapError(f"{path}: not TOML: nested too deeply") from None
    try:
        return read_map(document, name=slugify(path.stem, allow_unicode=True))
    except MapError as problem:
        raise MapError(f"{path}: {problem}") from None


def read_map(document: Mapping[str, Any], *, name: str) -> CaseMap:
    """Check a map; raise MapError with every problem at once."""
    return _Reader(document, name).read()


class _Reader:
    def __init__(self, document: Mapping[str, Any], name: str) -> None:
        self.document, self.name = document, name
        self.problems: list[str] = []

    def read(self) -> CaseMap:
        if (key := unstorable_key(self.document)) is not None:
            raise MapError(f"{key} has a NUL in it, which no database keeps")
        self._unknown(self.document, {"source", "columns", "values", "promise", "defaults", "calendar"}, "")
        source = self._table("source")
        self._unknown(source, _KEYS["source"], "source.")
        self.name = self._name(source.get("name", self.name))
        zone = self._zone(source.get("timezone"))
        times, texts = self._columns()
        mode = source.get("mode", "case")
        self._source(source, mode, times)
        values, defaults = self._values(texts), self._defaults()
        calendars = self._calendars()
        promises = tuple(self._promise(key, form, times, texts) for key, form in self._table("promise").items())
        as_of = self._as_of(source.get("as_of"), zone)
        if self.problems:
            raise MapError("; ".join(self.problems))
        return CaseMap(
            name=self.name,
            zone=zone,
            external_id=source["external_id"],
            mode=mode,
            encoding=source.get("encoding", "utf-8"),
            delimiter=source.get("delimiter", ","),
            as_of=as_of,
            times=times,
            texts=texts,
            values=values,
            defaults=defaults,
            promises=promises,
            calendars=calendars,
        )

    def _say(self, problem: str) -> None:
        self.problems.append(problem)

    def _unknown(self, table: Mapping[str, Any], known: set[str], where: str) -> None:
        if strange := sorted(set(table) - known):
            self._say(f"unknown key {', '.join(where + key for key in strange)} (known: {', '.join(sorted(known))})")

    def _table(self, key: str, of: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        table = (self.document if of is None else of).get(key, {})
        if not isinstance(table, dict):
            self._say(f"{key} is not a table")
            return {}
        return table

    def _name(self, name: Any) -> str:
        """The scope of the policy and the source of the numbers; an empty one would be the house's own."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._say(
                f"source.name: {str(name)[:80]!r} (by default the file's name) is not 1 to 40 characters "
                "that are letters, digits, _ or -"
            )
            return "map"
        return name

    def _zone(self, text: Any) -> ZoneInfo:
        try:
            return ZoneInfo(text)
        except (OSError, ValueError, KeyError, TypeError):
            self._say(f"source.timezone: {text!r} is not a time zone, such as 'Asia/Shanghai'; it is never guessed")
            return ZoneInfo("UTC")

    def _source(self, source: Mapping[str, Any], mode: Any, times: Mapping[str, TimeColumn]) -> None:
        if source.get("kind", "ticket") != "ticket":
            self._say(f"source.kind: {source['kind']!r} is not 'ticket', the one kind that can be imported")
        if not isinstance(source.get("external_id"), str) or not source["external_id"]:
            self._say("source.external_id is missing: the column that holds the number in the other system")
        if mode not in ("case", "event"):
            self._say(f"source.mode: {mode!r} is neither 'case' (a row is a case) nor 'event' (a row is an event)")
        if mode == "event":
            if early := sorted({"closed_at", "resolved_at"} & set(times)):
                self._say(
                    f"columns.{early[0]} has no place in mode 'event': the state of each row says when it was reached"
                )
            if "at" not in times:
                self._say("columns.at is missing: when each event happened")
            if "state" not in self._table("columns"):
                self._say("columns.state is missing: mode 'event' is about states")
        else:
            if "at" in times:
                self._say("columns.at belongs to mode 'event'; mode 'case' has received_at and closed_at")
            if "received_at" not in times:
                self._say("columns.received_at is missing")
        if not _reads_text(source.get("encoding", "utf-8")):
            self._say(f"source.encoding: {source['encoding']!r} is not an encoding, such as 'utf-8' or 'gb18030'")
        delimiter = source.get("delimiter", ",")
        if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
            self._say("source.delimiter is one character, and neither a quote nor a line end")

    def _columns(self) -> tuple[dict[str, TimeColumn], dict[str, str]]:
        table = self._table("columns")
        self._unknown(table, TIMES | TEXTS, "columns.")
        times, texts = {}, {}
        for key, form in table.items():
            if key in TIMES:
                if (column := self._time_column(f"columns.{key}", form)) is not None:
                    times[key] = column
            elif key in TEXTS:
                column_name = form.get("column") if isinstance(form, dict) and set(form) == {"column"} else form
                if isinstance(column_name, str) and column_name:
                    texts[key] = column_name
                else:
                    self._say(f"columns.{key} is the name of a column")
        return times, texts

    def _time_column(self, where: str, form: Any) -> TimeColumn | None:
        if not isinstance(form, dict) or not {"column", "format"} >= set(form) or "column" not in form:
            self._say(f'{where} is written {{ column = "…", format = "%Y-%m-%d %H:%M:%S" }}')
            return None
        if "format" not in form:
            self._say(f"{where} needs a format, such as '%d/%m/%Y %H:%M': the order of day and month is never guessed")
            return None
        column, written = str(form["column"]), str(form["format"])
        if why := _unreadable(written):
            self._say(f"{where}: the format {written!r} {why}")
        return TimeColumn(column, written)

    def _values(self, texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
        tables = {}
        for key in self._table("values"):
            if key not in texts:
                self._say(f"values.{key}: there is no columns.{key} to translate")
                continue
            table = {str(raw): str(ours) for raw, ours in self._table(key, self._table("values")).items()}
            for raw, ours in table.items():
                self._check_value(key, raw, ours)
            tables[key] = table
        return tables

    def _check_value(self, key: str, raw: str, ours: str) -> None:
        if key == "state":
            state, _separator, reason = ours.partition(":")
            if state not in State.values or state == State.MERGED:
                self._say(f"values.state: {raw!r} leads to {state!r}, which is not a state a file can bring about")
                return
            known: Any = {State.PENDING: WaitReason, State.HELD: HoldReason}.get(State(state))
            if reason and (known is None or reason not in known.values):
                reasons = f", only {', '.join(known.values)}" if known else ""
                self._say(f"values.state: {raw!r}: {reason!r} is not a reason to be {state}{reasons}")
        elif key in OUR_VALUES and ours not in OUR_VALUES[key]:
            self._say(f"values.{key}: {raw!r} leads to {ours!r}, which is none of {', '.join(OUR_VALUES[key])}")

    def _defaults(self) -> dict[str, str]:
        table = self._table("defaults")
        self._unknown(table, _KEYS["defaults"], "defaults.")
        for key, value in table.items():
            if key in _CHOICES and value not in _CHOICES[key].values:
                self._say(f"defaults.{key}: {value!r} is none of {', '.join(_CHOICES[key].values)}")
        return {key: str(value) for key, value in table.items()}

    def _calendars(self) -> dict[str, Calendar]:
        calendars = {}
        for key, form in self._table("calendar").items():
            try:
                # Its own name in the house, so that a map can never change a calendar of ours.
                calendars[key] = new_calendar(f"import-{self.name}-{key}", form)
            except CalendarError as problem:
                self._say(str(problem))
        return calendars

    def _promise(self, key: str, form: Any, times: Mapping[str, TimeColumn], texts: Mapping[str, str]) -> PromiseMap:
        where = f"promise.{key}"
        if not isinstance(form, dict):
            self._say(f"{where} is not a table")
            return PromiseMap(key)
        self._unknown(form, _KEYS["promise"], f"{where}.")
        due = form.get("due")
        if isinstance(due, str):
            # The file's targets are written like its receipts unless the map says otherwise.
            due = {"column": due, "format": times["received_at"].format} if "received_at" in times else {"column": due}
        given = self._time_column(f"{where}.due", due) if due is not None else None
        by = form.get("by", "")
        if due is not None and ("by" in form or "limits" in form):
            self._say(f"{where} has either due (given by the file) or by and limits, not both")
        if due is None and not form.get("limits") and not form.get("default"):
            self._say(f"{where} needs due, or by and a table of limits")
        elif due is None and form.get("limits") and not by:
            self._say(f"{where}.by is missing: the column whose values the limits are for")
        mapped = next((name for name, column in texts.items() if column == by), "")
        if (by and mapped not in (*SELECTED, "category", "")) or (by and not mapped and "category" in texts):
            self._say(f"{where}.by: the limits can go by the category or by one of {', '.join(SELECTED)}")
        if mapped in SELECTED and isinstance(form.get("limits"), dict):
            for raw in form["limits"]:
                if self._ours(mapped, str(raw)) not in OUR_VALUES[mapped]:
                    self._say(f"{where}.limits: {raw!r} is no {mapped} of ours, and [values.{mapped}] makes it none")
        limits = {str(raw): self._limits(f"{where}.limits.{raw}", text) for raw, text in self._limit_table(form, where)}
        calendar = form.get("calendar", "always")
        pauses = self._many(form.get("pauses", []))
        if strange := sorted(set(pauses) - {"pending", "held"}):
            self._say(f"{where}.pauses: a clock cannot pause in {', '.join(strange)}")
        return PromiseMap(
            name=key,
            due=given,
            by=by,
            limits=limits,
            default=self._limits(f"{where}.default", form.get("default", "")),
            calendar=str(calendar),
            stops=self._many(form.get("stop", "resolved")),
            pauses=pauses,
            warn=self._many(form.get("warn", [])),
        )

    def _ours(self, name: str, raw: str) -> Any:
        tables = self.document.get("values")
        table = tables.get(name) if isinstance(tables, dict) else None
        return table.get(raw, raw) if isinstance(table, dict) else raw

    def _limit_table(self, form: Mapping[str, Any], where: str) -> list[tuple[str, Any]]:
        table = form.get("limits", {})
        if not isinstance(table, dict):
            self._say(f"{where}.limits is not a table of limits")
            return []
        return list(table.items())

    def _limits(self, where: str, value: Any) -> tuple[str, ...]:
        try:
            return tuple(str(Limit.parse(text)) for text in self._many(value) if text)
        except LimitError as problem:
            self._say(f"{where}: {problem}")
            return ()

    def _many(self, value: Any) -> tuple[str, ...]:
        return tuple(str(one) for one in value) if isinstance(value, list) else (str(value),)

    def _as_of(self, text: Any, zone: ZoneInfo) -> datetime | None:
        if text is None:
            return None
        try:
            return local_instant(read_instant(str(text)), zone)
        except FarOff as problem:
            self._say(f"source.as_of: {text!r} {problem}")
        except ValueError:
            self._say(f"source.as_of: {text!r} is not a time, such as '2015-07-01T00:00'")
        return None


def _reads_text(encoding: Any) -> bool:
    """Whether a file can be read in this encoding: Python also knows some that make bytes of bytes, or read source."""
    try:
        if codecs.lookup(encoding).name in _NO_FILE:
            return False
        with io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=MARKING) as nothing:
            return nothing.read() == ""
    except (LookupError, TypeError, ValueError):
        return False


def _unreadable(form: str) -> str:
    """Why times cannot be read by this format; nothing where they can."""
    if form == "iso":
        return ""
    if "%Z" in form.replace("%%", ""):
        return "has %Z: names of zones mean too many things; use %z for an offset, or leave it out"
    try:
        # A time written by the format must be read back by it.
        written = datetime(2011, 7, 5, 10, tzinfo=UTC).strftime(form)
        local_instant(datetime.strptime(written, form), ZoneInfo("UTC"))  # noqa: DTZ007 - only tried
    except FarOff:
        return "says no day and year"
    except (ValueError, re.error) as problem:
        return f"cannot be read: {problem}"
    return ""


def local_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time, in UTC. Of a time that comes twice the first, one that is skipped moves forward.

    Raises FarOff outside the years that the clocks can reckon with.
    """
    if local.year in range(ANSWERED_YEARS[0] - 1, ANSWERED_YEARS[-1] + 2):
        at = (local if local.tzinfo else local.replace(tzinfo=zone, fold=0)).astimezone(UTC)
        if at.year in ANSWERED_YEARS:
            return at
    raise FarOff(f"lies outside the years {ANSWERED_YEARS[0]} to {ANSWERED_YEARS[-1]}")
