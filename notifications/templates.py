"""Message templates are data: TOML with `zh` and `en`, filled with named values.

Each language has `subject` and `body`, and `sms` where a short message says it in fewer words. Beside them may stand
`quiet = true` (held from 21:00 to 08:00) and `secret = ["code"]` (values that must not be readable once sent).
In `sms`, `{text:.}` takes as much of a person's text as three short messages have room for.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from . import sms

FOLDER = Path(__file__).parent / "defaults"
MOST_PARTS = 3


@cache
def _all() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        for name, template in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if name in found:
                raise ValueError(f"the template {name} is in two files")
            found[name] = template
    return found


def names() -> list[str]:
    return sorted(_all())


def is_quiet(name: str) -> bool:
    """Whether messages of this template wait for the morning; one that is gone does not."""
    return bool(_all().get(name, {}).get("quiet"))


def secrets_of(name: str) -> list[str]:
    """The names of values that must not be readable once the message is sent."""
    return list(_all()[name].get("secret", []))


def render(name: str, language: str, context: dict[str, Any]) -> tuple[str, str]:
    """Subject and body of a message. Raises KeyError for an unknown template or a value that is missing."""
    texts, values = _texts(name, language), _values(language, context)
    return texts["subject"].format(**values), texts["body"].format(**values).strip() + "\n"


def render_sms(name: str, language: str, context: dict[str, Any]) -> str:
    """The text of a short message: the template's own, else the body. Raises KeyError as `render` does."""
    texts, values = _texts(name, language), _values(language, context)
    form = texts.get("sms", texts["body"])
    elastic = re.findall(r"\{(\w+):\.\}", form)

    def filled(most: int | None = None) -> str:
        cut = {} if most is None else {hole: _Text(sms.cut(values[hole], most)) for hole in elastic}
        return sms.plain(form.format(**{**values, **cut}).strip())

    whole = filled()
    if not elastic or sms.parts_of(whole) <= MOST_PARTS:
        return whole
    longest = max(sms.units(values[hole]) for hole in elastic)
    # The longest beginning that fits: a shorter one never needs more parts.
    return filled(bisect_right(range(1, longest), MOST_PARTS, key=lambda most: sms.parts_of(filled(most))))


def _texts(name: str, language: str) -> dict[str, str]:
    texts: dict[str, str] = _all()[name]["en" if language.startswith("en") else "zh"]
    return texts


class _Text(str):
    """Text that may stand in `{…:.}` too; how much of it, `render_sms` decides."""

    def __format__(self, form: str) -> str:
        return str(self) if form == "." else super().__format__(form)


def _values(language: str, context: dict[str, Any]) -> dict[str, Any]:
    values = {
        "service": settings.SERVICE_NAME["en" if language.startswith("en") else "zh-hans"],
        "telephone": settings.SERVICE_PHONE,
        "link": settings.PUBLIC_URL,  # a message that brings none of its own leads to the front door
        **context,
    }
    return {name: _Text(value) if isinstance(value, str) else value for name, value in values.items()}
