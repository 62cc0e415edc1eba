"""The same browsers as in tests/browser, on the board; here the center lives at this very moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import browser, django_db_modify_db_settings, icons, visit, watch

__all__ = ["browser", "django_db_modify_db_settings", "icons", "visit", "watch"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))
