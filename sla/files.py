"""Calendars and policies as TOML files: what `export` writes is what `load` reads."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .models import CalendarVersion, PolicyVersion
from .states import StepKind


class FileError(ValueError):
    """A file that cannot be read, in one line."""


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables. Raises FileError naming the file and what is wrong in it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as problem:
        raise FileError(f"{path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise FileError(f"{path}: the file is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as problem:
        raise FileError(f"{path}: not TOML: {problem}") from None
    except RecursionError:
        raise FileError(f"{path}: not TOML: nested too deeply") from None


def write_calendars(versions: Iterable[CalendarVersion]) -> str:
    return "\n".join(
        "\n".join([f"# version {version.number}", f"[calendar.{_key(version.name)}]", *_lines(version.form)]) + "\n"
        for version in versions
    )


def write_policy(version: PolicyVersion) -> str:
    rules = ["\n".join(["[[rule]]", *_lines(rule_table(rule))]) + "\n" for rule in version.rules.order_by("pk")]
    return "\n".join([f"# version {version.number}\n", *rules])


def rule_table(rule: Any) -> dict[str, Any]:
    """A rule (a row, or one just read) as it is written in a file: the inverse of `policies.read_rules`."""
    table = {
        "promise": rule.promise,
        "when": rule.selectors,
        "start": rule.starts,
        "stop": rule.stops,
        "limit": rule.limits,
        "calendar": rule.calendar,
        "pauses": rule.pauses,
        "statutory": rule.statutory,
        "once": rule.once,
        "warn": [_warning(step) for step in rule.steps if step["kind"] == StepKind.WARN],
        "rungs": [
            {name: step[name] for name in ("at", "tier", "tell") if name in step}
            for step in rule.steps
            if step["kind"] in (StepKind.TIER, StepKind.AFTER)
        ],
    }
    # What is empty or false is so by default; only the list of limits says something when it is empty.
    table = {name: value for name, value in table.items() if value or name == "limit"}
    return table | {"breach": next(step["tell"] for step in rule.steps if step["kind"] == StepKind.BREACH)}


def _warning(step: dict[str, Any]) -> Any:
    return step["at"] if step["tell"] == ["owner"] else {"at": step["at"], "tell": step["tell"]}


def _lines(table: dict[str, Any]) -> list[str]:
    return [f"{_key(name)} = {_value(value)}" for name, value in table.items()]


def _key(text: str) -> str:
    return text if text and all(c.isascii() and (c.isalnum() or c in "-_") for c in text) else json.dumps(text)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_value(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, int):
        return str(value)
    # A basic string of TOML escapes as JSON does, and DEL as well.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
