"""My queue: the list at the left, and nothing beside it until a row is chosen."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from common import clock
from desk.doors import FRAME, requires
from desk.lists import Listing
from desk.rows import list_view
from staff.landing import landing


@requires(*FRAME)
@require_GET
@vary_on_headers("HX-Request")
def queue(request: HttpRequest) -> HttpResponse:
    person: Any = request.user
    if not person.may("desk.open"):
        return redirect(landing(person))
    return show_list(request, Listing.asked(request.GET), "desk/queue.html")


def show_list(request: HttpRequest, listing: Listing, template: str) -> HttpResponse:
    """The whole page; for htmx only the rows, from `after` on or anew."""
    fragment = bool(request.headers.get("HX-Request"))
    view = list_view(
        request.user, listing, now=clock.now(), after=request.GET.get("after", ""), with_teams=not fragment
    )
    if fragment:
        return render(request, "desk/_rows.html", {"list": view, "anew": view.first})
    return render(request, template, {"list": view})


urlpatterns = [path("desk/", queue, name="queue")]
