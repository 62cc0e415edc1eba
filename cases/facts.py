"""Facts of the timeline: one function per fact in each room's events.py, and one register of how they read.

A fact holds ids and short values, digests instead of bodies, and no personal data. The sentence for people is made
when shown, so that wording and language can change later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext


class Names:
    """The names behind the ids in facts; each kind is read at most once, when a sentence first needs it."""

    def __init__(self) -> None:
        self._people: dict[int, str] | None = None
        self._teams: dict[int, str] | None = None

    def person(self, key: int | None) -> str:
        from staff.models import User

        if self._people is None:
            self._people = dict(User.objects.values_list("pk", "name"))
        return self._people.get(key or 0, "") or _("nobody")

    def team(self, key: int | None) -> str:
        from staff.models import Team

        if self._teams is None:
            self._teams = {team.pk: str(team) for team in Team.objects.all()}
        return self._teams.get(key or 0, "") or _("no team")


Describe = Callable[[dict[str, Any], Names], str]
_register: dict[str, Describe] = {}


@dataclass(frozen=True)
class Fact:
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)
    public: bool = False


def describes(kind: str) -> Callable[[Describe], Describe]:
    """Register how a fact of this kind is said to people."""

    def enter(function: Describe) -> Describe:
        _register[kind] = function
        return function

    return enter


def listed(words: list[str]) -> str:
    """Words in a row, as the reader's language separates them."""
    return str(pgettext("between the words of a list", ", ")).join(words)


def sentence(event: Any, names: Names) -> str:
    """The event in the reader's language; an unknown kind is shown by its name rather than hidden."""
    describe = _register.get(event.kind)
    return describe(event.facts, names) if describe else _("Recorded: %(kind)s") % {"kind": event.kind}


def known_kinds() -> set[str]:
    return set(_register)


def digest(text: str) -> str:
    """What the timeline keeps of a body: enough to prove it, too little to read it."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def chained_hash(
    *,
    number: str,
    seq: int,
    before: str,
    fact: Fact,
    at: datetime,
    recorded_at: datetime,
    by_kind: str,
    by_id: int | None,
) -> str:
    """SHA-256 over the canonical form of an event and the hash before it, as 64 hex digits."""
    content = [
        number,
        seq,
        before,
        fact.kind,
        at.astimezone(UTC).isoformat(),
        recorded_at.astimezone(UTC).isoformat(),
        by_kind,
        by_id,
        fact.facts,
        fact.public,
    ]
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
