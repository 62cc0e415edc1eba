"""`manage.py due`: when is a promise due, and why then? Needs neither database nor Redis."""

import csv
import io
import os
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.csv_rows import MARKING, Broken, rows
from common.iso import read_instant
from sla.arithmetic import (
    Calendar,
    CalendarError,
    Day,
    DayLimit,
    Interval,
    Limit,
    LimitError,
    Why,
    count_days,
    earliest,
    parse_limits,
)
from sla.library import find_calendar

HEADER = ["start", "limit"]
WORDS = {
    Why.WEEK: "",
    Why.MAKE_UP: "make-up working day",
    Why.EXCEPTION_OPEN: "opened by a dated exception",
    Why.SHUT: "outside the hours",
    Why.WEEKEND: "weekly day off",
    Why.HOLIDAY: "holiday",
    Why.EXCEPTION_CLOSED: "closed by a dated exception",
    Why.PAUSED: "paused",
}

parsed_limits = lru_cache(maxsize=1024)(parse_limits)  # a batch repeats few limits many times


class Command(BaseCommand):
    help = (
        "Print when a promise is due, and why. The first line is the due instant alone. "
        "Exits with 1 if anything was refused."
    )
    requires_system_checks: list[str] = []  # answers without database, cache or broker

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--calendar", required=True, metavar="NAME", help="always, china, china-office, ...")
        parser.add_argument("--calendar-file", type=Path, metavar="FILE", help="take the calendar from this TOML file")
        parser.add_argument("--limit", metavar="LIMIT", help="such as 4h, 7wd, 15d+roll; with commas, the earliest")
        parser.add_argument("--from", dest="start", metavar="INSTANT", help="such as 2026-09-24T10:00+08:00")
        parser.add_argument(
            "--local", action="store_true", help="read a time without offset on the calendar's own clock"
        )
        parser.add_argument("--batch", metavar="FILE", help="read CSV with the header start,limit; - is standard input")

    def handle(self, *, calendar: str, calendar_file: Path | None, local: bool, **options: Any) -> None:
        try:
            found = find_calendar(calendar, calendar_file)
        except CalendarError as refusal:
            raise CommandError(str(refusal)) from None
        try:
            match options:
                case {"batch": None, "limit": str(limit), "start": str(start)}:
                    self.answer_one(found, limit, start, local=local)
                case {"batch": str(source), "limit": None, "start": None}:
                    self.answer_batch(found, source, local=local)
                case _:
                    raise CommandError("give either --limit and --from, or --batch")
        except BrokenPipeError:  # `| head` has seen enough; what is still buffered goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def answer_one(self, calendar: Calendar, limits_text: str, start_text: str, *, local: bool) -> None:
        try:
            start = read_start(calendar, start_text, local=local)
            due, dues = earliest(parse_limits(limits_text), calendar, start)
            lines = [on_clock(calendar, due), "", *explain(calendar, start, due, dues)]
        except (CalendarError, LimitError) as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write("\n".join(lines))

    def answer_batch(self, calendar: Calendar, source: str, *, local: bool) -> None:
        """Write a row with its due instant for each good row, and a line on stderr for each bad one."""
        answers = csv.writer(self.stdout, lineterminator="\n")
        found = read_rows(source)
        answers.writerow([*HEADER, "due"])
        refused = 0
        for line, row in found:
            try:
                if isinstance(row, Broken):
                    raise CalendarError(row.reason)
                due = answer_row(calendar, row, local=local)
            except (CalendarError, LimitError) as refusal:
                refused += 1
                self.stderr.write(f"line {line}: {refusal}")
            else:
                answers.writerow([*row, on_clock(calendar, due)])
        if refused:
            raise CommandError(f"rows refused: {refused}")


def answer_row(calendar: Calendar, row: list[str], *, local: bool) -> datetime:
    if len(row) != len(HEADER):
        raise CalendarError(f"{len(row)} fields where start,limit are two")
    start, limits = row
    due, _ = earliest(parsed_limits(limits), calendar, read_start(calendar, start, local=local))
    return due


def read_rows(source: str) -> Iterator[tuple[int, list[str] | Broken]]:
    """Return each row after the header that is not blank, with the number of its first line; raise CommandError."""
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise CommandError(f"{source}: {error.strerror}") from None
    found = rows(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", errors=MARKING, newline=""), ",")
    line, header = next(found, (1, []))
    if isinstance(header, Broken):
        raise CommandError(f"line {header.line}: the header must be start,limit, not {header.reason}")
    if [name.strip() for name in header] != HEADER:
        raise CommandError(f"line {line}: the header must be start,limit, not {shown(','.join(header))}")
    return found


def read_start(calendar: Calendar, text: str, *, local: bool) -> datetime:
    """Read an ISO 8601 instant; one without offset is refused, or with `local` read on the calendar's clock."""
    text = text.strip()
    if _is_date(text):
        raise CalendarError(f"start {shown(text)} is a date without a time")
    try:
        start = read_instant(text)
    except ValueError:
        raise CalendarError(f"start {shown(text)} is not an instant, such as 2026-09-24T10:00+08:00") from None
    if start.tzinfo is not None:
        return start
    if local:
        return calendar.clock(start.date(), start.time())
    raise CalendarError(f"start {shown(text)} has no offset, such as +08:00; --local reads it in {calendar.zone}")


def explain(calendar: Calendar, start: datetime, due: datetime, dues: list[tuple[Limit, datetime]]) -> Iterator[str]:
    """Yield the lines that say what was counted and what was not."""
    yield f"from {on_clock(calendar, start)} in the calendar {calendar.name} ({calendar.zone})"
    if calendar.is_provisional(due):
        yield f"provisional: make-up working days are known through {calendar.complete_through} only"
    for limit, its_due in dues:
        yield ""
        earliest_of_several = len(dues) > 1 and its_due == due
        yield f"{limit}: {_due_words(calendar, limit, its_due)}" + (", the earliest" if earliest_of_several else "")
        if isinstance(limit, DayLimit):
            for counted in count_days(limit, calendar, start):
                yield f"  {_day_words(counted.day, counted.number)}"
        else:
            for interval in calendar.intervals(start, its_due):
                yield f"  {_interval_words(calendar, interval)}"


def on_clock(calendar: Calendar, at: datetime) -> str:
    return calendar.local(at).isoformat()


def shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _due_words(calendar: Calendar, limit: Limit, due: datetime) -> str:
    if limit.ends_at_midnight:
        return f"by the end of {calendar.local(due - timedelta(microseconds=1)):%a %Y-%m-%d}"
    return f"{calendar.local(due):%a} {on_clock(calendar, due)}"


def _day_words(day: Day, number: int | None) -> str:
    counted = "day of receipt" if number == 0 else "skipped" if number is None else f"day {number}"
    return ", ".join(filter(None, (f"{day.date:%a %Y-%m-%d}  {counted}", WORDS[day.reason], day.name)))


def _interval_words(calendar: Calendar, interval: Interval) -> str:
    start, end = calendar.local(interval.start), calendar.local(interval.end)
    counted = f"counted {interval.span}" if interval.open else "skipped"
    between = f"{start:%a %Y-%m-%d %H:%M:%S} to {'24:00:00' if end.date() > start.date() else f'{end:%H:%M:%S}'}"
    return ", ".join(filter(None, (f"{between}  {counted}", WORDS[interval.why], interval.label)))


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
