"""What a booked window promises, and what must happen at a time because of it.

The figures live in the policy (sla/defaults/policies.toml, `kind = "appointment"`): a rule's limit is how long before
the window, or after the event, the promise falls due. Promises belong to a cycle, which is one booked time; timers and
unsent messages of the cycle before are void the moment the visit moves (lessons.md 36).
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from math import ceil
from typing import Any

from django.utils.translation import gettext_lazy as _

from cases import services as cases
from notifications.services import withdraw
from sla import policies, timers
from sla.arithmetic import RunningLimit
from sla.models import read_limit
from sla.services import give

from .models import Appointment
from .windows import site_zone

WINDOW = "visit_window"
ASK = "second_confirm"
NOTICE = "visit_notice"
ARRANGE = "arrange_visit"
CUTOFF = "change_cutoff"

# A promise to say something in time is kept by beginning before it is due.
ASK_EARLY = timedelta(hours=1)
NOTICE_EARLY = timedelta(minutes=10)
# How long after the window we wait for word before we say that nobody came.
OVER_GRACE = timedelta(minutes=15)
# How long we wait for the answer to the second confirmation before somebody calls.
ANSWER_WITHIN = timedelta(hours=4)

# Where the policy names no such limit (requirements.md C-15).
CUTOFF_ELSE = timedelta(hours=2)

ASK_TIMER = "appointments.ask"
CALL_TIMER = "appointments.call"
NOTICE_TIMER = "appointments.notice"
OVER_TIMER = "appointments.over"
TICKET_TIMER = "appointments.ticket"

# Messages that speak of one booked time and must not leave once it has changed.
OF_A_TIME = [
    "visit_booked",
    "visit_moved",
    "visit_moved_by_us",
    "visit_reminder",
    "visit_notice",
    "visit_under_way",
    "visit_late",
]


def lead(appointment: Appointment, promise: str) -> timedelta | None:
    """How long before the window (or after the event) the policy puts this promise; None where it makes none."""
    version = policies.book(appointment.received_at).version
    rule = policies.rules_for(appointment, version).get(promise) if version else None
    limit = read_limit(rule.limits[0]) if rule else None
    return limit.span if isinstance(limit, RunningLimit) else None


def change_cutoff(appointment: Appointment) -> timedelta:
    """How long before the window a customer may still change it without calling; the policy's figure."""
    found = lead(appointment, CUTOFF)
    return CUTOFF_ELSE if found is None else found


def cutoff_hours(appointment: Appointment) -> int:
    """The same in whole hours, as people are told: rather too early than too late."""
    return ceil(change_cutoff(appointment) / timedelta(hours=1))


def promise_window(appointment: Appointment, *, at: datetime) -> None:
    """Give the promises of the present cycle's window, and set the timers that keep them; the caller has recorded."""
    window = appointment.window
    assert window is not None
    dues = {WINDOW: window.ends_at}
    notice, ask = lead(appointment, NOTICE), lead(appointment, ASK)
    if notice is not None and window.starts_at - notice > at:
        dues[NOTICE] = window.starts_at - notice
        _set(NOTICE_TIMER, appointment, max(at, dues[NOTICE] - NOTICE_EARLY))
    # Whoever books later than that is asked by the confirmation itself.
    if ask is not None and (asked_at := _before_night(window.starts_at - ask - ASK_EARLY)) > at:
        dues[ASK] = window.starts_at - ask
        _set(ASK_TIMER, appointment, asked_at)
    _set(OVER_TIMER, appointment, window.ends_at + OVER_GRACE)
    give(appointment, dues, started=dict.fromkeys(dues, at), at=at)
    cases.write_quietly(appointment)


def _before_night(at: datetime) -> datetime:
    """That instant, or 20:00 of the evening before where it falls into quiet hours, when the question would be held."""
    local = at.astimezone(site_zone())
    if time(8) <= local.time() < time(21):
        return at
    evening = local if local.time() >= time(21) else local - timedelta(days=1)
    return evening.replace(hour=20, minute=0, second=0, microsecond=0)


def promise_arrangement(appointment: Appointment, *, at: datetime) -> None:
    """Promise that a visit without a time gets one."""
    within = lead(appointment, ARRANGE)
    if within is not None:
        give(appointment, {ARRANGE: at + within}, started={ARRANGE: at}, at=at)
        cases.write_quietly(appointment)


def void(appointment: Appointment) -> None:
    """Remove the timers of a booked time, withdraw what was not sent yet, and end the call that was owed about it."""
    appointment.call_since = None
    for handler in (ASK_TIMER, CALL_TIMER, NOTICE_TIMER, OVER_TIMER):
        timers.cancel_timers(appointment, handler)
    withdraw(appointment, OF_A_TIME)


def set_call(appointment: Appointment, *, fire_at: datetime) -> None:
    """Have somebody call if the second confirmation stays unanswered until then."""
    _set(CALL_TIMER, appointment, fire_at)


def tell_ticket(appointment: Appointment, what: str, *, at: datetime, **args: Any) -> None:
    """Have the ticket hear of it: in a transaction of its own, because nobody locks two cases.

    The timer belongs to no case, is claimed by its own row, and fires once; `at` is the true moment.
    """
    if appointment.for_ticket_id is not None:
        timers.set_timer(
            TICKET_TIMER,
            key=f"visit-ticket-{appointment.pk}-{appointment.event_seq}-{what}",
            fire_at=at,
            args={
                "ticket": appointment.for_ticket_id,
                "appointment": appointment.pk,
                "what": what,
                "at": at.isoformat(),
            }
            | args,
        )


def _set(handler: str, appointment: Appointment, fire_at: datetime) -> None:
    timers.set_timer(
        handler,
        key=f"{handler}-{appointment.pk}",
        fire_at=fire_at,
        case=appointment,
        args={"cycle": appointment.cycle},
    )


TITLES = {
    WINDOW: _("Visit within the window"),
    ASK: _("Second confirmation"),
    NOTICE: _("Notice before the visit"),
    ARRANGE: _("Time arranged"),
}
REASONS = {
    "unannounced": _("the technician came unannounced"),
    "not_kept": _("nobody of ours came"),
}
BELIEVED = ("not_kept",)
