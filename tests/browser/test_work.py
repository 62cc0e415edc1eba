"""Refusals, collisions and shared queues: what happens when people are wrong, late, or two at once."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override
from playwright.sync_api import Page, expect

from common import clock
from desk.forms import ReplyForm, ResolveForm
from desk.sending import DONE
from desk.views.actions import ACTIONS
from staff.permissions import Role, roles_that_may
from tests import builders
from tests.cases.test_attachments import JPEG
from tickets import services
from tickets.models import Ticket
from tickets.states import State, Verified

from .conftest import HouseClock, Watch, Words, complaints_of_axe, sign_in, starts

pytestmark = pytest.mark.usefixtures("house")


def opened(by: Any, **fields: Any) -> Ticket:
    return builders.ticket(by, at=clock.now(), **fields)


def taken(by: Any, **fields: Any) -> Ticket:
    return services.take_ticket(ticket_id=opened(by, **fields).pk, by=by)


def of_form(form: Any, field: str, say: Words) -> str:
    return say.of(form.base_fields[field].label)


def reply_box(page: Page, say: Words) -> Any:
    return page.get_by_role("textbox", name=of_form(ReplyForm, "body", say), exact=True)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_refusal_says_why_and_keeps_what_was_typed(visit: Any, watch: Watch, language: str) -> None:
    watch.expect_status(409, 422)
    say = Words(language)
    ticket = taken(builders.person("agent", language=language))
    page = visit(ticket.owner, language=language)
    page.goto(reverse("desk:case", args=[ticket.number]))
    resolve = say.of(ACTIONS["resolve"].title)
    page.get_by_role("navigation", name=say("Next steps")).get_by_role("link", name=resolve, exact=True).click()
    dialog = page.get_by_role("dialog")
    send = dialog.get_by_role("button", name=resolve, exact=True)
    send.click()
    summary = dialog.get_by_role("alert")
    expect(summary).to_contain_text(say("Write down what fixed it first."))
    expect(summary).to_be_focused()
    dialog.get_by_label(of_form(ResolveForm, "resolution", say)).fill("New splitter")
    send.click()
    expect(summary).not_to_contain_text(say("Write down what fixed it first."))
    expect(summary).to_contain_text(say("Say how you know that it is solved."))
    expect(dialog.get_by_label(of_form(ResolveForm, "resolution", say))).to_have_value("New splitter")
    dialog.get_by_role("radio", name=say.of(Verified.TEST.label)).check()
    send.click()
    expect(page.get_by_text(say.of(ACTIONS["resolve"].done))).to_be_visible()
    expect(dialog).to_be_hidden()


def test_two_at_one_ticket_see_each_other_and_who_is_replying(visit: Any, say: Words) -> None:
    ticket = taken(builders.person("agent", "chen", name="Chen", language="en"))
    address = reverse("desk:case", args=[ticket.number])
    first, second = visit(ticket.owner), visit(builders.person("lead", "wang", name="Wang", language="en"))
    for page in (first, second):
        page.goto(address)
    for page, name in ((first, "Wang"), (second, "Chen")):
        expect(page.locator("[data-here]")).to_contain_text(say("%(name)s is viewing", name=name))
    reply_box(second, say).press_sequentially("We look")
    expect(first.locator("[data-here]")).to_contain_text(say("%(name)s is replying", name="Wang"))
    expect(first.locator("#announce")).to_have_text(say("%(name)s is replying", name="Wang"))
    # The head is renewed by what somebody does; whoever is there stays in it.
    first.locator(".composer-tabs").get_by_text(say("Note"), exact=True).click()
    first.get_by_role("textbox", name=say("Note"), exact=True).fill("Careful")
    first.get_by_role("button", name=starts(say("Add the note"))).click()
    expect(second.get_by_text("Careful")).to_be_visible()
    expect(second.locator("[data-here]")).to_contain_text(say("%(name)s is viewing", name="Chen"))
    expect(reply_box(second, say)).to_have_value("We look")
    second.goto("/desk/")
    expect(first.locator("[data-here]")).to_be_empty()


def test_who_was_overtaken_sees_by_whom_and_sends_again(visit: Any, watch: Watch, leave: Any, say: Words) -> None:
    watch.expect_status(409)
    ticket = taken(builders.person("agent", "chen", language="en"))
    address = reverse("desk:case", args=[ticket.number])
    first = visit(ticket.owner)
    first.goto(address)
    reply_box(first, say).fill("We look at it now.")

    second = visit(builders.person("lead", "wang", language="en"))
    second.goto(address)
    reply_box(second, say).fill("Somebody will call you.")
    second.get_by_role("button", name=say("Send and wait")).click()
    expect(second.locator("undo-bar")).to_be_visible()
    expect(first.locator("[data-here]")).to_contain_text(say("%(name)s's reply is going out", name="wang"))

    # What is sent second arrives second, so the first is let go, and asked about.
    first.locator("draft-box.mode-reply button[type=submit]").click()
    bar = first.get_by_role("alert")
    expect(bar).to_be_focused()
    expect(bar).to_contain_text("wang")
    expect(bar).to_contain_text(say("Yours is not sent yet; it is below as you typed it."))
    expect(bar.get_by_text("Somebody will call you.")).to_be_visible()
    expect(reply_box(first, say)).to_have_value("We look at it now.")
    assert ticket.notes.filter(direction="out").count() == 1
    bar.get_by_role("link", name=say("Edit")).click()
    expect(reply_box(first, say)).to_be_focused()
    bar.get_by_role("button", name=say("Send anyway")).click()
    expect(first.locator("undo-bar")).to_be_visible()
    leave(first)
    expect(first.get_by_text(say.of(DONE[""]), exact=True)).to_be_visible()
    expect(first.get_by_role("region", name=say("Conversation")).get_by_text("We look at it now.")).to_be_visible()
    assert ticket.notes.filter(direction="out").count() == 2


def test_a_reply_is_taken_back_by_its_key_and_goes_when_it_is_sent_again(
    visit: Any, leave: Any, say: Words, tmp_path: Path
) -> None:
    ticket = taken(builders.person("agent", "chen", language="en"))
    page = visit(ticket.owner)
    page.goto(reverse("desk:case", args=[ticket.number]))
    picture = tmp_path / "modem.jpg"
    picture.write_bytes(JPEG)
    reply_box(page, say).fill("Which lamp\nis red?")
    page.locator("#reply_files").set_input_files(picture)
    page.keyboard.press("Escape")
    reply_box(page, say).press("Control+Enter")
    bar = page.locator("undo-bar")
    expect(bar).to_contain_text("Which lamp")
    expect(bar.locator("[data-count]")).to_have_text(re.compile(r"^Going out in \d s$"))
    expect(page.locator("#main").get_by_role("heading", level=1)).to_be_focused()
    reply_box(page, say).fill("zz")  # in a field a letter is a letter, and what is begun meanwhile stays
    page.keyboard.press("Escape")
    page.keyboard.press("z")
    expect(reply_box(page, say)).to_have_value("Which lamp\nis red?")
    expect(reply_box(page, say)).to_be_focused()
    expect(page.get_by_role("checkbox", name=starts("modem.jpg"))).to_be_checked()
    expect(page.get_by_role("radio", name=say("Send and wait"), include_hidden=True)).to_be_checked()
    expect(bar).to_have_count(0)
    assert ticket.notes.count() == 0
    page.keyboard.press("End")
    page.keyboard.type(" The left one?")
    page.reload()
    expect(reply_box(page, say)).to_have_value("Which lamp\nis red? The left one?")

    reply_box(page, say).press("Control+Enter")
    expect(bar).to_be_visible()
    expect(reply_box(page, say)).to_have_value("zz")
    leave(page)
    expect(page.get_by_text(say.of(DONE["wait"]))).to_be_visible()
    expect(page.get_by_role("link", name=starts("modem.jpg"))).to_be_visible()
    expect(reply_box(page, say)).to_have_value("zz")
    assert ticket.notes.get().body.splitlines() == ["Which lamp", "is red? The left one?"]


def test_two_agents_take_the_next_one_and_get_two(visit: Any, say: Words) -> None:
    agents = [builders.person("agent", name, language="en") for name in ("chen", "wang")]
    tickets = [opened(agents[0], subject=f"Line {n}", team=agents[0].team) for n in range(3)]
    pages = [visit(agent) for agent in agents]
    for page in pages:
        page.goto("/desk/team/")
    for page in pages:
        page.get_by_role("button", name=say("Take the next one")).click(no_wait_after=True)
    for page in pages:
        page.wait_for_url("**/desk/c/*/")
        expect(page.get_by_role("status").filter(has_text=say("%(number)s is yours now.", number=""))).to_be_visible()
    shown = {page.get_by_role("heading", level=1).inner_text() for page in pages}
    assert shown == {"Line 0", "Line 1"}
    assert {Ticket.objects.get(pk=t.pk).owner for t in tickets[:2]} == set(agents)
    assert Ticket.objects.get(pk=tickets[2].pk).owner is None


def test_a_lead_reads_a_figure_opens_its_list_and_reassigns(visit: Any, house_clock: HouseClock, say: Words) -> None:
    agents = [builders.person("agent", name, language="en") for name in ("chen", "wang")]
    late = taken(agents[0], subject="Very late")
    opened(agents[0], subject="Nobody's", team=agents[0].team)
    house_clock.skip(timedelta(hours=20))
    page = visit(builders.person("lead", "li", language="en"))
    page.goto("/desk/")
    page.get_by_role("navigation", name=say("Main")).get_by_role("link", name=say("Boards")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Live SLA"))
    figures = page.locator("#part-figures").get_by_role("link")
    expect(figures).to_have_count(6)
    overdue = figures.filter(has_text=say("Overdue"))
    counted = int(overdue.locator(".figure-v").inner_text())
    overdue.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Overdue"))
    assert counted == 2
    expect(page.get_by_role("link", name=starts(say("Reassign %(number)s", number="")))).to_have_count(counted)

    row = page.locator(f"#row-{late.number}")
    row.get_by_role("link", name=say("Reassign %(number)s", number=late.number)).click()
    row.get_by_role("combobox").select_option(str(agents[1].pk))
    row.get_by_role("button", name=say("Reassign"), exact=True).click()
    expect(row.get_by_role("combobox")).to_have_count(0)
    expect(row).to_contain_text("wang")
    assert Ticket.objects.get(pk=late.pk).owner == agents[1]
    page.get_by_role("link", name=say("Live SLA")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Live SLA"))


def test_an_auditor_reads_and_does_nothing(visit: Any, watch: Watch, say: Words) -> None:
    watch.expect_status(403)
    ticket = taken(builders.person("agent", language="en"))
    page = visit(builders.person("auditor", language="en", team=None))
    page.goto(reverse("desk:case", args=[ticket.number]))
    expect(page.get_by_role("heading", level=1)).to_have_text(ticket.subject)
    with override("en"):
        able = [str(Role(role).label) for role in roles_that_may("tickets.work")]
    expect(page.get_by_text(able[0]).last).to_be_visible()
    expect(page.get_by_role("navigation", name=say("Next steps"))).to_have_count(0)
    expect(page.locator("#main form, #main [hx-post], #main textarea")).to_have_count(0)

    # Whoever posts all the same is told who may.
    resolve = reverse("desk:do", args=[ticket.number, "resolve"])
    page.evaluate(
        """(action) => {
          const form = document.querySelector("form[method=post]").cloneNode(true);
          form.action = action;
          document.body.append(form);
          form.submit();
        }""",
        resolve,
    )
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Your role may not do this"))
    for role in able:
        expect(page.locator("#main")).to_contain_text(role)
    assert Ticket.objects.get(pk=ticket.pk).state == State.IN_PROGRESS


def test_a_stranger_signs_in_and_is_where_they_wanted_to_be(visit: Any, watch: Watch, say: Words) -> None:
    watch.expect_status(422)
    ticket = taken(builders.person("agent", "chen", language="en"))
    page = visit()
    page.goto(reverse("desk:case", args=[ticket.number]))
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Sign in"))
    page.get_by_role("button", name=say("Sign in")).click()
    expect(page.get_by_role("alert")).to_contain_text(say("Write your password"))
    sign_in(page, ticket.owner, say)
    expect(page.get_by_role("heading", level=1)).to_have_text(ticket.subject)


def test_before_a_session_ends_one_is_asked_and_after_it_nothing_typed_is_lost(
    visit: Any, watch: Watch, say: Words
) -> None:
    lead = builders.person("lead", "li", language="en")
    ticket = taken(builders.person("agent", "chen", language="en"))
    page = visit(lead)
    page.goto("/desk/")

    def ends_in(seconds: int) -> None:
        kept = SessionStore(page.context.cookies()[0]["value"])
        kept.set_expiry(timezone.now() + timedelta(seconds=seconds))
        kept.save()

    question = page.get_by_role("alertdialog", name=say("Are you still there?"))
    stay = question.get_by_role("button", name=say("Stay signed in"))
    for leave in (lambda: page.keyboard.press("Escape"), stay.click):
        ends_in(110)
        page.goto(reverse("desk:case", args=[ticket.number]))
        expect(stay).to_be_focused()
        assert complaints_of_axe(page) == []
        with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
            leave()
        expect(question).to_be_hidden()
        assert int(answer.value.headers["x-session-left"]) > 3000

    # The end comes while a reply and another form are being filled in.
    reply_box(page, say).fill("We look at it now.")
    page.get_by_role("navigation", name=say("Next steps")).get_by_role("link", name=say("Wait for customer")).click()
    page.get_by_role("dialog").get_by_role("radio").nth(1).check()
    ends_in(-1)
    bar = page.get_by_text(say("You are signed out. What you wrote is kept on this computer."))
    expect(bar).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name=say("Wait for customer")).click()
    sign_in(page, lead, say)
    expect(page.get_by_role("heading", level=1)).to_have_text(ticket.subject)
    expect(reply_box(page, say)).to_have_value("We look at it now.")
    page.get_by_role("navigation", name=say("Next steps")).get_by_role("link", name=say("Wait for customer")).click()
    expect(page.get_by_role("dialog").get_by_role("radio").nth(1)).to_be_checked()
    assert Ticket.objects.get(pk=ticket.pk).state == State.IN_PROGRESS


def test_what_is_wrong_in_a_form_below_is_in_sight(visit: Any, say: Words, watch: Watch) -> None:
    watch.expect_status(422)
    page = visit(builders.person("administrator", language="en", team=None))
    for number in range(30):
        builders.person("agent", name=f"Agent {number}")
    page.goto(reverse("desk:people"))
    page.get_by_text(say("Add a person")).first.click()
    page.locator("form").filter(has=page.locator("[name=username]")).get_by_role("button").last.click()
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary).to_be_in_viewport()
