"""The pages of one visit, for who is signed in and for who brings a link: follow, confirm, move, cancel, rate.

Nothing is changed by opening a page: scanners of mail open every link before the customer does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from appointments.booking import extend_hold, hold_window, needs_of
from appointments.conversation import rate_visit, reconfirm_appointment
from appointments.ics import calendar_file
from appointments.models import Appointment, Hold, WaitlistOffer
from appointments.services import cancel_appointment, move_appointment
from appointments.states import PROMISED, Outcome, State
from appointments.waitlist import accept_offer, decline_offer, join_waitlist, leave_waitlist, open_offer
from appointments.windows import Window
from common import clock
from common.errors import DomainError
from portal import booking, quotas, times
from portal.doors import Acts, Door, keeps_typed, show, switching
from portal.forms import PortalForm
from portal.visit_forms import CancelForm, RateForm, SlotForm, WishForm
from portal.visits import Visit

SAID = ("moved", "cancelled", "confirmed", "rated", "waiting", "not_waiting", "taken", "declined", "over")


@require_safe
def track(request: HttpRequest, door: Door) -> HttpResponse:
    said = request.GET.get("said", "")
    return _page(request, door, said=said if said in SAID else "")


def _page(request: HttpRequest, door: Door, *, refusal: DomainError | None = None, said: str = "") -> HttpResponse:
    visit = Visit(door, now=clock.now())
    context = {"door": door, "visit": visit, "said": said, "refusal": refusal}
    return show(request, "visit", context, status=refusal.status if refusal else 200)


def _closed(request: HttpRequest, door: Door) -> HttpResponse | None:
    """The page itself, where this link does not reach to change the visit."""
    return None if door.may_change else _with_status(_page(request, door), 403)


def _with_status(response: HttpResponse, status: int) -> HttpResponse:
    response.status_code = status
    return response


@require_safe
def calendar(request: HttpRequest, door: Door) -> HttpResponse:
    """The visit for one's own calendar: one event, replaced by the file of a later change."""
    page = settings.PUBLIC_URL + reverse("portal:case", args=[door.visit.number])
    text = calendar_file(door.visit, at=clock.now(), language=translation.get_language() or "", page=page)
    if not text:
        raise Http404
    response = HttpResponse(text, content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{door.visit.number}.ics"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def reconfirm(request: HttpRequest, door: Door) -> HttpResponse:
    """The time still suits. Said again it changes nothing and is no error."""
    if request.method != "POST":
        return redirect(door.url)
    if closed := _closed(request, door):
        return closed
    try:
        reconfirm_appointment(appointment_id=door.visit.pk, by=door.customer, how=door.how)
    except DomainError:
        return redirect(door.url)  # it changed in this moment; the page says how it stands now
    return redirect(f"{door.url}?said=confirmed")


# --- another time ----------------------------------------------------------------------------------------------------


@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def move(request: HttpRequest, door: Door) -> HttpResponse:
    """The same page of times, with the present one shown; the one chosen is kept while it is checked."""
    if closed := _closed(request, door):
        return closed
    now = clock.now()
    visit = Visit(door, now=now)
    if not visit.may_move:
        return show(request, "visit_stuck", {"door": door, "visit": visit, "reasons": visit.move_refusals})
    form, status, nearest = SlotForm(), 200, []
    chosen = times.moment(request.POST.get("slot") or request.GET.get("slot", ""))
    if request.method == "POST" and not switching(request):
        form, status = SlotForm(request.POST), 422
        if form.is_valid():
            try:
                hold = _hold(door, form.cleaned_data["slot"], at=now)
            except DomainError as refusal:
                form.refuse(refusal)
                status, nearest = refusal.status, _nearest(refusal, door, chosen, now)
            else:
                return redirect(_to_check(door, hold))
    picker = times.Picker(
        needs_of(door.visit),
        at=now,
        since=request.GET.get("since", ""),
        day=request.GET.get("day", ""),
        chosen=chosen,
        present=visit.window,
        hold=_own_hold(door, at=now),
    )
    context = {"door": door, "visit": visit, "picker": picker, "form": form, "nearest": nearest}
    return show(request, "visit_move", context, status=status)


def _hold(door: Door, starts_at: datetime, *, at: datetime) -> Hold:
    visit = door.visit
    quotas.spend(("hold", f"visit {visit.pk}", quotas.HELD_BY), at=at)
    services = list(visit.services.all())
    return hold_window(
        services=services,
        region=visit.region,
        starts_at=starts_at,
        customer=door.customer,
        key=_own_hold(door, at=at),
        moving=visit,
        at=at,
    )


def _own_hold(door: Door, *, at: datetime) -> str:
    """What the customer keeps already and may give up for another choice; an offer of ours is not that."""
    offered = WaitlistOffer.objects.filter(outcome="").values("hold_key")
    own = Hold.objects.filter(customer=door.customer, expires_at__gt=at).exclude(key__in=offered).last()
    return own.key if own else ""


def _to_check(door: Door, hold: Hold) -> str:
    return f"{door.url}move/check/?{urlencode({'slot': times.value_of(hold.starts_at), 'hold': hold.key})}"


def _nearest(refusal: DomainError, door: Door, to: datetime | None, at: datetime) -> list[times.Slot]:
    """Up to three free windows near one that cannot be had; none where the reason is another one."""
    if refusal.field != "starts_at":
        return []
    present = door.visit.window
    found = booking.nearest(refusal, needs_of(door.visit), to, at=at)
    return [times.Slot(window, "", free=True) for window in found if window != present]


@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def move_check(request: HttpRequest, door: Door) -> HttpResponse:
    """Old and new time side by side; the old one is let go only now, when the new one is confirmed."""
    if closed := _closed(request, door):
        return closed
    now = clock.now()
    data = request.POST if request.method == "POST" and not switching(request) else request.GET
    starts_at = times.moment(data.get("slot", ""))
    if starts_at is None:
        return redirect(f"{door.url}move/")
    if request.method != "POST" and not _may_check(door, starts_at, now):
        return redirect(f"{door.url}move/")  # where it is said why, and what there is instead
    form, status, nearest = PortalForm(), 200, []
    key = request.POST.get("hold") or request.GET.get("hold") or _own_hold(door, at=now)
    if request.method == "POST" and not switching(request):
        if starts_at == door.visit.starts_at and door.visit.state in PROMISED:
            return redirect(f"{door.url}?said=moved")  # sent twice
        form = PortalForm(request.POST)
        form.full_clean()
        try:
            if "keep" in request.POST:
                return redirect(_to_check(door, _keep(door, key, starts_at, now)))
            move_appointment(appointment_id=door.visit.pk, starts_at=starts_at, hold=key, by=door.customer, at=now)
        except DomainError as refusal:
            form.refuse(refusal)
            status, nearest = refusal.status, _nearest(refusal, door, starts_at, now)
        else:
            return redirect(f"{door.url}?said=moved")
    visit = Visit(door, now=now)
    window = _window_at(starts_at, door.visit, key)
    context = {
        "door": door,
        "visit": visit,
        "form": form,
        "slot": times.Slot(window, "", free=True) if window else None,
        "value": times.value_of(starts_at),
        "hold": times.Kept(hold) if (hold := kept(key, at=now)) and hold.starts_at == starts_at else None,
        "key": key,
        "nearest": nearest,
        "back": f"{door.url}move/?{urlencode({'slot': times.value_of(starts_at)})}",
    }
    return show(request, "visit_move_check", context, status=status)


def _may_check(door: Door, starts_at: datetime, now: datetime) -> bool:
    """Whether to show the change at all: an address may be old, or written by hand."""
    present = door.visit.starts_at == starts_at and door.visit.state in PROMISED  # changed a moment ago
    return present or (now < starts_at and times.window_at(starts_at) is not None and Visit(door, now=now).may_move)


def _keep(door: Door, key: str, starts_at: datetime, at: datetime) -> Hold:
    """Ten minutes more, or ten new ones where the hold has run out and nobody came in between."""
    return extend_hold(key, at=at) if kept(key, at=at) else _hold(door, starts_at, at=at)


def kept(key: str, *, at: datetime) -> Hold | None:
    """The hold, while it holds."""
    return Hold.objects.filter(key=key, expires_at__gt=at).first() if key else None


def _window_at(starts_at: datetime, visit: Appointment, key: str) -> Window | None:
    """The window that begins then, for the words on the page; None for a time at which none begins."""
    hold = Hold.objects.filter(key=key, starts_at=starts_at).first() if key else None
    return hold.window if hold else times.window_at(starts_at)


# --- no visit at all -------------------------------------------------------------------------------------------------


@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, door: Door) -> HttpResponse:
    """Cancel, with a reason for who wants to give one; to keep the visit comes first."""
    if closed := _closed(request, door):
        return closed
    visit = Visit(door, now=clock.now())
    if door.visit.state == State.CANCELLED:
        return redirect(door.url)
    if not visit.may_cancel:
        return show(request, "visit_stuck", {"door": door, "visit": visit, "reasons": visit.cancel_refusals})
    form, status = CancelForm(), 200
    if request.method == "POST" and switching(request):
        form = CancelForm(initial=request.POST.dict())
    elif request.method == "POST":
        form, status = CancelForm(request.POST), 422
        if form.is_valid():
            try:
                cancel_appointment(appointment_id=door.visit.pk, by=door.customer, reason=form.cleaned_data["reason"])
            except DomainError as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                return redirect(f"{door.url}?said=cancelled")
    return show(request, "visit_cancel", {"door": door, "visit": visit, "form": form}, status=status)


# --- how it was ------------------------------------------------------------------------------------------------------


@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def rate(request: HttpRequest, door: Door) -> HttpResponse:
    """One page, under twenty seconds; afterwards it says what becomes of the answer."""
    visit = Visit(door, now=clock.now())
    if visit.rating is not None and door.may_rate:
        return show(request, "visit_rated", {"door": door, "visit": visit})
    if not visit.may_rate:
        return redirect(door.url)
    form, status = RateForm(initial={"score": request.GET.get("score", "")}, phone=visit.phone), 200
    if request.method == "POST" and switching(request):
        form = RateForm(initial=_typed(request, "reasons", score="", comment="", callback=""), phone=visit.phone)
    elif request.method == "POST":
        form, status = RateForm(request.POST, phone=visit.phone), 422
        if form.is_valid():
            try:
                rate_visit(appointment_id=door.visit.pk, by=door.customer, channel=door.how, **form.cleaned_data)
            except DomainError as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                return redirect(f"{door.url}rate/")
    return show(request, "visit_rate", {"door": door, "visit": visit, "form": form}, status=status)


# --- something earlier -----------------------------------------------------------------------------------------------


@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def wait(request: HttpRequest, door: Door) -> HttpResponse:
    """Be told when something earlier gets free, on days when somebody could be at home; or no longer."""
    if closed := _closed(request, door):
        return closed
    visit = Visit(door, now=clock.now())
    if "leave" in request.POST and not switching(request):
        leave_waitlist(appointment_id=door.visit.pk, by=door.customer)
        return redirect(f"{door.url}?said=not_waiting")
    if not (visit.may_wait or visit.waits):
        return redirect(door.url)
    first, last = visit.wish_bounds
    form, status = WishForm(initial=visit.wish, first=first, last=last), 200
    if request.method == "POST" and switching(request):
        form = WishForm(initial=_typed(request, "weekdays", "parts", first_on="", last_on=""), first=first, last=last)
    elif request.method == "POST":
        form, status = WishForm(request.POST, first=first, last=last), 422
        if form.is_valid():
            try:
                join_waitlist(appointment_id=door.visit.pk, by=door.customer, **form.cleaned_data)
            except DomainError as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                return redirect(f"{door.url}?said=waiting")
    return show(request, "visit_wait", {"door": door, "visit": visit, "form": form}, status=status)


def _typed(request: HttpRequest, *several: str, **one: str) -> dict[str, Any]:
    """What was typed into a form, to be shown again unchecked: the fields with several values, and those with one."""
    values: dict[str, Any] = {name: request.POST.getlist(name) for name in several}
    return values | {name: request.POST.get(name, empty) for name, empty in one.items()}


@require_http_methods(["GET", "HEAD", "POST"])
def offer(request: HttpRequest, door: Door) -> HttpResponse:
    """An earlier time, kept for ten minutes: yes or no. The visit's own page shows it."""
    if request.method != "POST":
        return redirect(door.url)
    if closed := _closed(request, door):
        return closed
    open_now = open_offer(door.visit, at=clock.now())
    if open_now is None:
        return redirect(f"{door.url}?said={_answered(door, declining='decline' in request.POST)}")
    try:
        if "decline" in request.POST:
            decline_offer(offer_id=open_now.pk, by=door.customer)
            return redirect(f"{door.url}?said=declined")
        accept_offer(offer_id=open_now.pk, by=door.customer)
    except DomainError as refusal:
        return _page(request, door, refusal=refusal)
    return redirect(f"{door.url}?said=taken")


def _answered(door: Door, *, declining: bool) -> str:
    """What to say where no offer is open (any more): the same once more to who says the same twice."""
    last = WaitlistOffer.objects.filter(entry__appointment=door.visit).order_by("-pk").first()
    if last is not None and last.outcome == Outcome.DECLINED and declining:
        return "declined"
    if last is not None and last.outcome == Outcome.ACCEPTED and last.starts_at == door.visit.starts_at:
        return "over" if declining else "taken"
    return "over"


def _of_visits(view: Any) -> Acts:
    return {Appointment.KIND: view}


ACTS: dict[str, tuple[str, Acts]] = {
    "visit.ics": ("_calendar", _of_visits(calendar)),
    "reconfirm/": ("_reconfirm", _of_visits(reconfirm)),
    "move/": ("_move", _of_visits(move)),
    "move/check/": ("_move_check", _of_visits(move_check)),
    "cancel/": ("_cancel", _of_visits(cancel)),
    "rate/": ("_rate", _of_visits(rate)),
    "wait/": ("_wait", _of_visits(wait)),
    "offer/": ("_offer", _of_visits(offer)),
}
