"""Measures what a promise costs: sweeps, pages, intake and memory, each beside a bare anchor of the same run.

Run by `bench/run`, which brings a throwaway PostgreSQL and Redis. Prints one table and writes it to var/bench.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "servicecenter.settings.test")

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext, setup_test_environment  # noqa: E402

from bench import booking, figures  # noqa: E402
from bench.figures import note, p50, statements  # noqa: E402
from cases.models import Case  # noqa: E402
from common import clock  # noqa: E402
from sla.models import CalendarVersion, Deadline, Rule, Timer  # noqa: E402
from sla.sweep import sweep  # noqa: E402
from staff.models import User  # noqa: E402
from tests import builders  # noqa: E402
from tests.proof import many  # noqa: E402
from tickets import conversation, services  # noqa: E402


def fill(total: int, agent: User) -> None:
    """Bring the number of open cases (each with a deadline and a timer tomorrow) up to `total`, by plain SQL."""
    present = Case.objects.count()
    rule = Rule.objects.filter(promise="resolve").first()
    calendar = CalendarVersion.objects.get(name="always")
    customer = builders.customer().pk if not present else Case.objects.exclude(customer=None).first().customer_id
    owners = list(User.objects.filter(role="agent").values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO cases_case (kind, type, channel, state, subject, customer_id, customer_grade, owner_id,
                team_id, tier, urgency, severity, complex, priority, unanswered, received_at, created_at, changed_at,
                closed_because, cycle, version, sort_due_at, clock_state, clock_warn, event_seq, event_hash,
                link_version)
            SELECT 'ticket', 'enquiry', 'phone', 'in_progress', 'Nothing works since ' || n, %s, 'basic',
                (%s::bigint[])[1 + n %% %s], %s, 1, 'normal', 'one', false, 4, 0, now(), now(), now(), '', 1, 1,
                now() + interval '1 day' + n * interval '1 second', 'running', interval '30 minutes', 0, '', 1
            FROM generate_series(%s, %s) AS n
            """,
            [customer, owners, len(owners), agent.team_id, present + 1, total],
        )
        cursor.execute(
            """
            INSERT INTO tickets_ticket (case_ptr_id, description, needs_visit, plan, plan_cost, pause_reason,
                reviews_passed, resolution, verified, imported, details)
            SELECT id, '', false, '', '', '', 0, '', '', false, '' FROM cases_case
            WHERE NOT EXISTS (SELECT 1 FROM tickets_ticket t WHERE t.case_ptr_id = cases_case.id)
            """
        )
        cursor.execute(
            """
            INSERT INTO sla_deadline (case_id, promise, cycle, rule_id, calendar_version_id, limits, started_at, pauses,
                due_at, state, steps)
            SELECT id, 'resolve', 1, %s, %s, '["24h"]', received_at, '[]', sort_due_at, 'running', '[]' FROM cases_case
            WHERE NOT EXISTS (SELECT 1 FROM sla_deadline d WHERE d.case_id = cases_case.id)
            """,
            [rule.pk, calendar.pk],
        )
        cursor.execute(
            """
            INSERT INTO sla_timer (fire_at, try_at, handler, key, case_id, deadline_id, args, attempts, error)
            SELECT due_at, due_at, 'sla.deadline', 'deadline-' || id, case_id, id, '{}', 0, '' FROM sla_deadline
            WHERE NOT EXISTS (SELECT 1 FROM sla_timer t WHERE t.deadline_id = sla_deadline.id) AND state = 'running'
            """
        )
    for table in ("cases_case", "tickets_ticket", "sla_deadline", "sla_timer"):
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM ANALYZE {table}")


def bare_page() -> Callable[[], Any]:
    """The anchor of pages: 50 rows of the same table by the ORM into a plain Django template."""
    from django.template import Context, Template

    template = Template(
        "{% for row in rows %}<li>{{ row.pk }} {{ row.subject }} {{ row.sort_due_at }}</li>{% endfor %}"
    )

    def render() -> str:
        rows = Case.objects.open().select_related("customer", "owner").order_by("sort_due_at", "id")[:50]
        return template.render(Context({"rows": rows}))

    return render


def measure_sweeps(sizes: list[int], agent: User, client: Client) -> None:
    idle: dict[int, float] = {}
    pages: dict[tuple[str, int], float] = {}
    weights: dict[tuple[str, int], int] = {}
    paths = {"my queue": "/desk/", "team queue": "/desk/team/"}
    for size in sizes:
        fill(size, agent)
        now = clock.now()
        sweep(now=now)
        idle[size] = p50(lambda now=now: sweep(now=now), 60)
        count = statements(lambda now=now: sweep(now=now))
        anchor = p50(lambda: list(Timer.objects.order_by("pk").values_list("pk")[:1]), 60)
        note(f"idle sweep, {size:,} open deadlines", f"{idle[size]:.2f} ms, {count} statements", "<= 4", count <= 4)
        note("  beside one bare indexed SELECT", f"{idle[size] / anchor:.2f}x")
        bare = p50(bare_page(), 30)
        for name, path in paths.items():
            client.get(path)
            pages[name, size] = p50(lambda path=path: client.get(path), 30)
            weights[name, size] = len(client.get(path).content)
            count = statements(lambda path=path: client.get(path))
            note(
                f"{name}, {size:,} open tickets", f"{pages[name, size]:.1f} ms, {count} statements", "<= 8", count <= 8
            )
            note("  beside 50 bare rows in a plain template", f"{pages[name, size] / bare:.2f}x")
    first, last = sizes[0], sizes[-1]
    ratio = idle[last] / idle[first]
    note(f"idle sweep, {last:,} : {first:,}", f"{ratio:.2f}x", "<= 1.5x", ratio <= 1.5)
    for name in paths:
        ratio = pages[name, last] / pages[name, first]
        weight = abs(weights[name, last] / weights[name, first] - 1)
        note(f"{name}, p50 {last:,} : {first:,}", f"{ratio:.2f}x", "<= 1.5x", ratio <= 1.5)
        note(f"{name}, page bytes {last:,} : {first:,}", f"{weight:+.1%}", "within 5 %", weight <= 0.05)


def measure_due(agent: User) -> None:
    """A sweep with 1,000 steps due."""
    customer = builders.customer("王芳", "13900000000")
    start = clock.now() - timedelta(days=400)
    for _ in range(1000):
        services.open_ticket(
            subject="due", type="enquiry", channel="phone", by=agent, owner=agent, customer=customer, at=start
        )
    # 75 % is one step: the warning (tiers at 50 % fire first, in a sweep of their own).
    sweep(now=start + timedelta(hours=13))
    now = start + timedelta(hours=18, minutes=30)
    with CaptureQueriesContext(connection) as captured:
        began = time.perf_counter()
        outcome = sweep(now=now)
        taken = (time.perf_counter() - began) * 1000
    each = len(captured) / max(outcome.fired, 1)
    note("sweep with 1,000 due: fired", f"{outcome.fired}", "1000", outcome.fired == 1000)
    note("  statements each", f"{each:.3f}", "<= 0.1", each <= 0.1)
    note("  milliseconds each", f"{taken / outcome.fired:.2f}", "<= 1", taken / outcome.fired <= 1)
    Timer.objects.filter(case__received_at=start).delete()


def measure_create(agent: User) -> None:
    """Intake beside the same rows written by plain SQL."""
    customer = builders.customer("陈静", "13900000001")

    def ours() -> Any:
        return services.open_ticket(
            subject="bench", description="it is slow", type="enquiry", channel="phone", by=agent, customer=customer
        )

    ticket = ours()
    count = statements(ours)
    note("create: statements", f"{count}", "<= 15", count <= 15)
    plain = plain_create(ticket)
    rounds = [(p50(ours, 1), p50(plain, 1)) for _ in range(400)]  # in turn, so that both meet the same machine
    mine = statistics.median(own for own, _ in rounds)
    theirs = statistics.median(bare for _, bare in rounds)
    note("create: ours / the same rows by plain SQL", f"{mine:.2f} / {theirs:.2f} ms")
    note("create: share of the speed of plain SQL", f"{theirs / mine:.0%}", ">= 50 %", theirs / mine >= 0.5)


def plain_create(ticket: Any) -> Callable[[], None]:
    """A function that writes the rows of `ticket` again, row by row, with plain SQL in one transaction."""
    tables = [
        ("cases_case", "id", Case.objects.filter(pk=ticket.pk)),
        ("tickets_ticket", "", type(ticket).objects.filter(pk=ticket.pk)),
        ("cases_note", "id", ticket.notes.all()),
        ("sla_deadline", "id", Deadline.objects.filter(case=ticket)),
        ("sla_timer", "id", Timer.objects.filter(case=ticket)),
        ("cases_caseevent", "id", ticket.events.all()),
    ]
    inserts: list[tuple[str, str, dict[str, Any]]] = []
    for table, serial, rows in tables:
        with connection.cursor() as cursor:
            key = "case_ptr_id" if table == "tickets_ticket" else "id"
            keys = list(rows.values_list("pk", flat=True))
            for one in keys:
                cursor.execute(f"SELECT * FROM {table} WHERE {key} = %s", [one])
                names = [column.name for column in cursor.description]
                inserts.append((table, serial, dict(zip(names, cursor.fetchone(), strict=True))))

    def write() -> None:
        from django.db import transaction

        new: dict[str, int] = {}
        with transaction.atomic(), connection.cursor() as cursor:
            for table, serial, row in inserts:
                values = {name: value for name, value in row.items() if name != serial}
                for name in ("case_id", "case_ptr_id"):
                    if name in values:
                        values[name] = new["case"]
                if values.get("deadline_id"):
                    values["deadline_id"] = new["deadline"]
                if "key" in values:
                    values["key"] = f"bench-{new['case']}-{new['deadline']}"
                columns = ", ".join(values)
                marks = ", ".join(["%s"] * len(values))
                back = f" RETURNING {serial}" if serial else ""
                cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks}){back}", list(values.values()))
                if table == "cases_case":
                    new["case"] = cursor.fetchone()[0]
                elif table == "sla_deadline":
                    new["deadline"] = cursor.fetchone()[0]

    return write


def measure_ticket_page(agent: User, client: Client) -> None:
    ticket = builders.ticket(agent, type="fault", channel="phone", customer=builders.customer("赵敏", "13900000002"))
    services.take_ticket(ticket_id=ticket.pk, by=agent)
    for number in range(30):
        conversation.add_internal_note(ticket_id=ticket.pk, body=f"note {number}", by=agent)
    path = f"/desk/c/{ticket.number}/"
    client.get(path)
    count = statements(lambda: client.get(path))
    note("ticket page", f"{p50(lambda: client.get(path), 20):.1f} ms, {count} statements", "<= 14", count <= 14)


DRAINED = 5000


def measure_memory(agent: User) -> None:
    """What a Celery worker's child holds when it has started, and when it has drained a backlog."""
    backlog = many(DRAINED, agent, owner=agent, at=clock.now() - timedelta(hours=13))
    due = Timer.objects.filter(case_id__in=backlog, try_at__lte=clock.now())
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "servicecenter.settings.base"}
    environment["DATABASE_URL"] = os.environ["DATABASE_URL"]
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "servicecenter",
            "worker",
            "-c",
            "1",
            "-Q",
            "sweep,deliver,default",
            "-l",
            "ERROR",
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(8)
        (child,) = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        size = _resident(int(child))
        note("worker process, resident, started", f"{size:.0f} MB", "<= 120 MB", size <= 120)
        kick = [sys.executable, "-m", "celery", "-A", "servicecenter", "call", "sla.tasks.sweep"]
        subprocess.run(kick, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
        give_up = time.monotonic() + 120
        while due.exists() and time.monotonic() < give_up:
            time.sleep(0.5)
        left, size = due.count(), _resident(int(child))
        holds = size <= 120 and not left
        note(f"  after a backlog of {DRAINED:,}, {left} left", f"{size:.0f} MB", "<= 120 MB", holds)
    finally:
        worker.terminate()
        worker.wait(20)


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


PARTS: dict[str, Callable[[User, Client, list[int]], None]] = {
    "create": lambda agent, client, sizes: measure_create(agent),
    "due": lambda agent, client, sizes: measure_due(agent),
    "ticket": lambda agent, client, sizes: measure_ticket_page(agent, client),
    "memory": lambda agent, client, sizes: measure_memory(agent),
    "search": lambda agent, client, sizes: booking.measure_search(),
    "booking": lambda agent, client, sizes: booking.measure_booking(),
    "scale": lambda agent, client, sizes: measure_sweeps(sizes, agent, client),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="open cases, for sweeps and queue pages")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure, of " + ",".join(PARTS))
    parser.add_argument("--bookings", type=Path, help="a log with booked_at, appointment_date, area, person (.csv.gz)")
    parser.add_argument("--most", type=int, default=1000, help="how many of that day's bookings, evenly drawn")
    arguments = parser.parse_args()
    if arguments.bookings and not arguments.bookings.is_file():
        parser.error(f"--bookings: there is no file {arguments.bookings}")
    booking.LOG, booking.MOST = arguments.bookings, arguments.most
    if settings.EMBEDDED:
        print("bench: measure on PostgreSQL: bench/run", file=sys.stderr)
        return 2
    setup_test_environment()
    call_command("migrate", verbosity=0)
    builders.house()
    agent = builders.person("agent")
    for _ in range(9):
        builders.person("agent")
    builders.person("lead")
    client = Client()
    client.force_login(agent)
    sizes = [int(size) for size in arguments.sizes.split(",")]
    for part in arguments.only.split(","):
        PARTS[part](agent, client, sizes)
    return 0 if figures.write(ROOT / "var" / "bench.md") else 1


if __name__ == "__main__":
    sys.exit(main())
