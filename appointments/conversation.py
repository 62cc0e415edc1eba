"""What is said about a visit: the customer's word that the time suits, calls, notes, and the rating at the end.

`by` is who did it: a member of staff, or the customer (own appointments only); `at` is the true moment. Each locks the
case first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from cases.models import Note
from cases.states import Channel
from common import clock
from common.errors import DomainError, InvalidInput
from common.given import choice, choices
from common.transitions import run
from customers.models import Customer
from staff.models import User

from . import events, messages
from .checks import locked, short, text
from .models import Appointment, VisitRating
from .permissions import allow, allow_own
from .states import PROMISED, CallTime, RatingReason, State

# Up to this score we ask what went wrong, and somebody of ours reads the answer.
LOW_SCORE = 3


@transaction.atomic
def reconfirm_appointment(
    *, appointment_id: int, by: Any, how: str, version: int | None = None, at: datetime | None = None
) -> Appointment:
    """The customer says again that the time suits: by link, SMS or call. Saying it twice changes nothing."""
    now = at or clock.now()
    appointment = locked(appointment_id, version=version)
    allow_own(by, appointment, "appointments.book", "dispatch.change")
    if appointment.state not in PROMISED:
        raise DomainError(
            _("This is not possible while the state is “%(state)s”.") % {"state": appointment.get_state_label()}
        )
    if appointment.reconfirmed_at is not None:
        return appointment
    appointment.reconfirmed_at, appointment.call_since = now, None
    facts, transitions = [events.reconfirmed(how)], ["reconfirmed"]
    if appointment.state == State.BOOKED:
        run(appointment.confirm, at=now)
        transitions.append("confirmed")
    cases.record(appointment, *facts, transition=tuple(transitions), at=now, by=by)
    return appointment


@transaction.atomic
def record_call(
    *, appointment_id: int, by: User | None, note: str, reached: bool, at: datetime | None = None
) -> Appointment:
    """Log a call about a visit; one that reached the customer ends the call task."""
    now = at or clock.now()
    appointment = locked(appointment_id)
    allow(by, "appointments.book", "dispatch.change", "visits.work")
    cases.add_note(
        appointment,
        body=text(note, "note", _("Write what was said.")),
        visibility=Note.Visibility.PUBLIC,
        direction=Note.Direction.OUT,
        channel=Channel.PHONE,
        outcome=Note.Outcome.REACHED if reached else Note.Outcome.NO_ANSWER,
        at=now,
        by=by,
    )
    facts = []
    if reached and appointment.call_since is not None:
        appointment.call_since = None
        facts.append(events.call_done())
    cases.record(appointment, *facts, transition="called" if reached else "noted", at=now, by=by)
    return appointment


@transaction.atomic
def note_visit(
    *, appointment_id: int, body: str, by: User | None, key: str = "", at: datetime | None = None
) -> Appointment:
    """Add a note that only staff see; sent twice with the same `key`, it is written once."""
    now = at or clock.now()
    appointment = locked(appointment_id)
    allow(by, "appointments.book", "dispatch.change", "visits.work")
    once = f"visit-note-{appointment.pk}-{key}" if key else ""
    if once and Note.objects.filter(external_id=once).exists():
        return appointment
    cases.add_note(
        appointment,
        body=text(body, "body", _("Write the note first.")),
        visibility=Note.Visibility.INTERNAL,
        direction=Note.Direction.NONE,
        at=now,
        by=by,
        external_id=once,
    )
    cases.record(appointment, transition="noted", at=now, by=by)
    return appointment


@transaction.atomic
def rate_visit(
    *,
    appointment_id: int,
    score: int,
    by: Customer,
    reasons: Sequence[str] = (),
    comment: str = "",
    callback: str = "",
    channel: str = "web",
    at: datetime | None = None,
) -> VisitRating:
    """The customer's own rating of a visit, once (requirements.md APT-22; §30, point 36: staff never rate).

    A score of three or less may name `reasons`, and the team's lead is told of it. With `callback`, one of CallTime,
    the visit goes on the list of those to call, and lead and dispatchers are told. Raises DomainError where nothing
    was done yet or a rating is there already; InvalidInput by field.
    """
    now = at or clock.now()
    appointment = locked(appointment_id)
    if not isinstance(by, Customer) or appointment.customer_id != by.pk:
        raise Appointment.DoesNotExist
    if appointment.state != State.DONE:
        raise DomainError(_("A visit can be rated when it is done."))
    if score not in range(1, 6):
        raise InvalidInput(_("Choose 1 to 5."), field="score")
    reasons = choices(reasons, RatingReason, "reasons")
    if callback and choice(callback, CallTime, "callback") and by.phone is None:
        raise InvalidInput(_("We have no telephone number of yours."), field="callback")
    low = score <= LOW_SCORE
    comment = short(comment, "comment")
    if VisitRating.objects.filter(appointment=appointment).exists():
        raise DomainError(_("You have rated this visit already. Thank you."))
    rating = VisitRating.objects.create(
        appointment=appointment,
        score=score,
        reasons=reasons if low else [],
        comment=comment,
        callback=callback,
        channel=channel,
        at=now,
    )
    facts = [events.rated(score)]
    if callback:
        facts += messages.call_owed(appointment, "wished", at=now)
        messages.tell_dispatch(appointment, "visit_callback_notice", at=now, score=score, when=callback)
    elif low:
        messages.tell_lead(appointment, "visit_low_rating_notice", at=now, score=score)
    cases.record(appointment, *facts, transition="rated", at=now, by=by)
    return rating
