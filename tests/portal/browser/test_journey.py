"""A customer with a phone: from a fault to its end, and no reason for anybody to complain about any page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils.translation import pgettext_lazy
from playwright.sync_api import Page, expect

from cases.links import link_token
from common import clock
from customers.models import Address, Region
from notifications.models import Message
from tests import builders
from tests.browser.conftest import Watch, Words, complaints_of_axe
from tests.portal.visitors import PHONE, at, code_sent
from tickets import conversation, ending, outages, services
from tickets.models import Ticket
from tickets.states import State

Visit = Callable[..., Page]
LANGUAGES = [("zh-hans", True), ("en", False)]


def go_on(page: Page) -> None:
    page.locator(".bar button").click()


def sign_in(page: Page, phone: str = PHONE) -> None:
    page.locator("[name=phone]").fill(phone)
    go_on(page)
    page.locator("[name=code]").fill(code_sent(phone))
    go_on(page)


@pytest.mark.parametrize(("language", "script"), LANGUAGES)
def test_from_the_fault_to_its_end(visit: Visit, region: Region, watch: Watch, language: str, script: bool) -> None:
    say = Words(language)
    agent = builders.person("agent", team=builders.team("dispatch", dispatches=True))
    page = visit(language=language, phone=True, java_script_enabled=script)
    watch.expect_status(422)

    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        say.of(pgettext_lazy("to a visitor without a name", "Hello"))
    )
    page.get_by_role("link", name=say("Report a fault")).click()
    go_on(page)  # nothing chosen: said, and the focus is there
    expect(page.get_by_role("alert")).to_be_focused()
    page.locator(".slot-label").first.tap()
    go_on(page)
    page.locator(".slot-label").first.tap()
    page.locator("[name=words]").fill("昨晚开始断网 😟")
    page.get_by_role("button", name="English" if language != "en" else "中文").tap()
    expect(page.locator("[name=words]")).to_have_value("昨晚开始断网 😟")
    page.get_by_role("button", name="中文" if language != "en" else "English").tap()
    expect(page.locator("[name=words]")).to_have_value("昨晚开始断网 😟")
    go_on(page)
    page.locator("[name=region]").select_option("haidian")
    page.locator("[name=street]").fill("中关村南大街 5 号")
    page.locator("[name=house]").fill("2 号楼 1203")
    go_on(page)
    sign_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Is this right?"))
    expect(page.locator("main")).to_contain_text("昨晚开始断网 😟")
    expect(page.locator("main")).to_contain_text("138****5678")
    page.locator("[name=name]").fill("王建国")
    go_on(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(say("We have received it"))
    ticket = Ticket.objects.get()
    expect(page.locator("main")).to_contain_text(ticket.number)
    expect(page.locator(".when")).to_contain_text("15:35")

    page.get_by_role("link", name=say("Track it")).click()
    expect(page.locator("[aria-current=step]")).to_contain_text(say("A colleague will take it up"))
    page.locator("[name=body]").fill("光猫亮红灯")
    page.get_by_role("button", name=say("Send"), exact=True).click()
    expect(page.get_by_role("status")).to_have_text(say("We have your message."))
    expect(page.locator(".talk")).to_contain_text("光猫亮红灯")

    services.take_next_ticket(by=agent)
    conversation.add_internal_note(ticket_id=ticket.pk, body="Splitter 3 is bad", by=agent)
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="换了光猫", verified="test", by=agent)
    address = Message.objects.get(template="ticket_resolved").context["link"]
    page.context.clear_cookies()
    page.goto(address[address.index("/m/") :])
    expect(page.locator(".when")).to_have_text(say("Is it solved?"))
    expect(page.locator("main")).to_contain_text("换了光猫")
    expect(page.locator("main")).not_to_contain_text("Splitter")
    page.get_by_role("link", name=say("No, not yet")).click()
    page.locator("[name=reason]").fill("还是断网")
    go_on(page)
    expect(page.get_by_role("status")).to_contain_text(
        say("We will take it up again. We are sorry that it was not solved.")
    )
    assert Ticket.objects.get().cycle == 2

    ending.resolve_ticket(ticket_id=ticket.pk, resolution="换了光纤", verified="test", by=agent)
    page.reload()
    page.get_by_role("button", name=say("Yes, solved")).click()
    expect(page.get_by_role("status")).to_contain_text(say("Thank you. We are glad that it is solved."))
    assert Ticket.objects.get().state == State.CLOSED


# --- every page for everybody ----------------------------------------------------------------------------------------


@pytest.fixture
def places(visit: Visit, region: Region) -> dict[str, str]:
    """A page of every kind, for a customer in whose region there is an outage."""
    now = clock.now()
    agent = builders.person("agent")
    customer = builders.customer("王建国", PHONE, region=region, street="中关村南大街 5 号", house="2 号楼 1203")
    builders.customer("李小红", "13900001111")
    builders.customer("李小明", "13900001111")
    outage = outages.enter_outage(
        region=region, text_zh="光缆故障。", text_en="A fiber is cut.", expected_at=now + timedelta(hours=2), by=None
    )

    def taken(**fields: Any) -> Ticket:
        ticket = builders.ticket(agent, customer=customer, at=now - timedelta(hours=3), type="fault", **fields)
        return services.take_ticket(ticket_id=ticket.pk, by=agent, at=now - timedelta(hours=3))

    busy = taken(needs_visit=True, description="断网 😟\n红灯", address=Address.objects.get())
    conversation.reply_to_customer(ticket_id=busy.pk, body="We test the line.", by=agent)
    waiting = taken()
    services.wait_for_customer(ticket_id=waiting.pk, reason="documents", by=agent)
    solved, closed = taken(), taken()
    for ticket in (solved, closed):
        ending.resolve_ticket(ticket_id=ticket.pk, resolution="New modem.", verified="test", by=agent)
    ending.confirm_ticket(ticket_id=closed.pk, by=customer)

    def link(ticket: Ticket, purpose: str, days: int = 30) -> str:
        return reverse("portal:link", args=[link_token(ticket, purpose, at=now, days=days)])

    return {
        "home": "/",
        "looked up": "/?region=haidian",
        "sign in": reverse("portal:sign_in"),
        "service": at("fault", "service"),
        "words": at("other", "what"),
        "question": at("bill", "what"),
        "outage": reverse("portal:outage", args=[outage.pk]),
        "busy": link(busy, "view"),
        "waiting": link(waiting, "view"),
        "solved": link(solved, "confirm"),
        "not solved": link(solved, "confirm") + "not-solved/",
        "closed": link(closed, "confirm"),
        "expired": link(busy, "view", days=-1),
        "unknown link": "/m/nonsense/",
        "lost": reverse("portal:link_lost"),
        "matters": "/my/cases/",
        "matter": reverse("portal:case", args=[busy.number]),
    }


SMALL = """() => [...document.querySelectorAll("a, button, select, textarea, summary, input")]
  .filter((e) => !e.matches(".skip, [aria-hidden], [type=hidden], [type=radio]") && e.getClientRects().length)
  .filter((e) => e.getBoundingClientRect().height < 43.5)
  .map((e) => `${e.tagName} ${e.textContent.trim()} ${e.getBoundingClientRect().height}`)"""


def found_on(page: Page, name: str, *complaints: str) -> list[str]:
    """What is wrong with a page: what axe said of it, and what axe does not look at."""
    found = [f"{name}: {line}" for line in complaints]
    width = page.viewport_size["width"] if page.viewport_size else 0  # innerWidth grows with the page on a phone
    if page.evaluate("document.documentElement.scrollWidth") > width:
        found.append(f"{name}: wider than the window")
    # WCAG 2.5.8 and interface.md §13: 44 px on the customer's site.
    small = page.evaluate(SMALL)
    return found + [f"{name}: small target {what}" for what in small]


STRANGER = ("home", "looked up", "sign in", "unknown link", "lost", "expired")


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_nobody_has_reason_to_complain(visit: Visit, places: dict[str, str], watch: Watch, language: str) -> None:
    watch.expect_status(404, 410)
    stranger, customer = visit(language=language, phone=True), visit(language=language, phone=True)
    customer.goto(places["sign in"])
    sign_in(customer)
    found = []
    for name, address in places.items():
        page = stranger if name in STRANGER else customer
        page.goto(address)
        found += found_on(page, name, *complaints_of_axe(page))
    customer.goto("/")
    found += found_on(customer, "home, signed in", *complaints_of_axe(customer))
    customer.emulate_media(color_scheme="dark", reduced_motion="reduce")
    for name in ("home", "service", "busy", "solved", "waiting") if language == "en" else ():
        customer.goto(places[name])
        found += found_on(customer, f"{name}, dark", *complaints_of_axe(customer, "color-contrast"))
    assert found == []


@pytest.mark.parametrize("width", [320, 1440])
def test_narrow_and_wide(visit: Visit, places: dict[str, str], watch: Watch, width: int) -> None:
    watch.expect_status(404, 410)
    page = visit(language="en", viewport={"width": width, "height": 800})
    page.goto(places["sign in"])
    sign_in(page)
    found = []
    for name, address in places.items():
        page.goto(address)
        found += found_on(page, name)
    assert found == []


def test_forms_with_errors_are_fine_too(visit: Visit, places: dict[str, str], watch: Watch) -> None:
    watch.expect_status(422)
    page = visit(language="zh-hans", phone=True)
    found = []
    for name in ("sign in", "service", "words", "lost", "not solved"):
        page.goto(places[name])
        go_on(page)
        expect(page.get_by_role("alert")).to_be_focused()
        found += found_on(page, name, *complaints_of_axe(page))
    page.goto(places["busy"])
    page.get_by_role("button", name="发送").click()
    expect(page.get_by_role("alert")).to_be_focused()
    assert found + found_on(page, "write", *complaints_of_axe(page)) == []


def test_of_two_under_one_number_one_says_who_one_is(visit: Visit, places: dict[str, str]) -> None:
    page = visit(language="en", phone=True)
    page.goto("/my/sign-in/?next=/my/cases/")
    sign_in(page, "13900001111")
    expect(page.locator(".slot-label")).to_have_count(3)
    assert found_on(page, "who", *complaints_of_axe(page)) == []
    page.get_by_label("李*红").check()
    go_on(page)
    expect(page).to_have_url(re.compile("/my/cases/$"))


def test_the_keyboard_alone_is_enough(visit: Visit, places: dict[str, str]) -> None:
    """Enter presses the button at the foot, not the language."""
    page = visit(language="en")
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.goto(places["service"])
    page.locator("[name=service]").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("What is wrong?")
