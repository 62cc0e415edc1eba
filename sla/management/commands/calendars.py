"""Write the calendars as TOML, or publish those of a file as new versions and re-aim the deadlines they move."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from common import clock
from common.commands import DatabaseCommand
from common.output import whole_file
from sla import files, services, shipped
from sla.arithmetic import Calendar, CalendarError, load_calendars
from sla.models import CalendarVersion


class Command(DatabaseCommand):
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
        self.load(file, dry_run=dry_run)

    def load(self, file: Path, *, dry_run: bool) -> None:
        """Publish what changed, all of it or nothing, and re-aim; also what an interrupted load left behind."""
        now = clock.now()
        try:
            calendars = {name: shipped.with_days_of_now(found, at=now) for name, found in load_calendars(file).items()}
            present = shipped.known_calendars()
            changed = {
                name: found
                for name, found in calendars.items()
                if name not in present or not shipped.says_the_same(present[name], found)
            }
            # Every move of every calendar is reckoned before the first is published: a live deadline may reach further
            # than its new calendar can answer.
            moves = {
                name: services.preview_retarget(name, found, at=now)
                for name, found in calendars.items()
                if name in present and (name in changed or services.behind(name).exists())
            }
        except CalendarError as refusal:
            raise CommandError(" ".join(str(refusal).split())) from None
        would = "would be" if dry_run else "is"
        for name, found in calendars.items():
            if name in changed:
                version = "a new version" if name in present else "new"
                self.stdout.write(f"{name}: {would} {version}, {moved(len(moves.get(name, ())))}")
            elif name in moves:
                self.stdout.write(f"{name}: nothing changed, {moved(len(moves[name]))} since it was loaded last")
            else:
                self.stdout.write(f"{name}: nothing changed")
            self.tell(found, moves.get(name, ()))
        if dry_run:
            return
        with transaction.atomic():
            for found in changed.values():
                shipped.publish_calendar(found, at=now)
        for name in moves:
            self.follow(name, now)

    def export(self, file: Path) -> None:
        names = sorted(shipped.known_calendars())
        newest = [CalendarVersion.objects.filter(name=name).order_by("number").last() for name in names]
        write(self, file, files.write_calendars(version for version in newest if version is not None))

    def tell(self, calendar: Calendar, moves: Iterable[services.Move]) -> None:
        for move in moves:
            paused = ", paused: as if it resumed now" if move.deadline.due_at is None else ""
            before, after = calendar.local(move.before), calendar.local(move.after)
            self.stdout.write(
                f"  {move.deadline.case.number} {move.deadline.promise}: "
                f"{before.isoformat()} -> {after.isoformat()}{paused}"
            )

    def follow(self, name: str, now: datetime) -> None:
        """Put every live deadline under the new version, case by case; those whose due instant stays do not move."""
        cases = list(dict.fromkeys(services.behind(name).values_list("case_id", flat=True)))
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
