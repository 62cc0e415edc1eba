"""SMS through a gateway that takes a POST of JSON. Address and body are templates from the settings."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings

from notifications.models import Message

from . import TryLater

MOST_ANSWER = 64 * 1024
BUSY = {429, 503}


def send(message: Message, *, subject: str, body: str) -> str:
    """Hand the text to the gateway; return the id it gave.

    Raises OSError where nobody answers, RuntimeError when the answer is no (anything but 2xx, or no id in it).
    """
    facts = {"to": message.recipient, "from": settings.SMS_SENDER, "text": body.strip(), "key": message.key}
    status, answer, wait = _post(
        _fill(settings.SMS_HTTP_URL, {name: quote(value, safe="") for name, value in facts.items()}),
        json.dumps(_fill_all(json.loads(settings.SMS_HTTP_BODY), facts), ensure_ascii=False).encode(),
        # A gateway that knows the header gives the same answer again instead of sending twice.
        {"Idempotency-Key": quote(message.key, safe=":-_")},
    )
    if status in BUSY:
        raise TryLater(f"the gateway is busy ({status})", seconds=wait)
    if not 200 <= status < 300:
        raise RuntimeError(f"the gateway answered {status}: {_harmless(answer)}")
    found = _dig(answer, settings.SMS_HTTP_ID)
    if not found:
        raise RuntimeError(f"the gateway's answer has no {settings.SMS_HTTP_ID} (SMS_HTTP_ID): {_harmless(answer)}")
    return found


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, float]:
    """Status, body and seconds to wait. Redirects are not followed: they would carry the token elsewhere."""
    parts = urlsplit(url)
    host, port, timeout = parts.hostname or "", parts.port, settings.SMS_TIMEOUT
    line: http.client.HTTPConnection
    if parts.scheme == "https":
        line = http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
    else:
        line = http.client.HTTPConnection(host, port, timeout=timeout)
    if settings.SMS_HTTP_TOKEN:
        headers["Authorization"] = f"Bearer {settings.SMS_HTTP_TOKEN}"
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        line.request("POST", target or "/", body, {"Content-Type": "application/json; charset=utf-8", **headers})
        answer = line.getresponse()
        wait = answer.headers.get("Retry-After", "")
        return answer.status, answer.read(MOST_ANSWER), min(float(wait), 3600) if wait.isdigit() else 30
    finally:
        line.close()


def _fill(text: str, facts: dict[str, str]) -> str:
    """All holes in one pass, so that braces within a value stay what they are."""
    return re.sub(r"\{(\w+)\}", lambda hole: facts[hole[1]], text)


def _fill_all(shape: Any, facts: dict[str, str]) -> Any:
    if isinstance(shape, dict):
        return {name: _fill_all(value, facts) for name, value in shape.items()}
    if isinstance(shape, list):
        return [_fill_all(value, facts) for value in shape]
    return _fill(shape, facts) if isinstance(shape, str) else shape


def _dig(answer: bytes, path: str) -> str:
    """What stands at a dotted path of a JSON answer (`messages.0.id`), as text; empty when there is nothing."""
    try:
        found = json.loads(answer)
        for step in path.split("."):
            found = found[int(step)] if isinstance(found, list) else found[step]
    except (ValueError, LookupError, TypeError):
        return ""
    return str(found) if isinstance(found, str | int) else ""


def _harmless(answer: bytes) -> str:
    """The beginning of an answer without what it may repeat of the message: numbers and codes."""
    return re.sub(r"\d{4,}", "***", answer[:200].decode("utf-8", "replace"))
