"""The category tree as a file: loading what is shipped, and a house's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import transaction

from common.errors import InvalidInput

from .models import Category

DEFAULTS = Path(__file__).parent / "defaults" / "categories.toml"
DEEPEST = 3
LONGEST_TEAM = 40
OF_THE_NODE = {"zh", "en", "team", "words"}  # keys that are no children
_PART = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def read_categories(text: str) -> list[dict[str, Any]]:
    """The nodes of a category file, parents first: code, parent's code, names, order, team, words. Raises InvalidInput.

    A category without a team of its own has that of the one above it.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise InvalidInput(f"not TOML: {problem}") from None
    return list(_nodes(tree, (), ""))


def _nodes(children: dict[str, Any], above: tuple[str, ...], team: str) -> Iterator[dict[str, Any]]:
    for order, (part, node) in enumerate(children.items()):
        code = ".".join((*above, part))
        if not isinstance(node, dict) or not _PART.fullmatch(part):
            raise InvalidInput(f"{code}: a category is a table whose key is lower-case words joined by hyphens")
        if len(above) == DEEPEST:
            raise InvalidInput(f"{code}: at most {DEEPEST} levels")
        names = {language: node.get(language) for language in ("zh", "en")}
        for language, name in names.items():
            if not isinstance(name, str) or not 0 < len(name) <= 80:
                raise InvalidInput(f"{code}: {language} must be a name of 1 to 80 characters")
        own, words = node.get("team", team), node.get("words", [])
        if not isinstance(own, str) or (own and not _PART.fullmatch(own)) or len(own) > LONGEST_TEAM:
            raise InvalidInput(f"{code}: team must be the code of a team")
        if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
            raise InvalidInput(f"{code}: words must be a list of words")
        yield {
            "code": code,
            "parent": ".".join(above) or None,
            "name_zh": names["zh"],
            "name_en": names["en"],
            "order": order,
            "team_code": own,
            "words": words,
        }
        children_of_it = {key: value for key, value in node.items() if key not in OF_THE_NODE}
        yield from _nodes(children_of_it, (*above, part), own)


@transaction.atomic
def load_categories(text: str) -> tuple[int, int]:
    """Add what the file names and bring what is there up to it; return how many were added and how many changed.

    Categories the file does not name stay as they are: cases point at them.
    """
    present = {category.code: category for category in Category.objects.all()}
    added = changed = 0
    for node in read_categories(text):
        parent = present[node["parent"]] if node["parent"] else None
        values = {name: node[name] for name in ("name_zh", "name_en", "order", "team_code", "words")}
        category = present.get(node["code"])
        if category is None:
            present[node["code"]] = Category.objects.create(code=node["code"], parent=parent, **values)
            added += 1
        elif any(getattr(category, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(category, name, value)
            category.save(update_fields=list(values))
            changed += 1
    return added, changed


def load_shipped_categories() -> int:
    """Load the shipped tree where there is none yet; return how many categories were added."""
    if Category.objects.exists():
        return 0
    return load_categories(DEFAULTS.read_text(encoding="utf-8"))[0]
