"""The questions we ask about cases, each named once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import connection, models
from django.db.models import Q

from customers.models import Customer

from .states import ClockState

# A case is open while somebody owes the customer something: neither resolved nor ended.
OPEN = Q(resolved_at__isnull=True, closed_at__isnull=True)


class CaseQuerySet(models.QuerySet):  # type: ignore[type-arg]
    def open(self) -> Self:
        return self.filter(OPEN)

    def ended(self) -> Self:
        """The opposite of open: resolved, closed, cancelled or merged."""
        return self.filter(Q(resolved_at__isnull=False) | Q(closed_at__isnull=False))

    def unassigned(self) -> Self:
        return self.filter(owner__isnull=True)

    def owned_by(self, person: Any) -> Self:
        return self.filter(owner=person)

    def visible_to(self, person: Any) -> Self:
        """What this person may see: everything, or the work of the own team and what the person answers for.

        A customer sees the own cases; what of them, the pages for customers decide.
        """
        if isinstance(person, Customer):
            return self.filter(customer=person)
        if not person.may("desk.open"):
            return self.none()
        if person.may("cases.see_all_teams"):
            return self
        mine = Q(owner=person) | Q(first_contact=person)
        return self.filter(mine | Q(team_id=person.team_id) if person.team_id else mine)

    def overdue(self, now: datetime) -> Self:
        return self.open().filter(clock_state=ClockState.RUNNING, sort_due_at__lt=now)

    def breaching_by(self, now: datetime, within: timedelta) -> Self:
        """Open cases whose nearest running clock falls due from `now` until `now + within`."""
        return self.open().filter(clock_state=ClockState.RUNNING, sort_due_at__gte=now, sort_due_at__lt=now + within)

    def locked(self, pk: int) -> Any:
        """The case with its row locked: the lock of its deadlines, timers and timeline too. Take it first.

        For a kind of case both halves of the row are locked, so that neither is read from before the wait: the case
        first, as everybody does (PostgreSQL locks in the order of these names; the other order deadlocks with a sweep
        that holds the case and calls a service).
        """
        of = ("self",) if self.model._meta.pk.name == "id" else (self.model._meta.pk.name, "self")
        return self.select_for_update(no_key=True, of=of).get(pk=pk)

    def locked_together(self, keys: Iterable[int]) -> list[Any]:
        """Several cases with their locks held, in the order of their keys, in one statement; those that exist.

        Nobody locks two cases one after the other: whoever really needs both (a swap) asks here, and says why.
        """
        of = ("self",) if self.model._meta.pk.name == "id" else (self.model._meta.pk.name, "self")
        return list(self.filter(pk__in=set(keys)).order_by("pk").select_for_update(no_key=True, of=of))


class AttachmentQuerySet(models.QuerySet):  # type: ignore[type-arg]
    def visible_to(self, person: Any) -> Self:
        """The files of the cases this member of staff may see, internal ones among them."""
        from .models import Case

        return self.filter(case__in=Case.objects.visible_to(person).values("pk"))

    def visible_to_customer(self, customer: Any) -> Self:
        """The public files of a customer's own cases."""
        return self.filter(case__customer=customer, visibility="public")


def locks_rows() -> bool:
    """Whether the database knows row locks; SQLite has one writer instead."""
    return bool(connection.features.has_select_for_update)
