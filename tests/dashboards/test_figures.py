"""Every number of the board opens exactly the rows it counts (lessons.md 40)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cases.models import Case
from dashboards import board, figures
from dashboards.figures import FIGURES, Narrow, rows_behind
from sla.models import Deadline
from sla.states import Verdict
from staff.models import Presence, Team
from staff.permissions import TABLE
from tests import builders
from tests.builders import MONDAY
from tests.dashboards.center import NOW, Center
from tickets import conversation, ending, services

pytestmark = pytest.mark.django_db
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def count(figure, scope, **narrowed):
    return len(rows_behind(figure, scope, Narrow(**narrowed)))


def scopes(center):
    """All teams, one team by choice, and one team by role."""
    return [
        center.scope(),
        center.scope(team=center.billing),
        center.scope(center.lead, center.repair),
        center.scope(center.auditor),
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_number_is_the_length_of_its_list(seed):
    center = Center(60, seed=seed)
    for scope in scopes(center):
        queues = figures.queues(scope)
        assert count("overdue", scope) == sum(queue.over for queue in queues)
        assert count("soon", scope) == sum(queue.soon for queue in queues)
        assert count("open", scope) == sum(queue.total for queue in queues)
        assert count("paused", scope) == sum(queue.paused for queue in queues)
        assert count("on-time", scope) == sum(queue.on_time for queue in queues)
        assert count("action", scope) == sum(queue.over + queue.soon for queue in queues)
        assert figures.first_replies(scope).count == count("first-reply", scope)
        assert count("agents", scope) == sum(figures.presences(scope).values())
        assert count("online", scope) == sum(
            figures.presences(scope).get(state, 0) for state in [Presence.ONLINE, Presence.BUSY]
        )

        today = {h.start.hour: h for h in figures.verdicts_by_hour(scope) if h.start.date() == scope.today}
        assert count("target", scope) == sum(hour.judged for hour in today.values())
        verdicts = [deadline.verdict(NOW) for deadline in rows_behind("target", scope)]
        assert verdicts.count(Verdict.MET) == sum(hour.kept for hour in today.values())
        assert set(verdicts) <= {Verdict.MET, Verdict.MISSED}
        opened, _forecast = figures.received_by_hour(scope)
        for hour in range(24):
            assert count("target", scope, hour=hour) == (today[hour].judged if hour in today else 0)
            assert count("opened", scope, hour=hour) == opened.get(hour, 0)
        assert count("opened", scope) == sum(opened.values())

        misses = figures.misses_by_hour(scope)
        for (day, hour), missed in misses.items():
            assert count("missed", scope, day=day, hour=hour) == missed
        assert count("missed", scope) == sum(misses.values())
        for agent in rows_behind("agents", scope):
            assert agent.load == count("open", scope, owner=agent)
    # The data had something of everything, so that no equation held by being empty.
    whole = center.scope()
    assert all(count(figure, whole) for figure in set(FIGURES) - {"soon"})


def test_the_cards_show_these_numbers():
    center = Center(60)
    for scope in scopes(center):
        shown = board.build(scope, list(Team.objects.all()))
        over, soon, opened, _reply, agents = shown.cards
        assert over.value == str(count("overdue", scope))
        assert soon.value == str(count("soon", scope))
        assert opened.value == str(count("open", scope))
        assert (agents.value, agents.unit) == (str(count("online", scope)), f" / {count('agents', scope)}")
        verdicts = [deadline.verdict(NOW) for deadline in rows_behind("target", scope)]
        assert shown.target.value == board.share(100 * verdicts.count(Verdict.MET) / len(verdicts))
        assert [row.case.pk for row in shown.actions] == [case.pk for case in rows_behind("action", scope)[:10]]


def test_the_predicates_are_those_of_the_queues():
    scope = Center(60).scope()
    assert set(rows_behind("overdue", scope)) == set(Case.objects.overdue(NOW))
    assert set(rows_behind("soon", scope)) == set(Case.objects.breaching_by(NOW, 30 * MINUTE))


def test_a_lead_counts_the_own_team_only():
    center = Center(40)
    # The lead took the first contact of another team's ticket: visible, but no part of the team's board.
    ticket = builders.ticket(center.lead, team=center.billing, customer=center.customer, at=NOW - 10 * HOUR)
    scope = center.scope(center.lead, center.repair)
    assert {case.team_id for case in rows_behind("open", scope)} == {center.repair.pk}
    assert ticket.case_ptr in Case.objects.visible_to(center.lead)
    assert {agent.team_id for agent in rows_behind("agents", scope)} == {center.repair.pk}


@pytest.fixture
def agent():
    builders.house()
    return builders.person("agent")


@pytest.fixture
def scope(agent):
    center = Center.__new__(Center)
    center.supervisor = builders.person("supervisor")
    return center.scope()


def verdicts(scope):
    return [(deadline.case_id, deadline.verdict(NOW)) for deadline in rows_behind("target", scope)]


def resolved(ticket, at):
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="Reset", verified="test", by=None, at=at)


def test_a_miss_counts_once_on_the_day_it_fell_due(agent, scope):
    today = builders.ticket(agent, channel="phone", at=NOW - 25 * HOUR)  # due an hour ago, still open
    late = builders.ticket(agent, channel="phone", at=NOW - 26 * HOUR)  # due two hours ago, resolved since
    yesterday = builders.ticket(agent, channel="phone", at=NOW - 47 * HOUR)  # due yesterday, resolved today
    resolved(late, NOW - HOUR)
    resolved(yesterday, NOW - 2 * HOUR)
    assert set(verdicts(scope)) == {(today.pk, Verdict.MISSED), (late.pk, Verdict.MISSED)}
    week = figures.verdicts_by_hour(scope)
    assert sum(hour.judged for hour in week) == 3
    assert [hour.start.date() == scope.today for hour in week].count(False) == 1


def test_kept_on_the_due_instant_and_the_day_begins_at_local_midnight(agent, scope):
    midnight = scope.day()[0]
    exact = builders.ticket(agent, channel="phone", at=midnight - 24 * HOUR)
    before = builders.ticket(agent, channel="phone", at=midnight - 12 * HOUR)
    resolved(exact, midnight)  # due and resolved at 00:00, which is today
    resolved(before, midnight - MINUTE)
    assert verdicts(scope) == [(exact.pk, Verdict.MET)]
    assert (scope.zone.key, midnight.isoformat()) == ("Asia/Shanghai", "2026-03-04T00:00:00+08:00")


def test_what_was_cancelled_or_stands_still_has_no_verdict(agent, scope):
    gone = builders.ticket(agent, channel="phone", at=NOW - 30 * HOUR)
    waiting = builders.ticket(agent, channel="phone", at=NOW - 30 * HOUR)
    ending.cancel_ticket(ticket_id=gone.pk, reason="By mistake", by=None, at=NOW - 29 * HOUR)
    services.wait_for_customer(ticket_id=waiting.pk, reason="documents", by=None, at=NOW - 28 * HOUR)
    assert verdicts(scope) == []
    assert count("paused", scope) == 1
    assert count("missed", scope) == 0


def test_open_a_week_ago_remembers_what_was_resolved_and_reopened_since(agent, scope):
    then = NOW - timedelta(weeks=1)
    start = then - 5 * HOUR
    open_then = builders.ticket(agent, at=start)
    reopened = builders.ticket(agent, at=start)  # was resolved at that moment, is open now
    cancelled = builders.ticket(agent, at=start)  # was open at that moment, ended since
    builders.ticket(agent, at=then + HOUR)
    resolved(open_then, then + HOUR)
    resolved(reopened, then - HOUR)
    ending.reopen_ticket(ticket_id=reopened.pk, reason="Again", by=None, at=then + HOUR)
    ending.cancel_ticket(ticket_id=cancelled.pk, reason="By mistake", by=None, at=then + HOUR)
    assert figures.open_at(scope, then) == 2
    assert figures.open_at(scope, NOW) == count("open", scope) == 2
    assert "±0 on last Wed" in str(board.open_card(scope, figures.queues(scope)).note)


def test_the_average_first_reply_is_measured_from_receipt(agent, scope):
    quick, slow = (builders.ticket(agent, at=NOW - 2 * HOUR) for _ in range(2))
    conversation.reply_to_customer(ticket_id=quick.pk, body="Hello", by=agent, at=NOW - 2 * HOUR + 4 * MINUTE)
    conversation.reply_to_customer(ticket_id=slow.pk, body="Hello", by=agent, at=NOW - 2 * HOUR + 20 * MINUTE)
    reply = figures.first_replies(scope)
    assert (reply.count, reply.mean) == (2, 12 * MINUTE)
    assert board.reply_card(scope, reply).value == "12<small>m</small> 00<small>s</small>"
    assert [d.case_id for d in rows_behind("first-reply", scope)] == [slow.pk, quick.pk]


def test_the_forecast_is_the_mean_of_the_same_hour_on_past_same_weekdays(agent, scope):
    for weeks, tickets in [(1, 2), (2, 4), (6, 9)]:  # six weeks back is too old to count
        for _ in range(tickets):
            builders.ticket(agent, at=NOW - timedelta(weeks=weeks) + 3 * HOUR)
    builders.ticket(agent, at=NOW - timedelta(days=6))
    today, forecast = figures.received_by_hour(scope)
    assert today == {}
    assert forecast == {18: 3}


def test_days_and_hours_are_those_of_the_center(agent, scope):
    builders.ticket(agent, at=MONDAY - 9 * HOUR + MINUTE)  # 00:01 on Monday in Shanghai, still Sunday in UTC
    assert figures.misses_by_hour(scope) == {(MONDAY.date(), 0): 1}


@pytest.mark.parametrize(
    ("judged", "kept", "value", "note"),
    [
        (0, 0, "–", "No verdict yet today"),
        (1000, 924, "92.4", "2.6 pts under target"),
        (10000, 9496, "94.9", "0.1 pts under target"),
        (100, 95, "95", "Exactly on target"),
        (10000, 9996, "99.9", "4.9 pts over target"),
        (3, 3, "100", "5 pts over target"),
    ],
)
def test_the_target_met_is_rounded_down_and_says_how_far_it_is(scope, judged, kept, value, note):
    card = board.target_card(scope, judged, kept)
    assert (card.value, card.note) == (value, note)


def test_no_deadline_is_judged_twice():
    center = Center(60, seed=4)
    scope = center.scope()
    week = sum(hour.judged for hour in figures.verdicts_by_hour(scope))
    start, end = scope.week()
    by_instants = [
        deadline
        for deadline in Deadline.objects.filter(promise="resolve")
        if deadline.verdict(NOW) in (Verdict.MET, Verdict.MISSED)
        and deadline.due_at is not None
        and start <= min(deadline.due_at, deadline.stopped_at or deadline.due_at) < end
    ]
    assert week == len(by_instants) > 0


def test_whoever_sees_all_boards_may_see_all_cases():
    """`Scope.deadlines` asks for the team alone; this is why it may."""
    assert TABLE["boards.all_teams"] <= TABLE["cases.see_all_teams"]
    assert TABLE["boards.open"] <= TABLE["desk.open"]
