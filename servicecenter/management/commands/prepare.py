"""Everything between a new version's files and its start, in one process; running it again changes nothing."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from appointments import certificates
from appointments.shipped import load_shipped as load_shipped_visits
from common import clock
from sla import audit, calendar_watch
from staff.qualifying import load_shipped_skills


class Command(BaseCommand):
    help = "Compile translations, collect static files, migrate, load what is shipped, make the demo center."
    requires_system_checks: list[str] = []  # they would fix the list of static folders before the icons have theirs

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--files-only", action="store_true", help="only what needs no database (an image's build)")
        parser.add_argument("--database-only", action="store_true", help="only what needs the database (a start)")
        parser.add_argument("--no-demo", action="store_true", help="make no demo center even with DEMO=1")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._prepare(options)
        except KeyboardInterrupt:
            raise SystemExit(130) from None

    def _prepare(self, options: dict[str, Any]) -> None:
        if not options["database_only"]:
            call_command("compile_translations", verbosity=0)
            call_command("build_icons", verbosity=0)
            # build_icons has just made its folder, which the settings could not see yet.
            if settings.GENERATED_DIR not in settings.STATICFILES_DIRS:
                settings.STATICFILES_DIRS.append(settings.GENERATED_DIR)
            call_command("collectstatic", interactive=False, verbosity=0)
        if options["files_only"]:
            return
        self.stdout.write("Migrating the database…")
        self.stdout.flush()
        call_command("migrate", interactive=False, verbosity=0)
        call_command("createcachetable", verbosity=0)
        call_command("shipped", verbosity=0)
        call_command("categories", "load", verbosity=0)
        load_shipped_skills()
        load_shipped_visits()
        certificates.arm(at=clock.now())
        calendar_watch.arm(at=clock.now())
        audit.arm(at=clock.now())
        if settings.DEMO and not options["no_demo"]:
            call_command("demo", if_empty=True)
            call_command("demo", age=True)
