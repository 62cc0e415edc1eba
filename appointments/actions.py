"""What a technician's phone reports: each tap is taken once, however often sent; a refusal keeps what was written.

The phone may have been in a tunnel. It names each tap by a key of its own and says when it happened; the action is
stored in the transaction of its effect, so that a lost answer can be asked for again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.attachments import Received, examine, removed_if_it_fails
from cases.facts import digest
from cases.numbers import key_of
from common.errors import DomainError, InvalidInput
from staff.models import User

from . import conversation, visits
from .checks import locked
from .forms import FORMS
from .models import Appointment, VisitAction, VisitRecord
from .permissions import allow_visit
from .states import ActionKind as Kind
from .states import ActionOutcome as Outcome
from .windows import site_zone

KEY = re.compile(r"[A-Za-z0-9-]{8,64}")
# Nobody sets off earlier than the longest drive we can announce.
SOONEST_DEPARTURE = timedelta(hours=4)
MOST_VALUES = 20_000

Effect = Callable[[Appointment, dict[str, Any], User, datetime, datetime], Any]


class OtherForm(DomainError):
    """This key came before, with something else: neither is guessed away."""

    code = "key_used"


class NotYours(DomainError):
    """The visit is not, or no longer, one of this technician's."""

    code = "not_in_plan"


def take(
    *,
    key: str,
    number: str,
    action: str,
    values: Mapping[str, Any],
    by: User,
    heard_at: datetime,
    at: datetime | None = None,
    cycle: int | None = None,
    photo: Any = None,
    shown: bool = False,
) -> VisitAction:
    """Do what a technician reports, once for each `key`; return how it was taken. A repeated key gets the first answer.

    `at` is when it happened (default: now), `cycle` the booked time it was meant for, `photo` an upload. A refusal is
    stored with its reasons and with what was written, and waits to be seen unless the caller shows it at once
    (`shown`). Raises InvalidInput for what cannot be stored at all, NotYours for a visit there never was, OtherForm for
    a key that bore something else.
    """
    if not KEY.fullmatch(key):
        raise InvalidInput(_("This key cannot be used."), field="key")
    if action not in Kind.values:
        raise InvalidInput(_("There is no such action."), field="action")
    written = json.dumps(dict(values), ensure_ascii=False, sort_keys=True, default=str)
    if len(written) > MOST_VALUES:
        raise InvalidInput(_("This is too long to be sent."), field="values")
    appointment = Appointment.objects.filter(pk=key_of(number) or 0).first()
    if appointment is None:
        raise NotYours(_("This visit is not in your plan."), field="visit")
    picture, unfit = _looked_at(photo)
    entry = VisitAction(
        key=key,
        technician=by,
        appointment=appointment,
        action=action,
        at=at or heard_at,
        received_at=heard_at,
        outcome=Outcome.DONE,
        digest=digest(f"{appointment.pk} {action} {written}" + (f" {picture.digest}" if picture else "")),
    )
    pictures = [picture] if picture else []
    with removed_if_it_fails(pictures), transaction.atomic():
        if first := _entered_before(entry):
            if (first.technician_id, first.digest) != (by.pk, entry.digest):
                raise OtherForm(_("This was sent before, with other words. Open the visit again and repeat it."))
            return first
        try:
            with removed_if_it_fails(pictures), transaction.atomic():
                if unfit is not None:
                    raise unfit
                _do(entry, values, cycle=cycle, picture=picture)
        except Appointment.DoesNotExist:
            _refuse(entry, NotYours(_("This visit is no longer in your plan.")), values, shown=shown)
        except DomainError as refusal:
            _refuse(entry, refusal, values, shown=shown)
        else:
            # What was refused before has now been put right.
            unseen(by).filter(appointment=appointment, action=action).update(seen_at=heard_at)
    return entry


def _looked_at(upload: Any) -> tuple[Received | None, DomainError | None]:
    """The photo, looked at before any lock is taken; or why it cannot be kept."""
    if upload is None:
        return None, None
    try:
        return examine(upload), None
    except DomainError as refusal:
        return None, refusal


def _entered_before(entry: VisitAction) -> VisitAction | None:
    """Store the entry, or give back the one that bears its key. Whoever sends it at this moment is waited for."""
    try:
        with transaction.atomic():
            entry.save(force_insert=True)
    except IntegrityError:
        return VisitAction.objects.get(key=entry.key)
    return None


def _refuse(entry: VisitAction, refusal: DomainError, values: Mapping[str, Any], *, shown: bool) -> None:
    entry.outcome = Outcome.REFUSED
    entry.reasons = [str(reason) for reason in refusal.reasons]
    entry.field = refusal.field[:40]
    entry.values = dict(values)
    entry.seen_at = entry.received_at if shown else None
    entry.save()


def unseen(person: User) -> Any:
    """What was refused of this technician's taps and not looked at yet, the newest first."""
    refused = VisitAction.objects.filter(technician=person, outcome=Outcome.REFUSED, seen_at=None)
    return refused.order_by("-received_at", "-pk")


def mark_seen(key: str, *, by: User, at: datetime) -> bool:
    """The technician has read why something was refused; whether there was anything to read."""
    return unseen(by).filter(key=key).update(seen_at=at) > 0


# --- what each action does -------------------------------------------------------------------------------------------


def _do(entry: VisitAction, values: Mapping[str, Any], *, cycle: int | None, picture: Received | None) -> None:
    appointment = locked(entry.appointment_id)
    allow_visit(entry.technician, appointment)
    if cycle is not None and cycle != appointment.cycle:
        raise DomainError(_("The visit got another time meanwhile; this belonged to the earlier one."))
    at = visits.checked_moment(entry.at, now=entry.received_at, by=entry.technician)
    if entry.action == Kind.PHOTO:
        if picture is None:
            raise InvalidInput(_("Take a photo first."), field="photo")
        visits.add_photo(appointment_id=appointment.pk, photo=picture, by=entry.technician, at=at)
        return
    form = FORMS[entry.action](dict(values))
    if not form.is_valid():
        reasons = [str(reason) for errors in form.errors.values() for reason in errors]
        raise InvalidInput(*reasons, field=next(iter(form.errors)))
    EFFECTS[entry.action](appointment, form.cleaned_data, entry.technician, at, entry.received_at)


def departure_refusals(appointment: Appointment, record: VisitRecord | None, *, at: datetime) -> list[Any]:
    """Why a technician does not set off yet; empty where nothing stands in the way."""
    reasons: list[Any] = []
    if record is None or not record.ready(appointment.cycle):
        reasons.append(gettext_lazy("Go through the checklist first."))
    if appointment.starts_at is not None and at < appointment.starts_at - SOONEST_DEPARTURE:
        reasons.append(gettext_lazy("It is too early to set off: the customer is told at once."))
    return reasons


def _check(appointment: Appointment, given: dict[str, Any], by: User, at: datetime, heard_at: datetime) -> None:
    visits.keep_record(appointment_id=appointment.pk, by=by, values=given)


def _set_off(appointment: Appointment, given: dict[str, Any], by: User, at: datetime, heard_at: datetime) -> None:
    record = VisitRecord.objects.filter(appointment=appointment).first()
    if refusals := departure_refusals(appointment, record, at=at):
        raise DomainError(*refusals)
    visits.set_off(appointment_id=appointment.pk, minutes=given["minutes"], by=by, at=at, heard_at=heard_at)


def _call(appointment: Appointment, given: dict[str, Any], by: User, at: datetime, heard_at: datetime) -> None:
    reached = given["reached"] == "yes"
    note = given["note"].strip() or (_("Called about the visit.") if reached else _("Called, no answer."))
    conversation.record_call(appointment_id=appointment.pk, by=by, note=note, reached=reached, at=at)


def _arrive(appointment: Appointment, given: dict[str, Any], by: User, at: datetime, heard_at: datetime) -> None:
    if given["time"] is not None:
        at = _earlier_today(given["time"], before=at)
        visits.checked_moment(at, now=heard_at, by=by)
        if appointment.left_at is not None and at < appointment.left_at:
            raise InvalidInput(_("You had not set off by then. Check the time."), field="time")
    visits.arrive(appointment_id=appointment.pk, by=by, code=given["code"], at=at)


def _earlier_today(typed: time, *, before: datetime) -> datetime:
    """The last moment up to `before` at which the clock on site showed this time."""
    local = before.astimezone(site_zone())
    found = local.replace(hour=typed.hour, minute=typed.minute, second=0, microsecond=0)
    return (found if found <= local else found - timedelta(days=1)).astimezone(UTC)


def _record(appointment: Appointment, given: dict[str, Any], by: User, at: datetime, heard_at: datetime) -> None:
    visits.keep_record(appointment_id=appointment.pk, by=by, values=given)


def _finish(appointment: Appointment, given: dict[str, Any], by: User, at: datetime, heard_at: datetime) -> None:
    visits.finish(appointment_id=appointment.pk, report=given["report"], by=by, at=at)


def _fail(appointment: Appointment, given: dict[str, Any], by: User, at: datetime, heard_at: datetime) -> None:
    visits.fail(appointment_id=appointment.pk, reason=given["reason"], note=given["note"], by=by, at=at)


def _absent(appointment: Appointment, given: dict[str, Any], by: User, at: datetime, heard_at: datetime) -> None:
    visits.report_absent(appointment_id=appointment.pk, notice=given["notice"], by=by, at=at)


EFFECTS: dict[str, Effect] = {
    Kind.CHECK: _check,
    Kind.SET_OFF: _set_off,
    Kind.CALL: _call,
    Kind.ARRIVE: _arrive,
    Kind.RECORD: _record,
    Kind.FINISH: _finish,
    Kind.FAIL: _fail,
    Kind.ABSENT: _absent,
}
