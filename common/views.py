from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template import loader
from django.utils.translation import override
from django.views.decorators.http import require_POST

from .context import Page
from .navigation import way_back


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Switch and return to the same page: kept in the profile, and in a cookie for the time after signing out."""
    response = redirect(way_back(request))
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        return response
    user: Any = request.user
    if user.is_authenticated:
        user.language = language
        user.save(update_fields=["language"])
    remember_language(response, language)
    return response


def remember_language(response: HttpResponse, language: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=365 * 86400,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """The last page standing: no user, no session and no database, because any of them may be what broke."""
    page = Page(request)
    page.person = None
    with override(page.language):
        return HttpResponse(loader.get_template("500.html").render({"page": page}), status=500)
