"""Correcting a customer's file: the change form, asked for by the customer and checked before it is saved."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_http_methods

from appointments.models import Appointment
from common.errors import DomainError, StaleVersion
from customers.corrections import correct_customer
from customers.models import ChangeRecord
from desk.customerfile import CorrectForm
from desk.doors import requires
from desk.views.customers import customer_of


@requires("customers.change")
@require_http_methods(["GET", "POST"])
def correct(request: HttpRequest, pk: int) -> HttpResponse:
    """The form, filled with what is on file; saved, it leads back to the customer's page."""
    person: Any = request.user
    form = CorrectForm(request.POST if request.method == "POST" else None, customer=customer_of(pk), person=person)
    if request.method == "GET":
        return _page(request, form)
    if not form.is_valid():
        return _page(request, form, status=422)
    data = form.cleaned_data
    try:
        records = correct_customer(
            customer_id=pk, changes=form.changes, by=person, checked=data["checked"], version=data["version"] or 0
        )
    except StaleVersion as refusal:
        # The form anew: what it repeated of the older file would undo the other change. What was added is kept.
        anew = CorrectForm(customer=customer_of(pk), person=person)
        anew.initial |= {name: data[name] for name in CorrectForm.ADDED}
        return _page(request, anew, conflict=refusal.reasons[0], status=409)
    except DomainError as refusal:
        form.refuse(refusal)
        return _page(request, form, status=refusal.status)
    _tell(request, records)
    return redirect("desk:customer", pk=pk)


def _page(request: HttpRequest, form: CorrectForm, *, conflict: Any = "", status: int = 200) -> HttpResponse:
    context = {"customer": form.customer, "form": form, "conflict": conflict}
    return render(request, "desk/correct.html", context, status=status)


def _tell(request: HttpRequest, records: list[ChangeRecord]) -> None:
    if not records:
        messages.warning(request, _("Nothing was changed."))
        return
    messages.success(request, _("Saved, and recorded in the log of this file."))
    if any(record.what == ChangeRecord.What.CONTACT_RETIRED for record in records):
        messages.warning(
            request,
            _("Links sent to it earlier still open the matter. Withdraw them if somebody else may have it now."),
        )
    retired = [
        int(record.item.partition(":")[2]) for record in records if record.what == ChangeRecord.What.ADDRESS_RETIRED
    ]
    booked = Appointment.objects.visible_to(request.user).open().filter(address__in=retired) if retired else []
    if numbers := pgettext("between two numbers", ", ").join(visit.number for visit in booked):
        words = _("Visits are still booked at an address that is no longer valid: %(numbers)s. Arrange them anew.")
        messages.warning(request, words % {"numbers": numbers})


urlpatterns = [path("desk/customers/<int:pk>/correct/", correct, name="customer_correct")]
