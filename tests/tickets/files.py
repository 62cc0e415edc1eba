"""Files in the style of what other systems export, invented from beginning to end, and maps for them."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tickets.importing.maps import CaseMap, read_map

CITY_MAP = """
[source]
kind = "ticket"
timezone = "America/New_York"
external_id = "id"
mode = "case"

[columns]
received_at = { column = "opened", format = "%Y-%m-%d %H:%M:%S" }
closed_at = { column = "closed", format = "%Y-%m-%d %H:%M:%S" }
subject = "title"
channel = "source"

[values.channel]
"Call" = "phone"
"App" = "app"

[defaults]
type = "service_request"

[calendar.weekdays]
timezone = "America/New_York"
week = { mon = ["00:00-24:00"], tue = ["00:00-24:00"], wed = ["00:00-24:00"], thu = ["00:00-24:00"], fri = [
    "00:00-24:00",
] }

[promise.resolve]
by = "type"
calendar = "weekdays"
limits = { "Broken bench" = "2wd@same", "Fallen leaves" = "30d@same", "Lost glove" = "" }
"""

CITY_HEADER = "id,opened,target,closed,title,type,source"
CITY_ROWS = [
    "0071,2011-07-05 10:00:00,2011-07-07 10:00:00,2011-07-07 10:00:00,Bench at the pond,Broken bench,Call",
    "0072,2011-07-05 10:00:00,2011-07-07 10:00:00,2011-07-07 10:00:01,Bench by the school,Broken bench,App",
    "0073,2011-07-08 18:30:00,2011-07-12 18:30:00,2011-07-11 09:00:00,Bench in the shade,Broken bench,App",
    '0074,2011-07-09 08:00:00,2011-08-08 08:00:00,,"Leaves, and\nmore leaves",Fallen leaves,App',
    "0075,2011-07-09 09:00:00,,2011-07-09 09:30:00,A red glove,Lost glove,Call",
    "0076,2011-07-10 09:00:00,2011-07-12 09:00:00,,Bench without a back,Broken bench,Call",
    "0077,2011-10-20 09:00:00,2011-11-19 09:00:00,2011-11-19 08:59:59,Leaves in the gutter,Fallen leaves,App",
]

LOG_MAP = """
[source]
timezone = "UTC"
external_id = "number"
mode = "event"

[columns]
received_at = { column = "opened_at", format = "%d/%m/%Y %H:%M" }
at = { column = "updated_at", format = "%d/%m/%Y %H:%M" }
state = "state"
priority = "priority"

[values.state]
"New" = "new"
"Active" = "in_progress"
"Awaiting User" = "pending:documents"
"Awaiting Vendor" = "held:supplier"
"Resolved" = "resolved"
"Closed" = "closed"

[defaults]
type = "fault"

[calendar.weekdays]
timezone = "UTC"
week = { mon = ["00:00-24:00"], tue = ["00:00-24:00"], wed = ["00:00-24:00"], thu = ["00:00-24:00"], fri = [
    "00:00-24:00",
] }

[promise.resolve]
by = "priority"
calendar = "weekdays"
stop = "resolved"
pauses = ["pending", "held"]
warn = ["75%"]
limits = { "1" = "6.4h", "2" = "0m", "3" = "40h", "4" = "100h" }
"""

LOG_HEADER = "number,state,opened_at,updated_at,priority,resolved_at,closed_at"


def log_case(
    number: str, opened: str, *events: tuple[str, str] | tuple[str, str, str], priority: str = "3"
) -> list[str]:
    """The rows of one incident: (time, state) or (time, state, priority); the final values stand on every row."""
    closed = next((event[0] for event in reversed(events) if event[1] == "Closed"), "")
    resolved = next((event[0] for event in reversed(events) if event[1] == "Resolved"), "")
    rows = []
    for event in events:
        priority = event[2] if len(event) > 2 else priority
        rows.append(f"{number},{event[1]},{opened},{event[0]},{priority},{resolved},{closed}")
    return rows


# 7 March 2016 is a Monday.
LOG_ROWS = [
    *log_case(
        "INC01",
        "07/03/2016 09:00",
        ("07/03/2016 09:05", "New"),
        ("07/03/2016 10:00", "Active"),
        ("08/03/2016 10:00", "Resolved"),
        ("13/03/2016 10:00", "Closed"),
    ),
    # A pause that ends in time, and one that outlasts the longest pause.
    *log_case(
        "INC02",
        "07/03/2016 09:00",
        ("07/03/2016 09:01", "Active"),
        ("07/03/2016 12:00", "Awaiting User"),
        ("08/03/2016 12:00", "Active"),
        ("09/03/2016 10:00", "Awaiting User"),
        ("16/03/2016 10:00", "Active"),
        ("17/03/2016 02:00", "Resolved"),
        ("22/03/2016 02:00", "Closed"),
    ),
    # From one pause into another, over the longest pause; then straight from waiting to resolved.
    *log_case(
        "INC03",
        "07/03/2016 11:00",
        ("07/03/2016 11:00", "New"),
        ("07/03/2016 12:00", "Awaiting User"),
        ("12/03/2016 20:00", "Awaiting Vendor"),
        ("19/03/2016 11:00", "Resolved"),
        ("24/03/2016 11:00", "Closed"),
    ),
    # Opened as resolved, taken up again, closed; the second round is missed.
    *log_case(
        "INC04",
        "07/03/2016 12:00",
        ("07/03/2016 12:30", "Resolved"),
        ("08/03/2016 12:30", "Active"),
        ("14/03/2016 12:30", "Awaiting Vendor"),
        ("14/03/2016 18:30", "Closed"),
    ),
    # A higher priority on the way, and a lower one; still open at the end.
    *log_case(
        "INC05",
        "08/03/2016 08:00",
        ("08/03/2016 08:00", "New"),
        ("08/03/2016 09:00", "Active", "4"),
        ("09/03/2016 09:00", "Active", "1"),
        ("10/03/2016 09:00", "Awaiting User", "4"),
    ),
    # Promised for the very moment of its receipt.
    *log_case(
        "INC06",
        "08/03/2016 08:00",
        ("08/03/2016 08:00", "New"),
        ("08/03/2016 08:01", "Resolved"),
        ("10/03/2016 08:01", "Closed"),
        priority="2",
    ),
    # Waiting from before its target until the end of the file.
    *log_case("INC07", "23/03/2016 08:00", ("23/03/2016 08:00", "Awaiting User")),
]


def write(folder: Path, header: str, rows: list[str], name: str = "file.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes("".join(f"{row}\n" for row in [header, *rows]).encode(encoding))
    return path


def a_map(text: str, name: str = "synthetic", **changes: str) -> CaseMap:
    """A map, with some of its words exchanged."""
    for before, after in changes.items():
        text = text.replace(before, after)
    return read_map(tomllib.loads(text), name=name)


ONE_DAY = """
[calendar.weekdays]
timezone = "America/New_York"
open = { "2011-07-05" = ["08:00-18:00"] }
"""


def one_day_map(name: str = "synthetic") -> CaseMap:
    """The city's map with four hours for a bench, on a calendar that is open on one day only."""
    before, _calendar, after = CITY_MAP.partition("[calendar.weekdays]")
    text = before + ONE_DAY + after[after.index("[promise.resolve]") :]
    return a_map(text.replace('"2wd@same"', '"4h"'), name)
