"""Intake at the phone, at the counter and elsewhere: one page, with two fragments that help while typing."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods
from django.views.decorators.vary import vary_on_headers

from common import clock, typed
from common.errors import DomainError
from desk import intake, texts
from desk.doors import requires
from desk.intake import IntakeForm
from desk.outagenotice import OutageNotice, at_intake
from notifications.models import InboundMessage


@requires("tickets.open")
@require_http_methods(["GET", "POST"])
@vary_on_headers("HX-Request")
def new(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    if request.method == "GET":
        asked = {name: request.GET.get(name, "") for name in ("phone", "customer") if request.GET.get(name)}
        if request.GET.get("text"):
            message = InboundMessage.objects.filter(pk=typed.key(request.GET["text"])).first()
            if message is None or not message.is_undecided:
                messages.warning(request, _("Somebody has dealt with this text message already."))
                return redirect("desk:texts")
            asked |= texts.begun(message)
        return _page(request, IntakeForm(initial=asked, person=user))
    form = IntakeForm(request.POST, person=user)
    if "find" in request.POST:  # without script: look the customer up, keep everything typed
        return _page(request, form, check=False)
    if "suggest" in request.POST:  # without script: a category proposed is taken, with the team whose work it is
        return _page(request, _with_category(form, request.POST["suggest"]), check=False)
    if form.is_valid():
        try:
            registered = intake.register(form.cleaned_data, by=user)
        except DomainError as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, list(refusal.reasons))
        else:
            return _registered(request, registered)
    return _page(request, form, status=422)


def _with_category(form: IntakeForm, category: str) -> IntakeForm:
    data = form.data.copy()
    stays = data.get("to") != form.proposed
    data["category"] = category
    taken = IntakeForm(data, person=form.person)
    data["to"] = data.get("to", "") if stays else taken.proposed
    return taken


def _registered(request: HttpRequest, registered: intake.Registered) -> HttpResponse:
    number = {"number": registered.ticket.number}
    if registered.again:
        messages.warning(request, _("%(number)s was registered a moment ago. Nothing was entered twice.") % number)
    else:
        messages.success(request, _("%(number)s is registered.") % number)
    for remark in registered.remarks:
        messages.warning(request, str(remark))
    address = reverse("desk:case", args=[registered.ticket.number])
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return redirect(address)


def _page(request: HttpRequest, form: IntakeForm, *, check: bool = True, status: int = 200) -> HttpResponse:
    user: Any = request.user
    if form.is_bound and not check:
        form._errors = {}  # type: ignore[assignment]  # only looked up, not sent
    text, chosen = form["phone"].value() or "", form["customer"].value() or ""
    if form.message:
        text = text or form.message.sender
    context = {
        "form": form,
        "message": form.message and texts.line(form.message),
        **_found(text, chosen, keep=True),
        "duplicates": intake.duplicates(chosen, form["subject"].value() or "", person=user),
    }
    context["suggestions"] = intake.suggestions(
        form["subject"].value() or "", form["category"].value() or "", form.nodes
    )
    context["outages"] = _outages(context["chosen"], form["region"].value() or "")
    return render(request, "desk/new.html", context, status=status)


def _outages(chosen: str, region: Any) -> list[OutageNotice]:
    return at_intake(typed.key(chosen), typed.key(str(region)), now=clock.now())


def _found(text: str, chosen: str, *, keep: bool = False) -> dict[str, Any]:
    """The customers to choose from. A choice that no longer fits the text is dropped, unless `keep`; a lone exact
    match is chosen."""
    candidates = intake.candidates(text)
    key = typed.key(chosen)
    if keep and key is not None and chosen not in {str(candidate.customer.pk) for candidate in candidates}:
        candidates = [*intake.candidate(key), *candidates]
    if chosen != intake.NEW and chosen not in {str(candidate.customer.pk) for candidate in candidates}:
        exact = [candidate for candidate in candidates if intake.reachable_under(text, candidate)]
        chosen = str(exact[0].customer.pk) if len(exact) == 1 else ""
    return {"candidates": candidates, "chosen": chosen, "searched": bool(text.strip())}


@requires("tickets.open")
@require_GET
def customer(request: HttpRequest) -> HttpResponse:
    """Who may be calling, while the number is being typed; brings that customer's open tickets along."""
    user: Any = request.user
    found = _found(request.GET.get("phone", ""), request.GET.get("customer", ""))
    also = intake.duplicates(found["chosen"], request.GET.get("subject", ""), person=user)
    context = {
        **found,
        "duplicates": also,
        "outages": _outages(found["chosen"], request.GET.get("region", "")),
        "fragment": True,
    }
    return render(request, "desk/_new_customer.html", context)


@requires("tickets.open")
@require_GET
def duplicates(request: HttpRequest) -> HttpResponse:
    """Open tickets of the chosen customer that this one may repeat. What is out where they live comes along, and the
    categories that the subject may mean."""
    user: Any = request.user
    chosen, subject = request.GET.get("customer", ""), request.GET.get("subject", "")
    context = {
        "duplicates": intake.duplicates(chosen, subject, person=user),
        "suggestions": intake.suggestions(subject, request.GET.get("category", "")),
        "outages": _outages(chosen, request.GET.get("region", "")),
    }
    return render(request, "desk/_new_typed.html", context)


urlpatterns = [
    path("desk/new/", new, name="new"),
    path("desk/new/customer/", customer, name="new_customer"),
    path("desk/new/duplicates/", duplicates, name="new_duplicates"),
]
