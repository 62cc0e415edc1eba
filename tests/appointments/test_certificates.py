"""Certificates that run out are told of in time, once, to those whom it concerns."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import translation

from appointments import certificates
from notifications.models import Message
from notifications.notices import sentence
from sla.models import Timer
from sla.sweep import sweep
from staff.models import Certificate
from tests import builders
from tests.appointments import center
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db

TODAY = MONDAY.date()
EIGHT = datetime(2026, 3, 3, 0, 0, tzinfo=UTC)  # Tuesday 08:00 in Shanghai


@pytest.fixture(autouse=True)
def _center(settings):
    settings.SWEEP_BREATH_SECONDS = 0
    center.center()


@pytest.fixture
def technician():
    return center.technician("zhao")


@pytest.fixture
def supervisor():
    return builders.person("supervisor", "sun", team=None)


def paper(person, expires_on, number="1"):
    return Certificate.objects.create(
        user=person, kind=center.certificate_kind(), number=number, issued_on=date(2024, 1, 1), expires_on=expires_on
    )


def told():
    return {
        (message.template, message.person.username)
        for message in Message.objects.filter(template__startswith="certificate").select_related("person")
    }


def test_holder_and_supervisors_are_told_thirty_days_before_and_after_the_last_day(technician, supervisor):
    last = TODAY + timedelta(days=31)
    paper(technician, last)
    certificates.arm(at=MONDAY)
    day = EIGHT
    while day.date() < last:
        sweep(now=day)
        day += timedelta(days=1)
    both = {("certificate_ends", "zhao"), ("certificate_ends", "sun")}
    assert told() == both
    assert Message.objects.filter(template="certificate_ends").count() == 2
    first = Message.objects.filter(template="certificate_ends").order_by("pk").first()
    assert first.created_at == EIGHT  # 30 days before the last day, in the morning
    sweep(now=day)
    assert told() == both  # the last day itself is a day on which it holds
    sweep(now=day + timedelta(days=1))
    assert told() == both | {("certificate_ended", "zhao"), ("certificate_ended", "sun")}


def test_it_comes_again_every_morning_and_is_armed_once(technician):
    first = certificates.arm(at=MONDAY)
    assert first is not None
    assert first.fire_at == EIGHT
    assert certificates.arm(at=MONDAY) is None
    sweep(now=EIGHT)
    assert [timer.fire_at for timer in Timer.objects.filter(handler=certificates.TIMER)] == [EIGHT + timedelta(days=1)]
    assert certificates.arm(at=EIGHT) is None


def test_mornings_that_were_missed_are_made_up_for(technician, supervisor):
    paper(technician, EIGHT.date() + timedelta(days=1))
    certificates.arm(at=MONDAY)
    sweep(now=EIGHT + timedelta(days=5))
    assert ("certificate_ended", "zhao") in told()


def test_a_renewed_or_revoked_paper_worries_nobody(technician, supervisor):
    paper(technician, TODAY + timedelta(days=10))
    paper(technician, TODAY + timedelta(days=400), number="2")
    other = center.technician("qian")
    revoked = paper(other, TODAY + timedelta(days=10), number="3")
    revoked.revoked_on = TODAY
    revoked.save()
    certificates.arm(at=MONDAY)
    sweep(now=EIGHT)
    assert told() == set()


def test_how_it_reads(technician, supervisor):
    paper(technician, TODAY + timedelta(days=10))
    certificates.arm(at=MONDAY)
    sweep(now=EIGHT)
    with translation.override("en"):
        own = sentence(Message.objects.get(person=technician, template="certificate_ends"))
        other = sentence(Message.objects.get(person=supervisor, template="certificate_ends"))
    assert own == "Your certificate “Field” is valid until 12 Mar 2026. Renew it in time."
    assert other == "The certificate “Field” of zhao is valid until 12 Mar 2026."


def test_without_a_supervisor_the_head_hears_of_it(technician):
    builders.person("head", "he", team=None)
    paper(technician, TODAY + timedelta(days=10))
    certificates.arm(at=MONDAY)
    sweep(now=EIGHT)
    assert told() == {("certificate_ends", "zhao"), ("certificate_ends", "he")}
