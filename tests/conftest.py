"""Fixtures for every room. What a test needs and the machine lacks is skipped, and fails where CI=true."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
CI = os.environ.get("CI", "").lower() == "true"
PROOF = os.environ.get("SC_PROOF") == "1"

# The suite draws the same examples each time; `make proof` draws new ones.
settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.register_profile(
    "proof", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("proof" if PROOF else "suite")


def missing(what: str) -> None:
    """Skip a test whose service this machine lacks; a failure in CI, where nothing may be missing."""
    if CI:
        pytest.fail(f"{what} is missing, and CI tests everything.", pytrace=False)
    pytest.skip(f"NOT TESTED: {what} is missing")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` selects by marker; a bare `pytest` leaves out what it cannot or should not run. Long ones come first:
    workers take work from each other as long as there is some, and nobody waits for one that was begun last."""
    from django.conf import settings as django

    chosen = config.getoption("-m")
    for item in items:
        if not asks_for_a_service(item):
            item.add_marker(pytest.mark.pure)
        if django.EMBEDDED and "postgres" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="NOT TESTED: needs PostgreSQL (scripts/with-services)"))
        if not chosen and "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: part of make proof"))
    items.sort(key=lambda item: 0 if "long" in item.keywords else 1 if "browser" in item.keywords else 2)


def asks_for_a_service(item: pytest.Item) -> bool:
    """Whether a test may use the database or Redis. To one that asks for neither pytest-django refuses every query, so
    that it is the same on PostgreSQL as on the embedded default."""
    from django.test import TransactionTestCase

    of_django = isinstance(item, pytest.Function) and item.cls is not None and issubclass(item.cls, TransactionTestCase)
    fixtures = {"db", "transactional_db", "django_db_setup", "live_server", "redis_url"}
    return of_django or "django_db" in item.keywords or not fixtures.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "NOT TESTED" in text:
            line = text.removeprefix("Skipped: ")
            reasons[line] = reasons.get(line, 0) + 1
    for line, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{line} [{count}]", yellow=True)


@pytest.fixture(scope="session", autouse=True)
def generated_files() -> None:
    """Translations and icons are made, not kept: a fresh tree has neither."""
    from django.core.management import call_command

    call_command("compile_translations", verbosity=0)


@pytest.fixture(scope="session", autouse=True)
def _flush_past_the_timeline() -> Iterator[None]:
    """The flush after a transactional test empties what is append-only, which triggers refuse; post_migrate, sent by
    the flush itself, puts them back."""
    from django.test import TransactionTestCase

    from common import append_only

    flush = TransactionTestCase._fixture_teardown

    def remove_and_flush(case: TransactionTestCase) -> None:
        append_only.let_be_emptied()
        flush(case)

    TransactionTestCase._fixture_teardown = remove_and_flush
    yield
    TransactionTestCase._fixture_teardown = flush


@pytest.fixture(autouse=True)
def _nothing_left_over() -> Iterator[None]:
    """The cache, and the language that a test client's last request has left in this thread."""
    yield
    from django.core.cache import cache
    from django.utils import translation

    cache.clear()
    translation.deactivate()


@pytest.fixture
def attachments_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own for the files of cases."""
    from cases.attachments import storage

    folder = tmp_path / "attachments"
    for name in ("base_location", "location"):
        monkeypatch.setitem(storage().__dict__, name, str(folder))
    return folder


@pytest.fixture(scope="session")
def redis_url() -> str:
    """A Redis of this run's own; worker processes under test are given it as REDIS_URL."""
    url = os.environ.get("REDIS_URL", "")
    if not url:
        missing("Redis")
    return url


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, for `playwright.chromium.launch(executable_path=…)`."""
    found = filter(None, map(shutil.which, CHROMIUMS))
    return next(found, None) or missing("Chromium") or ""


# The one without windows first: the journeys cost two thirds of what they cost with the whole browser.
CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
