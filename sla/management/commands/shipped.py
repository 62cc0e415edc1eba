"""Load the shipped calendars and policy, where there are none yet."""

from __future__ import annotations

from typing import Any

from common.commands import DatabaseCommand
from sla.shipped import load_shipped


class Command(DatabaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        done = load_shipped()
        self.stdout.write("Loaded: " + ", ".join(done) if done else "Calendars and policy are there already.")
