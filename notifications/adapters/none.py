"""A channel that nothing carries yet. Services never queue for it; a row that gets here fails and says so."""

from __future__ import annotations

from typing import NoReturn

from notifications.models import Message


def send(message: Message, *, subject: str, body: str) -> NoReturn:
    raise RuntimeError(f"nothing carries {message.channel} yet")
