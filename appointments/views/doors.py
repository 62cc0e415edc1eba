"""The phone's door: for technicians only. Everybody else has the desk."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from appointments.models import Appointment
from appointments.permissions import access_appointment
from cases.numbers import key_of

View = Callable[..., HttpResponse]


def technicians_only(view: View) -> View:
    """Let in who works on visits; a stranger goes to sign-in, everybody else gets 403."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user: Any = request.user
        if not user.may("visits.work"):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return login_required(guarded)


def find(person: Any, number: str) -> Appointment:
    """The visit behind a number. Http404 where there is none of this technician's."""
    try:
        return access_appointment(person, key_of(number), to="visits.work")
    except Appointment.DoesNotExist:
        raise Http404 from None
