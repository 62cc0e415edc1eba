"""Another kind of case than a ticket: its promises, timers and rungs work without anybody knowing the kind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from cases import services as cases
from cases.facts import Fact
from cases.models import Case
from cases.services import verify_timeline
from notifications.models import Message
from sla import services as sla
from sla import timers
from sla.models import Deadline, Timer
from sla.shipped import publish_policy
from sla.states import Verdict
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tests.proof import out_of_step, steps_taken, twice

pytestmark = pytest.mark.django_db

VISIT = {
    "promise": "arrive",
    "when": {"kind": "visit"},
    "start": "given",
    "stop": "on_site",
    "limit": "2h",
    "warn": [{"at": "due-15m", "tell": ["owner", "lead"]}],
    "rungs": [{"at": "due+1h", "tell": ["supervisor"]}],
    "breach": ["owner", "lead"],
}


def hours(count: float):
    return MONDAY + timedelta(hours=count)


@timers.handles("test.kinds.remind")
def remind(timer, now):
    _leave(timer, "remind", now)


@timers.handles("test.kinds.confirm")
def confirm(timer, now):
    _leave(timer, "confirm", now)


def _leave(timer, word, now):
    case = Case.objects.locked(timer.case_id)
    cases.record(case, Fact("milestone", {"milestone": word, **timer.args}), transition=word, at=now)


@pytest.fixture(autouse=True)
def _no_breath(settings):
    settings.SWEEP_BREATH_SECONDS = 0


@pytest.fixture
def people():
    builders.house()
    publish_policy({"rule": [VISIT]}, at=MONDAY, valid_from=None)
    return {role: builders.person(role) for role in ("agent", "lead", "supervisor")}


@pytest.fixture
def visit(people) -> Case:
    case = Case(
        kind="visit", type="repair", channel="phone", state="booked", subject="Somebody comes", owner=people["agent"],
        team=people["agent"].team, received_at=MONDAY, created_at=MONDAY, changed_at=MONDAY,
    )  # fmt: skip
    with transaction.atomic():
        case.save_changes()
        cases.record(case, Fact("opened", {"type": "repair"}), transition="opened", at=MONDAY)
    sla.give_due(case_id=case.pk, dues={"arrive": hours(6)}, started={"arrive": hours(4)}, at=MONDAY)
    return case


def told(template: str) -> set[str]:
    return set(Message.objects.filter(template=template).values_list("person__role", flat=True))


def test_the_promise_of_a_visit_warns_is_missed_and_climbs(visit):
    assert Deadline.objects.get().due_at == hours(6)
    for at in (hours(5.75), hours(5.8), hours(6.1), hours(7), hours(7.5), hours(99)):
        sweep(now=at)
    assert told("promise_warning") == told("promise_missed") == {"agent", "lead"}
    assert told("promise_still_missed") == {"supervisor"}
    assert twice(steps_taken()) == {}
    assert len(steps_taken()) == 3
    assert out_of_step() == verify_timeline(Case.objects.get(pk=visit.pk)) == []


def test_the_promise_of_a_visit_is_stopped_by_its_word(visit):
    with transaction.atomic():
        case = Case.objects.locked(visit.pk)
        cases.record(case, Fact("milestone", {"milestone": "on_site"}), transition="on_site", at=hours(5))
    assert Deadline.objects.get().verdict(hours(99)) == Verdict.MET
    assert not Timer.objects.exists()


def test_several_timers_of_several_handlers_fire_each_once_and_one_kind_can_be_called_off(visit):
    for handler, hour in (("remind", 1), ("remind", 2), ("confirm", 2), ("confirm", 3)):
        key = f"{handler}-{hour}"
        timers.set_timer(f"test.kinds.{handler}", key=key, fire_at=hours(hour), case=visit, args={"hour": hour})
    assert timers.cancel_timers(visit, "test.kinds.nobody") == 0
    for at in (hours(2), hours(2), hours(2.5)):
        sweep(now=at)
    assert timers.cancel_timers(visit, "test.kinds.confirm") == 1
    sweep(now=hours(3.5))
    facts = visit.events.filter(kind="milestone").order_by("seq").values_list("facts", flat=True)
    assert [(fact["milestone"], fact["hour"]) for fact in facts] == [("remind", 1), ("remind", 2), ("confirm", 2)]
    # The promise's own timer is none of theirs.
    assert list(Timer.objects.values_list("handler", flat=True)) == [timers.DEADLINE]
    sweep(now=hours(5.75))
    assert told("promise_warning") == {"agent", "lead"}
    assert out_of_step() == verify_timeline(Case.objects.get(pk=visit.pk)) == []


def test_a_timer_and_a_promise_due_at_the_same_moment_both_happen(visit):
    timers.set_timer("test.kinds.remind", key="remind", fire_at=hours(5.75), case=visit, args={"hour": 5})
    sweep(now=hours(5.75))
    assert visit.events.filter(kind="milestone").count() == 1
    assert told("promise_warning") == {"agent", "lead"}
    assert out_of_step() == verify_timeline(Case.objects.get(pk=visit.pk)) == []
