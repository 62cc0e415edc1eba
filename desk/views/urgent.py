"""Two ways to make a full day work: swapping technicians, and an emergency in the place of a less urgent visit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from appointments import emergency
from appointments.availability import Grid
from appointments.crews import crews_after_swap, swap_crews
from appointments.emergency import Proposal
from appointments.messages import Preview, preview
from appointments.models import Appointment
from appointments.services import moving_message
from appointments.states import PROMISED, Side
from appointments.windows import Window, day_begins
from appointments.wording import day_text, window_text
from cases.facts import listed
from common import clock, typed
from common.errors import DomainError
from desk.dispatch import place, what, when
from desk.doors import not_allowed, requires
from desk.forms import text
from desk.views.assign import crew_words, find_visit, go

MOST = 40


class SwapForm(forms.Form):
    other = forms.CharField(required=False)
    reason = text(gettext_lazy("Reason"), rows=2)


class EmergencyForm(forms.Form):
    displaced = forms.CharField(required=False)
    to = forms.CharField(required=False)
    reason = text(gettext_lazy("Why the other visit has to wait"), rows=2)


def refuse(form: forms.Form, refusal: DomainError) -> None:
    words = [str(reason) for reason in refusal.reasons]
    form.add_error(refusal.field if refusal.field in form.fields else None, words)


# --- swapping --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Partner:
    """A visit to swap with, or why that cannot be."""

    visit: Appointment
    what: str
    place: str
    when: str
    people: str
    refusal: str


def partners(visit: Appointment, *, now: datetime) -> list[Partner]:
    """The other promised visits of that day: those that can be swapped with first."""
    if visit.state not in PROMISED or visit.window is None:
        return []
    day = visit.window.day
    promised = Appointment.objects.filter(
        state__in=PROMISED, starts_at__gte=day_begins(day), starts_at__lt=day_begins(day + timedelta(days=1))
    )
    others = promised.exclude(pk=visit.pk).with_people().prefetch_related("services", "crew__technician")
    grid = Grid(day, day, at=now)
    found = []
    for other in others.order_by("starts_at", "pk"):
        try:
            crews_after_swap(grid, visit, other)
            refusal = ""
        except DomainError as problem:
            refusal = " ".join(str(reason) for reason in problem.reasons)
        people = listed([str(member.technician) for member in other.crew.all()])
        found.append(Partner(other, what(other), place(other), when(other, day=day), people, refusal))
    return sorted(found, key=lambda one: bool(one.refusal))[:MOST]


@requires("dispatch.open")
@require_http_methods(["GET", "POST"])
@vary_on_headers("HX-Request")
def swap(request: HttpRequest, number: str) -> HttpResponse:
    person: Any = request.user
    if not person.may("dispatch.change"):
        return not_allowed(request, "dispatch.change")
    visit, now = find_visit(person, number), clock.now()
    if request.method == "GET":
        return _show_swap(request, visit, SwapForm(), now=now)
    form = SwapForm(request.POST)
    other = typed.key(request.POST.get("other", ""))
    if other is None:
        form.add_error("other", _("Choose the visit to swap with."))
    if not form.is_valid():
        return _show_swap(request, visit, form, now=now, status=422)
    try:
        first, second = swap_crews(
            first_id=visit.pk, second_id=other or 0, reason=form.cleaned_data["reason"], by=person, at=now
        )
    except DomainError as refusal:
        refuse(form, refusal)
        return _show_swap(request, find_visit(person, number), form, now=now, status=refusal.status)
    words = _("Swapped: %(first)s goes to %(one)s, %(second)s to %(other)s. The customers' times stay.")
    values = {"first": crew_words(first), "one": first.number, "second": crew_words(second), "other": second.number}
    messages.success(request, words % values)
    return go(request, reverse("desk:case", args=[visit.number]))


def _show_swap(
    request: HttpRequest, visit: Appointment, form: forms.Form, *, now: datetime, status: int = 200
) -> HttpResponse:
    context = {
        "visit": visit,
        "what": what(visit),
        "when": when(visit),
        "people": crew_words(visit),
        "form": form,
        "partners": partners(visit, now=now),
    }
    return _render(request, "swap", context, status)


# --- emergencies -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Room:
    """A proposal as the page shows it: with the new times of the visit moved, and what its customer will read."""

    proposal: Proposal
    what: str
    place: str
    people: str
    window: str
    times: list[tuple[str, str]]
    message: Preview


def rooms(visit: Appointment, day: date, *, now: datetime) -> list[Room]:
    return [
        Room(
            proposal=one,
            what=what(one.displaced),
            place=place(one.displaced),
            people=listed([str(person) for person in one.technicians]),
            window=window_text(one.window.starts_at, one.window.ends_at),
            times=[(str(int(w.starts_at.timestamp())), window_text(w.starts_at, w.ends_at)) for w in one.instead],
            message=preview(one.displaced, moving_message(one.displaced, Side.US), window=one.instead[0], at=now),
        )
        for one in emergency.proposals(visit, day=day, at=now)
    ]


@requires("dispatch.open")
@require_http_methods(["GET", "POST"])
@vary_on_headers("HX-Request")
def insert(request: HttpRequest, number: str) -> HttpResponse:
    """Whose visit makes room for an emergency, with what it costs; the choice is a visit and its new time."""
    person: Any = request.user
    if not person.may("dispatch.change"):
        return not_allowed(request, "dispatch.change")
    visit, now = find_visit(person, number), clock.now()
    if request.method == "GET":
        return _show_emergency(request, visit, EmergencyForm(), now=now)
    form = EmergencyForm(request.POST)
    displaced, separator, to = request.POST.get("choice", "").partition(":")
    key, at = typed.key(displaced), typed.instant(to)
    if not separator or key is None or at is None or not Appointment.objects.visible_to(person).filter(pk=key).exists():
        form.add_error(None, _("Choose whose visit makes room, and its new time."))
    if not form.is_valid():
        return _show_emergency(request, visit, form, now=now, status=422)
    assert key is not None
    assert at is not None
    try:
        done = emergency.insert_emergency(
            appointment_id=visit.pk, displaced_id=key, to=at, reason=form.cleaned_data["reason"], by=person, at=now
        )
    except DomainError as refusal:
        refuse(form, refusal)
        return _show_emergency(request, find_visit(person, number), form, now=now, status=refusal.status)
    assert done.starts_at is not None
    assert done.ends_at is not None
    moved = Appointment.objects.get(pk=key)
    words = _("%(number)s: %(window)s, %(people)s. %(moved)s has made room and its customer is being told.")
    window = window_text(done.starts_at, done.ends_at)
    values = {"number": done.number, "window": window, "people": crew_words(done), "moved": moved.number}
    messages.success(request, words % values)
    return go(request, reverse("desk:case", args=[visit.number]))


def _show_emergency(
    request: HttpRequest, visit: Appointment, form: forms.Form, *, now: datetime, status: int = 200
) -> HttpResponse:
    today = Window(now, now).day
    day = today
    if asked := typed.instant(request.GET.get("on", "")):
        day = max(today, Window(asked, asked).day)
    noon = day_begins(day)
    context = {
        "visit": visit,
        "what": what(visit),
        "place": place(visit),
        "points": emergency.points(visit, at=now),
        "form": form,
        "chosen": request.POST.get("choice", ""),
        "rooms": rooms(visit, day, now=now),
        "day_words": day_text(noon),
        "tomorrow": f"?on={int(day_begins(day + timedelta(days=1)).timestamp())}",
    }
    return _render(request, "emergency", context, status)


def _render(request: HttpRequest, name: str, context: dict[str, Any], status: int) -> HttpResponse:
    """In the dialog for htmx, else a page of its own."""
    template = f"desk/_visit_{name}.html"
    if not request.headers.get("HX-Request"):
        context, template = {**context, "inner": template}, "desk/visit_ask.html"
    return render(request, template, context, status=status)


urlpatterns = [
    path("desk/c/<str:number>/swap/", swap, name="visit_swap"),
    path("desk/c/<str:number>/emergency/", insert, name="visit_emergency"),
]
