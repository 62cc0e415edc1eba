"""The arithmetic of promises: calendars, limits, aims. Plain Python, instants and durations in, instants out."""

from sla.arithmetic.aims import Aim, Pause, Verdict, verdict
from sla.arithmetic.calendars import Calendar, Day, Interval, Why
from sla.arithmetic.countries import CountryTable, country_table
from sla.arithmetic.due import DayCount, count_days
from sla.arithmetic.errors import CalendarError, LimitError
from sla.arithmetic.form import Segment
from sla.arithmetic.limits import DayLimit, End, Limit, RunningLimit, earliest, parse_limits
from sla.arithmetic.toml import load_calendars, parse_calendars

__all__ = [
    "Aim",
    "Calendar",
    "CalendarError",
    "CountryTable",
    "Day",
    "DayCount",
    "DayLimit",
    "End",
    "Interval",
    "Limit",
    "LimitError",
    "Pause",
    "RunningLimit",
    "Segment",
    "Verdict",
    "Why",
    "count_days",
    "country_table",
    "earliest",
    "load_calendars",
    "parse_calendars",
    "parse_limits",
    "verdict",
]
