"""Nonsense in the environment stops the start: one clear line, no traceback, an exit code."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from servicecenter.settings import base

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
    "DATABASE_URL": [
        "mysql://root@localhost/x",
        "postgresql://",
        "nonsense",
        "postgresql://app@localhost:port/x",
        "sqlite:////proc/x/y",
    ],
    "REDIS_URL": ["http://localhost:6379", "localhost:6379"],
    "PORT": ["eighty", "0", "70000", "-1"],
    "DEBUG": ["maybe"],
    "DEMO": ["2"],
    "PRODUCTION": ["ja"],
    "BIND": ["nonsense"],
    "SERVICECENTER_VAR": ["/proc/x"],
    "ALLOWED_HOSTS": ["https://service.example.com"],
    "CSRF_TRUSTED_ORIGINS": ["service.example.com"],
    "WEB_WORKERS": ["\u00b2"],
    "WEB_THREADS": ["0"],
    "SWEEP_CHILDREN": ["x"],
    "DELIVER_CHILDREN": ["0"],
    "LOG_FORMAT": ["xml"],
    "LOG_LEVEL": ["LOUD"],
    "EMAIL_PORT": ["smtp"],
    "EMAIL_FROM": ["nonsense", "a@example.com, b@example.com"],
    "SWEEP_SECONDS": ["soon", "0", "-1"],
    "SERVICE_PHONE": ["call us"],
    "PROXIES": ["-1", "many"],
    "NAVIGATION_URL": ["javascript:alert(1)//{address}", "https://maps.example.com/?q="],
    "PUBLIC_URL": ["service.example.com", "ftp://service.example.com", "https://service.example.com/portal"],
    "ATTACHMENT_MAX_MB": ["0", "ten"],
    "ATTACHMENTS_PER_CASE": ["-1"],
    "ATTACHMENT_SCANNER": ["no-such-scanner --quiet", "'unclosed"],
    "SMS_SENDER": ["a name of more than twenty letters", "客服"],
    "SMS_TIMEOUT": ["0", "soon"],
    "SMS_HTTP_URL": [
        "gateway.example/send",
        "ftp://gateway.example",
        "https://",
        "https://[",
        "https://user:pass@gateway.example/",
        "https://gateway.example:port/",
        "https://{to}.example/",
        "https://gateway.example/{text}",
        "https://gateway.example/{number}",
    ],
    "SMS_HTTP_BODY": ["{to}", "[]", '{"text": "{text}"}', '{"to": "{to}", "text": "{text}", "x": "{y}"}'],
    "SMS_INBOUND_SECRET": ["short"],
    "SMS_INBOUND_PER_HOUR": ["0", "many"],
    "SMPP_RECEIVE": ["maybe", "1"],
    "SMPP_PORT": ["smpp"],
    "SMPP_TLS": ["maybe"],
    "SMPP_SYSTEM_ID": ["more than fifteen letters"],
    "SMPP_PASSWORD": ["ninechars"],
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


@pytest.mark.parametrize("value", ["nonsense", "mysql://root:secret@localhost/x", "postgresql://app:secret@h:port/x"])
def test_a_bad_address_of_the_database_is_shown_without_its_password(tmp_path, value):
    ended = start(tmp_path, "scripts/preflight.py", "--no-port", DATABASE_URL=value)
    assert ended.returncode == 1
    assert "secret" not in ended.stderr
    assert "backends" not in ended.stderr  # what else the parser knows is of no use here


KEYS = {"SECRET_KEY": "x" * 60, "FIELD_KEYS": "k:" + "A" * 43 + "=", "INDEX_KEY": "A" * 43 + "="}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "ALLOWED_HOSTS is not set"),
        ({"ALLOWED_HOSTS": "*"}, "PUBLIC_URL is not set"),
        ({"ALLOWED_HOSTS": "x", "DEMO": "1"}, "DEMO=1 and PRODUCTION=1"),
        ({"ALLOWED_HOSTS": "x", "DEBUG": "1"}, "DEBUG=1 and PRODUCTION=1"),
    ],
)
def test_production_has_a_name_and_no_demo(tmp_path, given, words):
    ended = start(tmp_path, "scripts/preflight.py", "--no-port", PRODUCTION="1", **KEYS, **given)
    assert ended.returncode != 0
    assert ended.stderr.startswith(words)
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(("production", "demo"), [("", "1"), ("0", "1"), ("1", "0"), ("True", "0")])
def test_make_run_brings_the_demo_center_only_where_nobody_works(production, demo):
    command = f"source {ROOT}/scripts/lib.sh; demo_by_default"
    asked = subprocess.run(
        ["bash", "-c", command],
        env={"PATH": os.environ["PATH"], "PRODUCTION": production},
        capture_output=True,
        text=True,
    )
    assert asked.stdout == f"{demo}\n"
    assert 'DEMO="${DEMO:-$(demo_by_default)}"' in (ROOT / "scripts/run").read_text()


SMPP = {"SMPP_HOST": "smsc.example", "SMPP_SYSTEM_ID": "center"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"SMPP_HOST": "smsc.example"}, "SMPP_SYSTEM_ID is not set"),
        (SMPP | {"SMS_HTTP_URL": "https://gateway.example/"}, "choose one way"),
        (SMPP | {"SMPP_PASSWORD": "ninechars"}, "SMPP_PASSWORD: at most 8"),
    ],
)
def test_half_an_sms_gateway_or_two_of_them_stop_the_start(tmp_path, given, words):
    ended = start(tmp_path, "scripts/preflight.py", "--no-port", **given)
    assert ended.returncode != 0
    assert words in ended.stderr
    assert "ninechars" not in ended.stderr


SHOW = "from django.conf import settings; print(settings.NOTIFICATION_ADAPTERS['sms'].rpartition('.')[2])"


@pytest.mark.parametrize(
    ("given", "adapter"),
    [
        ({}, "development"),
        ({"PRODUCTION": "1"}, "none"),
        ({"PRODUCTION": "1", **SMPP}, "sms_smpp"),
        ({"PRODUCTION": "1", "SMS_HTTP_URL": "https://gateway.example/{to}"}, "sms_http"),
        ({"PRODUCTION": "1", "SMS_HTTP_URL": "http://127.0.0.1:9000/"}, "sms_http"),
        ({"PRODUCTION": "1", "SMS_HTTP_URL": "http://gateway.example/"}, None),
    ],
)
def test_sms_goes_where_a_gateway_is_set_and_never_in_the_open(tmp_path, given, adapter):
    ended = start(
        tmp_path, "-c", SHOW, DJANGO_SETTINGS_MODULE="servicecenter.settings.base", ALLOWED_HOSTS="x", **KEYS, **given
    )
    if adapter is None:
        assert "SMS_HTTP_URL" in ended.stderr
        assert "https" in ended.stderr
    else:
        assert ended.stdout.split() == [adapter], ended.stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "FIELD_KEYS", "INDEX_KEY"])
def test_production_does_not_invent_secrets(tmp_path, name):
    given = {"ALLOWED_HOSTS": "x", **KEYS}
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


def test_an_address_of_another_machine_is_said_in_one_line(tmp_path):
    ended = start(tmp_path, "scripts/preflight.py", BIND="192.0.2.1")
    assert ended.stderr.splitlines()[-1] == "BIND=192.0.2.1: this machine has no such address."


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", "postgresql://app@127.0.0.1:1/nobody"), ("REDIS_URL", "redis://127.0.0.1:1/0")],
)
def test_a_service_that_is_not_there_is_said_in_one_line(tmp_path, name, value):
    ended = start(tmp_path, "scripts/preflight.py", "--no-port", **{name: value})
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1].startswith(f"{name}: ")
    assert "Traceback" not in ended.stderr


def test_who_sends_while_redis_is_out_tries_twice_and_gives_up(monkeypatch):
    tries = []
    broker = Connection("redis://127.0.0.1:1/0", transport_options=base.REDIS_TRANSPORT)
    real = broker._establish_connection
    monkeypatch.setattr(broker, "_establish_connection", lambda: tries.append(1) or real())
    with pytest.raises(OperationalError):
        _ = broker.default_channel
    assert len(tries) == 2


def test_the_defaults_are_good_as_they_are(tmp_path):
    ended = start(tmp_path, "scripts/preflight.py", "--no-port")
    assert ended.returncode == 0, ended.stderr
    keys = tmp_path / "var" / "keys"
    assert {file.stat().st_mode & 0o777 for file in keys.iterdir()} == {0o600}
