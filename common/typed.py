"""What people and programs type into addresses and hidden fields, read strictly."""

from __future__ import annotations

from datetime import UTC, datetime


def key(text: str) -> int | None:
    """The primary key that `text` spells in plain decimal digits; None for anything else, however long or odd."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def instant(text: str) -> datetime | None:
    """The instant that `text` spells in seconds since 1970; None for anything else, and for what no calendar holds."""
    seconds = key(text)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return None
