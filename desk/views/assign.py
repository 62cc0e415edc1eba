"""Assigning from the dispatch board: the form of one visit with its ranked list, and what fits a free window."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods
from django.views.decorators.vary import vary_on_headers

from appointments.models import Appointment
from appointments.permissions import access_appointment
from appointments.wording import window_text
from cases.facts import listed
from cases.numbers import key_of
from common import clock, typed
from common.errors import DomainError, StaleVersion
from desk.assigning import AssignForm, Assignment, send
from desk.dispatch import Board
from desk.doors import not_allowed, requires
from desk.views.dispatch import asked


def find_visit(person: Any, number: str) -> Appointment:
    """The visit behind a number in any form. Http404 when there is none that this person may see."""
    try:
        return access_appointment(person, key_of(number))
    except Appointment.DoesNotExist:
        raise Http404 from None


@requires("dispatch.open")
@require_http_methods(["GET", "POST"])
@vary_on_headers("HX-Request")
def assign(request: HttpRequest, number: str) -> HttpResponse:
    person: Any = request.user
    if not person.may("dispatch.change"):
        return not_allowed(request, "dispatch.change")
    now = clock.now()
    look = asked(request, now)
    assignment = Assignment(find_visit(person, number), request.GET, look, now=now)
    if request.method == "GET":
        return show_assign(request, assignment, first_form(assignment))
    form = AssignForm(request.POST, assignment=assignment)
    if assignment.window is None:
        form.add_error(None, _("Choose a time first."))
    if not form.is_valid():
        return show_assign(request, assignment, form, status=422)
    # Where the list goes on is read before this visit leaves it.
    onward = (
        Board(person, look, now=now).after(assignment.appointment.pk) if request.POST.get("then") == "next" else None
    )
    try:
        visit = send(assignment, form.cleaned_data, by=person, at=now)
    except DomainError as refusal:
        # The form comes back as it is now: who sends again has seen the change.
        fresh = Assignment(find_visit(person, number), request.GET, look, now=now)
        words = [str(reason) for reason in refusal.reasons]
        form.add_error(refusal.field if refusal.field in form.fields else None, words)
        nearest = [
            (window_text(free.starts_at, free.ends_at), fresh.url(starts=str(int(free.starts_at.timestamp()))))
            for free in refusal.facts.get("nearest", [])
        ]
        conflict = words[0] if isinstance(refusal, StaleVersion) else ""
        return show_assign(request, fresh, form, status=refusal.status, nearest=nearest, conflict=conflict)
    done, instead = done_words(visit, assignment), others_went(visit, form.cleaned_data["technician"])
    if onward and request.headers.get("HX-Request"):
        following = Assignment(find_visit(person, onward.appointment.number), QueryDict(), look, now=now)
        answer = show_assign(request, following, first_form(following), done=done, instead=instead)
        answer["HX-Trigger"] = "board-changed"
        return answer
    messages.success(request, done)
    if instead:
        messages.warning(request, instead)
    if request.POST.get("then") == "next" and onward is None:
        messages.info(request, _("No other visit waits for a time or a technician."))
    return go(request, onward.act_url if onward else assignment.back)


def first_form(assignment: Assignment) -> AssignForm:
    """The form before anybody has typed: the present crew or the best are ticked."""
    return AssignForm(initial={"technician": assignment.preselected()}, assignment=assignment)


def done_words(visit: Appointment, assignment: Assignment) -> str:
    assert visit.starts_at is not None
    assert visit.ends_at is not None
    values = {
        "number": visit.number,
        "people": crew_words(visit),
        "window": window_text(visit.starts_at, visit.ends_at),
    }
    if assignment.stays:
        return _("%(number)s: %(people)s. The customer's time stays.") % values
    return _("%(number)s: %(window)s, %(people)s. The customer is being told.") % values


def crew_words(visit: Appointment) -> str:
    return listed([str(member.technician) for member in visit.crew.select_related("technician")])


def others_went(visit: Appointment, wanted: list[int]) -> str:
    """Said where somebody chosen was taken meanwhile, so that another goes."""
    if set(visit.crew.values_list("technician_id", flat=True)) == set(wanted):
        return ""
    return _("Somebody you chose was no longer free, so another technician goes: %(people)s.") % {
        "people": crew_words(visit)
    }


def show_assign(
    request: HttpRequest, assignment: Assignment, form: AssignForm, *, status: int = 200, **context: Any
) -> HttpResponse:
    ticked = form["technician"].value() or []
    context |= {
        "assignment": assignment,
        "visit": assignment.appointment,
        "form": form,
        "ticked": [int(key) for key in ticked if str(key).isdecimal()],
    }
    template = "desk/_assign.html" if request.headers.get("HX-Request") else "desk/assign.html"
    return render(request, template, context, status=status)


def go(request: HttpRequest, address: str) -> HttpResponse:
    """On to another page: for htmx by its own header."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return redirect(address)


@requires("dispatch.open")
@require_GET
@vary_on_headers("HX-Request")
def slot(request: HttpRequest, technician: int, starts: int) -> HttpResponse:
    """A free window of a technician: which waiting visits this person could take then, and why not the others."""
    person: Any = request.user
    if not person.may("dispatch.change"):
        return not_allowed(request, "dispatch.change")
    now = clock.now()
    look = asked(request, now)
    board = Board(person, look, now=now)
    starts_at = typed.instant(str(starts))
    window = board.grid.window_at(starts_at) if starts_at else None
    if window is None or technician not in board.grid.technicians:
        raise Http404
    context = {
        "technician": board.grid.technicians[technician],
        "window": window_text(window.starts_at, window.ends_at),
        "jobs": board.jobs_for(technician, window),
        "back": reverse("desk:dispatch") + look.query(),
    }
    template = "desk/_slot.html" if request.headers.get("HX-Request") else "desk/slot.html"
    return render(request, template, context)


urlpatterns = [
    path("desk/dispatch/<str:number>/assign/", assign, name="assign"),
    path("desk/dispatch/slot/<int:technician>/<int:starts>/", slot, name="dispatch_slot"),
]
