"""Booking a visit, one question a page: what, where, when, and a look at it all while the time is kept.

What was answered is kept with the session, so that going back, changing the language and signing in lose nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from appointments.booking import HoldExpired, extend_hold, release_hold
from appointments.models import Appointment
from cases.numbers import key_of
from common import clock
from common.errors import DomainError
from customers import masking
from portal import booking, reports, sessions, times, words
from portal.booking import CHECK, NAME, STEPS, WHAT, WHEN, WHERE, Draft, Plan
from portal.doors import Door, keeps_typed, page, show, signed_in, switching, to_sign_in
from portal.forms import PortalForm
from portal.reports import NEW_PLACE
from portal.views.visits import kept
from portal.visit_forms import CheckForm, NewcomerCheckForm, PlaceForm, ServicesForm, SlotForm, work
from portal.visits import Visit
from tickets.models import Ticket


def _address(step: str) -> str:
    return reverse("portal:book_step", args=[step])


def _keep(request: HttpRequest, draft: Draft) -> None:
    sessions.keep(sessions.begin(request), NAME, draft.values)


def _plan(request: HttpRequest) -> Plan:
    return Plan(booking.begun(booking.draft_of(sessions.of(request))), sessions.customer_of(request))


@page
@require_safe
def begin(request: HttpRequest) -> HttpResponse:
    """The first question; where the house books no visits, an order is written instead."""
    if not booking.offered():
        return redirect("portal:report", subject="order")
    return redirect(_address(WHAT))


@page
@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def step(request: HttpRequest, step: str) -> HttpResponse:
    """One question. From the second on a number must be proven: then what we know need not be asked."""
    if step not in STEPS:
        raise Http404
    session = sessions.of(request)
    if step == WHAT:
        return _what(request)
    if session is None or not session.phone:
        return to_sign_in(request)
    return {WHERE: _where, WHEN: _when, CHECK: _check}[step](request)


def _what(request: HttpRequest) -> HttpResponse:
    plan = _plan(request)
    offered = booking.offered()
    form, status = ServicesForm(offered=offered, initial={"services": plan.draft.services}), 200
    if request.method == "POST" and switching(request):
        form = ServicesForm(offered=offered, initial={"services": request.POST.getlist("services")})
    elif request.method == "POST":
        form, status = ServicesForm(request.POST, offered=offered), 422
        if form.is_valid():
            chosen = tuple(form.cleaned_data["services"])
            changed = set(chosen) != set(plan.draft.services)
            # Another job takes another time: the hold no longer fits, and would keep it from its own customer.
            if changed:
                release_hold(plan.draft.hold)
            draft = replace(plan.draft, services=chosen, hold="" if changed else plan.draft.hold)
            _keep(request, draft)
            return redirect(_address(WHERE))
    return show(request, "book_what", {**_where_one_is(WHAT), "form": form}, status=status)


def _where(request: HttpRequest) -> HttpResponse:
    plan = _plan(request)
    if not plan.services:
        return redirect(_address(WHAT))
    customer = plan.customer
    form, status = PlaceForm(customer=customer, initial=reports.place_known(plan.draft, customer)), 200
    if request.method == "POST" and switching(request):
        form = PlaceForm(customer=customer, initial=request.POST.dict())
    elif request.method == "POST":
        form, status = PlaceForm(request.POST, customer=customer), 422
        valid = form.is_valid()
        if valid or "back" in request.POST:
            _keep(request, _placed(plan.draft, form.cleaned_data))
            return redirect(_address(WHAT if "back" in request.POST else WHEN))
    return show(request, "book_where", {**_where_one_is(WHERE), "form": form, "plan": plan}, status=status)


def _placed(draft: Draft, data: dict[str, Any]) -> Draft:
    place = data.get("place") or ""
    fresh = place == NEW_PLACE
    return replace(
        draft,
        place=place,
        region=data["region"].code if fresh and data.get("region") else "",
        street=(data.get("street") or "") if fresh else "",
        house=(data.get("house") or "") if fresh else "",
    )


def _when(request: HttpRequest) -> HttpResponse:
    """The times; the one chosen is kept for ten minutes, or we are asked to call."""
    plan = _plan(request)
    if plan.missing in (WHAT, WHERE):
        return redirect(_address(plan.missing))
    session, now = sessions.begin(request), clock.now()
    form, status, nearest = SlotForm(), 200, []
    chosen = times.moment(request.POST["slot"]) if request.POST.get("slot") else plan.draft.starts_at
    if request.method == "POST" and "call" in request.POST and not switching(request):
        _keep(request, replace(plan.draft, call=True, starts=""))
        return redirect(_address(CHECK))
    if request.method == "POST" and not switching(request):
        form, status = SlotForm(request.POST), 422
        if form.is_valid():
            try:
                _hold(request, plan, form.cleaned_data["slot"])
            except DomainError as refusal:
                form.refuse(refusal)
                status, nearest = refusal.status, _nearest(refusal, plan, chosen)
            else:
                return redirect(_address(CHECK))
    query = request.GET
    picker = times.Picker(
        plan.needs, at=now, since=query.get("since", ""), day=query.get("day", ""), chosen=chosen, hold=plan.draft.hold
    )
    context = {
        **_where_one_is(WHEN),
        "form": form,
        "picker": picker,
        "nearest": nearest,
        "what": _what_words(plan),
        "place": _place_words(plan),
        "cutoff": words.length(plan.cutoff(now)),
        "customer": session.customer,
    }
    return show(request, "book_when", context, status=status)


def _hold(request: HttpRequest, plan: Plan, starts_at: Any) -> None:
    hold = booking.keep_time(session=sessions.begin(request), plan=plan, starts_at=starts_at, at=clock.now())
    _keep(request, replace(plan.draft, starts=times.value_of(hold.starts_at), call=False, hold=hold.key))


def _nearest(refusal: DomainError, plan: Plan, to: Any) -> list[times.Slot]:
    """Up to three free windows near one that cannot be had; none where the reason is another one."""
    if refusal.field != "starts_at":
        return []
    found = booking.nearest(refusal, plan.needs, to, at=clock.now())
    return [times.Slot(window, "", free=True) for window in found]


def _check(request: HttpRequest) -> HttpResponse:
    """Everything on one page, with the time kept; booked by the button."""
    session = sessions.begin(request)
    if booking.draft_of(session).sent:
        return redirect("portal:book_done")
    plan = _plan(request)
    if plan.missing:
        return redirect(_address(plan.missing))
    make = CheckForm if session.customer else NewcomerCheckForm
    form, status, nearest = make(initial={"note": plan.draft.note, "name": plan.draft.name}), 200, []
    if request.method == "POST" and switching(request):
        form = make(initial=request.POST.dict())
    elif request.method == "POST":
        form, status = make(request.POST), 422
        valid = form.is_valid()
        typed = form.cleaned_data
        # Also for who goes back to change something: nothing typed is lost.
        draft = replace(plan.draft, note=typed.get("note", plan.draft.note), name=typed.get("name", plan.draft.name))
        _keep(request, draft)
        if request.POST.get("go") in STEPS:
            return redirect(_address(request.POST["go"]))
        if valid and request.POST.get("shown", draft.shown) != draft.shown:
            form.add_error(None, _("You have changed this in another window. Please look at it once more."))
            status = 409
        elif valid:
            try:
                booking.send(
                    session=session,
                    note=typed["note"],
                    name=typed.get("name", ""),
                    starts_at=typed["slot"],
                    language=translation.get_language(),
                    at=clock.now(),
                )
            except DomainError as refusal:
                form.refuse(refusal)
                wanted = typed["slot"] or draft.starts_at
                status, nearest = refusal.status, _nearest(refusal, plan, wanted)
            else:
                return redirect("portal:book_done")
    return _show_check(request, plan, form, status=status, nearest=nearest)


def _show_check(
    request: HttpRequest, plan: Plan, form: PortalForm, *, status: int = 200, nearest: list[times.Slot] | None = None
) -> HttpResponse:
    session, now = sessions.begin(request), clock.now()
    starts_at = plan.draft.starts_at
    hold = kept(plan.draft.hold, at=now)
    window = times.window_at(starts_at) if starts_at else None
    context = {
        **_where_one_is(CHECK),
        "form": form,
        "what": _what_words(plan),
        "place": _place_words(plan),
        "slot": times.Slot(window, "", free=True) if window else None,
        "call": plan.draft.call,
        "hold": times.Kept(hold) if hold and hold.starts_at == starts_at else None,
        "nearest": nearest or [],
        "phone": masking.phone(session.phone),
        "cutoff": words.length(plan.cutoff(now)),
        "soon": starts_at is not None and starts_at - plan.cutoff(now) <= now,
        "customer": session.customer,
        "shown": plan.draft.shown,
    }
    return show(request, "book_check", context, status=status)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def keep(request: HttpRequest) -> HttpResponse:
    """Ten minutes more for the time chosen; ten new ones where the first have run out and nobody came in between."""
    if request.method != "POST":
        return redirect(_address(CHECK))
    session = sessions.of(request)
    if session is None or not session.phone:
        return to_sign_in(request, _address(CHECK))
    plan, now = _plan(request), clock.now()
    starts_at = plan.draft.starts_at
    if plan.missing or starts_at is None:
        return redirect(_address(CHECK))
    make = CheckForm if session.customer else NewcomerCheckForm
    form = make(request.POST)
    form.is_valid()
    typed = form.cleaned_data
    plan = Plan(
        replace(plan.draft, note=typed.get("note", plan.draft.note), name=typed.get("name", plan.draft.name)),
        plan.customer,
    )
    _keep(request, plan.draft)
    form = make(data={"note": plan.draft.note, "name": plan.draft.name})
    form.errors.clear()
    try:
        if kept(plan.draft.hold, at=now):
            extend_hold(plan.draft.hold, at=now)
        else:
            _hold(request, plan, starts_at)
    except HoldExpired as refusal:
        form.refuse(refusal)
        return _show_check(request, plan, form, status=refusal.status)
    except DomainError as refusal:
        form.refuse(refusal)
        return _show_check(request, plan, form, status=refusal.status, nearest=_nearest(refusal, plan, starts_at))
    return redirect(_address(CHECK))


@page
@require_safe
def done(request: HttpRequest) -> HttpResponse:
    """What, where, when, the reference and the code, and until when it may be changed."""
    draft, customer = booking.draft_of(sessions.of(request)), sessions.customer_of(request)
    found = (
        Appointment.objects.visible_to(customer).with_people().filter(pk=key_of(draft.sent) or 0).first()
        if customer and draft.sent
        else None
    )
    if found is None or customer is None:
        return redirect("portal:book")
    door = Door(found, customer, reverse("portal:case", args=[found.number]))
    return show(request, "book_done", {"visit": Visit(door, now=clock.now()), "door": door})


@require_http_methods(["GET", "HEAD", "POST"])
def _for_ticket(request: HttpRequest, door: Door) -> HttpResponse:
    """Begin a booking that serves this ticket: what it knows is not asked again."""
    if request.method != "POST" or not booking.may_book_for(door.ticket):
        return redirect(door.url)
    return _begin_with(request, booking.draft_for(door.ticket))


@require_http_methods(["GET", "HEAD", "POST"])
def _again(request: HttpRequest, door: Door) -> HttpResponse:
    """The same visit once more."""
    if request.method != "POST":
        return redirect(door.url)
    return _begin_with(request, booking.draft_again(door.visit))


def _begin_with(request: HttpRequest, draft: Draft) -> HttpResponse:
    _keep(request, draft)
    return redirect(_address(Plan(draft, sessions.customer_of(request)).missing or CHECK))


def _what_words(plan: Plan) -> str:
    what = translation.gettext(", ").join(str(service) for service in plan.services)
    return translation.pgettext("what is done and how long it takes", "%(what)s, %(time)s") % {
        "what": what,
        "time": work(plan.needs.minutes),
    }


def _place_words(plan: Plan) -> str:
    place = reports.place_of(plan.draft, plan.customer)
    if place is not None:
        return masking.address(place.region, place.street, place.house, reveal=bool(place.house))
    return masking.address(plan.region, plan.draft.street, plan.draft.house, reveal=True)


def _where_one_is(step: str) -> dict[str, Any]:
    """`3 of 4`, and the way back."""
    position = STEPS.index(step)
    return {
        "position": position + 1,
        "count": len(STEPS),
        "back": _address(STEPS[position - 1]) if position else reverse("portal:home"),
        "bars": [number <= position for number in range(len(STEPS))],
        "step": step,
    }


urlpatterns = [
    path("book/", begin, name="book"),
    path("book/done/", done, name="book_done"),
    path("book/keep/", keep, name="book_keep"),
    path("book/<slug:step>/", step, name="book_step"),
    path(
        "my/cases/<str:number>/book/",
        signed_in({Ticket.KIND: _for_ticket, Appointment.KIND: _again}),
        name="case_book",
    ),
]
