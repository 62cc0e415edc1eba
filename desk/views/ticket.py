"""The ticket's page and its fragments: the pane beside the list, the conversation, and a row."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from cases.numbers import key_of
from common import clock
from desk.doors import requires
from desk.forms import one_time_key
from desk.lists import Listing
from desk.presenters import Pane, composer_of
from desk.rows import list_view, row
from desk.sending import shows_any
from tickets.models import Ticket
from tickets.permissions import access_ticket


def find(person: Any, number: str) -> Ticket:
    """The ticket behind a number typed or read in any form. Http404 when there is none that this person may see."""
    try:
        return access_ticket(person, key_of(number), shows_replies=shows_any(person, now=clock.now()))
    except Ticket.DoesNotExist:
        raise Http404 from None


def show(request: HttpRequest, ticket: Ticket, *, status: int = 200, **context: Any) -> HttpResponse:
    """The ticket: its pane alone for htmx, else the page with list and customer. `context`: mode and bound form of
    the composer and whether to go on in it (`focus`), `done`, `refused`, `late` or `conflict`: what happened to the
    last action."""
    now, listing = clock.now(), Listing.asked(request.GET)
    request.stands_at = listing.place  # type: ignore[attr-defined]
    mode, bound = context.pop("mode", ""), context.pop("bound", None)
    pane = Pane(ticket, request.user, listing, now=now, whole=request.GET.get("history") == "all")
    drafts = pane.on_its_way.drafts
    focus = context.pop("focus", False)
    context |= {
        "pane": pane,
        "ticket": ticket,
        "composer": composer_of(ticket, request.user, listing, mode=mode, bound=bound, drafts=drafts, focus=focus),
        "key": one_time_key(),
    }
    if request.headers.get("HX-Request"):
        return render(request, "desk/_swap.html", context, status=status)
    context["list"] = list_view(request.user, listing, now=now, current=ticket.pk)
    return render(request, "desk/ticket.html", context, status=status)


@requires("desk.open")
@require_GET
def conversation(request: HttpRequest, number: str) -> HttpResponse:
    """What was said and what happened, with the head, the clocks and what is going out renewed beside it.

    With `composer` also the composer, for a page where nothing is written in it: what one's own reply has become may
    have changed what it offers.
    """
    ticket, listing = find(request.user, number), Listing.asked(request.GET)
    whole = request.GET.get("history") == "all"
    pane = Pane(ticket, request.user, listing, now=clock.now(), whole=whole)
    context: dict[str, Any] = {"pane": pane, "ticket": ticket}
    if request.GET.get("composer"):
        composer = composer_of(ticket, request.user, listing, drafts=pane.on_its_way.drafts)
        context |= {"composer": composer, "key": one_time_key()}
    return render(request, "desk/_renewed.html", context)


@requires("desk.open")
@require_GET
def one_row(request: HttpRequest, number: str) -> HttpResponse:
    """A row of the list as it is now; still the current one if its ticket is the one on screen."""
    ticket = find(request.user, number)
    shown = request.headers.get("HX-Current-URL", "")
    current = ticket.pk if f"/{ticket.number}/" in shown else None
    line = row(ticket, request.user, Listing.asked(request.GET), now=clock.now(), current=current)
    return render(request, "desk/_row.html", {"row": line})


urlpatterns = [
    path("desk/c/<str:number>/conversation/", conversation, name="conversation"),
    path("desk/c/<str:number>/row/", one_row, name="row"),
]
