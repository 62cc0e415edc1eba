"""A newcomer's first ticket, from the call to closure, in both languages and without script."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.translation import override, pgettext
from playwright.sync_api import Page, Route, expect

from cases.facts import Names, sentence
from cases.models import CaseEvent, Note
from cases.services import verify_timeline
from common import clock
from desk.forms import CallForm, ReplyForm, ResolveForm
from desk.intake import IntakeForm
from desk.sending import DONE, FOLLOWS
from desk.views.actions import ACTIONS
from sla.models import Deadline
from sla.promises import title
from sla.states import Verdict
from tests import builders
from tickets.models import Ticket
from tickets.states import State, Type, Verified

from .conftest import Words, sign_in, starts

PHONE = "13812345678"
pytestmark = pytest.mark.usefixtures("house")


def label(form: Any, field: str, say: Words) -> str:
    return say.of(form.base_fields[field].label)


def clock_of(page: Page, promise: str, say: Words) -> Any:
    with override(say.language):
        name = page.locator(".clock-name", has_text=starts(title(promise)))
    return page.get_by_role("group", name=say("Targets")).locator(".clock").filter(has=name)


def write(page: Page, what: str, say: Words) -> None:
    page.get_by_role("group", name=say("What to write")).get_by_text(say(what), exact=True).click()


def timeline(ticket: Ticket, language: str) -> list[str]:
    with override(language):
        events = CaseEvent.objects.filter(case=ticket).exclude(kind="note_added").order_by("seq")
        return [sentence(event, Names()) for event in events]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_call_becomes_a_ticket_and_the_ticket_is_closed(visit: Any, leave: Any, language: str) -> None:
    say = Words(language)
    agent = builders.person("agent", "chen", language=language)
    father = builders.customer("李小明", PHONE)
    builders.customer("李大明", PHONE)
    page = visit(language=language)
    page.goto("/desk/")
    sign_in(page, agent, say)

    # The call: two people answer under this number.
    page.get_by_role("link", name=say("New ticket")).click()
    page.get_by_label(label(IntakeForm, "phone", say), exact=True).press_sequentially(PHONE)
    page.get_by_role("radio", name=father.name).check()
    page.get_by_role("radio", name=say.of(Type.ENQUIRY.label), exact=True).check()
    page.get_by_label(label(IntakeForm, "subject", say), exact=True).fill("What does roaming cost?")
    page.get_by_label(label(IntakeForm, "description", say), exact=True).fill("Flies to Paris\non Friday.")
    page.get_by_role("button", name=say("Register")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What does roaming cost?")
    ticket = Ticket.objects.get()
    assert (ticket.customer, ticket.owner, ticket.state) == (father, agent, State.IN_PROGRESS)
    expect(page.get_by_text(say("%(number)s is registered.", number=ticket.number))).to_be_visible()

    # Its clocks, and why the resolution is due when it is.
    for deadline in Deadline.objects.filter(case=ticket):
        expect(clock_of(page, deadline.promise, say)).to_be_visible()
    resolution = clock_of(page, "resolve", say)
    chip = resolution.locator("sla-timer")
    expect(chip).to_have_attribute("data-level", "ok")
    why = resolution.get_by_role("link", name=starts(say("Explain")))
    why.click()
    explanation = page.get_by_role("dialog")
    expect(explanation.get_by_role("table").get_by_role("row")).not_to_have_count(1)
    expect(explanation.get_by_role("cell", name=say("yes"), exact=True).first).to_be_visible()
    page.keyboard.press("Escape")
    expect(explanation).to_be_hidden()
    expect(why).to_be_focused()

    # A reply that waits pauses the clock; the customer's answer starts it again.
    page.get_by_role("textbox", name=label(ReplyForm, "body", say), exact=True).fill("From 1 yuan a day. Where to?")
    page.get_by_role("button", name=say("Send and wait")).click()
    expect(page.locator("undo-bar")).to_contain_text(say.of(FOLLOWS["wait"]))
    expect(chip).to_have_attribute("data-level", "ok")
    leave(page)
    expect(page.get_by_text(say.of(DONE["wait"]))).to_be_visible()
    expect(chip).to_have_attribute("data-level", "paused")
    expect(page.get_by_role("link", name=starts(say("Status")))).to_contain_text(say.of(State.PENDING.label))
    write(page, "Customer said", say)
    page.get_by_role("textbox", name=say("What the customer said")).fill("France it is.")
    page.get_by_role("button", name=say("Record it")).click()
    expect(page.get_by_text(say.of(ACTIONS["customer"].done))).to_be_visible()
    expect(chip).to_have_attribute("data-level", "ok")

    # Resolved: what fixed it, and how we know.
    steps = page.get_by_role("navigation", name=say("Next steps"))
    steps.get_by_role("link", name=say.of(ACTIONS["resolve"].title), exact=True).click()
    form = page.get_by_role("dialog")
    form.get_by_label(label(ResolveForm, "resolution", say)).fill("Told the price for France.")
    form.get_by_role("radio", name=say.of(Verified.NOT_NEEDED.label)).check()
    form.get_by_role("button", name=say.of(ACTIONS["resolve"].title), exact=True).click()
    expect(page.get_by_text(say.of(ACTIONS["resolve"].done))).to_be_visible()
    expect(chip).to_have_attribute("data-level", "met")

    # The call back: reached, and it is solved.
    expect(page.get_by_role("radio", name=say.of(Note.Outcome.REACHED.label), exact=True)).to_be_checked()
    page.get_by_role("radio", name=say("Yes, close it")).check()
    page.get_by_role("textbox", name=label(CallForm, "body", say)).fill("She is happy with that.")
    page.get_by_role("button", name=say("Log the call")).click()
    expect(page.get_by_text(say.of(ACTIONS["call"].done))).to_be_visible()
    expect(page.get_by_role("link", name=starts(say("Status")))).to_contain_text(say.of(State.CLOSED.label))

    # The story is all there, in the reader's language, and the promises were kept.
    story = page.get_by_role("region", name=say("Conversation"))
    said = ["Flies to Paris", "From 1 yuan a day.", "France it is.", "She is happy with that."]
    for words in [*said, *timeline(ticket, language)]:
        expect(story.get_by_text(words).first).to_be_attached()
    ticket.refresh_from_db()
    assert (ticket.state, ticket.closed_because) == (State.CLOSED, "confirmed")
    verdicts = {d.promise: d.verdict(clock.now()) for d in Deadline.objects.filter(case=ticket)}
    assert verdicts == dict.fromkeys(["first_response", "resolve", "completion_notice"], Verdict.MET)
    assert verify_timeline(ticket) == []


def test_everything_works_without_script(visit: Any, leave: Any, say: Words) -> None:
    agent = builders.person("agent", "chen", language="en")
    customer = builders.customer("Li Xiaoming", PHONE)
    page = visit(java_script_enabled=False)
    page.goto("/desk/")
    sign_in(page, agent, say)

    page.get_by_role("link", name=say("New ticket")).click()
    page.get_by_label(label(IntakeForm, "phone", say), exact=True).fill("5678")
    page.get_by_label(label(IntakeForm, "subject", say), exact=True).fill("Slow in the evening")
    page.get_by_role("button", name=say("Find")).click()
    page.get_by_role("radio", name=customer.name).check()
    page.get_by_role("radio", name=say.of(Type.SERVICE_REQUEST.label), exact=True).check()
    page.get_by_role("button", name=say("Register")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Slow in the evening")
    chip = clock_of(page, "resolve", say).locator("sla-timer")
    expect(chip).to_contain_text(say("%(span)s left", span="").strip())

    clock_of(page, "resolve", say).get_by_role("link", name=starts(say("Explain"))).click()
    expect(page.get_by_role("cell", name=say("yes"), exact=True).first).to_be_visible()
    page.go_back()

    page.get_by_role("textbox", name=label(ReplyForm, "body", say), exact=True).fill("Please restart the modem.")
    page.get_by_role("button", name=say("Send and wait")).click()
    with override("en"):
        undo = page.get_by_role("button", name=starts(pgettext("a reply that is going out", "Undo")))
    undo.click()
    reply = page.get_by_role("textbox", name=label(ReplyForm, "body", say), exact=True)
    expect(reply).to_have_value("Please restart the modem.")
    expect(reply).to_be_focused()
    page.get_by_role("button", name=say("Send and wait")).click()
    expect(page.locator("undo-bar")).to_contain_text("Goes out at 15:20")
    leave()
    page.reload()
    expect(page.get_by_text(say.of(DONE["wait"]))).to_be_visible()
    expect(chip).to_contain_text(say("Paused"))
    write(page, "Note", say)
    page.get_by_role("textbox", name=say("Note"), exact=True).fill("Signal is weak after nine.")
    page.get_by_role("button", name=say("Add the note")).click()
    expect(page.get_by_text(say.of(ACTIONS["note"].done))).to_be_visible()

    steps = page.get_by_role("navigation", name=say("Next steps"))
    steps.get_by_role("button", name=say("Go on"), exact=True).click()
    expect(page.get_by_text(say.of(ACTIONS["resume"].done))).to_be_visible()
    steps.get_by_role("link", name=say.of(ACTIONS["resolve"].title), exact=True).click()
    page.get_by_label(label(ResolveForm, "resolution", say)).fill("New splitter")
    page.get_by_role("radio", name=say.of(Verified.TEST.label)).check()
    page.get_by_role("button", name=say.of(ACTIONS["resolve"].title), exact=True).click()
    expect(page.get_by_text(say.of(ACTIONS["resolve"].done))).to_be_visible()
    ticket = Ticket.objects.get()
    assert (ticket.state, ticket.resolution, ticket.customer) == (State.RESOLVED, "New splitter", customer)
    assert verify_timeline(ticket) == []


def test_a_number_typed_before_the_page_was_whole_is_looked_up(visit: Any, say: Words) -> None:
    father = builders.customer("李小明", PHONE)
    page = visit(builders.person("agent", language="en"))
    scripts: list[Route] = []
    page.route("**/htmx*.js", lambda route: scripts.append(route))
    page.goto("/desk/new/", wait_until="commit")
    page.get_by_label(label(IntakeForm, "phone", say), exact=True).fill(PHONE)
    scripts[0].continue_()
    expect(page.get_by_role("radio", name=father.name)).to_be_visible()
