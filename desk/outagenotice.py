"""Area outages where the agent works: beside the ticket, at intake, on the customer's page (requirements.md INT-18)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Prefetch
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common import clockface
from customers.models import Address, Customer, Region
from tickets import outages
from tickets.models import Outage, Ticket

MOST = 3


@dataclass(frozen=True)
class OutageNotice:
    """An outage as the agent reads it: what customers are told, when it should be over, who else has reported."""

    title: str
    words: str
    expected: str
    reports: str


def notices(regions: Iterable[Region | int], *, now: datetime) -> list[OutageNotice]:
    """What is known to be out in these regions, the first to be over first; one statement, none for no region."""
    regions = list(regions)
    if not regions:
        return []
    return [_notice(outage, now) for outage in outages.with_reports(outages.current(now, regions))[:MOST]]


def _notice(outage: Any, now: datetime) -> OutageNotice:
    return OutageNotice(
        title=_("Area outage: %(region)s") % {"region": outage.region},
        words=str(outage),
        expected=_expected(outage, now),
        reports=ngettext(
            "%(n)s fault reported from there since %(time)s",
            "%(n)s faults reported from there since %(time)s",
            outage.reports,
        )
        % {"n": outage.reports, "time": clockface.when(outage.began_at, now)},
    )


def _expected(outage: Outage, now: datetime) -> str:
    if outage.expected_at is None:
        return _("When it will be over is not known yet.")
    time = {"time": clockface.when(outage.expected_at, now)}
    if outage.expected_at > now:
        return _("Expected to be back at %(time)s.") % time
    return _("It should have been back at %(time)s. No new time is known.") % time


def addresses(now: datetime) -> Prefetch:
    """A customer's addresses, each knowing whether its region has an outage: so a page without one asks no more."""
    flagged = Address.objects.select_related("region").annotate(outage_here=outages.lasts_in(OuterRef("region"), now))
    return Prefetch("addresses", flagged)


def of_ticket(ticket: Ticket, *, now: datetime) -> list[OutageNotice]:
    """Of the ticket's region and of its customer's, whose `addresses` are prefetched."""
    homes = list(ticket.customer.addresses.all()) if ticket.customer else []
    found = {home.region_id for home in homes if home.outage_here}  # type: ignore[attr-defined]
    if ticket.region_id and ticket.region_id not in {home.region_id for home in homes}:
        found.add(ticket.region_id)
    return notices(found, now=now)


def of_customer(customer: Customer, *, now: datetime) -> list[OutageNotice]:
    return notices({address.region_id for address in customer.addresses.all()}, now=now)


def at_intake(customer: int | None, region: int | None, *, now: datetime) -> list[OutageNotice]:
    """Of the customer chosen, else of the region a new customer lives in."""
    if customer is None:
        return notices([region] if region else [], now=now)
    return notices(Address.objects.filter(customer_id=customer).values_list("region_id", flat=True), now=now)
