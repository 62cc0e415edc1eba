"""A window of capacity k gives exactly k bookings, through whatever door people come (architecture.md §10, point 3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.appointments.race import ATTEMPTS, CAPACITY, prepare, race

ROOT = Path(__file__).resolve().parents[2]


def check(result: dict) -> None:
    assert result["problems"] == []
    assert result["booked"] == CAPACITY
    assert result["rows"] == CAPACITY
    assert result["twice"] == 0
    assert result["outcomes"] == {"booked": CAPACITY, "taken": ATTEMPTS - CAPACITY}
    assert result["fewest_offered"] == 3


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_hundred_attempts_on_postgresql():
    """Lesson 34; seen failing with the constraint removed (`test_without_the_constraint_it_fails`)."""
    check(race(*prepare()))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_without_the_constraint_it_fails():
    """The proof of the proof: without the unique constraint the same race books technicians twice."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE appointments_reservation DROP CONSTRAINT reservation_once")
    try:
        result = race(*prepare(attempts=60))
        assert result["booked"] > CAPACITY
        assert result["twice"] > 0
    finally:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE appointments_reservation CASCADE")
            cursor.execute(
                "ALTER TABLE appointments_reservation ADD CONSTRAINT reservation_once UNIQUE (technician_id, starts_at)"
            )


@pytest.mark.long
def test_two_hundred_attempts_on_the_embedded_database(tmp_path):
    """With threads on a file of SQLite's, as `make run` has it."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("DATABASE_URL", "REDIS_URL", "DEMO", "PRODUCTION")
    }
    environment |= {"SERVICECENTER_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "servicecenter.settings.base"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.appointments.race"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    check(json.loads(done.stdout.splitlines()[-1]))
