"""The proofs of the promise engine: many at once, killed at any moment, after an outage.

The suite runs them small; `make proof` (SC_PROOF=1) runs them long. What several of them need is here.
"""

from __future__ import annotations

import copy
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROOF = os.environ.get("SC_PROOF") == "1"


# --- many cases at once --------------------------------------------------------------------------------------------


def many(count: int, by: Any, **fields: Any) -> list[int]:
    """`count` cases with their deadlines and timers, as `open_ticket` makes them but copied; their keys.

    Their timelines begin empty, so that what the engine adds can be counted and verified.
    """
    from common.bulk import insert_rows
    from sla.models import Deadline, Timer
    from tests import builders
    from tickets.ending import cancel_ticket
    from tickets.models import Ticket

    pattern = Ticket.objects.get(pk=builders.ticket(by, **fields).pk)
    deadlines = list(Deadline.objects.filter(case_id=pattern.pk))
    timers = {timer.deadline_id: timer for timer in Timer.objects.filter(case_id=pattern.pk)}
    tickets = [_copy(pattern, id=None, case_ptr_id=None, event_seq=0, event_hash="") for _ in range(count)]
    insert_rows(tickets)
    for deadline in deadlines:
        rows = [_copy(deadline, id=None, case_id=ticket.pk) for ticket in tickets]
        insert_rows(rows)
        if timer := timers.get(deadline.pk):
            insert_rows(
                [_copy(timer, id=None, key=f"deadline-{r.pk}", case_id=r.case_id, deadline_id=r.pk) for r in rows]
            )
    cancel_ticket(ticket_id=pattern.pk, reason="only the pattern", by=None, at=pattern.created_at)
    return [ticket.pk for ticket in tickets]


def _copy(row: Any, **fields: Any) -> Any:
    row = copy.copy(row)
    row._state = copy.copy(row._state)
    row._state.adding, row._state.fields_cache = True, {}
    row.__dict__.update(fields)
    return row


# --- what must hold afterwards -------------------------------------------------------------------------------------


def steps_taken(case_ids: list[int] | None = None) -> Counter:
    """How often each step was taken: (case, promise, cycle, step, due version) → times. Never more than once."""
    from cases.models import CaseEvent

    events = CaseEvent.objects.filter(kind__startswith="promise_")
    if case_ids is not None:
        events = events.filter(case_id__in=case_ids)
    return Counter(
        (case, facts["promise"], facts["cycle"], facts["step"], facts["due"])
        for case, facts in events.values_list("case_id", "facts")
    )


def twice(taken: Counter) -> dict:
    return {what: times for what, times in taken.items() if times > 1}


def broken_timelines(case_ids: list[int] | None = None) -> list[str]:
    from cases.models import Case
    from cases.services import verify_timeline

    found = Case.objects.all() if case_ids is None else Case.objects.filter(pk__in=case_ids)
    return [problem for case in found for problem in verify_timeline(case)]


def out_of_step() -> list[str]:
    """Deadlines whose one timer does not hold their next step: a promise lost, or one that would come again."""
    from sla.deadlines import next_moment
    from sla.models import Deadline

    problems = []
    for deadline in Deadline.objects.select_related("rule", "calendar_version", "timer"):
        wanted, timer = next_moment(deadline), getattr(deadline, "timer", None)
        if wanted != (timer.fire_at if timer else None):
            problems.append(f"deadline {deadline.pk}: next step {wanted}, timer {timer and timer.fire_at}")
    return problems


def late_without_breach(now: datetime) -> list[int]:
    """Running deadlines past their due instant of which no breach was recorded.

    One recorded for a later instant counts: a shorter limit came when it was missed already.
    """
    from sla.models import Deadline

    late = Deadline.objects.filter(state="running", due_at__lte=now)
    return [
        deadline.pk
        for deadline in late
        if not any(
            step["kind"] == "breach" and step["done"] and datetime.fromisoformat(step["done"]) >= deadline.due_at
            for step in deadline.steps
        )
    ]


# --- processes -----------------------------------------------------------------------------------------------------


def environment(database_url: str, redis_url: str, var: Path, **more: str) -> dict[str, str]:
    """What a process of the house needs to find this test's database and broker, and nothing of the suite's own."""
    from django.conf import settings

    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DEMO", "PRODUCTION", "DEBUG", "PYTEST_CURRENT_TEST", "CI"} and not name.startswith("SC_")
    }
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "servicecenter.settings.base",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SERVICECENTER_VAR": str(var),
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_KEYS": settings.FIELD_KEYS,
        "INDEX_KEY": settings.INDEX_KEY,
        "LOG_LEVEL": "WARNING",
        "SWEEP_SECONDS": "0.2",
        **more,
    }


def database_url() -> str:
    """The URL of the database this test runs in (PostgreSQL; the test runner has given it a name of its own)."""
    from urllib.parse import quote

    from django.db import connection

    values = connection.settings_dict
    host = quote(values["HOST"], safe="")
    port = f":{values['PORT']}" if values["PORT"] else ""
    password = f":{quote(values['PASSWORD'])}" if values["PASSWORD"] else ""
    return f"postgresql://{values['USER']}{password}@{host}{port}/{quote(values['NAME'])}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Processes:
    """Processes of this test, by name; each in a group of its own, so that a kill takes its children along or not."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment, self.folder = environment, folder
        self.running: dict[str, subprocess.Popen] = {}
        self.commands: dict[str, list[str]] = {}

    def start(self, name: str, *command: str) -> None:
        self.commands[name] = list(command) or self.commands[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.commands[name], cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def worker(self, name: str = "worker", *, pool: str = "prefork", children: int = 1) -> None:
        self.start(
            name, sys.executable, "-m", "celery", "--quiet", "--app", "servicecenter", "worker", "--hostname",
            f"{name}@%h", "--queues", "sweep,deliver,default", "--pool", pool, "--concurrency", str(children),
            "--without-gossip", "--without-mingle", "--loglevel", "WARNING", "--include", "tests.proof",
        )  # fmt: skip

    def beat(self, name: str = "beat") -> None:
        self.start(
            name, sys.executable, "-m", "celery", "--quiet", "--app", "servicecenter", "beat", "--scheduler",
            "servicecenter.beat:OneBeat", "--pidfile=", "--loglevel", "WARNING",
        )  # fmt: skip

    def redis(self, port: int) -> None:
        self.start(
            "redis", "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", str(self.folder),
        )  # fmt: skip

    def kill(self, name: str, *, children: bool = True) -> None:
        """kill -9, in the middle of whatever it does; without its children they finish what they hold."""
        process = self.running.pop(name)
        try:
            if children:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        except ProcessLookupError:
            pass
        process.wait(timeout=20)

    def end(self) -> None:
        for name in list(self.running):
            self.kill(name)

    def log(self) -> str:
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in sorted(self.folder.glob("*.log"))
        )


def wait_until(done: Callable[[], bool], *, seconds: float) -> bool:
    """Whether `done` came true in time; the time is a limit for a broken house and not a measure of a sound one."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if done():
            return True
        time.sleep(0.1)
    return done()


def somebody_waits_for_a_lock() -> bool:
    """Whether some connection to this database waits for another one (PostgreSQL)."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # or a transaction sees the first answer for ever
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


# --- what those processes run --------------------------------------------------------------------------------------

MARK = "proof.mark"


def sweep_often(instants: list[str]) -> None:
    """Sweep at each instant in turn, as fast as it goes."""
    from sla.sweep import sweep

    for text in instants:
        sweep(now=datetime.fromisoformat(text))


def python(code: str) -> list[str]:
    """The command that runs `code` inside the house."""
    return [sys.executable, "-c", f"import django; django.setup(); {code}"]


def mark(timer: Any, now: datetime) -> None:
    """A handler that takes its time and leaves one event per firing."""
    from cases import services as cases
    from cases.facts import Fact
    from cases.models import Case

    case = Case.objects.locked(timer.case_id)
    time.sleep(timer.args.get("seconds", 0))
    cases.record(case, Fact("proof_mark", {"timer": timer.key}), transition="proof_mark", at=timer.fire_at)


def set_marks(case_ids: list[int], *, at: datetime, seconds: float) -> None:
    from common.bulk import insert_rows
    from sla.models import Timer

    insert_rows(
        [
            Timer(
                handler=MARK,
                key=f"mark-{case_id}",
                case_id=case_id,
                fire_at=at + timedelta(microseconds=number),
                try_at=at + timedelta(microseconds=number),
                args={"seconds": seconds},
            )
            for number, case_id in enumerate(case_ids)
        ]
    )


def marks_made() -> Counter:
    from cases.models import CaseEvent

    return Counter(
        facts["timer"]
        for facts in CaseEvent.objects.filter(kind=MARK.replace(".", "_")).values_list("facts", flat=True)
    )


def register() -> None:
    from sla.timers import handles

    handles(MARK)(mark)


def _register_in_workers() -> None:
    from django.apps import apps

    if apps.ready:
        register()


_register_in_workers()
