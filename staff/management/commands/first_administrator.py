"""Production starts here: the one person who can then add all others."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import translation

from common.commands import DatabaseCommand
from common.errors import DomainError
from staff.services import first_administrator


class Command(DatabaseCommand):
    help = (
        "Create the first administrator. Asks for what is missing; ADMINISTRATOR_USERNAME, ADMINISTRATOR_NAME and "
        "ADMINISTRATOR_PASSWORD answer instead. Refuses when an administrator exists."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", help="sign-in name, one word")
        parser.add_argument("--name", help="the name people see")

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"] or os.environ.get("ADMINISTRATOR_USERNAME") or self._ask("Sign-in name: ")
        name = options["name"] or os.environ.get("ADMINISTRATOR_NAME") or self._ask("Name: ") or username
        password = os.environ.get("ADMINISTRATOR_PASSWORD") or self._ask_password()
        # Commands speak English, as the rest of the operators' tools does.
        with translation.override("en"):
            try:
                person = first_administrator(username=username, name=name, password=password)
            except DomainError as refusal:
                raise CommandError(" ".join(str(reason) for reason in refusal.reasons)) from None
        self.stdout.write(f"{person.username} may sign in now.")

    def _ask(self, question: str) -> str:
        """One line from the terminal or from a pipe; nothing where there is neither."""
        if sys.stdin.isatty():
            return input(question).strip()
        return sys.stdin.readline().strip()

    def _ask_password(self) -> str:
        if not sys.stdin.isatty():
            return sys.stdin.readline().rstrip("\n")
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Once more: "):
            raise CommandError("The two do not match.")
        return password
