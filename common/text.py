"""What a database takes as text: PostgreSQL takes no NUL, and neither takes half a character."""

from __future__ import annotations

from typing import Any


def is_storable(text: str) -> bool:
    """Whether both databases keep this text as it is."""
    if "\x00" in text:
        return False
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def storable(text: str) -> str:
    """The text without NULs, and with a question mark for each half of a character."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def unstorable_key(form: Any, where: str = "") -> str | None:
    """Of a form as read from TOML, the dotted key of the first text that no database takes; None where all are good."""
    if isinstance(form, str):
        return None if is_storable(form) else where
    entries = form.items() if isinstance(form, dict) else enumerate(form, 1) if isinstance(form, list) else ()
    for key, value in entries:
        inside = f"{where}.{key}" if where else str(key)
        if not is_storable(str(key)):
            return ascii(inside)[1:-1]
        if (found := unstorable_key(value, inside)) is not None:
            return found
    return None
