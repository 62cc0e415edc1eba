"""Who hears of a step: audiences are resolved to people when the step is taken, and the notices are outbox rows."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cases.models import Case
from notifications.models import Message
from notifications.services import notice
from staff.models import User
from staff.permissions import Role

log = logging.getLogger(__name__)

_REACHED = [Role.LEAD, Role.SUPERVISOR, Role.HEAD, Role.ADMINISTRATOR]


class Leaders:
    """The people whom rungs can reach, read once per batch."""

    def __init__(self) -> None:
        self._people: list[User] | None = None
        self._query = User.objects.filter(is_active=True, role__in=_REACHED).select_related("team").order_by("pk")
        self._owners: dict[int, User] = {}

    def read_owners(self, owner_ids: Iterable[int]) -> None:
        missing = {key for key in owner_ids if key not in self._owners}
        if missing:
            self._owners |= User.objects.in_bulk(missing)

    def _all(self) -> list[User]:
        if self._people is None:
            self._people = list(self._query)
        return self._people

    def audience(self, name: str, case: Case) -> list[User]:
        """The people behind an audience, climbing to the next level where nobody stands: silence is not an option."""
        if name in ("owner", "team"):
            owner = self._owners.get(case.owner_id or 0)
            return [owner] if owner and owner.is_active else self.audience("lead", case)
        if name == "lead":
            leads = [p for p in self._all() if p.role == Role.LEAD and p.team_id and p.team_id == case.team_id]
            return leads or self.audience("supervisor", case)
        if name == "supervisor":
            return [p for p in self._all() if p.role == Role.SUPERVISOR] or self.audience("head", case)
        heads = [p for p in self._all() if p.role == Role.HEAD]
        people = heads or [p for p in self._all() if p.role == Role.ADMINISTRATOR]
        if not people:
            log.error("nobody can be told about %s: no lead, supervisor, head or administrator is active", case.number)
        return people

    def everyone(self, names: Iterable[str], case: Case) -> list[User]:
        people: dict[int, User] = {}
        for name in names:
            for person in self.audience(name, case):
                people.setdefault(person.pk, person)
        return list(people.values())


def notices(
    people: Iterable[User], *, template: str, case: Case, deadline: Any, step: str, at: datetime
) -> list[Message]:
    """Unsaved in-app notices, one a person; the key holds the due version, so that a moved target is told again."""
    due = deadline.due_at.isoformat() if deadline.due_at else "paused"
    aimed = due if deadline.due_at else f"paused-{len(deadline.pauses)}"
    return [
        notice(
            person,
            template=template,
            case=case,
            context={"number": case.number, "promise": deadline.promise, "due": due},
            key=f"d{deadline.pk}:{step}:{aimed}:{person.pk}",
            at=at,
        )
        for person in people
    ]


def tell_corrected(deadline: Any, case: Case, *, at: datetime) -> None:
    """Tell whoever was told of a miss that the promise was kept after all."""
    told = User.objects.filter(
        notices__key__startswith=f"d{deadline.pk}:", notices__template__in=["promise_missed", "promise_still_missed"]
    ).distinct()
    Message.objects.bulk_create(
        notices(told, template="promise_corrected", case=case, deadline=deadline, step="corrected", at=at),
        ignore_conflicts=True,
    )


def tell_pause_ended(deadline: Any, case: Case, *, at: datetime) -> None:
    """Tell owner and lead that the longest pause is over, where something happened before the sweep came by."""
    leaders = Leaders()
    leaders.read_owners({case.owner_id} if case.owner_id else set())
    people = leaders.everyone(["owner", "lead"], case)
    Message.objects.bulk_create(
        notices(people, template="pause_ended", case=case, deadline=deadline, step="pause-cap", at=at),
        ignore_conflicts=True,
    )
