"""Calendars by name: from a file, from the database once it holds them, or as the house ships them."""

from pathlib import Path

from django.db import DatabaseError, connection

from sla.arithmetic import Calendar, CalendarError, load_calendars

DEFAULTS = Path(__file__).parent / "defaults" / "calendars.toml"


def find_calendar(name: str, file: Path | None = None) -> Calendar:
    """Return the calendar of that name; raise CalendarError listing the known ones.

    A file, if given, is the only place looked in. Otherwise the database's version wins over the shipped one.
    """
    if file is not None:
        return _pick(name, load_calendars(file))
    return calendar_from_database(name) or _pick(name, load_calendars(DEFAULTS))


def calendar_from_database(name: str) -> Calendar | None:
    """Return the newest version, or None where there is no migrated database or it has no such calendar."""
    from .models import CalendarVersion

    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        return None  # asking would make an empty database
    try:
        newest = CalendarVersion.objects.filter(name=name).order_by("-number").first()
    except DatabaseError:
        return None
    return newest.calendar if newest else None


def _pick(name: str, calendars: dict[str, Calendar]) -> Calendar:
    if name not in calendars:
        raise CalendarError(f"there is no calendar {name!r}; known: {', '.join(sorted(calendars))}")
    return calendars[name]
