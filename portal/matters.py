"""A ticket as its customer sees it: how it stands, what was done, what comes, what was said and what was promised.

Only public notes are read here, by the query itself; nothing of the rest of a case is put into words for customers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from cases.models import Case, CaseEvent, Note
from customers import masking
from customers.models import Customer
from sla.services import deadlines_of
from tickets.models import REOPEN_FOR, Ticket
from tickets.states import ClosedBecause, HoldReason, State, Type, WaitReason

from . import promises, words
from .doors import Door

IN_PROGRESS_SHOWN = 10
ENTRIES_SHOWN = 100
MATTERS_SHOWN = 100


# --- lists -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One matter in a list."""

    number: str
    title: str
    words: str
    icon: str
    at: datetime


def in_progress(customer: Customer) -> list[Row]:
    """The tickets that are not finished, what waits for the customer first."""
    rows = list(_cases(customer).filter(closed_at__isnull=True)[:MATTERS_SHOWN])
    rows.sort(key=lambda case: case.state not in (State.PENDING, State.RESOLVED))
    return [_row(case) for case in rows[:IN_PROGRESS_SHOWN]]


def finished(customer: Customer) -> list[Row]:
    return [_row(case) for case in _cases(customer).filter(closed_at__isnull=False)[:MATTERS_SHOWN]]


def _cases(customer: Customer) -> Any:
    return (
        Case.objects.visible_to(customer)
        .filter(kind=Ticket.KIND)
        .select_related("category__parent__parent")
        .order_by("-received_at", "-pk")
    )


_ICONS: dict[str, str] = {Type.FAULT: "wrench", Type.ORDER: "house", Type.ENQUIRY: "file-text"}


def _row(case: Case) -> Row:
    standing = words.standing(case)
    return Row(case.number, words.title(case), str(standing.sentence), _ICONS.get(case.type, "flag"), case.received_at)


def closed_words() -> str:
    """Why nothing can be written any more."""
    return _("This request is closed. Tell us that it is not solved, or report it again.")


# --- one matter ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One step of the way: done, now or next."""

    place: str
    icon: str
    title: str
    words: str = ""


@dataclass(frozen=True)
class Entry:
    """One turn of the conversation."""

    mine: bool
    who: str
    body: str
    at: datetime


class Matter:
    """Everything the page of one ticket shows; worked out when first shown."""

    def __init__(self, door: Door, *, now: datetime) -> None:
        self.door, self.ticket, self.now = door, door.ticket, now

    @property
    def number(self) -> str:
        return self.ticket.number

    @cached_property
    def title(self) -> str:
        return words.title(self.ticket)

    @property
    def standing(self) -> words.Standing:
        return words.standing(self.ticket)

    @cached_property
    def _deadlines(self) -> list[Any]:
        return deadlines_of(self.ticket)

    @cached_property
    def promises(self) -> list[promises.Promised]:
        return promises.shown(self._deadlines, self.ticket.cycle, now=self.now)

    @property
    def headline(self) -> str:
        """The one thing to know now."""
        ticket = self.ticket
        if ticket.state == State.PENDING:
            return _WAITS.get(ticket.pause_reason, lambda: str(self.standing.sentence))()
        if ticket.is_open:
            return promises.nearest(self._deadlines, ticket.cycle, now=self.now) or str(self.standing.sentence)
        if ticket.state == State.CLOSED and ticket.closed_at:
            return words.filled(_("Closed %(time)s"), time=words.when(ticket.closed_at, self.now))
        return str(self.standing.sentence)

    @property
    def place(self) -> str:
        """Where it is: in full for who is signed in, without the house number for who brought a link."""
        address = self.ticket.address
        if address is not None:
            return masking.address(
                address.region, address.street, address.house, reveal=self.door.signed_in and bool(address.house)
            )
        return str(self.ticket.region) if self.ticket.region_id else ""

    @property
    def resolution(self) -> str:
        return self.ticket.resolution if not self.ticket.is_open else ""

    # --- what may be done here

    @property
    def asks(self) -> bool:
        """Whether the customer is asked if it is solved."""
        return self.ticket.state == State.RESOLVED

    @property
    def may_write(self) -> bool:
        return self.ticket.closed_at is None

    @property
    def reopen_until(self) -> datetime | None:
        """Until when a closed matter may be taken up again; None when not."""
        if self.ticket.state != State.CLOSED or self.ticket.closed_at is None:
            return None
        until = self.ticket.closed_at + REOPEN_FOR
        return until if self.now <= until else None

    # --- steps and conversation

    @cached_property
    def steps(self) -> list[Step]:
        ticket = self.ticket
        fault = ticket.type == Type.FAULT
        steps = [
            Step(
                "done",
                "check",
                _("Fault reported") if fault else pgettext("state of a matter", "Received"),
                self._at(ticket.received_at),
            )
        ]
        for moment, title in self._milestones():
            steps.append(Step("done", "check", title, self._at(moment)))
        if ticket.is_open:
            steps.append(self._present())
            if ticket.needs_visit and ticket.on_site_at is None:
                steps.append(
                    Step("next", "truck", _("A technician will come"), _("We will agree on a time with you first."))
                )
            title = _("Repair done") if fault else _("Solved")
            steps.append(Step("next", "circle-check", title, _("Then we will ask you whether it really works.")))
            return steps
        if ticket.resolved_at:
            steps.append(
                Step("done", "check", _("Repair done") if fault else _("Solved"), self._at(ticket.resolved_at))
            )
        if ticket.state == State.RESOLVED:
            steps.append(Step("now", "message-circle", _("Please confirm"), _("Tell us whether it is solved.")))
        elif ticket.closed_at:
            ending = _ENDINGS.get(ticket.closed_because, lambda: str(self.standing.word))()
            steps.append(Step("done", "check", ending, self._at(ticket.closed_at)))
        return steps

    def _milestones(self) -> list[tuple[datetime, str]]:
        ticket = self.ticket
        reached = [
            (ticket.located_at, _("Cause found")),
            (ticket.on_site_at, _("The technician was there")),
            (ticket.restored_at, _("Service restored")),
        ]
        if ticket.cycle > 1:
            reached.append((self._last("reopened"), _("Taken up again")))
        return sorted((moment, title) for moment, title in reached if moment is not None)

    def _last(self, *kinds: str) -> datetime | None:
        """When something of this kind last happened, of what the timeline calls public."""
        return max((event.at for event in self._events if event.kind in kinds), default=None)

    @cached_property
    def _events(self) -> list[CaseEvent]:
        """The public turns of its life."""
        return list(CaseEvent.objects.filter(case_id=self.ticket.pk, public=True, kind__in=["moved", "reopened"]))

    def _present(self) -> Step:
        state = self.ticket.state
        if state == State.PENDING:
            return Step("now", "message-circle", str(self.standing.word), self.headline)
        if state in (State.NEW, State.ASSIGNED):
            return Step("now", "user", _("A colleague will take it up"), _("Then we will write to you or call."))
        if state == State.HELD and self.ticket.pause_reason in _HOLDS:
            return Step("now", "wrench", _("We are working on it"), _HOLDS[self.ticket.pause_reason]())
        since = self._last("moved", "reopened")
        return Step(
            "now",
            "wrench",
            _("We are working on it"),
            words.filled(_("Since %(time)s"), time=self._at(since)) if since else "",
        )

    def _at(self, moment: datetime) -> str:
        return words.when(moment, self.now)

    @cached_property
    def conversation(self) -> list[Entry]:
        """What was said between us: public notes only, oldest first, the last hundred."""
        said = self.ticket.notes.filter(visibility=Note.Visibility.PUBLIC).order_by("-at", "-pk")[:ENTRIES_SHOWN]
        return [self._entry(note) for note in reversed(said)]

    def _entry(self, note: Note) -> Entry:
        if note.outcome:
            # What staff write of a call is a record about the customer, not words to the customer.
            return Entry(False, _("We"), _("We spoke on the telephone."), note.at)
        mine = note.direction == Note.Direction.IN
        return Entry(mine, _("You") if mine else _("We"), note.body, note.at)


_WAITS: dict[str, Callable[[], str]] = {
    WaitReason.DOCUMENTS: lambda: _("We need papers or details from you."),
    WaitReason.CUSTOMER_TIME: lambda: _("You chose a later time."),
    WaitReason.UNREACHABLE: lambda: _("We could not reach you. Please write to us or call."),
    WaitReason.CUSTOMER_TEST: lambda: _("Please try it out, and tell us how it went."),
}
_HOLDS: dict[str, Callable[[], str]] = {
    HoldReason.DEPARTMENT: lambda: _("Another department has a part in it."),
    HoldReason.SUPPLIER: lambda: _("A supplier has a part in it."),
    HoldReason.PARTS: lambda: _("We wait for parts."),
    HoldReason.OUTAGE: lambda: _("It belongs to an area outage that is being repaired."),
}
_ENDINGS: dict[str, Callable[[], str]] = {
    ClosedBecause.CONFIRMED: lambda: _("You confirmed it"),
    ClosedBecause.SILENCE: lambda: _("Closed, as we heard nothing more"),
    ClosedBecause.CANCELLED: lambda: _("Withdrawn"),
    ClosedBecause.MERGED: lambda: _("Joined with another report"),
}
