"""Calendars in TOML files, one `[calendar.NAME]` table each."""

import tomllib
from pathlib import Path

from sla.arithmetic.calendars import Calendar
from sla.arithmetic.errors import CalendarError
from sla.arithmetic.form import check_name


def load_calendars(path: Path) -> dict[str, Calendar]:
    """Return the file's calendars by name; raise CalendarError naming the file and what is wrong in it."""
    try:
        return parse_calendars(path.read_text(encoding="utf-8-sig"))  # Windows editors put a mark at the start
    except OSError as error:
        raise CalendarError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CalendarError(f"{path}: the file is not UTF-8 text") from None
    except CalendarError as refusal:
        raise CalendarError(f"{path}: {refusal}") from None


def parse_calendars(text: str) -> dict[str, Calendar]:
    """Return the text's calendars by name; raise CalendarError saying what is wrong."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CalendarError(f"not TOML: {error}") from None
    except RecursionError:
        raise CalendarError("not TOML: nested too deeply") from None
    tables = document.pop("calendar", {})
    if document:
        raise CalendarError(f"{next(iter(document))!r} is not a [calendar.NAME] table")
    if not isinstance(tables, dict) or not tables:
        raise CalendarError("there is no [calendar.NAME] table")
    for name in tables:
        check_name(name)
    return {name: Calendar.from_dict(name, form) for name, form in tables.items()}
