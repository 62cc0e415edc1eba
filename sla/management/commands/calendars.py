"""Write the calendars as TOML, or publish those of a file as new versions and re-aim the deadlines they move."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common import clock
from common.output import whole_file
from sla import files, services, shipped
from sla.arithmetic import Calendar, CalendarError, load_calendars
from sla.models import CalendarVersion


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="export|load")
        export = acts.add_parser("export", help="write the newest version of every calendar")
        export.add_argument("file", type=Path, metavar="FILE", help="- is standard output")
        load = acts.add_parser("load", help="publish the calendars of a file")
        load.add_argument("file", type=Path, metavar="FILE")
        load.add_argument("--dry-run", action="store_true", help="only list which open deadlines would move")

    def handle(self, *, act: str, file: Path, dry_run: bool = False, **_options: Any) -> None:
        if act == "export":
            self.export(file)
            return
        try:
            calendars = load_calendars(file)
        except CalendarError as refusal:
            raise CommandError(" ".join(str(refusal).split())) from None
        now = clock.now()
        calendars = {name: shipped.with_days_of_now(found, at=now) for name, found in calendars.items()}
        present = shipped.known_calendars()
        changed = [
            c for c in calendars.values() if c.name not in present or not shipped.says_the_same(present[c.name], c)
        ]
        for name in calendars.keys() - {c.name for c in changed}:
            self.stdout.write(f"{name}: nothing changed")
        try:
            for calendar in changed:
                self.publish(calendar, new=calendar.name not in present, dry_run=dry_run)
        except CalendarError as refusal:
            # A live deadline reaches further than the new calendar can answer; nothing of it was published.
            raise CommandError(" ".join(str(refusal).split())) from None

    def export(self, file: Path) -> None:
        names = sorted(shipped.known_calendars())
        newest = [CalendarVersion.objects.filter(name=name).order_by("number").last() for name in names]
        write(self, file, files.write_calendars(version for version in newest if version is not None))

    def publish(self, calendar: Calendar, *, new: bool, dry_run: bool) -> None:
        now = clock.now()
        moves = [] if new else services.preview_retarget(calendar.name, calendar, at=now)
        would = "would be" if dry_run else "is"
        self.stdout.write(f"{calendar.name}: {would} {'new' if new else 'a new version'}, {moved(len(moves))}")
        for move in moves:
            paused = ", paused: as if it resumed now" if move.deadline.due_at is None else ""
            before, after = calendar.local(move.before), calendar.local(move.after)
            self.stdout.write(
                f"  {move.deadline.case.number} {move.deadline.promise}: "
                f"{before.isoformat()} -> {after.isoformat()}{paused}"
            )
        if dry_run:
            return
        shipped.publish_calendar(calendar, at=now)
        self.follow(calendar.name, now)

    def follow(self, name: str, now: datetime) -> None:
        """Put every live deadline under the new version, case by case; those whose due instant stays do not move."""
        cases = list(dict.fromkeys(services.on_calendar(name).values_list("case_id", flat=True)))
        re_aimed = 0
        for position, case_id in enumerate(cases, start=1):
            re_aimed += len(services.retarget(case_id, at=now))
            if position % 500 == 0:
                self.stdout.write(f"  {position} of {len(cases)} cases")
        if cases:
            self.stdout.write(f"  re-aimed {re_aimed} in {len(cases)} cases")


def moved(count: int) -> str:
    return f"{count} open deadline{' moves' if count == 1 else 's move'}"


def write(command: BaseCommand, file: Path, text: str) -> None:
    """Write an export to its file, or to standard output for `-`."""
    if str(file) == "-":
        command.stdout.write(text, ending="")
        return
    try:
        with whole_file(file) as out:
            out.write(text)
    except OSError as problem:
        raise CommandError(f"{file}: {problem.strerror}") from None
