"""The desk's door: who is a stranger signs in, who may not is told so."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import pgettext

from staff.permissions import roles_that_may

View = Callable[..., HttpResponse]
# What the frame itself needs (search, notices, what is new) is for everybody who sees the frame.
FRAME = ("desk.open", "settings.parked", "settings.people", "visits.work")


def requires(*abilities: str) -> Callable[[View], View]:
    """Let in who is signed in and holds one of `abilities`; a stranger goes to sign-in, everybody else gets 403: who
    works at the desk reads which roles can."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            user: Any = request.user
            if not any(user.may(ability) for ability in abilities):
                if user.may("desk.open"):
                    return not_allowed(request, *abilities)
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return login_required(guarded)

    return guard


def not_allowed(request: HttpRequest, *abilities: str) -> HttpResponse:
    """403: what the role lacks, and who can do it instead."""
    able = roles(*abilities)
    if not request.headers.get("HX-Request"):
        return render(request, "desk/_refused.html", {"roles": able}, status=403)
    response = render(request, "desk/_refused_note.html", {"roles": able}, status=403)
    response["HX-Retarget"], response["HX-Reswap"] = "#notices", "beforeend"
    return response


def roles(*abilities: str) -> str:
    """Who can do it instead: the roles that hold one of `abilities`, as people read them."""
    able = dict.fromkeys(role for ability in abilities for role in roles_that_may(ability))
    return pgettext("between two roles", ", ").join(str(role.label) for role in able)
