"""The portal's doors: what every page of it has in common, and who may come in.

Nothing here looks at a staff session: a customer is known by the portal's own cookie, or brings a signed link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.csrf import csrf_exempt

from appointments.models import Appointment
from appointments.permissions import access_appointment
from cases.links import BadLink, ExpiredLink, Purpose, read_token
from cases.models import Case
from cases.numbers import key_of
from common import clock
from common.views import remember_language
from customers.models import Customer
from tickets.models import Ticket
from tickets.permissions import access_ticket

from . import sessions

View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Door:
    """How somebody came to a matter, and so what of it is open: `purpose` is the link's, None for who is signed in."""

    case: Ticket | Appointment
    customer: Customer
    url: str
    purpose: Purpose | None = None

    @property
    def ticket(self) -> Ticket:
        assert isinstance(self.case, Ticket)
        return self.case

    @property
    def visit(self) -> Appointment:
        assert isinstance(self.case, Appointment)
        return self.case

    @property
    def signed_in(self) -> bool:
        return self.purpose is None

    @property
    def may_decide(self) -> bool:
        """Whether to say here that it is solved, or is not."""
        return self.purpose in (None, Purpose.CONFIRM)

    @property
    def may_change(self) -> bool:
        """Whether to confirm, move and cancel a visit here."""
        return self.purpose in (None, Purpose.VIEW, Purpose.BOOK)

    @property
    def may_rate(self) -> bool:
        return self.purpose in (None, Purpose.VIEW, Purpose.RATE)

    @property
    def how(self) -> str:
        return "portal" if self.signed_in else "link"


def page(view: View) -> View:
    """A page of the portal: never cached, its language switched by any of its forms, its cookie written at the end.

    A form that switches the language brings what was typed: `switching` is then true, and the view shows the form
    again, filled in and unchecked. So it does with a form that came when the visit was over, once the visitor is back
    from signing in. A view without a form is simply opened anew.
    """

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        wanted = request.POST.get("switch", "") if request.method == "POST" else ""
        if wanted not in dict(settings.LANGUAGES):
            if request.method == "GET" and _keeps_typed(view) and sessions.take_up(request):
                request._switching = True  # type: ignore[attr-defined]
            response = view(request, *args, **kwargs)
        else:
            translation.activate(wanted)
            request.LANGUAGE_CODE = wanted  # type: ignore[attr-defined]
            request._switching = True  # type: ignore[attr-defined]
            response = view(request, *args, **kwargs) if _keeps_typed(view) else redirect(request.get_full_path())
            remember_language(response, wanted)
            response["Content-Language"] = wanted
        sessions.remember(request, response)
        response.setdefault("Cache-Control", "private, no-store")
        return response

    return shown


def keeps_typed(view: View) -> View:
    """A view with a form: it shows again what was typed when the language is switched."""
    view.keeps_typed = True  # type: ignore[attr-defined]
    return view


def _keeps_typed(view: Any) -> bool:
    return bool(getattr(view, "keeps_typed", False))


def switching(request: HttpRequest) -> bool:
    return bool(getattr(request, "_switching", False))


def show(request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200) -> Any:
    """Render a page of the portal; `session` and `customer` are there for all of them."""
    session = sessions.of(request)
    facts = {
        "session": session,
        "customer": session.customer if session else None,
        # The page's form takes the language button along, so that switching sends what was typed.
        "has_form": bool(context and context.get("form")),
        **(context or {}),
    }
    return render(request, f"portal/{template}.html", facts, status=status)


def way_on(request: HttpRequest, default: str = "/") -> str:
    """Where to go after signing in: a page of ours, never another site."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else default


def to_sign_in(request: HttpRequest, back: str = "") -> HttpResponse:
    """Off to prove a number, and back to this page (or `back`) afterwards, where what was typed is shown again."""
    back = back or request.get_full_path()
    if request.method == "POST":
        sessions.set_aside(request, back.partition("?")[0])
    return redirect(f"{reverse('portal:sign_in')}?{urlencode({'next': back})}")


def needs_number(view: View) -> View:
    """For whoever has proven a number, customer or not (yet)."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        session = sessions.of(request)
        return view(request, *args, **kwargs) if session and session.phone else to_sign_in(request)

    return guarded


# What opens a matter of each kind, for its customer.
_OPENS: dict[str, Callable[[Customer, int], Ticket | Appointment]] = {
    Ticket.KIND: access_ticket,
    Appointment.KIND: access_appointment,
}
Acts = Mapping[str, View]


def signed_in(acts: Acts) -> View:
    """A page about one's own matter, by its kind: `view(request, door)`, found by its number.

    Anybody else's does not exist, nor does a page that its kind has not.
    """

    @keeps_typed
    def guarded(request: HttpRequest, number: str) -> HttpResponse:
        customer = sessions.customer_of(request)
        if customer is None:
            return to_sign_in(request)
        case = Case.objects.visible_to(customer).filter(pk=key_of(number) or 0).only("kind").first()
        if case is None or case.kind not in acts:
            raise Http404
        opened = _OPENS[case.kind](customer, case.pk)
        return _shown(request, Door(opened, customer, reverse("portal:case", args=[opened.number])), acts)

    return page(guarded)


def by_link(acts: Acts) -> View:
    """The same page by a signed link, which opens this one matter.

    No CSRF token: who can send this address a form holds the link, and no cookie of ours gives it any power. Under
    `no-referrer` browsers send `Origin: null` with forms, which Django would refuse.
    """

    @keeps_typed
    def guarded(request: HttpRequest, token: str) -> HttpResponse:
        try:
            link = read_token(token, at=clock.now())
            case = Case.objects.select_related("customer").get(pk=link.case_id)
        except ExpiredLink as refusal:
            return hidden(show(request, "link_expired", {"token": token}, status=refusal.status))
        except (BadLink, Case.DoesNotExist) as refusal:
            return hidden(show(request, "link_bad", status=getattr(refusal, "status", 404)))
        if case.customer is None or case.kind not in acts:
            return hidden(show(request, "link_bad", status=404))
        opened = _OPENS[case.kind](case.customer, case.pk)
        door = Door(opened, case.customer, reverse("portal:link", args=[token]), link.purpose)
        return hidden(_shown(request, door, acts))

    return csrf_exempt(page(guarded))


def _shown(request: HttpRequest, door: Door, acts: Acts) -> HttpResponse:
    """The page of this kind; one without a form is opened anew when the language is switched."""
    view = acts[door.case.kind]
    if switching(request) and not _keeps_typed(view):
        return redirect(request.get_full_path())
    return view(request, door)


def hidden(response: HttpResponse) -> HttpResponse:
    """An answer whose address is a secret: told to nobody, kept by nobody, found by no search engine."""
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Cache-Control"] = "no-store"
    return response
