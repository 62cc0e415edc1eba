"""Nonsense in the environment stops the start: one clear line, no traceback, an exit code."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(tmp_path, *command, **environment):
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SERVICECENTER_VAR": str(tmp_path / "var")}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**clean, "LANG": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


NONSENSE = {
    "DATABASE_URL": ["mysql://root@localhost/x", "postgresql://", "nonsense", "postgresql://app@localhost:port/x"],
    "REDIS_URL": ["http://localhost:6379", "localhost:6379"],
    "PORT": ["eighty", "0", "70000", "-1"],
    "DEBUG": ["maybe"],
    "DEMO": ["2"],
    "PRODUCTION": ["ja"],
    "LOG_FORMAT": ["xml"],
    "LOG_LEVEL": ["LOUD"],
    "EMAIL_PORT": ["smtp"],
    "SWEEP_SECONDS": ["soon", "0", "-1"],
    "SERVICE_PHONE": ["call us"],
    "PUBLIC_URL": ["service.example.com", "ftp://service.example.com", "https://service.example.com/portal"],
    "FIELD_KEYS": ["secret", "k1:short", "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=,k2:"],
    "INDEX_KEY": ["short", "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in NONSENSE.items() for value in values])
def test_nonsense_is_refused_in_one_line_that_names_it(tmp_path, name, value):
    ended = start(tmp_path, "scripts/preflight.py", "--no-port", **{name: value})
    assert ended.returncode != 0
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("Made new encryption keys")]
    assert len(lines) == 1, ended.stderr
    assert name in lines[0]


@pytest.mark.parametrize("name", ["SECRET_KEY", "FIELD_KEYS", "INDEX_KEY"])
def test_production_does_not_invent_secrets(tmp_path, name):
    given = {"SECRET_KEY": "x" * 60, "FIELD_KEYS": "k:" + "A" * 43 + "=", "INDEX_KEY": "A" * 43 + "="}
    del given[name]
    ended = start(tmp_path, "scripts/preflight.py", "--no-port", PRODUCTION="1", **given)
    assert ended.returncode != 0
    assert ended.stderr.startswith(f"{name} is not set")
    assert len(ended.stderr.splitlines()) == 1


def test_a_port_in_use_is_said_in_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = start(tmp_path, "scripts/preflight.py", PORT=str(port))
    assert ended.returncode != 0
    assert f"PORT={port} cannot be used (address already in use)" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", "postgresql://app@127.0.0.1:1/nobody"), ("REDIS_URL", "redis://127.0.0.1:1/0")],
)
def test_a_service_that_is_not_there_is_said_in_one_line(tmp_path, name, value):
    ended = start(tmp_path, "scripts/preflight.py", "--no-port", **{name: value})
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1].startswith(f"{name}: ")
    assert "Traceback" not in ended.stderr


def test_the_defaults_are_good_as_they_are(tmp_path):
    ended = start(tmp_path, "scripts/preflight.py", "--no-port")
    assert ended.returncode == 0, ended.stderr
    keys = tmp_path / "var" / "keys"
    assert {file.stat().st_mode & 0o777 for file in keys.iterdir()} == {0o600}
