"""The customer's session: a cookie of its own, and a row that knows a number or a customer, never a member of staff."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict

from common import clock
from customers.lookup import phone_index
from customers.models import Customer

from .models import Session

COOKIE = "portal"
LASTS = timedelta(hours=12)
# What was being written is kept so long after the visit ended, for who proves the same number again; and so long lasts
# a visit that has proven none, which opens nothing.
KEPT = timedelta(hours=24)
# Among the drafts: those of the visit before, with whose they are; and a form that could not be taken.
_LEFT, _ASIDE = "left", "aside"
MOST_ASIDE = 20_000  # characters


def of(request: HttpRequest) -> Session | None:
    """The visit this request belongs to; None for a stranger. Read once a request."""
    if not hasattr(request, "_portal"):
        token = request.COOKIES.get(COOKIE, "")
        found = (
            Session.objects.filter(digest=_digest(token), ends_at__gt=clock.now()).select_related("customer").first()
            if token
            else None
        )
        request._portal = found  # type: ignore[attr-defined]
    session: Session | None = request._portal  # type: ignore[attr-defined]
    return session


def customer_of(request: HttpRequest) -> Customer | None:
    session = of(request)
    return session.customer if session else None


def begin(request: HttpRequest) -> Session:
    """The visit of this request, a new one where there is none; its cookie is set with the answer (`remember`)."""
    session = of(request)
    if session is None:
        now = clock.now()
        session = Session(created_at=now, ends_at=now + KEPT, drafts=_left_behind(request))
        _renew(request, session)
    return session


def _ended(request: HttpRequest) -> Session | None:
    """The visit of this browser that ended not long ago, with what was being written in it."""
    token, now = request.COOKIES.get(COOKIE, ""), clock.now()
    found = Session.objects.filter(digest=_digest(token), ends_at__lte=now, ends_at__gt=now - KEPT) if token else None
    return found.exclude(drafts="").first() if found is not None else None


def _left_behind(request: HttpRequest) -> str:
    """The drafts of an ended visit, put by for the number that it had proven: nobody else gets to see them."""
    ended = _ended(request)
    if ended is None or not ended.phone:
        return ""
    return json.dumps({_LEFT: {"of": phone_index(ended.phone), "drafts": json.loads(ended.drafts)}}, ensure_ascii=False)


def is_over(request: HttpRequest, name: str) -> bool:
    """Whether this browser's visit has ended while something was being written under this name."""
    if of(request) is not None:
        return False
    ended = _ended(request)
    kept = json.loads(ended.drafts).get(name, {}) if ended and ended.phone else {}
    return bool(kept) and not kept.get("sent")


def prove(request: HttpRequest, session: Session, phone: str) -> None:
    """The visitor has shown to hold this number. The cookie changes, so that nobody rides on one planted before."""
    if session.phone not in ("", phone):
        session.drafts = ""  # somebody else's
    session.drafts = _given_back(session.drafts, phone)
    session.phone, session.customer = phone, None
    session.ends_at = clock.now() + LASTS
    _renew(request, session)


def _given_back(drafts: str, phone: str) -> str:
    """The drafts with those of the visit before, where it was the same number's; what was written since counts more."""
    kept = json.loads(drafts) if drafts else {}
    left = kept.pop(_LEFT, None)
    if left and left["of"] == phone_index(phone):
        kept = {**left["drafts"], **kept}
    return json.dumps(kept, ensure_ascii=False) if kept else ""


def end(request: HttpRequest) -> None:
    session = of(request)
    if session is not None:
        session.delete()
    request._portal, request._portal_token = None, ""  # type: ignore[attr-defined]


def remember(request: HttpRequest, response: HttpResponse) -> None:
    """Write the cookie where this request began, proved or ended a visit."""
    token = getattr(request, "_portal_token", None)
    if token is not None and not token:
        response.delete_cookie(COOKIE, samesite="Lax")
    elif token:
        response.set_cookie(
            COOKIE,
            token,
            max_age=int((LASTS + KEPT).total_seconds()),
            httponly=True,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )


def draft(session: Session | None, name: str) -> dict[str, Any]:
    """What is being written under this name."""
    kept: dict[str, Any] = json.loads(session.drafts).get(name, {}) if session and session.drafts else {}
    return kept


@transaction.atomic
def keep(session: Session, name: str, draft: dict[str, Any]) -> None:
    """Keep what is being written; two pages open at once do not lose each other's."""
    present = Session.objects.select_for_update().get(pk=session.pk)
    drafts = {**(json.loads(present.drafts) if present.drafts else {}), name: draft}
    session.drafts = json.dumps(drafts, ensure_ascii=False)
    session.save(update_fields=["drafts"])


def set_aside(request: HttpRequest, path: str) -> None:
    """Keep the form that cannot be taken before the visitor has proven a number, for the page at `path` to show."""
    typed = {name: request.POST.getlist(name) for name in request.POST if name not in ("csrfmiddlewaretoken", "switch")}
    if 0 < sum(len(value) for values in typed.values() for value in values) <= MOST_ASIDE:
        keep(begin(request), _ASIDE, {"path": path, "typed": typed})


def take_up(request: HttpRequest) -> bool:
    """Give a page that is opened again the form set aside for it, once; whether there was one."""
    session = of(request)
    aside = draft(session, _ASIDE)
    if session is None or not session.phone or aside.get("path") != request.path:
        return False
    keep(session, _ASIDE, {})
    typed = QueryDict(mutable=True)
    for name, values in aside["typed"].items():
        typed.setlist(name, values)
    request.method, request.POST = "POST", typed  # type: ignore[assignment]
    return True


def forget_old(*, at: datetime) -> None:
    """Throw away the visits that are over, and what was being written in them."""
    Session.objects.filter(ends_at__lt=at - KEPT).delete()


def _renew(request: HttpRequest, session: Session) -> None:
    token = secrets.token_urlsafe(32)
    session.digest = _digest(token)
    session.save()
    request._portal, request._portal_token = session, token  # type: ignore[attr-defined]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
