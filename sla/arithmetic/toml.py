"""Calendars in TOML files, one `[calendar.NAME]` table each."""

import tomllib
from pathlib import Path
from typing import Any

from sla.arithmetic.calendars import YEARS, Calendar
from sla.arithmetic.errors import CalendarError

LONGEST_NAME = 60  # what the column of a calendar's name holds


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
    return {name: new_calendar(name, form) for name, form in tables.items()}


def new_calendar(name: str, form: Any) -> Calendar:
    """The calendar as somebody writes it; raise CalendarError also for what could not be kept, or not be asked about.

    Those that are kept already are not held to it: one bad old one must not take all others along.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        shown = name if len(name) <= 80 else f"{name[:80]}…"
        raise CalendarError(f"calendar {shown!r}: a name has 1 to {LONGEST_NAME} characters that can be printed")
    calendar = Calendar.from_dict(name, form)
    for key, days in (
        ("closed", calendar.closed),
        ("open", [day for day, _hours in calendar.opened]),
        ("complete_through", filter(None, [calendar.declared_through])),
    ):
        for day in sorted(days):
            if day.year not in YEARS[:-1]:  # the day after it is asked about as well
                raise CalendarError(f"calendar {name!r}, {key}: {day} is outside the years {YEARS[0]} to {YEARS[-2]}")
    for words in calendar.title.values():
        if "\x00" in words:
            raise CalendarError(f"calendar {name!r}, title: {words!r} has a NUL in it, which no database keeps")
    return calendar
