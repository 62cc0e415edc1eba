"""`manage.py import_cases`: bring the cases of another system in, with their true times (docs/import.md)."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import translation
from tqdm import tqdm

from common.commands import DatabaseCommand
from tickets.importing.bulk import import_file
from tickets.importing.maps import SHIPPED, MapError, load_map


def map_path(text: str) -> Path:
    """A map's file, or the one of that name that the house ships."""
    path = Path(text)
    shipped = SHIPPED / (path.name if path.suffix else f"{text}.toml")
    return shipped if not path.exists() and shipped.exists() else path


def progress(rows: Iterable[Any]) -> Iterable[Any]:
    """A progress bar on a terminal, nothing elsewhere."""
    return tqdm(rows, unit=" cases", file=sys.stderr, disable=None)


class Command(DatabaseCommand):
    help = (
        "Import cases from a CSV file (plain or gzip) by a map: true times of receipt and closing, deadlines as they "
        "would have been, nothing sent for the past. Running it again brings in what is new. Broken rows are reported "
        "by line; the exit code is 1 only where none could be taken or the file could not be read to its end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--map", required=True, metavar="MAP.toml", help="or the name of a map the house ships")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen and write nothing")

    def handle(self, *, file: Path, map: str, dry_run: bool, **options: Any) -> None:
        try:
            with translation.override("en"):  # the report is for operators, like every command's output
                report = import_file(file, load_map(map_path(map)), write=not dry_run, progress=progress)
        except MapError as problem:
            raise CommandError(str(problem)) from None
        for line in report.lines(dry_run=dry_run):
            self.stdout.write(line)
        if failure := report.failure("imported"):
            raise CommandError(failure)
