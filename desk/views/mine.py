"""My own working time and skills: what the house plans for me, to read. For everybody with a sign-in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from common import clock
from desk.doors import FRAME, requires
from desk.views.settings import tabs
from staff.rota import absences
from staff.working import Shift

AHEAD = timedelta(days=21)


@requires(*FRAME)
@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    """My shifts and leave of the next three weeks."""
    user: Any = request.user
    now = clock.now()
    context = {
        "tabs": tabs(request),
        "shifts": Shift.objects.filter(user=user, ends_at__gt=now, starts_at__lt=now + AHEAD),
        "leaves": absences([user.pk], now, now + AHEAD)[user.pk],
    }
    return render(request, "desk/settings/mine.html", context)


urlpatterns = [path("settings/mine/", mine, name="mine")]
