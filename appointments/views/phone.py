"""What the phone's own program talks to: taps that are sent when there is a connection, and its worker."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from appointments.actions import mark_seen, take
from appointments.models import VisitAction
from common import clock
from common.errors import DomainError, InvalidInput
from common.navigation import way_back

from .doors import technicians_only

FILES = (
    "ui/base.css", "ui/mark.svg", "ui/session.js", "icons.svg", "appointments/visits.css", "appointments/visits.js",
)  # fmt: skip


@require_POST
def actions(request: HttpRequest) -> HttpResponse:
    """Take one tap: `{key, visit, action, at, values}`, with `cycle` and `person` as guards; once for each key.

    A photo comes as multipart/form-data: the same JSON in `tap`, the file in `photo`.
    200 with `{key, outcome, reasons, field}` for what was taken and for what was refused, both stored and the same
    whenever the key is repeated. 401 signed out, 403 not a technician, 409 of somebody else or a key used for other
    things, 422 not readable: nothing is stored then, and the answer holds `code`, `reasons` and `field`.
    """
    person: Any = request.user
    if not person.is_authenticated:
        return _said(401, "signed_out", _("Please sign in again."))
    if not person.may("visits.work"):
        return _said(403, "not_allowed", _("Your role may not do this."))
    try:
        tap = _read(_sent(request))
        if tap.get("person", person.pk) != person.pk:
            return _said(409, "other_person", _("This was tapped by somebody else who used this phone."))
        taken = take(
            key=_word(tap, "key"),
            number=_word(tap, "visit"),
            action=_word(tap, "action"),
            values=_values(tap),
            by=person,
            at=_moment(tap),
            heard_at=clock.now(),
            cycle=tap["cycle"] if isinstance(tap.get("cycle"), int) else None,
            photo=request.FILES.get("photo"),
        )
    except DomainError as refusal:
        return _said(refusal.status, refusal.code, *refusal.reasons, field=refusal.field)
    return JsonResponse(answer(taken))


def answer(taken: VisitAction) -> dict[str, Any]:
    return {"key": taken.key, "outcome": taken.outcome, "reasons": taken.reasons, "field": taken.field}


def _said(status: int, code: str, *reasons: Any, field: str = "") -> HttpResponse:
    return JsonResponse({"code": code, "reasons": [str(reason) for reason in reasons], "field": field}, status=status)


def _sent(request: HttpRequest) -> bytes:
    """The JSON sent: the body, or beside a photo the part named `tap`."""
    if request.content_type == "multipart/form-data":
        return request.POST.get("tap", "").encode(errors="surrogatepass")
    return request.body


def _read(body: bytes) -> dict[str, Any]:
    """The JSON object sent. Raises InvalidInput for anything else, and for characters that no database keeps."""
    try:
        found = json.loads(body, parse_constant=_no_number)
        # Half a character and NUL are valid JSON, but no text.
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "\\u0000" in json.dumps(found):
        raise InvalidInput(_("This cannot be read."), field="body")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(word)


def _word(tap: dict[str, Any], name: str) -> str:
    if not isinstance(tap.get(name), str):
        raise InvalidInput(_("“%(name)s” is missing.") % {"name": name}, field=name)
    return str(tap[name])


def _values(tap: dict[str, Any]) -> dict[str, Any]:
    values = tap.get("values", {})
    if not isinstance(values, dict) or not all(isinstance(v, str | int | float | bool | None) for v in values.values()):
        raise InvalidInput(_("“%(name)s” cannot be read.") % {"name": "values"}, field="values")
    return values


def _moment(tap: dict[str, Any]) -> datetime:
    try:
        found = datetime.fromisoformat(_word(tap, "at"))
        if found.tzinfo is None or not 2000 <= found.year < 2100:
            raise ValueError
    except ValueError:
        raise InvalidInput(_("“%(name)s” cannot be read.") % {"name": "at"}, field="at") from None
    return found


@technicians_only
@require_POST
def seen(request: HttpRequest, key: str) -> HttpResponse:
    """The technician has read why a tap was not taken."""
    person: Any = request.user
    mark_seen(key, by=person, at=clock.now())
    return redirect(way_back(request, "/visits/"))


@technicians_only
@require_GET
def worker(request: HttpRequest) -> HttpResponse:
    """The program that keeps the pages of the day readable without a connection."""
    files = json.dumps([static(name) for name in FILES])
    found = render(request, "appointments/worker.js", {"files": files}, content_type="text/javascript; charset=utf-8")
    found["Cache-Control"] = "private, no-cache"
    return found


@technicians_only
@require_GET
def offline(request: HttpRequest) -> HttpResponse:
    """What is shown in place of a page that is not kept on the phone."""
    return render(request, "appointments/offline.html")
