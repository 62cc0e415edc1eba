"""Reporting, one question a page: what, where, and a look at it all before it is sent.

What was answered is kept with the visit, so that going back, changing the language and signing in lose nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import translation
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from cases.numbers import key_of
from common import clock
from common.errors import DomainError
from customers import masking
from portal import outages, reports, sessions
from portal.doors import Door, keeps_typed, page, show, switching, to_sign_in
from portal.forms import NameForm, PortalForm, ServiceForm, WhatForm, WhereForm
from portal.matters import Matter
from portal.reports import NEW_PLACE, OTHER, Draft
from portal.subjects import CHECK, SERVICE, SUBJECTS, WHAT, WHERE, Subject, branches
from tickets.models import Ticket

MakeForm = Callable[..., PortalForm]


def _subject(key: str) -> Subject:
    try:
        return SUBJECTS[key]
    except KeyError:
        raise Http404 from None


def _draft(request: HttpRequest, subject: Subject) -> Draft:
    return Draft.of(sessions.draft(sessions.of(request), subject.key))


def _address(subject: Subject, step: str) -> str:
    return reverse("portal:report_step", args=[subject.key, step])


def _steps(subject: Subject) -> list[str]:
    """The questions to put: a house without categories has no services to choose from."""
    return [step for step in subject.steps if step != SERVICE or branches(subject)]


def _after(subject: Subject, step: str) -> str:
    steps = _steps(subject)
    return steps[steps.index(step) + 1]


@page
@require_safe
def begin(request: HttpRequest, subject: str) -> HttpResponse:
    about = _subject(subject)
    return redirect(_address(about, _steps(about)[0]))


@page
@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def step(request: HttpRequest, subject: str, step: str) -> HttpResponse:
    about = _subject(subject)
    if step not in _steps(about):
        raise Http404
    begins = step == _steps(about)[0] and request.method != "POST"
    if not begins and sessions.is_over(request, about.key):
        return to_sign_in(request)
    if step == CHECK:
        return _check(request, about)
    return _question(request, about, step)


def _form(request: HttpRequest, subject: Subject, step: str, draft: Draft) -> Callable[..., PortalForm]:
    def make(data: Any = None, **options: Any) -> PortalForm:
        if step == WHERE:
            return WhereForm(data, customer=sessions.customer_of(request), **options)
        return (ServiceForm if step == SERVICE else WhatForm)(data, subject=subject, draft=draft, **options)

    return make


def _question(request: HttpRequest, subject: Subject, step: str) -> HttpResponse:
    draft = _draft(request, subject)
    if draft.sent:
        draft = Draft()  # a new matter
    if step == WHAT and SERVICE in _steps(subject) and not draft.service:
        return redirect(_address(subject, SERVICE))
    make, status = _form(request, subject, step, draft), 200
    form = make(initial=reports.place_known(draft, sessions.customer_of(request)) if step == WHERE else draft.values)
    if request.method == "POST" and switching(request):
        form = make(initial=request.POST.dict())
    elif request.method == "POST":
        form, status = make(request.POST), 422
        if form.is_valid():
            _keep(request, subject, step, draft, form.cleaned_data)
            return redirect(_onward(request, subject, step))
    session, customer = sessions.of(request), sessions.customer_of(request)
    regions = outages.regions_of(customer) if customer and step == _steps(subject)[0] else []
    context = {
        **_where_one_is(subject, step),
        "form": form,
        "step": step,
        "outages": outages.of_regions(regions, session.phone if session else "", now=clock.now())
        if subject.key == "fault"
        else [],
    }
    return show(request, f"report_{step}", context, status=status)


def _keep(request: HttpRequest, subject: Subject, step: str, draft: Draft, data: dict[str, Any]) -> None:
    values = draft.values
    if step == SERVICE and data["service"] != draft.service:
        values.pop("what", None)  # another service has other faults
    for name, value in data.items():
        values[name] = value.code if name == "region" and value else value or ""
    if step == WHERE and data.get("place") != NEW_PLACE:
        values |= {"region": "", "street": "", "house": ""}
    sessions.keep(sessions.begin(request), subject.key, Draft.of(values).values)


def _onward(request: HttpRequest, subject: Subject, step: str) -> str:
    """The next question; before the last one, what is known of an outage there."""
    following = _address(subject, _after(subject, step))
    if subject.key != "fault" or step != WHERE:
        return following
    region = reports.region_of(_draft(request, subject), sessions.customer_of(request))
    session = sessions.of(request)
    known = outages.of_regions([region] if region else [], session.phone if session else "", now=clock.now())
    if known and not known[0].following:
        return f"{reverse('portal:outage', args=[known[0].pk])}?{urlencode({'for': 'report'})}"
    return following


def _check(request: HttpRequest, subject: Subject) -> HttpResponse:
    """Everything on one page, how we reach the visitor, and the button that sends it."""
    draft = _draft(request, subject)
    if draft.sent:
        return redirect("portal:report_done", subject=subject.key)
    if missing := reports.missing_step(subject, draft, sessions.customer_of(request)):
        return redirect(_address(subject, missing))
    session = sessions.of(request)
    if session is None or not session.phone:
        return to_sign_in(request)
    newcomer = session.customer is None
    form, status = NameForm(initial=draft.values) if newcomer else PortalForm(), 200
    if request.method == "POST" and switching(request):
        form = NameForm(initial=request.POST.dict()) if newcomer else PortalForm()
    elif request.method == "POST":
        form, status = NameForm(request.POST) if newcomer else PortalForm(request.POST), 422
        if form.is_valid():
            try:
                reports.send(
                    session=session,
                    subject=subject.key,
                    name=form.cleaned_data.get("name", ""),
                    language=translation.get_language(),
                )
            except DomainError as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                return redirect("portal:report_done", subject=subject.key)
    place = reports.place_of(draft, session.customer)
    region = reports.region_of(draft, session.customer)
    context = {
        **_where_one_is(subject, CHECK),
        "form": form,
        "draft": draft,
        "what": "" if draft.what in ("", OTHER) else reports.category_of(subject, draft),
        "service": _service_name(subject, draft),
        "place": masking.address(place.region, place.street, place.house, reveal=bool(place.house))
        if place
        else masking.address(region, draft.street, draft.house, reveal=True),
        "phone": masking.phone(session.phone),
        "change": {name: _address(subject, name) for name in _steps(subject)},
    }
    return show(request, "report_check", context, status=status)


def _service_name(subject: Subject, draft: Draft) -> str:
    if not draft.service:
        return ""
    return str(dict(ServiceForm(subject=subject, draft=draft).fields["service"].choices).get(draft.service, ""))  # type: ignore[attr-defined]


@page
@require_safe
def done(request: HttpRequest, subject: str) -> HttpResponse:
    """The number, and by when we answer."""
    about = _subject(subject)
    draft, customer = _draft(request, about), sessions.customer_of(request)
    ticket = Ticket.objects.visible_to(customer).filter(pk=key_of(draft.sent) or 0).first() if customer else None
    if ticket is None or customer is None:
        return redirect("portal:report", subject=about.key)
    door = Door(ticket, customer, reverse("portal:case", args=[ticket.number]))
    return show(request, "report_done", {"subject": about, "matter": Matter(door, now=clock.now())})


def _where_one_is(subject: Subject, step: str) -> dict[str, Any]:
    """Subject, `3 of 4`, and the way back."""
    steps = _steps(subject)
    position = steps.index(step)
    return {
        "subject": subject,
        "position": position + 1,
        "count": len(steps),
        "back": _address(subject, steps[position - 1]) if position else reverse("portal:home"),
        "bars": [number <= position for number in range(len(steps))],
    }


urlpatterns = [
    path("report/<slug:subject>/", begin, name="report"),
    path("report/<slug:subject>/done/", done, name="report_done"),
    path("report/<slug:subject>/<slug:step>/", step, name="report_step"),
]
