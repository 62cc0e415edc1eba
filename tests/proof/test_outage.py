"""Three hours of outage: no stale warning is sent, no breach is lost, and each is dated by its deadline."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cases.models import CaseEvent
from notifications.models import Message
from sla.models import Deadline
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tests.proof import PROOF, broken_timelines, late_without_breach, many, out_of_step, steps_taken, twice

pytestmark = pytest.mark.django_db
EACH = 250 if PROOF else 3
OUTAGE = timedelta(hours=3)


@pytest.fixture
def cases(settings) -> list[int]:
    """Cases of all kinds, received through two days, so that the outage meets each of them somewhere else."""
    settings.SWEEP_BREATH_SECONDS = 0
    builders.house()
    builders.person("lead"), builders.person("supervisor", team=None), builders.person("head", team=None)
    agent = builders.person("senior")
    keys = []
    for number in range(24):
        at = MONDAY + timedelta(hours=2, minutes=7) * number
        kind = {"type": "fault"} if number % 2 else {"type": "enquiry", "complex": number % 4 == 0}
        keys += many(EACH, agent, owner=agent, customer=None, at=at, **kind)
    return keys


def breaches() -> set[tuple]:
    found = CaseEvent.objects.filter(kind="promise_breach")
    return {
        (case, facts["promise"], facts["due"], at) for case, facts, at in found.values_list("case_id", "facts", "at")
    }


def test_an_outage_loses_no_breach_and_sends_nothing_stale(cases):
    fails, back = MONDAY + timedelta(hours=47), MONDAY + timedelta(hours=47) + OUTAGE
    now = MONDAY
    while now <= fails:
        sweep(now=now)
        now += timedelta(minutes=60 if not PROOF else 10)
    before = breaches()
    sent_before = set(Message.objects.values_list("pk", flat=True))
    due_in_it = {
        (deadline.case_id, deadline.promise, deadline.due_at.isoformat(), deadline.due_at)
        for deadline in Deadline.objects.filter(state="running", due_at__gt=now - timedelta(hours=1), due_at__lte=back)
    }
    assert len(due_in_it) >= 10, "the outage must meet some promises"

    sweep(now=back)  # the first sweep after it

    assert due_in_it <= breaches(), "a breach was lost"
    assert all(at.isoformat() == due for _case, _promise, due, at in breaches()), "a breach is dated by its deadline"
    assert breaches() - before >= due_in_it - before
    for message in Message.objects.exclude(pk__in=sent_before).filter(template="promise_warning"):
        assert message.context["due"] > back.isoformat(), "a warning of what was missed already"
    skipped = CaseEvent.objects.filter(kind="promise_warn", facts__skipped="late").count()
    assert skipped >= 1, "the outage must have made some warnings pointless"
    assert twice(steps_taken(cases)) == {}
    assert broken_timelines(cases) == out_of_step() == []
    assert late_without_breach(back) == []


def test_with_and_without_an_outage_the_breaches_are_the_same(cases):
    end = MONDAY + timedelta(hours=80)
    sweep(now=end)  # one outage from the first minute to the last
    once = breaches()
    expected = {
        (deadline.case_id, deadline.promise, deadline.due_at.isoformat(), deadline.due_at)
        for deadline in Deadline.objects.filter(case_id__in=cases, state="running", due_at__lte=end)
    }
    assert once == expected
    assert not Message.objects.filter(template="promise_warning", context__due__lte=end.isoformat()).exists()
