"""The day's proposal: shown as it stands now, accepted one by one or together, each by the ordinary services."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods

from appointments.planning import carry_out
from appointments.windows import Window
from common import clock
from desk import plans
from desk.dispatch import Look
from desk.doors import not_allowed, requires
from desk.views.dispatch import asked


@requires("dispatch.open")
@require_http_methods(["GET", "POST"])
def plan(request: HttpRequest) -> HttpResponse:
    """The proposal. What is accepted is done at once; what was taken meanwhile is said and stays."""
    person: Any = request.user
    if not person.may("dispatch.change"):
        return not_allowed(request, "dispatch.change")
    now = clock.now()
    look = asked(request, now)
    look = Look(plans.plannable(look.day, Window(now, now).day), look.region, look.skill)
    if request.method == "GET":
        return _page(request, look, now=now)
    every, only = request.POST.getlist("shown"), request.POST.getlist("only")
    chosen = only or request.POST.getlist("step")
    # What was not ticked stays so; pressing the button of one visit says nothing about the others.
    kept = set(every) - set(request.POST.getlist("step"))
    steps = [plans.read(text) for text in chosen[: plans.MOST]]
    if not steps:
        return _page(request, look, now=now, kept=kept, error=_("Tick at least one visit."), status=422)
    known = [step for step in steps if step]
    if len(known) != len(steps):
        return _page(request, look, now=now, kept=kept, error=_("This is no proposal of ours. Try again."), status=422)
    done, refused = carry_out(known, by=person, at=now)
    if done:
        messages.success(request, plans.accepted(done))
    for words in plans.replaced(done, known):
        messages.warning(request, words)
    if refused:
        return _page(request, look, now=now, kept=kept, refused=refused, status=409)
    return redirect(reverse("desk:plan") + look.query())


def _page(
    request: HttpRequest,
    look: Look,
    *,
    now: datetime,
    kept: Any = (),
    refused: Any = (),
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    sheet = plans.sheet(look, now=now, refused=refused, kept=kept)
    today = Window(now, now).day
    here = reverse("desk:plan")
    beside = {name: look.day + timedelta(days=step) for name, step in {"previous": -1, "next": 1}.items()}
    context = {
        "sheet": sheet,
        "look": look,
        "here": here + look.query(),
        "back": reverse("desk:dispatch") + look.query(),
        "day_words": date_format(look.day, pgettext("date format of a visit's day", "l j F")),
        "error": error,
        "now": now,
    }
    for name, day in beside.items():
        if day == plans.plannable(day, today):
            context[name] = here + look.query(day=day.isoformat())
    return render(request, "desk/plan.html", context, status=status)


urlpatterns = [path("desk/dispatch/plan/", plan, name="plan")]
