"""Sending a link again: to the contact on record only, rarely, and with one answer whatever was found."""

from __future__ import annotations

import logging
from datetime import datetime

from cases.links import Purpose, link_address
from cases.models import Case
from cases.numbers import key_of
from common import clock
from common.errors import InvalidInput
from customers.lookup import normal_phone, phone_index
from notifications.services import notify
from tickets.models import Ticket
from tickets.silence import confirm_link

from . import quotas

log = logging.getLogger(__name__)


def send_again(*, case: Case, address: str, at: datetime | None = None) -> None:
    """Send the case's customer a new link, to see it or to say whether it is solved.

    Says nothing of whether it was sent: neither when there is no way to reach the customer nor when it was sent often
    enough. Raises quotas.TooOften for a caller that asks too often.
    """
    now = at or clock.now()
    quotas.spend(("link from", address, quotas.LINK_FROM), at=now)
    _send(case, now)


def send_by_number(*, number: str, phone: str, address: str, at: datetime | None = None) -> None:
    """The same for who has only a case number and a telephone number; they must belong together."""
    now = at or clock.now()
    quotas.spend(("link from", address, quotas.LINK_FROM), at=now)
    try:
        lookup = phone_index(normal_phone(phone))
    except InvalidInput:
        return
    case = Case.objects.filter(pk=key_of(number) or 0, customer__contacts__lookup=lookup).first()
    if case is not None:
        _send(case, now)


def _send(case: Case, at: datetime) -> None:
    if case.customer is None:
        return
    try:
        quotas.spend(("link of", case.pk, quotas.LINK_OF), at=at)
    except quotas.TooOften:
        log.info("no further link of %s: it was sent often enough", case.number)
        return
    matter = case.specific
    # What is not open any more is to be confirmed; a visit is rated by the same link that shows it.
    asks = isinstance(matter, Ticket) and not matter.is_open
    link = confirm_link(matter, at=at) if asks else link_address(matter, Purpose.VIEW, at=at)
    notify("matter_link", case=case, key=f"link-{case.pk}-{int(at.timestamp())}", at=at, context={"link": link})
