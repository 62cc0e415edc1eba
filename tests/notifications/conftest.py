"""What tests of incoming texts share."""

from __future__ import annotations

import pytest

from notifications import inbound
from tests import builders

from .texts import SENDER


@pytest.fixture
def handlers(monkeypatch):
    """No handler but the test's own."""
    found = []
    monkeypatch.setattr(inbound, "_handlers", found)
    return found


@pytest.fixture
def ticket():
    builders.house()
    customer = builders.customer(phone=SENDER, language="en")
    return builders.ticket(builders.person("agent"), customer=customer, channel="phone")
