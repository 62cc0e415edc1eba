"""A visit of a customer who is signed in."""

from __future__ import annotations

import pytest

from appointments.models import Appointment
from customers.models import Customer
from tests import builders
from tests.appointments import center
from tests.appointments.center import book
from tests.portal.visitors import PHONE, Visitor

from .mine import THURSDAY


@pytest.fixture(autouse=True)
def _center(time, settings):
    center.center()
    settings.SERVICE_PHONE = "400-000-0000"


@pytest.fixture
def technician():
    person = center.technician("zhao")
    person.name = "Zhao Lei"
    person.save(update_fields=["name"])
    return person


@pytest.fixture
def customer(time) -> Customer:
    return builders.customer("王建国", PHONE, language="en", preferred_channel="sms")


@pytest.fixture
def visit(customer, technician) -> Appointment:
    return book(customer, starts_at=THURSDAY, address=center.address(customer), region=None)


@pytest.fixture
def signed_in(visitor, customer) -> Visitor:
    visitor.sign_in()
    return visitor
