"""The customer's session: a cookie of its own, and a row that knows a number or a customer, never a member of staff."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from common import clock
from customers.models import Customer

from .models import Session

COOKIE = "portal"
LASTS = timedelta(hours=12)


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
        session = Session(created_at=now, ends_at=now + LASTS)
        _renew(request, session)
    return session


def prove(request: HttpRequest, session: Session, phone: str) -> None:
    """The visitor has shown to hold this number. The cookie changes, so that nobody rides on one planted before."""
    if session.phone not in ("", phone):
        session.drafts = ""  # somebody else's
    session.phone, session.customer = phone, None
    session.ends_at = clock.now() + LASTS
    _renew(request, session)


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
            max_age=int(LASTS.total_seconds()),
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


def forget_old(*, at: datetime) -> None:
    """Throw away the visits that are over."""
    Session.objects.filter(ends_at__lt=at).delete()


def _renew(request: HttpRequest, session: Session) -> None:
    token = secrets.token_urlsafe(32)
    session.digest = _digest(token)
    session.save()
    request._portal, request._portal_token = session, token  # type: ignore[attr-defined]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
