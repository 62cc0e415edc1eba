"""The countdown is the server's: the same in every time zone, and on a computer whose clock is wrong."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from common import clock
from sla.models import Deadline
from tests import builders

from .conftest import HouseClock, Words

pytestmark = pytest.mark.usefixtures("house")
ZONES = ["Asia/Shanghai", "America/New_York", "Europe/Berlin"]
TWO_SECONDS = 2


def off_by(page: Page, due: Any) -> float:
    """How many seconds the shown countdown differs from the house's own."""
    chip = page.locator(".clock sla-timer[data-due] .sla-v").first
    shown, left = chip.inner_text(), (due - clock.now()).total_seconds()
    minutes, seconds = re.search(r"(\d+):(\d\d)", shown).groups()  # type: ignore[union-attr]
    return abs(60 * int(minutes) + int(seconds) - left)


def test_the_countdown_is_the_same_in_every_time_zone(visit: Any, house_clock: HouseClock) -> None:
    """Lesson 7: three browsers in three zones count the same seconds."""
    agent = builders.person("agent", language="en")
    ticket = builders.ticket(agent, team=agent.team, channel="web", at=clock.now() - timedelta(minutes=2))
    due = Deadline.objects.get(case=ticket, promise="first_response").due_at
    pages = [visit(agent, timezone_id=zone) for zone in ZONES]
    # One computer is set wrong by a day and a bit; all of them are months away from the house's time.
    pages[1].clock.set_system_time(clock.now() + timedelta(hours=27, minutes=13))
    for page in pages:
        page.goto(reverse("desk:case", args=[ticket.number]))
    for page in pages:
        # A busy machine may stop for seconds between reading the page and reading the clock.
        assert min(off_by(page, due) for _reading in range(5)) <= TWO_SECONDS
    words = [page.locator(".clocks").inner_text().split("\n") for page in pages]
    moments = [[line for line in lines if "by " in line] for lines in words]
    assert moments[0] == moments[1] == moments[2] != []


def test_a_clock_turns_by_itself_when_its_time_comes(visit: Any, house_clock: HouseClock, say: Words) -> None:
    agent = builders.person("agent", language="en")
    ticket = builders.ticket(agent, team=agent.team, channel="web", at=clock.now())
    due = Deadline.objects.get(case=ticket, promise="first_response").due_at
    house_clock.skip(due - clock.now() - timedelta(minutes=1))
    page = visit(agent)
    page.clock.install()
    page.goto(reverse("desk:case", args=[ticket.number]))
    chip = page.locator(".clock sla-timer").first
    expect(chip).to_have_attribute("data-level", "soon")
    house_clock.skip(timedelta(minutes=1))
    page.clock.run_for(60_000)
    expect(chip).to_have_attribute("data-level", "over")
    expect(chip).to_contain_text(re.compile(say("Over %(span)s", span=r"0\d:\d\d")))
    expect(chip).to_have_class(re.compile(r"\bsla-over\b"))
