"""Questions about working time. Everything asks about half-open spans of aware instants: [start, end)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from .models import User
from .working import LONGEST_SHIFT, Duty, Leave, Shift

Span = tuple[datetime, datetime]


def working_spans(user_ids: Iterable[int], start: datetime, end: datetime) -> dict[int, list[Span]]:
    """When each of these people works within [start, end): shifts minus leave, merged, clipped, sorted.

    Everybody asked for is a key, also without a shift. Two queries, however many people.
    """
    people = list(user_ids)
    shifts: dict[int, list[Span]] = {pk: [] for pk in people}
    away: dict[int, list[Span]] = {pk: [] for pk in people}
    # Bounded at both ends: no shift is longer than LONGEST_SHIFT, so the index gives a range, not a history.
    planned = Shift.objects.filter(
        user__in=people, starts_at__gt=start - LONGEST_SHIFT, starts_at__lt=end, ends_at__gt=start
    )
    for pk, begins, ends in planned.values_list("user_id", "starts_at", "ends_at"):
        shifts[pk].append((max(begins, start), min(ends, end)))
    absent = Leave.objects.filter(user__in=people, starts_at__lt=end, ends_at__gt=start)
    for pk, begins, ends in absent.values_list("user_id", "starts_at", "ends_at"):
        away[pk].append((begins, ends))
    return {pk: subtract(merge(shifts[pk]), merge(away[pk])) for pk in people}


def absences(user_ids: Iterable[int], start: datetime, end: datetime) -> dict[int, list[Leave]]:
    """The leave of each of these people that touches [start, end), whole, in the order of its start. One query."""
    found: dict[int, list[Leave]] = {pk: [] for pk in user_ids}
    for leave in Leave.objects.filter(user__in=list(found), starts_at__lt=end, ends_at__gt=start).order_by("starts_at"):
        found[leave.user_id].append(leave)
    return found


def on_duty(at: datetime, role: str = Duty.Role.SUPERVISOR) -> list[User]:
    """Who is on the duty roster at this instant: active people who are not on leave, the longest on duty first."""
    return duties_at(at)[role]


def duties_at(at: datetime) -> dict[str, list[User]]:
    """Who is on duty at this instant, by role; every role is a key, also where nobody is. One query."""
    found: dict[str, list[User]] = {role: [] for role in Duty.Role.values}
    duties = Duty.objects.filter(role__in=list(found), starts_at__lte=at, ends_at__gt=at, user__is_active=True)
    away = Leave.objects.filter(starts_at__lte=at, ends_at__gt=at).values("user_id")
    for duty in duties.exclude(user__in=away).order_by("starts_at", "pk").select_related("user__team"):
        found[duty.role].append(duty.user)
    return found


def merge(spans: Iterable[Span]) -> list[Span]:
    """The same time in the fewest spans, sorted; spans that touch become one."""
    merged: list[Span] = []
    for begins, ends in sorted(spans):
        if merged and begins <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ends))
        else:
            merged.append((begins, ends))
    return merged


def subtract(spans: list[Span], without: list[Span]) -> list[Span]:
    """What is left of `spans` outside `without`; both merged."""
    left = []
    for begins, ends in spans:
        for gone_from, gone_until in without:
            if gone_until <= begins or gone_from >= ends:
                continue
            if gone_from > begins:
                left.append((begins, gone_from))
            begins = gone_until
            if begins >= ends:
                break
        if begins < ends:
            left.append((begins, ends))
    return left
