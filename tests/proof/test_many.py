"""Many sweeps from four processes: one action per rung."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta

import pytest
from django.db import connection

from notifications.models import Message
from sla.models import Timer
from tests import builders
from tests.builders import MONDAY
from tests.proof import (
    PROOF,
    ROOT,
    broken_timelines,
    database_url,
    environment,
    late_without_breach,
    many,
    out_of_step,
    python,
    steps_taken,
    sweep_often,
    twice,
)  # fmt: skip

SWEEPS = 1000 if PROOF else 40
CASES = 200 if PROOF else 30
PROMISES = {"first_response", "locate", "resolve", "restore", "statutory_repair"}


def instants() -> list[str]:
    """So many looks at the first 60 hours of a fault, each a little later than the one before."""
    return [(MONDAY + timedelta(hours=60) * step / SWEEPS).isoformat() for step in range(1, SWEEPS + 1)]


def check(cases: list[int]) -> None:
    taken = steps_taken(cases)
    assert twice(taken) == {}
    steps = {
        "first_response": {"warn-75%", "after-30m", "after-1h", "breach"},
        "locate": {"warn-75%", "breach"},
        "resolve": {"tier-50%", "warn-75%", "tier-80%", "breach", "after-due+4h"},
        "restore": {"warn-75%", "breach"},
        "statutory_repair": {"warn-75%", "breach"},
    }
    expected = {(case, promise, 1, step) for case in cases for promise, names in steps.items() for step in names}
    assert {key[:4] for key in taken} == expected
    assert broken_timelines(cases) == out_of_step() == []
    assert late_without_breach(MONDAY + timedelta(hours=60)) == []
    assert not Timer.objects.filter(case_id__in=cases).exists()
    keys = list(Message.objects.filter(case_id__in=cases).values_list("key", flat=True))
    assert len(keys) == len(set(keys))


@pytest.fixture
def cases(transactional_db) -> list[int]:
    builders.house()
    builders.person("lead"), builders.person("supervisor", team=None), builders.person("head", team=None)
    agent = builders.person("agent")
    return many(CASES, agent, type="fault", owner=agent)


def test_many_sweeps_in_a_row_act_once_per_rung(cases, settings):
    settings.SWEEP_BREATH_SECONDS = 0
    for text in instants():
        sweep_often([text] * (1 if PROOF else 2))
    check(cases)


@pytest.mark.postgres
def test_many_sweeps_from_four_processes_act_once_per_rung(cases, tmp_path):
    code = f"from tests.proof import sweep_often; sweep_often({json.dumps(instants())})"
    env = environment(database_url(), "", tmp_path)
    processes = [
        subprocess.Popen(python(code), cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(4)
    ]
    said = [process.communicate(timeout=3000)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    assert connection.vendor == "postgresql"
    check(cases)
