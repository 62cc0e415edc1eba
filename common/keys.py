"""The single keys of the desk: which there are, and which a person has put in their place (WCAG 2.1.4).

Pages name each key by its standard one (`data-key`); only what a person sees and presses is translated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


@dataclass(frozen=True)
class Key:
    """`standard` is what the keyboard sends: one character, a capital with Shift."""

    name: str
    standard: str
    words: str | Promise


KEYS = (
    Key("next", "j", _("Next row")),
    Key("previous", "k", _("Previous row")),
    Key("select", "x", _("Select the row")),
    Key("selected", "X", _("To what can be done with the selected")),
    Key("back", "u", _("Back to the list")),
    Key("ticket_before", "[", _("Previous ticket")),
    Key("ticket_after", "]", _("Next ticket")),
    Key("reply", "r", _("Reply")),
    Key("note", "n", _("Note")),
    Key("call", "l", _("Log a call")),
    Key("steps", "s", _("Next steps")),
    Key("assign", "a", pgettext_lazy("a key", "Assign, also a visit")),
    Key("priority", "p", pgettext_lazy("a key", "Priority; at dispatch, propose a plan")),
    Key("take", "t", _("Take it")),
    Key("resolve", "e", _("Resolve")),
    Key("undo", "z", _("Take back the reply that is going out")),
    Key("visit", "v", _("Book or move a visit")),
    Key("customer", "i", _("Customer details")),
    Key("new", "c", _("New ticket")),
    Key("go", "g", _("Go to a place of the rail: this key, then its letter")),
    Key("help", "?", _("Keys and help")),
)
STANDARD = {key.name: key.standard for key in KEYS}


def keys_of(person: Any) -> dict[str, str]:
    """The key of each thing as this person has it, "" for none; the standard ones for nobody."""
    changed = getattr(person, "keys", None) or {}
    return {name: changed.get(name, standard) for name, standard in STANDARD.items()}


def changed(wanted: Mapping[str, str]) -> dict[str, str]:
    """What of `wanted` is not the standard: all that is worth keeping."""
    return {name: key for name, key in wanted.items() if key != STANDARD[name]}


def for_script(person: Any) -> str:
    """What the page tells its script: "" for the standard, "off", or as JSON the standard key of each key that is
    pressed, "" where it does nothing now."""
    if not getattr(person, "single_keys", True):
        return "off"
    mine = keys_of(person)
    moved = {name for name in mine if mine[name] != STANDARD[name]}
    if not moved:
        return ""
    pressed = {STANDARD[name]: "" for name in moved}
    pressed |= {mine[name]: STANDARD[name] for name in moved if mine[name]}
    return json.dumps(pressed, separators=(",", ":"))
