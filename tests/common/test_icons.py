from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from common.clockface import ICONS
from common.context import PRESENCE_ICONS
from common.management.commands import build_icons
from tests.conftest import ROOT

NAMES = build_icons.NAMES.read_text().split()
NAMED = re.compile(r"""icon(?:\s+|\s*[=:|]\s*|\|default:)["']([a-z0-9-]+)["']""")


def sources() -> list[Path]:
    return [
        path
        for path in ROOT.rglob("*")
        if path.suffix in {".html", ".py"} and path.relative_to(ROOT).parts[0] not in {".venv", "var", "tests"}
    ]


def test_every_icon_that_is_named_is_in_the_list() -> None:
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources()
        for name in NAMED.findall(path.read_text())
        # What begins with i- is a size: `{% icon place.icon "i-l" %}` names its icon by a variable.
        if name not in NAMES and not name.startswith("i-")
    }
    assert missing == set()


def test_icons_chosen_by_code_are_in_the_list() -> None:
    assert {*ICONS.values(), *PRESENCE_ICONS.values()} <= set(NAMES)


def test_the_list_is_sorted_and_names_nothing_twice() -> None:
    assert sorted(set(NAMES)) == NAMES


def test_the_sprite_has_one_drawing_for_each_name(settings: object, tmp_path: Path) -> None:
    settings.GENERATED_DIR = tmp_path / "made"  # type: ignore[attr-defined]
    call_command("build_icons", verbosity=0)
    sprite = (tmp_path / "made/icons.svg").read_text()
    assert re.findall(r'<symbol id="([^"]+)"', sprite) == NAMES
    assert sprite.count("<svg") == 1


def test_a_second_build_writes_nothing(settings: object, tmp_path: Path) -> None:
    settings.GENERATED_DIR = tmp_path  # type: ignore[attr-defined]
    call_command("build_icons", verbosity=0)
    before = (tmp_path / "icons.svg").stat().st_mtime_ns
    call_command("build_icons", verbosity=0)
    assert (tmp_path / "icons.svg").stat().st_mtime_ns == before


def test_an_unknown_icon_stops_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "icons.txt").write_text("no-such-icon\n")
    monkeypatch.setattr(build_icons, "NAMES", tmp_path / "icons.txt")
    with pytest.raises(CommandError, match="no-such-icon"):
        call_command("build_icons", verbosity=0)
