"""Four sweepers against people who pause, resume, resolve and reopen the same cases, on real connections."""

from __future__ import annotations

import random
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection

from cases.models import Case
from common.errors import DomainError
from notifications.models import Message
from sla.models import Deadline, Timer
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tests.proof import PROOF, broken_timelines, late_without_breach, many, out_of_step, steps_taken, twice
from tickets import conversation, ending, handling, services

SECONDS = 120 if PROOF else 6
CASES, SWEEPERS, PEOPLE = 50, 4, 4


class Clock:
    """One clock for all threads; every look moves it on by a few minutes."""

    def __init__(self) -> None:
        self.at, self.lock = MONDAY, threading.Lock()

    def tick(self, minutes: int):
        with self.lock:
            self.at += timedelta(minutes=minutes)
            return self.at


def act(chance: random.Random, case_id: int, by, at) -> None:
    choice = chance.randrange(9)
    if choice < 2:
        services.wait_for_customer(ticket_id=case_id, reason="documents", by=by, at=at)
    elif choice < 4:
        conversation.customer_wrote(ticket_id=case_id, body="here it is", channel="web", at=at)
    elif choice == 4:
        ending.resolve_ticket(ticket_id=case_id, resolution="new cable", verified="test", by=by, at=at)
    elif choice == 5:
        ending.reopen_ticket(ticket_id=case_id, reason="again", by=by, at=at)
    elif choice == 6:
        conversation.reply_to_customer(ticket_id=case_id, body="we are on it", by=by, at=at)
    elif choice == 7:
        handling.reclassify_ticket(ticket_id=case_id, urgency=chance.choice(["normal", "urgent"]), by=by, at=at)
    else:
        services.start_ticket(ticket_id=case_id, by=by, at=at)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("length", ["short", pytest.param("long", marks=pytest.mark.slow)])
def test_sweepers_and_people_on_the_same_cases_neither_deadlock_nor_lose_nor_repeat(length):
    if length == "short" and PROOF:
        pytest.skip("the long one runs")
    builders.house()
    builders.person("lead"), builders.person("supervisor", team=None)
    people = [builders.person("senior") for _ in range(PEOPLE)]
    cases = many(CASES, people[0], type="fault", owner=people[0])
    clock, stop = Clock(), threading.Event()
    problems: list[str] = []
    done = {"sweeps": 0, "acts": 0, "refused": 0, "fired": 0}

    def sweeper() -> None:
        try:
            while not stop.is_set():
                outcome = sweep(now=clock.tick(1), size=17)
                done["sweeps"] += 1
                done["fired"] += outcome.fired
                if outcome.failed:
                    problems.append(f"failed: {list(Timer.objects.exclude(error='').values_list('error', flat=True))}")
        except Exception as problem:
            problems.append(f"sweeper: {problem!r}")
        finally:
            connection.close()

    def worker(by, seed: int) -> None:
        chance = random.Random(seed)
        try:
            while not stop.is_set():
                try:
                    act(chance, chance.choice(cases), by, clock.tick(chance.randrange(1, 9)))
                    done["acts"] += 1
                except DomainError:
                    done["refused"] += 1
        except Exception as problem:
            problems.append(f"person: {problem!r}")
        finally:
            connection.close()

    threads = [threading.Thread(target=sweeper) for _ in range(SWEEPERS)]
    threads += [threading.Thread(target=worker, args=(by, seed)) for seed, by in enumerate(people)]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    assert problems == []
    assert min(done["sweeps"], done["acts"], done["fired"]) > 20, done

    now = clock.tick(1)
    sweep(now=now)
    taken = steps_taken(cases)
    assert twice(taken) == {}
    assert broken_timelines(cases) == out_of_step() == []
    assert late_without_breach(now) == []
    assert not Timer.objects.filter(try_at__lte=now).exists()
    check_no_pause_is_left_open()
    check_that_who_was_to_be_told_was_told()
    print(f"\nrace: {done}, {len(taken)} steps, {sum(taken.values())} events")


def check_no_pause_is_left_open() -> None:
    for deadline in Deadline.objects.select_related("case"):
        still_open = [pause for pause in deadline.pauses if pause[1] is None]
        assert bool(still_open) == (deadline.state == "paused"), deadline.pk
        if still_open:
            assert deadline.case.state == "pending"


def check_that_who_was_to_be_told_was_told() -> None:
    """A notice for each breach that was not skipped: the owner's and the lead's, each once per due version."""
    breaches = 0
    for case in Case.objects.all():
        breaches += case.events.filter(kind="promise_breach").count()
    told = Message.objects.filter(template="promise_missed").values_list("key", flat=True)
    assert breaches > 0
    assert len({key.rsplit(":", 1)[0] for key in told}) == breaches
