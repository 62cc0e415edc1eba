"""Area outages: everybody at the desk reads them, supervisors enter them, put them off and end them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from common import clock
from common.errors import DomainError
from customers.models import Region
from desk.doors import requires
from desk.views.settings import FILL, tabs
from tickets import outages
from tickets.models import Outage

PAGE = 20
LASTING_SHOWN = 200


class WhenField(forms.DateTimeField):
    """A date and a time in the browser's own picker. A year half typed is none."""

    widget = forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})
    default_error_messages = {"invalid": gettext_lazy("Give a date and a time.")}

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except OverflowError:
            raise forms.ValidationError(self.error_messages["invalid"]) from None


class OutageForm(forms.Form):
    region = forms.ModelChoiceField(
        Region.objects.all(), label=gettext_lazy("Region"), empty_label=gettext_lazy("Choose"), error_messages=FILL
    )
    text_zh = forms.CharField(
        label=gettext_lazy("What customers read, in Chinese"),
        max_length=Outage.LONGEST_TEXT,
        widget=forms.TextInput(attrs={"lang": "zh-Hans"}),
        error_messages=FILL,
    )
    text_en = forms.CharField(
        label=gettext_lazy("What customers read, in English"),
        max_length=Outage.LONGEST_TEXT,
        widget=forms.TextInput(attrs={"lang": "en"}),
        error_messages=FILL,
    )
    expected_at = WhenField(label=gettext_lazy("Expected to be over"), required=False)


class ExpectedForm(forms.Form):
    expected_at = WhenField(label=gettext_lazy("Expected to be over"), error_messages=FILL)

    @classmethod
    def of(cls, outage: Outage) -> ExpectedForm:
        """A form of its own for each outage on the page, with what is announced now."""
        return cls(initial={"expected_at": outage.expected_at}, auto_id=f"id_%s_{outage.pk}")


def _refused(form: forms.Form, refusal: DomainError) -> None:
    form.add_error(refusal.field if refusal.field in form.fields else None, [str(r) for r in refusal.reasons])


@requires("desk.open")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    return _page(request)


@requires(outages.ABILITY)
@require_POST
def enter(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    form = OutageForm(request.POST)
    if form.is_valid():
        try:
            outage = outages.enter_outage(by=user, **form.cleaned_data)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("Customers in %(region)s see it now.") % {"region": outage.region})
            return redirect("desk:outages")
    return _page(request, form=form)


@requires(outages.ABILITY)
@require_POST
def extend(request: HttpRequest, pk: int) -> HttpResponse:
    outage = get_object_or_404(Outage, pk=pk)
    user: Any = request.user
    form = ExpectedForm(request.POST)
    if form.is_valid():
        try:
            outages.extend_outage(outage_id=outage.pk, expected_at=form.cleaned_data["expected_at"], by=user)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("desk:outages")
    return _page(request, late=(outage.pk, form))


@requires(outages.ABILITY)
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    outage = get_object_or_404(Outage, pk=pk)
    user: Any = request.user
    try:
        outages.end_outage(outage_id=outage.pk, by=user)
    except DomainError as refusal:
        messages.warning(request, " ".join(str(reason) for reason in refusal.reasons))
    else:
        messages.success(request, _("It is over. Whoever asked to be told gets a message."))
    return redirect("desk:outages")


def _page(
    request: HttpRequest, *, form: OutageForm | None = None, late: tuple[int, ExpectedForm] | None = None
) -> HttpResponse:
    user: Any = request.user
    now = clock.now()
    lasting = outages.current(now).annotate(asked=Count("followers"))
    over = Outage.objects.filter(ended_at__lte=now).select_related("region", "entered_by").order_by("-ended_at", "-pk")
    context = {
        "tabs": tabs(request),
        "lasting": [
            (outage, late[1] if late and late[0] == outage.pk else ExpectedForm.of(outage))
            for outage in lasting[:LASTING_SHOWN]
        ],
        "over": Paginator(over, PAGE).get_page(request.GET.get("page")),
        "may_change": user.may(outages.ABILITY),
        "form": form or OutageForm(),
    }
    bad = bool((form and form.errors) or (late and late[1].errors))
    return render(request, "desk/settings/outages.html", context, status=422 if bad else 200)


urlpatterns = [
    path("settings/outages/", index, name="outages"),
    path("settings/outages/add/", enter, name="enter_outage"),
    path("settings/outages/<int:pk>/extend/", extend, name="extend_outage"),
    path("settings/outages/<int:pk>/end/", end, name="end_outage"),
]
