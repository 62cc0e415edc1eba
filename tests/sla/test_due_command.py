"""`manage.py due`: the instant alone on the first line, pure CSV for batches, one clear line for each refusal."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

BOSTON = """
[calendar.boston]
timezone = "America/New_York"
holidays = ""
closed = ["2011-11-24"]
open = { "2011-11-26" = ["09:00-12:00"] }

[calendar.boston.week]
mon = ["08:30-17:00"]
tue = ["08:30-17:00"]
wed = ["08:30-17:00"]
thu = ["08:30-17:00"]
fri = ["08:30-17:00"]
"""


@pytest.fixture
def boston(tmp_path) -> Path:
    path = tmp_path / "boston.toml"
    path.write_text(BOSTON, encoding="utf-8")
    return path


# The command asks the database for its versions, and finds none here: what is shipped answers.
pytestmark = pytest.mark.django_db


def run(*args: str) -> tuple[str, str]:
    """Return stdout and stderr; raise what the command raises."""
    out, err = io.StringIO(), io.StringIO()
    call_command("due", *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def batch(tmp_path: Path, content: bytes, *args: str) -> tuple[str, str, str]:
    """Return stdout, stderr and the refusal that ended the command, if any."""
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    out, err = io.StringIO(), io.StringIO()
    refusal = ""
    try:
        call_command("due", "--calendar", "china", "--batch", str(path), *args, stdout=out, stderr=err)
    except CommandError as error:
        refusal = str(error)
    return out.getvalue(), err.getvalue(), refusal


def first_line(*args: str) -> str:
    return run(*args)[0].splitlines()[0]


def test_the_first_line_is_the_due_instant_alone():
    out, err = run("--calendar", "china", "--limit", "7wd", "--from", "2026-09-24T10:00+08:00")
    assert out.splitlines()[0] == "2026-10-13T00:00:00+08:00"
    assert err == ""


def test_the_explanation_counts_and_skips_every_day():
    out, _ = run("--calendar", "china", "--limit", "7wd", "--from", "2026-09-24T10:00+08:00")
    assert "7wd: by the end of Mon 2026-10-12" in out
    assert "Thu 2026-09-24  day of receipt" in out
    assert "Fri 2026-09-25  skipped, holiday, Mid-Autumn Festival" in out
    assert "Sat 2026-10-10  day 6, make-up working day" in out
    assert "Mon 2026-10-12  day 7" in out
    assert "provisional" not in out


def test_the_explanation_of_running_time_lists_its_intervals():
    out, _ = run("--calendar", "china-office", "--limit", "2h", "--from", "2026-03-02T11:30+08:00")
    assert out.splitlines() == [
        "2026-03-02T15:00:00+08:00",
        "",
        "from 2026-03-02T11:30:00+08:00 in the calendar china-office (Asia/Shanghai)",
        "",
        "2h: Mon 2026-03-02T15:00:00+08:00",
        "  Mon 2026-03-02 11:30:00 to 12:00:00  counted 0:30:00",
        "  Mon 2026-03-02 12:00:00 to 13:30:00  skipped, outside the hours",
        "  Mon 2026-03-02 13:30:00 to 15:00:00  counted 1:30:00",
    ]


def test_of_several_limits_the_earliest_is_due_and_all_are_explained():
    out, _ = run("--calendar", "china", "--limit", "7wd,15d", "--from", "2026-09-24T10:00+08:00")
    assert out.splitlines()[0] == "2026-10-10T00:00:00+08:00"
    assert "7wd: by the end of Mon 2026-10-12\n" in out
    assert "15d: by the end of Fri 2026-10-09, the earliest\n" in out


def test_the_answer_is_on_the_clock_of_the_calendar():
    assert first_line("--calendar", "always", "--limit", "1h", "--from", "2026-03-02T23:30Z") == (
        "2026-03-03T08:30:00+08:00"
    )


def test_a_due_date_in_a_year_not_decreed_yet_is_provisional():
    out, _ = run("--calendar", "china", "--limit", "7wd", "--from", "2098-12-30T10:00+08:00")
    assert "provisional: make-up working days are known through 20" in out


def test_a_calendar_from_a_file(boston):
    args = ("--calendar", "boston", "--calendar-file", str(boston), "--limit")
    assert first_line(*args, "153.4h", "--from", "2011-11-01T09:00-04:00") == "2011-11-26T09:54:00-05:00"
    assert first_line(*args, "2h", "--from", "2011-11-23T16:00-05:00") == "2011-11-25T09:30:00-05:00"


def test_local_reads_times_without_offset_on_the_calendars_clock(boston):
    args = ("--calendar", "boston", "--calendar-file", str(boston), "--limit", "1h", "--from", "2011-07-01T09:00:07")
    assert first_line(*args, "--local") == "2011-07-01T10:00:07-04:00"
    with pytest.raises(CommandError, match="has no offset"):
        run(*args)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("--calendar", "mars", "--limit", "4h", "--from", "2026-03-02T09:00Z"), "known: always, china, china-office"),
        (("--calendar", "china", "--limit", "4x", "--from", "2026-03-02T09:00Z"), "'4x' is not a limit"),
        (("--calendar", "china", "--limit", "0wd", "--from", "2026-03-02T09:00Z"), "write 0d"),
        (("--calendar", "china", "--limit", "4h", "--from", "tomorrow"), "'tomorrow' is not an instant"),
        (("--calendar", "china", "--limit", "4h", "--from", "2026-03-02T09:00x+08:00"), "is not an instant"),
        (("--calendar", "china", "--limit", "4h", "--from", "2026-03-02T09:00+08:60"), "is not an instant"),
        (("--calendar", "china", "--limit", "4h", "--from", "2026-03-02"), "is a date without a time"),
        (("--calendar", "china", "--limit", "4h", "--from", "2026-03-02T09:00"), "has no offset"),
        (("--calendar", "china", "--limit", "4h", "--from", "9999-12-31T23:59Z"), "the year 9999 is outside"),
        (("--calendar", "china", "--limit", "4h", "--from", "0001-01-01T00:00+08:00"), "the year 1 is outside"),
        (("--calendar", "china", "--limit", "4h"), "give either"),
        (("--calendar", "china", "--batch", "-", "--limit", "4h"), "give either"),
        (("--calendar", "china", "--batch", "no-such-file.csv"), "no-such-file.csv: No such file"),
        (("--calendar", "china", "--calendar-file", "no-such.toml", "--batch", "-"), "no-such.toml: No such file"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(args, reason):
    with pytest.raises(CommandError, match=reason):
        run(*args)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"[calendar.boston\n", "not TOML"),
        (b"", "no .calendar.NAME. table"),
        (b'[calendar.boston]\ntimezone="UTC"\n', "calendar 'boston', week: the calendar has no open time at all"),
        (b'[calendar.other]\ntimezone="UTC"\nweek={mon=["09:00-10:00"]}\n', "no calendar 'boston'; known: other"),
    ],
)
def test_a_bad_calendar_file_is_one_clear_line(tmp_path, content, reason):
    path = tmp_path / "calendars.toml"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=reason) as refusal:
        run("--calendar", "boston", "--calendar-file", str(path), "--batch", "-")
    assert "\n" not in str(refusal.value)


def test_a_batch_is_pure_csv_with_the_start_as_typed(tmp_path):
    rows = b'start,limit\n2026-09-24 10:00+08:00,7wd\n2026-09-24T02:00Z,"7wd,15d"\n'
    assert batch(tmp_path, rows) == (
        "start,limit,due\n"
        "2026-09-24 10:00+08:00,7wd,2026-10-13T00:00:00+08:00\n"
        '2026-09-24T02:00Z,"7wd,15d",2026-10-10T00:00:00+08:00\n',
        "",
        "",
    )


def test_a_quote_that_is_never_closed_costs_its_row_alone(tmp_path):
    good = b"2026-09-24T10:00+08:00,7wd\n"
    opened = b'"' + good
    swallowing = b'2026-09-24T10:00+08:00,"7wd,15d"\n'
    out, err, refusal = batch(tmp_path, b"start,limit\n" + opened + good + good + swallowing + opened + b"\n" + good)
    assert len(out.splitlines()) == 1 + 4
    assert [line.split(":")[0] for line in err.splitlines()] == ["line 2", "line 6"]
    assert refusal == "rows refused: 2"


def test_bad_rows_are_named_and_the_good_ones_answered(tmp_path):
    rows = (
        b"start,limit\n"
        b"2026-09-24T10:00+08:00,7wd\n"
        b"2026-09-24T10:00,7wd\n"
        b"2026-09-24T10:00+08:00,7xd\n"
        b"\n"
        b"2026-09-24T10:00+08:00\n"
        b"\xff\xfe\xfa,7wd\n"
        b"9999-12-31T23:59Z,7wd\n"
        b"2026-02-30T10:00Z,7wd\n"
        b"2026-09-24T10:00+08:00,\n"
        b"2026-09-30T10:00+08:00,7wd\n"
    )
    out, err, refusal = batch(tmp_path, rows)
    assert out.splitlines() == [
        "start,limit,due",
        "2026-09-24T10:00+08:00,7wd,2026-10-13T00:00:00+08:00",
        "2026-09-30T10:00+08:00,7wd,2026-10-16T00:00:00+08:00",
    ]
    lines = err.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"line {n}" for n in (3, 4, 6, 7, 8, 9, 10)]
    assert "has no offset" in lines[0]
    assert "'7xd' is not a limit" in lines[1]
    assert "1 fields where start,limit are two" in lines[2]
    assert "bytes that are not text" in lines[3]
    assert "the year 9999 is outside 1900 to 2200" in lines[4]
    assert "is not an instant" in lines[5]
    assert "'' is not a limit" in lines[6]
    assert refusal == "rows refused: 7"


def test_marks_and_line_ends_of_windows_are_read(tmp_path):
    rows = b"\xef\xbb\xbfstart,limit\r\n2026-09-24T10:00+08:00,7wd\r\n"
    assert batch(tmp_path, rows) == (
        "start,limit,due\n2026-09-24T10:00+08:00,7wd,2026-10-13T00:00:00+08:00\n",
        "",
        "",
    )


def test_a_batch_may_be_local(tmp_path):
    out, err, refusal = batch(tmp_path, b"start,limit\n2026-09-24T10:00,7wd\n2026-09-24,7wd\n", "--local")
    assert out.splitlines()[1:] == ["2026-09-24T10:00,7wd,2026-10-13T00:00:00+08:00"]
    assert "line 3: start '2026-09-24' is a date without a time" in err
    assert refusal == "rows refused: 1"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"2026-09-24T10:00+08:00,7wd\n",
        b"limit,start\n",
        b"start;limit\n",
        b"\x00\x01\x02\xff",
        b"\x89PNG\r\n",
    ],
)
def test_a_batch_without_its_header_is_refused(tmp_path, content):
    out, err, refusal = batch(tmp_path, content)
    assert (out, err) == ("", "")
    assert refusal.startswith("line 1: the header must be start,limit")


def test_a_field_without_end_is_one_clear_line(tmp_path):
    _, err, refusal = batch(tmp_path, b"start,limit\n" + b"x" * 200_000 + b",7wd\n")
    assert err.strip() == "line 2: not CSV: field larger than field limit (131072)"
    assert refusal == "rows refused: 1"


def test_standard_input_is_a_batch_too(monkeypatch):
    typed = io.TextIOWrapper(io.BytesIO(b"start,limit\n2026-09-24T10:00+08:00,7wd\n"))
    monkeypatch.setattr(sys, "stdin", typed)
    out, _ = run("--calendar", "china", "--batch", "-")
    assert out.splitlines()[1] == "2026-09-24T10:00+08:00,7wd,2026-10-13T00:00:00+08:00"


def test_ten_thousand_rows_are_answered_row_by_row(tmp_path):
    rows = "start,limit\n" + "".join(
        f"2026-{1 + n % 12:02}-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:07+08:00,{limit}\n"
        for n, limit in zip(range(10_000), ["7wd", "153.4h", "15d+roll", "4h"] * 2500, strict=True)
    )
    out, err, _ = batch(tmp_path, rows.encode())
    assert len(out.splitlines()) == 10_001
    assert err == ""


def test_the_command_line_ends_with_one_on_a_refusal_and_never_with_a_traceback():
    command = [
        sys.executable,
        "manage.py",
        "due",
        "--calendar",
        "nowhere",
        "--limit",
        "4h",
        "--from",
        "2026-03-02T09:00Z",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == "CommandError: there is no calendar 'nowhere'; known: always, china, china-office\n"
