"""One address for every kind of case: a ticket's page or a visit's, and any of their deadlines explained."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from appointments.models import Appointment
from cases.models import Case
from common import clock
from desk.clocks import ledger
from desk.doors import requires
from desk.lists import Listing, address
from desk.views.assign import find_visit
from desk.views.ticket import find, show
from desk.views.visits import show_visit
from sla.models import Deadline


def find_any(person: Any, number: str) -> Case:
    """The ticket or the visit behind a number. Http404 when there is none that this person may see."""
    try:
        return find(person, number)
    except Http404:
        return find_visit(person, number)


@requires("desk.open")
@require_GET
@vary_on_headers("HX-Request")
def case(request: HttpRequest, number: str) -> HttpResponse:
    found = find_any(request.user, number)
    if number != found.number:
        return redirect(address("case", found, Listing.asked(request.GET)))
    return show_visit(request, found) if isinstance(found, Appointment) else show(request, found)  # type: ignore[arg-type]


@requires("desk.open")
@require_GET
@vary_on_headers("HX-Request")
def explain(request: HttpRequest, number: str, deadline_id: int) -> HttpResponse:
    """Why a deadline is due when it is: every stretch of time that counted or did not."""
    found = find_any(request.user, number)
    deadline = (
        Deadline.objects.filter(pk=deadline_id, case_id=found.pk)
        .select_related("rule__version", "calendar_version")
        .first()
    )
    if deadline is None:
        raise Http404
    context = {
        "ledger": ledger(deadline, now=clock.now()),
        "ticket": found,
        "url": address("case", found, Listing.asked(request.GET)),
    }
    fragment = request.headers.get("HX-Request")
    return render(request, "desk/_explain.html" if fragment else "desk/explain.html", context)


urlpatterns = [
    path("desk/c/<str:number>/", case, name="case"),
    path("desk/c/<str:number>/explain/<int:deadline_id>/", explain, name="explain"),
]
