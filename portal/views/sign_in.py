"""Signing in: a mobile number, a code, and where several share the number, who it is."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import translation
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from cases.models import Case
from common.caller import address_of
from common.errors import DomainError
from customers import masking
from customers.models import Contact, Customer
from customers.services import find_by_phone
from portal import codes, sessions
from portal.codes import is_mobile
from portal.doors import keeps_typed, needs_number, page, show, switching, way_on
from portal.forms import CodeForm, PhoneForm, WhoForm


def _onward(request: HttpRequest, name: str) -> str:
    """The next page of signing in, which remembers where to go at the end."""
    way = way_on(request)
    return reverse(f"portal:{name}") + (f"?{urlencode({'next': way})}" if way != "/" else "")


@page
@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for the number and send the code. The answer is the same for every number."""
    form, status = PhoneForm(request.POST or None), 200
    if form.is_bound and switching(request):
        form = PhoneForm(initial=request.POST.dict())
    elif form.is_bound:
        status = 422
        if form.is_valid():
            try:
                codes.send_code(
                    session=sessions.begin(request),
                    phone=form.cleaned_data["phone"],
                    address=address_of(request),
                    language=translation.get_language(),
                )
            except DomainError as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                return redirect(_onward(request, "code"))
    context = {"form": form, "next": way_on(request), "demo_phones": _demo_phones() if settings.DEMO else []}
    return show(request, "sign_in", context, status=status)


def _demo_phones() -> list[str]:
    """Some made-up customers with something in progress, for who looks around."""
    lasting = Case.objects.open().filter(customer__contacts__kind=Contact.Kind.PHONE).order_by("-pk")
    customers = Customer.objects.filter(pk__in=list(lasting.values_list("customer_id", flat=True)[:12]))
    phones = [customer.phone.value for customer in customers.prefetch_related("contacts") if customer.phone]
    return [phone for phone in phones if len(find_by_phone(phone)) == 1 and is_mobile(phone)][:3]


@page
@keeps_typed
@require_http_methods(["GET", "HEAD", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """Take the code, or send another."""
    session = sessions.of(request)
    if session is None or not session.code_phone:
        return redirect(_onward(request, "sign_in"))
    form, status = CodeForm(), 200
    if request.method == "POST" and switching(request):
        form = CodeForm(initial=request.POST.dict())
    elif "again" in request.POST:
        form = CodeForm({"code": ""})
        form.errors.clear()
        try:
            codes.send_code(
                session=session,
                phone=session.code_phone,
                address=address_of(request),
                language=translation.get_language(),
            )
        except DomainError as refusal:
            form.add_error(None, [str(reason) for reason in refusal.reasons])
            status = refusal.status
        else:
            return redirect(_onward(request, "code"))
    elif request.method == "POST":
        form, status = CodeForm(request.POST), 422
        if form.is_valid():
            try:
                number = codes.check_code(session=session, code=form.cleaned_data["code"], address=address_of(request))
            except DomainError as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                return _proven(request, number)
    context = {
        "form": form,
        "next": way_on(request),
        "to": masking.phone(session.code_phone),
        "outbox": settings.DEMO or settings.DEBUG,
    }
    return show(request, "code", context, status=status)


def _proven(request: HttpRequest, number: str) -> HttpResponse:
    """The number is the visitor's. One customer under it is who that is; of several the visitor says which."""
    session = sessions.begin(request)
    sessions.prove(request, session, number)
    customers = find_by_phone(number)
    if len(customers) > 1:
        return redirect(_onward(request, "who"))
    if customers:
        session.customer = customers[0]
        session.save(update_fields=["customer"])
    return redirect(way_on(request))


@page
@keeps_typed
@needs_number
@require_http_methods(["GET", "HEAD", "POST"])
def who(request: HttpRequest) -> HttpResponse:
    """Which of the customers under this number it is, by the beginning of the name."""
    session = sessions.begin(request)
    customers = find_by_phone(session.phone)
    form, status = WhoForm(request.POST or None, customers=customers), 200
    if form.is_bound and switching(request):
        form = WhoForm(initial=request.POST.dict(), customers=customers)
    elif form.is_bound:
        status = 422
        if form.is_valid():
            chosen = form.cleaned_data["who"]
            session.customer = next((found for found in customers if str(found.pk) == chosen), None)
            session.save(update_fields=["customer"])
            return redirect(way_on(request))
    return show(request, "who", {"form": form, "next": way_on(request)}, status=status)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        sessions.end(request)
    return redirect("portal:home")


urlpatterns = [
    path("my/sign-in/", sign_in, name="sign_in"),
    path("my/sign-in/code/", code, name="code"),
    path("my/sign-in/who/", who, name="who"),
    path("my/sign-out/", sign_out, name="sign_out"),
]
