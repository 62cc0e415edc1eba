"""Signed links: what a message carries so that its reader can open one matter without signing in.

A token says which case, what for and until when; it opens nothing else. It is short, because it travels in text
messages: purpose (1 byte), expiry (4), the case's key and 12 bytes of HMAC-SHA256, as base64url. The case's
`link_version` is signed and not carried, so that raising it makes every link of the case worthless.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from common import clock
from common.errors import DomainError, Sentence

from . import events, services
from .models import Case

PATH = "m"
# No link lasts longer, so a case that nobody has touched since has none that still works.
LONGEST = timedelta(days=180)
_SIGNED = 12


class Purpose(StrEnum):
    """What a link is for; each begins with a letter of its own, which is what the token carries."""

    VIEW = "view"
    CONFIRM = "confirm"
    RATE = "rate"
    BOOK = "book"


@dataclass(frozen=True)
class Link:
    case_id: int
    purpose: Purpose


class BadLink(DomainError):
    """A link that we did not make, that was damaged on its way, or that was revoked."""

    code = "bad_link"
    status = 404

    def __init__(self) -> None:
        super().__init__(_("This link does not work."))


class ExpiredLink(DomainError):
    """A link of ours that is too old; `link` is what it was for."""

    code = "expired_link"
    status = 410

    def __init__(self, link: Link, *reasons: Sentence) -> None:
        super().__init__(*(reasons or (_("This link has expired."),)))
        self.link = link


def link_token(case: Case, purpose: str, *, at: datetime, days: int = 30) -> str:
    """A token that opens `case` for `purpose` until `days` after `at`.

    Raises ValueError for an unknown purpose, and for more days than a link lasts.
    """
    if days > LONGEST.days:
        raise ValueError(f"a link lasts {LONGEST.days} days at the most, not {days}")
    until = int((at + timedelta(days=days)).timestamp())
    content = Purpose(purpose)[0].encode() + until.to_bytes(4) + case.pk.to_bytes((case.pk.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(content + _signature(content, case.link_version)).rstrip(b"=").decode()


def link_address(case: Case, purpose: str, *, at: datetime, days: int = 30) -> str:
    """The absolute address for a message."""
    return f"{settings.PUBLIC_URL}/{PATH}/{link_token(case, purpose, at=at, days=days)}/"


def read_token(token: str, *, at: datetime) -> Link:
    """What a token opens at `at`. Raises BadLink, or ExpiredLink for one that was ours and is too old. One query."""
    raw = _decoded(token)
    content, signature = raw[:-_SIGNED], raw[-_SIGNED:]
    purpose = next((purpose for purpose in Purpose if purpose[0].encode() == content[:1]), None)
    if purpose is None or not 5 < len(content) <= 13:
        raise BadLink
    key = int.from_bytes(content[5:])
    version = Case.objects.filter(pk=key).values_list("link_version", flat=True).first() if key < 2**63 else None
    if version is None or not hmac.compare_digest(signature, _signature(content, version)):
        raise BadLink
    link = Link(key, purpose)
    if datetime.fromtimestamp(int.from_bytes(content[1:5]), tz=UTC) < at:
        raise ExpiredLink(link)
    return link


@transaction.atomic
def revoke_links(*, case_id: int, by: object, at: datetime | None = None) -> Case:
    """Make every link of a case worthless (one went to the wrong person); links made from now on are good again."""
    now = at or clock.now()
    case: Case = Case.objects.locked(case_id)
    case.link_version += 1
    services.record(case, events.links_revoked(), transition="links_revoked", at=now, by=by)
    return case


def revoke_all_links(*, customer_id: int, by: object, at: datetime | None = None) -> int:
    """Make every link worthless that this customer was sent, whatever about (the phone was lost); of how many cases.

    One case after the other, each in a transaction of its own: nobody locks two cases.
    """
    now = at or clock.now()
    recent = Case.objects.filter(Q(closed_at=None) | Q(changed_at__gte=now - LONGEST), customer=customer_id)
    keys = list(recent.order_by("pk").values_list("pk", flat=True))
    for key in keys:
        revoke_links(case_id=key, by=by, at=now)
    return len(keys)


def _decoded(token: str) -> bytes:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadLink from None
    # Some last characters mean the same bytes; a token has one spelling.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        raise BadLink
    return raw


def _signature(content: bytes, version: int) -> bytes:
    signed = version.to_bytes(4) + content
    return salted_hmac("cases.links", signed, algorithm="sha256").digest()[:_SIGNED]
