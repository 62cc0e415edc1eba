"""The board in a browser: what moves, what waits, and that nobody has reason to complain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from common import clock
from tests import builders
from tests.browser.conftest import Watch, complaints_of_axe
from tests.dashboards import center as centers
from tickets import ending

Visit = Callable[..., Page]


@pytest.fixture
def center(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> centers.Center:
    monkeypatch.setattr(centers, "NOW", clock.now())
    return centers.Center(12)


@pytest.fixture
def page(visit: Visit, center: centers.Center) -> Page:
    return visit(center.supervisor, timezone_id="America/New_York")


def ask(page: Page) -> None:
    """What the page does by itself every 15 seconds, and when its tab is shown again."""
    with page.expect_response("**/boards/live/refresh/"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def overdue(center: centers.Center, days: int) -> Any:
    at = clock.now() - timedelta(days=days)
    return builders.ticket(center.agents[0], customer=center.customer, team=center.repair, at=at, subject="Very late")


def test_nothing_moves_under_the_hand(page: Page, center: centers.Center) -> None:
    page.goto("/boards/live/")
    rows = page.locator("#part-action tbody")
    before = rows.first.get_attribute("id")
    page.hover("#part-action table")
    late = overdue(center, 30)
    ask(page)
    pill = page.locator("#part-action [data-pill] button")
    expect(pill).to_be_visible()  # the pill has no height of its own: its button is what one sees
    expect(rows.first).to_have_attribute("id", str(before))
    expect(page.locator("#part-figures .figure").nth(3)).to_contain_text(str(center.scope().cases().open().count()))
    pill.click()
    expect(rows.first).to_have_attribute("id", f"row-{late.number}")


def test_what_is_open_and_what_has_the_focus_survive_a_refresh(page: Page, center: centers.Center) -> None:
    page.goto("/boards/live/")
    page.click("#hours-table summary")
    page.focus("#part-figures a >> nth=1")
    before = page.locator("#part-figures a").nth(1).inner_text()
    overdue(center, 40)
    ask(page)
    expect(page.locator("#part-figures a").nth(1)).not_to_have_text(before, use_inner_text=True)
    expect(page.locator("#part-figures a").nth(1)).to_be_focused()
    expect(page.locator("#hours-table")).to_have_attribute("open", "")


def test_the_page_does_not_scroll_twice(page: Page) -> None:
    page.goto("/boards/live/")
    # One pixel is the frame's own: its line for screen readers stands below everything.
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight + 1")


def test_a_page_without_answers_says_since_when(page: Page, watch: Watch) -> None:
    watch.ignore("/boards/live/refresh/")
    page.clock.install()
    page.goto("/boards/live/")
    page.route("**/boards/live/refresh/", lambda route: route.abort())
    page.clock.run_for(100_000)
    expect(page.locator("[data-as-of]")).to_contain_text("No answer since")


def test_reassigning_in_the_row(page: Page, center: centers.Center, watch: Watch) -> None:
    watch.expect_status(422)
    ticket = overdue(center, 30)
    page.goto("/boards/live/")
    row = page.locator(f"#row-{ticket.number}")
    button = row.get_by_role("link", name=f"Reassign {ticket.number}")
    button.click()
    expect(row.locator("select")).to_be_focused()
    overdue(center, 20)
    ask(page)
    expect(row.locator("select")).to_be_visible()  # an open form is never taken away
    row.get_by_role("link", name="Cancel").click()
    expect(row.locator("select")).to_have_count(0)
    expect(button).to_be_focused()

    button.click()
    agent = center.agents[1]
    row.locator("select").select_option(str(agent.pk))
    row.get_by_role("button", name="Reassign").click()
    expect(row).to_contain_text(agent.name)
    expect(button).to_be_focused()
    expect(page.locator("#announce")).to_have_text(f"{ticket.number} is now with {agent}.")

    ending.resolve_ticket(ticket_id=ticket.pk, resolution="Reset", verified="test", by=None)
    button.click()
    row.locator("select").select_option(str(center.agents[0].pk))
    row.get_by_role("button", name="Reassign").click()
    expect(row).to_contain_text("This is not possible while the state is")


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_accessibility_violations(visit: Visit, center: centers.Center, language: str, theme: str) -> None:
    overdue(center, 30)
    for phone in (False, True):
        page = visit(center.supervisor, language=language, color_scheme=theme, phone=phone)
        for address in ("/boards/live/", "/boards/list/action/", "/boards/list/target/", "/boards/list/agents/"):
            page.goto(address)
            if "live" in address or "action" in address:
                page.click("tbody a.btn >> nth=0")
                page.wait_for_selector("select")
            assert complaints_of_axe(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
