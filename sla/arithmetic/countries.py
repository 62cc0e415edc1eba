"""A country as the `holidays` library knows it: days off, make-up working days (调休), and until when.

What the library knows changes with its releases, so a published calendar does not ask it: a `CountryTable` is what was
known when the calendar was published, and stays (lessons.md 1).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Any, Self

import holidays

from sla.arithmetic.errors import CalendarError


@dataclass(frozen=True, slots=True)
class CountryYear:
    """A country's public holidays (date to English name) and make-up working days in one year."""

    off: dict[date, str]
    make_up: frozenset[date]


@dataclass(frozen=True)
class CountryTable:
    """A country's years as they were known at one time, and through which day that was complete."""

    years: Mapping[int, CountryYear]
    through: date | None

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Self:
        """The table that has this `form`."""
        through = form.get("through")
        return cls(
            {
                int(year): CountryYear(
                    off={date.fromisoformat(day): name for day, name in days["off"].items()},
                    make_up=frozenset(map(date.fromisoformat, days["make_up"])),
                )
                for year, days in form["years"].items()
            },
            date.fromisoformat(through) if through else None,
        )

    @cached_property
    def form(self) -> dict[str, Any]:
        """The table as JSON values: days by year, each day off with its English name."""
        return {
            "years": {
                str(year): {
                    "off": {day.isoformat(): name for day, name in sorted(days.off.items())},
                    "make_up": [day.isoformat() for day in sorted(days.make_up)],
                }
                for year, days in sorted(self.years.items())
            },
            "through": self.through.isoformat() if self.through else None,
        }

    @cached_property
    def digest(self) -> str:
        """What tells two tables apart: SHA-256 of the form's canonical JSON, 64 hex digits."""
        return hashlib.sha256(json.dumps(self.form, sort_keys=True).encode()).hexdigest()

    def agrees_with(self, other: "CountryTable") -> bool:
        """Whether both say the same of every year that both know, and are complete through the same day."""
        shared = self.years.keys() & other.years.keys()
        return self.through == other.through and all(self.years[year] == other.years[year] for year in shared)


@lru_cache(maxsize=16)
def country_table(code: str, first: int, last: int) -> CountryTable:
    """What the library knows of these years now."""
    return CountryTable({year: country_year(code, year) for year in range(first, last + 1)}, known_through(code))


@lru_cache(maxsize=512)
def country_year(code: str, year: int) -> CountryYear:
    known = _library(code, (year,))
    # The library may name days of other years: those whose make-up days were decreed with their neighbor.
    return CountryYear(
        off={day: name for day, name in known.items() if day.year == year},
        make_up=frozenset(day for day in known.weekend_workdays if day.year == year),
    )


@lru_cache(maxsize=64)
def known_through(code: str) -> date | None:
    """Return the last day for which the country's make-up days are known; None for a country that has none.

    Make-up days are decreed year by year, so this is the end of the last year in which the library has any.
    """
    decreed = getattr(_library(code), "special_public_holidays", {})
    for year in sorted(decreed, reverse=True):
        if country_year(code, year).make_up:
            return date(year, 12, 31)
    return None


@lru_cache(maxsize=1)
def country_codes() -> frozenset[str]:
    """Return the codes a calendar may name."""
    return frozenset(holidays.list_supported_countries(include_aliases=True))


def holiday_name(code: str, day: date, language: str) -> str:
    """Return the name of the country's holiday in that language (`zh_CN`), or in English if it has no such names."""
    return _names(code, day.year, language).get(day) or country_year(code, day.year).off.get(day, "")


@lru_cache(maxsize=512)
def _names(code: str, year: int, language: str) -> dict[date, str]:
    return dict(_library(code, (year,), language).items())


def _library(code: str, years: tuple[int, ...] = (), language: str = "en_US") -> holidays.HolidayBase:
    # Asked first, because the library answers an unknown code with a long list, and an unknown language with a guess.
    if code not in country_codes():
        raise CalendarError(f"the holidays library knows no country {code!r}")
    spoken = holidays.country_holidays(code).supported_languages
    return holidays.country_holidays(code, years=years, language=language if language in spoken else None)
