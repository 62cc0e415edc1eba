"""What promises announce to the rooms of the kinds of cases.

`rung_reached` is sent once a batch of the sweep, inside its transaction and with the cases' locks held, with `raises`:
cases that a rung took to a higher tier while nobody had them, or nobody had answered. The room of a kind gives its own
cases to the people the rung tells: transitions are its to run. It changes them in memory, adds facts with
`cases.services.add_fact`, and marks those it changed (`Raise.given_to`); the sweep writes them in bulk.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.dispatch import Signal

from cases.models import Case
from staff.models import User

from .models import Deadline

rung_reached = Signal()


@dataclass
class Raise:
    """A case that came to a higher tier at `at`: whom the rung tells, in order, and all the case's deadlines."""

    case: Case
    at: datetime
    people: list[User]
    deadlines: list[Deadline]
    given_to: User | None = None
