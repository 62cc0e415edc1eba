"""The same browsers and the same clock as in tests/browser, at the customer's site."""

from __future__ import annotations

from pathlib import Path

import pytest

from customers.models import Region
from tests import builders
from tests.browser.conftest import browser, django_db_modify_db_settings, house, house_clock, icons, visit, watch

__all__ = ["browser", "django_db_modify_db_settings", "house", "house_clock", "icons", "visit", "watch"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture
def region(house: None) -> Region:
    builders.categories()
    return Region.objects.create(code="haidian", name_zh="海淀区", name_en="Haidian")
