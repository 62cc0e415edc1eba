"""The day's list: where a technician goes, when and what for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from appointments.actions import unseen
from appointments.models import Appointment
from appointments.states import State
from appointments.windows import day_begins, site_zone
from appointments.wording import day_text
from common import clock
from notifications import notices

from .cards import cards, refused, with_details
from .doors import technicians_only

BACK, AHEAD = timedelta(days=7), timedelta(days=14)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Day:
    """A day of the calendar above the list."""

    on: date
    visits: int
    today: date
    shown: date
    offered: bool

    @property
    def url(self) -> str:
        return "." if self.on == self.today else f"?day={self.on.isoformat()}"

    @property
    def words(self) -> str:
        return day_text(day_begins(self.on))

    @property
    def is_today(self) -> bool:
        return self.on == self.today

    @property
    def is_shown(self) -> bool:
        return self.on == self.shown


@technicians_only
@require_GET
def day(request: HttpRequest) -> HttpResponse:
    """My visits of one day: today, or `?day=` within a week back and two ahead."""
    person: Any = request.user
    now = clock.now()
    today = now.astimezone(site_zone()).date()
    shown, problem = _asked(request.GET.get("day", ""), today)
    mine = Appointment.objects.visible_to(person)
    found = mine.filter(starts_at__gte=day_begins(shown), starts_at__lt=day_begins(shown + _ONE_DAY))
    days = _days(mine, today=today, shown=shown)
    context = {
        "problem": problem,
        "cards": cards(with_details(found).order_by("starts_at", "pk"), person, now=now),
        "days": days,
        "before": next((d for d in days if d.on == shown - _ONE_DAY and d.offered), None),
        "after": next((d for d in days if d.on == shown + _ONE_DAY and d.offered), None),
        "shown": next(d for d in days if d.is_shown),
        "refused": refused(unseen(person)),
        "unread": notices.unread(person).count(),
        "now": now,
    }
    return render(request, "appointments/day.html", context, status=422 if problem else 200)


def _asked(typed: str, today: date) -> tuple[date, str]:
    if not typed:
        return today, ""
    try:
        wanted = date.fromisoformat(typed)
    except ValueError:
        return today, _("This is not a day. Here is today.")
    if not today - BACK <= wanted <= today + AHEAD:
        return today, _("Only the last week and the next two weeks are shown. Here is today.")
    return wanted, ""


def _days(mine: Any, *, today: date, shown: date) -> list[Day]:
    """Whole weeks from Monday on around the days offered, each with its number of visits."""
    first, last = today - BACK, today + AHEAD
    span = (day_begins(first), day_begins(last + _ONE_DAY))
    starts = mine.filter(starts_at__gte=span[0], starts_at__lt=span[1]).exclude(state=State.CANCELLED)
    visits = Counter(_local(at) for at in starts.values_list("starts_at", flat=True))
    begin, end = first - timedelta(days=first.weekday()), last + timedelta(days=6 - last.weekday())
    every = (begin + timedelta(days=number) for number in range((end - begin).days + 1))
    return [Day(on, visits[on], today, shown, offered=first <= on <= last) for on in every]


def _local(at: datetime) -> date:
    return at.astimezone(site_zone()).date()
