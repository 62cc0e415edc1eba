"""The questions of /healthz from the command line, for a container that serves no pages."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from servicecenter.health import QUESTIONS, ask


class Command(BaseCommand):
    help = "Exit with 0 when all is well, else say what is not."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("questions", nargs="*", choices=[[], *QUESTIONS], help="all of them when none is named")

    def handle(self, *args: Any, **options: Any) -> None:
        figures, reasons = ask(*(options["questions"] or QUESTIONS))
        if reasons:
            raise CommandError("; ".join(reasons))
        self.stdout.write(str(figures))
