"""One's matters: the list, and the page of each, for who is signed in and for who brings a link.

Nothing is changed by opening a page: scanners of mail open every link before the customer does.
"""

from __future__ import annotations

import hashlib
import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from appointments.models import Appointment
from cases.links import BadLink, ExpiredLink, read_token
from cases.models import Case
from cases.states import Channel
from common import clock
from common.caller import address_of
from common.errors import DomainError
from portal import booking, links, matters, quotas, sessions
from portal import visits as visiting
from portal.doors import Acts, Door, by_link, hidden, keeps_typed, needs_number, page, show, signed_in, switching
from portal.forms import LostLinkForm, NotSolvedForm, WriteForm
from portal.views import visits
from tickets.conversation import customer_wrote
from tickets.ending import confirm_ticket, reopen_ticket
from tickets.models import Ticket
from tickets.states import State

SAID = ("written", "confirmed", "reopened")


@page
@needs_number
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    customer = sessions.customer_of(request)
    rows, finished = [], []
    if customer is not None:
        now = clock.now()
        rows = [*visiting.in_progress(customer, now=now), *matters.in_progress(customer)]
        finished = [*visiting.finished(customer, now=now), *matters.finished(customer)]
        finished.sort(key=lambda row: row.at, reverse=True)
    return show(request, "matters", {"rows": rows, "finished": finished})


# --- the pages of one matter; `door` says how one came to it ---------------------------------------------------------


@require_safe
def _track(request: HttpRequest, door: Door) -> HttpResponse:
    return _page(request, door, WriteForm())


def _page(request: HttpRequest, door: Door, form: WriteForm, *, status: int = 200) -> HttpResponse:
    said = request.GET.get("said", "")
    matter = matters.Matter(door, now=clock.now())
    context = {
        "door": door,
        "matter": matter,
        "form": form if matter.may_write or form.errors else None,
        "key": request.POST.get("key") or uuid.uuid4().hex,
        "said": said if said in SAID else "",
        # A link opens its one matter: visits have links of their own.
        "visits": visiting.of_ticket(door.ticket, now=matter.now) if door.signed_in else [],
        "may_book": booking.may_book_for(door.ticket),
    }
    return show(request, "matter", context, status=status)


@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def _write(request: HttpRequest, door: Door) -> HttpResponse:
    """A message from the customer; the same words sent twice are one message."""
    if request.method != "POST":
        return redirect(door.url)
    if switching(request):
        return _page(request, door, WriteForm(initial=request.POST.dict()))
    form, status = WriteForm(request.POST), 422
    if form.is_valid():
        body = form.cleaned_data["body"]
        try:
            if door.ticket.closed_at is not None:
                raise DomainError(matters.closed_words())
            quotas.spend(("write", door.ticket.pk, quotas.WRITTEN_ON), at=clock.now())
            customer_wrote(
                ticket_id=door.ticket.pk,
                body=body,
                channel=Channel.WEB,
                by=door.customer,
                external_id=_once(door, request.POST.get("key", ""), body),
            )
        except DomainError as refusal:
            form.refuse(refusal)
            status = refusal.status
        else:
            return redirect(f"{door.url}?said=written")
    return _page(request, door, form, status=status)


def _once(door: Door, key: str, body: str) -> str:
    """What makes two sendings of one form one note: other words from the same page are another note."""
    content = f"{door.ticket.pk}:{key}:{body}"
    return f"portal-{hashlib.sha256(content.encode()).hexdigest()[:40]}"


@require_http_methods(["GET", "HEAD", "POST"])
def _confirm(request: HttpRequest, door: Door) -> HttpResponse:
    """It is solved. Said again, or of something that is closed, it changes nothing and is no error."""
    if request.method != "POST":
        return redirect(door.url)
    if not door.may_decide:
        return _page(request, door, WriteForm(), status=403)
    if door.ticket.state == State.RESOLVED:
        try:
            confirm_ticket(ticket_id=door.ticket.pk, by=door.customer, how=door.how)
        except DomainError:
            return redirect(door.url)  # it changed in this moment; the page says how it stands now
    return redirect(f"{door.url}?said=confirmed" if door.ticket.state in _SOLVED else door.url)


_SOLVED = (State.RESOLVED, State.CLOSED)


@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def _not_solved(request: HttpRequest, door: Door) -> HttpResponse:
    """It is not solved: why, and it is taken up again."""
    if not door.may_decide:
        return _page(request, door, WriteForm(), status=403)
    matter = matters.Matter(door, now=clock.now())
    if not (matter.asks or matter.reopen_until):
        return redirect(door.url)
    form, status = NotSolvedForm(), 200
    if request.method == "POST" and switching(request):
        form = NotSolvedForm(initial=request.POST.dict())
    elif request.method == "POST":
        form, status = NotSolvedForm(request.POST), 422
        if form.is_valid():
            try:
                reopen_ticket(ticket_id=door.ticket.pk, reason=form.cleaned_data["reason"], by=door.customer)
            except DomainError as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                return redirect(f"{door.url}?said=reopened")
    return show(request, "not_solved", {"door": door, "matter": matter, "form": form}, status=status)


# --- links that no longer work ----------------------------------------------------------------------------------------


@csrf_exempt
@page
@require_http_methods(["GET", "HEAD", "POST"])
def again(request: HttpRequest, token: str) -> HttpResponse:
    """Send the matter's link again, to the contact on record. For our own links only, old ones too."""
    if request.method != "POST":
        return hidden(redirect("portal:link", token))
    now = clock.now()
    try:
        link = read_token(token, at=now)
    except ExpiredLink as expired:
        link = expired.link
    except BadLink as refusal:
        return hidden(show(request, "link_bad", status=refusal.status))
    case = Case.objects.select_related("customer").get(pk=link.case_id)
    try:
        links.send_again(case=case, address=address_of(request), at=now)
    except quotas.TooOften as refusal:
        return hidden(show(request, "link_sent", {"refusal": refusal}, status=refusal.status))
    return hidden(show(request, "link_sent"))


@page
@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def lost(request: HttpRequest) -> HttpResponse:
    """For who has no link that works: the number of the matter and one's own. One answer, whatever fits."""
    form, status = LostLinkForm(), 200
    if request.method == "POST" and switching(request):
        form = LostLinkForm(initial=request.POST.dict())
    elif request.method == "POST":
        form, status = LostLinkForm(request.POST), 422
        if form.is_valid():
            try:
                links.send_by_number(**form.cleaned_data, address=address_of(request))
            except quotas.TooOften as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                return show(request, "link_sent")
    return show(request, "link_lost", {"form": form}, status=status)


# What each page of a matter is called, and what it does for each kind of matter.
ACTS: dict[str, tuple[str, Acts]] = {
    "": ("", {Ticket.KIND: _track, Appointment.KIND: visits.track}),
    "write/": ("_write", {Ticket.KIND: _write}),
    "confirm/": ("_confirm", {Ticket.KIND: _confirm}),
    "not-solved/": ("_not_solved", {Ticket.KIND: _not_solved}),
    **visits.ACTS,
}

urlpatterns = [
    path("my/cases/", index, name="cases"),
    *(
        path(f"my/cases/<str:number>/{tail}", signed_in(acts), name=f"case{name}")
        for tail, (name, acts) in ACTS.items()
    ),
    path("m/<str:token>/again/", again, name="link_again"),
    *(path(f"m/<str:token>/{tail}", by_link(acts), name=f"link{name}") for tail, (name, acts) in ACTS.items()),
    path("link/", lost, name="link_lost"),
]
