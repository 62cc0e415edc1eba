"""The container files, read without a container engine."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_the_whole_of_it_is_there(compose):
    assert set(compose["services"]) == {"migrate", "web", "sweep", "deliver", "beat", "sms", "postgres", "redis"}
    # A receiver without an SMSC would only end and be started again.
    assert [name for name, service in compose["services"].items() if "profiles" in service] == ["sms"]


def test_nothing_starts_before_the_migrations_are_through(compose):
    for name in ("web", "sweep", "deliver", "beat", "sms"):
        needs = compose["services"][name]["depends_on"]
        assert needs["migrate"]["condition"] == "service_completed_successfully"
        assert needs["redis"]["condition"] == "service_healthy"


def test_each_process_is_one_that_serve_knows(compose):
    known = set(re.findall(r"^    (\w+)\)", (ROOT / "scripts" / "serve").read_text(), flags=re.M))
    named = {
        command[1] for s in compose["services"].values() if (command := s.get("command", [""]))[0] == "scripts/serve"
    }
    procfile = dict(line.split(": exec scripts/serve ") for line in (ROOT / "Procfile").read_text().splitlines())
    assert named == known == set(procfile.values())


def test_lesson_21_promises_have_a_queue_and_a_worker_of_their_own():
    """A mail server that takes ten minutes holds up the worker of mails, and no timer."""
    routes = settings.CELERY_TASK_ROUTES
    assert [routes[f"{room}.tasks.*"]["queue"] for room in ("sla", "notifications")] == ["sweep", "deliver"]
    serve = (ROOT / "scripts" / "serve").read_text()
    workers = dict(re.findall(r"^    (\w+)\)\s+worker (?:\w+) (\S+)", serve, flags=re.M))
    sweeping = [name for name, queues in workers.items() if "sweep" in queues.split(",")]
    assert sweeping == ["sweep"]
    assert workers["sweep"] == "sweep"
    assert "deliver" in workers["deliver"].split(",")


def test_everything_is_watched_and_keeps_its_data(compose):
    services = compose["services"]
    assert all("healthcheck" in services[name] for name in ("sweep", "deliver", "beat", "sms", "postgres", "redis"))
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
    for service in services.values():
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(compose["volumes"])
    assert services["postgres"]["volumes"]
    for name in ("web", "sweep", "deliver"):
        assert "attachments:/app/var/attachments" in services[name]["volumes"]


def test_no_secret_is_written_down(compose):
    for service in compose["services"].values():
        for name, value in (service.get("environment") or {}).items():
            if "PASSWORD" in name or "SECRET" in name or "URL" in name:
                assert "PASSWORD" not in str(value) or "${POSTGRES_PASSWORD" in str(value)
    empty = {line.split("=")[0] for line in (ROOT / ".env.example").read_text().splitlines() if line.endswith("=")}
    assert {"POSTGRES_PASSWORD", "SECRET_KEY", "FIELD_KEYS", "INDEX_KEY", "METRICS_TOKEN"} <= empty


def test_the_image_is_no_root_and_installs_by_hash():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER app$", dockerfile, flags=re.M)
    assert "--require-hashes" in dockerfile
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".env", "var", ".venv", ".git"} <= set(ignored)
