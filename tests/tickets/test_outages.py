"""Area outages: who announces them, what customers are told, and that whoever asked is told once when it is over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from common.errors import DomainError, InvalidInput, NotAllowed
from customers.models import Region
from notifications.models import Message
from sla.models import Timer
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tickets import outages
from tickets.models import Outage, OutageFollower

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def region():
    return Region.objects.create(code="haidian", name_zh="海淀区", name_en="Haidian")


@pytest.fixture
def supervisor():
    return builders.person("supervisor")


def entered(region, by, **fields):
    fields = {
        "text_zh": "光缆故障，正在抢修。",
        "text_en": "A fiber is being repaired.",
        "expected_at": MONDAY + 3 * HOUR,
    } | fields
    return outages.enter_outage(region=region, by=by, at=MONDAY, **fields)


@pytest.mark.parametrize("role", ["supervisor", "head"])
def test_supervisors_and_the_head_announce(region, role):
    person = builders.person(role)
    outage = entered(region, person)
    assert (outage.entered_by, outage.began_at, outage.ended_at) == (person, MONDAY, None)


@pytest.mark.parametrize("role", ["agent", "senior", "dispatcher", "lead", "auditor", "administrator"])
def test_nobody_else_does(region, supervisor, role):
    outage = entered(region, supervisor)
    person = builders.person(role)
    for act in (
        lambda: entered(region, person),
        lambda: outages.extend_outage(outage_id=outage.pk, expected_at=MONDAY + 4 * HOUR, by=person, at=MONDAY),
        lambda: outages.end_outage(outage_id=outage.pk, by=person, at=MONDAY),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert Outage.objects.get() == outage
    assert Outage.objects.get().ended_at is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("text_zh", " "), ("text_en", "x" * 201), ("expected_at", MONDAY), ("expected_at", MONDAY + timedelta(days=15))],
)
def test_nonsense_is_named(region, supervisor, field, value):
    with pytest.raises(InvalidInput) as refused:
        entered(region, supervisor, **{field: value})
    assert refused.value.field == field


def test_it_is_seen_from_its_beginning_to_its_end_in_its_region(region, supervisor):
    other = Region.objects.create(code="elsewhere", name_zh="别处", name_en="Elsewhere")
    outage = entered(region, supervisor)
    assert list(outages.current(MONDAY + HOUR, [region])) == [outage]
    assert list(outages.current(MONDAY + HOUR, [other])) == []
    assert list(outages.current(MONDAY - HOUR)) == []
    outages.end_outage(outage_id=outage.pk, by=supervisor, at=MONDAY + 2 * HOUR)
    assert list(outages.current(MONDAY + 2 * HOUR)) == []


def test_it_can_be_put_off_and_ends_once(region, supervisor):
    outage = entered(region, supervisor)
    moved = outages.extend_outage(outage_id=outage.pk, expected_at=MONDAY + 5 * HOUR, by=supervisor, at=MONDAY)
    assert moved.expected_at == MONDAY + 5 * HOUR
    outages.end_outage(outage_id=outage.pk, by=supervisor, at=MONDAY + HOUR)
    for act in (
        lambda: outages.end_outage(outage_id=outage.pk, by=supervisor, at=MONDAY + HOUR),
        lambda: outages.extend_outage(
            outage_id=outage.pk, expected_at=MONDAY + 9 * HOUR, by=supervisor, at=MONDAY + HOUR
        ),
        lambda: outages.follow_outage(outage_id=outage.pk, phone="13812345678", language="en", at=MONDAY + HOUR),
    ):
        with pytest.raises(DomainError), transaction.atomic():
            act()
    assert Outage.objects.get().expected_at == MONDAY + 5 * HOUR
    assert not OutageFollower.objects.exists()


def test_whoever_asked_is_told_once_in_their_language(region, supervisor):
    outage = entered(region, supervisor)
    for phone, language in [("138 1234 5678", "zh-hans"), ("13812345678", "zh-hans"), ("13900001111", "en")]:
        outages.follow_outage(outage_id=outage.pk, phone=phone, language=language, at=MONDAY)
    assert OutageFollower.objects.count() == 2
    assert not Message.objects.exists()
    outages.end_outage(outage_id=outage.pk, by=supervisor, at=MONDAY + HOUR)
    sweep(now=MONDAY + HOUR)
    sweep(now=MONDAY + 2 * HOUR)
    told = Message.objects.order_by("pk")
    assert [(m.recipient, m.language, m.context["region"]) for m in told] == [
        ("+8613812345678", "zh-hans", "海淀区"),
        ("+8613900001111", "en", "Haidian"),
    ]
    assert not Timer.objects.exists()


def test_a_whole_town_is_told_in_batches(region, supervisor, monkeypatch):
    monkeypatch.setattr(outages, "BATCH", 3)
    outage = entered(region, supervisor)
    for number in range(7):
        outages.follow_outage(outage_id=outage.pk, phone=f"1380000000{number}", language="zh-hans", at=MONDAY)
    outages.end_outage(outage_id=outage.pk, by=supervisor, at=MONDAY + HOUR)
    counts = []
    for _ in range(4):
        sweep(now=MONDAY + 2 * HOUR)
        counts.append(Message.objects.count())
    assert counts[-1] == 7
    assert Message.objects.values("key").distinct().count() == 7
    assert not OutageFollower.objects.filter(told_at=None).exists()


def test_numbers_of_followers_are_protected(region, supervisor):
    from django.db import connection

    outages.follow_outage(outage_id=entered(region, supervisor).pk, phone="13812345678", language="en", at=MONDAY)
    with connection.cursor() as cursor:
        cursor.execute("SELECT phone, lookup FROM tickets_outagefollower")
        assert all("12345678" not in value for value in cursor.fetchone())
