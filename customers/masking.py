"""How protected values look to people who have not asked to see them."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import get_language


def phone(number: str) -> str:
    """`138****5678`; short numbers keep only their last two digits."""
    national = number.removeprefix("+86")
    if len(national) < 7:
        return "*" * max(len(national) - 2, 0) + national[-2:]
    return f"{national[:3]}****{national[-4:]}"


def email(address: str) -> str:
    """`w***@example.com`."""
    name, _, domain = address.partition("@")
    return f"{name[:1]}***@{domain}"


def name(full: str) -> str:
    """Enough of a name to know one's own by: the first character of Chinese, `W*** J***` of words."""
    text = full.strip()
    if not text:
        return ""
    if text.isascii():
        return " ".join(f"{word[0]}***" for word in text.split())
    return text[0] + "*" * max(len(text) - 2, 1) + (text[-1] if len(text) > 2 else "")


# Where two parts meet and one of them ends or begins in Latin letters or figures (interface.md §15).
_LATIN_EDGE = re.compile(r"(?<=[A-Za-z0-9.])\0|\0(?=[A-Za-z0-9])")


def address(region: Any, street: str, house: str, *, reveal: bool = False) -> str:
    """Large to small in Chinese, small to large in English; the house number hidden unless `reveal`."""
    number = house if reveal else ("***" if house else "")
    place = str(region) if region else ""
    if (get_language() or "").startswith("en"):
        return ", ".join(part for part in [" ".join(filter(None, [number, street])), place] if part)
    return _LATIN_EDGE.sub(" ", "\0".join(filter(None, [place, street, number]))).replace("\0", "")
