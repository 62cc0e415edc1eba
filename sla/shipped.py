"""Calendars and policies as versions: loading what is shipped, and publishing a change."""

from __future__ import annotations

import hashlib
import json
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from common import clock

from .arithmetic import Calendar, country_table, parse_calendars
from .models import CalendarVersion, CountryDays, PolicyVersion, Rule
from .policies import PolicyError, RuleForm, book, read_rules

DEFAULTS = Path(__file__).parent / "defaults"
# The years a published calendar keeps of its country: cases older or due later ask the library.
FIRST_YEAR, YEARS_AHEAD = 2000, 5


def digest_of(content: Any) -> str:
    """What tells two contents apart: SHA-256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def shipped_calendars() -> dict[str, Calendar]:
    return parse_calendars((DEFAULTS / "calendars.toml").read_text(encoding="utf-8"))


def load_shipped(*, at: datetime | None = None) -> list[str]:
    """Load the shipped calendars and policy where none is present; return what was loaded, as plain words.

    A house whose policy is older than a kind of case gets the shipped rules of that kind in a version of its own; what
    it has decided about the others stays.
    """
    now = at or clock.now()
    done = []
    with transaction.atomic():
        present = set(CalendarVersion.objects.values_list("name", flat=True))
        for name, calendar in shipped_calendars().items():
            if name not in present:
                publish_calendar(calendar, at=now)
                done.append(f"calendar {name}")
        done += [f"days of calendar {version}" for version in fix_days(at=now)]
        if not PolicyVersion.objects.filter(scope="").exists():
            form = tomllib.loads((DEFAULTS / "policies.toml").read_text(encoding="utf-8"))
            publish_policy(form, at=now, valid_from=None)
            done.append("policy")
        else:
            done += [f"policy for {kind}" for kind in _add_new_kinds(at=now)]
    return done


def _add_new_kinds(*, at: datetime) -> list[str]:
    """Add the shipped rules of kinds that the newest house policy does not know; return the kinds."""
    newest = PolicyVersion.objects.filter(scope="").latest("number")
    present = list(newest.rules.all())
    known = {kind for rule in present for kind in _kinds(rule.selectors)}
    form = tomllib.loads((DEFAULTS / "policies.toml").read_text(encoding="utf-8"))
    added = [rule for rule in check_policy(form) if _kinds(rule.selectors) and not _kinds(rule.selectors) & known]
    if not added or not known:
        return []
    version = PolicyVersion.objects.create(
        scope="",
        number=newest.number + 1,
        valid_from=max(at, newest.valid_from or at),
        digest=digest_of([newest.digest, *(vars(rule) for rule in added)]),
        created_at=at,
    )
    for rule in present:
        rule.pk, rule.version = None, version
    Rule.objects.bulk_create([*present, *(rule.to_rule(version) for rule in added)])
    return sorted({kind for rule in added for kind in _kinds(rule.selectors)})


def _kinds(selectors: dict[str, Any]) -> set[str]:
    kind = selectors.get("kind", [])
    return set(kind if isinstance(kind, list) else [kind])


def with_days_of_now(calendar: Calendar, *, at: datetime) -> Calendar:
    """The calendar with the days that the `holidays` library has now, as publishing it would fix them."""
    if not calendar.country:
        return calendar
    known = calendar.with_table(None).complete_through or at.date()
    last = max(at.year, known.year) + YEARS_AHEAD
    return calendar.with_table(country_table(calendar.country, FIRST_YEAR, last))


def says_the_same(one: Calendar, other: Calendar) -> bool:
    """Whether two calendars have one form and, of their country, the same days in the years that both have."""
    if one.to_dict() != other.to_dict():
        return False
    return one.table is None or other.table is None or one.table.agrees_with(other.table)


def publish_calendar(calendar: Calendar, *, at: datetime, by: Any = None) -> CalendarVersion:
    """Add the next version of a calendar, unless it says the same as the newest; return the newest version.

    The version keeps its country's days as the library has them now: another release of the library changes nothing
    until it is published (lessons.md 1).
    """
    calendar = with_days_of_now(calendar, at=at)
    newest = CalendarVersion.objects.filter(name=calendar.name).order_by("-number").first()
    if newest is not None and says_the_same(newest.calendar, calendar):
        return newest
    days = _days(calendar, at=at)
    content = [calendar.name, calendar.to_dict()]
    return CalendarVersion.objects.create(
        name=calendar.name,
        number=newest.number + 1 if newest else 1,
        form=calendar.to_dict(),
        country_days=days,
        digest=digest_of([*content, days.digest] if days else content),
        created_at=at,
        created_by=by,
    )


def _days(calendar: Calendar, *, at: datetime) -> CountryDays | None:
    """The row of the calendar's fixed days; calendars of one country share it."""
    if calendar.table is None:
        return None
    return CountryDays.objects.get_or_create(
        digest=calendar.table.digest,
        defaults={"country": calendar.country, "days": calendar.table.form, "taken_at": at},
    )[0]


def fix_days(*, at: datetime) -> list[str]:
    """Fix the days of versions published before days were kept, as they are read today; return those versions."""
    done = []
    for version in CalendarVersion.objects.filter(country_days=None).exclude(form__holidays=""):
        calendar = with_days_of_now(version.calendar, at=at)
        if calendar.table is not None:
            version.country_days = _days(calendar, at=at)
            version.save(update_fields=["country_days"])
            done.append(str(version))
    return done


def known_calendars() -> dict[str, Calendar]:
    """The newest version of every calendar in the database, by name."""
    return {name: row.calendar for name, row in book(clock.now()).calendars.items()}


def check_policy(form: dict[str, Any]) -> list[RuleForm]:
    """The rules of a policy file, or PolicyError with the reason."""
    rules = read_rules(form, known_calendars())
    if not rules:
        raise PolicyError("there is no rule in it")
    return rules


@transaction.atomic
def publish_policy(
    form: dict[str, Any], *, at: datetime, valid_from: datetime | None, by: Any = None, scope: str = ""
) -> PolicyVersion:
    """Add the next policy version, in force from `valid_from`; open cases keep the version they opened under."""
    rules = check_policy(form)
    newest = PolicyVersion.objects.filter(scope=scope).order_by("-number").first()
    version = PolicyVersion.objects.create(
        scope=scope,
        number=newest.number + 1 if newest else 1,
        valid_from=valid_from,
        digest=digest_of([vars(rule) for rule in rules]),
        created_at=at,
        created_by=by,
    )
    Rule.objects.bulk_create([rule.to_rule(version) for rule in rules])
    return version
