"""The guards of the other journeys see what they are there to see."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route

from .conftest import Watch, complaints_of_axe

SPOILED = {
    "style": ("<h1>", '<h1 style="color: red">', "policy style-src-attr"),
    "script": ("</main>", "<script>document.title = '';</script></main>", "policy script-src-elem"),
    "missing": ("ui/base.css", "ui/nowhere.css", "status of 404"),
    "broken": ("</head>", '<script src="/static/ui/mark.svg"></script></head>', "script "),
}


def spoil(page: Page, before: str, after: str) -> None:
    """The sign-in page with one thing wrong."""

    def spoiled(route: Route) -> None:
        answer = route.fetch()
        assert before in answer.text()
        route.fulfill(response=answer, body=answer.text().replace(before, after, 1))

    page.route("**/sign-in/", spoiled)
    page.goto("/sign-in/")


@pytest.mark.parametrize("kind", SPOILED)
def test_the_watch_hears_the_browser_complain(visit: Any, watch: Watch, kind: str) -> None:
    before, after, words = SPOILED[kind]
    page = visit()
    spoil(page, before, after)
    page.wait_for_load_state("networkidle")
    assert any(words in line for line in watch.unexpected()), watch.complaints
    watch.complaints.clear()


def test_axe_sees_a_field_without_a_label(visit: Any) -> None:
    page = visit()
    spoil(page, '<label for="id_username">', '<label for="nobody">')
    assert any(line.startswith("label x1") for line in complaints_of_axe(page))
