from __future__ import annotations

from typing import Any

from axes.helpers import get_cool_off
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from common import clock
from common import session as sessions
from common.navigation import way_back
from common.views import remember_language

from .forms import PreferencesForm, PresenceForm, SignInForm
from .landing import landing
from .permissions import Role


class SignIn(LoginView):
    authentication_form = SignInForm
    template_name = "registration/sign_in.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(demo_roles=Role if settings.DEMO else [], **kwargs)

    def get_default_redirect_url(self) -> str:
        user: Any = self.request.user
        return landing(user)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any] | None) -> HttpResponse:
    """Shown by axes after too many failures. Every further try starts the wait again: it ends a full one from now."""
    cool_off = get_cool_off(request)
    until = clock.now() + cool_off if cool_off else None
    answer = render(request, "registration/locked_out.html", {"until": until}, status=429)
    if cool_off:
        answer["Retry-After"] = str(int(cool_off.total_seconds()))
    return answer


@login_required
@require_http_methods(["GET", "POST"])
def session(request: HttpRequest) -> HttpResponse:
    """Asked: how long the session lasts, which the header tells. Sent: whoever is there stays signed in."""
    if request.method == "POST":
        sessions.stay(request)
    return HttpResponse(status=204, headers={"Cache-Control": "private, no-store"})


@login_required
@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest()
    chosen = {name: value for name, value in form.cleaned_data.items() if value}
    user: Any = request.user
    for name, value in chosen.items():
        setattr(user, name, value)
    user.save(update_fields=list(chosen))
    back = redirect(way_back(request))
    if "language" in chosen:
        remember_language(back, chosen["language"])
    return back


@login_required
@require_POST
def presence(request: HttpRequest) -> HttpResponse:
    form = PresenceForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest()
    user: Any = request.user
    if user.presence != form.cleaned_data["presence"]:
        user.presence, user.presence_since = form.cleaned_data["presence"], clock.now()
        user.save(update_fields=["presence", "presence_since"])
    if request.headers.get("HX-Request"):
        return render(request, "ui/presence.html", {"user": user})
    return redirect(way_back(request))
