"""The smallest valid things for tests: people, customers, tickets."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model

from cases.categories import load_shipped_categories
from cases.models import Category
from customers.models import Customer
from customers.services import register_customer
from sla.models import CalendarVersion, CountryDays, PolicyVersion, Rule
from sla.shipped import load_shipped
from staff.models import Team, User
from tickets.models import Ticket
from tickets.services import open_ticket

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai, an ordinary working day
_counter = itertools.count(1)
_written: dict[tuple[type[Model], ...], list[list[Model]]] = {}


def once(load: Callable[[], Any], *models: type[Model]) -> None:
    """Load what is shipped into these tables, parents first: by the product's loader the first time in a process, by
    the rows that it wrote then in every later test, which takes a fifth of the time.

    Keys stay those of the first time. Nothing else has them: a sequence of PostgreSQL's never goes back, and SQLite
    counts on from the highest. Tables that hold something else are the loader's own business.
    """
    written = _written.get(models)
    present = [set(model._default_manager.values_list("pk", flat=True)) for model in models]
    if written and not any(present):
        for model, rows in zip(models, written, strict=True):
            model._default_manager.bulk_create(rows)
    elif not written or present != [{row.pk for row in rows} for rows in written]:
        load()
        if not any(present):
            _written[models] = [list(model._default_manager.order_by("pk")) for model in models]


def house() -> None:
    """The shipped calendars and policy."""
    once(lambda: load_shipped(at=datetime(2020, 1, 1, tzinfo=UTC)), CountryDays, CalendarVersion, PolicyVersion, Rule)


def categories() -> None:
    """The shipped tree."""
    once(load_shipped_categories, Category)


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
