"""Commands that work on the house's records say in one line that there is no database to work on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import find_commands, load_command_class

import manage
from common.commands import DatabaseCommand

# What makes the database, does without it, or says in its own words that it does not answer.
OTHERS = {
    "build_icons", "compile_translations", "demo", "due", "healthy", "plan_instance", "prepare", "replay",
    "sms_receiver",
}  # fmt: skip


def refused(database, *arguments):
    """The last line of what a command says that must fail without a traceback, run on that database."""
    own = {"DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "servicecenter.settings.base"}
    ended = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


def test_every_command_of_ours_that_works_on_records_is_one():
    ours = [app for app in apps.get_app_configs() if Path(app.path).parent == settings.BASE_DIR]
    found = {name: app.name for app in ours for name in find_commands(str(Path(app.path) / "management"))}
    plain = {name for name, app in found.items() if not isinstance(load_command_class(app, name), DatabaseCommand)}
    assert plain == OTHERS


@pytest.mark.parametrize("there", [False, True])
def test_a_database_that_holds_nothing_is_one_line_and_stays_as_it_was(tmp_path, there):
    place = tmp_path / "house.sqlite3"
    if there:
        place.touch()
    said = refused(f"sqlite:///{place}", "policies", "export", "-")
    assert said == "CommandError: the database is not migrated: run `manage.py prepare` first"
    assert place.exists() == there


def test_interrupting_is_no_traceback(monkeypatch, capsys):
    def stopped(_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("django.core.management.execute_from_command_line", stopped)
    with pytest.raises(SystemExit) as ended:
        manage.main()
    assert (ended.value.code, capsys.readouterr().err) == (130, "interrupted\n")


def test_a_database_that_does_not_answer_is_one_line():
    said = refused("postgresql://nobody@127.0.0.1:1/nowhere", "calendars", "export", "-")
    assert said.startswith("CommandError: the database does not answer: ")
