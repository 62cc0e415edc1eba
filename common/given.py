"""What somebody typed or chose, checked: returned as it is kept, or refused with InvalidInput naming the field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from django.utils.translation import gettext_lazy as _

from .errors import InvalidInput, Sentence

T = TypeVar("T")

# What somebody writes about a case; most fields hold less and say so.
LONGEST = 10000


def choice(value: T, offered: Any, field: str) -> T:
    """The value, which is one of those offered."""
    if value not in offered:
        raise InvalidInput(_("Choose one of the values offered."), field=field)
    return value


def choices(values: Iterable[T], offered: Any, field: str) -> list[T]:
    """The values, each of them one of those offered and named once."""
    return [choice(value, offered, field) for value in dict.fromkeys(values)]


def text(value: str, field: str, message: Sentence, *, most: int = LONGEST) -> str:
    """The text without blanks around it; `message` says what to do where nothing is left."""
    value = short(value, field, most=most)
    if not value:
        raise InvalidInput(message, field=field)
    return value


def short(value: str, field: str, *, most: int = LONGEST) -> str:
    """The text without blanks around it, which may be empty."""
    value = value.strip()
    if len(value) > most:
        raise InvalidInput(_("At most %(most)s characters, please.") % {"most": most}, field=field)
    return value
