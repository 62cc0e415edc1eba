"""One-time codes: sent to a number, hashed at rest, good for five minutes and five tries.

Known and unknown numbers are treated alike, so that no answer tells whether a number is a customer's.
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from common import clock
from common.errors import DomainError, InvalidInput
from customers.lookup import normal_phone, phone_index
from notifications.services import send_to

from . import quotas, sessions
from .models import Session

LASTS = timedelta(minutes=5)
TRIES = 5
DIGITS = 6


class WrongCode(InvalidInput):
    """The code does not fit; `left` tries remain."""

    code = "wrong_code"


class DeadCode(DomainError):
    """There is no code to enter (any more): it is too old, was used, or was tried too often."""

    code = "dead_code"


def is_mobile(number: str) -> bool:
    """Whether a number in E.164 form is a mobile one of the mainland."""
    return number.startswith("+861") and len(number) == 14 and number[4] in "3456789"


def mobile_number(text: str) -> str:
    """The number in E.164 form. Raises InvalidInput for what is no mainland mobile number: codes go nowhere else."""
    number = normal_phone(text)
    if not is_mobile(number):
        raise InvalidInput(_("We can only send codes to a mobile number of mainland China."), field="phone")
    return number


def send_code(*, session: Session, phone: str, address: str, language: str, at: datetime | None = None) -> str:
    """Send a new code to `phone` and return the number; an earlier code of this visit becomes worthless.

    Raises InvalidInput naming the field, or quotas.TooOften.
    """
    now = at or clock.now()
    number = mobile_number(phone)
    quotas.spend(("code to", phone_index(number), quotas.CODE_TO), ("code from", address, quotas.CODE_FROM), at=now)
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    with transaction.atomic():
        session.code_phone, session.code_digest = number, _digest(session, number, code)
        session.code_until, session.code_tries = now + LASTS, 0
        session.save(update_fields=["code_phone", "code_digest", "code_until", "code_tries"])
        send_to(
            "portal_code",
            channel="sms",
            recipient=number,
            language=language,
            key=f"code-{secrets.token_hex(16)}",
            at=now,
            context={"code": code, "minutes": int(LASTS.total_seconds() // 60)},
            valid_until=now + LASTS,
        )
    # The site's own housekeeping, where it costs nobody a wait that matters.
    quotas.forget_old(at=now)
    sessions.forget_old(at=now)
    return number


def check_code(*, session: Session, code: str, address: str, at: datetime | None = None) -> str:
    """The number that the code proves; the code is used up. Raises WrongCode, DeadCode or quotas.TooOften."""
    now = at or clock.now()
    typed = "".join(character for character in unicodedata.normalize("NFKC", code) if character.isdecimal())
    if not typed:
        raise InvalidInput(_("Enter the code from the message."), field="code")
    quotas.spend(("code tried", address, quotas.CODE_TRIED_FROM), at=now)
    number, right = _try(session, typed, now)
    if not right:
        if session.code_tries >= TRIES:
            raise DeadCode(_("That was not right either, and this code no longer works. Ask for a new one."))
        raise WrongCode(_("The code is not right. Look at the newest message."), field="code")
    return number


@transaction.atomic
def _try(session: Session, typed: str, now: datetime) -> tuple[str, bool]:
    """Count the try and judge it, with the visit's row locked: guesses side by side are counted one by one."""
    present = Session.objects.select_for_update().get(pk=session.pk)
    alive = present.code_digest and present.code_until and now <= present.code_until and present.code_tries < TRIES
    if not alive:
        raise DeadCode(_("The code is too old or was used. Ask for a new one."))
    present.code_tries += 1
    right = hmac.compare_digest(present.code_digest, _digest(present, present.code_phone, typed))
    number = present.code_phone
    if right:
        present.code_digest, present.code_until = "", None
    present.save(update_fields=["code_tries", "code_digest", "code_until"])
    session.code_tries, session.code_digest, session.code_until = (
        present.code_tries, present.code_digest, present.code_until,
    )  # fmt: skip
    return number, right


def _digest(session: Session, number: str, code: str) -> str:
    """Keyed, because a million codes are hashed in a second."""
    return salted_hmac("portal.code", f"{session.pk}:{number}:{code}", algorithm="sha256").hexdigest()
