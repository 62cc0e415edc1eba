"""A published calendar keeps its country's days: an imported holiday is a proposal (lessons.md 1)."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command

from notifications.models import Message
from sla import calendar_watch, models, shipped
from sla.arithmetic import countries, parse_limits
from sla.models import CalendarVersion, Deadline, Timer
from sla.services import explain
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db

SHIPPED = shipped.DEFAULTS / "calendars.toml"
STRIKE = date(2026, 3, 4)
# The Wednesday after MONDAY is declared off: three working days then end a day later.
LIMIT, DUE, LATER = "3wd", datetime(2026, 3, 5, 16, tzinfo=UTC), datetime(2026, 3, 6, 16, tzinfo=UTC)


@pytest.fixture
def newer_library(monkeypatch):
    """Installs a release of the library in which one more day is off; what is compiled is forgotten, as at a start."""
    known = countries.country_year

    def install():
        def country_year(code, year):
            found = known(code, year)
            off = {**found.off, STRIKE: "New day"} if year == STRIKE.year else found.off
            return countries.CountryYear(off, found.make_up)

        monkeypatch.setattr(countries, "country_year", country_year)
        monkeypatch.setattr("sla.arithmetic.calendars.country_year", country_year)
        forget()

    def forget():
        models._compiled.clear()
        countries.country_table.cache_clear()

    yield install
    monkeypatch.undo()
    forget()


@pytest.fixture
def owed():
    builders.house()
    version = CalendarVersion.objects.get(name="china")
    ticket = builders.ticket(builders.person("agent"), at=MONDAY)
    deadline = Deadline.objects.get(case=ticket, promise="resolve")
    deadline.calendar_version, deadline.limits, deadline.due_at = version, [LIMIT], DUE
    deadline.save()
    return deadline


def loaded(*options):
    out = io.StringIO()
    call_command("calendars", "load", str(SHIPPED), *options, stdout=out)
    return out.getvalue()


def fresh(deadline):
    return Deadline.objects.select_related("rule__version", "calendar_version").get(pk=deadline.pk)


def test_a_newer_library_moves_no_deadline_and_no_explanation(owed, newer_library):
    (limit,) = parse_limits(LIMIT)
    assert limit.due(fresh(owed).calendar, MONDAY) == DUE
    newer_library()
    assert limit.due(fresh(owed).calendar, MONDAY) == DUE
    assert explain(fresh(owed), now=MONDAY + timedelta(days=1)).dues == [(LIMIT, DUE)]
    # What is not published asks the library of the day.
    assert limit.due(shipped.shipped_calendars()["china"], MONDAY) == LATER


def test_loading_lists_what_would_move_and_moves_exactly_that(owed, newer_library):
    assert "china: nothing changed" in loaded("--dry-run")
    newer_library()
    listed = loaded("--dry-run")
    assert "china: would be a new version, 1 open deadline moves" in listed
    assert f"{owed.case.number} resolve: 2026-03-06T00:00:00+08:00 -> 2026-03-07T00:00:00+08:00" in listed
    assert fresh(owed).due_at == DUE
    loaded()
    assert (fresh(owed).due_at, fresh(owed).calendar_version.number) == (LATER, 2)
    assert CalendarVersion.objects.get(name="china", number=1).calendar.is_working_day(STRIKE)
    assert "china: nothing changed" in loaded()


def test_calendars_of_one_country_share_their_days_and_others_have_none():
    builders.house()
    china, office, always = (CalendarVersion.objects.get(name=name) for name in ("china", "china-office", "always"))
    assert china.country_days == office.country_days
    assert always.country_days is None
    table = countries.CountryTable.from_dict(china.country_days.days)
    assert table == countries.country_table("CN", min(table.years), max(table.years))
    assert china.calendar.holiday_name(date(2026, 10, 1), "zh_CN") == "国庆节"


def test_versions_older_than_this_are_given_the_days_they_have_been_read_with():
    builders.house()
    CalendarVersion.objects.update(country_days=None)
    assert sorted(shipped.fix_days(at=MONDAY)) == ["china v1", "china-office v1"]
    assert shipped.fix_days(at=MONDAY) == []
    assert CalendarVersion.objects.get(name="china").country_days is not None


# --- the days that are still to be announced -------------------------------------------------------------------------


def in_shanghai(text):
    return datetime.fromisoformat(f"{text}+08:00")


def watched(text):
    """The watch comes by at that moment."""
    Timer.objects.all().delete()
    calendar_watch.arm(at=in_shanghai(text) - timedelta(days=1))
    sweep(now=in_shanghai(text))
    return Timer.objects.get(handler=calendar_watch.HANDLER).fire_at


def told():
    return {(message.person.role, message.context["year"]) for message in Message.objects.filter(case=None)}


@pytest.fixture
def complete_through_2026(monkeypatch):
    monkeypatch.setattr(shipped, "known_calendars", lambda: {
        "always": shipped.shipped_calendars()["always"],
        "china": shipped.shipped_calendars()["china"].with_table(countries.CountryTable({}, date(2026, 12, 31))),
    })  # fmt: skip
    for role in ("supervisor", "administrator", "lead", "agent"):
        builders.person(role)


def test_from_november_on_supervisors_hear_weekly_that_next_years_days_are_missing(complete_through_2026):
    assert watched("2026-10-31T10:00") == in_shanghai("2026-11-01T09:00")
    assert told() == set()
    assert watched("2026-11-01T10:00") == in_shanghai("2026-11-08T09:00")
    assert told() == {("supervisor", 2027), ("administrator", 2027)}
    assert watched("2027-02-01T10:00") == in_shanghai("2027-02-08T09:00")


def test_nobody_hears_of_days_that_are_known(complete_through_2026):
    assert watched("2026-06-01T10:00") == in_shanghai("2026-11-01T09:00")
    assert calendar_watch.arm(at=in_shanghai("2026-06-01T10:00")) is None
    assert told() == set()
