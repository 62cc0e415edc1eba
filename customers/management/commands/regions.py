"""Load the regions we serve from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from common.commands import DatabaseCommand
from common.errors import DomainError
from customers.regions import load_regions


class Command(DatabaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["load"])
        parser.add_argument("file", type=Path, help="a TOML file like customers/defaults/regions.toml")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            added, changed = load_regions(options["file"].read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError, DomainError) as problem:
            reason = problem.reasons[0] if isinstance(problem, DomainError) else problem
            raise CommandError(f"{options['file']}: {reason}") from None
        if options["verbosity"]:
            self.stdout.write(f"{added} regions added, {changed} changed.")
