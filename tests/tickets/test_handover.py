"""At a rung that leads to a tier, what nobody has or nobody answered goes to the people of that tier, once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from cases.facts import Names, sentence
from cases.services import verify_timeline
from notifications.models import Message
from sla.models import Deadline, PolicyVersion
from sla.shipped import publish_policy
from sla.states import Verdict
from sla.sweep import sweep
from staff.models import Team
from tests import builders
from tests.builders import MONDAY
from tests.proof import many, out_of_step, steps_taken, twice
from tickets import conversation, ending, handling, services
from tickets.models import Ticket
from tickets.states import State

pytestmark = pytest.mark.django_db


def hours(count: float):
    return MONDAY + timedelta(hours=count)


@pytest.fixture(autouse=True)
def _no_breath(settings):
    settings.SWEEP_BREATH_SECONDS = 0


@pytest.fixture
def people():
    builders.house()
    return {role: builders.person(role) for role in ("agent", "senior", "lead", "head")} | {
        "supervisor": builders.person("supervisor", team=None)
    }


def now(ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def handed(ticket) -> list[dict]:
    return list(ticket.events.filter(kind="handed_up").order_by("seq").values_list("facts", flat=True))


def whole(*tickets) -> None:
    assert out_of_step() == []
    assert [problem for ticket in tickets for problem in verify_timeline(now(ticket))] == []
    assert twice(steps_taken()) == {}


def test_what_nobody_has_goes_to_the_lead_at_half_and_stays_there_once_answered(people):
    lead = people["lead"]
    ticket = builders.ticket(people["agent"], channel="phone", owner=None)
    before = now(ticket).version
    for at in (hours(11.9), hours(12), hours(12), hours(15)):
        sweep(now=at)
    given = now(ticket)
    assert (given.owner, given.team, given.tier, given.state) == (lead, lead.team, 2, State.ASSIGNED)
    assert given.version == before + 1  # who had it open must look again
    assert handed(ticket) == [
        {"tier": 2, "state": "assigned", "owner": [None, lead.pk], "team": [lead.team_id, lead.team_id]}
    ]
    with override("en"):
        event = given.events.get(kind="handed_up")
        assert sentence(event, Names()) == f"Nobody had it: given to {lead.name} with tier T2"
    # At the phone the intake was the answer, and now somebody has it: the next rung changes the tier only.
    for at in (hours(19.2), hours(19.2), hours(99)):
        sweep(now=at)
    assert (now(ticket).owner, now(ticket).tier, len(handed(ticket))) == (lead, 3, 1)
    whole(ticket)


def test_what_its_owner_never_answered_climbs_with_each_rung(people):
    agent, lead, supervisor = people["agent"], people["lead"], people["supervisor"]
    ticket = builders.ticket(agent, channel="web", owner=agent)
    services.start_ticket(ticket_id=ticket.pk, by=agent, at=hours(1))
    for at in (hours(12), hours(12.5), hours(19.2), hours(20)):
        sweep(now=at)
    assert [(fact["tier"], fact["owner"]) for fact in handed(ticket)] == [
        (2, [agent.pk, lead.pk]),
        (3, [lead.pk, supervisor.pk]),
    ]
    given = now(ticket)
    # Somebody works on it: it stays in progress. A supervisor has no team, so the team stays.
    assert (given.owner, given.team, given.state) == (supervisor, agent.team, State.IN_PROGRESS)
    told = Message.objects.filter(template="promise_escalated").values_list("person_id", flat=True)
    assert set(told) == {lead.pk, supervisor.pk, people["head"].pk}  # tier 3 is the head's (TCK-04)
    whole(ticket)


def test_one_batch_hands_up_what_nobody_has_and_what_nobody_answered_and_leaves_the_rest(people):
    agent = people["agent"]
    nobodys, unanswered, answered = (
        builders.ticket(agent, channel=channel, owner=owner, customer=None)
        for channel, owner in (("phone", None), ("web", agent), ("phone", agent))
    )
    sweep(now=hours(12))
    owners = [now(ticket).owner for ticket in (nobodys, unanswered, answered)]
    assert owners == [people["lead"], people["lead"], agent]
    assert [now(ticket).tier for ticket in (nobodys, unanswered, answered)] == [2, 2, 2]
    whole(nobodys, unanswered, answered)


def test_an_answered_ticket_that_somebody_has_keeps_its_owner(people):
    agent = people["agent"]
    ticket = builders.ticket(agent, channel="web", owner=agent)
    conversation.reply_to_customer(ticket_id=ticket.pk, body="We are on it.", by=agent, at=hours(1))
    sweep(now=hours(20))
    assert (now(ticket).owner, now(ticket).tier, handed(ticket)) == (agent, 3, [])
    whole(ticket)


def test_by_hand_the_same_people_hear_of_a_tier_as_by_a_rung(people):
    ticket = builders.ticket(people["agent"], channel="web", owner=people["agent"])
    for tier, told in ((2, {"lead"}), (3, {"supervisor", "head"})):
        handling.escalate_ticket(ticket_id=ticket.pk, reason="hard", by=people["agent"], at=hours(tier))
        notices = Message.objects.filter(template="ticket_escalated", context__tier=tier)
        assert {notice.person for notice in notices} == {people[role] for role in told}
        shipped = PolicyVersion.objects.get().rules.filter(promise="resolve")
        rungs = [step["tell"] for rule in shipped for step in rule.steps if step.get("tier") == tier]
        assert len(rungs) == 4
        assert all(set(tell) == told for tell in rungs)


def test_a_case_at_that_tier_already_records_skipped_and_keeps_its_people(people):
    agent = people["agent"]
    ticket = builders.ticket(agent, channel="web", owner=agent)
    handling.escalate_ticket(ticket_id=ticket.pk, reason="hard", by=agent, at=hours(1))
    sweep(now=hours(13))
    (tier,) = ticket.events.filter(kind="promise_tier").values_list("facts", flat=True)
    assert tier["skipped"] == "reached"
    assert (now(ticket).owner, handed(ticket)) == (agent, [])
    whole(ticket)


def test_after_an_outage_it_goes_straight_to_the_highest_rung_that_is_due(people):
    ticket = builders.ticket(people["agent"], channel="web")
    sweep(now=hours(40))
    assert [(fact["tier"], fact["owner"]) for fact in handed(ticket)] == [(3, [None, people["supervisor"].pk])]
    whole(ticket)


def test_a_returned_ticket_leaves_the_dispatcher_for_the_lead_of_the_team_that_has_it(people):
    agent = people["agent"]
    dispatch = builders.team("dispatch", dispatches=True)
    chief = builders.person("lead", team=dispatch)
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    services.return_ticket(ticket_id=ticket.pk, reason="not ours", by=agent, at=hours(1))
    sweep(now=hours(12))
    assert (now(ticket).owner, now(ticket).team, now(ticket).state) == (chief, dispatch, State.ASSIGNED)
    whole(ticket)


def test_where_nobody_leads_the_next_level_gets_it_and_never_who_does_not_work_on_tickets(people):
    people["lead"].delete()
    ticket = builders.ticket(people["agent"], channel="phone")
    sweep(now=hours(12))
    assert now(ticket).owner == people["supervisor"]

    people["supervisor"].is_active = people["head"].is_active = False
    people["supervisor"].save(), people["head"].save()
    builders.person("administrator", team=None)
    other = builders.ticket(people["agent"], channel="phone", at=hours(12))
    sweep(now=hours(25))
    assert (now(other).owner, now(other).tier, handed(other)) == (None, 2, [])
    whole(ticket, other)


def test_whoever_is_given_the_ticket_can_go_on_with_it(people):
    ticket = builders.ticket(people["agent"], channel="phone")
    sweep(now=hours(12))
    services.start_ticket(ticket_id=ticket.pk, by=people["lead"], at=hours(13))
    ending.resolve_ticket(
        ticket_id=ticket.pk,
        resolution="x",
        verified="test",
        by=people["lead"],
        at=hours(14),
        version=now(ticket).version,
    )
    assert now(ticket).state == State.RESOLVED
    whole(ticket)


def test_it_counts_as_an_assignment_for_promises_that_wait_for_one(people):
    rung = {"at": "50%", "tier": 2, "tell": ["lead"]}
    resolve = {"promise": "resolve", "stop": "resolved", "limit": "24h", "rungs": [rung]}
    assign = {"promise": "assign", "stop": "assign", "limit": "20h"}
    publish_policy({"rule": [resolve, assign]}, at=MONDAY, valid_from=None)
    tickets = [builders.ticket(people["agent"], channel="phone", customer=None) for _ in range(3)]
    sweep(now=hours(12.25))
    for ticket in tickets:
        waited = Deadline.objects.get(case=ticket, promise="assign")
        assert (waited.stopped_at, waited.verdict(hours(99))) == (hours(12), Verdict.MET)
        assert now(ticket).sort_due_at == Deadline.objects.get(case=ticket, promise="resolve").due_at
    whole(*tickets)


@pytest.mark.parametrize("channel", ["phone", "web"])
def test_to_hand_up_a_batch_costs_no_statement_a_case(people, channel):
    def cost(count: int) -> int:
        many(count, people["agent"], channel=channel, customer=None)
        sweep(now=hours(11.9))
        with CaptureQueriesContext(connection) as queries:
            sweep(now=hours(12), size=200)
        assert Ticket.objects.filter(tier=2, owner=people["lead"]).exists()
        return len(queries)

    few = cost(5)
    assert cost(60) <= few


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_sweeps_and_people_at_work_hand_each_ticket_up_once_at_the_most(settings):
    settings.SWEEP_BREATH_SECONDS = 0
    builders.house()
    agent, lead = builders.person("senior"), builders.person("lead")
    builders.person("supervisor", team=None)
    ids = many(60, agent, channel="phone", customer=None)
    problems: list[BaseException] = []

    def sweeping():
        try:
            for _ in range(8):
                sweep(now=hours(12), size=7)
        except BaseException as problem:
            problems.append(problem)
        finally:
            connection.close()

    def working():
        try:
            for pk in ids[::3]:
                if Ticket.objects.get(pk=pk).owner_id is None:
                    try:
                        services.take_ticket(ticket_id=pk, by=agent, at=hours(11.99))
                    except services.DomainError:
                        assert Ticket.objects.get(pk=pk).owner_id == lead.pk  # the rung came first
        except BaseException as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=target) for target in (sweeping, working, sweeping, sweeping)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    sweep(now=hours(12))
    assert problems == []
    for ticket in Ticket.objects.filter(pk__in=ids):
        facts = handed(ticket)
        assert len(facts) <= 1
        assert (ticket.tier, ticket.owner_id) == (2, lead.pk if facts else agent.pk)
        assert ticket.state == (State.ASSIGNED if facts else State.IN_PROGRESS)
        assert verify_timeline(ticket) == []
    assert twice(steps_taken(ids)) == {}
    assert out_of_step() == []
    assert Team.objects.count() == 1
