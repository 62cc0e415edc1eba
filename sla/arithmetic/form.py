"""The written form of a calendar: what may stand in it, and what each refusal says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Self
from zoneinfo import ZoneInfo

from sla.arithmetic.countries import country_codes
from sla.arithmetic.errors import CalendarError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KEYS = ("timezone", "holidays", "week", "closed", "open", "complete_through", "title")
LANGUAGES = ("en", "zh")
SEGMENT = re.compile(r"([0-9]{2}):([0-5][0-9])-([0-9]{2}):([0-5][0-9])")

NEXT_DAY = "hours past midnight are a segment of the next day"


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """Opening hours on the wall clock, half-open, in minutes from 00:00; 24:00 is 1440."""

    opens: int
    closes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `08:30-12:00`; raise CalendarError."""
        match = SEGMENT.fullmatch(text)
        if not match:
            raise CalendarError(f"{text!r} is not of the form 08:30-12:00")
        opens_hour, opens_minute, closes_hour, closes_minute = map(int, match.groups())
        opens, closes = opens_hour * 60 + opens_minute, closes_hour * 60 + closes_minute
        if closes > 24 * 60:
            raise CalendarError(f"{text!r} runs past 24:00; {NEXT_DAY}")
        if opens >= closes:
            raise CalendarError(f"{text!r} does not close after it opens; {NEXT_DAY}")
        return cls(opens, closes)

    def __str__(self) -> str:
        return f"{self.opens // 60:02}:{self.opens % 60:02}-{self.closes // 60:02}:{self.closes % 60:02}"


Segments = tuple[Segment, ...]


def write_hours(hours: Segments) -> list[str]:
    return [str(segment) for segment in hours]


def read_form(name: str, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `Calendar`; raise CalendarError naming calendar, key and value."""
    if not isinstance(form, Mapping):
        raise CalendarError(f"calendar {name!r}: {form!r} is not a table")
    key = ""
    try:
        for key in form:
            _one_of(key, KEYS)
        fields: dict[str, Any] = {}
        for key, (field, read) in READERS.items():
            if key in form or key == "timezone":
                fields[field] = read(form.get(key))
        fields.setdefault("week", ((),) * len(WEEKDAYS))
        key = "open"
        _both_open_and_closed(fields)
        key = "week"
        if not any(fields["week"]) and not fields.get("opened"):
            raise CalendarError("the calendar has no open time at all")
    except CalendarError as refusal:
        raise CalendarError(f"calendar {name!r}, {key}: {refusal}") from None
    return fields


def _timezone(value: Any) -> ZoneInfo:
    if value is None:
        raise CalendarError("is missing; it is never guessed")
    key = _text(value)
    try:
        return ZoneInfo(key)
    except (OSError, ValueError, KeyError):  # unknown, a folder, outside the folder of zones
        raise CalendarError(f"{value!r} is not a time zone, such as 'Asia/Shanghai'") from None


def _country(value: Any) -> str:
    code = _text(value)
    if code and code not in country_codes():
        raise CalendarError(f"{code!r} is not a country the holidays library knows, such as 'CN'")
    return code


def _week(value: Any) -> tuple[Segments, ...]:
    week = _table(value)
    for day in week:
        _one_of(day, WEEKDAYS)
    return tuple(_hours(week.get(day, ()), day) for day in WEEKDAYS)


def _closed(value: Any) -> frozenset[date]:
    if not isinstance(value, list | tuple):
        raise CalendarError(f"{value!r} is not a list of dates")
    return frozenset(map(_date, value))


def _opened(value: Any) -> tuple[tuple[date, Segments], ...]:
    opened = {_date(day): _hours(hours, str(day)) for day, hours in _table(value).items()}
    for day, hours in opened.items():
        if not hours:
            raise CalendarError(f"{day} has no hours; a day without is 'closed'")
    return tuple(sorted(opened.items()))


def _title(value: Any) -> tuple[tuple[str, str], ...]:
    title = _table(value)
    for language in title:
        _one_of(language, LANGUAGES)
    return tuple(sorted((language, _text(words)) for language, words in title.items()))


def _both_open_and_closed(fields: Mapping[str, Any]) -> None:
    for day, _hours_then in fields.get("opened", ()):
        if day in fields.get("closed", ()):
            raise CalendarError(f"{day} is both 'open' and 'closed'")


def _hours(value: Any, day: str) -> Segments:
    if not isinstance(value, list | tuple):
        raise CalendarError(f"{day}: {value!r} is not a list of hours, such as ['08:30-12:00']")
    try:
        hours = tuple(sorted(Segment.parse(_text(segment)) for segment in value))
        for one, next_one in pairwise(hours):
            if next_one.opens < one.closes:
                raise CalendarError(f"'{one}' and '{next_one}' overlap")
    except CalendarError as refusal:
        raise CalendarError(f"{day}: {refusal}") from None
    return hours


def _date(value: Any) -> date:
    """Read a date, which TOML may have read already."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(_text(value))
    except ValueError:
        raise CalendarError(f"{value!r} is not a date, such as '2026-12-31'") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise CalendarError(f"{value!r} is not text")
    return value


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise CalendarError(f"{value!r} is not a table")
    return value


def _one_of(word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        raise CalendarError(f"{word!r} is not one of {', '.join(words)}")


# Key of the form: field of the calendar, and its reader.
READERS = {
    "timezone": ("zone", _timezone),
    "holidays": ("country", _country),
    "week": ("week", _week),
    "closed": ("closed", _closed),
    "open": ("opened", _opened),
    "complete_through": ("declared_through", _date),
    "title": ("titles", _title),
}
