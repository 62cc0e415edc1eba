"""kill -9 of worker, beat and broker in the middle of it all, then a restart: every timer fired once.

Real Celery processes on the real settings. On PostgreSQL with Redis, and on the embedded default.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from cases.models import CaseEvent, Note
from common import clock
from desk import sending
from desk.models import HeldReply
from notifications.models import Message
from sla.models import Timer
from tests import builders
from tests.conftest import missing
from tests.proof import (
    PROOF,
    Processes,
    broken_timelines,
    database_url,
    environment,
    free_port,
    many,
    marks_made,
    out_of_step,
    register,
    set_marks,
    somebody_waits_for_a_lock,
    steps_taken,
    twice,
    wait_until,
)  # fmt: skip

STEPS = {"tier-50%", "warn-75%", "tier-80%", "breach"}  # of a phone enquiry within its first day


def due_cases(count: int, *, age: float = 24) -> list[int]:
    """Cases of a minute more than `age` hours by the true clock, which is the one that workers read. At 24 hours the
    resolution has just been missed, and all its steps are waiting."""
    builders.house()
    builders.person("lead"), builders.person("supervisor", team=None)
    agent = builders.person("agent")
    at = clock.now() - timedelta(hours=age, minutes=1)
    return many(count, agent, owner=agent, customer=None, channel="phone", at=at)


def replies_to_leave(count: int) -> list[int]:
    """Replies of the composer whose time to be taken back is over, on tickets of their own; their keys."""
    builders.house()
    agent = builders.person("agent", name="Li")
    customer = builders.customer(phone="13900000001")
    now = clock.now()
    held = []
    for number in range(count):
        ticket = builders.ticket(agent, owner=agent, customer=customer, at=now - timedelta(minutes=5))
        given = {"body": f"Reply {number}", "then": "wait", "reason": "documents", "resolution": "", "verified": ""}
        said = sending.send(
            ticket_id=ticket.pk, by=agent, given={**given, "seen": ticket.version}, at=now - timedelta(minutes=4)
        )
        assert said.held is not None, said
        held.append(said.held.pk)
    return held


def waiting() -> int:
    return Timer.objects.filter(try_at__lte=clock.now()).count()


def check(cases: list[int], marks: int) -> None:
    taken = steps_taken(cases)
    assert twice(taken) == {}
    assert {key[:4] for key in taken} == {(case, "resolve", 1, step) for case in cases for step in STEPS}
    made = marks_made()
    assert (len(made), set(made.values())) == (marks, {1} if marks else set())
    assert broken_timelines() == out_of_step() == []
    assert not Timer.objects.filter(attempts__gt=0).exists()


def check_replies(replies: list[int]) -> None:
    """Each has left once, with everything that follows it: one note, one message, one pause."""
    sent = HeldReply.objects.filter(pk__in=replies, state=HeldReply.State.SENT).values_list("case_id", flat=True)
    assert len(sent) == len(replies)
    notes = Note.objects.filter(case_id__in=sent, direction="out").values_list("case_id", flat=True)
    assert sorted(notes) == sorted(sent)
    mails = Message.objects.filter(case_id__in=sent, template="ticket_reply").values_list("case_id", flat=True)
    assert sorted(mails) == sorted(sent)
    waits = CaseEvent.objects.filter(case_id__in=sent, kind="clocks_paused").values_list("case_id", flat=True)
    assert sorted(waits) == sorted(sent)


@pytest.fixture
def house(tmp_path):
    """PostgreSQL's test database, a Redis of our own that may be killed, and processes on both."""
    if not shutil.which("redis-server"):
        missing("Redis")
    register()
    port = free_port()
    processes = Processes(environment(database_url(), f"redis://127.0.0.1:{port}/0", tmp_path), tmp_path)
    processes.redis(port)
    yield processes
    processes.end()


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_whatever_is_killed_each_timer_fires_once(house):
    count, kills = (20_000, 60) if PROOF else (200, 3)
    replies = replies_to_leave(500 if PROOF else 10)  # first: none waits while the sweep is behind
    cases = due_cases(count)
    set_marks(cases, at=clock.now() - timedelta(minutes=2), seconds=0.002 if PROOF else 0.03)
    chance = random.Random() if PROOF else random.Random(1)
    house.worker()
    house.beat()
    if PROOF:
        house.worker("second")
    killed: list[str] = []
    before = waiting()
    assert wait_until(lambda: waiting() < before, seconds=60), house.log()
    victims = ["worker", "redis", "beat"]
    while waiting() and len(killed) < kills:
        name = chance.choice([*house.running]) if PROOF else victims[len(killed)]
        house.kill(name, children=chance.random() < 0.7)
        killed.append(name)
        left = waiting()
        house.start(name)
        if name != "beat":
            wait_until(lambda left=left: waiting() < left, seconds=20)  # in the middle of it again
        if PROOF:
            time.sleep(chance.random())
    assert wait_until(lambda: waiting() == 0, seconds=1200 if PROOF else 60), house.log()
    house.end()
    print(f"\nkill: {count} deadlines, {count} handlers and {len(replies)} replies, killed: {killed}")
    assert len(killed) >= 3, "the kills came too late to be in the middle of anything"
    check(cases, marks=count)
    check_replies(replies)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_sweep_killed_inside_its_transaction_leaves_nothing_behind(house):
    """The worker is stopped while it holds a batch whose rows are written and not committed."""
    cases = due_cases(20)
    events = CaseEvent.objects.count()
    with transaction.atomic():
        # The sweep writes its notices before it updates the timers: there it waits for us, everything else done.
        list(Timer.objects.filter(case_id__in=cases).select_for_update())
        house.worker()
        house.beat()
        assert wait_until(somebody_waits_for_a_lock, seconds=60), house.log()
        house.kill("worker")
        house.kill("beat")
    assert (CaseEvent.objects.count(), waiting()) == (events, 20)
    house.worker()
    house.beat()
    assert wait_until(lambda: waiting() == 0, seconds=60), house.log()
    house.end()
    check(cases, marks=0)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_lesson_26_fifty_thousand_timers_due_at_once_are_drained_within_a_minute(house):
    cases = due_cases(50_000, age=12)
    house.worker()
    house.beat()
    assert wait_until(lambda: waiting() < 50_000, seconds=60), house.log()
    begun = time.monotonic()
    assert wait_until(lambda: waiting() == 0, seconds=300), house.log()
    took = time.monotonic() - begun
    house.end()
    print(f"\n50,000 timers, one worker: {took:.1f} s; the machine's load was {os.getloadavg()[0]:.1f}")
    taken = steps_taken(cases)
    assert (len(taken), twice(taken)) == (50_000, {})
    assert took <= 60


# --- the embedded default ------------------------------------------------------------------------------------------


@pytest.fixture
def embedded(tmp_path, transactional_db):
    """The test's own in-memory database copied to a file, on which the processes work; and copied back at the end."""
    if connection.vendor != "sqlite":
        pytest.skip("the embedded database is tested where it is the default")
    register()
    return tmp_path


def copy_out(path: Path) -> None:
    connection.ensure_connection()
    with sqlite3.connect(path) as file:
        connection.connection.backup(file)
    file.close()


def copy_back(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.backup(connection.connection)
    file.close()


def left_in(path: Path) -> int:
    file = sqlite3.connect(path, timeout=20)
    try:
        now = clock.now().strftime("%Y-%m-%d %H:%M:%S")
        return file.execute("SELECT count(*) FROM sla_timer WHERE try_at <= ?", [now]).fetchone()[0]
    finally:
        file.close()


@pytest.mark.long
def test_on_the_embedded_default_a_killed_worker_loses_nothing_and_repeats_nothing(embedded):
    count, kills = (2000, 12) if PROOF else (120, 2)
    path = embedded / "house.sqlite3"
    cases = due_cases(count)
    set_marks(cases, at=clock.now() - timedelta(minutes=2), seconds=0.02)
    copy_out(path)
    processes = Processes(environment(f"sqlite://{path}", "", embedded / "var"), embedded)
    try:
        processes.worker(pool="solo")
        processes.beat()
        before = left_in(path)
        assert wait_until(lambda: left_in(path) < before, seconds=60), processes.log()
        for _kill in range(kills):
            left = left_in(path)
            if not left:
                break
            processes.kill("worker")
            processes.start("worker")
            assert wait_until(lambda left=left: left_in(path) < left, seconds=60), processes.log()
        assert wait_until(lambda: left_in(path) == 0, seconds=600 if PROOF else 60), processes.log()
    finally:
        processes.end()
    copy_back(path)
    check(cases, marks=count)
