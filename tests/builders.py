"""The smallest valid things for tests: people, customers, tickets."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from customers.models import Customer
from customers.services import register_customer
from sla.shipped import load_shipped
from staff.models import Team, User
from tickets.models import Ticket
from tickets.services import open_ticket

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai, an ordinary working day
_counter = itertools.count(1)


def house() -> None:
    """The shipped calendars and policy."""
    load_shipped(at=datetime(2020, 1, 1, tzinfo=UTC))


def team(code: str = "repair", **fields: Any) -> Team:
    return Team.objects.get_or_create(code=code, defaults={"name_zh": "维修组", "name_en": "Repair", **fields})[0]


def person(role: str = "agent", username: str = "", **fields: Any) -> User:
    username = username or f"{role}{next(_counter)}"
    fields.setdefault("team", team())
    return User.objects.create_user(username, "correct horse", name=fields.pop("name", username), role=role, **fields)


def customer(name: str = "李小明", phone: str = "13812345678", **fields: Any) -> Customer:
    return register_customer(name=name, phone=phone, at=MONDAY, **fields)


def ticket(by: User, **fields: Any) -> Ticket:
    fields.setdefault("subject", "No signal on the line")
    fields.setdefault("type", "enquiry")
    fields.setdefault("channel", "web")
    fields.setdefault("at", MONDAY)
    if "customer" not in fields:
        fields["customer"] = customer()
    return open_ticket(by=by, **fields)
