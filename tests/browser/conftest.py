"""People at browsers: real Chromium against a live server, and a watch over what a browser complains about."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings as django
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import connections
from django.test import Client
from django.utils.translation import gettext, override
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from common import clock
from desk import sending
from sla.sweep import sweep
from staff.models import User
from tests import builders
from tests.builders import MONDAY
from tests.conftest import CHROMIUM_ARGS

PASSWORD = "correct horse"
PATIENCE = 30_000  # ms; a busy machine is slow, not wrong
START = MONDAY + timedelta(hours=6, minutes=20)  # an ordinary Monday, 15:20 in Shanghai
LISTEN = """document.addEventListener("securitypolicyviolation",
  (e) => window.reportPolicy(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """On SQLite a file: requests run side by side, and a database in memory has one connection for all of them."""
    test = connections["default"].settings_dict["TEST"]
    if django.EMBEDDED and not test["NAME"]:
        test["NAME"] = str(Path(os.environ["SERVICECENTER_VAR"]) / "browser.sqlite3")


@pytest.fixture(scope="package")
def icons() -> None:
    """The icons are made, not kept; settings find their folder only where it was there before they were read."""
    call_command("build_icons", verbosity=0)
    if django.GENERATED_DIR not in django.STATICFILES_DIRS:
        django.STATICFILES_DIRS = [*django.STATICFILES_DIRS, django.GENERATED_DIR]
        finders.get_finder.cache_clear()


@pytest.fixture(scope="package")
def browser(chromium: str, icons: None) -> Iterator[Browser]:
    """One process for the whole package; every test has contexts of its own."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # playwright's loop runs in this thread
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        yield browser
        browser.close()
    expect.set_options(timeout=None)
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class HouseClock:
    """The service center's time: begins at START in every test and runs on. Browsers keep today's."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.skipped = timedelta(0)

    def now(self) -> datetime:
        return START + self.skipped + timedelta(seconds=time.monotonic() - self.begun)

    def skip(self, length: timedelta) -> None:
        self.skipped += length


@pytest.fixture(autouse=True)
def house_clock(monkeypatch: pytest.MonkeyPatch) -> HouseClock:
    house = HouseClock()
    monkeypatch.setattr(clock, "now", house.now)
    return house


class Words:
    """What a page says in one language: the product's own translations, so that tests do not repeat its wording."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, message: str, **values: Any) -> str:
        with override(self.language):
            words = gettext(message)
        assert self.language == "en" or words != message, f"“{message}” is no message of the product"
        return words % values if values else words

    def of(self, lazy: Any) -> str:
        with override(self.language):
            return str(lazy)


@pytest.fixture
def say() -> Words:
    return Words("en")


# htmx says both of a request that ends because its page is left; one that fails says sendError or responseError.
LEFT = ("htmx:afterRequest", "htmx:sendAbort")


class Watch:
    """What browsers complained about during a test. Answers that a test asks for are expected by their status."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.expected: set[int] = set()
        self.ignored: tuple[str, ...] = ()

    def expect_status(self, *statuses: int) -> None:
        self.expected.update(statuses)

    def ignore(self, *words: str) -> None:
        """Complaints that a test causes on purpose, such as a connection that is not there."""
        self.ignored += words

    def over(self, context: BrowserContext) -> None:
        context.expose_binding("reportPolicy", lambda source, words: self.note(f"policy {words}", source["page"]))
        context.add_init_script(LISTEN)
        context.on("console", self.heard)
        context.on("weberror", lambda error: self.note(f"script {error.error}", error.page))
        context.on("response", lambda r: self.note(f"status of {r.status}: {r.url}", None) if r.status >= 500 else None)

    def heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(LEFT):
            self.note(f"console {message.text} {message.location.get('url', '')}", message.page)

    def note(self, words: str, page: Page | None) -> None:
        self.complaints.append(f"{words} (on {page.url})" if page else words)

    def unexpected(self) -> list[str]:
        answers = tuple(f"status of {status}" for status in self.expected)
        return [line for line in self.complaints if not any(words in line for words in (*answers, *self.ignored))]


class Busy:
    """How many requests the live server is working on."""

    def __init__(self) -> None:
        self.requests = 0

    def began(self, **_kwargs: Any) -> None:
        self.requests += 1

    def ended(self, **_kwargs: Any) -> None:
        self.requests -= 1

    def wait(self) -> None:
        until = time.monotonic() + 5
        while self.requests > 0 and time.monotonic() < until:
            time.sleep(0.01)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def visit(browser: Browser, live_server: Any, watch: Watch) -> Iterator[Callable[..., Page]]:
    """Somebody opens a browser; with a person, one who has signed in already. At the end nobody may have complained."""
    contexts = []
    busy = Busy()
    request_started.connect(busy.began)
    request_finished.connect(busy.ended)

    def opened(person: User | None = None, *, language: str = "en", phone: bool = False, **options: Any) -> Page:
        options.setdefault("viewport", {"width": 390, "height": 844} if phone else {"width": 1440, "height": 900})
        if phone:
            options |= {"is_mobile": True, "has_touch": True}
        context = browser.new_context(
            base_url=live_server.url,
            locale="en-US" if language == "en" else "zh-CN",
            reduced_motion="reduce",
            **{"timezone_id": "Asia/Shanghai", **options},
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        watch.over(context)
        if person is not None:
            client = Client()
            client.force_login(person)
            cookie = client.cookies[django.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": django.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
        return slowed(context.new_page())

    yield opened
    for context in contexts:
        context.close()
    busy.wait()
    request_started.disconnect(busy.began)
    request_finished.disconnect(busy.ended)
    if complaints := watch.unexpected():
        pytest.fail("The browser complained:\n" + "\n".join(complaints), pytrace=False)


def slowed(page: Page) -> Page:
    """The page, on a slow line where SC_SLOW_LINE=1 asks for it: what a test forgets to wait for is then not there."""
    if os.environ.get("SC_SLOW_LINE"):
        set_offline = page.context.set_offline
        line = page.context.new_cdp_session(page)
        line.send("Network.enable")
        speed = {"offline": False, "latency": 20, "downloadThroughput": 60_000, "uploadThroughput": 60_000}
        line.send("Network.emulateNetworkConditions", speed)

        def tunnel(offline: bool) -> None:
            nonlocal line
            if line:  # a slow line is never an absent one
                line.detach()
                line = None
            set_offline(offline)

        page.context.set_offline = tunnel  # type: ignore[method-assign]
    return page


def sign_in(page: Page, person: User, say: Words) -> None:
    """By the form, as everybody does."""
    page.get_by_label(say("Name"), exact=True).fill(person.username)
    page.get_by_label(say("Password"), exact=True).fill(PASSWORD)
    page.get_by_role("button", name=say("Sign in")).click()


@pytest.fixture
def leave(house_clock: HouseClock) -> Callable[..., None]:
    """Let the replies that are going out leave, and the pages hear of it at once."""

    def let_go(*pages: Page) -> None:
        house_clock.skip(sending.DELAY)
        sweep()
        for page in pages:
            page.evaluate("document.body.dispatchEvent(new Event('feed:now'))")

    return let_go


def starts(words: str) -> re.Pattern[str]:
    return re.compile("^" + re.escape(words))


def complaints_of_axe(page: Page, *rules: str) -> list[str]:
    """What axe finds against WCAG and its own best practice; all rules, or only the ones named."""
    # Selectors of what it finds are costly, and nobody reads them: the element itself is shown.
    options: dict[str, Any] = {"resultTypes": ["violations"], "selectors": False}
    if rules:
        options["runOnly"] = list(rules)
    if page.evaluate("!window.axe"):
        page.evaluate(AXE_SCRIPT)
    violations = page.evaluate("(options) => axe.run(options).then((found) => found.violations)", options)
    return [
        f"{found['id']} x{len(found['nodes'])}: {found['nodes'][0]['html'][:200]}"
        f" {found['nodes'][0].get('failureSummary', '')[:200]}"
        for found in violations
    ]


@pytest.fixture
def house(visit: Any) -> None:
    """Calendars and policies, before anybody opens a page."""
    builders.house()
