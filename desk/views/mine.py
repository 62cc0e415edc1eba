"""My own working time and skills: what the house plans for me and holds of me. For everybody with a sign-in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET

from common import clock
from desk.doors import FRAME, requires
from desk.skillsheet import papers, skill_lines
from desk.views.settings import tabs
from desk.weeks import leave_words, shift_words
from staff.models import Duty, Shift, Skill
from staff.rota import absences

AHEAD = timedelta(days=21)


@requires(*FRAME)
@require_GET
def mine(request: HttpRequest) -> HttpResponse:
    """My shifts, duties and leave of the next three weeks, my skills and my certificates."""
    user: Any = request.user
    now = clock.now()
    today = timezone.localdate(now)
    mine = {"user": user, "ends_at__gt": now, "starts_at__lt": now + AHEAD}
    skills = list(Skill.objects.select_related("certificate_kind"))
    levels = zip(skills, skill_lines([user], skills, today)[0].cells, strict=True)
    context = {
        "tabs": tabs(request),
        "shifts": [(shift, shift_words(shift)) for shift in Shift.objects.filter(**mine)],
        "duties": [(duty, shift_words(duty)) for duty in Duty.objects.filter(**mine)],
        "leaves": [(leave, leave_words(leave)) for leave in absences([user.pk], now, now + AHEAD)[user.pk]],
        "held": [(skill, held) for skill, held in levels if held],
        "papers": papers([user], today),
    }
    return render(request, "desk/settings/mine.html", context)


urlpatterns = [path("settings/mine/", mine, name="mine")]
