"""Promised visits whose technician can no longer come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from appointments.models import ServiceArea
from appointments.orphans import orphans
from staff.models import Certificate, Leave, Skill, UserSkill
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
TODAY = MONDAY.date()


@pytest.fixture(autouse=True)
def _center():
    center.center()
    with translation.override("en"):
        yield


@pytest.fixture
def zhao():
    return center.technician("zhao")


def found(at=MONDAY, days=13):
    return [
        (one.appointment.pk, one.technician.username, str(one.reason))
        for one in orphans(start=TODAY, end=TODAY + timedelta(days=days), at=at)
    ]


def test_nobody_is_missing(zhao):
    book()
    assert found() == []


def test_leave_entered_afterwards(zhao):
    visit = book()
    Leave.objects.create(user=zhao, starts_at=TUESDAY_TEN + timedelta(minutes=30), ends_at=TUESDAY_TEN + TWO_HOURS)
    assert found() == [(visit.pk, "zhao", "Is not on shift, or not for long enough.")]


def test_a_paper_that_runs_out_before_the_visit(zhao):
    kind = center.certificate_kind()
    Skill.objects.filter(code="broadband").update(certificate_kind=kind)
    paper = Certificate.objects.create(
        user=zhao, kind=kind, number="1", issued_on=TODAY, expires_on=TODAY + timedelta(days=9)
    )
    early, late = book(), book(starts_at=TUESDAY_TEN + timedelta(days=5), key="b")
    assert found() == []
    Certificate.objects.filter(pk=paper.pk).update(expires_on=TODAY + timedelta(days=3))
    assert found() == [(late.pk, "zhao", "The certificate was valid until 5 Mar 2026.")]
    Certificate.objects.filter(pk=paper.pk).update(revoked_on=TODAY)
    assert {pk for pk, *_rest in found()} == {early.pk, late.pk}


def test_a_skill_an_area_or_the_person_is_gone(zhao):
    visit = book()
    UserSkill.objects.filter(user=zhao, skill__code="broadband").update(level=1)
    assert found()[0][2] == "Has level 1 in this skill; level 2 is needed."
    UserSkill.objects.filter(user=zhao).update(level=3)
    areas = list(ServiceArea.objects.filter(technician=zhao))
    ServiceArea.objects.all().delete()
    assert found()[0][2] == "Does not drive to this area."
    ServiceArea.objects.bulk_create(areas)
    type(zhao).objects.filter(pk=zhao.pk).update(is_active=False)
    assert found() == [(visit.pk, "zhao", "No longer works as a technician.")]


def test_what_is_over_is_no_longer_to_be_mended(zhao):
    book()
    Leave.objects.create(user=zhao, starts_at=MONDAY, ends_at=TUESDAY_TEN + timedelta(days=1))
    over = TUESDAY_TEN + TWO_HOURS
    assert len(found(at=over - timedelta(seconds=1))) == 1
    assert found(at=over) == []


def test_only_the_one_of_a_crew_who_is_missing(zhao):
    center.technician("qian")
    visit = book(services=[center.service("cabling")])
    Leave.objects.create(user=zhao, starts_at=MONDAY, ends_at=TUESDAY_TEN + timedelta(days=1))
    assert [(pk, name) for pk, name, _reason in found()] == [(visit.pk, "zhao")]


def test_a_window_that_the_house_no_longer_offers_is_judged_all_the_same(zhao):
    from appointments.models import ArrivalWindow

    book()
    ArrivalWindow.objects.all().delete()
    assert found() == []


def test_ten_statements_for_a_fortnight_and_twenty_technicians(zhao):
    for number in range(19):
        center.technician(f"t{number}")
    customer = builders.customer()
    for day in range(13):
        for number in range(4):
            book(customer, starts_at=TUESDAY_TEN + timedelta(days=day), key=f"{day}-{number}")
    Leave.objects.create(user=zhao, starts_at=MONDAY, ends_at=MONDAY + timedelta(days=14))
    with CaptureQueriesContext(connection) as captured:
        shown = orphans(start=TODAY, end=TODAY + timedelta(days=13), at=MONDAY)
        assert {str(one.technician) for one in shown} == {"zhao"}
        assert all(one.appointment.customer and one.appointment.region for one in shown)
    assert len(captured) <= 10
