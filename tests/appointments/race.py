"""Many people after one window, on real connections; run in a test on PostgreSQL, as a script on the embedded default.

`python -m tests.appointments.race` migrates a database of its own (SERVICECENTER_VAR) and prints what happened.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import timedelta

CAPACITY, ATTEMPTS, THREADS = 3, 200, 20


def prepare(capacity: int = CAPACITY, attempts: int = ATTEMPTS):
    """`capacity` technicians, one agent, and for every attempt a customer; a quarter of them has a visit elsewhere."""
    from tests import builders
    from tests.appointments import center

    center.center()
    for number in range(capacity):
        center.technician(f"racer{number}", days=60)
    # These drive elsewhere, so that whoever moves comes from a window that is not fought over.
    for number in range(4):
        center.technician(f"other{number}", areas=("west",), days=60)
    agent = builders.person("agent", "race-agent")
    customers = [builders.customer(name=f"Customer {number}", phone=f"138{number:08d}") for number in range(attempts)]
    for customer in customers:
        center.address(customer)
    return agent, customers


def race(agent, customers, *, threads: int = THREADS) -> dict[str, object]:
    """Book Tuesday 10:00 for every customer at once through all doors; how many got it, and what the others heard."""
    from django.db import OperationalError, connection

    from appointments.booking import HoldExpired, WindowTaken, hold_window
    from appointments.models import Appointment, Reservation
    from appointments.services import arrange_appointment, book_appointment, move_appointment
    from notifications.inbound import receive_sms
    from tests.appointments.center import TUESDAY_TEN, region, service
    from tests.builders import MONDAY

    outcomes: Counter[str] = Counter()
    offered: list[int] = []
    problems: list[str] = []
    lock = threading.Lock()
    todo = list(enumerate(customers))
    begin = threading.Barrier(threads)

    def door(number: int, customer) -> None:
        of = {"services": [service()], "region": region()}
        match number % 4:
            case 0:  # the portal: a hold first, then the confirmation
                hold = hold_window(starts_at=TUESDAY_TEN, customer=customer, at=MONDAY, **of)
                book_appointment(
                    customer=customer, starts_at=TUESDAY_TEN, hold=hold.key, channel="web", by=customer, at=MONDAY, **of
                )
            case 1:  # the agent on the phone
                book_appointment(customer=customer, starts_at=TUESDAY_TEN, channel="phone", by=agent, at=MONDAY, **of)
            case 2:  # a text message, as the gateways bring it
                message = receive_sms(
                    sender=customer.phone.value,
                    text="BOOK BROADBAND 3-3 10-12",
                    provider_id=f"race-{number}",
                    at=MONDAY,
                )
                if message.case_id is None:
                    raise WindowTaken([None] * message.answer.context["text"].count("–"))
            case _:  # somebody who asked for a visit gets a time, then moves to the wanted one
                visit = book_appointment(customer=customer, starts_at=None, channel="app", by=customer, at=MONDAY, **of)
                try:
                    later = TUESDAY_TEN + timedelta(days=1 + number // 12)
                    arrange_appointment(appointment_id=visit.pk, starts_at=later, by=customer, at=MONDAY)
                except WindowTaken:
                    return arrange(visit, customer)
                move_appointment(appointment_id=visit.pk, starts_at=TUESDAY_TEN, by=customer, at=MONDAY)
        return None

    def arrange(visit, customer) -> None:
        arrange_appointment(appointment_id=visit.pk, starts_at=TUESDAY_TEN, by=customer, at=MONDAY)

    def run() -> None:
        try:
            begin.wait(timeout=60)
            while True:
                with lock:
                    if not todo:
                        return
                    number, customer = todo.pop()
                try:
                    door(number, customer)
                    outcome = "booked"
                except OperationalError as problem:
                    # On SQLite a busy machine can keep one writer out for longer than the timeout; people try again.
                    if connection.vendor != "sqlite" or "locked" not in str(problem):
                        raise
                    with lock:
                        todo.append((number, customer))
                    continue
                except WindowTaken as refusal:
                    outcome = "taken"
                    with lock:
                        offered.append(len(refusal.facts["nearest"]))
                except HoldExpired:
                    outcome = "expired"
                with lock:
                    outcomes[outcome] += 1
        except Exception as problem:
            with lock:
                problems.append(f"{type(problem).__name__}: {problem}")
        finally:
            connection.close()

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=300)
    rows = Reservation.objects.filter(starts_at=TUESDAY_TEN)
    twice = [
        key for key, count in Counter(Reservation.objects.values_list("technician", "starts_at")).items() if count > 1
    ]
    return {
        "outcomes": dict(outcomes),
        "problems": problems,
        "rows": rows.count(),
        "booked": Appointment.objects.filter(starts_at=TUESDAY_TEN).count(),
        "holds": rows.filter(appointment=None).count(),
        "twice": len(twice),
        "fewest_offered": min(offered, default=0),
    }


if __name__ == "__main__":
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    # SQLite lets one write at a time and is not fair: more threads only wait longer.
    print(json.dumps(race(*prepare(), threads=8)))
