"""The moments at which promises start and stop: what rooms announce of their cases (`case_changed`).

A room enters its words in its `apps.py`. A policy may use these and no others, so that a slip of the pen is refused
instead of making a promise that nothing ever stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

STARTS: dict[str, Any] = {"opened": _("receipt"), "given": _("a date given from outside")}
STOPS: dict[str, Any] = {}


def enter(*, starts: Mapping[str, Any] | None = None, stops: Mapping[str, Any] | None = None) -> None:
    """Add the words of a room, each with what people read (a lazy translation)."""
    STARTS.update(starts or {})
    STOPS.update(stops or {})


def label(word: str) -> str:
    """The moment in the reader's language; a word no room enters (any more) is shown as it stands."""
    return str(STARTS.get(word) or STOPS.get(word) or word)
