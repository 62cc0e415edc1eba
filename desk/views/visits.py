"""A visit's own page, and what can be done with it from there: calls, confirmations, cancelling, what is owed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods
from django.views.decorators.vary import vary_on_headers

from appointments import conversation, services, visits
from appointments.compensation import exclude_compensation
from appointments.models import Appointment, Compensation
from appointments.promises import cutoff_hours
from appointments.states import Exclusion, Side
from common import clock
from common.errors import DomainError, StaleVersion
from desk.conversation import last_change
from desk.doors import not_allowed, requires, roles
from desk.forms import choice, one_time_key, text
from desk.presenters_visits import VisitPane
from desk.views.assign import find_visit, go

Given = dict[str, Any]


class VisitForm(forms.Form):
    """A form about one visit, sent by one person."""

    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, visit: Appointment, person: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.visit, self.person = visit, person
        self.prepare()

    def prepare(self) -> None:
        """Fill in what depends on the visit or the person."""

    def refuse(self, refusal: DomainError) -> None:
        """Show a service's refusal beside the field it is about, or over the form."""
        self.add_error(refusal.field if refusal.field in self.fields else None, [str(r) for r in refusal.reasons])


class CallForm(VisitForm):
    reached = choice(_("Outcome"), [("yes", _("Reached")), ("no", _("No answer"))], radio=True, initial="yes")
    note = text(_("What was said"), rows=3)


class MissedForm(VisitForm):
    """Nothing to fill in; it asks before it is done, because it cannot be taken back."""


class ReleaseForm(VisitForm):
    reason = text(_("Why we cannot come"))


def offer_override(form: VisitForm, refusals: list[str]) -> None:
    """Leave the field of the override to those who may use it, where a rule stands in the way; the others read who
    may."""
    field = form.fields["override"]
    if not refusals:
        del form.fields["override"]
        return
    field.help_text = " ".join(refusals)
    if not form.person.may("appointments.override"):
        field.disabled = True
        who = _("These roles can set the rule aside: %(roles)s.") % {"roles": roles("appointments.override")}
        field.help_text = f"{field.help_text} {who}"


class CancelForm(VisitForm):
    side = choice(
        _("Who wants it?"),
        [(Side.CUSTOMER, _("The customer cancels")), (Side.US, _("We cannot come at all"))],
        radio=True,
        initial=Side.CUSTOMER,
    )
    reason = text(_("Reason"), rows=2)
    override = text(_("Set the rule for customers aside, because"), rows=2)

    def prepare(self) -> None:
        offer_override(self, [str(r) for r in services.cancel_refusals(self.visit, at=clock.now())])
        if services.breaks_promise(self.visit, side=Side.US, at=clock.now()):
            self.fields["side"].help_text = _(
                "If we cancel now, it counts as a visit we missed and compensation falls due."
            )


class ExcludeForm(VisitForm):
    why = choice(_("Why nothing is owed"), Exclusion.choices, radio=True)
    proof = text(_("What proves it"), help_text=_("For example the photo of the notice, or the customer's own words."))


@dataclass(frozen=True)
class VisitAction:
    call: Callable[[Appointment, Any, Given], Any]
    title: str | Promise
    done: str | Promise
    form: type[VisitForm] = VisitForm
    abilities: tuple[str, ...] = ("appointments.book", "dispatch.change")
    intro: str | Promise = ""

    @property
    def asks(self) -> bool:
        return self.form is not VisitForm


ACTIONS: dict[str, VisitAction] = {
    "call": VisitAction(
        lambda visit, by, given: conversation.record_call(
            appointment_id=visit.pk, note=given["note"], reached=given["reached"] != "no", by=by
        ),
        _("Log a call"),
        _("The call is logged."),
        CallForm,
        intro=_("A call that reached the customer takes the visit from the list of those to call."),
    ),
    "reconfirm": VisitAction(
        lambda visit, by, given: conversation.reconfirm_appointment(appointment_id=visit.pk, how="call", by=by),
        _("Customer confirms"),
        _("Recorded: the customer confirms the time."),
    ),
    "release": VisitAction(
        lambda visit, by, given: services.release_appointment(
            appointment_id=visit.pk, reason=given["reason"], version=given["version"], by=by
        ),
        _("We cannot come"),
        _("The time is given up, the customer is being told, and the visit waits for a new time."),
        ReleaseForm,
        ("dispatch.change",),
        _("Better: move it at once to a time that we can keep. Less than 24 hours before, it counts as missed."),
    ),
    "missed": VisitAction(
        lambda visit, by, given: visits.report_missed(appointment_id=visit.pk, by=by),
        _("We missed it"),
        _("Recorded as missed. The customer is being told, and the visit waits for a new time."),
        MissedForm,
        ("dispatch.change",),
        _("Say so before the window is over: the customer is told that we did not come and that a new time follows,"
          " and compensation falls due by the rules."),
    ),
    "cancel": VisitAction(
        lambda visit, by, given: services.cancel_appointment(
            appointment_id=visit.pk, side=given["side"] or Side.CUSTOMER, reason=given["reason"],
            override=given.get("override", ""), version=given["version"], by=by,
        ),
        _("Cancel the visit"),
        _("Cancelled. The customer is being told and the time is free for others."),
        CancelForm,
        intro=_("The time will be offered to others."),
    ),
}  # fmt: skip


def show_visit(request: HttpRequest, visit: Appointment, *, status: int = 200, **context: Any) -> HttpResponse:
    pane = VisitPane(visit, request.user, now=clock.now())
    user: Any = request.user
    if user.may("dispatch.open"):
        request.stands_at = reverse("desk:dispatch")  # type: ignore[attr-defined]
    context |= {"pane": pane, "visit": visit, "may_print": user.may("appointments.book")}
    return render(request, "desk/visit.html", context, status=status)


@requires("desk.open")
@require_http_methods(["GET", "POST"])
@vary_on_headers("HX-Request")
def visit_do(request: HttpRequest, number: str, name: str) -> HttpResponse:
    person: Any = request.user
    visit, action = find_visit(person, number), ACTIONS.get(name)
    if action is None:
        raise Http404
    if not any(person.may(ability) for ability in action.abilities):
        return not_allowed(request, action.abilities[0])
    url = reverse("desk:visit_do", args=[visit.number, name])
    if request.method == "GET":
        if not action.asks:
            return redirect("desk:case", visit.number)
        return ask(request, visit, action, action.form(visit=visit, person=person), url, name=name)
    form = action.form(request.POST, visit=visit, person=person)
    return act(request, visit, action, form, url, lambda: action.call(visit, person, form.cleaned_data), name=name)


@requires("desk.open")
@require_http_methods(["GET", "POST"])
@vary_on_headers("HX-Request")
def visit_exclude(request: HttpRequest, number: str, compensation_id: int) -> HttpResponse:
    """A leader finds that a compensation is not owed, with the reason and the proof."""
    person: Any = request.user
    visit = find_visit(person, number)
    owed = get_object_or_404(Compensation, pk=compensation_id, appointment=visit)
    if not person.may("appointments.override"):
        return not_allowed(request, "appointments.override")
    url = reverse("desk:visit_exclude", args=[visit.number, owed.pk])
    action = VisitAction(
        lambda visit, by, given: None, _("No compensation"), _("Decided: nothing is owed."), ExcludeForm,
        intro=_("The record stays, with your name, the reason and the proof."),
    )  # fmt: skip
    form = ExcludeForm(request.POST or None, visit=visit, person=person)
    if request.method == "GET":
        return ask(request, visit, action, form, url)

    def decide() -> None:
        given = form.cleaned_data
        exclude_compensation(compensation_id=owed.pk, why=given["why"], proof=given["proof"], by=person)

    return act(request, visit, action, form, url, decide)


def act(
    request: HttpRequest,
    visit: Appointment,
    action: VisitAction,
    form: VisitForm,
    url: str,
    call: Callable[[], Any],
    *,
    name: str = "",
) -> HttpResponse:
    """Call the service with what the form gave; a refusal comes back with the form and what was typed."""
    if not form.is_valid():
        return ask(request, visit, action, form, url, name=name, status=422)
    try:
        call()
    except StaleVersion as refusal:
        fresh = find_visit(request.user, visit.number)
        return ask(request, fresh, action, form, url, name=name, status=409, conflict=str(refusal.reasons[0]))
    except DomainError as refusal:
        form.refuse(refusal)
        return ask(request, visit, action, form, url, name=name, status=refusal.status)
    messages.success(request, str(action.done))
    return go(request, reverse("desk:case", args=[visit.number]))


def ask(
    request: HttpRequest,
    visit: Appointment,
    action: VisitAction,
    form: VisitForm,
    url: str,
    *,
    name: str = "",
    status: int = 200,
    conflict: str = "",
) -> HttpResponse:
    """The form: in the dialog for htmx, else a page of its own; what has no form is refused on the visit's page."""
    if not action.asks:
        return show_visit(request, visit, status=status, refused=form.non_field_errors())
    context = {
        "form": form,
        "action": action,
        "name": name,
        "ticket": visit,
        "url": url,
        "back_url": reverse("desk:case", args=[visit.number]),
        "back_words": _("Back to the visit"),
        "key": one_time_key(),
        "conflict": conflict,
        "changed": last_change(visit, request.user) if conflict else None,  # type: ignore[arg-type]
    }
    template = "desk/_act.html" if request.headers.get("HX-Request") else "desk/_act_page.html"
    return render(request, template, context, status=status)


@requires("appointments.see")
@require_GET
def visit_form(request: HttpRequest, number: str) -> HttpResponse:
    """The booking form for the counter: printed, signed and kept; the house number is left to the customer's hand."""
    visit = find_visit(request.user, number)
    pane = VisitPane(visit, request.user, now=clock.now())
    context = {"pane": pane, "visit": visit, "hours": cutoff_hours(visit), "now": clock.now()}
    return render(request, "desk/visit_form.html", context)


urlpatterns = [
    path("desk/c/<str:number>/visit/<slug:name>/", visit_do, name="visit_do"),
    path("desk/c/<str:number>/owed/<int:compensation_id>/", visit_exclude, name="visit_exclude"),
    path("desk/c/<str:number>/form/", visit_form, name="visit_form"),
]
