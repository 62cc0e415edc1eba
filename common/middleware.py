from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import structlog
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

from . import clock, session

Handler = Callable[[HttpRequest], HttpResponse]

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestId:
    """One reference for a request: in the answer, in every log line, and on the error page."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        # It goes into logs and pages, so an outsider's header is taken only when it is plain.
        request_id = given if _ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class NoNulls:
    """A NUL character is in no text that people write, and PostgreSQL takes none: refused once, for every address."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = (request.GET, request.POST) if request.method == "POST" else (request.GET,)
        if any("\x00" in value for query in sent for _name, values in query.lists() for value in values):
            raise BadRequest("a NUL character was sent")
        return self.get_response(request)


class ServerTime:
    """Tell the page the server's time and how long its session lasts with every answer; keep signed-in pages out of
    caches."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["X-Server-Now"] = str(int(clock.now().timestamp() * 1000))
        if (left := session.left(request)) is not None:
            response["X-Session-Left"] = str(left)
        html = response.get("Content-Type", "").startswith("text/html")
        if html and request.user.is_authenticated and not response.has_header("Cache-Control"):
            response["Cache-Control"] = "private, no-store"
        return response
