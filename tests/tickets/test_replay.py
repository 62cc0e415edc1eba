"""Replays of synthetic logs: the same verdicts whatever the tick, and as the bulk import has them."""

from __future__ import annotations

import csv
import gzip
import io
import os
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from cases.models import ExternalReference
from cases.services import verify_timeline
from common import clock
from notifications.models import Message
from sla.models import Deadline, Timer
from sla.states import DeadlineState
from tests.conftest import ROOT
from tests.tickets import files
from tests.tickets.files import CITY_HEADER, CITY_MAP, CITY_ROWS, LOG_HEADER, LOG_MAP, LOG_ROWS, log_case, one_day_map
from tickets.importing.bulk import import_file
from tickets.importing.replay import Replay, verdicts
from tickets.importing.walk import path
from tickets.management.commands import replay
from tickets.models import Ticket
from tickets.states import State

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
END = datetime(2016, 4, 1, tzinfo=UTC)


def told(path, case_map, *, tick=HOUR, until=END):
    replay = Replay(path, case_map, tick=tick)
    return replay.run(until=until)


def bulk(path, case_map, *, until=END):
    with clock.simulated(until):
        return import_file(path, case_map)


def judged(name, until=END):
    """Everything a verdict is made of, without our own numbers."""
    return {
        (line.external, line.promise, line.cycle): (
            line.due,
            line.stopped,
            line.verdict,
            line.missed_at,
            line.pauses,
            line.paused,
        )
        for line in verdicts(name, until=until)
    }


def ticket_of(number, source="synthetic"):
    return Ticket.objects.get(pk=ExternalReference.objects.get(source=source, number=number).case_id)


def timeline(number, source):
    """The facts of a case as they happened, breaches left out: with a slow tick they are not always noticed."""
    events = ticket_of(number, source).events.order_by("seq")
    return Counter((event.kind, event.at) for event in events if not event.kind.startswith("promise_"))


def test_every_tick_and_the_bulk_import_give_the_same_verdicts(tmp_path):
    log = files.write(tmp_path, LOG_HEADER, LOG_ROWS)
    found = []
    for name, tick in (("minute", MINUTE), ("hour", HOUR), ("day", DAY), ("month", 31 * DAY)):
        assert not told(log, files.a_map(LOG_MAP, name), tick=tick).broken
        found.append(judged(name))
        Timer.objects.all().delete()
    assert not bulk(log, files.a_map(LOG_MAP, "bulk")).broken
    assert found[0] == found[1] == found[2] == found[3] == judged("bulk")
    # Reckoned by hand.
    assert {(number, cycle): (f"{line[0]:%d %H:%M}", line[2]) for (number, _p, cycle), line in found[0].items()} == {
        ("INC01", 1): ("09 01:00", "met"),
        ("INC02", 1): ("15 01:00", "missed"),
        ("INC03", 1): ("21 11:00", "met"),
        ("INC04", 1): ("09 04:00", "met"),
        ("INC04", 2): ("10 04:00", "missed"),
        ("INC05", 1): ("17 12:00", "missed"),
        ("INC06", 1): ("08 08:00", "missed"),
        ("INC07", 1): ("30 00:00", "missed"),
    }


def test_the_bulk_import_writes_what_the_services_write(tmp_path):
    log = files.write(tmp_path, LOG_HEADER, LOG_ROWS)
    told(log, files.a_map(LOG_MAP, "told"), tick=MINUTE)
    bulk(log, files.a_map(LOG_MAP, "bulk"))
    columns = [
        "state", "type", "channel", "subject", "urgency", "severity", "priority", "received_at", "resolved_at",
        "closed_at", "closed_because", "cycle", "version", "sort_due_at", "clock_state", "clock_left", "clock_warn",
        "pause_reason", "resolution", "verified", "imported", "tier", "unanswered",
    ]  # fmt: skip
    for number in sorted(ExternalReference.objects.filter(source="told").values_list("number", flat=True)):
        one, other = ticket_of(number, "told"), ticket_of(number, "bulk")
        for column in columns:
            ours = str(getattr(other, column)).replace("bulk", "told")
            assert ours == str(getattr(one, column)), (number, column)
        assert timeline(number, "told") == timeline(number, "bulk")
        assert verify_timeline(one) == verify_timeline(other) == []
        fields = ["promise", "cycle", "state", "limits", "started_at", "carried", "due_at", "stopped_at", "pauses"]
        deadlines = [list(Deadline.objects.filter(case=case).values(*fields)) for case in (one, other)]
        assert deadlines[0] == deadlines[1], number
        timers = [list(Timer.objects.filter(case=case).values("fire_at", "try_at", "handler")) for case in (one, other)]
        assert timers[0] == timers[1], number
    assert not Message.objects.exclude(channel="in_app").exists()


def test_city_requests_are_the_same_told_and_in_bulk(tmp_path):
    requests = files.write(tmp_path, CITY_HEADER, CITY_ROWS)
    until = datetime(2011, 12, 1, tzinfo=UTC)
    told(requests, files.a_map(CITY_MAP, "told"), tick=DAY, until=until)
    bulk(requests, files.a_map(CITY_MAP, "bulk"), until=until)
    assert judged("told", until) == judged("bulk", until)
    assert {number: line[2] for (number, _promise, _cycle), line in judged("told", until).items()} == {
        "0071": "met",
        "0072": "missed",
        "0073": "met",
        "0074": "missed",
        "0076": "missed",
        "0077": "met",
    }


def test_given_targets_are_pinned_and_a_case_without_one_is_promised_nothing(tmp_path):
    requests = files.write(tmp_path, CITY_HEADER, CITY_ROWS)
    text = CITY_MAP.split("[promise.resolve]")[0] + '[promise.resolve]\ndue = "target"\nstop = "resolved"\n'
    until = datetime(2011, 12, 1, tzinfo=UTC)
    told(requests, files.a_map(text, "told"), until=until)
    bulk(requests, files.a_map(text, "bulk"), until=until)
    assert judged("told", until) == judged("bulk", until)
    assert len(judged("told", until)) == 6
    deadline = Deadline.objects.get(case=ticket_of("0071", "told").pk)
    assert deadline.pinned_at == deadline.due_at == datetime(2011, 7, 7, 14, tzinfo=UTC)
    assert deadline.limits == ["48h"]


def test_a_pause_ends_at_its_cap_even_where_the_sweep_comes_too_late(tmp_path):
    told(files.write(tmp_path, LOG_HEADER, LOG_ROWS), files.a_map(LOG_MAP), tick=31 * DAY)
    pauses = Deadline.objects.get(case=ticket_of("INC02")).pauses
    assert [pause[:2] for pause in pauses] == [
        ["2016-03-07T12:00:00+00:00", "2016-03-08T12:00:00+00:00"],
        ["2016-03-09T10:00:00+00:00", "2016-03-14T10:00:00+00:00"],
    ]
    pauses = Deadline.objects.get(case=ticket_of("INC03")).pauses
    assert [pause[:2] for pause in pauses] == [
        ["2016-03-07T12:00:00+00:00", "2016-03-12T12:00:00+00:00"],
        ["2016-03-12T20:00:00+00:00", "2016-03-17T20:00:00+00:00"],
    ]


def test_nothing_looks_ahead(tmp_path):
    """Whatever the log says later, up to an instant it is the same story; the final values on each row are not read."""
    early = datetime(2016, 3, 10, tzinfo=UTC)
    cut = [
        row for row in LOG_ROWS if datetime.strptime(row.split(",")[3], "%d/%m/%Y %H:%M").replace(tzinfo=UTC) <= early
    ]
    told(files.write(tmp_path, LOG_HEADER, LOG_ROWS), files.a_map(LOG_MAP, "whole"), until=early)
    Timer.objects.all().delete()
    blank = [",".join([*row.split(",")[:5], "", ""]) for row in cut]
    told(files.write(tmp_path, LOG_HEADER, blank, "cut.csv"), files.a_map(LOG_MAP, "cut"), until=early)
    assert judged("whole", early) == judged("cut", early)
    assert ticket_of("INC01", "whole").closed_at is None
    assert not ExternalReference.objects.filter(source="whole", number="INC07").exists()


@pytest.mark.parametrize(
    ("start", "goal", "steps"),
    [
        ("new", "closed", ("resolve", "close")),
        ("closed", "pending", ("reopen", "wait")),
        ("resolved", "held", ("reopen", "hold")),
        ("new", "in_progress", ("start",)),
        ("in_progress", "in_progress", ()),
        ("pending", "in_review", ("resume", "submit_for_review")),
        ("in_review", "resolved", ("pass_review", "resolve")),
        ("in_progress", "assigned", ("return_to_dispatcher", "assign")),
        ("in_progress", "new", None),
        ("cancelled", "in_progress", None),
        ("new", "merged", None),
    ],
)
def test_the_walk_takes_the_shortest_legal_path(start, goal, steps):
    assert path(start, goal) == steps


def test_every_state_a_file_may_name_is_reached_from_new():
    reached = {state for state in State if path(State.NEW, state) is not None}
    assert reached == set(State) - {State.MERGED}


def test_what_has_no_path_is_reported_by_line_and_the_rest_goes_on(tmp_path):
    rows = [
        *log_case(
            "INC01",
            "07/03/2016 09:00",
            ("07/03/2016 09:05", "Active"),
            ("07/03/2016 10:00", "New"),
            ("08/03/2016 10:00", "Closed"),
        ),
        *log_case(
            "INC02",
            "07/03/2016 09:00",
            ("07/03/2016 09:05", "Closed"),
            ("09/05/2016 09:00", "Active"),
            ("10/05/2016 09:00", "Closed"),
        ),
    ]
    log, until = files.write(tmp_path, LOG_HEADER, rows), datetime(2016, 6, 1, tzinfo=UTC)
    for report in (told(log, files.a_map(LOG_MAP), until=until), bulk(log, files.a_map(LOG_MAP, "bulk"), until=until)):
        assert [broken.line for broken in report.broken] == [3, 6]
        assert "30" in report.broken[1].reason
    assert {ticket_of(number).state for number in ("INC01", "INC02")} == {State.CLOSED}
    assert judged("synthetic", until) == judged("bulk", until)


def test_rows_out_of_order_are_taken_at_the_time_of_the_row_above(tmp_path):
    rows = log_case(
        "INC01",
        "07/03/2016 09:00",
        ("07/03/2016 08:00", "New"),
        ("07/03/2016 11:00", "Active"),
        ("07/03/2016 10:00", "Awaiting User"),
        ("07/03/2016 12:00", "Resolved"),
    )
    log = files.write(tmp_path, LOG_HEADER, rows)
    report = told(log, files.a_map(LOG_MAP))
    assert report.notes.counts == {
        "dated before the case was opened: taken at its opening": 1,
        "dated before the row above it: taken at its time": 1,
    }
    deadline = Deadline.objects.get(case=ticket_of("INC01"))
    assert [pause[:2] for pause in deadline.pauses] == [["2016-03-07T11:00:00+00:00", "2016-03-07T12:00:00+00:00"]]
    bulk(log, files.a_map(LOG_MAP, "bulk"))
    assert judged("synthetic") == judged("bulk")


def test_open_cases_are_judged_at_until(tmp_path):
    log = files.write(tmp_path, LOG_HEADER, log_case("INC01", "07/03/2016 09:00", ("07/03/2016 09:05", "Active")))
    due = datetime(2016, 3, 9, 1, tzinfo=UTC)
    told(log, files.a_map(LOG_MAP), until=due)
    assert judged("synthetic", due)["INC01", "resolve", 1][2] == "open"
    assert judged("synthetic", due + timedelta(microseconds=1))["INC01", "resolve", 1][2] == "missed"
    assert Deadline.objects.get().state == DeadlineState.RUNNING


def replay_here(monkeypatch, *arguments):
    """The command as it is run, but in the tests' own database."""
    monkeypatch.setattr(replay, "scratch_database", lambda keep: nullcontext(""))
    out = io.StringIO()
    call_command("replay", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_what_is_read_is_never_written_over(tmp_path, monkeypatch):
    requests = files.write(tmp_path, CITY_HEADER, CITY_ROWS)
    before = requests.read_bytes()
    (tmp_path / "city.toml").write_text(CITY_MAP)
    link, hard = tmp_path / "link.csv", tmp_path / "hard.csv"
    link.symlink_to(requests)
    hard.hardlink_to(requests)
    for out in (requests, link, hard, tmp_path / "city.toml"):
        with pytest.raises(CommandError, match="is what is read"):
            replay_here(monkeypatch, requests, "--map", tmp_path / "city.toml", "--out", out)
    assert requests.read_bytes() == before
    assert (tmp_path / "city.toml").read_text() == CITY_MAP


def test_a_run_that_takes_nothing_leaves_the_earlier_verdicts(tmp_path, monkeypatch):
    (tmp_path / "city.toml").write_text(CITY_MAP)
    out = tmp_path / "verdicts.csv"
    out.write_text("earlier")
    for header, row, why in (("id,opened", "1,x", "no column"), (CITY_HEADER, "1,soon,,,,,", "nothing could be")):
        broken = files.write(tmp_path, header, [row])
        with pytest.raises(CommandError, match=why):
            replay_here(monkeypatch, broken, "--map", tmp_path / "city.toml", "--out", out)
        assert out.read_text() == "earlier"


def test_of_a_damaged_file_the_verdicts_of_what_comes_before_are_written_and_the_command_fails(tmp_path, monkeypatch):
    (tmp_path / "city.toml").write_text(CITY_MAP)
    packed, out = tmp_path / "file.csv.gz", tmp_path / "verdicts.csv"
    text = "".join(f"{row}\n" for row in [CITY_HEADER, *CITY_ROWS[:2]])
    packed.write_bytes(gzip.compress(text.encode()) + b"no gzip")
    with pytest.raises(CommandError, match="could not be read to its end; line 4: the gzip file is damaged"):
        replay_here(monkeypatch, packed, "--map", tmp_path / "city.toml", "--out", out, "--tick", "1d")
    assert [line["verdict"] for line in csv.DictReader(out.open(newline=""))] == ["met", "missed"]


@pytest.mark.parametrize("until", ["0001-01-01T00:00", "9999-12-31T23:59", "soon"])
def test_an_until_that_no_clock_reckons_with_is_refused(tmp_path, monkeypatch, until):
    (tmp_path / "city.toml").write_text(CITY_MAP)
    requests = files.write(tmp_path, CITY_HEADER, CITY_ROWS)
    with pytest.raises(CommandError, match=f"--until '{until}' "):
        replay_here(
            monkeypatch, requests, "--map", tmp_path / "city.toml", "--out", tmp_path / "out.csv", "--until", until
        )


def test_a_promise_whose_calendar_ends_costs_its_case_alone(tmp_path):
    late = "0090,2011-07-05 17:00:00,,,Four hours begun too late,Broken bench,Call"
    report = told(files.write(tmp_path, CITY_HEADER, [CITY_ROWS[0], late]), one_day_map())
    assert report.imported == 1
    assert [broken.line for broken in report.broken] == [3]
    assert Ticket.objects.get() == ticket_of("0071")


@pytest.mark.long
def test_the_command_leaves_the_database_alone_and_writes_the_verdicts(tmp_path):
    """In a process of its own, as it is run: a throwaway database is made, used and dropped."""
    requests = files.write(tmp_path, CITY_HEADER, CITY_ROWS)
    (tmp_path / "city.toml").write_text(CITY_MAP)
    out = tmp_path / "verdicts.csv"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "servicecenter.settings.test"}
    if not os.environ.get("DATABASE_URL"):
        environment["SERVICECENTER_VAR"] = str(tmp_path / "var")
    done = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "replay",
            requests,
            "--map",
            tmp_path / "city.toml",
            "--tick",
            "1d",
            "--out",
            out,
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "7 cases replayed" in done.stdout
    lines = list(csv.DictReader(out.open(newline="")))
    assert [(line["external"], line["verdict"], line["met"]) for line in lines] == [
        ("0071", "met", "true"),
        ("0072", "missed", "false"),
        ("0073", "met", "true"),
        ("0074", "missed", "false"),
        ("0076", "missed", "false"),
        ("0077", "met", "true"),
    ]
    assert lines[0]["due"] == "2011-07-07T10:00:00-04:00"
    assert lines[1]["missed_at"] == lines[1]["due"]
    assert not Ticket.objects.exists()
