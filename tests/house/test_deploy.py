"""`check --deploy` has nothing to say about production, and the process files name commands that exist."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "PRODUCTION": "1",
    "SECRET_KEY": "".join(chr(48 + n % 75) for n in range(64)),
    "FIELD_KEYS": "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "INDEX_KEY": "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=",
    "ALLOWED_HOSTS": "service.example.com",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "DATABASE_URL": "postgresql://app@127.0.0.1:1/servicecenter",
}


def manage(tmp_path, *command):
    environment = {"PATH": os.environ["PATH"], "SERVICECENTER_VAR": str(tmp_path), **PRODUCTION}
    return subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


def test_check_deploy_is_clean(tmp_path):
    ended = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING")
    assert ended.returncode == 0, ended.stderr
    assert "System check identified no issues (0 silenced)" in ended.stdout


def test_demo_and_development_pages_are_off_in_production(tmp_path):
    ended = manage(tmp_path, "shell", "-c", "from django.conf import settings as s; print(s.DEMO, s.DEBUG)")
    assert ended.stdout.splitlines()[-1] == "False False"
