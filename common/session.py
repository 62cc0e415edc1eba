"""How long somebody stays signed in: until an instant set at sign-in, put off only by their own word.

No request prolongs a session by itself. The change feed asks every few seconds, so it would keep an empty desk signed
in for ever.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

LONGER = timedelta(hours=1)
STATED = "_session_expiry"  # where Django keeps an end of its own


def begin(sender: Any, request: HttpRequest, **_more: Any) -> None:
    """Receiver of a sign-in: set the end, so that nothing saved into the session later moves it."""
    request.session.set_expiry(_now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))


def left(request: HttpRequest) -> int | None:
    """Seconds until this session ends; None where no end was set (nobody is signed in)."""
    session = getattr(request, "session", None)
    return max(0, session.get_expiry_age()) if session is not None and session.get(STATED) else None


def stay(request: HttpRequest) -> None:
    """Let the session last LONGER from now; one that lasts longer already is left alone."""
    if (left(request) or 0) < LONGER.total_seconds():
        request.session.set_expiry(_now() + LONGER)


def _now() -> datetime:
    """Sessions keep the machine's time, as Django's own table of them does: no replay signs people in or out."""
    return timezone.now()  # noqa: TID251
