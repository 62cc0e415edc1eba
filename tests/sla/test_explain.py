"""Every deadline can be explained: the intervals counted add up to the time used, through any history.

Histories are drawn at random and played through the real services; an oracle that shares no code with the house walks
the same time minute by minute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.models import Case
from cases.services import verify_timeline
from common.errors import DomainError
from sla.arithmetic import Calendar
from sla.models import Deadline
from sla.services import deadlines_of, explain, is_provisional
from sla.shipped import publish_calendar, publish_policy
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tests.conftest import PROOF
from tests.proof import out_of_step
from tests.sla.oracle import Oracle
from tickets import conversation, ending, handling, services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
FORM = {
    "timezone": "Asia/Shanghai",
    "week": {day: ["08:30-12:00", "13:30-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")},
    "closed": ["2026-03-05"],
    "open": {"2026-03-07": ["10:00-15:00"]},
}
ROUND_THE_CLOCK = {
    "timezone": "Asia/Shanghai",
    "week": {day: ["00:00-24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
}
ORACLES = {name: Oracle(form, date(2026, 2, 25), 100) for name, form in (("desk", FORM), ("round", ROUND_THE_CLOCK))}
LIMITS = {"enquiry": 16, "fault": 6, "suggestion": 40}
CAP = timedelta(days=5)


def policy(calendar: str) -> dict:
    rule = {"promise": "resolve", "stop": "resolved", "calendar": calendar, "pauses": ["pending"], "warn": ["75%"]}
    return {"rule": [{**rule, "when": {"type": type}, "limit": f"{limit}h"} for type, limit in LIMITS.items()]}


@dataclass
class Model:
    """What must be true, worked out from the instants of the history alone."""

    oracle: Oracle
    limit: timedelta
    started: datetime
    carried: timedelta = timedelta(0)
    pauses: list[list] = field(default_factory=list)
    stopped: datetime | None = None

    def closed(self, until: datetime) -> list[tuple]:
        return [(start, min(end or until, until)) for start, end in self.pauses if start < until]

    def granted(self) -> timedelta:
        return max(self.limit - self.carried, self.limit / 4) if self.carried else self.limit

    def due(self) -> datetime | None:
        """Where the granted time runs out; None while an open pause stands in its way."""
        past = [(start, end) for start, end in self.pauses if end is not None]
        due = self.oracle.add(self.started, self.granted(), paused=past)
        open_pause = self.pauses[-1][0] if self.pauses and self.pauses[-1][1] is None else None
        return None if open_pause is not None and open_pause < due else due

    def used(self, until: datetime) -> timedelta:
        return self.oracle.between(self.started, until, paused=self.closed(until))

    def wait(self, at: datetime) -> None:
        due = self.due()
        if due is None or at < due:
            self.pauses.append([at, None])

    def end_pause(self, at: datetime) -> None:
        if self.pauses and self.pauses[-1][1] is None:
            self.pauses[-1][1] = at

    def sweep(self, at: datetime) -> None:
        if self.pauses and self.pauses[-1][1] is None and self.pauses[-1][0] + CAP <= at:
            self.pauses[-1][1] = self.pauses[-1][0] + CAP


ACTS = ["wait", "resume", "customer", "resolve", "resolve", "reopen", "fault", "enquiry", "suggestion", "sweep", "hold"]
HISTORIES = st.lists(
    st.tuples(st.sampled_from(ACTS), st.one_of(st.integers(0, 90), st.integers(0, 3000))), min_size=1, max_size=12
)


@pytest.mark.parametrize("calendar", ["desk", "round"])
@settings(
    max_examples=400 if PROOF else 15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=HISTORIES, start=st.integers(0, 7 * 1440))
def test_the_ledger_adds_up_and_agrees_with_the_oracle_through_any_history(calendar, history, start):
    agent = make_house(calendar)
    at = MONDAY + timedelta(minutes=start)
    ticket = builders.ticket(agent, channel="phone", customer=None, owner=agent, at=at)
    rounds = [Model(ORACLES[calendar], timedelta(hours=LIMITS["enquiry"]), at)]
    compare(ticket, rounds, at)
    for act, minutes in history:
        at += timedelta(minutes=minutes)
        if play(act, ticket, agent, at):
            follow(act, rounds, at)
        compare(ticket, rounds, at)
    assert verify_timeline(Case.objects.get(pk=ticket.pk)) == []


def make_house(calendar: str):
    from sla.models import PolicyVersion
    from staff.models import User

    name = f"explain-{calendar}"
    if not PolicyVersion.objects.filter(scope="").exists():
        publish_calendar(Calendar.from_dict(name, FORM if calendar == "desk" else ROUND_THE_CLOCK), at=MONDAY)
        publish_policy(policy(name), at=MONDAY, valid_from=None)
    return User.objects.filter(role="senior").first() or builders.person("senior")


def play(act: str, ticket, agent, at: datetime) -> bool:
    """Let the house do it; whether it was done rather than refused."""
    common = {"ticket_id": ticket.pk, "by": agent, "at": at}
    try:
        match act:
            case "sweep":
                sweep(now=at)
            case "wait":
                services.wait_for_customer(reason="documents", **common)
            case "hold":
                services.hold_ticket(reason="parts", **common)
            case "resume":
                services.resume_ticket(**common)
            case "customer":
                conversation.customer_wrote(ticket_id=ticket.pk, body="x", channel="web", at=at)
            case "resolve":
                ending.resolve_ticket(resolution="x", verified="test", **common)
            case "reopen":
                ending.reopen_ticket(reason="x", **common)
            case type:
                handling.reclassify_ticket(type=type, **common)
    except DomainError:
        return False
    return True


def follow(act: str, rounds: list[Model], at: datetime) -> None:
    now = rounds[-1]
    match act:
        case "sweep":
            now.sweep(at)
        case "wait":
            now.wait(at)
        case "hold" | "resume" | "customer":
            now.end_pause(at)
        case "resolve":
            now.end_pause(at)
            now.stopped = at
        case "reopen":
            spent = sum((each.used(each.stopped) for each in rounds), timedelta(0))
            rounds.append(Model(now.oracle, now.limit, at, carried=spent))
        case type:
            now.limit = timedelta(hours=LIMITS[type])


def compare(ticket, rounds: list[Model], at: datetime) -> None:
    deadlines = Deadline.objects.filter(case=ticket).select_related("rule__version", "calendar_version")
    for cycle, model in enumerate(rounds, start=1):
        deadline = deadlines.get(cycle=cycle)
        assert (deadline.due_at, deadline.stopped_at) == (model.due(), model.stopped)
        told = explain(deadline, now=at)
        until = model.stopped or min(at, model.due() or at)
        until = max(until, model.started)
        assert told.used == model.used(until)
        assert sum((i.span for i in told.intervals if i.open), timedelta(0)) == told.used
        check_the_intervals_touch(told.intervals, model.started, until)
        if model.due() is not None:
            met = (model.stopped or at) <= model.due()
            assert told.verdict == ("missed" if not met else "met" if model.stopped else "open")
    assert out_of_step() == []


def check_the_intervals_touch(intervals, start, end) -> None:
    if start == end:
        assert intervals == []
        return
    assert (intervals[0].start, intervals[-1].end) == (start, end)
    assert all(one.end == two.start for one, two in pairwise(intervals))


# --- by example ----------------------------------------------------------------------------------------------------


@pytest.fixture
def agent():
    builders.house()
    return builders.person("senior")


def hours(count: float):
    return MONDAY + timedelta(hours=count)


def test_the_pause_is_in_the_ledger_with_its_reason(agent):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=hours(2))
    services.resume_ticket(ticket_id=ticket.pk, by=agent, at=hours(5))
    told = explain(Deadline.objects.get(case=ticket, promise="resolve"), now=hours(6))
    assert [(i.start, i.end, i.open, str(i.why), i.label) for i in told.intervals] == [
        (hours(0), hours(2), True, "week", ""),
        (hours(2), hours(5), False, "paused", "documents"),
        (hours(5), hours(6), True, "week", ""),
    ]
    assert (told.used, told.left, told.dues) == (timedelta(hours=3), timedelta(hours=21), [("24h", hours(27))])
    assert told.policy.number == 1


def test_while_it_is_paused_the_time_left_stands_still(agent):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=hours(2))
    lefts = {explain(Deadline.objects.get(case=ticket, promise="resolve"), now=hours(n)).left for n in (2, 3, 90)}
    assert lefts == {timedelta(hours=22)}


def test_what_is_overdue_has_nothing_left_and_its_ledger_ends_at_the_due_instant(agent):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    told = explain(Deadline.objects.get(case=ticket, promise="resolve"), now=hours(100))
    assert (told.verdict, told.left, told.used) == ("missed", timedelta(0), timedelta(hours=24))


def test_a_promise_with_two_limits_shows_both_and_the_earlier_is_due(agent):
    entry = {"promise": "letter", "stop": "resolved", "limit": ["7wd", "15d"], "calendar": "china"}
    publish_policy({"rule": [entry]}, at=MONDAY, valid_from=None)
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    deadline = Deadline.objects.get(case=ticket)
    told = explain(deadline, now=MONDAY)
    assert [text for text, _due in told.dues] == ["7wd", "15d"]
    assert deadline.due_at == min(due for _text, due in told.dues)


def test_a_due_date_beyond_what_the_country_announced_is_provisional(agent):
    entry = {"promise": "letter", "stop": "resolved", "limit": "7wd", "calendar": "china"}
    publish_policy({"rule": [entry]}, at=MONDAY, valid_from=None)
    near = builders.ticket(agent, channel="phone", customer=None)
    at = MONDAY.replace(month=12, day=28)
    far = builders.ticket(agent, channel="phone", customer=None, at=at)
    assert [is_provisional(Deadline.objects.get(case=t)) for t in (near, far)] == [False, True]


def test_explaining_all_deadlines_of_a_case_reads_once(agent, django_assert_num_queries):
    ticket = builders.ticket(agent, type="fault", owner=agent)
    with django_assert_num_queries(1):
        told = [explain(deadline, now=hours(3)) for deadline in deadlines_of(ticket)]
    assert len(told) == 5
    assert Ticket.objects.get(pk=ticket.pk).is_open
