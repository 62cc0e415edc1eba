"""The demo center: an invented month of work, made by the real services."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from common import clock
from servicecenter.demo import center
from servicecenter.demo.build import TICKETS, build
from servicecenter.demo.people import PASSWORD, sign_ins


class Command(BaseCommand):
    help = "Throw the demo center away and make it anew; refuses where the records are real. Needs DEMO=1."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--rebuild", action="store_true", help="the same as no option, said aloud")
        what.add_argument("--if-empty", action="store_true", help="make it only where there is nothing yet")
        what.add_argument("--age", action="store_true", help="say in one line when it is over a day old")
        what.add_argument("--sign-ins", action="store_true", help="print the demo's sign-ins")
        parser.add_argument("--tickets", type=int, default=TICKETS, help=f"how many (default {TICKETS})")
        parser.add_argument("--seed", type=int, default=7, help="another number, another month")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["age"]:
            self._age()
        elif options["sign_ins"]:
            self._sign_ins()
        elif options["if_empty"] and not center.is_empty():
            if options["verbosity"] > 1:
                self.stdout.write("There are records here already; the demo center is not made.")
        else:
            self._make(options["tickets"], options["seed"])

    def _make(self, tickets: int, seed: int) -> None:
        if not settings.DEMO:
            raise CommandError("The demo center is made only where DEMO=1 is set.")
        try:
            center.refuse_real_records()
        except center.NotADemo as refusal:
            raise CommandError(str(refusal)) from None
        began = time.monotonic()
        self.stdout.write("Making the demo center…")
        self.stdout.flush()
        with transaction.atomic():
            # Together: a demo that cannot be made anew is not thrown away.
            center.clear()
            made = build(now=clock.now(), tickets=tickets, seed=seed)
        seconds = time.monotonic() - began
        what = f"{made.tickets} tickets, {made.open} of them open, and {made.visits} visits"
        self.stdout.write(f"The demo center has {what} ({seconds:.0f} s).")

    def _age(self) -> None:
        made_at = center.made_at()
        if made_at is None:
            return
        age = clock.now() - made_at
        if age > timedelta(days=1):
            self.stdout.write(f"The demo center is {age.days} day(s) old; `make demo` makes it anew.")

    def _sign_ins(self) -> None:
        self.stdout.write(f"Sign in as any of these; the password is {PASSWORD}:")
        for username, name in sign_ins():
            self.stdout.write(f"  {username:<14}{name}")
