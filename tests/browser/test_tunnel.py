"""A technician's phone in a tunnel: what is tapped without a connection happens once, and when it was tapped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Locator, Page, Route, expect

from appointments.models import Appointment, Compensation, VisitAction
from appointments.states import State
from cases.models import Attachment, CaseEvent, Note
from notifications.models import Message
from notifications.services import deliver_due
from sla.models import Deadline
from sla.states import Verdict
from sla.sweep import sweep
from staff.models import User
from tests import builders
from tests.appointments import center
from tests.builders import MONDAY

from .conftest import START, HouseClock, Watch, Words, complaints_of_axe

WINDOW = MONDAY + timedelta(hours=6)  # 15:00 in Shanghai; tests begin at 15:20
OVER = WINDOW + timedelta(hours=2)
Open = Callable[..., Page]


@pytest.fixture
def technician(visit: Open, settings: Any, watch: Watch) -> User:
    settings.SWEEP_BREATH_SECONDS = 0
    # What a browser says of a connection that is not there.
    watch.ignore("ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "Failed to fetch", "fetching the script")
    center.center()
    person = center.technician("zhao")
    person.name, person.language = "Zhao", ""
    person.save()
    return person


@pytest.fixture
def booked(technician: User) -> Appointment:
    customer = builders.customer()
    return center.book(customer, address=center.address(customer), starts_at=WINDOW)


def number(booked: Appointment) -> str:
    return booked.number


def fresh(booked: Appointment) -> Appointment:
    return Appointment.objects.get(pk=booked.pk)


def count(booked: Appointment, kind: str) -> int:
    return CaseEvent.objects.filter(case=booked, kind=kind).count()


def kept(page: Page) -> Page:
    """Today's list, when its pages lie on the phone."""
    page.goto("/visits/")
    expect(page.locator("main[data-kept]")).to_be_attached()
    return page


def step(page: Page, kind: str) -> Locator:
    return page.locator(f'[data-step="{kind}"]')


def press(page: Page, kind: str) -> None:
    step(page, kind).locator("form button.v-btn-p").click()


def check(page: Page) -> None:
    # Unlike everything else here, `all()` does not wait: of a page that is half here it finds half.
    page.wait_for_load_state("domcontentloaded")
    for box in step(page, "check").get_by_role("checkbox").all():
        box.check()
    press(page, "check")


def set_off(page: Page) -> None:
    expect(step(page, "set_off")).to_have_class("v-step is-now")
    press(page, "set_off")


def arrive(page: Page) -> None:
    expect(step(page, "arrive")).to_have_class("v-step is-now")
    press(page, "arrive")


def record(page: Page) -> None:
    form = step(page, "record").locator("form")
    form.locator("[name=computer_tested][value='1']").check()
    for name, typed in {
        "download_mbps": "312,5", "upload_mbps": "48", "indoor_wiring": "Cat 5e", "splitter_position": "Hall",
    }.items():  # fmt: skip
        form.locator(f"[name={name}]").fill(typed)
    press(page, "record")


def finish(page: Page) -> None:
    expect(step(page, "finish")).to_have_class("v-step is-now")
    step(page, "finish").locator("[name=report]").fill("Splitter replaced")
    press(page, "finish")


def waiting(page: Page) -> Locator:
    return page.locator("[data-queue] [data-items] li")


def all_sent(page: Page) -> None:
    expect(page.locator("[data-queue]")).to_be_hidden()
    expect(page.locator("[data-over]")).to_be_visible()


def test_a_whole_visit_without_a_connection(
    visit: Open, technician: User, booked: Appointment, house_clock: HouseClock, say: Words
) -> None:
    """Set off, arrived and done in a tunnel. The sweep counts the visit as missed before the word comes."""
    page = kept(visit(technician, phone=True))
    page.context.set_offline(True)
    page.get_by_role("link", name="15:00–17:00").click()
    expect(page.locator("[data-offline]")).to_be_visible()
    check(page)
    house_clock.skip(timedelta(minutes=5))  # the house's; the phone knows how far apart they are, and goes on alone
    set_off(page)
    arrive(page)
    expect(step(page, "record")).to_have_class("v-step is-now")
    expect(waiting(page)).to_have_count(3)
    assert page.locator("[data-count]").inner_text() == say("{count} waiting to be sent").replace("{count}", "3")
    record(page)
    finish(page)
    expect(waiting(page)).to_have_count(5)
    assert not VisitAction.objects.exists()

    house_clock.skip(OVER - START + timedelta(minutes=20))
    sweep(now=OVER + timedelta(minutes=16))
    assert fresh(booked).state == State.MISSED
    page.context.set_offline(False)
    all_sent(page)

    done = fresh(booked)
    assert done.state == State.DONE
    tapped = {entry.action: entry for entry in VisitAction.objects.all()}
    assert {entry.outcome for entry in tapped.values()} == {"done"}
    for moment, action in ((done.left_at, "set_off"), (done.arrived_at, "arrive"), (done.resolved_at, "finish")):
        assert moment == tapped[action].at
        assert START <= moment < START + timedelta(minutes=4)
        assert tapped[action].received_at > OVER
    for kind in ("visit_set_off", "visit_arrived", "visit_finished"):
        assert count(booked, kind) == 1
    promise = Deadline.objects.get(case=booked, promise="visit_window")
    assert promise.verdict(OVER + timedelta(hours=1)) == Verdict.MET
    assert Compensation.objects.get(appointment=booked).excluded == "kept"
    assert Message.objects.filter(case=booked, template="visit_done").count() == 1
    assert not Message.objects.filter(case=booked, template="visit_under_way").exists()


def test_a_reload_and_a_closed_browser_lose_nothing(visit: Open, technician: User, booked: Appointment) -> None:
    page = kept(visit(technician, phone=True))
    url = f"/visits/{number(booked)}/"
    page.context.set_offline(True)
    page.goto(url)
    check(page)
    set_off(page)
    expect(waiting(page)).to_have_count(2)
    page.reload()
    expect(waiting(page)).to_have_count(2)
    arrive(page)
    expect(waiting(page)).to_have_count(3)
    context = page.context
    page.close()
    page = context.new_page()
    page.goto("/visits/")
    expect(waiting(page)).to_have_count(3)
    expect(page.locator("article [data-waiting]")).to_be_visible()
    page.goto(url)
    expect(step(page, "record")).to_have_class("v-step is-now")
    context.set_offline(False)
    expect(page.locator("[data-queue]")).to_be_hidden()
    expect(step(page, "arrive")).to_have_class("v-step is-done")
    assert fresh(booked).state == State.ON_SITE
    assert [count(booked, kind) for kind in ("visit_set_off", "visit_arrived")] == [1, 1]
    assert VisitAction.objects.count() == 3


def test_a_photo_taken_in_a_tunnel_follows_its_word(
    visit: Open, technician: User, booked: Appointment, attachments_folder: Path
) -> None:
    page = kept(visit(technician, phone=True))
    page.goto(f"/visits/{number(booked)}/")
    page.context.set_offline(True)
    check(page)
    set_off(page)
    step(page, "arrive").locator("[name=photo]").set_input_files(
        {"name": "door.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff\xe0" + b"x" * 2000}
    )
    arrive(page)
    expect(waiting(page)).to_have_count(4)
    page.reload()
    expect(waiting(page)).to_have_count(4)
    page.context.set_offline(False)
    expect(page.get_by_text("door.jpg")).to_be_visible()
    assert [entry.action for entry in VisitAction.objects.order_by("pk")] == ["check", "set_off", "arrive", "photo"]
    kept_photo = Attachment.objects.get()
    assert kept_photo.size == 2004
    assert kept_photo.at == VisitAction.objects.get(action="arrive").at


def test_double_taps_are_one(visit: Open, technician: User, booked: Appointment) -> None:
    page = kept(visit(technician, phone=True))
    page.goto(f"/visits/{number(booked)}/")
    page.context.set_offline(True)
    check(page)
    twice = "form => { for (let n = 0; n < 3; n += 1) form.requestSubmit(); }"
    step(page, "set_off").locator("form").evaluate(twice)
    step(page, "arrive").locator("form").evaluate(twice)
    expect(step(page, "record")).to_have_class("v-step is-now")
    expect(waiting(page)).to_have_count(3)
    page.context.set_offline(False)
    expect(step(page, "arrive")).to_have_class("v-step is-done")
    assert VisitAction.objects.count() == 3
    assert [count(booked, kind) for kind in ("visit_set_off", "visit_arrived")] == [1, 1]


def test_an_answer_that_is_lost_is_asked_for_again(visit: Open, technician: User, booked: Appointment) -> None:
    """The server does it and dies before it can say so: sent again, it is done once, and the first answer is given."""
    page = kept(visit(technician, phone=True))
    page.goto(f"/visits/{number(booked)}/")
    check(page)
    expect(step(page, "check")).to_have_class("v-step is-done")
    lost = []

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)  # the server has done its work
        route.abort()

    page.context.route("**/visits/actions/", lose)
    set_off(page)
    expect(step(page, "set_off")).to_have_class("v-step is-done")
    expect(page.locator("[data-queue]")).to_be_hidden()
    assert lost == [200]
    assert count(booked, "visit_set_off") == 1
    assert Message.objects.filter(case=booked, template="visit_under_way").count() == 1

    # A call could be logged twice: only its key tells that it was not.
    lost.clear()
    call = step(page, "call")
    call.locator("summary").click()
    call.locator("[name=reached][value=yes]").check()
    call.locator("[name=note]").fill("Ten minutes")
    press(page, "call")
    expect(call.locator("[name=note]")).to_have_value("")
    expect(page.locator("[data-queue]")).to_be_hidden()
    assert lost == [200]
    assert Note.objects.filter(case=booked).count() == 1


def test_what_is_refused_shows_why_and_keeps_what_was_written(
    visit: Open, technician: User, booked: Appointment, say: Words
) -> None:
    page = kept(visit(technician, phone=True))
    page.goto(f"/visits/{number(booked)}/")
    page.context.set_offline(True)
    check(page)
    set_off(page)
    step(page, "arrive").locator("[name=code]").fill("no code")
    arrive(page)
    expect(step(page, "record")).to_have_class("v-step is-now")
    page.context.set_offline(False)
    refused = page.locator("[data-refused]")
    expect(refused).to_contain_text("no code")
    expect(refused).to_contain_text(say("This is not the customer's code. Check it, or leave it empty."))
    # Back at the door, with what was typed.
    expect(step(page, "arrive")).to_have_class("v-step is-now")
    expect(step(page, "arrive").locator("[name=code]")).to_have_value("no code")
    step(page, "arrive").locator("[name=code]").fill("")
    arrive(page)
    expect(step(page, "arrive")).to_have_class("v-step is-done")
    expect(refused).to_have_count(0)
    assert fresh(booked).state == State.ON_SITE


def test_a_server_in_trouble_holds_back_only_that_visit(
    visit: Open, technician: User, booked: Appointment, watch: Watch
) -> None:
    customer = builders.customer("王芳", "13912345678")
    second = center.book(customer, address=center.address(customer), starts_at=WINDOW + timedelta(hours=3))
    watch.expect_status(503)
    page = kept(visit(technician, phone=True))
    page.context.set_offline(True)
    for one in (booked, second):
        page.goto(f"/visits/{one.number}/")
        check(page)
        expect(step(page, "set_off")).to_have_class("v-step is-now")

    def broken(route: Route) -> None:
        if booked.number in (route.request.post_data or ""):
            route.fulfill(status=503, json={"code": "down", "reasons": []})
        else:
            route.continue_()

    page.context.route("**/visits/actions/", broken)
    page.context.set_offline(False)
    expect(waiting(page)).to_have_count(1)
    expect(page.locator("[data-trouble]")).to_be_visible()
    assert [entry.appointment_id for entry in VisitAction.objects.all()] == [second.pk]
    page.context.unroute("**/visits/actions/")
    expect(page.locator("[data-queue]")).to_be_hidden()
    assert VisitAction.objects.count() == 2


def test_a_session_that_ended_keeps_what_was_tapped(
    visit: Open, technician: User, booked: Appointment, watch: Watch
) -> None:
    watch.expect_status(401)
    page = kept(visit(technician, phone=True))
    page.goto(f"/visits/{number(booked)}/")
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    check(page)
    expect(page.locator("[data-signed-out]")).to_be_visible()
    assert not VisitAction.objects.exists()
    page.context.add_cookies(cookies)
    page.goto(f"/visits/{number(booked)}/")
    expect(step(page, "check")).to_have_class("v-step is-done")
    assert VisitAction.objects.count() == 1


def test_the_next_person_on_the_phone_finds_nothing_of_the_last(
    visit: Open, technician: User, booked: Appointment
) -> None:
    page = kept(visit(technician, phone=True))
    page.goto(f"/visits/{number(booked)}/")
    page.get_by_text("Account and display").locator("..").click()
    page.locator("[data-sign-out] button").click()
    page.wait_for_url("**/sign-in/**")
    assert page.evaluate("caches.has('visits-pages')") is False
    page.context.set_offline(True)
    with pytest.raises(Error, match="ERR_FAILED"):
        page.goto(f"/visits/{number(booked)}/")


def test_a_page_that_is_not_kept_says_so(visit: Open, technician: User, booked: Appointment, say: Words) -> None:
    page = kept(visit(technician, phone=True))
    page.context.set_offline(True)
    page.goto("/visits/?day=2026-03-04")
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Not on this phone"))


def test_without_script_the_forms_are_plain(visit: Open, technician: User, booked: Appointment) -> None:
    page = visit(technician, phone=True, java_script_enabled=False)
    page.goto("/visits/")
    page.get_by_role("link", name="15:00–17:00").click()
    check(page)
    set_off(page)
    arrive(page)
    record(page)
    finish(page)
    assert fresh(booked).state == State.DONE
    deliver_due(now=START + timedelta(hours=1))


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(visit: Open, technician: User, booked: Appointment, language: str, scheme: str) -> None:
    page = visit(technician, language=language, phone=True, color_scheme=scheme)
    page.goto("/visits/")
    page.locator(".v-cal summary").click()
    assert complaints_of_axe(page) == []
    page.goto(f"/visits/{number(booked)}/")
    page.locator("main details:not([hidden])").evaluate_all("found => found.forEach((one) => { one.open = true; })")
    assert complaints_of_axe(page) == []
    # Nothing lies beyond the edge, and every target is large enough for a glove.
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        """() => [...document.querySelectorAll("main a, main button, main summary, main label:has(input)")]
          .filter(e => e.checkVisibility() && !e.closest("ul, .v-bar"))
          .filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert small == []
