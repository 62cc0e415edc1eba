"""When the demo's people work, what they can do, and who is on duty: planned by the dispatcher through the services."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone

from staff.models import CertificateKind, Duty, Leave, Skill, User
from staff.permissions import Role
from staff.planning import enter_leave, local_span, plan_duty, plan_shifts
from staff.qualifying import add_certificate, set_skill

from .people import FORM, Staff

BEFORE, AHEAD = 7, 21
ONE_DAY = timedelta(days=1)
EARLY, LATE = (time(8), time(17)), (time(12), time(21))
VALID_FOR = timedelta(days=730)


def plan_work(staff: Staff, *, now: datetime) -> None:
    """Shifts from a week ago until three weeks ahead, a leave, the duty roster, and the technicians' skills."""
    today = timezone.localdate(now)
    planned_at = now - timedelta(days=BEFORE + 1)
    technicians = [person for person in staff.people.values() if person.role == Role.TECHNICIAN]
    desk = [person for person in staff.people.values() if person.team_id and person.role != Role.TECHNICIAN]
    for people in (technicians, desk):
        _shifts(people, today, by=staff.dispatcher, at=planned_at)
    away = technicians[2]
    starts, _end = local_span(today + 3 * ONE_DAY, time(0), time(0))
    enter_leave(
        user_id=away.pk,
        starts_at=starts,
        ends_at=starts + 3 * ONE_DAY,
        kind=Leave.Kind.LEAVE,
        by=staff.dispatcher,
        at=planned_at,
    )
    _duties(staff, today, at=planned_at)
    _skills(technicians, today, by=staff.supervisor, at=planned_at)


def _shifts(people: list[User], today: date, *, by: User, at: datetime) -> None:
    """Five days in seven, every third person late; the first of the list works today, whatever day it is."""
    days = [today + number * ONE_DAY for number in range(-BEFORE, AHEAD)]
    alike: dict[tuple[int, bool], list[int]] = {}
    for number, person in enumerate(people):
        alike.setdefault((number % 7, number % 3 == 2), []).append(person.pk)
    for (turn, late), keys in alike.items():
        work = [day for number, day in enumerate(days, -BEFORE) if (number - turn) % 7 not in (2, 3)]
        start, end = LATE if late else EARLY
        plan_shifts(user_ids=keys, days=work, start_time=start, end_time=end, by=by, at=at)


def _duties(staff: Staff, today: date, *, at: datetime) -> None:
    """Weekly hand-over on Monday at 8: the supervisor and a lead in turn, and two seniors for the technology."""
    monday = today - timedelta(days=today.weekday())
    in_turn: dict[str, list[User]] = {
        Duty.Role.SUPERVISOR: [staff.supervisor, staff.lead("broadband-a")],
        Duty.Role.TECHNICAL: [staff.people["senior"], staff.people["zou.qing"]],
    }
    for role, people in in_turn.items():
        for week in range(-1, 4):
            starts, _end = local_span(monday + week * 7 * ONE_DAY, time(8), time(8))
            person = people[week % len(people)]
            plan_duty(
                user_id=person.pk, starts_at=starts, ends_at=starts + 7 * ONE_DAY, role=role, by=staff.supervisor, at=at
            )


def _skills(technicians: list[User], today: date, *, by: User, at: datetime) -> None:
    skills = {skill.code: skill for skill in Skill.objects.all()}
    kind = CertificateKind.objects.get(code="field-service")
    for number, person in enumerate(technicians, 1):
        form: dict[str, Any] = FORM["technicians"][person.username]
        for code, level in form["levels"].items():
            set_skill(user_id=person.pk, skill=skills[code], level=level, by=by, at=at)
        expires_on = today + timedelta(days=form["expires"])
        add_certificate(
            user_id=person.pk,
            kind=kind,
            number=f"FS-{expires_on.year - 2}-{number:04d}",
            issued_on=expires_on - VALID_FOR,
            expires_on=expires_on,
            by=by,
            at=at,
        )
