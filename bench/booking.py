"""What booking a technician costs: the search for free windows, and a day of bookings through every door at once.

The day is a recorded one (`--bookings FILE`, the busiest day of the log; its order and spacing are kept, compressed) or
an invented one of the same shape. Rows of a log are read and never kept. Whatever is measured, the books are audited.
"""

from __future__ import annotations

import csv
import gzip
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from appointments.availability import Grid, Needs, next_free
from appointments.models import Appointment, ArrivalWindow, Hold, Reservation
from appointments.services import book_appointment
from appointments.states import State
from appointments.windows import windows_between
from bench.figures import cpu, note, statements
from staff.models import User
from tests.appointments import center
from tests.appointments.rush import TODAY, Rush, Town, Wish, audit, invent
from tests.builders import MONDAY

LOG: Path | None = None
MOST = 1000
THREADS = 8
# The recorded day took fourteen hours; here it takes at least so many seconds.
PACE = 10.0


# --- the search ------------------------------------------------------------------------------------------------------


def measure_search() -> None:
    """30 days × 20 technicians × 5 windows, empty and booked out, and the next free one behind 90 booked-out days."""
    center.center()
    people = [center.technician(f"search{number}", days=121) for number in range(20)]
    needs = Needs.of([center.service()], center.region())

    def month() -> list[Any]:
        return Grid(TODAY, TODAY + timedelta(days=29), at=MONDAY).open_windows(needs)

    def bare() -> list[Any]:
        rows = Reservation.objects.filter(starts_at__lt=MONDAY + timedelta(days=30))
        return list(rows.values_list("technician_id", "starts_at", "until"))

    _search("free windows of 30 days, 20 technicians, nothing booked", month)
    _book_out(people, days=90)
    ours, anchor = _search("free windows of 30 days, 20 technicians, booked out", month), cpu(bare, 15)
    note("  beside reading its reservations bare", f"{ours / anchor:.1f}x")
    _search("next free window behind 90 booked-out days", lambda: next_free(needs, at=MONDAY))
    Hold.objects.all().delete()
    User.objects.filter(pk__in=[person.pk for person in people]).update(is_active=False)


def _search(what: str, function: Callable[[], Any]) -> float:
    asked, own = statements(function), cpu(function, 15)
    note(what, f"{own:.0f} ms of CPU, {asked} statements", "<= 10", asked <= 10)
    return own


def _book_out(people: list[User], *, days: int) -> None:
    until = MONDAY + timedelta(days=200)
    hold = Hold.objects.create(key="booked-out", starts_at=MONDAY, ends_at=until, expires_at=until)
    windows = windows_between(TODAY, TODAY + timedelta(days=days - 1), ArrivalWindow.objects.all())
    Reservation.objects.bulk_create(
        Reservation(
            technician=person,
            starts_at=window.starts_at,
            visit_at=window.starts_at,
            until=window.ends_at,
            hold=hold,
            expires_at=until,
        )
        for person in people
        for window in windows
    )


# --- the day ---------------------------------------------------------------------------------------------------------


def recorded(path: Path, most: int) -> list[Wish]:
    """The busiest day of a log, thinned evenly to at most `most` bookings."""
    days: dict[str, list[dict[str, str]]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            days[row["booked_at"][:10]].append(row)
    day = max(sorted(days), key=lambda one: len(days[one]))
    rows = sorted(days[day], key=lambda row: row["booked_at"])
    rows = [rows[number * len(rows) // most] for number in range(most)] if len(rows) > most else rows
    midnight = datetime.fromisoformat(day)
    return [
        Wish(
            number=number,
            moment=datetime.fromisoformat(row["booked_at"]) - midnight,
            area=row["area"],
            person=row["person"],
            ahead=min(max(0, (date.fromisoformat(row["appointment_date"]) - midnight.date()).days), 40),
        )
        for number, row in enumerate(rows)
    ]


def measure_booking() -> None:
    wishes = recorded(LOG, MOST) if LOG else invent(MOST, areas=40)
    town = Town(wishes, technicians=max(8, len(wishes) // 60)).build()
    result = Rush(town, threads=THREADS, pace=PACE).play()
    requests = sum(result.outcomes.values())
    visits = sum(state != State.REQUESTED for state in result.expected.values())
    kind = "recorded" if LOG else "invented"
    note(
        f"a day of {len(wishes):,} {kind} bookings, {town.technicians} technicians, {len(town.regions)} areas",
        f"{requests / result.wall:.1f} requests/s",
    )
    note("  visits booked, of all who asked", f"{visits:,} ({visits / len(wishes):.0%})")
    for what in sorted(result.seconds):
        taken = sorted(result.seconds[what])
        refused = result.outcomes[f"{what}: taken"] / len(taken)
        half, most = statistics.median(taken) * 1000, taken[len(taken) * 95 // 100] * 1000
        note(f"  {what}: p50 / p95, refused", f"{half:.0f} / {most:.0f} ms, {refused:.0%}")
    note("  errors", str(len(result.problems)), "0", not result.problems)
    note("  deadlocks", str(result.deadlocks), "0", not result.deadlocks)
    fewest = min(result.offered, default=3)
    note("  fewest windows offered to who was refused", str(fewest), "3", fewest == 3)
    found = audit(result.expected)
    note("  what the audit of the books found", str(len(found)), "0", not found)
    for problem in [*result.problems, *found][:10]:
        print(f"    {problem}")
    _beside_plain_sql(town, result.wall / visits)


def _beside_plain_sql(town: Town, each: float) -> None:
    """One booking after another without anybody beside, and the same rows by plain SQL; then those by eight threads."""
    area = town.wishes[0].area
    numbers = count()
    windows = windows_between(TODAY + timedelta(days=42), TODAY + timedelta(days=58), town.patterns)

    def ours() -> Appointment:
        return book_appointment(
            customer=next(iter(town.customers.values())),
            services=[town.kinds["broadband-repair"]],
            region=town.regions[area],
            starts_at=windows[next(numbers) % len(windows)].starts_at,
            channel="phone",
            by=town.agents[0],
            at=MONDAY,
        )

    plain = _plain(ours())
    note("book: statements", str(statements(ours)))
    rounds = [(_once(ours), _once(plain)) for _ in range(120)]  # in turn, so that both meet the same machine
    mine = statistics.median(own for own, _ in rounds)
    theirs = statistics.median(bare for _, bare in rounds)
    note("book: ours / the same rows by plain SQL", f"{mine:.1f} / {theirs:.1f} ms")
    note("book: share of the speed of plain SQL", f"{theirs / mine:.0%}")
    bare = _together(plain, 400) / 400
    note(f"  with {THREADS} threads, in the day above", f"{bare / each:.0%}")


def _once(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1000


def _together(function: Callable[[], Any], times: int) -> float:
    """How many seconds the threads take for so many runs."""

    def work() -> None:
        try:
            for _ in range(times // THREADS):
                function()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - start


# Every table a booking writes to, with the column that names the visit; a parent before what points at it.
TABLES = [
    ("cases_case", "id"),
    ("appointments_appointment", "case_ptr_id"),
    ("appointments_appointment_services", "appointment_id"),
    ("appointments_reservation", "appointment_id"),
    ("appointments_crewmember", "appointment_id"),
    ("sla_deadline", "case_id"),
    ("sla_timer", "case_id"),
    ("cases_caseevent", "case_id"),
    ("notifications_message", "case_id"),
]


def _plain(visit: Appointment) -> Callable[[], None]:
    """A function that writes the rows of `visit` again, row by row, with plain SQL in one transaction."""
    rows: list[tuple[str, dict[str, Any]]] = []
    with connection.cursor() as cursor:
        for table, column in TABLES:
            cursor.execute(f"SELECT * FROM {table} WHERE {column} = %s ORDER BY 1", [visit.pk])
            names = [one.name for one in cursor.description]
            rows += [(table, dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    copies = count(1)

    def write() -> None:
        copy, new = next(copies), {}
        with transaction.atomic(), connection.cursor() as cursor:
            for table, row in rows:
                values = {name: value for name, value in row.items() if name != "id"}
                for name in ("case_id", "case_ptr_id", "appointment_id"):
                    if values.get(name):
                        values[name] = new["case"]
                if values.get("deadline_id"):
                    values["deadline_id"] = new[values["deadline_id"]]
                if "key" in values:
                    values["key"] = f"{values['key']}-{copy}"
                if table == "appointments_reservation":
                    values["starts_at"] += timedelta(microseconds=copy)
                back = " RETURNING id" if "id" in row else ""
                marks = ", ".join(["%s"] * len(values))
                cursor.execute(
                    f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks}){back}", list(values.values())
                )
                if table == "cases_case":
                    new["case"] = cursor.fetchone()[0]
                elif table == "sla_deadline":
                    new[row["id"]] = cursor.fetchone()[0]

    return write
