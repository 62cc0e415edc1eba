"""The door for gateways that bring SMS by HTTP: signed, small, and taken in once however often it is sent."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from common import clock
from common.errors import InvalidInput

from .inbound import receive_sms

MOST_BYTES = 16 * 1024
TOLERANCE_SECONDS = 300
# The gateway's names of what the service calls otherwise.
FIELDS = {"sender": "from", "text": "text", "provider_id": "id", "at": "received_at"}


@csrf_exempt
@never_cache
@require_POST
def inbound_sms(request: HttpRequest) -> HttpResponse:
    """200 once the message is kept, or was kept before; 401, 413, 415, or 400 with the field that is wrong."""
    if not settings.SMS_INBOUND_SECRET:
        raise Http404
    if request.content_type != "application/json":
        return _no(415, "unsupported_type", _("The body must be a JSON object."))
    length = request.headers.get("Content-Length", "")
    if not length.isdigit() or int(length) > MOST_BYTES:
        return _no(413, "too_large", _("At most %(most)s bytes, please.") % {"most": MOST_BYTES})
    if not _signed(request):
        return _no(401, "bad_signature", _("The signature or its time is not right."))
    try:
        given = _given(request.body)
        message = receive_sms(**given)
    except InvalidInput as refusal:
        field = FIELDS.get(refusal.field, refusal.field)
        return _no(400, refusal.code, " ".join(map(str, refusal.reasons)), field=field)
    return JsonResponse({"status": "ok", "message": message.pk})


def _no(status: int, code: str, words: str, **more: str) -> JsonResponse:
    return JsonResponse({"code": code, "reasons": [words], **more}, status=status)


def _signed(request: HttpRequest) -> bool:
    """Whether `X-Signature` is the HMAC-SHA256, in hexadecimal, of `X-Timestamp`, a full stop and the body.

    The time is in seconds since 1970 and may be five minutes off, so that what was overheard is soon worth nothing.
    """
    stamp = request.headers.get("X-Timestamp", "")
    if not re.fullmatch(r"[0-9]{1,12}", stamp) or abs(clock.now().timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        return False
    content = stamp.encode() + b"." + request.body
    expected = hmac.new(settings.SMS_INBOUND_SECRET.encode(), content, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), request.headers.get("X-Signature", "").lower().encode())


def _given(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput(_("The body is not JSON."), field="body") from None
    if not isinstance(found, dict):
        raise InvalidInput(_("The body must be a JSON object."), field="body")
    given: dict[str, Any] = {}
    for name in ("sender", "text", "provider_id"):
        value = found.get(FIELDS[name])
        if not isinstance(value, str):
            raise InvalidInput(_("A text is needed here."), field=name)
        given[name] = value
    return {**given, "at": _moment(found.get("received_at"))}


def _moment(value: Any) -> datetime:
    """When the gateway got it: not later than now, whatever its clock says."""
    now = clock.now()
    if value is None:
        return now
    try:
        at = parse_datetime(value)
    except (TypeError, ValueError):
        at = None
    if at is None or at.tzinfo is None or at < now - timedelta(days=31):
        raise InvalidInput(_("A time with its offset is needed, not older than 31 days."), field="at")
    return min(at.astimezone(UTC), now)
