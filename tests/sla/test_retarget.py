"""Publishing a calendar: the preview lists exactly what moves, re-aiming moves exactly that, and twice is once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cases.services import verify_timeline
from sla import services as sla
from sla.arithmetic import Calendar
from sla.models import CalendarVersion, Deadline
from sla.shipped import publish_calendar, publish_policy
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tests.proof import out_of_step
from tickets import ending, services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
WEEK = {day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}


def office(**more) -> Calendar:
    return Calendar.from_dict("office", {"timezone": "Asia/Shanghai", "week": WEEK, **more})


CLOSED_WEDNESDAY = office(closed=["2026-03-04"])


def hours(count: float):
    return MONDAY + timedelta(hours=count)


@pytest.fixture
def agent():
    publish_calendar(office(), at=MONDAY)
    rule = {"promise": "resolve", "stop": "resolved", "calendar": "office", "pauses": ["pending"], "warn": ["75%"]}
    publish_policy({"rule": [{**rule, "limit": "16h"}]}, at=MONDAY, valid_from=None)
    return builders.person("senior")


def opened(agent, at):
    return builders.ticket(agent, channel="phone", customer=None, owner=agent, at=at)


def due(ticket) -> Deadline:
    return Deadline.objects.get(case=ticket)


def test_the_preview_lists_exactly_what_re_aiming_moves(agent):
    tickets = [opened(agent, hours(number)) for number in range(-8, 12)]
    now = hours(12)
    listed = {m.deadline.pk: m.after for m in sla.preview_retarget("office", CLOSED_WEDNESDAY, at=now)}
    before = {d.pk: d.due_at for d in Deadline.objects.all()}
    assert 0 < len(listed) < len(tickets)
    publish_calendar(CLOSED_WEDNESDAY, at=now)
    moved = [d.pk for ticket in tickets for d in sla.retarget(ticket.pk, at=now)]
    assert sorted(moved) == sorted(listed)
    for deadline in Deadline.objects.all():
        assert deadline.due_at == listed.get(deadline.pk, before[deadline.pk])
        assert deadline.due_at == deadline.aim.due()
    assert out_of_step() == []
    assert [problem for ticket in Ticket.objects.all() for problem in verify_timeline(ticket)] == []


def test_nothing_is_listed_that_is_over_pinned_or_on_another_calendar(agent):
    live, done, pinned = (opened(agent, hours(0)) for _ in range(3))
    ending.resolve_ticket(ticket_id=done.pk, resolution="x", verified="test", by=agent, at=hours(1))
    Deadline.objects.filter(case=pinned).update(pinned_at=hours(60), due_at=hours(60))
    listed = sla.preview_retarget("office", office(closed=["2026-03-02", "2026-03-03"]), at=hours(2))
    assert [move.deadline.case_id for move in listed] == [live.pk]
    assert sla.preview_retarget("another", CLOSED_WEDNESDAY, at=hours(2)) == []


def test_the_same_calendar_moves_nothing(agent):
    ticket = opened(agent, hours(0))
    assert sla.preview_retarget("office", office(), at=hours(1)) == []
    publish_calendar(office(title={"en": "Office"}), at=hours(1))
    assert sla.retarget(ticket.pk, at=hours(1)) == []


def test_a_paused_deadline_follows_the_new_calendar_too(agent):
    """Found by this suite: it kept the old calendar and fell due on a day that had been closed."""
    ticket = opened(agent, hours(0))
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=hours(4))
    (move,) = sla.preview_retarget("office", CLOSED_WEDNESDAY, at=hours(25))
    publish_calendar(CLOSED_WEDNESDAY, at=hours(25))
    assert [d.pk for d in sla.retarget(ticket.pk, at=hours(25))] == [move.deadline.pk]
    assert due(ticket).due_at is None
    services.resume_ticket(ticket_id=ticket.pk, by=agent, at=hours(25))
    assert due(ticket).due_at == move.after


def test_what_does_not_move_now_is_under_the_new_calendar_when_it_is_paused_later(agent):
    ticket = opened(agent, hours(-16))  # Sunday evening: due on Tuesday at closing, before the closed day
    before = due(ticket).due_at
    publish_calendar(CLOSED_WEDNESDAY, at=hours(1))
    assert sla.retarget(ticket.pk, at=hours(1)) == []
    assert due(ticket).due_at == before
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=hours(28))
    services.resume_ticket(ticket_id=ticket.pk, by=agent, at=hours(31))
    assert due(ticket).due_at.date().isoformat() == "2026-03-05"


def test_warnings_move_with_their_deadline_and_fire_once(agent):
    ticket = opened(agent, hours(8))  # at closing on Monday: warned on Wednesday at noon
    publish_calendar(CLOSED_WEDNESDAY, at=hours(9))
    sla.retarget(ticket.pk, at=hours(9))
    sweep(now=hours(2 * 24 + 7))  # Wednesday afternoon
    assert not ticket.events.filter(kind="promise_warn").exists()
    for _again in range(2):
        sweep(now=hours(3 * 24 + 7))
    assert ticket.events.filter(kind="promise_warn").count() == 1


def test_re_aiming_twice_writes_nothing_and_leaves_the_case_as_it_was(agent):
    ticket = opened(agent, hours(8))
    before = Ticket.objects.get(pk=ticket.pk)
    publish_calendar(CLOSED_WEDNESDAY, at=hours(9))
    assert len(sla.retarget(ticket.pk, at=hours(9))) == 1
    after = Ticket.objects.get(pk=ticket.pk)
    assert (after.version, after.changed_at) == (before.version, before.changed_at)
    assert after.sort_due_at == due(ticket).due_at != before.sort_due_at
    with CaptureQueriesContext(connection) as queries:
        assert sla.retarget(ticket.pk, at=hours(10)) == []
    assert not [q["sql"] for q in queries.captured_queries if q["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]
    assert ticket.events.filter(kind="clocks_aimed").count() == 1


def test_the_preview_asks_once_however_many_deadlines_there_are(agent):
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            sla.preview_retarget("office", CLOSED_WEDNESDAY, at=hours(9))
        return len(queries)

    opened(agent, hours(0))
    few = asked()
    for number in range(20):
        opened(agent, hours(number / 7))
    assert asked() == few <= 3


def test_publishing_what_is_there_already_makes_no_version(agent):
    publish_calendar(office(), at=hours(1))
    assert CalendarVersion.objects.count() == 1
    publish_calendar(CLOSED_WEDNESDAY, at=hours(1))
    publish_calendar(office(), at=hours(2))  # back again: a third version, for the second was in force
    assert list(CalendarVersion.objects.values_list("number", flat=True)) == [1, 2, 3]


def test_an_old_version_never_changes(agent):
    ticket = opened(agent, hours(0))
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="x", verified="test", by=agent, at=hours(1))
    before = Deadline.objects.values().get(case=ticket)
    publish_calendar(CLOSED_WEDNESDAY, at=hours(2))
    sla.retarget(ticket.pk, at=hours(3))
    assert Deadline.objects.values().get(case=ticket) == before
