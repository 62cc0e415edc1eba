"""Holds under many hands on real connections: who tidies up waits for nobody, and no two wait for each other."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from appointments import booking
from appointments.booking import HoldExpired, WindowTaken, extend_hold, hold_window, release_hold, sweep_holds
from appointments.models import Hold, Reservation
from appointments.services import book_appointment
from common.errors import DomainError
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN
from tests.builders import MONDAY

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
LATER = MONDAY + timedelta(minutes=30)
TUESDAY_ONE = TUESDAY_TEN + timedelta(hours=3)


def hold(**given: Any) -> Hold:
    values = {"services": [center.service()], "region": center.region(), "starts_at": TUESDAY_TEN, "at": MONDAY}
    return hold_window(**(values | given))


def elsewhere(function: Callable[[], Any]) -> Any:
    """What `function` returns on a connection of its own, or the error with which it was refused a lock."""
    found: list[Any] = []

    def run() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            found.append(function())
        except Exception as problem:
            found.append(problem)
        finally:
            connection.close()

    worker = threading.Thread(target=run)
    worker.start()
    worker.join()
    return found[0]


@pytest.fixture
def two_technicians():
    center.center()
    center.technician("a", days=60), center.technician("b", days=60)


def test_sweeping_passes_by_a_hold_that_is_being_used(two_technicians, monkeypatch):
    """CI saw the circle: one had the rows and wanted the hold, the sweeper had the hold and wanted the rows."""
    used, _old = hold(), hold()
    swept: list[Any] = []
    delete = Hold.delete

    def sweep_and_delete(one: Hold) -> Any:
        swept.append(elsewhere(lambda: sweep_holds(at=LATER)))
        return delete(one)

    monkeypatch.setattr(Hold, "delete", sweep_and_delete)
    book_appointment(
        services=[center.service()],
        region=center.region(),
        customer=builders.customer(),
        starts_at=TUESDAY_TEN,
        hold=used.key,
        channel="web",
        by=builders.person("agent"),
        at=MONDAY,
    )
    assert swept == [1]
    assert Hold.objects.count() == 0
    assert Reservation.objects.get().appointment is not None


def test_sweeping_passes_by_time_that_is_being_taken(two_technicians):
    taken, _old = hold(), hold()
    with transaction.atomic():
        list(taken.reservations.select_for_update())
        assert elsewhere(lambda: sweep_holds(at=LATER)) == 1
        assert Hold.objects.get() == taken
    assert sweep_holds(at=LATER) == 1


def test_who_comes_back_to_an_expired_hold_waits_for_nobody(two_technicians):
    """Its rows may be in the hands of somebody who needs what this one is about to take."""
    old = hold()
    with transaction.atomic():
        list(Hold.objects.select_for_update()), list(Reservation.objects.select_for_update())
        later = {"starts_at": TUESDAY_ONE, "at": LATER}
        assert isinstance(elsewhere(lambda: hold(key=old.key, **later)), Hold)
        assert elsewhere(lambda: release_hold(old.key, at=LATER)) is False
        assert isinstance(elsewhere(lambda: extend_hold(old.key, at=LATER)), HoldExpired)


def test_many_hands_on_a_few_holds_never_wait_in_a_circle(two_technicians):
    """People hold, change, extend, release and book long visits near the instant at which holds run out, and sweep."""
    long = [center.service("broadband-install"), center.service("broadband-move")]
    agent = builders.person("agent")
    customers = [builders.customer(name=f"Customer {n}", phone=f"138{n:08d}") for n in range(4)]
    keys: list[str] = [""]
    outcomes: Counter[str] = Counter()
    problems: list[str] = []

    def act(rng: random.Random, customer: Any) -> None:
        at = MONDAY + timedelta(minutes=rng.choice([0, 5, 9, 10, 11, 15, 25, 40]))
        key = rng.choice(keys[-6:])
        of = {"services": long if rng.random() < 0.5 else [center.service()], "region": center.region()}
        starts_at = TUESDAY_TEN + timedelta(hours=rng.choice([0, 3, 5]))
        match rng.randrange(6):
            case 0 | 1:
                keys.append(hold_window(starts_at=starts_at, key=key, customer=customer, at=at, **of).key)
            case 2:
                extend_hold(key, at=at)
            case 3:
                release_hold(key, at=at)
            case 4:
                sweep_holds(at=at)
            case 5:
                visit = book_appointment(
                    customer=customer, starts_at=starts_at, hold=key, channel="web", by=agent, at=at, **of
                )
                booking.give_back(visit, at=at)  # so that there is something to fight over until the end

    def work(number: int) -> None:
        rng = random.Random(number)
        try:
            for _ in range(50):
                try:
                    act(rng, customers[number])
                    outcome = "done"
                except (WindowTaken, HoldExpired, DomainError) as refusal:
                    outcome = type(refusal).__name__
                outcomes[outcome] += 1
        except Exception as problem:
            problems.append(f"{type(problem).__name__}: {problem}")
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert problems == []
    assert outcomes["done"] > 40
