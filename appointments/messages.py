"""What a visit says to its customer. A message belongs to one booked time: its key names the cycle (lessons.md 36)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.utils import translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from cases.facts import Fact
from cases.links import Purpose, link_address
from customers import masking
from notifications import templates
from notifications.models import Message
from notifications.services import address_of, notice, notify
from sla import escalation
from staff.models import User

from . import events, promises
from .ics import calendar_file
from .models import Appointment, WaitlistOffer
from .states import PROMISED
from .windows import Window, site_zone
from .wording import time_of, window_text

# After which messages somebody must call where no message reaches the customer.
MUST_REACH = {
    "visit_booked", "visit_moved", "visit_moved_by_us", "visit_cancelled", "visit_released", "visit_reminder",
    "visit_notice", "visit_late", "visit_missed", "visit_absent",
}  # fmt: skip

# What carries a calendar file, so that the customer's own calendar follows.
WITH_CALENDAR = {"visit_booked", "visit_moved", "visit_moved_by_us", "visit_cancelled", "visit_released"}


def key_of(appointment: Appointment, template: str) -> str:
    return f"{template}-{appointment.pk}-{appointment.cycle}"


def tell(
    appointment: Appointment, template: str, *, at: datetime, valid_until: datetime | None = None, **context: Any
) -> list[Fact]:
    """Queue a message about the present booked time; return the facts. Where nothing reaches them, a call is owed.

    At `valid_until` a message that has not left has become pointless and is withdrawn.
    """
    language = appointment.customer.language if appointment.customer else ""
    message = notify(
        template,
        case=appointment,
        key=key_of(appointment, template),
        at=at,
        context={**_values(appointment, template, language, at), **context},
        calendar=calendar_file(appointment, at=at) if template in WITH_CALENDAR else "",
        valid_until=valid_until,
    )
    facts = [events.said(template, state="queued" if message else "no_channel")]
    if message is None and template in MUST_REACH:
        facts += call_owed(appointment, "no_channel", at=at)
    return facts


@dataclass(frozen=True)
class Preview:
    """What a customer would read, and where: the address masked; no address where nothing reaches the customer."""

    subject: str
    body: str
    language: str
    channel: str = ""
    to: str = ""


def hidden(context: dict[str, Any]) -> dict[str, str]:
    """What stands in the place of the arrival code, the customer's proof, and of the link, the customer's door, where
    somebody else reads a message."""
    return {name: mask for name, mask in {"code": "••••", "link": "…"}.items() if name in context}


def preview(appointment: Appointment, template: str, *, window: Window, at: datetime) -> Preview:
    """The message that moving the visit to `window` would send, in the customer's language, with the real values."""
    then = copy.copy(appointment)
    then.starts_at, then.ends_at, then.cycle = window.starts_at, window.ends_at, appointment.cycle + 1
    customer = appointment.customer
    language = customer.language if customer else ""
    values = {"number": appointment.number, **_values(then, template, language, at)}
    values |= hidden(values)
    channel, address = (address_of(customer) if customer else None) or ("", "")
    with translation.override(language or translation.get_language()):
        if channel == "sms":
            return Preview(
                "", templates.render_sms(template, language, values), language, channel, masking.phone(address)
            )
        subject, body = templates.render(template, language, values)
    return Preview(subject, body, language, channel, masking.email(address) if address else "")


def offer(appointment: Appointment, offered: WaitlistOffer, *, at: datetime) -> list[Fact]:
    """Offer a window for as long as it is held, an earlier one or the first; return the facts."""
    customer = appointment.customer
    with translation.override(customer.language if customer else translation.get_language()):
        time_offered = window_text(offered.starts_at, offered.ends_at)
    minutes = int((offered.expires_at - at) / timedelta(minutes=1))
    template = _offering(appointment)
    message = notify(
        template,
        case=appointment,
        key=f"{template}-{offered.pk}",
        at=at,
        context={
            "offer": time_offered,
            "minutes": minutes,
            "link": link_address(appointment, Purpose.BOOK, at=at, days=1),
        },
        valid_until=offered.expires_at,
    )
    return [events.said(template, state="queued" if message else "no_channel")]


def _offering(appointment: Appointment) -> str:
    if appointment.state in PROMISED:
        return "visit_offer"
    return "visit_offer_first"


def _values(appointment: Appointment, template: str, language: str, at: datetime) -> dict[str, Any]:
    """What templates may say. The house number stays out of messages: the customer knows it, others may read them."""
    limits = {"hours": promises.cutoff_hours(appointment)} if template == "visit_booked" else {}
    with translation.override(language or translation.get_language()):
        return {
            **limits,
            "time": time_of(appointment),
            "code": arrival_code(appointment),
            "what": _(", ").join(str(service) for service in appointment.services.all()),
            "place": appointment.address.masked if appointment.address else str(appointment.region or ""),
            "link": link_address(appointment, Purpose.VIEW, at=at, days=_link_days(appointment, at)),
        }


def _link_days(appointment: Appointment, at: datetime) -> int:
    """Until a month after the visit."""
    return 30 + (max(0, (appointment.starts_at - at).days) if appointment.starts_at else 0)


def arrival_code(appointment: Appointment) -> str:
    """Four digits that only the customer is told; the technician asks for them at the door as proof of arrival."""
    words = f"arrival:{appointment.pk}:{appointment.cycle}"
    digest = salted_hmac("appointments.arrival", words, algorithm="sha256").digest()
    return f"{int.from_bytes(digest[:4], 'big') % 10000:04d}"


def call_owed(appointment: Appointment, why: str, *, at: datetime) -> list[Fact]:
    """Put the visit on the list of those to call; the fact, or nothing where it stands there already."""
    if appointment.call_since is not None:
        return []
    appointment.call_since = at
    return [events.call_needed(why)]


def tell_dispatch(appointment: Appointment, template: str, *, at: datetime, **facts: Any) -> None:
    """An in-app notice to those who answer for the day: the team's lead, and the dispatchers."""
    people: list[User] = [*User.objects.holding("dispatch.change").filter(role="dispatcher")]
    people += [one for one in escalation.Leaders().audience("lead", appointment) if one not in people]
    _tell(people, appointment, template, at=at, **facts)


def tell_lead(appointment: Appointment, template: str, *, at: datetime, **facts: Any) -> None:
    """An in-app notice to the team's lead alone."""
    _tell(escalation.Leaders().audience("lead", appointment), appointment, template, at=at, **facts)


def _tell(people: list[User], appointment: Appointment, template: str, *, at: datetime, **facts: Any) -> None:
    Message.objects.bulk_create(
        [
            notice(
                person,
                template=template,
                case=appointment,
                context={"number": appointment.number, **facts},
                key=f"{template}-{appointment.pk}-{appointment.cycle}:{person.pk}",
                at=at,
            )
            for person in people
        ],
        ignore_conflicts=True,
    )


def tell_technicians(appointment: Appointment, technicians: Sequence[int], template: str, *, at: datetime) -> None:
    """An in-app notice to these technicians: the right details before work starts (requirements.md APT-11)."""
    if not technicians:
        return
    Message.objects.bulk_create(
        [
            notice(
                person,
                template=template,
                case=appointment,
                context={"number": appointment.number},
                key=f"{template}-{appointment.pk}-{appointment.cycle}-{appointment.event_seq}:{person.pk}",
                at=at,
            )
            for person in User.objects.filter(pk__in=technicians)
        ],
        ignore_conflicts=True,
    )


def by_day(at: datetime) -> datetime:
    """That instant if it lies between 09:00 and 20:00 on site, else the next 09:00: when people may be called."""
    local = at.astimezone(site_zone())
    if local.time() < time(9):
        return local.replace(hour=9, minute=0, second=0, microsecond=0)
    if local.time() > time(20):
        return (local + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    return at
