from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils.translation import override

from common import clock
from customers.models import Region
from tests import builders
from tests.builders import MONDAY
from tests.portal.visitors import PHONE, Visitor


class Time:
    """The house's clock, standing still until it is moved."""

    def __init__(self) -> None:
        self.at = MONDAY + timedelta(hours=5)

    def now(self) -> datetime:
        return self.at

    def skip(self, **length: float) -> datetime:
        self.at += timedelta(**length)
        return self.at


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(clock, "now", time.now)
    return time


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    with override("en"):
        yield


@pytest.fixture
def house(db: None) -> None:
    builders.house()
    builders.categories()


@pytest.fixture
def region(db: None) -> Region:
    return Region.objects.create(code="haidian", name_zh="海淀区", name_en="Haidian")


@pytest.fixture
def customer(house: None, time: Time) -> Any:
    return builders.customer("王建国", PHONE)


@pytest.fixture
def visitor(time: Time) -> Visitor:
    return Visitor()
