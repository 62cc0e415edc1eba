"""Load the category tree: the shipped one where there is none, or a file's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from cases.categories import load_categories, load_shipped_categories
from common.commands import DatabaseCommand
from common.errors import DomainError


class Command(DatabaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["load"])
        parser.add_argument("file", nargs="?", type=Path, help="a TOML file like cases/defaults/categories.toml")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["file"] is None:
            added = load_shipped_categories()
            self._say(f"Loaded {added} categories." if added else "Categories are there already.", options)
            return
        try:
            added, changed = load_categories(options["file"].read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError, DomainError) as problem:
            reason = problem.reasons[0] if isinstance(problem, DomainError) else problem
            raise CommandError(f"{options['file']}: {reason}") from None
        self._say(f"{added} categories added, {changed} changed.", options)

    def _say(self, line: str, options: dict[str, Any]) -> None:
        if options["verbosity"]:
            self.stdout.write(line)
