"""The sweep: everything due happens once, in order, at a price that does not grow with what is not due."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cases.models import Case
from cases.services import verify_timeline
from notifications.models import Message
from sla import sweep as engine
from sla import timers
from sla.models import Deadline, Timer
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tests.proof import broken_timelines, many, out_of_step, steps_taken, twice
from tickets import conversation, handling
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")


@pytest.fixture
def agent():
    builders.house()
    return builders.person("agent")


@pytest.fixture(autouse=True)
def _no_breath(settings):
    settings.SWEEP_BREATH_SECONDS = 0


def hours(count: float):
    return MONDAY + timedelta(hours=count)


def statements(now, **options) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        sweep(now=now, **options)
    return [query["sql"] for query in queries.captured_queries]


# --- cost ----------------------------------------------------------------------------------------------------------


def test_an_idle_sweep_is_a_read_or_two_however_many_cases_are_open(agent):
    few = statements(MONDAY)
    many(300, agent, type="fault")
    lots = statements(MONDAY)
    assert len(few) == len(lots) <= 4
    assert all(sql.startswith("SELECT") and "FOR " not in sql for sql in lots)  # no transaction, no lock


def test_an_idle_sweep_over_parked_and_future_timers_is_no_dearer(agent):
    many(50, agent)
    Timer.objects.update(parked_at=MONDAY, try_at=MONDAY - timedelta(days=1))
    many(50, agent)
    assert len(statements(MONDAY)) <= 4


@pytest.mark.parametrize("fields", [{"channel": "phone"}, {"type": "fault"}])
def test_a_sweep_of_1000_due_timers_takes_a_tenth_of_a_statement_each(agent, fields):
    builders.person("lead")
    each = 1 if fields.get("channel") == "phone" else 4
    many(1000 // each, agent, owner=agent, **fields)
    now = hours(24.5)
    due = Timer.objects.filter(try_at__lte=now).count()
    assert due >= 1000
    taken = [sql for sql in statements(now) if not sql.startswith(CONTROL)]
    fixed = 8  # what is read once a sweep: the page of due timers, its end, the people
    assert len(taken) - fixed <= due / 10
    assert not Timer.objects.filter(try_at__lte=now).exists()


def test_the_price_per_timer_falls_with_more_of_them(agent):
    many(20, agent, channel="phone")
    some = len(statements(hours(12)))
    many(150, agent, channel="phone")
    more = len(statements(hours(18)))
    assert more / 170 < some / 20


# --- completeness and order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_everything_due_is_drained_whatever_the_size_of_a_batch(agent, size):
    cases = many(23, agent, type="fault", owner=agent)
    due = Timer.objects.filter(try_at__lte=hours(24)).count()
    outcome = sweep(now=hours(24), size=size)
    assert (outcome.fired, outcome.failed) == (due, 0)
    assert not Timer.objects.filter(try_at__lte=hours(24)).exists()
    assert twice(steps_taken(cases)) == {}
    assert broken_timelines(cases) == out_of_step() == []


@pytest.mark.parametrize("page", [1, 3, 10])
def test_pages_lose_nothing_at_their_borders(agent, monkeypatch, page):
    monkeypatch.setattr(engine, "_PAGE", page)
    cases = many(11, agent, channel="phone")
    assert sweep(now=hours(12), size=4).fired == 11
    assert sum(steps_taken(cases).values()) == 11


def test_the_oldest_are_fired_first(agent):
    order = []
    timers.handles("test.order")(lambda timer, now: order.append(timer.key))
    for minutes in (30, 10, 20, 10):
        timers.set_timer("test.order", key=f"m{minutes}-{len(order)}-{Timer.objects.count()}",
                         fire_at=MONDAY - timedelta(minutes=minutes))  # fmt: skip
    sweep(now=MONDAY, size=1)
    assert order == ["m30-0-0", "m20-0-2", "m10-0-1", "m10-0-3"]


def test_what_a_handler_arms_for_the_past_is_fired_in_the_same_sweep(agent):
    fired = []

    def chain(timer, now):
        fired.append(timer.args["day"])
        if timer.args["day"] < 3:
            timers.set_timer("test.chain", key="chain", fire_at=timer.fire_at + timedelta(days=1),
                             args={"day": timer.args["day"] + 1})  # fmt: skip

    timers.handles("test.chain")(chain)
    timers.set_timer("test.chain", key="chain", fire_at=MONDAY - timedelta(days=9), args={"day": 1})
    sweep(now=MONDAY)
    assert fired == [1, 2, 3]
    assert not Timer.objects.exists()


def test_a_handler_that_arms_itself_for_the_past_for_ever_does_not_hold_the_sweep(agent):
    fired = []

    def again(timer, now):
        fired.append(1)
        timers.set_timer("test.again", key="again", fire_at=timer.fire_at)

    timers.handles("test.again")(again)
    timers.set_timer("test.again", key="again", fire_at=MONDAY)
    sweep(now=MONDAY)
    assert 1 <= len(fired) <= 20
    assert Timer.objects.filter(key="again").count() == 1


def test_a_timer_without_a_case_is_claimed_by_its_own_row(agent):
    fired = []
    timers.handles("test.alone")(lambda timer, now: fired.append((timer.key, timer.args, timer.case_id)))
    timers.set_timer("test.alone", key="sop-7", fire_at=MONDAY, args={"sop": 7})
    assert sweep(now=MONDAY - timedelta(microseconds=1)).fired == 0
    assert sweep(now=MONDAY).fired == 1
    assert fired == [("sop-7", {"sop": 7}, None)]
    assert not Timer.objects.exists()


# --- what happened -------------------------------------------------------------------------------------------------


def test_a_breach_is_dated_by_its_deadline_whatever_hour_the_sweep_ran(agent):
    ticket = builders.ticket(agent, channel="phone")
    sweep(now=hours(100))
    breach = ticket.events.get(kind="promise_breach")
    assert (breach.at, breach.facts["due"]) == (hours(24), hours(24).isoformat())


def test_the_instant_due_is_not_yet_a_breach_for_whoever_answers_then_and_is_one_for_the_sweep(agent):
    ticket = builders.ticket(agent)
    sweep(now=MONDAY + timedelta(minutes=15))
    conversation.reply_to_customer(ticket_id=ticket.pk, body="Hello", by=agent, at=MONDAY + timedelta(minutes=15))
    deadline = Deadline.objects.get(case=ticket, promise="first_response")
    assert deadline.verdict(hours(9)) == "met"
    assert ticket.events.filter(kind="verdict_corrected").count() == 1


def test_a_moment_before_its_time_nothing_happens(agent):
    ticket = builders.ticket(agent, channel="phone")
    assert sweep(now=hours(12) - timedelta(microseconds=1)).fired == 0
    assert sweep(now=hours(12)).fired == 1
    assert ticket.events.filter(kind="promise_tier").count() == 1


def test_a_case_at_the_tier_already_records_skipped_and_tells_nobody(agent):
    builders.person("lead")
    ticket = builders.ticket(agent, channel="phone")
    handling.escalate_ticket(ticket_id=ticket.pk, reason="needs a specialist", by=agent, at=hours(1))
    before = Message.objects.count()
    sweep(now=hours(12))
    event = ticket.events.get(kind="promise_tier")
    assert (event.facts["skipped"], event.facts["tier"], Message.objects.count()) == ("reached", 2, before)


def test_two_promises_of_one_case_due_at_once_chain_into_one_timeline(agent):
    ticket = builders.ticket(agent, type="fault", owner=agent)
    sweep(now=hours(24))
    case = Case.objects.get(pk=ticket.pk)
    assert verify_timeline(case) == []
    breaches = set(case.events.filter(kind="promise_breach").values_list("facts__promise", flat=True))
    assert breaches == {"first_response", "locate", "resolve", "restore"}


def test_a_sweep_does_not_make_open_forms_stale(agent):
    ticket = builders.ticket(agent, channel="phone")
    before = Ticket.objects.get(pk=ticket.pk)
    sweep(now=hours(30))
    after = Ticket.objects.get(pk=ticket.pk)
    assert (after.version, after.changed_at) == (before.version, before.changed_at)


def test_a_timer_left_at_a_stopped_deadline_fires_nothing_and_goes(agent):
    """It cannot come to be (the same transaction removes it); if a hand makes it be, it does no harm."""
    ticket = builders.ticket(agent, channel="phone")
    Deadline.objects.filter(case=ticket, promise="resolve").update(state="stopped", stopped_at=hours(1))
    sweep(now=hours(30))
    assert not ticket.events.filter(kind__startswith="promise_").exists()
    assert not Timer.objects.filter(case=ticket).exists()


def test_nobody_to_tell_climbs_until_somebody_is(agent):
    head = builders.person("head", team=None)
    builders.ticket(agent, channel="phone")
    sweep(now=hours(24))
    assert {m.person_id for m in Message.objects.filter(template="promise_missed")} == {head.pk}


def test_a_person_who_left_is_not_told_but_the_lead_is(agent):
    lead = builders.person("lead")
    builders.ticket(agent, channel="phone", owner=agent)
    agent.is_active = False
    agent.save()
    sweep(now=hours(24))
    assert {m.person_id for m in Message.objects.filter(template="promise_missed")} == {lead.pk}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_busy_cases_wait_for_the_next_tick_and_hold_up_nobody():
    import threading

    builders.house()
    cases = many(30, builders.person(), channel="phone")
    held, go_on = threading.Event(), threading.Event()

    def work():
        from django.db import transaction

        with transaction.atomic():
            list(Case.objects.filter(pk__in=cases[:10]).select_for_update(no_key=True))
            held.set()
            go_on.wait(timeout=30)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert held.wait(timeout=30)
    try:
        assert sweep(now=hours(12), size=10).fired == 20
    finally:
        go_on.set()
        thread.join(timeout=30)
    assert sweep(now=hours(12), size=10).fired == 10
    assert sum(steps_taken(cases).values()) == 30


def test_a_sweep_whose_last_timer_another_one_took_ends_quietly(agent, monkeypatch):
    """Between reading what is due and looking again, another sweep may have fired all of it."""
    builders.ticket(agent, channel="phone", owner=agent)
    read = engine._Work._page

    def taken_meanwhile(work, *args):
        page = read(work, *args)
        Timer.objects.all().delete()
        return page

    monkeypatch.setattr(engine._Work, "_page", taken_meanwhile)
    assert engine.sweep(now=MONDAY + timedelta(hours=13)).fired == 0
