"""Details are checked after registering (requirements.md INT-03, INT-04): does what the customer has and may have fit
what they ask for? A check that finds something missing is written on the ticket and loses nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from common import clock
from common.errors import DomainError, InvalidInput
from common.given import choice, text
from staff.models import User

from . import events, notes, permissions
from .models import Ticket
from .states import CheckItem, Details, Type

LONGEST = 2000
# What is looked at one by one, by the root of the ticket's category. Other tickets are checked as a whole.
ITEMS = {"broadband": (CheckItem.IDENTITY, CheckItem.EQUIPMENT, CheckItem.USAGE)}
# Where there is a qualification to compare with the need: a question or an idea asks for none.
EXPECTED = (Type.SERVICE_REQUEST, Type.FAULT, Type.ORDER)


def items_of(ticket: Ticket) -> tuple[CheckItem, ...]:
    """What a check of this ticket looks at one by one; empty where it looks at the whole."""
    return ITEMS.get(ticket.category.code.partition(".")[0], ()) if ticket.category else ()


def is_expected(ticket: Ticket) -> bool:
    """Whether this ticket waits for a check, or has had one."""
    return bool(ticket.details) or (ticket.is_open and not ticket.imported and ticket.type in EXPECTED)


def check_refusals(ticket: Ticket) -> list[Any]:
    """Why the details cannot be checked now; empty when they can. They may be checked again and again."""
    return [] if ticket.is_open else [_("Only an open ticket can be changed.")]


@transaction.atomic
def check_ticket(
    *,
    ticket_id: int,
    passed: bool,
    by: User | None,
    missing: str = "",
    checked: Collection[str] = (),
    at: datetime | None = None,
) -> Ticket:
    """Record that the details were checked; what is missing is kept as an internal note.

    `checked` are the items (`items_of`) that are in order: a check passes with all of them, or with none to look at.
    Raises InvalidInput naming the field, DomainError where the ticket is open no more.
    """
    now = at or clock.now()
    ticket = permissions.locked(ticket_id, by, "tickets.work")
    if reasons := check_refusals(ticket):
        raise DomainError(*reasons)
    asked = items_of(ticket)
    in_order = {choice(item, CheckItem, "checked") for item in checked}
    absent = [item for item in asked if item not in in_order]
    if passed and absent:
        raise InvalidInput(_("Tick everything that is in order, or say what is missing."), field="checked")
    if not passed:
        missing = text(missing, "missing", _("Write what is missing."), most=LONGEST)
        notes.internal(ticket, missing, at=now, by=by)
    ticket.details = Details.COMPLETE if passed else Details.MISSING
    cases.record(ticket, events.checked(passed=passed, missing=absent), transition="checked", at=now, by=by)
    return ticket
