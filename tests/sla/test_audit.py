"""The hourly audit finds promises that nothing would ever look at again, arms them and says so (lessons.md 20)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache

from sla import audit
from sla.models import Deadline, Timer
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tickets import conversation

pytestmark = pytest.mark.django_db


@pytest.fixture
def ticket():
    builders.house()
    return builders.ticket(builders.person("agent"))


def test_a_lost_timer_is_armed_again_and_fires_as_it_would_have(ticket, caplog):
    resolve = Deadline.objects.get(case=ticket, promise="resolve")
    before = Timer.objects.get(deadline=resolve)
    Timer.objects.filter(deadline=resolve).delete()
    assert audit.arm_unarmed() == [resolve.pk]
    assert "resolve" in caplog.text
    again = Timer.objects.get(deadline=resolve)
    assert (again.fire_at, again.key, again.case_id) == (before.fire_at, before.key, ticket.pk)
    assert audit.arm_unarmed() == []


def test_promises_at_rest_are_not_found(ticket):
    conversation.reply_to_customer(ticket_id=ticket.pk, body="Hello", by=None, at=MONDAY + timedelta(minutes=1))
    sweep(now=MONDAY + timedelta(days=9))
    assert Deadline.objects.filter(case=ticket, state="running", timer__isnull=True).exists()
    assert audit.arm_unarmed() == []


def test_it_comes_by_every_hour_and_leaves_what_it_found(ticket):
    audit.arm(at=MONDAY)
    assert audit.arm(at=MONDAY) is None
    Timer.objects.filter(deadline__promise="resolve").delete()
    sweep(now=MONDAY)
    assert cache.get(audit.FOUND) == {"at": MONDAY.isoformat(), "unarmed": 1}
    assert Timer.objects.get(handler=audit.HANDLER).fire_at == MONDAY + timedelta(hours=1)
    sweep(now=MONDAY + timedelta(hours=1))
    assert cache.get(audit.FOUND)["unarmed"] == 0
