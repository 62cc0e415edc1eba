"""Who may reach a ticket and do what with it: the only door for every edge and service."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from common.errors import NotAllowed, StaleVersion
from customers.models import Customer
from staff.models import User

from .models import Ticket


def access_ticket(person: Any, pk: int | None, *, to: str = "see", **columns: Any) -> Ticket:
    """The ticket, if this person may see it. Raises Ticket.DoesNotExist when not, NotAllowed when only `to` is not.

    `columns` are asked for in the same statement and become attributes of the ticket.
    """
    ticket: Ticket = Ticket.objects.visible_to(person).with_people().annotate(**columns).get(pk=pk)
    if to != "see":
        allow(person, to)
    return ticket


def locked(
    ticket_id: int, by: User | Customer | None, ability: str, *, own: bool = False, version: int | None = None
) -> Ticket:
    """The ticket with its case's lock held; refuses who may not see it (DoesNotExist) or not do it (NotAllowed).

    `own`: the customer whose ticket it is may do this too.
    """
    ticket: Ticket = Ticket.objects.locked(ticket_id)
    allow_visible(by, ticket)
    if not (own and isinstance(by, Customer)):
        allow(by, ability)
    require_version(ticket, version)
    return ticket


def require_version(ticket: Ticket, version: int | None) -> None:
    """Raise StaleVersion where the ticket changed since the form was opened."""
    if version is not None and version != ticket.version:
        raise StaleVersion(
            _("Somebody changed this ticket since you opened it. Look at the change, then try again."),
            version=ticket.version,
        )


def allow(person: Any, ability: str) -> None:
    """Raise NotAllowed unless `person` holds `ability`; the system (None) may do everything.

    A customer holds no ability: what customers may do to a ticket of their own, its service says (`own`).
    """
    if person is not None and (isinstance(person, Customer) or not person.may(ability)):
        raise NotAllowed()


def allow_visible(person: Any, ticket: Ticket) -> None:
    """Raise DoesNotExist unless this person may see a ticket that is already locked and loaded."""
    if isinstance(person, Customer):
        if person.pk != ticket.customer_id:
            raise Ticket.DoesNotExist
        return
    if person is None or person.may("cases.see_all_teams"):
        return
    if not person.may("desk.open") or not (
        person.pk in (ticket.owner_id, ticket.first_contact_id) or (person.team_id and person.team_id == ticket.team_id)
    ):
        raise Ticket.DoesNotExist


def handling_refusals(person: Any, ticket: Ticket) -> list[Any]:
    """Why this person may not have this ticket: complex ones go to senior people (requirements.md TCK-05)."""
    if ticket.complex and not person.may("tickets.take_complex"):
        return [_("A complex ticket goes to a senior agent.")]
    return []


def picking_refusals(person: Any, ticket: Ticket) -> list[Any]:
    """Why this person may not pick this ticket: who may not choose takes the next one, or what they registered."""
    mine = person.pk in (ticket.owner_id, ticket.first_contact_id)
    if not mine and not person.may("tickets.take_any"):
        return [_("Take the next one of your team's queue instead: the most urgent comes first.")]
    return handling_refusals(person, ticket)


def allow_handling(person: Any, ticket: Ticket) -> None:
    """Raise NotAllowed with the reasons of `handling_refusals`."""
    if reasons := handling_refusals(person, ticket):
        raise NotAllowed(*reasons)


def allow_picking(person: Any, ticket: Ticket) -> None:
    """Raise NotAllowed with the reasons of `picking_refusals`."""
    if reasons := picking_refusals(person, ticket):
        raise NotAllowed(*reasons)
