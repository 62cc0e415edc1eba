"""Chinese is complete, and lives in the catalog (or in data) only."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

from tests.conftest import ROOT, missing

ROOMS = [
    "common",
    "customers",
    "staff",
    "cases",
    "notifications",
    "sla",
    "tickets",
    "appointments",
    "desk",
    "dashboards",
    "portal",
    "servicecenter",
]
CATALOG = ROOT / "locale/zh_Hans/LC_MESSAGES/django.po"
CHINESE = re.compile(r"[\u3400-\u9fff]")
OWN_NAME = "中文"  # a language is named in itself


def key(entry: polib.POEntry) -> tuple[str, str]:
    return entry.msgctxt or "", entry.msgid


def test_every_entry_is_translated_and_none_is_fuzzy() -> None:
    entries = [entry for entry in polib.pofile(str(CATALOG)) if not entry.obsolete]
    assert [entry.msgid for entry in entries if not entry.translated() or entry.fuzzy] == []


def test_placeholders_survive_translation() -> None:
    holes = re.compile(r"%\(\w+\)|\{\w+\}")
    wrong = [
        entry.msgid
        for entry in polib.pofile(str(CATALOG))
        for text in (entry.msgstr, *entry.msgstr_plural.values())
        if text and set(holes.findall(text)) != set(holes.findall(entry.msgid_plural or entry.msgid))
    ]
    assert wrong == []


def test_every_source_string_is_in_the_catalog(tmp_path: Path) -> None:
    if not shutil.which("xgettext"):
        missing("gettext")
    for name in [*ROOMS, "templates", "locale"]:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.mo", "__pycache__", "static"))
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run(
        [sys.executable, "-m", "django", "makemessages", "-l", "zh_Hans", "--no-location", "--no-wrap"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
    )
    extracted = polib.pofile(str(tmp_path / CATALOG.relative_to(ROOT)))
    known = {key(entry) for entry in polib.pofile(str(CATALOG)) if not entry.obsolete}
    assert [entry.msgid for entry in extracted if not entry.obsolete and key(entry) not in known] == []


def words_in(path: Path) -> list[int]:
    """The lines with Chinese in them. In Python only strings count: a comment may quote a law in its own words."""
    text = path.read_text()
    if path.suffix != ".py":
        return [number for number, line in enumerate(text.splitlines(), 1) if CHINESE.search(line)]
    tree = ast.parse(text)
    documents = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node, clean=False) is not None
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documents
        if node.value != OWN_NAME
        if CHINESE.search(node.value)
    ]


@pytest.mark.parametrize("folder", [*ROOMS, "templates"])
def test_no_chinese_in_code_or_templates(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".html", ".txt", ".js", ".css"}
        # Names of the service and of the languages themselves, as the environment may set them.
        and path.relative_to(ROOT).parts[:2] != ("servicecenter", "settings")
        for number in words_in(path)
    ]
    assert found == []
