"""Use cases on working time: shifts and leave (who may: `settings.change_working_time`), and the duty roster, which
supervisors keep (`settings.change_duty`).

What must not overlap is checked under the row lock of the people concerned, taken in the order of their keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from common import clock, clockface
from common.errors import InvalidInput, NotAllowed
from common.given import choice

from .models import User
from .records import record
from .rota import Span
from .working import LONGEST_SHIFT, Duty, Leave, Shift

MOST_DAYS = 92  # one form plans a quarter at most: a slip in the year is refused, not planned
LONGEST_LEAVE = timedelta(days=366)
LONGEST_DUTY = timedelta(days=31)
_ONE_DAY = timedelta(days=1)


def _allow(by: User | None, ability: str = "settings.change_working_time") -> None:
    """The command line (None) may do everything."""
    if by is not None and not by.may(ability):
        raise NotAllowed()


def _locked(user_ids: Iterable[int]) -> dict[int, User]:
    """The active people with these keys, locked. Raises InvalidInput when one of them is unknown or has left."""
    wanted = set(user_ids)
    found = User.objects.filter(pk__in=wanted, is_active=True).order_by("pk").select_for_update(no_key=True)
    people = {person.pk: person for person in found}
    if not people or len(people) < len(wanted):
        raise InvalidInput(_("Choose people who work here."), field="people")
    return people


def local_span(day: date, start_time: time, end_time: time) -> Span:
    """The span between two local times; an end that is not after the start means the next day."""
    zone = timezone.get_default_timezone()
    ends_on = day if end_time > start_time else day + _ONE_DAY
    return datetime.combine(day, start_time, zone), datetime.combine(ends_on, end_time, zone)


@transaction.atomic
def plan_shifts(
    *,
    user_ids: Iterable[int],
    days: Iterable[date],
    start_time: time,
    end_time: time,
    by: User | None,
    note: str = "",
    at: datetime | None = None,
) -> list[Shift]:
    """Plan the same hours, in the local time of the settings' zone, for several people on several days.

    `end_time` not after `start_time` means the next day. Shifts that are there already are left alone; what comes back
    are the new ones. All or nothing: raises InvalidInput naming the person and the day of each overlap.
    """
    _allow(by)
    wanted = sorted(set(days))
    if not wanted:
        raise InvalidInput(_("Choose at least one day."), field="days")
    if len(wanted) > MOST_DAYS:
        raise InvalidInput(_("Plan at most %(days)s days at a time.") % {"days": MOST_DAYS}, field="days")
    people = _locked(user_ids)
    spans = [local_span(day, start_time, end_time) for day in wanted]
    if any(ends - starts > LONGEST_SHIFT for starts, ends in spans):
        raise InvalidInput(_("A shift lasts at most 24 hours."), field="end_time")
    planned: dict[int, list[Shift]] = {pk: [] for pk in people}
    around = Shift.objects.filter(user__in=people, starts_at__lt=spans[-1][1], ends_at__gt=spans[0][0])
    for shift in around:
        planned[shift.user_id].append(shift)
    new, overlaps = [], []
    for pk, person in people.items():
        for starts, ends in spans:
            if any((shift.starts_at, shift.ends_at) == (starts, ends) for shift in planned[pk]):
                continue
            clash = next((s for s in planned[pk] if s.starts_at < ends and s.ends_at > starts), None)
            if clash is not None:
                overlaps.append(
                    _("%(name)s works already: %(when)s.")
                    % {"name": person.name, "when": clockface.hours(clash.starts_at, clash.ends_at)}
                )
            else:
                new.append(Shift(user=person, starts_at=starts, ends_at=ends, note=note.strip()))
    if overlaps:
        raise InvalidInput(*dict.fromkeys(overlaps), field="days")
    Shift.objects.bulk_create(new)
    now = at or clock.now()
    for pk, person in people.items():
        if mine := [shift.starts_at.isoformat() for shift in new if shift.user_id == pk]:
            hours = {"start_time": f"{start_time:%H:%M}", "end_time": f"{end_time:%H:%M}"}
            record("shifts_planned", by=by, at=now, about=person, starts=mine, **hours)
    return new


@transaction.atomic
def remove_shift(*, shift_id: int, by: User | None, at: datetime | None = None) -> None:
    """Take a shift out of the plan. Raises Shift.DoesNotExist when it is gone already."""
    _allow(by)
    shift = Shift.objects.select_for_update(no_key=True, of=("self",)).select_related("user").get(pk=shift_id)
    shift.delete()
    span = {"starts_at": shift.starts_at.isoformat(), "ends_at": shift.ends_at.isoformat()}
    record("shift_removed", by=by, at=at or clock.now(), about=shift.user, **span)


@transaction.atomic
def enter_leave(
    *,
    user_id: int,
    starts_at: datetime,
    ends_at: datetime,
    kind: str,
    by: User | None,
    note: str = "",
    at: datetime | None = None,
) -> Leave:
    """Enter a time somebody is not there. Shifts stay planned: leave takes precedence, and may be cancelled again.

    Raises InvalidInput: ends before it starts, longer than a year, overlapping leave.
    """
    _allow(by)
    kind = choice(kind, Leave.Kind, "kind")
    _check_span(starts_at, ends_at, LONGEST_LEAVE, _("Leave lasts at most a year."))
    person = _locked([user_id])[user_id]
    clash = Leave.objects.filter(user=person, starts_at__lt=ends_at, ends_at__gt=starts_at).first()
    if clash is not None:
        raise InvalidInput(
            _("%(name)s has leave already: %(when)s. Cancel it first.")
            % {"name": person.name, "when": clockface.hours(clash.starts_at, clash.ends_at)},
            field="starts_at",
        )
    leave = Leave.objects.create(
        user=person, starts_at=starts_at, ends_at=ends_at, kind=kind, note=note.strip(), entered_by=by
    )
    # The trail keeps the time, not the reason: why somebody was away is nobody's business for ever.
    span = {"starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
    record("leave_entered", by=by, at=at or clock.now(), about=person, leave=leave.pk, **span)
    return leave


@transaction.atomic
def cancel_leave(*, leave_id: int, by: User | None, at: datetime | None = None) -> None:
    """Cancel leave: the shifts it covered count again. Raises Leave.DoesNotExist when it is gone already."""
    _allow(by)
    leave = Leave.objects.select_for_update(no_key=True, of=("self",)).select_related("user").get(pk=leave_id)
    facts = {"leave": leave.pk, "starts_at": leave.starts_at.isoformat(), "ends_at": leave.ends_at.isoformat()}
    leave.delete()
    record("leave_cancelled", by=by, at=at or clock.now(), about=leave.user, **facts)


@transaction.atomic
def plan_duty(
    *, user_id: int, starts_at: datetime, ends_at: datetime, role: str, by: User | None, at: datetime | None = None
) -> Duty:
    """Put somebody on the duty roster. Several people may share a duty; one person has each duty once at a time."""
    _allow(by, "settings.change_duty")
    role = choice(role, Duty.Role, "role")
    _check_span(starts_at, ends_at, LONGEST_DUTY, _("A duty lasts at most a month."))
    person = _locked([user_id])[user_id]
    clash = Duty.objects.filter(user=person, role=role, starts_at__lt=ends_at, ends_at__gt=starts_at).first()
    if clash is not None:
        raise InvalidInput(
            _("%(name)s is on duty already: %(when)s.")
            % {"name": person.name, "when": clockface.hours(clash.starts_at, clash.ends_at)},
            field="starts_at",
        )
    duty = Duty.objects.create(user=person, starts_at=starts_at, ends_at=ends_at, role=role)
    span = {"starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
    record("duty_planned", by=by, at=at or clock.now(), about=person, role=role, **span)
    return duty


@transaction.atomic
def remove_duty(*, duty_id: int, by: User | None, at: datetime | None = None) -> None:
    """Take a duty off the roster. Raises Duty.DoesNotExist when it is gone already."""
    _allow(by, "settings.change_duty")
    duty = Duty.objects.select_for_update(no_key=True, of=("self",)).select_related("user").get(pk=duty_id)
    duty.delete()
    span = {"starts_at": duty.starts_at.isoformat(), "ends_at": duty.ends_at.isoformat()}
    record("duty_removed", by=by, at=at or clock.now(), about=duty.user, role=duty.role, **span)


def _check_span(starts_at: datetime, ends_at: datetime, longest: timedelta, too_long: str) -> None:
    if ends_at <= starts_at:
        raise InvalidInput(_("The end lies after the start."), field="ends_at")
    if ends_at - starts_at > longest:
        raise InvalidInput(too_long, field="ends_at")
