"""People at the customer's site, by its own pages only."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime
from typing import Any

from django.test import Client
from django.urls import reverse

from cases.links import link_token
from cases.models import Case
from notifications.models import Message

PHONE = "13812345678"
OTHER_PHONE = "13900001111"


def code_sent(phone: str = "") -> str:
    """The code of the newest message (to this number)."""
    messages = Message.objects.filter(template="portal_code").order_by("-pk")
    found = next(message for message in messages if not phone or message.recipient.endswith(phone))
    return str(json.loads(found.secret)["code"])


class Visitor(Client):
    """A browser that reads English and is nobody's yet."""

    def __init__(self, language: str = "en", **options: Any) -> None:
        super().__init__(headers={"accept-language": language}, **options)

    def sign_in(self, phone: str = PHONE, way: str = "/") -> Any:
        """Ask for a code and enter it; the answer to that."""
        asked = self.post(reverse("portal:sign_in"), {"phone": phone, "next": way})
        assert asked.status_code == 302, words(asked)
        return self.post(reverse("portal:code"), {"code": code_sent(phone), "next": way})

    def report(self, **answers: str) -> Any:
        """Go through a fault report up to the last page; the answer to sending it."""
        answers = {"service": "broadband.fault", "what": "broadband.fault.no-connection", "words": "断网 😟"} | answers
        for step, names in (
            ("service", ["service"]), ("what", ["what", "words"]), ("where", ["place", "region", "street", "house"]),
        ):  # fmt: skip
            sent = self.post(at("fault", step), {name: answers[name] for name in names if name in answers})
            assert sent.status_code == 302, words(sent)
        return self.post(at("fault", "check"), {"name": answers.get("name", "")})


def at(subject: str, step: str) -> str:
    return reverse("portal:report_step", args=[subject, step])


def link(case: Case, purpose: str = "view", *, at: datetime, days: int = 30, act: str = "") -> str:
    """The address in a message, or of what can be done there."""
    return reverse("portal:link", args=[link_token(case, purpose, at=at, days=days)]) + act


def words(answer: Any) -> str:
    """What a page says, without its markup."""
    text = re.sub(r"<(script|style).*?</\1>", "", answer.content.decode(), flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))
