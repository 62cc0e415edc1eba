"""Message templates are data: TOML with `zh` and `en`, filled with named values."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

FOLDER = Path(__file__).parent / "defaults"


@cache
def _all() -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        found |= tomllib.loads(file.read_text(encoding="utf-8"))
    return found


def names() -> list[str]:
    return sorted(_all())


def render(name: str, language: str, context: dict[str, Any]) -> tuple[str, str]:
    """Subject and body of a message. Raises KeyError for an unknown template or a value that is missing."""
    texts = _all()[name]["en" if language.startswith("en") else "zh"]
    values = {
        "service": settings.SERVICE_NAME["en" if language.startswith("en") else "zh-hans"],
        "telephone": settings.SERVICE_PHONE,
        **context,
    }
    return texts["subject"].format(**values), texts["body"].format(**values).strip() + "\n"
