"""The palette: one field for numbers, telephones, accounts, names and places; also a page of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from appointments.models import Appointment
from cases.models import Case
from cases.numbers import key_of
from common import navigation
from customers.models import Customer
from customers.services import find_customers
from desk import archive
from desk.doors import FRAME, requires
from desk.visitlines import time_words
from tickets.models import Ticket

MOST = 8


@dataclass(frozen=True)
class Hit:
    """One line of the results; `words` is cut around the part that matched, so that it can be marked."""

    url: str
    icon: str
    words: tuple[str, str, str]
    note: str = ""


@dataclass(frozen=True)
class Group:
    key: str
    title: str
    hits: list[Hit]


@requires(*FRAME)
@require_GET
@vary_on_headers("HX-Request")
def find(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()[:100]
    groups = results(request, query)
    context = {
        "query": query,
        "groups": groups,
        "nothing": not any(group.key != "actions" for group in groups),
        "archive_url": everything(request, query),
    }
    template = "desk/_find.html" if request.headers.get("HX-Request") else "desk/find.html"
    return render(request, template, context)


def results(request: HttpRequest, query: str) -> list[Group]:
    """What the text may mean, in groups of at most eight; only what this person may open."""
    user: Any = request.user
    people = find_customers(query, limit=MOST) if query and user.may("customers.see") else []
    groups = [
        Group("tickets", _("Tickets"), _tickets(user, query, people) if query else []),
        Group("visits", _("Visits"), _visits(user, query, people) if query else []),
        Group("customers", _("Customers"), [_customer_hit(customer, query) for customer in people]),
        Group("places", _("Go to"), _places(request, query)),
    ]
    actions = [_new_ticket(query, people)] if query and user.may("tickets.open") else []
    if len(people) == 1 and user.may("appointments.book"):
        actions.append(_new_visit(people[0]))
    groups.append(Group("actions", _("Actions"), actions))
    return [group for group in groups if group.hits]


def everything(request: HttpRequest, query: str) -> str:
    """Where the same words are looked for among closed cases too; "" for who may not, and for a number.

    What bears a number is found whether it is open or not.
    """
    user: Any = request.user
    return archive.address(q=query) if query and key_of(query) is None and user.may("desk.open") else ""


def cut(words: str, query: str) -> tuple[str, str, str]:
    """`words` before, at and after the first place where `query` stands in it."""
    at = words.casefold().find(query.casefold()) if query else -1
    # Folding may change the length of a text; then nothing is marked rather than the wrong part.
    if at < 0 or len(words.casefold()) != len(words):
        return words, "", ""
    return words[:at], words[at : at + len(query)], words[at + len(query) :]


def _tickets(user: Any, query: str, people: list[Customer]) -> list[Hit]:
    """By number; else open ones whose subject holds the text, and those of the customers found, most urgent first."""
    visible = Case.objects.visible_to(user).filter(kind=Ticket.KIND).select_related("customer")
    if (key := key_of(query)) is not None and (case := visible.filter(pk=key).first()):
        return [_case_hit(case, query)]
    found: dict[int, Case] = {}
    if people:
        theirs = visible.open().filter(customer__in=people).order_by("sort_due_at", "pk")
        found |= {case.pk: case for case in theirs[:MOST]}
    if len(query) >= 2 and len(found) < MOST:
        named = visible.open().filter(subject__icontains=query).order_by("sort_due_at", "pk")
        found |= {case.pk: case for case in named[:MOST]}
    return [_case_hit(case, query) for case in list(found.values())[:MOST]]


def _visits(user: Any, query: str, people: list[Customer]) -> list[Hit]:
    """By number; else the open ones of the customers found, the next first."""
    visible = Appointment.objects.visible_to(user).select_related("customer")
    if (key := key_of(query)) is not None and (visit := visible.filter(pk=key).first()):
        return [_visit_hit(visit)]
    if not people:
        return []
    return [
        _visit_hit(visit) for visit in visible.open().filter(customer__in=people).order_by("starts_at", "pk")[:MOST]
    ]


def _visit_hit(visit: Appointment) -> Hit:
    parts = [visit.number, str(visit.customer or ""), time_words(visit), visit.get_state_label()]
    words = (visit.get_type_label(), "", "")
    return Hit(reverse("desk:case", args=[visit.number]), "truck", words, " · ".join(filter(None, parts)))


def _case_hit(case: Case, query: str) -> Hit:
    note = " · ".join(filter(None, [case.number, str(case.customer or ""), case.get_state_label()]))
    return Hit(reverse("desk:case", args=[case.number]), "inbox", cut(case.subject, query), note)


def _customer_hit(customer: Customer, query: str) -> Hit:
    contact = customer.phone or customer.email
    note = " · ".join(filter(None, [contact.masked if contact else "", customer.get_grade_display()]))
    return Hit(reverse("desk:customer", args=[customer.pk]), "user", cut(customer.name, query), note)


def _new_ticket(query: str, people: list[Customer]) -> Hit:
    """Register what was asked for: for the one customer found, or with the text as the number."""
    address = reverse("desk:new")
    if len(people) == 1:
        words = _("New ticket for %(customer)s") % {"customer": people[0]}
        return Hit(f"{address}?{urlencode({'customer': people[0].pk})}", "plus", (words, "", ""))
    if sum(character.isdigit() for character in query) >= 7 and key_of(query) is None:
        words = _("New ticket for the number %(number)s") % {"number": query}
        return Hit(f"{address}?{urlencode({'phone': query})}", "plus", (words, "", ""))
    return Hit(address, "plus", (_("New ticket"), "", ""))


def _new_visit(customer: Customer) -> Hit:
    words = _("Book a visit for %(customer)s") % {"customer": customer}
    return Hit(f"{reverse('desk:book')}?{urlencode({'customer': customer.pk})}", "calendar-days", (words, "", ""))


def _places(request: HttpRequest, query: str) -> list[Hit]:
    user: Any = request.user
    places = [(place.url, str(place.entry.label), place.entry.icon) for place in navigation.rail(request)]
    if user.may("desk.open"):
        places.append((reverse("desk:archive"), _("Search tickets and visits"), "search"))
    if user.may("tickets.open"):
        places.append((reverse("desk:new"), _("New ticket"), "plus"))
    if user.may("appointments.book"):
        places.append((reverse("desk:book"), _("Book a visit"), "calendar-days"))
    places += [(place.url, str(place.entry.label), place.entry.icon) for place in navigation.settings(request)]
    unlike = {url: (url, label, icon) for url, label, icon in places}.values()
    return [Hit(url, icon, cut(label, query)) for url, label, icon in unlike if query.casefold() in label.casefold()][
        :MOST
    ]


urlpatterns = [path("desk/find/", find, name="find")]
