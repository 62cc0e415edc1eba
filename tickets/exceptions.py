"""Service exceptions (requirements.md TCK-10, SLA-09, ESC-02): what of ours goes wrong with a ticket.

Reported to the supervisor at once, judged, solved, the customer told within two hours, followed up. The two promises,
told and solved, are deadlines by policy; telling is any reply that reaches the customer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from common import clock
from common.errors import DomainError
from common.given import choice, text
from sla import escalation
from staff.models import User

from . import events, permissions, silence
from .models import ServiceException, Ticket
from .states import ExceptionKind

LONGEST = 2000


def current(ticket: Ticket) -> ServiceException | None:
    """The exception of the ticket's present round; no statement where there is none."""
    if ticket.exception_cycle != ticket.cycle:
        return None
    return ServiceException.objects.select_related("reported_by").get(ticket=ticket, cycle=ticket.cycle)


def report_refusals(ticket: Ticket) -> list[Any]:
    """Why no exception can be reported now; empty when one can."""
    if not ticket.is_open:
        return [_("Only an open ticket can be changed.")]
    if ticket.exception_cycle == ticket.cycle:
        return [_("This round has a service exception already. Add what is new as a note.")]
    return []


@transaction.atomic
def report_exception(
    *, ticket_id: int, kind: str, words: str, by: User | None, at: datetime | None = None
) -> ServiceException:
    """Report that something of ours goes wrong; supervisors are told at once, and both promises begin.

    Raises InvalidInput naming the field, DomainError where the round has one already.
    """
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    kind = choice(kind, ExceptionKind, "kind")
    words = text(words, "words", _("Write what went wrong."), most=LONGEST)
    if reasons := report_refusals(ticket):
        raise DomainError(*reasons)
    found = ServiceException.objects.create(
        ticket=ticket, cycle=ticket.cycle, kind=kind, words=words, reported_at=now, reported_by=by
    )
    ticket.exception_cycle = ticket.cycle
    leaders = escalation.Leaders().everyone(["lead", "supervisor"], ticket)
    silence.tell_people(leaders, ticket, template="exception_reported", key=f"exception-{found.pk}", at=now)
    cases.record(ticket, events.exception("reported", kind, words), transition="exception_found", at=now, by=by)
    return found


@transaction.atomic
def judge_exception(
    *, ticket_id: int, upheld: bool, words: str, by: User | None, at: datetime | None = None
) -> ServiceException:
    """Say whether it is one. Where it is none its promises end here; whoever reported it does not judge it."""
    now = at or clock.now()
    ticket, found = _locked(ticket_id, by, "tickets.review")
    words = text(words, "words", _("Say what this judgement rests on."), most=LONGEST)
    if found.judged_at is not None:
        raise DomainError(_("This exception has been judged already."))
    if by is not None and by.pk == found.reported_by_id:
        raise DomainError(_("Nobody judges what they reported themselves."))
    found.upheld, found.judgement, found.judged_at = upheld, words, now
    found.save(update_fields=["upheld", "judgement", "judged_at"])
    step = "upheld" if upheld else "dismissed"
    cases.record(ticket, events.exception(step, found.kind, words), transition=f"exception_{step}", at=now, by=by)
    return found


@transaction.atomic
def solve_exception(*, ticket_id: int, words: str, by: User | None, at: datetime | None = None) -> ServiceException:
    """Write what solved it; the promise is kept or missed at this instant."""
    now = at or clock.now()
    ticket, found = _locked(ticket_id, by, "tickets.work")
    words = text(words, "words", _("Write what solved it."), most=LONGEST)
    if found.upheld is False:
        raise DomainError(_("It was judged to be no exception."))
    if found.solved_at is not None:
        raise DomainError(_("This exception is solved already."))
    if found.judged_at is None:
        raise DomainError(_("A lead or supervisor judges it first."))
    found.solution, found.solved_at = words, now
    found.save(update_fields=["solution", "solved_at"])
    cases.record(ticket, events.exception("solved", found.kind, words), transition="exception_solved", at=now, by=by)
    return found


@transaction.atomic
def follow_up_exception(*, ticket_id: int, words: str, by: User | None, at: datetime | None = None) -> ServiceException:
    """Write what came of it: whether it holds, and what is done so that it does not happen again."""
    now = at or clock.now()
    ticket, found = _locked(ticket_id, by, "tickets.work")
    words = text(words, "words", _("Write what came of it."), most=LONGEST)
    if found.solved_at is None:
        raise DomainError(_("It is followed up once it is solved."))
    if found.followed_up_at is not None:
        raise DomainError(_("This exception has been followed up already."))
    found.follow_up, found.followed_up_at = words, now
    found.save(update_fields=["follow_up", "followed_up_at"])
    fact = events.exception("followed_up", found.kind, words)
    cases.record(ticket, fact, transition="exception_followed_up", at=now, by=by)
    return found


def solved_with(ticket: Ticket, *, at: datetime) -> None:
    """What resolves the ticket solves its exception too."""
    if ticket.exception_cycle == ticket.cycle:
        ServiceException.objects.filter(ticket=ticket, cycle=ticket.cycle, solved_at=None).exclude(upheld=False).update(
            solution=ticket.resolution, solved_at=at
        )


def _locked(ticket_id: int, by: User | None, ability: str) -> tuple[Ticket, ServiceException]:
    ticket = permissions.locked(ticket_id, by, ability)
    found = current(ticket)
    if found is None:
        raise DomainError(_("This round of the ticket has no service exception."))
    return ticket, found
