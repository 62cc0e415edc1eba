"""A small center with technicians, for tests: two regions, windows and services as shipped, shifts for many days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from appointments.models import Appointment, ArrivalWindow, CompensationRule, ServiceArea, VisitService
from appointments.services import book_appointment
from appointments.shipped import load_shipped
from customers.models import Address, Customer, Region
from staff.models import CertificateKind, Shift, Skill, User, UserSkill
from tests import builders
from tests.builders import MONDAY

# Tuesday 10:00 in Shanghai, a window of its own.
TUESDAY_TEN = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
TWO_HOURS = timedelta(hours=2)


def center() -> None:
    builders.house()
    builders.once(load_shipped, ArrivalWindow, VisitService, CompensationRule)
    for code in ("broadband", "fixed_line", "fiber", "iptv", "cable"):
        Skill.objects.get_or_create(code=code, defaults={"name_zh": code, "name_en": code})


def region(code: str = "east", **fields: Any) -> Region:
    return Region.objects.get_or_create(code=code, defaults={"name_zh": code, "name_en": code.title(), **fields})[0]


def technician(
    username: str = "",
    *,
    skills: dict[str, int] | None = None,
    areas: tuple[str, ...] = ("east",),
    days: int = 14,
    first: date | None = None,
) -> User:
    """A technician on shift from 08:00 to 21:00 local, every day from the Monday of the tests on."""
    person = builders.person("technician", username, team=builders.team("field"))
    for code, level in (skills or {"broadband": 3, "fixed_line": 3, "iptv": 3, "cable": 3}).items():
        UserSkill.objects.create(user=person, skill=Skill.objects.get(code=code), level=level)
    for position, code in enumerate(areas):
        ServiceArea.objects.create(technician=person, region=region(code), base=position == 0)
    begin = datetime.combine(first or MONDAY.date(), datetime.min.time(), tzinfo=UTC)
    Shift.objects.bulk_create(
        Shift(user=person, starts_at=begin + timedelta(days=n), ends_at=begin + timedelta(days=n, hours=13))
        for n in range(days)
    )
    return person


def certificate_kind() -> CertificateKind:
    return CertificateKind.objects.get_or_create(code="field", defaults={"name_zh": "f", "name_en": "Field"})[0]


def service(code: str = "broadband-repair") -> VisitService:
    return VisitService.objects.get(code=code)


def address(customer: Customer, code: str = "east") -> Address:
    return Address.objects.create(customer=customer, region=region(code), street="Lake Road", house="5-1203")


def book(customer: Customer | None = None, **fields: Any) -> Appointment:
    """A booked repair: by the customer on the web, for Tuesday 10:00."""
    customer = customer or builders.customer()
    fields.setdefault("by", customer)
    fields.setdefault("channel", "web")
    fields.setdefault("services", [service()])
    fields.setdefault("region", region())
    fields.setdefault("starts_at", TUESDAY_TEN)
    fields.setdefault("at", MONDAY)
    return book_appointment(customer=customer, **fields)
