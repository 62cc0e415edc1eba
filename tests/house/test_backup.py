"""A backup put back holds the same rows, on both databases; nothing is overwritten by accident."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
TELL = """
import hashlib
from django.apps import apps
from django.db import connection
tables = sorted(connection.introspection.table_names())
with connection.cursor() as cursor:
    for table in tables:
        if connection.vendor == "postgresql":
            cursor.execute(f'SELECT t::text FROM "{table}" t')
        else:
            cursor.execute(f'SELECT * FROM "{table}"')
        rows = sorted(str(row) for row in cursor.fetchall())
        print(table, len(rows), hashlib.sha256(repr(rows).encode()).hexdigest()[:16])
    if connection.vendor == "postgresql":
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")
    else:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY 1")
    print("triggers", cursor.fetchall())
"""


class House:
    def __init__(self, environment):
        keep = {name: os.environ[name] for name in ("PATH", "FIELD_KEYS", "INDEX_KEY", "SECRET_KEY")}
        self.environment = {**keep, "DJANGO_SETTINGS_MODULE": "servicecenter.settings.base", **environment}

    def run(self, *command, ok=True):
        ended = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert (ended.returncode == 0) is ok, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def manage(self, *command):
        return self.run(sys.executable, "manage.py", *command)

    def tell(self):
        return [line for line in self.manage("shell", "-v", "0", "-c", TELL).splitlines() if line.strip()]


def files_under(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def round_trip(house, copy):
    house.manage("migrate", "-v", "0")
    folder = Path(house.environment["SERVICECENTER_VAR"]) / "attachments"
    (folder / "ab").mkdir(parents=True)
    (folder / "ab" / "abc").write_bytes(b"a photo")
    files = files_under(folder)
    house.manage("shell", "-v", "0", "-c", "from staff.models import User; User.objects.create_user(username='li')")
    before = house.tell()
    house.run("scripts/backup", str(copy))
    house.manage("shell", "-v", "0", "-c", "from staff.models import User; User.objects.create_user(username='later')")
    (folder / "ab" / "later").write_bytes(b"added after the copy")
    (folder / "ab" / "abc").write_bytes(b"damaged")
    assert house.tell() != before
    assert "not empty" in house.run("scripts/restore", str(copy), ok=False)
    assert files_under(folder)["ab/abc"] == b"damaged"  # a refusal touches nothing
    house.run("scripts/restore", str(copy), "--replace")
    assert house.tell() == before
    assert files_under(folder) == files
    archive = copy.with_name(f"{copy.name}.attachments.tar")
    assert archive.stat().st_mode & 0o077 == 0
    assert any(line.startswith("staff_user 1 ") for line in before)
    assert copy.stat().st_mode & 0o077 == 0
    assert "exists already" in house.run("scripts/backup", str(copy), ok=False)


@pytest.mark.long
def test_the_embedded_database_survives_a_round_trip(tmp_path):
    if not settings.EMBEDDED:
        pytest.skip("runs with the embedded default")
    house = House({"SERVICECENTER_VAR": str(tmp_path / "var")})
    round_trip(house, tmp_path / "copy")


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.django_db
def test_postgresql_survives_a_round_trip(tmp_path):
    name = f"roundtrip_{os.getpid()}"
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    with connection.cursor() as cursor:
        assert cursor.connection.info.dbname.startswith("test_")
    admin = f"{server}/postgres"
    subprocess.run(["psql", admin, "-qc", f"CREATE DATABASE {name}"], check=True, capture_output=True)
    try:
        house = House({"SERVICECENTER_VAR": str(tmp_path / "var"), "DATABASE_URL": f"{server}/{name}"})
        round_trip(house, tmp_path / "copy")
    finally:
        subprocess.run(["psql", admin, "-qc", f"DROP DATABASE {name} WITH (FORCE)"], check=True, capture_output=True)
