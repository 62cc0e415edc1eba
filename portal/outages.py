"""An outage as customers read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from customers.models import Customer, Region
from tickets.models import Outage
from tickets.outages import current, is_following

from . import words

MOST = 3


@dataclass(frozen=True)
class Announced:
    """An outage with its sentences; `following`: whether this visitor is told when it is over."""

    outage: Outage
    words: str
    following: bool

    @property
    def pk(self) -> int:
        return self.outage.pk


def announced(outage: Outage, phone: str, *, now: datetime) -> Announced:
    expected = ""
    if outage.expected_at and outage.expected_at > now:
        expected = words.filled(_("Expected back at %(time)s."), time=words.when(outage.expected_at, now))
    elif outage.expected_at:
        expected = _("It is taking longer than expected. We are sorry.")
    following = bool(phone) and is_following(outage, phone)
    advice = (
        _("We will text you when it is back, so there is no need to report it.")
        if following
        else _("There is no need to report it.")
    )
    return Announced(outage, words.joined(outage, expected, advice), following)


def of_regions(regions: Iterable[Region | int], phone: str, *, now: datetime) -> list[Announced]:
    """What is known to be out there now; nothing for no region."""
    regions = list(regions)
    return [announced(outage, phone, now=now) for outage in current(now, regions)[:MOST]] if regions else []


def regions_of(customer: Customer) -> list[int]:
    """Where the customer has addresses."""
    return sorted({address.region_id for address in customer.addresses.all() if address.region_id})
