"""Booking by text message: what a text asks for is done by the same services as everywhere (requirements.md APT-03).

The sender's number says who it is. A text is taken in once (`notifications.inbound`), and its booking has the text's
own key, so that one delivered twice books once.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from common.errors import DomainError, InvalidInput
from customers.models import Customer
from notifications.inbound import HANDLED, Answer, handles
from notifications.models import InboundMessage, Message

from . import messages, waitlist
from .booking import WindowTaken
from .conversation import reconfirm_appointment
from .models import Appointment, ArrivalWindow, VisitService, WaitlistOffer
from .services import book_appointment, cancel_appointment, move_appointment
from .states import OPEN, PROMISED
from .texting import Command, Wish, command_pattern, example_day, read
from .windows import Window, site_zone
from .wording import time_of, window_text

_CHINESE = re.compile(r"[\u3400-\u9fff]")


@handles(rf"(?:{command_pattern()})")
def answer_text(message: InboundMessage) -> Answer | None:
    """Do what a text asks for and say what came of it; None where it is no command, but words for people."""
    at = message.received_at
    language = message.customers[0].language if message.customers else _language_of(message.text)
    with translation.override(language):
        try:
            wish = read(message.text, today=at.astimezone(site_zone()).date())
            if wish is None:
                return None
            said = _do(wish, message, at=at)
        except WindowTaken as refusal:
            said = _taken(refusal)
        except DomainError as refusal:
            said = " ".join(str(reason) for reason in refusal.reasons)
            if isinstance(refusal, InvalidInput) and refusal.field == "text":
                said = _("%(said)s %(help)s") % {"said": said, "help": _help(at)}
        return Answer("visit_text", {"text": said}, language=language) if said else HANDLED


def _language_of(text: str) -> str:
    return "zh-hans" if _CHINESE.search(text) else "en"


def _help(at: datetime) -> str:
    day = example_day(at.astimezone(site_zone()).date())
    return _("Send for example: BOOK BROADBAND %(day)s 10-12, MOVE %(day)s 15-17, CANCEL, WHEN, Y to confirm.") % {
        "day": day
    }


def _do(wish: Wish, message: InboundMessage, *, at: datetime) -> str:
    """What to answer; empty where the visit's own message says it already."""
    if wish.command == Command.HELP:
        return _help(at)
    if not message.customers:
        return _("We do not know this telephone number. Please book at %(address)s or call %(telephone)s.") % {
            "address": settings.PUBLIC_URL,
            "telephone": settings.SERVICE_PHONE or _("our hotline"),
        }
    if wish.command == Command.BOOK:
        return _book(wish, message, at=at)
    if wish.command == Command.ACCEPT:
        return _accept(message, at=at)
    visit = _meant(wish, message.customers, at=at)
    message.case = visit
    customer = visit.customer
    match wish.command:
        case Command.MOVE:
            visit = move_appointment(appointment_id=visit.pk, starts_at=_starts_at(wish), by=customer, at=at)
            return _said_already(visit, "visit_moved")
        case Command.CANCEL:
            visit = cancel_appointment(appointment_id=visit.pk, by=customer, at=at)
            return _said_already(visit, "visit_cancelled")
        case Command.CONFIRM:
            reconfirm_appointment(appointment_id=visit.pk, by=customer, how="sms", at=at)
            return _("Thank you. We come %(time)s.") % {"time": time_of(visit)}
        case _:
            return _("Visit %(number)s: %(state)s. %(time)s") % {
                "number": visit.number,
                "state": visit.get_state_label(),
                "time": time_of(visit),
            }


def _book(wish: Wish, message: InboundMessage, *, at: datetime) -> str:
    if len(message.customers) > 1:
        raise DomainError(_("Several customers have this telephone number. Please call us to book."))
    customer = message.customers[0]
    address = customer.addresses.filter(region__isnull=False).first()
    if address is None:
        raise DomainError(
            _("We do not know where to come. Please book at %(address)s.") % {"address": settings.PUBLIC_URL}
        )
    visit = book_appointment(
        customer=customer,
        services=list(VisitService.objects.filter(code=wish.service, active=True)),
        region=address.region,
        address=address,
        starts_at=_starts_at(wish),
        channel="sms",
        by=customer,
        key=f"sms-{message.pk}",
        at=at,
    )
    message.case = visit
    return _said_already(visit, "visit_booked")


def _starts_at(wish: Wish) -> datetime:
    """The instant at which the wanted window begins. Raises InvalidInput that lists the hours there are."""
    assert wish.day is not None
    assert wish.hour is not None
    patterns = list(ArrivalWindow.objects.filter(active=True))
    if wish.hour not in [pattern.starts.hour for pattern in patterns]:
        hours = _(", ").join(f"{pattern.starts:%H}-{pattern.ends:%H}" for pattern in patterns)
        raise InvalidInput(_("We come at these hours: %(hours)s.") % {"hours": hours}, field="hour")
    starts = next(pattern.starts for pattern in patterns if pattern.starts.hour == wish.hour)
    return datetime.combine(wish.day, time(starts.hour, starts.minute), tzinfo=site_zone()).astimezone(UTC)


def _meant(wish: Wish, customers: list[Customer], *, at: datetime) -> Appointment:
    """The visit a text is about: the one it names, else the only one; the one asked about, where it confirms."""
    theirs = Appointment.objects.filter(customer__in=customers, closed_at=None)
    if wish.number:
        visit = next((one for one in theirs if one.number.partition("-")[2].replace("-", "") == wish.number), None)
        if visit is None:
            raise DomainError(_("We know no visit with this number from your telephone."))
        return visit
    states = PROMISED if wish.command == Command.CONFIRM else OPEN
    visits = list(theirs.filter(state__in=states).order_by("starts_at"))
    if wish.command == Command.CONFIRM:
        visits = [one for one in visits if one.asked_at and not one.reconfirmed_at] or visits
    if not visits:
        raise DomainError(_("There is no visit for your telephone number. %(help)s") % {"help": _help(at)})
    if len(visits) > 1:
        numbers = ", ".join(one.number for one in visits)
        raise DomainError(_("You have several visits: %(numbers)s. Please add the number.") % {"numbers": numbers})
    return visits[0]


def _accept(message: InboundMessage, *, at: datetime) -> str:
    offer = (
        WaitlistOffer.objects.filter(entry__appointment__customer__in=message.customers)
        .select_related("entry__appointment__customer")
        .order_by("-pk")
        .first()
    )
    if offer is None:
        raise DomainError(_("There is no offer for your telephone number."))
    visit = waitlist.accept_offer(offer_id=offer.pk, by=offer.entry.appointment.customer, at=at)
    message.case = visit
    return _said_already(visit, "visit_moved", "visit_booked")


def _said_already(visit: Appointment, *templates: str) -> str:
    """Nothing where the visit's own text message says it; a short answer where that goes another way."""
    keys = [messages.key_of(visit, template) for template in templates]
    if Message.objects.filter(key__in=keys, channel=Message.Channel.SMS).exists():
        return ""
    return _("Visit %(number)s: %(state)s. %(time)s") % {
        "number": visit.number,
        "state": visit.get_state_label(),
        "time": time_of(visit),
    }


def _taken(refusal: WindowTaken) -> str:
    nearest: list[Window] = refusal.facts["nearest"]
    if not nearest:
        return _("This time is taken, and there is none near it. Please call us.")
    times = "; ".join(window_text(window.starts_at, window.ends_at) for window in nearest)
    return _("This time is taken. Nearest free times: %(times)s. Send the text again with one of them.") % {
        "times": times
    }
