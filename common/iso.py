"""Instants as people and other systems write them: ISO 8601, and nothing that only looks like it."""

import re
from datetime import datetime

_DATE = r"[0-9]{4}(?:-[0-9]{2}-[0-9]{2}|[0-9]{4}|-?W[0-9]{2}-?[1-7])"
_TIME = r"[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:[.,][0-9]+)?)?)?"
_OFFSET = r" ?(?:Z|[+-][0-9]{2}(?::?[0-5][0-9](?::?[0-5][0-9])?)?)"
_INSTANT = re.compile(rf"{_DATE}(?:[T ]{_TIME}(?:{_OFFSET})?)?")


def read_instant(text: str) -> datetime:
    """Return the date and time that a text says, aware if it says an offset; a date alone is its midnight.

    Raises ValueError. `datetime.fromisoformat` alone takes any character between the parts, and +08:60 for nine hours.
    """
    if not _INSTANT.fullmatch(text):
        raise ValueError(f"{text!r} is not a date and a time of ISO 8601")
    return datetime.fromisoformat(text)
