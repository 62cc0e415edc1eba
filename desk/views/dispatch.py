"""The dispatch board: the page, and the parts of it that a browser asks for again while it is open."""

from __future__ import annotations

from datetime import date, datetime
from hashlib import sha256
from typing import Any

from django.contrib import messages
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.formats import date_format
from django.utils.http import quote_etag
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from appointments.models import Hold
from appointments.windows import Window, site_zone
from cases.models import CaseEvent
from common import clock
from common.navigation import address
from desk.dispatch import NEWEST, OLDEST, Board, Look
from desk.doors import requires
from staff.models import StaffRecord


@requires("dispatch.open")
@require_GET
def dispatch(request: HttpRequest) -> HttpResponse:
    """The page. Without script it stands as it was at the time it shows; a reload brings it up to date."""
    now = clock.now()
    return render(request, "desk/dispatch.html", board_context(request, asked(request, now), now=now))


@requires("dispatch.open")
@require_GET
def refresh(request: HttpRequest) -> HttpResponse:
    """The parts of the page that change, or 304 while nothing did. Asked every 15 seconds by board.js."""
    now = clock.now()
    look = asked(request, now)
    etag = quote_etag(fingerprint(request.user, look, now))
    unchanged = get_conditional_response(request, etag=etag)
    answer = unchanged or render(request, "desk/_dispatch.html", board_context(request, look, now=now))
    answer["ETag"] = etag
    return answer


def board_context(request: HttpRequest, look: Look, *, now: datetime) -> dict[str, Any]:
    person: Any = request.user
    board = Board(person, look, now=now)
    here = reverse("desk:dispatch")
    days = {"previous": -1, "next": 1}
    other = {name: date.fromordinal(look.day.toordinal() + step) for name, step in days.items()}
    return {
        "board": board,
        "look": look,
        "now": now,
        "zone": site_zone().key,
        "day_words": date_format(look.day, pgettext("date format of a visit's day", "l j F")),
        "previous": here + look.query(day=other["previous"].isoformat()),
        "next": here + look.query(day=other["next"].isoformat()),
        "today": here + look.query(day=""),
        "book_url": address("desk:book") if person.may("appointments.book") else "",
        "may_change": board.may_change,
        "as_of": timezone.localtime(now),
    }


def asked(request: HttpRequest, now: datetime) -> Look:
    """What the address asks for. A day that cannot be shown becomes the nearest that can, and the page says so."""
    today = Window(now, now).day
    text = request.GET.get("day", "").strip()
    day = today
    if text:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            messages.error(request, _("This is no date. Give it as year-month-day, for example 2026-11-20."))
    oldest, newest = today - OLDEST, today + NEWEST
    if not oldest <= day <= newest:
        day = min(max(day, oldest), newest)
        words = _("The board shows the last %(past)s days and the next %(ahead)s.")
        messages.warning(request, words % {"past": OLDEST.days, "ahead": NEWEST.days})
    return Look(day, request.GET.get("region", "")[:40], request.GET.get("skill", "")[:40])


def fingerprint(person: Any, look: Look, now: datetime) -> str:
    """Changes whenever the board would: three cheap statements instead of the board's own.

    The newest event stands for every change of a visit, the newest record of the people's room for shifts, leave and
    skills, the holds for themselves, and the minute for what time alone does.
    """
    event = CaseEvent.objects.aggregate(newest=Max("pk"))["newest"]
    people = StaffRecord.objects.aggregate(newest=Max("pk"))["newest"]
    holds = Hold.objects.filter(expires_at__gt=now).aggregate(newest=Max("pk"), count=Count("pk"))
    parts = (event, people, *holds.values(), int(now.timestamp() // 60), look, person.pk, person.role, get_language())
    return sha256(repr(parts).encode()).hexdigest()[:32]


urlpatterns = [
    path("desk/dispatch/", dispatch, name="dispatch"),
    path("desk/dispatch/refresh/", refresh, name="dispatch_refresh"),
]
