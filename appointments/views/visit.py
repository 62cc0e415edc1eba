"""One visit on the phone: what to know, the step that comes next, and plain forms that work without script."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from appointments import steps as way
from appointments.actions import take, unseen
from appointments.forms import FORMS, WITH_PHOTO, Form, RecordForm
from appointments.models import Appointment, VisitRecord
from appointments.states import ActionKind as Kind
from appointments.states import ActionOutcome as Outcome
from appointments.visits import customer_phone
from appointments.windows import site_zone
from cases.facts import Names, sentence
from cases.models import Attachment, CaseEvent
from common import clock
from common.errors import DomainError

from .cards import card_of, refused, with_details
from .doors import find, technicians_only

MOST_FACTS = 6


def show(
    request: HttpRequest, number: str, *, bound: dict[str, Form] | None = None, status: int = 200, **context: Any
) -> HttpResponse:
    """The page of a visit. `bound` are forms that came back, by action; `context`: `phone` once it was asked for."""
    person: Any = request.user
    now = clock.now()
    pk = find(person, number).pk
    appointment = with_details(Appointment.objects.filter(pk=pk)).get()
    record = VisitRecord.objects.filter(appointment=appointment).first()
    if record is not None:
        record.appointment = appointment
    forms = {kind: _form(kind, appointment, record) for kind in FORMS} | (bound or {})
    context |= {
        "card": card_of(appointment, person, now=now),
        "visit": appointment,
        "record": record,
        "here": way.present(appointment, record),
        "way": [(step, forms[step.kind]) for step in way.steps(appointment, record, way.WAY, now=now)],
        "aside": [(step, forms[step.kind]) for step in way.steps(appointment, record, way.ASIDE, now=now)],
        "missing": record.missing() if record else [],
        "list_url": _list_of(appointment, now),
        "back_to": reverse("appointments:visit", args=[appointment.number]),
        "facts": _public_facts(appointment),
        "photos": list(Attachment.objects.filter(case_id=appointment.pk, kind=Attachment.Kind.PHOTO)),
        "with_photo": WITH_PHOTO,
        "refused": refused(unseen(person).filter(appointment=appointment)),
        "now": now,
        "sent": next(iter(bound or {}), ""),
    }
    return render(request, "appointments/visit.html", context, status=status)


def _list_of(appointment: Appointment, now: datetime) -> str:
    """The day's list this visit stands in."""
    url = reverse("appointments:visits")
    window = appointment.window
    if window is None or window.day == now.astimezone(site_zone()).date():
        return url
    return f"{url}?day={window.day.isoformat()}"


def _form(kind: str, appointment: Appointment, record: VisitRecord | None) -> Form:
    """An empty form with a key of its own; the record's shows what it holds."""
    initial: dict[str, Any] = {}
    if kind == Kind.RECORD and record is not None:
        initial = {name: getattr(record, name) for name in RecordForm.base_fields}
        initial["computer_tested"] = "" if record.computer_tested is None else str(int(record.computer_tested))
    if kind == Kind.CHECK and record is not None and record.cycle == appointment.cycle:
        initial = {name: getattr(record, name) for name in VisitRecord.CHECKS}
    return _dressed(FORMS[kind](initial=initial, auto_id=f"{kind}_%s"), appointment)


def _dressed(form: Form, appointment: Appointment) -> Form:
    form.key = secrets.token_hex(16)
    if isinstance(form, RecordForm):
        form.demand_for(appointment.type)
    return form


def _public_facts(appointment: Appointment) -> list[tuple[CaseEvent, str]]:
    """What the customer, too, may know of the ticket this visit serves, the newest first."""
    if appointment.for_ticket_id is None:
        return []
    events = CaseEvent.objects.filter(case_id=appointment.for_ticket_id, public=True).order_by("-seq")[:MOST_FACTS]
    names = Names()
    return [(event, sentence(event, names)) for event in events]


@technicians_only
@require_GET
def visit(request: HttpRequest, number: str) -> HttpResponse:
    appointment = find(request.user, number)
    if number != appointment.number:
        return redirect("appointments:visit", number=appointment.number)
    return show(request, number)


@technicians_only
@require_http_methods(["GET", "POST"])
def act(request: HttpRequest, number: str, action: str) -> HttpResponse:
    """One action by a plain form; what was refused comes back with its reasons and with what was typed."""
    person: Any = request.user
    appointment = find(person, number)
    if request.method == "GET" or action not in FORMS:
        return redirect("appointments:visit", number=appointment.number)
    now = clock.now()
    values = {name: request.POST[name] for name in FORMS[action].base_fields if name in request.POST}
    cycle = request.POST.get("cycle", "")
    try:
        taken = take(
            key=request.POST.get("key", ""),
            number=appointment.number,
            action=action,
            values=values,
            by=person,
            heard_at=now,
            cycle=int(cycle) if cycle.isdecimal() and len(cycle) < 5 else None,
            photo=request.FILES.get("photo") if action == Kind.PHOTO else None,
            shown=True,
        )
    except DomainError as refusal:
        return _back(request, appointment, action, values, [str(reason) for reason in refusal.reasons], status=422)
    if taken.outcome == Outcome.REFUSED:
        status = 422 if taken.field else 409
        return _back(request, appointment, action, values, taken.reasons, field=taken.field, status=status)
    messages.success(request, str(DONE[action]))
    if action in WITH_PHOTO and action != Kind.PHOTO and request.FILES.get("photo"):
        _add_photo(request, appointment, key=f"{request.POST['key']}-photo")
    return redirect("appointments:visit", number=appointment.number)


def _add_photo(request: HttpRequest, appointment: Appointment, *, key: str) -> None:
    """The photo that came with another action, whose word is kept already."""
    person: Any = request.user
    try:
        taken = take(
            key=key,
            number=appointment.number,
            action=Kind.PHOTO,
            values={},
            by=person,
            heard_at=clock.now(),
            photo=request.FILES["photo"],
            shown=True,
        )
        reasons = taken.reasons
    except DomainError as refusal:
        reasons = [str(reason) for reason in refusal.reasons]
    for reason in reasons:
        messages.error(request, str(_("The photo was not kept: %(reason)s") % {"reason": reason}))


def _back(
    request: HttpRequest,
    appointment: Appointment,
    action: str,
    values: dict[str, Any],
    reasons: list[str],
    *,
    field: str = "",
    status: int,
) -> HttpResponse:
    form = _dressed(FORMS[action](values, auto_id=f"{action}_%s"), appointment)
    form.is_valid()
    known = {words for errors in form.errors.values() for words in errors}
    if fresh := [words for words in reasons if words not in known]:
        form.add_error(field if field in form.fields else None, fresh)
    return show(request, appointment.number, bound={action: form}, status=status)


@technicians_only
@require_POST
def reveal(request: HttpRequest, number: str) -> HttpResponse:
    """The customer's telephone number, once, after writing down who looked and why."""
    person: Any = request.user
    appointment = find(person, number)
    try:
        phone = customer_phone(appointment_id=appointment.pk, by=person, at=clock.now())
    except DomainError as refusal:
        for reason in refusal.reasons:
            messages.error(request, str(reason))
        return show(request, number, status=refusal.status)
    return show(request, number, phone=phone)


DONE: dict[str, Any] = {
    Kind.CHECK: _("Checked. Have a safe trip."),
    Kind.SET_OFF: _("The customer is told that you are coming."),
    Kind.CALL: _("The call is logged."),
    Kind.ARRIVE: _("Your arrival is recorded."),
    Kind.RECORD: _("The record is saved."),
    Kind.FINISH: _("Done. The customer gets the completion notice."),
    Kind.FAIL: _("Recorded. The dispatchers and the customer are told."),
    Kind.ABSENT: _("Recorded. The customer is told that you were there."),
    Kind.PHOTO: _("The photo is kept."),
}
