"""What follows a resolution: the notice, the reminders on day 1 and 2, and closure on day 3 (architecture.md §2).

One timer a ticket, re-armed from day to day at 10:00 local time; confirmation and reopening remove it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import translation

from cases import services as cases
from cases.links import Purpose, link_address
from cases.models import Case, Note
from common.clockface import full_when
from notifications.models import Message
from notifications.services import notice, notify, withdraw
from sla import escalation, timers
from staff.models import User

from . import events
from .models import REOPEN_FOR, Ticket
from .states import State

HANDLER = "tickets.silence"
AT = time(10)
CLOSES_ON_DAY = 3
# Who hears of a ticket that was raised by hand, as of one that a rung raises (sla/defaults/policies.toml).
TIERS = {2: ["lead"], 3: ["supervisor", "head"]}


def _on_day(resolved_at: datetime, day: int) -> datetime:
    zone = ZoneInfo(settings.TIME_ZONE)
    local = resolved_at.astimezone(zone).date() + timedelta(days=day)
    return datetime.combine(local, AT, tzinfo=zone).astimezone(UTC)


def start(ticket: Ticket, *, at: datetime, day: int = 1) -> None:
    """Set the timer for that day of silence, counted from `at`: the resolution, or when a person last had to look."""
    timers.set_timer(
        HANDLER,
        key=f"silence-{ticket.pk}-{ticket.cycle}",
        fire_at=_on_day(at, day),
        case=ticket,
        args={"day": day, "cycle": ticket.cycle, "since": at.isoformat()},
    )


def end(ticket: Ticket) -> None:
    """Stop asking: nothing is timed any more, and a reminder not yet sent is withdrawn (lessons.md 36)."""
    timers.cancel_timers(ticket)
    withdraw(ticket, ["ticket_reminder"])


def local_text(at: datetime, ticket: Ticket) -> str:
    """A date and time as the customer reads it, in the customer's language."""
    language = ticket.customer.language if ticket.customer_id and ticket.customer else settings.LANGUAGE_CODE
    with translation.override(language):
        return str(full_when(at))


def confirm_link(ticket: Ticket, *, at: datetime) -> str:
    """Where the customer says whether it is solved: good for as long as a closed ticket may be taken up again."""
    return link_address(ticket, Purpose.CONFIRM, at=at, days=CLOSES_ON_DAY + REOPEN_FOR.days)


@timers.handles(HANDLER)
def next_day_of_silence(timer: Any, now: datetime) -> None:
    """Remind on day 1 and 2, close on day 3. A reminder whose successor is due already is recorded, not sent."""
    from .ending import close_silent_ticket

    day = timer.args["day"]
    ticket: Ticket = Ticket.objects.locked(timer.case_id)
    if ticket.state != State.RESOLVED or ticket.cycle != timer.args["cycle"] or ticket.resolved_at is None:
        return
    if not _is_silence(ticket):
        # Nobody was asked yet, or somebody answered: a person must look, and the days of silence have not begun.
        start(ticket, at=now)
        cases.record(ticket, events.notice("not_silent", template="ticket_reminder"), transition="reminded", at=now)
        _tell_owner(ticket, at=now)
        return
    if day >= CLOSES_ON_DAY:
        close_silent_ticket(ticket_id=ticket.pk, at=timer.fire_at)
        return
    since = datetime.fromisoformat(timer.args["since"])
    if now >= _on_day(since, day + 1):
        fact = events.notice("skipped", template="ticket_reminder")
    else:
        message = notify(
            "ticket_reminder",
            case=ticket,
            key=f"reminder-{ticket.pk}-{ticket.cycle}-{day}",
            at=now,
            context={"time": local_text(_on_day(since, CLOSES_ON_DAY), ticket), "link": confirm_link(ticket, at=now)},
        )
        fact = events.notice("queued" if message else "no_channel", template="ticket_reminder")
    start(ticket, at=since, day=day + 1)
    cases.record(ticket, fact, transition="reminded", at=timer.fire_at)


def _is_silence(ticket: Ticket) -> bool:
    """Whether the customer was told of the resolution and has not said a word since (requirements.md §30, point 9)."""
    if ticket.customer_id is None:
        return True  # nobody to ask
    told = (
        Message.objects.filter(key=f"resolved-{ticket.pk}-{ticket.cycle}", state=Message.State.SENT).exists()
        or ticket.notes.filter(outcome=Note.Outcome.REACHED, at__gte=ticket.resolved_at).exists()
    )
    return told and ticket.unanswered == 0


def _tell_owner(ticket: Ticket, *, at: datetime) -> None:
    leaders = escalation.Leaders()
    leaders.read_owners([ticket.owner_id] if ticket.owner_id else [])
    tell_people(
        leaders.audience("owner", ticket), ticket, template="ticket_unheard", key=f"unheard-{ticket.pk}-{at:%j}", at=at
    )


def on_message_accepted(sender: Any, message: Message, case: Case, at: datetime, **_signal: Any) -> None:
    """The provider's acceptance of the completion notice keeps the promise of that notice (requirements.md C-14)."""
    if message.template != "ticket_resolved" or case.kind != Ticket.KIND:
        return
    # A notice of an earlier cycle that left late keeps no promise of this one.
    present = message.key == f"resolved-{case.pk}-{case.cycle}"
    transition = "notice_accepted" if present else "noted"
    cases.record(case, events.notice("accepted", template=message.template), transition=transition, at=at)


def tell_tier(ticket: Ticket, *, at: datetime) -> None:
    """Tell the tier a ticket was raised to by hand."""
    people = escalation.Leaders().everyone(TIERS[ticket.tier], ticket)
    key = f"tier-{ticket.pk}-{ticket.version}-{ticket.tier}"
    tell_people(people, ticket, template="ticket_escalated", key=key, at=at, context={"tier": ticket.tier})


def tell_people(
    people: Iterable[User],
    ticket: Ticket,
    *,
    template: str,
    key: str,
    at: datetime,
    context: dict[str, Any] | None = None,
) -> None:
    Message.objects.bulk_create(
        [
            notice(
                person,
                template=template,
                case=ticket,
                context={"number": ticket.number, **(context or {})},
                key=f"{key}:{person.pk}",
                at=at,
            )
            for person in people
        ],
        ignore_conflicts=True,
    )
