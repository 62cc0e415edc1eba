"""What the staff's pages load of styles (interface.md §14), and that each page loads what it is written with."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.template.loader import get_template

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    str(page.relative_to(room))
    for room in (ROOT / "desk/templates", ROOT / "dashboards/templates", ROOT / "templates")
    for page in room.rglob("*.html")
    if re.search(r'{% extends "desk/', page.read_text())
)
MOST = 12_000
# Pages of visits load a sheet of their own beside the workspace's. They may not grow.
OF_VISITS, MOST_OF_VISITS = "desk/visits.css", 15_400


def source(template: str) -> str:
    return Path(get_template(template).origin.name).read_text()


def styles_of(template: str) -> set[str]:
    text = source(template)
    linked = set(re.findall(r'{% static "([^"]+\.css)"', text))
    frame = re.search(r'{% extends "([^"]+)" %}', text)
    if not frame:
        return linked
    replaced = "{% block scripts %}" in text and "block.super" not in text
    above = styles_of(frame[1])
    return linked | (above & {"ui/base.css", "ui/workspace.css"} if replaced else above)


def sheet(name: str) -> bytes:
    return Path(str(finders.find(name))).read_bytes()


def classes_of(name: str) -> set[str]:
    rules = re.sub(r"/\*.*?\*/|{[^{}]*}", " ", sheet(name).decode(), flags=re.S)
    return set(re.findall(r"\.([a-z][\w-]*)", rules))


def classes_in(template: str, met: frozenset[str] = frozenset()) -> set[str]:
    """The classes written in a template and in what it includes by name."""
    text = source(template)
    bare = re.sub(r"{[%#{].*?[%#}]}", " ", text)
    found = {word for words in re.findall(r'class="([^"]*)"', bare) for word in words.split()}
    parts = set(re.findall(r'{% include "((?:desk|dashboards|ui)/[^"]+)"', text)) - met - {template}
    return found.union(*(classes_in(part, met | parts | {template}) for part in parts))


def test_every_page_is_found():
    assert len(PAGES) > 40
    assert {"desk/queue.html", "desk/dispatch.html", "dashboards/live.html", "desk/sheet.html"} <= set(PAGES)
    assert styles_of("desk/ticket.html") == {"ui/base.css", "ui/workspace.css", "desk/desk.css"}


@pytest.mark.parametrize("page", PAGES)
def test_no_page_of_the_staff_has_more_than_12_kb_of_styles(page):
    styles = styles_of(page)
    most = MOST_OF_VISITS if OF_VISITS in styles else MOST
    assert sum(len(gzip.compress(sheet(name))) for name in styles) <= most


def test_no_page_of_the_staff_needs_a_style_that_it_does_not_load():
    sheets = {name for page in PAGES for name in styles_of(page)}
    missing = {}
    for page in PAGES:
        loaded = set().union(*map(classes_of, styles_of(page)))
        elsewhere = set().union(*map(classes_of, sheets)) - loaded
        missing[page] = classes_in(page) & elsewhere
    assert {page: classes for page, classes in missing.items() if classes} == {}
