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


# Text written in Chinese; figures and punctuation alone are not.
_CHINESE = re.compile(r"[\u3400-\u9fff]")


def address(region: Any, street: str, house: str, *, reveal: bool = False) -> str:
    """Region and street with the house number, which is hidden unless `reveal`.

    The region stands where the reader's language has it: first in Chinese, last in English. Street and house stand in
    the order of the language they are written in, whoever reads them: turned round they are an address that no map and
    no technician finds.
    """
    number = house if reveal else ("***" if house else "")
    place = str(region) if region else ""
    door = _run_on(street, number) if _CHINESE.search(street + house) else " ".join(filter(None, [number, street]))
    if (get_language() or "").startswith("en"):
        return ", ".join(filter(None, [door, place]))
    return _run_on(place, door)


def _run_on(*parts: str) -> str:
    """Parts one after the other as Chinese writes them, with a space only beside Latin letters and figures."""
    return _LATIN_EDGE.sub(" ", "\0".join(filter(None, parts))).replace("\0", "")
