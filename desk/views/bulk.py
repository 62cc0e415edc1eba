"""One action on many tickets: chosen in a list, asked for in a form, told ticket by ticket."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.db import OperationalError
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from common import clock, typed
from common.errors import DomainError
from desk import bulk, lists
from desk.bulkforms import BulkForm
from desk.doors import not_allowed, requires
from desk.forms import one_time_key
from desk.lists import Listing
from desk.models import BulkItem, BulkJob
from tickets.models import Ticket

SHOWN = 12  # of the chosen tickets, in the form


@requires("desk.open")
@require_POST
@vary_on_headers("HX-Request")
def choose(request: HttpRequest) -> HttpResponse:
    """The form of the action that was pressed, about the rows that are ticked, or about all of the list."""
    name, person, listing = request.POST.get("do", ""), request.user, Listing.asked(request.GET)
    action = _action(name)
    if not person.may(action.ability):  # type: ignore[union-attr]
        return not_allowed(request, action.ability)
    if request.POST.get("all"):
        keys = lists.first_keys(listing, person, now=clock.now(), most=bulk.MOST)
    else:
        keys = [key for text in request.POST.getlist("t") if (key := typed.key(text)) is not None]
    tickets = bulk.chosen_tickets(person, keys[: bulk.MOST])
    if not tickets:
        return _back(request, listing, _("Choose at least one ticket first."))
    return _ask(request, name, action.form(), tickets, cut=len(keys) > bulk.MOST)


@requires("desk.open")
@require_POST
@vary_on_headers("HX-Request")
def do(request: HttpRequest, name: str) -> HttpResponse:
    """Start the job, do a page of it at once, and lead to what became of it."""
    person: Any = request.user
    action, listing = _action(name), Listing.asked(request.GET)
    if not person.may(action.ability):
        return not_allowed(request, action.ability)
    chosen = list(_pairs(request.POST.get("tickets", "")))
    form = action.form(request.POST)
    tickets = bulk.chosen_tickets(person, [key for key, _version in chosen])
    if not tickets:
        return _back(request, listing, _("The chosen tickets are no longer in your reach. Nothing was done."))
    key = request.POST.get("key", "")
    if not form.is_valid() or not re.fullmatch(r"[0-9a-f]{32}", key):
        return _ask(request, name, form, tickets, status=422, versions=dict(chosen))
    try:
        job, new = bulk.start(
            person=person, action=name, given=form.cleaned_data, chosen=chosen, key=key, listing=listing.query
        )
    except DomainError as refusal:
        form.refuse(refusal)
        return _ask(request, name, form, tickets, status=refusal.status, versions=dict(chosen))
    if new and not (len(chosen) <= bulk.AT_ONCE and _done_at_once(job)):
        bulk.kick(job.pk)
    address = reverse("desk:bulk_job", args=[job.pk])
    return HttpResponse(headers={"HX-Redirect": address}) if request.headers.get("HX-Request") else redirect(address)


def _done_at_once(job: BulkJob) -> bool:
    try:
        return bulk.run(job)
    except OperationalError:  # a busy database: the job is kept, and a worker goes on with it
        return False


@requires("desk.open")
@require_GET
@vary_on_headers("HX-Request")
def result(request: HttpRequest, pk: int) -> HttpResponse:
    """What became of each ticket; while it goes on, how far it is. Only for who asked for it."""
    person: Any = request.user
    job = get_object_or_404(BulkJob, pk=pk, person=person)
    items = list(job.items.select_related("case"))
    listing = Listing.asked(QueryDict(job.listing.lstrip("?")))
    request.stands_at = listing.place  # type: ignore[attr-defined]
    lines = [_line(item, listing) for item in items if item.outcome != BulkItem.Outcome.WAITING]
    seen = {ticket.pk: ticket for ticket in bulk.chosen_tickets(person, [item.case_id for item in items])}
    for line in lines:
        line["subject"] = seen[line["case"]].subject if line["case"] in seen else ""
    refused = [line for line in lines if not line["done"]]
    context = {
        "job": job,
        "action": bulk.ACTIONS[job.action],
        "running": len(lines) < len(items),
        "lines": [*refused, *(line for line in lines if line["done"])],
        "done": len(lines) - len(refused),
        "refused": len(refused),
        "begun": len(lines),
        "all": len(items),
        "kept_days": bulk.KEPT.days,
        "list_url": listing.url,
    }
    again = [seen[line["case"]] for line in refused if line["case"] in seen]
    if not context["running"] and again and person.may(bulk.ACTIONS[job.action].ability):
        form = bulk.ACTIONS[job.action].form(initial=job.given)
        context |= _form_context(job.action, form, again, listing) | {"again": True}
    fragment = request.headers.get("HX-Request")
    return render(request, "desk/_bulk_result.html" if fragment else "desk/bulk_result.html", context)


def _line(item: BulkItem, listing: Listing) -> dict[str, Any]:
    return {
        "case": item.case_id,
        "number": item.case.number,
        "url": lists.address("case", item.case, listing),
        "done": item.outcome == BulkItem.Outcome.DONE,
        "words": item.get_outcome_display(),
        "why": item.why,
    }


# --- parts -----------------------------------------------------------------------------------------------------------


def _action(name: str) -> bulk.Action:
    if name not in bulk.ACTIONS:
        raise Http404
    return bulk.ACTIONS[name]


def _pairs(text: str) -> Iterable[tuple[int, int]]:
    """Keys and versions as the form carries them: `12.3 15.1`. What cannot be read was never chosen."""
    for pair in text.split()[: bulk.MOST]:
        ticket, _dot, version = pair.partition(".")
        key, number = typed.key(ticket), typed.key(version)
        if key is not None and number is not None:
            yield key, min(number, 2**31 - 1)


def _ask(
    request: HttpRequest,
    name: str,
    form: BulkForm,
    tickets: list[Ticket],
    *,
    status: int = 200,
    cut: bool = False,
    versions: dict[int, int] | None = None,
) -> HttpResponse:
    """The form of an action on many tickets: in the dialog for htmx, else a page of its own.

    A form that comes back keeps the `versions` that were on screen when the tickets were chosen.
    """
    for field in form.visible_fields()[:1]:
        field.field.widget.attrs["autofocus"] = True
    listing = Listing.asked(request.GET)
    request.stands_at = listing.place  # type: ignore[attr-defined]
    context = _form_context(name, form, tickets, listing, versions)
    context |= {"cut": cut, "again": bool(request.POST.get("again"))}
    template = "desk/_bulk.html" if request.headers.get("HX-Request") else "desk/bulk.html"
    return render(request, template, context, status=status)


def _form_context(
    name: str, form: BulkForm, tickets: list[Ticket], listing: Listing, versions: dict[int, int] | None = None
) -> dict[str, Any]:
    pairs = [f"{ticket.pk}.{(versions or {}).get(ticket.pk, ticket.version)}" for ticket in tickets]
    count = len(tickets)
    if name == "reply":
        prefetch_related_objects(tickets, "customer__contacts")
    return {
        "form": form,
        "action": bulk.ACTIONS[name],
        "name": name,
        "url": reverse("desk:bulk_do", args=[name]) + listing.query,
        "list_url": listing.url,
        "key": one_time_key(),
        "pairs": " ".join(pairs),
        "count": ngettext("%(n)d ticket", "%(n)d tickets", count) % {"n": count},
        "tickets": tickets[:SHOWN],
        "left": max(0, count - SHOWN),
        "most": bulk.MOST,
        "unreached": 0 if name != "reply" else sum(not bulk.reaches(ticket) for ticket in tickets),
    }


def _back(request: HttpRequest, listing: Listing, words: str) -> HttpResponse:
    messages.warning(request, words)
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": listing.url})
    return redirect(listing.url)


urlpatterns = [
    path("desk/bulk/", choose, name="bulk"),
    path("desk/bulk/job/<int:pk>/", result, name="bulk_job"),
    path("desk/bulk/<slug:name>/", do, name="bulk_do"),
]
