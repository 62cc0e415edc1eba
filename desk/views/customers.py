"""A customer's page: masked until somebody says why they must see more.

Whoever holds `customers.see` may open any customer: intake has to find every caller, and what the page shows is
masked. Tickets on it are those the person may see; each look at a protected value is recorded and limited in rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from cases.links import revoke_all_links
from common import clock
from common.errors import DomainError
from customers import masking
from customers.models import Customer, Language
from customers.services import change_customer
from customers.services import reveal as reveal_value
from desk.customerfile import log_of
from desk.doors import requires
from desk.outagenotice import of_customer
from desk.rows import case_chip
from desk.visitlines import visit_lines
from tickets.models import Ticket

PAGE = 20


class ServedForm(forms.Form):
    """How the customer wants to be served."""

    language = forms.ChoiceField(label=gettext_lazy("Language of messages"), choices=Language.choices)
    preferred_channel = forms.ChoiceField(
        label=gettext_lazy("Prefers"), choices=Customer.Channel.choices, widget=forms.RadioSelect
    )
    vulnerable = forms.BooleanField(
        label=gettext_lazy("Needs extra care (older, disabled, medical need)"), required=False
    )


@dataclass
class Protected:
    """One protected value as the page shows it: masked, or once in the open."""

    what: str
    label: str
    masked: str
    hidden: bool = True
    value: str = ""
    reason: str = ""
    error: str = ""

    @property
    def key(self) -> str:
        return self.what.replace(":", "-")


def _protected(customer: Customer) -> list[Protected]:
    contacts = [Protected(f"contact:{c.pk}", c.get_kind_display(), c.masked) for c in customer.contacts.all()]
    addresses = [
        Protected(f"address:{a.pk}", _("Address"), a.masked, hidden=bool(a.house)) for a in customer.addresses.all()
    ]
    return contacts + addresses


def _in_full(customer: Customer, what: str, value: str) -> str:
    """What was revealed as people use it: a house number with its street and region."""
    kind, _separator, key = what.partition(":")
    if kind != "address":
        return value
    address = next(entry for entry in customer.addresses.all() if entry.pk == int(key))
    return masking.address(address.region, address.street, value, reveal=True)


def customer_of(pk: int) -> Customer:
    return get_object_or_404(Customer.objects.prefetch_related("contacts", "addresses__region", "services"), pk=pk)


def _page(
    request: HttpRequest,
    customer: Customer,
    *,
    shown: Protected | None = None,
    form: ServedForm | None = None,
    status: int = 200,
) -> HttpResponse:
    user: Any = request.user
    tickets = Ticket.objects.visible_to(user).filter(customer=customer).select_related("owner", "team")
    page = Paginator(tickets.order_by("-received_at", "-pk"), PAGE).get_page(request.GET.get("page"))
    now = clock.now()
    context = {
        "customer": customer,
        "protected": [shown if shown and shown.what == entry.what else entry for entry in _protected(customer)],
        "rows": [(ticket, case_chip(ticket, now=now)) for ticket in page],
        "tickets": page,
        "outages": of_customer(customer, now=now),
        "log": log_of(customer),
        "visits": visit_lines(user, customer=customer),
        "may_book": user.may("appointments.book"),
        "may_reveal": user.may("customers.reveal"),
        "may_change": user.may("customers.change"),
        "may_open": user.may("tickets.open"),
        "form": form
        or ServedForm(
            initial={
                "language": customer.language,
                "preferred_channel": customer.preferred_channel,
                "vulnerable": customer.vulnerable,
            }
        ),
    }
    return render(request, "desk/customer.html", context, status=status)


@requires("customers.see")
@require_GET
def customer(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, customer_of(pk))


@requires("customers.reveal")
@require_POST
def reveal(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one protected value once, after writing down who looked and why."""
    found = customer_of(pk)
    what, reason = request.POST.get("what", ""), request.POST.get("reason", "")
    shown = next((entry for entry in _protected(found) if entry.what == what), None)
    status = 200
    problem = ""
    try:
        value = _in_full(found, what, reveal_value(customer=found, what=what, reason=reason, by=request.user))
    except DomainError as refusal:
        problem, value, status = " ".join(str(words) for words in refusal.reasons), "", refusal.status
    if shown is None:
        messages.error(request, problem)
        return _page(request, found, status=status or 422)
    shown.value, shown.reason, shown.error = value, reason, problem
    if not request.headers.get("HX-Request"):
        return _page(request, found, shown=shown, status=status)
    # htmx shows 409 and 422; whatever else was refused is a conflict to it.
    status = status if status in (200, 422) else 409
    context = {"entry": shown, "customer": found, "may_reveal": True}
    return render(request, "desk/_customer_value.html", context, status=status)


@requires("customers.change")
@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """How the customer is served: language, channel, extra care."""
    found = customer_of(pk)
    form = ServedForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form=form, status=422)
    change_customer(customer_id=found.pk, by=request.user, **form.cleaned_data)
    messages.success(request, _("Saved. Messages follow the new choice from now on."))
    return redirect("desk:customer", pk=found.pk)


@requires("customers.change")
@require_POST
def withdraw_links(request: HttpRequest, pk: int) -> HttpResponse:
    """The phone is lost, or a message went to the wrong person: no link sent so far opens anything any more."""
    found = customer_of(pk)
    count = revoke_all_links(customer_id=found.pk, by=request.user)
    if count:
        words = ngettext(
            "The links about %(count)s case are withdrawn. New messages carry new ones.",
            "The links about %(count)s cases are withdrawn. New messages carry new ones.",
            count,
        )
        messages.success(request, words % {"count": count})
    else:
        messages.warning(request, _("No link that was sent to this customer still works."))
    return redirect("desk:customer", pk=found.pk)


urlpatterns = [
    path("desk/customers/<int:pk>/", customer, name="customer"),
    path("desk/customers/<int:pk>/reveal/", reveal, name="reveal"),
    path("desk/customers/<int:pk>/change/", change, name="customer_change"),
    path("desk/customers/<int:pk>/withdraw-links/", withdraw_links, name="withdraw_links"),
]
