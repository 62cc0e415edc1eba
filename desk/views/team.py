"""The team's queue: unassigned first, and one button that takes the most urgent ticket."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from common.errors import DomainError
from desk.doors import not_allowed, requires
from desk.lists import TEAM, Listing
from desk.views.queue import show_list
from tickets.services import take_next_ticket


@requires("desk.open")
@require_GET
@vary_on_headers("HX-Request")
def team(request: HttpRequest) -> HttpResponse:
    return show_list(request, Listing.asked(request.GET, name=TEAM), "desk/team.html")


@requires("desk.open")
@require_POST
def take_next(request: HttpRequest) -> HttpResponse:
    person: Any = request.user
    if not person.may("tickets.work"):
        return not_allowed(request, "tickets.work")
    try:
        ticket = take_next_ticket(by=person)
    except DomainError as refusal:
        messages.error(request, " ".join(str(reason) for reason in refusal.reasons))
        return redirect("desk:team")
    if ticket is None:
        messages.warning(request, _("No ticket that you may take is waiting."))
        return redirect("desk:team")
    messages.success(request, _("%(number)s is yours now.") % {"number": ticket.number})
    return redirect("desk:case", ticket.number)


urlpatterns = [
    path("desk/team/", team, name="team"),
    path("desk/team/next/", take_next, name="take_next"),
]
