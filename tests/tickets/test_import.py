"""Importing files: what goes in, what is refused and why, and that nothing is lost, guessed or sent."""

from __future__ import annotations

import gzip
import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from cases.models import CaseEvent, Category, ExternalReference
from cases.services import verify_timeline
from cases.states import ClockState
from common.csv_rows import Broken, open_text, rows
from notifications.models import Message
from sla.models import CalendarVersion, Deadline, PolicyVersion, Timer
from tests import builders
from tests.tickets import files
from tests.tickets.files import CITY_HEADER, CITY_MAP, CITY_ROWS, LOG_HEADER, LOG_MAP, LOG_ROWS
from tickets import ending
from tickets.importing import bulk
from tickets.importing.bulk import import_file
from tickets.importing.maps import SHIPPED, MapError, load_map
from tickets.models import Ticket
from tickets.states import State

pytestmark = pytest.mark.django_db

FORMAT = "%Y-%m-%d %H:%M:%S"


def brought(folder, rows=CITY_ROWS, *, text=CITY_MAP, header=CITY_HEADER, write=True, **options):
    return import_file(files.write(folder, header, rows, **options), files.a_map(text), write=write)


def ticket_of(number):
    return Ticket.objects.get(pk=ExternalReference.objects.get(source="synthetic", number=number).case_id)


def reasons(report):
    return {broken.line: broken.reason for broken in report.broken}


# --- what goes in --------------------------------------------------------------------------------------------------


def test_cases_come_in_with_their_true_times_and_nothing_is_sent(tmp_path):
    builders.person("lead")
    report = brought(tmp_path)
    assert (report.rows, report.imported, report.broken) == (7, 7, [])
    bench = ticket_of("0071")
    assert (bench.state, bench.channel, bench.type, bench.imported) == ("closed", "phone", "service_request", True)
    assert bench.received_at == datetime(2011, 7, 5, 14, tzinfo=UTC)
    assert bench.resolved_at == bench.closed_at == datetime(2011, 7, 7, 14, tzinfo=UTC)
    assert bench.clock_state == ClockState.MET
    assert ticket_of("0072").clock_state == ClockState.MISSED
    assert bench.category.code.startswith("import.synthetic.broken-bench")
    moments = list(bench.events.values_list("kind", "at"))
    assert moments == [
        ("opened", bench.received_at),
        ("clocks_started", bench.received_at),
        ("resolved", bench.closed_at),
        ("clocks_stopped", bench.closed_at),
        ("closed", bench.closed_at),
    ]
    assert verify_timeline(bench) == []
    assert not Message.objects.exists()


def test_what_is_open_and_missed_shows_it_without_telling_anybody_again(tmp_path):
    brought(tmp_path)
    leaves = ticket_of("0074")
    assert (leaves.state, leaves.clock_state) == ("new", ClockState.RUNNING)
    assert leaves.sort_due_at == datetime(2011, 8, 8, 12, tzinfo=UTC)
    assert leaves.events.get(kind="promise_breach").at == leaves.sort_due_at
    assert leaves.subject == "Leaves, and more leaves"
    assert not Timer.objects.filter(case=leaves).exists()


def test_a_type_without_a_limit_is_promised_nothing(tmp_path):
    brought(tmp_path)
    glove = ticket_of("0075")
    assert not Deadline.objects.filter(case=glove).exists()
    assert glove.clock_state == ClockState.NONE


def test_policy_and_calendar_are_versions_of_their_own(tmp_path):
    builders.house()
    house = PolicyVersion.objects.get(scope="")
    brought(tmp_path)
    brought(tmp_path)
    assert PolicyVersion.objects.filter(scope="synthetic").count() == 1
    assert CalendarVersion.objects.filter(name="import-synthetic-weekdays").count() == 1
    ordinary = builders.ticket(builders.person())
    assert {deadline.rule.version for deadline in Deadline.objects.filter(case=ordinary)} == {house}
    changed = CITY_MAP.replace("2wd@same", "3wd@same")
    brought(tmp_path, ["0099,2011-07-05 10:00:00,,,Bench again,Broken bench,Call"], text=changed)
    assert PolicyVersion.objects.filter(scope="synthetic").count() == 2
    assert Deadline.objects.get(case=ticket_of("0099")).limits == ["3wd@same"]
    assert Deadline.objects.get(case=ticket_of("0071")).limits == ["2wd@same"]


def test_running_it_again_adds_nothing(tmp_path):
    brought(tmp_path)
    before = list(CaseEvent.objects.values_list("hash", flat=True))
    report = brought(tmp_path)
    assert (report.imported, report.present, report.updated) == (0, 7, 0)
    assert list(CaseEvent.objects.values_list("hash", flat=True)) == before


def test_a_closing_time_that_arrived_since_closes_what_is_open_here(tmp_path):
    brought(tmp_path)
    later = [row.replace("08:00:00,,", "08:00:00,2011-08-01 10:00:00,") for row in CITY_ROWS]
    report = brought(tmp_path, later)
    assert (report.imported, report.present, report.updated) == (0, 7, 1)
    leaves = ticket_of("0074")
    assert (leaves.state, leaves.closed_at) == ("closed", datetime(2011, 8, 1, 14, tzinfo=UTC))
    # It was answered in time, though we hear of it late: the verdict follows the instants.
    assert leaves.clock_state == ClockState.MET
    assert leaves.events.filter(kind="verdict_corrected").exists()
    assert verify_timeline(leaves) == []
    assert brought(tmp_path, later).updated == 0


def test_what_people_ended_here_stays_ended(tmp_path):
    brought(tmp_path)
    ending.cancel_ticket(ticket_id=ticket_of("0074").pk, reason="swept by the wind", by=None)
    later = [row.replace("08:00:00,,", "08:00:00,2011-08-01 10:00:00,") for row in CITY_ROWS]
    assert brought(tmp_path, later).updated == 0
    assert ticket_of("0074").state == State.CANCELLED


def test_further_events_of_a_log_are_walked_on(tmp_path):
    first = [row for row in LOG_ROWS if row.startswith("INC01")]
    brought(tmp_path, first[:2], text=LOG_MAP, header=LOG_HEADER)
    assert ticket_of("INC01").state == State.IN_PROGRESS
    report = brought(tmp_path, first, text=LOG_MAP, header=LOG_HEADER)
    assert (report.present, report.updated) == (1, 1)
    incident = ticket_of("INC01")
    assert (incident.state, incident.closed_at) == ("closed", datetime(2016, 3, 13, 10, tzinfo=UTC))
    assert verify_timeline(incident) == []
    assert brought(tmp_path, first, text=LOG_MAP, header=LOG_HEADER).updated == 0


def test_a_dry_run_says_what_would_happen_and_writes_nothing(tmp_path):
    wrong = [*CITY_ROWS, "0080,yesterday,,,A title,Broken bench,Call"]
    dry = brought(tmp_path, wrong, write=False)
    for model in (Ticket, ExternalReference, PolicyVersion, CalendarVersion, Category, Deadline, CaseEvent):
        assert not model.objects.exists(), model
    wet = brought(tmp_path, wrong)
    assert list(dry.lines(dry_run=False)) == list(wet.lines(dry_run=False))
    assert "7 cases would be imported" in list(dry.lines(dry_run=True))
    assert brought(tmp_path, wrong, write=False).present == 7


def test_a_dry_run_finds_what_no_path_leads_to(tmp_path):
    log = files.log_case("INC01", "07/03/2016 09:00", ("07/03/2016 09:00", "Active"), ("07/03/2016 10:00", "New"))
    assert reasons(brought(tmp_path, log, text=LOG_MAP, header=LOG_HEADER, write=False)).keys() == {3}


def test_a_state_without_a_time_needs_to_know_when_the_file_was_written(tmp_path):
    text = """
[source]
timezone = "Europe/Berlin"
external_id = "id"
{as_of}
[columns]
received_at = {{ column = "at", format = "iso" }}
state = "status"
[values.state]
"Done" = "closed"
"Open" = "new"
"Away" = "pending"
"""
    header, lines = "id,at,status", ["1,2020-01-01T10:00,Done", "2,2020-01-01T10:00,Open", "3,2020-01-01T10:00,Away"]
    without = brought(tmp_path, lines, header=header, text=text.format(as_of=""))
    assert "as_of" in reasons(without)[2]
    report = brought(tmp_path, lines, header=header, text=text.format(as_of='as_of = "2020-02-01T00:00"'))
    assert report.imported == 1
    assert (ticket_of("1").state, ticket_of("1").closed_at) == ("closed", datetime(2020, 1, 31, 23, tzinfo=UTC))
    assert {ticket_of("2").state, ticket_of("3").state} == {"new", "pending"}


def test_owners_and_teams_we_know_have_the_case_and_others_are_named(tmp_path):
    agent = builders.person("agent", "zhang", team=builders.team("lines"))
    text = LOG_MAP.replace('state = "state"', 'state = "state"\nowner = "resolved_at"\nteam = "closed_at"')
    row = "INC0{0},{1},07/03/2016 09:00,07/03/2016 1{2}:00,3,{3},{4}"
    lines = [
        row.format(1, "Active", 0, "", ""),
        row.format(1, "Active", 1, "zhang", "lines"),
        row.format(2, "New", 0, "zhang", ""),
        row.format(2, "New", 1, "zhang", ""),
        row.format(3, "New", 0, "nobody", "nowhere"),
    ]
    report = brought(tmp_path, lines, text=text, header=LOG_HEADER)
    assert report.broken == []
    assert [ticket_of(number).owner for number in ("INC01", "INC02", "INC03")] == [agent, agent, None]
    assert (ticket_of("INC01").team, ticket_of("INC02").state) == (agent.team, "assigned")
    assert [line.rpartition(": ")[2] for line in report.strangers] == ["nowhere", "nobody"]


def test_who_worked_on_it_elsewhere_cannot_sign_in_here(tmp_path):
    brought(tmp_path, LOG_ROWS, text=LOG_MAP, header=LOG_HEADER)
    owner = ticket_of("INC01").owner
    assert (owner.username, owner.is_active, owner.has_usable_password()) == ("import.synthetic", False, False)


# --- any CSV -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_line_ends_and_gzip(tmp_path, encoding, ending, packed):
    text = ending.join(
        [
            CITY_HEADER,
            f'0071,2011-07-05 10:00:00,,,"长椅“坏”了,{ending}就在湖边",Broken bench,Call',
            "0072,2011,,,x,y,Call",
            "",
        ]
    )
    path = tmp_path / "file.any"
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if packed else content)
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    case_map = files.a_map(CITY_MAP.replace('external_id = "id"', f'external_id = "id"\nencoding = "{name}"'))
    report = import_file(path, case_map)
    assert ticket_of("0071").subject == "长椅“坏”了, 就在湖边"
    # The line is that of the file as an editor counts it, past the line break within a field.
    assert reasons(report).keys() == {4}


def test_bytes_that_are_no_text_cost_their_row_alone(tmp_path):
    path = tmp_path / "file.csv"
    good = "0072,2011-07-05 10:00:00,,,Bench,Broken bench,Call\n"
    path.write_bytes(f"{CITY_HEADER}\n".encode() + b"0071,2011-07-05 10:00:00,,,\xff\xfe,x,Call\n" + good.encode())
    report = import_file(path, files.a_map(CITY_MAP))
    assert reasons(report) == {2: "bytes that are not text in the stated encoding"}
    assert report.imported == 1


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(tmp_path):
    lines = [CITY_ROWS[0], '0080,2011-07-05 10:00:00,,,"Open end,Broken bench,Call', *CITY_ROWS[1:3]]
    report = brought(tmp_path, lines)
    assert report.imported == 3
    assert reasons(report) == {3: "not CSV: unexpected end of data"}
    swallowing = '0081,2011-07-05 10:00:00,,,Bench,", or chair",Call'
    report = brought(tmp_path, [*lines[:2], *CITY_ROWS[5:7], swallowing])
    assert report.imported == 3
    assert reasons(report) == {3: "not CSV: a quote is never closed"}
    closed_by_the_next = [CITY_ROWS[0], '0080,2011-07-05 10:00:00,,,"Open end,Broken bench,Call', *CITY_ROWS[3:5]]
    report = brought(tmp_path, closed_by_the_next)
    assert report.imported == 2
    assert list(reasons(report)) == [3]


def test_rows_that_cannot_be_taken_are_named_and_the_rest_goes_in(tmp_path):
    lines = [
        ",2011-07-05 10:00:00,,,No number,Broken bench,Call",
        "0081,05/07/2011 10:00,,,Another order of day and month,Broken bench,Call",
        "0082,,,,Never received,Broken bench,Call",
        "0083,2011-07-05 10:00:00,,2011-07-05 09:00:00,Closed before it began,Broken bench,Call",
        "0084,2011-07-05 10:00:00,,,An unknown channel,Broken bench,Pigeon",
        "0085,2011-07-05 10:00:00,,,Too few",
        "0086,2031-07-05 10:00:00,,,From the future,Broken bench,Call",
        "",
        CITY_ROWS[0],
        CITY_ROWS[0],
    ]
    report = brought(tmp_path, lines)
    assert report.imported == 1
    assert reasons(report) == {
        2: "no number in id",
        3: f"received_at: '05/07/2011 10:00' is not a time written {FORMAT}",
        4: "no time of receipt",
        5: "closed_at lies before received_at",
        6: "channel: there is no [values.channel] for 'Pigeon'",
        7: "5 fields where the header has 7",
        8: "2031-07-05 14:00 UTC lies in the future",
        11: "the number 0071 is also on line 10",
    }


def test_instants_that_no_clock_reckons_with_cost_their_row_alone(tmp_path):
    text = CITY_MAP.split("[promise.resolve]")[0] + '[promise.resolve]\ndue = "target"\n'
    lines = [
        "0081,0001-01-01 00:00:00,,,A sentinel,Broken bench,Call",
        "0082,1825-01-01 00:00:00,,,A slip of the pen,Broken bench,Call",
        "0083,2011-07-05 10:00:00,9999-12-31 00:00:00,,No target,Broken bench,Call",
        "0084,2011-07-05 10:00:00,2197-01-01 00:00:00,,No target,Broken bench,Call",
        CITY_ROWS[0],
    ]
    report = brought(tmp_path, lines, text=text)
    assert report.imported == 1
    assert reasons(report) == {
        2: "received_at: '0001-01-01 00:00:00' lies outside the years 1904 to 2196",
        3: "received_at: '1825-01-01 00:00:00' lies outside the years 1904 to 2196",
        4: "promise.resolve: '9999-12-31 00:00:00' lies outside the years 1904 to 2196",
        5: "promise.resolve: '2197-01-01 00:00:00' lies outside the years 1904 to 2196",
    }


def test_a_promise_whose_calendar_ends_costs_its_case_alone(tmp_path):
    late = "0090,2011-07-05 17:00:00,,,Four hours begun too late,Broken bench,Call"
    path = files.write(tmp_path, CITY_HEADER, [CITY_ROWS[0], late])
    for write in (False, True):
        report = import_file(path, files.one_day_map(), write=write)
        assert report.imported == 1
        assert "no answer within three years" in reasons(report)[3]
    assert Ticket.objects.get() == ticket_of("0071")
    assert ticket_of("0071").clock_state == ClockState.MISSED


@pytest.mark.parametrize(
    ("encoding", "cell", "reason"),
    [
        ("utf-8", b"a\x00b", "a NUL in the text"),
        ("utf-8", b"\xed\xa0\x80", "bytes that are not text"),
        ("utf-7", b"+2AA-", "half a character"),
        ("utf-16-le", b"\x00\xd8", "bytes that are not text"),
    ],
)
def test_text_that_no_database_takes_costs_its_row_alone(tmp_path, encoding, cell, reason):
    before, after = (
        part.encode(encoding)
        for part in (f"{CITY_HEADER}\n1,2011-07-05 10:00:00,,,", f",Lost glove,Call\n{CITY_ROWS[0]}\n")
    )
    path = tmp_path / "file.csv"
    path.write_bytes(before + cell + after)
    report = import_file(path, files.a_map(CITY_MAP.replace('mode = "case"', f'encoding = "{encoding}"')))
    assert report.imported == 1
    assert [(line, why[: len(reason)]) for line, why in reasons(report).items()] == [(2, reason)]


def test_leading_zeros_and_the_stated_order_of_day_and_month_survive(tmp_path):
    text = CITY_MAP.replace(FORMAT, "%d/%m/%Y %H:%M")
    report = brought(tmp_path, ["000071,05/07/2011 10:00,,,Bench,Broken bench,Call"], text=text)
    assert report.imported == 1
    assert ticket_of("000071").received_at == datetime(2011, 7, 5, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2011-03-13 02:30:00", datetime(2011, 3, 13, 7, 30, tzinfo=UTC)),  # skipped: 03:30 daylight time
        ("2011-11-06 01:30:00", datetime(2011, 11, 6, 5, 30, tzinfo=UTC)),  # twice: the first
        ("2011-11-06 02:30:00", datetime(2011, 11, 6, 7, 30, tzinfo=UTC)),
    ],
)
def test_local_times_that_are_missing_move_forward_and_double_ones_are_the_first(tmp_path, local, instant):
    brought(tmp_path, [f"1,{local},,,Bench,Broken bench,Call"])
    assert ticket_of("1").received_at == instant


def test_another_delimiter_and_a_long_subject(tmp_path):
    text = CITY_MAP.replace('mode = "case"', 'mode = "case"\ndelimiter = ";"')
    line = f"1;2011-07-05 10:00:00;;;{'word ' * 60};Broken bench;Call"
    assert brought(tmp_path, [line], text=text, header=CITY_HEADER.replace(",", ";")).imported == 1
    long = ticket_of("1")
    assert (len(long.subject), long.subject[-1]) == (200, "…")
    assert long.description == " ".join(["word"] * 60)
    assert long.notes.get().body == long.description


def test_what_a_long_subject_loses_stands_before_the_description(tmp_path):
    text = CITY_MAP.replace('subject = "title"', 'subject = "title"\ndescription = "source"\nchannel = "target"')
    text = text.replace('channel = "source"\n', "")
    words = " ".join(["word"] * 60)
    brought(
        tmp_path,
        [
            f"1,2011-07-05 10:00:00,App,,{words},Broken bench,It creaks.",
            f"2,2011-07-05 10:00:00,App,,{words},Broken bench,{words} and so on",
        ],
        text=text,
    )
    assert ticket_of("1").description == f"{words}\n\nIt creaks."
    assert ticket_of("2").description == f"{words} and so on"


def damaged(folder, how):
    """A packed file of 600 rows that no two bytes of repeat, hurt near its end."""
    names = (hashlib.sha256(str(n).encode()).hexdigest() for n in range(600))
    lines = [CITY_HEADER, *(f"{n},2011-07-05 10:00:00,,,{name},Lost glove,Call" for n, name in enumerate(names))]
    packed = bytearray(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    if how == "cut":
        del packed[-2000:]
    elif how == "flipped":
        packed += packed[:10] + b"\x07" + bytes(100)  # a second part, whose first block is of no kind there is
    else:
        packed[-6] ^= 1
    path = folder / "file.csv.gz"
    path.write_bytes(packed)
    return path


@pytest.mark.parametrize(
    ("how", "least", "reason"),
    [
        ("cut", 200, "the gzip file ends in the middle"),
        ("flipped", 600, "the gzip file is damaged: Error -3"),
        ("checksum", 600, "the gzip file is damaged: CRC check failed"),
    ],
)
def test_of_a_damaged_file_what_comes_before_is_kept_and_the_command_fails(tmp_path, how, least, reason):
    (tmp_path / "city.toml").write_text(CITY_MAP)
    out = io.StringIO()
    with pytest.raises(CommandError, match=rf"could not be read to its end; line \d+: {reason}"):
        call_command("import_cases", damaged(tmp_path, how), map=str(tmp_path / "city.toml"), stdout=out)
    taken = ExternalReference.objects.count()
    assert taken >= least
    assert f"{taken} cases imported" in out.getvalue()
    assert f"  line {taken + 2}: {reason}" in out.getvalue()


def test_a_packed_file_of_which_nothing_can_be_read_fails(tmp_path):
    (tmp_path / "city.toml").write_text(CITY_MAP)
    (tmp_path / "file.csv.gz").write_bytes(gzip.compress(CITY_HEADER.encode())[:12])
    with pytest.raises(CommandError, match="line 1: the gzip file ends in the middle"):
        call_command("import_cases", tmp_path / "file.csv.gz", map=str(tmp_path / "city.toml"), stdout=io.StringIO())


def test_lines_are_counted_as_an_editor_counts(tmp_path):
    path = tmp_path / "file.csv"
    path.write_bytes(b'a,b\n1,"x\ny\nz"\n\n2,"bad"quote\n3,c\n')
    with open_text(path, "utf-8") as text:
        found = list(rows(text, ","))
    assert [line for line, _row in found] == [1, 2, 6, 7]
    assert isinstance(found[2][1], Broken)


# --- maps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("[source]", "[source]\ncolour = 1", "source.colour"),
        ("[columns]", "[columns]\nmood = 'x'", "columns.mood"),
        ('by = "type"', 'by = "type"\nbay = "type"', "promise.resolve.bay"),
        ('timezone = "America/New_York"\nexternal', "external", "source.timezone"),
        ('timezone = "America/New_York"\nexternal', 'timezone = "Boston"\nexternal', "'Boston' is not a time zone"),
        ('external_id = "id"', "", "source.external_id"),
        ('mode = "case"', 'mode = "row"', "source.mode"),
        ('mode = "case"', 'mode = "event"', "columns.closed_at has no place"),
        ('column = "opened", format = "%Y-%m-%d %H:%M:%S"', 'column = "opened"', "day and month is never guessed"),
        ('"Call" = "phone"', '"Call" = "telegraph"', "'telegraph'"),
        ('by = "type"', 'due = "target"', "not both"),
        ('"2wd@same"', '"two days"', "promise.resolve.limits.Broken bench: 'two days' is not a limit"),
        ('calendar = "weekdays"', 'calendar = "weekends"', "weekends"),
        ('type = "service_request"', 'type = "wish"', "'wish'"),
        ('"00:00-24:00"', '"24:00-00:00"', "weekdays"),
        ('mode = "case"', 'encoding = "base64"', "source.encoding: 'base64' is not an encoding"),
        ('mode = "case"', 'encoding = "rot13"', "source.encoding: 'rot13' is not an encoding"),
        ('mode = "case"', 'encoding = "hex"', "source.encoding: 'hex' is not an encoding"),
        ('mode = "case"', 'encoding = "unicode_escape"', "source.encoding: 'unicode_escape' is not an encoding"),
        ('mode = "case"', "delimiter = '\"'", "source.delimiter"),
        ('mode = "case"', f'name = "{"x" * 41}"', "source.name: 'xxx"),
        ('mode = "case"', 'name = ""', "source.name: ''"),
        ('mode = "case"', 'as_of = "0001-01-01T00:00"', "source.as_of: '0001-01-01T00:00' lies outside the years"),
        ('mode = "case"', 'as_of = "2196-01-01T00:00"', "source.as_of: 2196-01-01 .* lies in the future"),
        ("[promise.resolve]", f"[promise.{'p' * 41}]", "ppp.*the name of a promise has 1 to 40 characters"),
        ("[calendar.weekdays]", f"[calendar.{'c' * 50}]", "calendar 'import-synthetic-ccc.*a name has 1 to 60"),
        ('title"', 'title\\u0000"', "columns.subject has a NUL in it"),
        (FORMAT, "%Y-%m-%d %Q", "cannot be read: 'Q' is a bad directive"),
        (FORMAT, "%Y %Y", "cannot be read"),
        (FORMAT, "%H:%M", "says no day and year"),
        (FORMAT, f"{FORMAT} %Z", "names of zones mean too many things"),
        (
            "\n\n[values.channel]",
            '\nstate = "title"\n[values.state]\n"Wait" = "pending:lunch"\n[values.channel]',
            "'lunch' is not a reason to be pending, only documents, customer_time",
        ),
        ('by = "type"', 'by = "source"', "limits: 'Broken bench' is no channel of ours"),
    ],
)
def test_a_map_is_refused_with_the_reason(tmp_path, before, after, complaint):
    assert before in CITY_MAP
    with pytest.raises(MapError, match=complaint.replace("[", r"\[")):
        brought(tmp_path, text=CITY_MAP.replace(before, after))
    assert not Ticket.objects.exists()


def test_all_that_is_wrong_with_a_map_is_said_at_once():
    text = CITY_MAP.replace("[source]", "[source]\ncolour = 1").replace('mode = "case"', 'mode = "row"')
    with pytest.raises(MapError, match=r"(?s)source\.colour.*source\.mode"):
        files.a_map(text)


def test_missing_columns_are_named_at_once(tmp_path):
    with pytest.raises(MapError, match="the file has no column closed, type"):
        brought(tmp_path, header=CITY_HEADER.replace("closed", "shut").replace("type", "sort"))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_maps_are_good(path):
    assert load_map(path).name == path.stem


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_bring_every_case_in_once(tmp_path, monkeypatch):
    path, real, together = files.write(tmp_path, CITY_HEADER, CITY_ROWS), bulk._Chunk._bring_in, threading.Barrier(2)

    def meeting(chunk, fresh):
        with suppress(threading.BrokenBarrierError):
            together.wait(1)  # they would meet here, both of the opinion that nothing is there yet
        real(chunk, fresh)

    monkeypatch.setattr(bulk._Chunk, "_bring_in", meeting)

    def run(_number):
        try:
            return import_file(path, files.a_map(CITY_MAP))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(run, range(2)))
    assert sorted((report.imported, report.present) for report in reports) == [(0, 7), (7, 0)]
    assert Ticket.objects.count() == ExternalReference.objects.count() == 7


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_reports_and_fails_only_when_nothing_could_be_taken(tmp_path):
    (tmp_path / "city.toml").write_text(CITY_MAP)
    path = files.write(tmp_path, CITY_HEADER, [*CITY_ROWS, *(f"x{n},soon,,,Title,Type,Call" for n in range(25))])
    out = io.StringIO()
    call_command("import_cases", path, map=str(tmp_path / "city.toml"), stdout=out)
    said = out.getvalue().splitlines()
    assert said[:4] == ["32 rows read", "7 cases imported", "0 were there already", "25 rows broken"]
    assert said[4] == f"  line 10: received_at: 'soon' is not a time written {FORMAT}"
    assert [line.split(":")[0] for line in said[4:]] == [f"  line {n}" for n in range(10, 35)]
    nothing = files.write(tmp_path, CITY_HEADER, ["x,soon,,,Title,Type,Call"], "nothing.csv")
    with pytest.raises(CommandError, match="nothing could be imported"):
        call_command("import_cases", nothing, map=str(tmp_path / "city.toml"), stdout=out)
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_cases", tmp_path / "gone.csv", map="city_requests", stdout=out)
