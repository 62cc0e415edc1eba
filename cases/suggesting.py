"""Which category some words may mean: by the names and the words of the tree, and by nothing else (INT-09)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .models import Category

MOST = 2


def suggested(text: str, tree: Iterable[Category], *, most: int = MOST) -> list[Category]:
    """The leaves of the tree that the text names, the best first; empty where it names none.

    A leaf is named by its names or its words; what a category above is called as well (“Fault”) counts only where one
    above it is named too. Of leaves that are named alike, those under a category that is named come alone.
    """
    nodes = {node.pk: node for node in tree}
    parents = {node.parent_id for node in nodes.values() if node.parent_id}
    called = {key: {_fold(phrase) for phrase in _phrases(node)} for key, node in nodes.items()}
    general = {phrase for key in parents if key in nodes for phrase in called[key]}
    hits = {key: {phrase for phrase in phrases if _in(phrase, text)} for key, phrases in called.items()}
    found = []
    for key, node in nodes.items():
        above = sum(_weight(hits[other.pk]) for other in _above(node, nodes))
        if key not in parents and hits[key] and (above or hits[key] - general):
            found.append((bool(above), above + _weight(hits[key]), node))
    placed = any(under for under, _weighs, _node in found)
    ranked = sorted((pair for pair in found if pair[0] == placed), key=lambda pair: -pair[1])
    return [node for _under, _weighs, node in ranked[:most]]


def _phrases(node: Category) -> list[str]:
    return [node.name_zh, node.name_en, *node.words]


def _above(node: Category, nodes: dict[int, Category]) -> Iterator[Category]:
    while node.parent_id in nodes:
        node = nodes[node.parent_id]
        yield node


def _fold(phrase: str) -> str:
    return " ".join(phrase.casefold().split())


def _in(phrase: str, text: str) -> bool:
    """Latin words as whole words; Chinese wherever it stands, however it is spaced."""
    if phrase.isascii():
        return re.search(rf"(?<![a-z0-9]){re.escape(phrase)}(?![a-z0-9])", _fold(text)) is not None
    return phrase.replace(" ", "") in _fold(text).replace(" ", "")


def _weight(phrases: set[str]) -> int:
    """What is said at length weighs more; a Chinese character says about as much as three letters."""
    return max((len(phrase.encode()) for phrase in phrases), default=0)
