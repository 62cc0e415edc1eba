"""The questions we ask of visits: who may see them, what needs a time, what somebody must do something about."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q

from cases.querysets import CaseQuerySet
from customers.models import Customer

from .states import AT_WORK, PROMISED, TO_BOOK, State


class AppointmentQuerySet(CaseQuerySet):
    def visible_to(self, person: Any) -> Any:
        """A technician sees the visits of the own crew; the desk sees all, because any agent takes the call.

        A customer sees the own visits; what of them, the pages for customers decide.
        """
        if isinstance(person, Customer):
            return self.filter(customer=person)
        if person.may("appointments.see"):
            return self
        if person.may("visits.work"):
            return self.filter(crew__technician=person)
        return self.none()

    def with_people(self) -> Any:
        """Everything a row or a page shows, in one query."""
        return self.select_related("customer", "region", "owner", "team", "address__region", "for_ticket")

    def to_book(self) -> Any:
        """What needs a time or a technician, the most urgent promise first."""
        return self.filter(Q(state__in=TO_BOOK) | Q(state__in=PROMISED, owner=None)).order_by(
            "starts_at", "received_at"
        )

    def coming(self, since: datetime) -> Any:
        """Those with a window from `since` on that somebody still expects: promised, or the technician is at work."""
        return self.filter(starts_at__gte=since, state__in=[*PROMISED, *AT_WORK])

    def waiting(self) -> Any:
        """What a dispatcher must do something about: a time, a technician or a call is missing."""
        return self.open().filter(
            Q(state__in=TO_BOOK) | Q(state__in=PROMISED, owner=None) | Q(call_since__isnull=False)
        )

    def to_call_back(self) -> Any:
        """Done, and rated by a customer who wants to be called."""
        return self.filter(state=State.DONE, call_since__isnull=False)
