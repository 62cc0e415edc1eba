"""The day of the visit: setting off, arriving, finding nobody, done or not solved; and what our timers do meanwhile.

A technician's phone may have been in a tunnel: `at` is when it happened, not when it was heard of.
"""

from __future__ import annotations

import hmac
import logging
import unicodedata
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from cases.attachments import Received, attach
from cases.facts import digest
from cases.models import Case, Note
from common import clock
from common.errors import DomainError, InvalidInput, TransitionRefused
from common.given import choice
from common.transitions import refusals, run
from customers.services import reveal
from notifications.models import Message
from sla import timers
from sla.services import break_promise, defer
from staff.models import User
from tickets import conversation, handling
from tickets.models import Ticket
from tickets.services import return_ticket

from . import booking, compensation, events, messages, promises
from .checks import locked, text
from .models import Appointment, Compensation, VisitRecord
from .permissions import allow_visit
from .states import PROMISED, ClosedBecause, Exclusion, FailReason, Side, State
from .windows import site_zone

log = logging.getLogger(__name__)

MOST_ABSENCES = 3
# An arrival entered late is believed for so long; after that a leader must be asked.
LATE_ENTRY = timedelta(hours=12)
SOONEST_ARRIVAL = timedelta(hours=1)


def checked_moment(at: datetime, *, now: datetime, by: User | None) -> datetime:
    """The moment a phone says something happened, if it can be believed: not ahead, and at most twelve hours ago.

    For the edges, which know both moments. Raises InvalidInput; a leader may enter what is older.
    """
    if at > now + timedelta(minutes=5):
        raise InvalidInput(_("This time lies in the future."), field="at")
    if at < now - LATE_ENTRY and not (by is None or by.may("appointments.override")):
        raise InvalidInput(_("This is too long ago to be entered here. Please tell your lead."), field="at")
    return min(at, now)


def _visit(appointment_id: int, by: User | None) -> Appointment:
    appointment = locked(appointment_id)
    allow_visit(by, appointment)
    return appointment


def at_hand(appointment: Appointment, *, now: datetime) -> bool:
    """Whether the crew sees house number and telephone: on the day of the visit, and on the day before it."""
    if appointment.window is None or appointment.state == State.CANCELLED:
        return False
    today = now.astimezone(site_zone()).date()
    return appointment.window.day - timedelta(days=1) <= today <= appointment.window.day


def customer_phone(*, appointment_id: int, by: User, at: datetime | None = None) -> str:
    """The customer's telephone number for the crew, after writing down who looked and why (architecture.md §7).

    Raises DomainError outside the day of the visit and the day before, and where there is no number; TooManyReveals.
    """
    now = at or clock.now()
    appointment: Appointment = Appointment.objects.select_related("customer").get(pk=appointment_id)
    allow_visit(by, appointment)
    if not at_hand(appointment, now=now):
        raise DomainError(_("The number is shown on the day of the visit and on the day before."))
    contact = appointment.customer.phone if appointment.customer else None
    if appointment.customer is None or contact is None:
        raise DomainError(_("We have no telephone number of this customer."))
    reason = str(_("On the way to visit %(number)s") % {"number": appointment.number})
    return reveal(customer=appointment.customer, what=f"contact:{contact.pk}", reason=reason, by=by, at=now)


@transaction.atomic
def set_off(
    *,
    appointment_id: int,
    minutes: int,
    by: User | None,
    at: datetime | None = None,
    heard_at: datetime | None = None,
) -> Appointment:
    """The crew is on the way and expected in so many minutes; the customer is told who comes and when.

    `heard_at` is when the word reached us, where that was later than `at`: nobody is told of a coming that is over. A
    visit that was counted as missed meanwhile stays so until the arrival is known; the departure is kept as a fact.
    """
    now = at or clock.now()
    heard = heard_at or now
    appointment = _visit(appointment_id, by)
    if not 1 <= minutes <= 240:
        raise InvalidInput(_("Between 1 and 240 minutes, please."), field="minutes")
    expected_at = now + timedelta(minutes=minutes)
    if appointment.state == State.MISSED and appointment.left_at is None:
        appointment.left_at, appointment.expected_at = now, expected_at
        cases.record(appointment, events.set_off(appointment), transition="noted", at=now, by=by)
        return appointment
    run(appointment.set_off, at=now, expected_at=expected_at)
    facts = [events.set_off(appointment)]
    if heard < expected_at:
        left = ceil((expected_at - heard) / timedelta(minutes=1))
        facts += messages.tell(
            appointment,
            "visit_under_way",
            at=now,
            valid_until=expected_at,
            minutes=left,
            technician=str(appointment.owner or ""),
        )
        assert appointment.ends_at is not None
        if expected_at > appointment.ends_at:
            facts += messages.tell(appointment, "visit_late", at=now)
            messages.tell_dispatch(appointment, "visit_late_notice", at=now)
    else:
        facts.append(events.said("visit_under_way", state="skipped"))
    cases.record(appointment, *facts, transition="set_off", at=now, by=by)
    return appointment


@transaction.atomic
def arrive(*, appointment_id: int, by: User | None, code: str = "", at: datetime | None = None) -> Appointment:
    """The crew is at the door; the window's promise is judged by this instant, and so is what we owe for it.

    The customer's code proves it; a wrong one is refused, none is allowed. Arriving unannounced breaks the promise of
    the notice. An arrival that proves a visit kept after all takes back what was counted as missed.
    """
    now = at or clock.now()
    appointment = _visit(appointment_id, by)
    # A Chinese keyboard gives full-width digits, and anything at all may be typed: bytes can be compared.
    code = unicodedata.normalize("NFKC", code).strip()
    if code and not hmac.compare_digest(code.encode(errors="replace"), messages.arrival_code(appointment).encode()):
        raise InvalidInput(_("This is not the customer's code. Check it, or leave it empty."), field="code")
    if appointment.starts_at and now < appointment.starts_at - SOONEST_ARRIVAL:
        raise DomainError(_("The window has not begun yet; move the visit if the customer agrees to an earlier time."))
    _arrive(appointment, how="code" if code else "time", at=now, by=by)
    return appointment


def _arrive(appointment: Appointment, *, how: str, at: datetime, by: Any) -> None:
    was_missed = appointment.state == State.MISSED
    run(appointment.arrive, at=at)
    facts = [events.arrived(how=how)]
    if appointment.noticed_at is None and not was_missed:
        break_promise(appointment, promises.NOTICE, why="unannounced", at=at, by=by)
    assert appointment.ends_at is not None
    if at <= appointment.ends_at:
        facts += _kept_after_all(appointment, at=at)
    else:
        # Too late is missed, however short it was: the timer of the window's end may not have said so yet.
        facts += compensation.falls_due(appointment, "missed_window", at=at)
    timers.cancel_timers(appointment, promises.OVER_TIMER)
    timers.cancel_timers(appointment, promises.NOTICE_TIMER)
    cases.record(appointment, *facts, transition="arrived", at=at, by=by)
    promises.tell_ticket(appointment, "arrived", at=at)


def _kept_after_all(appointment: Appointment, *, at: datetime) -> list[Any]:
    owed = Compensation.objects.filter(
        appointment=appointment, cycle=appointment.cycle, trigger="missed_window", excluded=""
    ).first()
    if owed is None:
        return []
    owed.excluded, owed.decided_at = Exclusion.KEPT, clock.now()
    owed.proof = f"{appointment.number} {at.isoformat()}"
    owed.save(update_fields=["excluded", "decided_at", "proof"])
    return [events.compensation_excluded(owed.trigger, why=Exclusion.KEPT, proof=owed.proof)]


@transaction.atomic
def report_absent(*, appointment_id: int, notice: str, by: User | None, at: datetime | None = None) -> Appointment:
    """Nobody opened: a notice was left. First time the customer may rebook, second time by a call, third time it ends.

    Refused before the window begins: nobody is absent then.
    """
    now = at or clock.now()
    appointment = _visit(appointment_id, by)
    notice = text(notice, "notice", _("Say what notice you left and whom you tried to call."))
    if appointment.starts_at is not None and now < appointment.starts_at:
        raise DomainError(_("The window has not begun yet: nobody is absent before."))
    if appointment.arrived_at is None:
        _arrive(appointment, how="time", at=now, by=by)
    run(appointment.find_nobody)
    facts = [events.absent(appointment, notice=notice)]
    promises.void(appointment)
    cases.add_note(appointment, body=notice, visibility="internal", direction="none", at=now, by=by)
    if appointment.absences >= MOST_ABSENCES:
        run(appointment.cancel, at=now, because=ClosedBecause.ABSENT)
        facts += messages.tell(appointment, "visit_ended_absent", at=now)
        cases.record(appointment, *facts, transition=("absent", "cancelled"), at=now, by=by)
        promises.tell_ticket(appointment, "cancelled", at=now)
    else:
        facts += messages.tell(appointment, "visit_absent", at=now)
        if appointment.absences == 2:
            facts += messages.call_owed(appointment, "absent", at=now)
        cases.record(appointment, *facts, transition="absent", at=now, by=by)
        promises.promise_arrangement(appointment, at=now)
        promises.tell_ticket(appointment, "absent", at=now)
    booking.give_back(appointment, at=now)
    return appointment


@transaction.atomic
def keep_record(*, appointment_id: int, by: User | None, values: dict[str, Any]) -> VisitRecord:
    """Store (part of) the visit's record: checks, tests, consent, hand-over, parts. Raises InvalidInput by field."""
    appointment = _visit(appointment_id, by)
    # One that was counted as missed may turn out to have been kept: its checklist was gone through in time.
    if appointment.state not in (*PROMISED, State.UNDER_WAY, State.ON_SITE, State.MISSED):
        raise DomainError(_("The record of this visit is closed."))
    record = VisitRecord.objects.filter(appointment=appointment).first() or VisitRecord(
        appointment=appointment, cycle=appointment.cycle
    )
    if record.cycle != appointment.cycle:
        record.begin_again(appointment.cycle)
    record.fill(values)
    record.save()
    return record


@transaction.atomic
def add_photo(*, appointment_id: int, photo: Received, by: User | None, at: datetime | None = None) -> Appointment:
    """Keep a photo with the visit: of the door, of the notice left, of the work. For staff only; evidence."""
    now = at or clock.now()
    appointment = _visit(appointment_id, by)
    if not photo.content_type.startswith("image/"):
        raise InvalidInput(_("This is no photo."), field="photo")
    attach(appointment, photo, by=by, at=now, visibility=Note.Visibility.INTERNAL)
    cases.record(appointment, transition="noted", at=now, by=by)
    return appointment


@transaction.atomic
def finish(*, appointment_id: int, report: str, by: User | None, at: datetime | None = None) -> Appointment:
    """The work is done: what the record must hold is there, and the customer gets the completion notice."""
    now = at or clock.now()
    appointment = _visit(appointment_id, by)
    record = VisitRecord.objects.filter(appointment=appointment).first() or VisitRecord(appointment=appointment)
    if missing := record.missing():
        raise DomainError(*missing)
    appointment.report = text(report, "report", _("Say what was done."))
    run(appointment.finish, at=now)
    facts = [events.finished(appointment)]
    timers.cancel_timers(appointment)
    appointment.call_since = None  # what was to be said before the visit
    facts += messages.tell(appointment, "visit_done", at=now, report=appointment.report)
    cases.record(appointment, *facts, transition=("done", "resolved"), at=now, by=by)
    promises.tell_ticket(appointment, "done", at=now, report=appointment.report[:500])
    _tell_of_pair(appointment, at=now)
    return appointment


@transaction.atomic
def fail(*, appointment_id: int, reason: str, note: str, by: User | None, at: datetime | None = None) -> Appointment:
    """Not solved on this visit: it needs another time, or another unit (requirements.md FLD-07, FLD-15)."""
    now = at or clock.now()
    appointment = _visit(appointment_id, by)
    reason = choice(reason, FailReason, "reason")
    note = text(note, "note", _("Say what was found."))
    appointment.fail_reason = reason
    run(appointment.fail)
    promises.void(appointment)
    cases.add_note(appointment, body=note, visibility="internal", direction="none", at=now, by=by)
    facts = [events.failed(appointment), *messages.tell(appointment, "visit_failed", at=now)]
    messages.tell_dispatch(appointment, "visit_failed_notice", at=now)
    cases.record(appointment, *facts, transition="failed", at=now, by=by)
    promises.promise_arrangement(appointment, at=now)
    promises.tell_ticket(appointment, "failed", at=now, note=note[:500], reason=reason)
    _tell_of_pair(appointment, at=now)
    booking.give_back(appointment, at=now)
    return appointment


@transaction.atomic
def report_missed(*, appointment_id: int, by: User | None, at: datetime | None = None) -> Appointment:
    """Our crew did not come: the customer is told, a new time is owed, and compensation by rule."""
    now = at or clock.now()
    appointment = locked(appointment_id)
    allow_visit(by, appointment)
    if reasons := miss_refusals(appointment, at=now):
        raise DomainError(*reasons)
    _miss(appointment, at=now, by=by)
    return appointment


def miss_refusals(appointment: Appointment, *, at: datetime) -> list[Any]:
    """Why a visit cannot be said to be missed: before its window begins it can still be moved or given up."""
    reasons: list[Any] = list(refusals(appointment.miss))
    if not reasons and appointment.starts_at is not None and at < appointment.starts_at:
        reasons.append(_("The window has not begun yet: move the visit, or give its time up."))
    return reasons


def _miss(appointment: Appointment, *, at: datetime, by: Any = None) -> None:
    run(appointment.miss)
    facts = [events.missed(), *compensation.falls_due(appointment, "missed_window", at=at)]
    break_promise(appointment, promises.WINDOW, why="not_kept", at=at, by=by)
    promises.void(appointment)
    facts += messages.tell(appointment, "visit_missed", at=at)
    messages.tell_dispatch(appointment, "visit_missed_notice", at=at)
    cases.record(appointment, *facts, transition="missed", at=at, by=by)
    promises.promise_arrangement(appointment, at=at)
    booking.give_back(appointment, at=at)


# --- what happens by itself ------------------------------------------------------------------------------------------


def _timed(timer: Any) -> Appointment | None:
    """The appointment, if it still has the booked time the timer was set for."""
    appointment: Appointment = Appointment.objects.locked(timer.case_id)
    return appointment if appointment.cycle == timer.args["cycle"] else None


@timers.handles(promises.ASK_TIMER)
def ask_again(timer: Any, now: datetime) -> None:
    """The day before: ask whether the time still suits; somebody calls where no answer comes."""
    appointment = _timed(timer)
    if appointment is None or appointment.state not in PROMISED or appointment.reconfirmed_at is not None:
        return
    assert appointment.starts_at is not None
    if now >= appointment.starts_at:
        facts = [events.said("visit_reminder", state="skipped")]
    else:
        facts = messages.tell(appointment, "visit_reminder", at=now, valid_until=appointment.starts_at)
        call_at = min(messages.by_day(now + promises.ANSWER_WITHIN), appointment.starts_at - timedelta(hours=1))
        promises.set_call(appointment, fire_at=max(call_at, now))
    cases.record(appointment, *facts, transition="reminded", at=now)


@timers.handles(promises.CALL_TIMER)
def call_for_answer(timer: Any, now: datetime) -> None:
    """No answer to the second confirmation opens a call task, not silence (lessons.md, part 2, row 3)."""
    appointment = _timed(timer)
    if appointment is None or appointment.state not in PROMISED or appointment.reconfirmed_at is not None:
        return
    facts = messages.call_owed(appointment, "no_answer", at=now)
    if facts:
        messages.tell_dispatch(appointment, "visit_call_notice", at=now)
        cases.record(appointment, *facts, transition="noted", at=now)


@timers.handles(promises.NOTICE_TIMER)
def announce(timer: Any, now: datetime) -> None:
    """Half an hour before the window: the technician is coming (requirements.md APT-14)."""
    appointment = _timed(timer)
    if appointment is None or appointment.state not in PROMISED or appointment.noticed_at is not None:
        return
    assert appointment.starts_at is not None
    if now >= appointment.starts_at:
        facts = [events.said("visit_notice", state="skipped")]
    else:
        facts = messages.tell(appointment, "visit_notice", at=now, valid_until=appointment.starts_at)
    cases.record(appointment, *facts, transition="reminded", at=now)


@timers.handles(promises.OVER_TIMER)
def window_over(timer: Any, now: datetime) -> None:
    """The window is over and nobody of ours was seen: say so, owe what the rule says, and find a new time.

    A crew that is on the way is late, not missing: the customer and the dispatchers are told.
    """
    appointment = _timed(timer)
    if appointment is None:
        return
    if appointment.state in PROMISED:
        _miss(appointment, at=now)
    elif appointment.state == State.UNDER_WAY:
        facts = compensation.falls_due(appointment, "missed_window", at=now)
        facts += messages.tell(appointment, "visit_late", at=now)
        facts += messages.call_owed(appointment, "late", at=now)
        messages.tell_dispatch(appointment, "visit_late_notice", at=now)
        cases.record(appointment, *facts, transition="noted", at=now)


@timers.handles(promises.TICKET_TIMER)
def tell_ticket(timer: Any, now: datetime) -> None:
    """What happened to a visit, told to the ticket it serves. A ticket that moved on meanwhile is left as it is."""
    args = timer.args
    at = datetime.fromisoformat(args["at"])
    ticket = Ticket.objects.filter(pk=args["ticket"]).first()
    if ticket is None or not ticket.is_open:
        return
    what = args["what"]
    try:
        with transaction.atomic():
            if what == "booked":
                if ticket.type == "fault" and not ticket.needs_visit:
                    handling.need_visit(ticket_id=ticket.pk, by=None, at=at)
                # Only the customer's own choice takes the place of our limit (requirements.md C-05): what we choose
                # or move ourselves puts nothing off, and a window chosen before stays the one we are measured by.
                if args.get("side", Side.CUSTOMER) == Side.CUSTOMER:
                    due = datetime.fromisoformat(args["due"])
                    defer(case_id=ticket.pk, promise="on_site", due=due, reason="customer_choice", at=at)
            elif what in ("cancelled", "absent"):
                defer(case_id=ticket.pk, promise="on_site", due=None, reason="customer_choice", at=at)
            elif what == "arrived":
                handling.reach_milestone(ticket_id=ticket.pk, milestone="on_site", by=None, at=at)
            elif what == "done":
                handling.reach_milestone(ticket_id=ticket.pk, milestone="restored", by=None, at=at)
            elif what == "failed":
                _hand_back(ticket, reason=args["reason"], finding=args["note"], at=at)
            elif what == "pair":
                # A second visit for the same matter finds the same pairs in its record: noted once.
                key = f"pair-{args['appointment']}-{digest(args['pair_from'] + args['pair_to'])}"
                body = _pair_note(args["pair_from"], args["pair_to"])
                conversation.add_internal_note(ticket_id=ticket.pk, body=body, by=None, at=at, key=key)
    except DomainError as refusal:
        # The ticket's own rules win: what it has already, or no longer takes, is not forced upon it.
        log.info("%s did not take %r: %s", ticket.number, what, refusal)


def _hand_back(ticket: Ticket, *, reason: str, finding: str, at: datetime) -> None:
    """A fault in the line is for cable maintenance: the dispatcher sends it there, within its limit (FLD-15).

    Where the ticket's state allows no return, and for every other reason, the finding is noted on it.
    """
    if reason == FailReason.LINE:
        try:
            with transaction.atomic():
                return_ticket(ticket_id=ticket.pk, reason=finding, by=None, at=at)
            return
        except TransitionRefused as refusal:
            log.info("%s was not returned: %s", ticket.number, refusal)
    conversation.add_internal_note(ticket_id=ticket.pk, body=finding, by=None, at=at)


def _tell_of_pair(appointment: Appointment, *, at: datetime) -> None:
    """A swapped pair is told to those who keep the resource record: on the ticket, else on the visit (FLD-14)."""
    record = VisitRecord.objects.filter(appointment=appointment).first()
    if record is None or not record.pair_to:
        return
    if appointment.for_ticket_id is not None:
        promises.tell_ticket(appointment, "pair", at=at, pair_from=record.pair_from, pair_to=record.pair_to)
        return
    key = f"pair-{appointment.pk}-{digest(record.pair_from + record.pair_to)}"
    if not Note.objects.filter(external_id=key).exists():
        body = _pair_note(record.pair_from, record.pair_to)
        cases.add_note(appointment, body=body, visibility="internal", direction="none", at=at, external_id=key)
        cases.write(appointment, at=at)


def _pair_note(pair_from: str, pair_to: str) -> str:
    """In the house's language: it is written once, for whoever reads it."""
    with translation.override(settings.LANGUAGE_CODE):
        words = {"old": pair_from, "new": pair_to}
        return str(_("Update the resource record: pair %(old)s → %(new)s, mark %(old)s as bad.") % words)


def on_message_accepted(sender: Any, message: Message, case: Case, at: datetime, **_signal: Any) -> None:
    """A provider's acceptance is what keeps the promise to say something, and what confirms a booking."""
    if case.kind != Appointment.KIND:
        return
    appointment: Appointment = Appointment.objects.locked(case.pk)
    if message.key != messages.key_of(appointment, message.template):
        return  # of an earlier booked time: it keeps no promise of this one
    facts, transitions = [events.said(message.template, state="accepted")], []
    match message.template:
        case "visit_booked" | "visit_moved" | "visit_moved_by_us" if appointment.state == State.BOOKED:
            run(appointment.confirm, at=at)
            facts, transitions = [events.told("message")], ["confirmed"]
        case "visit_reminder" if appointment.asked_at is None:
            appointment.asked_at = at
            transitions = ["asked"]
        case "visit_notice" | "visit_under_way" if appointment.noticed_at is None:
            appointment.noticed_at = at
            transitions = ["noticed"]
        case "visit_done":
            transitions = ["notice_accepted"]
    cases.record(appointment, *facts, transition=tuple(transitions) or "noted", at=at)
    case.refresh_from_db()
