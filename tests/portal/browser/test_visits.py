"""A customer with a phone and a technician: booked, moved, followed and rated; with script and without."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from appointments import visits, waitlist
from appointments.messages import arrival_code
from appointments.models import Appointment, VisitRating, WaitlistOffer
from appointments.services import cancel_appointment
from appointments.states import State
from appointments.wording import day_text, hours_text
from cases.links import link_token
from common import clock
from customers.models import Customer
from staff.models import User
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book
from tests.appointments.test_life import RECORD
from tests.browser.conftest import Watch, Words, complaints_of_axe
from tests.portal.visitors import OTHER_PHONE, PHONE, code_sent

Visit = Callable[..., Page]
TWO_HOURS = timedelta(hours=2)
LANGUAGES = [("zh-hans", True), ("en", False)]


@pytest.fixture
def technician(house: None) -> User:
    center.center()
    person = center.technician("zhao")
    person.name = "赵磊"
    person.save(update_fields=["name"])
    return person


@pytest.fixture
def customer(technician: User) -> Customer:
    customer = builders.customer("王建国", PHONE, preferred_channel="sms")
    center.address(customer)
    return customer


def go_on(page: Page) -> None:
    with page.expect_navigation():
        page.locator(".bar button").tap()


def sign_in(page: Page) -> None:
    page.locator("[name=phone]").fill(PHONE)
    go_on(page)
    expect(page.locator("[name=code]")).to_be_visible()
    page.locator("[name=code]").fill(code_sent(PHONE))
    go_on(page)


def mine(visit: Appointment) -> str:
    return reverse("portal:case", args=[visit.number])


@pytest.mark.parametrize(("language", "script"), LANGUAGES)
def test_booked_moved_followed_done_and_rated(
    visit: Visit, customer: Customer, technician: User, house_clock: Any, watch: Watch, language: str, script: bool
) -> None:
    say = Words(language)
    customer.language = language
    customer.save(update_fields=["language"])
    page = visit(language=language, phone=True, java_script_enabled=script)
    watch.expect_status(422)

    page.goto("/")
    page.get_by_role("link", name=say("Install or move")).tap()
    go_on(page)  # nothing chosen: said, and the focus is there
    expect(page.get_by_role("alert")).to_be_focused()
    page.locator(".slot-label", has_text=say.of(center.service("broadband-install"))).tap()
    page.locator(".slot-label", has_text=say.of(center.service("iptv-install"))).tap()
    go_on(page)
    sign_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Where should the technician come?"))
    expect(page.locator("[name=place]").first).to_be_checked()
    go_on(page)
    page.locator(".day").nth(1).tap()
    page.locator(".slot-label", has_text="10:00–12:00").tap()
    if script:
        expect(page.locator("[data-chosen]")).to_contain_text("10:00–12:00")
    go_on(page)
    expect(page.locator(".hold")).to_contain_text(re.compile(r"15:3\d"))
    if script:
        expect(page.locator("[data-left]")).to_have_text(re.compile(r"\b(10:00|9:[45]\d)\b"))
    page.locator("[name=note]").fill("小狗很友好 🐕")
    page.get_by_role("button", name="English" if language != "en" else "中文").tap()
    expect(page.locator("[name=note]")).to_have_value("小狗很友好 🐕")
    page.get_by_role("button", name="中文" if language != "en" else "English").tap()
    go_on(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Your visit is booked"))
    booked = Appointment.objects.get()
    assert booked.starts_at == TUESDAY_TEN
    expect(page.locator("main")).to_contain_text(arrival_code(booked))
    with page.expect_download() as download:
        page.get_by_role("link", name=say("Add to calendar")).tap()
    assert download.value.suggested_filename == f"{booked.number}.ics"

    page.get_by_role("link", name=say("See the visit")).tap()
    expect(page.locator("main")).to_contain_text("小狗很友好 🐕")
    page.get_by_role("link", name=say("Change time")).tap()
    page.locator(".day").nth(2).tap()
    page.locator(".slot-label", has_text="15:00–17:00").tap()
    go_on(page)
    expect(page.locator("s")).to_contain_text("10:00–12:00")
    go_on(page)
    moved = TUESDAY_TEN + timedelta(days=1, hours=5)
    expect(page.get_by_role("status").first).to_have_text(
        say("Your new time is booked. The old one has been released.")
    )
    expect(page.locator(".when")).to_contain_text(hours_text(moved, moved + TWO_HOURS))
    booked.refresh_from_db()
    assert booked.starts_at == moved

    house_clock.skip(moved - clock.now() - timedelta(minutes=20))
    visits.set_off(appointment_id=booked.pk, minutes=15, by=technician)
    address = f"/m/{link_token(booked, 'view', at=clock.now())}/"
    page.context.clear_cookies()
    page.goto(address)
    expect(page.locator("[aria-current=step]")).to_contain_text("赵磊")
    expect(page.locator("main")).to_contain_text(arrival_code(booked))
    house_clock.skip(timedelta(minutes=20))
    visits.arrive(appointment_id=booked.pk, by=technician, code=arrival_code(booked))
    visits.keep_record(
        appointment_id=booked.pk,
        by=technician,
        values={**RECORD, "account_told": True, "password_coached": True},
    )
    visits.finish(appointment_id=booked.pk, report="装好了", by=technician)
    page.goto(address)
    expect(page.locator("main")).to_contain_text("装好了")
    page.get_by_role("link", name=say("Rate this visit")).tap()
    why = page.get_by_text(say("What went wrong?"))
    expect(why).to_be_hidden()
    page.locator(".rate .o").nth(1).tap()
    expect(why).to_be_visible()
    page.locator(".chips .o").first.tap()
    go_on(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Thank you"))
    rating = VisitRating.objects.get()
    assert (rating.score, rating.reasons, rating.channel) == (2, ["late"], "link")


@pytest.mark.parametrize(("language", "theme"), [("zh-hans", "light"), ("en", "dark")])
def test_no_page_of_a_visit_gives_reason_to_complain(
    visit: Visit, customer: Customer, technician: User, house_clock: Any, watch: Watch, language: str, theme: str
) -> None:
    """Axe, the content policy, and nothing wider than the smallest phone."""
    watch.expect_status(409, 422)
    center.technician("qian")
    now = clock.now()
    booked = book(customer, starts_at=TUESDAY_TEN + timedelta(days=3), at=now)
    asked = book(customer, starts_at=None, at=now)
    cancelled = book(customer, starts_at=None, at=now)
    cancel_appointment(appointment_id=cancelled.pk, by=customer, at=now)
    waitlist.join_waitlist(appointment_id=booked.pk, by=customer, at=now)
    offer = waitlist.offer_window(TUESDAY_TEN + timedelta(days=2), at=now)
    assert isinstance(offer, WaitlistOffer)
    other = builders.customer("别人", OTHER_PHONE)
    for _both in range(2):
        book(other, starts_at=TUESDAY_TEN, at=now)

    page = visit(
        language=language, phone=True, color_scheme=theme, viewport={"width": 320, "height": 640}
    )  # fmt: skip
    page.goto(reverse("portal:sign_in"))
    sign_in(page)
    seen = []

    def looks_right() -> None:
        seen.append(page.url)
        assert complaints_of_axe(page) == [], page.url
        for width in (195, 320):  # a phone at 200 %, and the smallest one
            page.set_viewport_size({"width": width, "height": 640})
            # Not innerWidth: on a phone that grows with the page.
            assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url

    for address in (
        reverse("portal:home"), reverse("portal:cases"), mine(booked), mine(asked), mine(cancelled),
        f"{mine(booked)}move/", f"{mine(booked)}cancel/",
    ):  # fmt: skip
        page.goto(address)
        looks_right()
    page.goto(reverse("portal:book"))
    looks_right()
    page.locator(".slot-label").first.tap()
    go_on(page)
    looks_right()
    go_on(page)
    looks_right()
    go_on(page)  # no time chosen
    looks_right()
    with page.expect_navigation():
        page.locator(".day").nth(1).tap()
    full = page.locator(".slot.is-full input")
    expect(full).to_be_disabled()
    page.locator(".slot:not(.is-full) .slot-label").first.tap()
    go_on(page)
    looks_right()
    # The ten minutes pass, and somebody else comes.
    house_clock.skip(timedelta(minutes=11))
    for _both in range(2):
        book(other, starts_at=TUESDAY_TEN - TWO_HOURS, at=clock.now())
    page.locator("[name=note]").fill("kept")
    go_on(page)
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.locator("[name=note]")).to_have_value("kept")
    looks_right()
    page.locator(".nearest .slot-label").first.tap()
    go_on(page)
    expect(page.locator(".code")).to_be_visible()
    looks_right()
    booked = Appointment.objects.filter(customer=customer, state=State.BOOKED).latest("pk")
    assert booked.starts_at is not None
    house_clock.skip(booked.starts_at - clock.now())
    visits.arrive(appointment_id=booked.pk, by=booked.owner)
    visits.keep_record(appointment_id=booked.pk, by=booked.owner, values=RECORD)
    visits.finish(appointment_id=booked.pk, report="修好了", by=booked.owner)
    address = f"/m/{link_token(booked, 'rate', at=clock.now())}/"
    page.goto(f"{address}rate/")
    looks_right()
    page.locator(".rate .o").first.tap()
    go_on(page)
    looks_right()
    assert len(seen) == 16


def test_the_countdown_ends_in_words_and_the_form_can_still_be_sent(
    visit: Visit, customer: Customer, technician: User, house_clock: Any
) -> None:
    page = visit(language="en", phone=True)
    page.goto(reverse("portal:sign_in"))
    sign_in(page)
    page.goto(reverse("portal:book"))
    page.locator(".slot-label").first.tap()
    go_on(page)
    go_on(page)
    page.locator(".slot:not(.is-full) .slot-label").first.tap()
    go_on(page)
    expect(page.locator("[data-left]")).to_be_visible()
    house_clock.skip(timedelta(minutes=9, seconds=55))
    page.reload()
    expect(page.locator(".hold")).to_have_class(re.compile("is-over"))
    expect(page.locator(".hold")).to_contain_text("The ten minutes are over.")
    go_on(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your visit is booked")
    assert day_text(Appointment.objects.get().starts_at)  # type: ignore[arg-type]
