"""Keyboard first: the queue, the composer and the palette without a mouse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from common import clock
from desk.forms import ReplyForm
from desk.views.actions import ACTIONS
from tests import builders
from tickets import conversation, services
from tickets.models import Ticket

from .conftest import Words, complaints_of_axe

pytestmark = pytest.mark.usefixtures("house")


def queue_of_three(agent: Any) -> list[Ticket]:
    """In the order of the queue: what came first falls due first."""
    tickets = []
    for n, phone in enumerate(["13900000001", "13900000002", "13900000003"]):
        customer = builders.customer(f"Customer {n}", phone)
        at = clock.now() - timedelta(minutes=30 - n)
        ticket = builders.ticket(agent, subject=f"Line {n}", customer=customer, at=at)
        tickets.append(services.take_ticket(ticket_id=ticket.pk, by=agent))
    return tickets


def test_the_queue_by_keys(visit: Any, say: Words) -> None:
    agent = builders.person("agent", language="en")
    queue_of_three(agent)
    page = visit(agent)
    page.goto("/desk/")
    rows = [page.get_by_role("link").filter(has_text=f"Line {n}") for n in range(3)]
    page.keyboard.press("j")
    expect(rows[0]).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(rows[2]).to_be_focused()
    page.keyboard.press("k")
    expect(rows[1]).to_be_focused()
    page.keyboard.press("Enter")
    heading = page.locator("#main").get_by_role("heading", level=1)
    expect(heading).to_have_text("Line 1")
    expect(heading).to_be_focused()
    expect(rows[1]).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)  # the list's own stepped back
    expect(page.get_by_role("heading", level=2).filter(has_text=say("My queue"))).to_be_visible()

    page.keyboard.press("r")
    reply = page.get_by_role("textbox", name=say.of(ReplyForm.base_fields["body"].label), exact=True)
    expect(reply).to_be_focused()
    page.keyboard.type("jr")  # in a field, letters are letters
    expect(reply).to_have_value("jr")
    reply.fill("")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    note = page.get_by_role("textbox", name=say("Note"), exact=True)
    expect(note).to_be_focused()
    page.keyboard.type("Splitter 3")
    page.keyboard.press("Escape")
    page.keyboard.press("]")
    expect(heading).to_have_text("Line 2")
    expect(heading).to_be_focused()
    page.go_back()
    expect(heading).to_have_text("Line 1")
    expect(note).to_be_visible()  # what was being written is in front again
    expect(note).to_have_value("Splitter 3")


def test_a_step_by_keys_keeps_what_was_typed_and_gives_the_focus_back(visit: Any, say: Words) -> None:
    agent = builders.person("agent", language="en")
    ticket = queue_of_three(agent)[0]
    page = visit(agent)
    page.goto(reverse("desk:case", args=[ticket.number]))
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    what = dialog.get_by_role("textbox").first
    expect(what).to_be_focused()
    page.keyboard.type("New splitter")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    resolve = say.of(ACTIONS["resolve"].title)
    expect(page.locator("#steps").get_by_role("link", name=resolve)).to_be_focused()
    # The palette reaches every step of the ticket, and says its key.
    page.keyboard.press("Control+k")
    results = page.get_by_role("listbox", name=say("Results"))
    step = results.get_by_role("option").filter(has_text=resolve)
    expect(step.locator(".kbd")).to_have_text("E")
    expect(results.get_by_role("option").filter(has_text=say("Log a call")).locator(".kbd")).to_have_text("L")
    page.keyboard.type(resolve)
    expect(results.get_by_role("option").first).to_have_text(f"{resolve}E")
    page.keyboard.press("Enter")
    expect(what).to_have_value("New splitter")
    dialog.get_by_role("radio").first.check()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(say.of(ACTIONS["resolve"].done))).to_be_visible()
    expect(dialog).to_be_hidden()
    # What the menu behind the bar leads to shuts the menu, and the focus comes back to what opens it.
    more = page.locator(".verbs-more")
    more.locator("summary").click()
    more.get_by_role("link", name=say("Write a summary")).click()
    expect(dialog).to_be_visible()
    expect(more).not_to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(more.locator("summary")).to_be_focused()


def test_rows_are_ticked_and_answered_together_by_keys(visit: Any, say: Words) -> None:
    agent = builders.person("agent", language="en", keys={"select": "w"})  # a key of the own
    tickets = queue_of_three(agent)
    page = visit(agent)
    page.goto("/desk/")
    boxes = [page.get_by_role("checkbox", name=say("Select %(number)s") % {"number": t.number}) for t in tickets]
    bar = page.get_by_role("group", name=say("With the selected tickets"))
    expect(bar).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("x")  # does nothing now
    for key in "wjjw":
        page.keyboard.press(key)
    expect(boxes[0]).to_be_checked()
    expect(boxes[1]).not_to_be_checked()
    expect(boxes[2]).to_be_checked()
    expect(bar).to_be_visible()
    # A row that renews itself stays ticked.
    conversation.add_internal_note(ticket_id=tickets[2].pk, body="x", by=agent)
    row = page.locator(f"#row-{tickets[2].pk}")
    row.dispatch_event("ticket-changed")
    expect(row).to_have_attribute("data-version", str(Ticket.objects.get(pk=tickets[2].pk).event_seq))
    expect(boxes[2]).to_be_checked()
    assert complaints_of_axe(page) == []
    page.keyboard.press("Shift+X")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("textbox")).to_be_focused()
    assert complaints_of_axe(page) == []
    page.keyboard.type("The line is back.")
    dialog.get_by_role("button", name=say("Reply"), exact=True).click()
    for ticket in (tickets[0], tickets[2]):
        expect(page.get_by_role("row").filter(has_text=ticket.number)).to_contain_text(say("Done"))
    assert complaints_of_axe(page) == []
    assert [ticket.notes.filter(body="The line is back.").count() for ticket in tickets] == [1, 0, 1]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_palette_finds_by_number_and_by_phone(visit: Any, language: str) -> None:
    say = Words(language)
    agent = builders.person("agent", language=language)
    tickets = queue_of_three(agent)
    page = visit(agent, language=language)
    page.goto("/desk/")
    field = page.get_by_role("combobox", name=say("Ticket number, phone, account number or name"))
    for typed, ticket in [(tickets[1].number, tickets[1]), ("13900000003", tickets[2])]:
        page.wait_for_load_state()  # the heading of the next page is there before its keys are
        page.keyboard.press("Control+k")
        expect(field).to_be_focused()
        field.press_sequentially(typed)
        first = page.get_by_role("dialog").get_by_role("option").first
        expect(first).to_contain_text(ticket.subject)
        expect(first).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(ticket.subject)
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
