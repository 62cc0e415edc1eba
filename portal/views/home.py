"""Home, and the outages that are shown on it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import translation
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from common import clock
from common.errors import DomainError
from customers.models import Region
from customers.services import find_by_phone
from portal import matters, outages, sessions, visits
from portal.doors import page, show
from portal.subjects import SUBJECTS
from tickets.models import Outage
from tickets.outages import follow_outage


@page
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What one can do here; for who is signed in also what is in progress. A stranger names a region to see outages."""
    session, customer = sessions.of(request), sessions.customer_of(request)
    now = clock.now()
    asked = request.GET.get("region", "")
    region = Region.objects.filter(code=asked).first() if asked else None
    regions: list[Any] = outages.regions_of(customer) if customer else [region] if region else []
    context = {
        "outages": outages.of_regions(regions, session.phone if session else "", now=now),
        "subjects": SUBJECTS.values(),
        "rows": [*visits.in_progress(customer, now=now), *matters.in_progress(customer)] if customer else [],
        "regions": [] if customer else Region.objects.all(),
        "region": region,
        "several": bool(session and session.phone and not customer and find_by_phone(session.phone)),
    }
    return show(request, "home", context)


@page
@require_safe
def outage(request: HttpRequest, pk: int) -> HttpResponse:
    """One outage, with the offer to be told when it is over, and the way on for who reports it all the same."""
    found = Outage.objects.select_related("region").filter(pk=pk).first()
    if found is None:
        raise Http404
    session = sessions.of(request)
    now = clock.now()
    context = {
        "announced": outages.announced(found, session.phone if session else "", now=now),
        "over": found.ended_at is not None and found.ended_at <= now,
        "reporting": request.GET.get("for") == "report",
        "telling": "tell" in request.GET and bool(session and session.phone),
    }
    return show(request, "outage", context)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def follow(request: HttpRequest, pk: int) -> HttpResponse:
    """Be told when it is over: a number must be proven first."""
    address = reverse("portal:outage", args=[pk])
    if request.method != "POST":
        return redirect(address)
    session = sessions.of(request)
    if session is None or not session.phone:
        return redirect(f"{reverse('portal:sign_in')}?{urlencode({'next': f'{address}?tell=1'})}")
    try:
        follow_outage(outage_id=pk, phone=session.phone, language=translation.get_language())
    except Outage.DoesNotExist:
        raise Http404 from None
    except DomainError:
        pass  # over already: the page says so
    return redirect(address)


urlpatterns = [
    path("", home, name="home"),
    path("outages/<int:pk>/", outage, name="outage"),
    path("outages/<int:pk>/follow/", follow, name="follow"),
]
