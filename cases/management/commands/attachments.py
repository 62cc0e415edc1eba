"""Are the files of all attachments where they were put, and as they were? For after a restore, and now and then."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from cases.attachments import storage, storage_problems
from common.commands import DatabaseCommand


class Command(DatabaseCommand):
    help = "Compare every attachment with its file; --remove-strays deletes files that belong to none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--remove-strays", action="store_true", help="delete files no row knows; only while nobody uploads"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wrong, strays = storage_problems()
        for line in wrong:
            self.stdout.write(line)
        for name in strays:
            self.stdout.write(f"{name} belongs to no attachment")
            if options["remove_strays"]:
                storage().delete(name)
        if wrong:
            raise CommandError(f"{len(wrong)} attachments are not as they were.")
        self.stdout.write("Every attachment is as it was.")
