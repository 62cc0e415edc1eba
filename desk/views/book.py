"""Booking and moving a visit for a customer, at the phone or at the counter (interface.md §5, key v)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from appointments import services
from appointments.booking import extend_hold, hold_window, needs_of, release_hold
from appointments.models import Appointment, Hold
from appointments.states import PROMISED, Side, State
from appointments.wording import window_text
from cases.numbers import key_of
from common import clock, typed
from common.errors import DomainError, StaleVersion
from desk import intake
from desk.booking import BookForm, Week, book, countdown, live_hold, needs_in, week
from desk.doors import not_allowed, requires
from desk.forms import choice, one_time_key, text
from desk.presenters_visits import VisitPane
from desk.views.assign import find_visit
from desk.views.visits import VisitForm, offer_override
from tickets.models import Ticket

Nearest = list[tuple[int, str]]


def nearest_of(refusal: DomainError) -> Nearest:
    """The free windows a refusal offers instead, as values and words of buttons."""
    return [
        (int(window.starts_at.timestamp()), window_text(window.starts_at, window.ends_at))
        for window in refusal.facts.get("nearest", [])
    ]


# --- booking ---------------------------------------------------------------------------------------------------------


@requires("desk.open")
@require_http_methods(["GET", "POST"])
def new_visit(request: HttpRequest) -> HttpResponse:
    """One page from the customer to the confirmation. Every button sends the whole form, so nothing typed is lost."""
    person: Any = request.user
    if not person.may("appointments.book"):
        return not_allowed(request, "appointments.book")
    if request.method == "GET":
        return show_book(request, BookForm(initial=_initial(request), person=person))
    form = BookForm(request.POST, person=person)
    if request.POST.get("do") == "book":
        return _send(request, form)
    if "pick" in request.POST:
        return _hold(request, form)
    if "drop" in request.POST:
        release_hold(request.POST.get("hold", ""))
    return show_book(request, form, hold=longer(request), check=False)


def longer(request: HttpRequest) -> Hold | None:
    """Ten minutes more for the window that is kept, where that was asked for; once, and said where it is refused."""
    if "keep" not in request.POST:
        return None
    try:
        return extend_hold(request.POST.get("hold", ""))
    except DomainError as refusal:
        messages.error(request, " ".join(str(reason) for reason in refusal.reasons))
        return None


def _initial(request: HttpRequest) -> dict[str, Any]:
    """What the address brings along: a customer, or a ticket with its customer, its urgency and its region."""
    person: Any = request.user
    initial: dict[str, Any] = {"key": one_time_key()}
    key = key_of(request.GET.get("ticket", ""))
    ticket = Ticket.objects.visible_to(person).filter(pk=key).first() if key else None
    if ticket is not None:
        initial |= {"ticket": ticket.number, "customer": ticket.customer_id or "", "urgent": ticket.urgency == "urgent"}
        initial |= {"region": ticket.region_id or ""}
        if ticket.channel == "counter":
            initial["channel"] = "counter"
    if request.GET.get("customer"):
        initial["customer"] = typed.key(request.GET["customer"]) or ""
    if request.GET.get("phone"):
        initial["phone"] = request.GET["phone"][:80]
    return initial


def _hold(request: HttpRequest, form: BookForm) -> HttpResponse:
    """Keep the window whose button was pressed for ten minutes; the one kept before is let go."""
    now = clock.now()
    starts_at, area = typed.instant(request.POST.get("pick", "")), form.area
    if starts_at is None or area is None or not form.chosen_services:
        return show_book(request, form, status=422)
    try:
        hold = hold_window(
            services=form.chosen_services,
            region=area,
            starts_at=starts_at,
            customer=form.known,
            key=request.POST.get("hold", ""),
            at=now,
        )
    except DomainError as refusal:
        return _refused(request, form, refusal)
    return show_book(request, form, hold=hold, check=False)


def _send(request: HttpRequest, form: BookForm) -> HttpResponse:
    """Book what is kept; without a time, register that one is wanted."""
    now, person = clock.now(), request.user
    wanted = typed.instant(request.POST.get("starts", ""))
    if not form.is_valid():
        return show_book(request, form, hold=live_hold(request.POST.get("hold", ""), now=now), status=422)
    try:
        visit = book(form, wanted, by=person, at=now)
    except DomainError as refusal:
        return _refused(request, form, refusal)
    words = {"number": visit.number, "time": _time(visit)}
    if visit.starts_at is None:
        messages.success(request, _("%(number)s is registered. A dispatcher gives it a time.") % words)
    else:
        messages.success(
            request, _("%(number)s is booked: %(time)s. Please say the time to the customer again.") % words
        )
    if form.cleaned_data["channel"] == "counter":
        return redirect("desk:visit_form", visit.number)
    return redirect("desk:case", visit.number)


def _time(visit: Appointment) -> str:
    return window_text(visit.starts_at, visit.ends_at) if visit.starts_at and visit.ends_at else ""


def _refused(request: HttpRequest, form: BookForm, refusal: DomainError) -> HttpResponse:
    """The same page with the reason on top, the nearest free windows as buttons, and everything else kept."""
    nearest = nearest_of(refusal)
    if not nearest:
        form.is_valid()
        form.refuse(refusal)
        return show_book(request, form, status=refusal.status)
    taken = " ".join(str(reason) for reason in refusal.reasons)
    return show_book(request, form, check=False, taken=taken, nearest=nearest, status=refusal.status)


def show_book(
    request: HttpRequest,
    form: BookForm,
    *,
    hold: Hold | None = None,
    check: bool = True,
    status: int = 200,
    **context: Any,
) -> HttpResponse:
    now = clock.now()
    if form.is_bound and not check:
        form._errors = {}  # type: ignore[assignment]  # looked at, not sent
    if hold is None and form.is_bound and "drop" not in request.POST:
        hold = live_hold(request.POST.get("hold", ""), now=now)
    needs = needs_in(form)
    shown: Week | None = None
    if needs is not None:
        shown = week(needs, on=request.POST.get("on") or request.POST.get("day") or "", now=now, hold=hold)
    context |= {
        "form": form,
        "week": shown,
        "day": request.POST.get("on") or request.POST.get("day") or "",
        "hold": hold,
        "hold_words": window_text(hold.starts_at, hold.ends_at) if hold else "",
        "hold_key": int(hold.starts_at.timestamp()) if hold else "",
        "countdown": countdown(hold, now=now) if hold else None,
        "customer": form.known,
        "candidates": [] if form.known else intake.candidates(str(form["phone"].value() or "")),
        "minutes": needs.minutes if needs else 0,
        "crew": needs.crew if needs else 1,
    }
    return render(request, "desk/book.html", context, status=status)


# --- moving ----------------------------------------------------------------------------------------------------------


class MoveForm(VisitForm):
    """Who wanted another time, and why; the windows are buttons."""

    side = choice(
        gettext_lazy("Who wants it?"),
        [(Side.CUSTOMER, gettext_lazy("The customer")), (Side.US, gettext_lazy("We cannot come at the time agreed"))],
        radio=True,
        initial=Side.CUSTOMER,
    )
    reason = text(gettext_lazy("Reason"), rows=2)
    override = text(gettext_lazy("Set the rule for customers aside, because"), rows=2)
    hold = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def prepare(self) -> None:
        if self.visit.state not in PROMISED:
            del self.fields["side"]
        offer_override(self, [str(reason) for reason in services.move_refusals(self.visit, at=clock.now())])


@requires("desk.open")
@require_http_methods(["GET", "POST"])
def move(request: HttpRequest, number: str) -> HttpResponse:
    """Another time for a visit: the present one is let go only when the new one is taken."""
    person: Any = request.user
    visit = find_visit(person, number)
    if not (person.may("appointments.book") or person.may("dispatch.change")):
        return not_allowed(request, "appointments.book")
    now = clock.now()
    if request.method == "GET":
        return show_move(request, visit, MoveForm(visit=visit, person=person), now=now)
    form = MoveForm(request.POST, visit=visit, person=person)
    if "pick" in request.POST:
        return _hold_move(request, visit, form, now=now)
    if request.POST.get("do") != "move":
        release_hold(request.POST.get("hold", "") if "drop" in request.POST else "")
        return show_move(request, visit, form, now=now, hold=longer(request), check=False)
    starts_at = typed.instant(request.POST.get("starts", ""))
    if starts_at is None:
        form.add_error(None, _("Choose a time first."))
    if not form.is_valid():
        return show_move(request, visit, form, now=now, status=422)
    try:
        moved = services.move_appointment(
            appointment_id=visit.pk,
            starts_at=starts_at,  # type: ignore[arg-type]
            side=form.cleaned_data.get("side") or Side.CUSTOMER,
            reason=form.cleaned_data["reason"],
            override=form.cleaned_data.get("override", ""),
            hold=form.cleaned_data["hold"],
            version=form.cleaned_data["version"],
            by=person,
            at=now,
        )
    except DomainError as refusal:
        return _move_refused(request, find_visit(person, number), form, refusal, now=now)
    words = {"number": moved.number, "time": _time(moved)}
    messages.success(request, _("%(number)s is moved: %(time)s. The customer is being told.") % words)
    return redirect("desk:case", moved.number)


def _hold_move(request: HttpRequest, visit: Appointment, form: MoveForm, *, now: datetime) -> HttpResponse:
    starts_at = typed.instant(request.POST["pick"])
    if starts_at is None:
        return show_move(request, visit, form, now=now, status=422)
    if starts_at == visit.starts_at:
        form.add_error(None, _("This is the time the visit has already."))
        return show_move(request, visit, form, now=now, status=422)
    try:
        hold = hold_window(
            services=list(visit.services.all()),
            region=visit.region,
            starts_at=starts_at,
            customer=visit.customer,
            moving=visit,
            key=request.POST.get("hold", ""),
            at=now,
        )
    except DomainError as refusal:
        return _move_refused(request, visit, form, refusal, now=now)
    return show_move(request, visit, form, now=now, hold=hold, check=False)


def _move_refused(
    request: HttpRequest, visit: Appointment, form: MoveForm, refusal: DomainError, *, now: datetime
) -> HttpResponse:
    if nearest := nearest_of(refusal):
        taken = " ".join(str(reason) for reason in refusal.reasons)
        return show_move(
            request, visit, form, now=now, check=False, taken=taken, nearest=nearest, status=refusal.status
        )
    if isinstance(refusal, StaleVersion):
        return show_move(request, visit, form, now=now, check=False, conflict=str(refusal.reasons[0]), status=409)
    form.is_valid()
    form.refuse(refusal)
    return show_move(request, visit, form, now=now, status=refusal.status)


def show_move(
    request: HttpRequest,
    visit: Appointment,
    form: MoveForm,
    *,
    now: datetime,
    hold: Hold | None = None,
    check: bool = True,
    status: int = 200,
    **context: Any,
) -> HttpResponse:
    if form.is_bound and not check:
        form._errors = {}  # type: ignore[assignment]  # looked at, not sent
    if hold is None and form.is_bound and "drop" not in request.POST:
        hold = live_hold(request.POST.get("hold", ""), now=now)
    on = request.POST.get("on") or request.POST.get("day") or ""
    if not on and visit.state in PROMISED and visit.window:
        on = visit.window.day.isoformat()
    pane = VisitPane(visit, request.user, now=now)
    context |= {
        "form": form,
        "visit": visit,
        "pane": pane,
        "week": week(needs_of(visit), on=on, now=now, hold=hold, moving=visit),
        "day": on,
        "hold": hold,
        "hold_words": window_text(hold.starts_at, hold.ends_at) if hold else "",
        "hold_key": int(hold.starts_at.timestamp()) if hold else "",
        "countdown": countdown(hold, now=now) if hold else None,
        "movable": visit.state in (*PROMISED, State.REQUESTED, State.ABSENT, State.MISSED, State.FAILED),
        "breaks": pane.breaks,
    }
    return render(request, "desk/move.html", context, status=status)


urlpatterns = [
    path("desk/visits/new/", new_visit, name="book"),
    path("desk/c/<str:number>/move/", move, name="visit_move"),
]
