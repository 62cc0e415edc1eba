"""The planner against a checker that shares no code with it, on small instances made by hand and by chance."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from appointments import planner
from appointments.instance_check import problems
from appointments.instances import DAY, read_instance, rows_of
from appointments.planner import Demand, Person, cover, covers, plan_days

Files = dict[str, str]


def instance(
    people: list[tuple[list[int], list[int]]], jobs: list[dict], *, domains: int = 2, levels: int = 2
) -> Files:
    """The three files of an instance. People are (levels, days off); of a job what is not named is simple."""
    wanted = [(domain, level) for domain in range(1, domains + 1) for level in range(1, levels + 1)]
    technicians = [
        f"{number} {' '.join(map(str, held))} [ {' '.join(map(str, off))} ]"
        for number, (held, off) in enumerate(people, start=1)
    ]
    interventions = [
        f"{number} {job.get('time', 60)} [ {' '.join(map(str, job.get('after', [])))} ] {job.get('priority', 1)} 100 "
        + " ".join(str(job["needs"].get(one, 0)) for one in wanted)
        for number, job in enumerate(jobs, start=1)
    ]
    return {
        "instance": f"name domains level techs interv abandon\ntest {domains} {levels} {len(people)} {len(jobs)} 0\n",
        "tech_list": "\n".join([f"tech {' '.join(f'd{n}' for n in range(1, domains + 1))} dispo", *technicians]),
        "interv_list": "\n".join(
            [f"number time preds prio cost {' '.join(f'd{one}_{two}' for one, two in wanted)}", *interventions]
        ),
    }


def planned(files: Files, *, days: int = 1) -> dict[str, dict[str, str]]:
    read = read_instance(files)
    rows = rows_of(read, plan_days(read.tasks, read.people, days=days, length=DAY))
    return {row["intervention"]: row for row in rows}


def reasons(files: Files, *, days: int = 1) -> list[str]:
    """Why each is left, empty for what is assigned; after the checker has agreed."""
    rows = planned(files, days=days)
    assert problems(files, list(rows.values()), days=days) == []
    return [row["reason"] for row in rows.values()]


ONE = {(1, 1): 1}


@pytest.mark.parametrize(
    ("why", "people", "jobs"),
    [
        ("", [([1, 0], [])], [{"needs": ONE}]),
        ("no_one", [([1, 2], [])], [{"needs": {(1, 1): 1, (1, 2): 1}}]),
        ("too_few", [([1, 0], []), ([0, 2], [])], [{"needs": {(1, 1): 2}}]),
        ("too_few", [([1, 0], [1]), ([0, 2], [])], [{"needs": ONE}]),  # the one who could is off
        ("too_long", [([1, 0], [])], [{"needs": ONE, "time": 121}]),
        ("before", [([1, 0], [])], [{"needs": {(2, 1): 1}}, {"needs": ONE, "after": [1]}]),
        ("late", [([1, 0], []), ([1, 0], [])], [{"needs": ONE, "time": 90}, {"needs": ONE, "time": 31, "after": [1]}]),
        ("full", [([1, 0], [])], [{"needs": ONE, "time": 90}, {"needs": ONE, "time": 31, "priority": 2}]),
    ],
)
def test_every_reason(why, people, jobs):
    assert reasons(instance(people, jobs))[-1] == why


def test_a_circle_is_left_with_its_reason():
    files = instance([([1, 0], [])], [{"needs": ONE, "after": [2]}, {"needs": ONE, "after": [1]}])
    assert reasons(files) == ["before", "before"]


def test_a_crew_covers_together_and_one_person_answers_several_demands():
    files = instance([([2, 0], []), ([0, 1], []), ([1, 1], [])], [{"needs": {(1, 1): 2, (1, 2): 1, (2, 1): 1}}])
    assert planned(files)["1"]["technicians"] == "1 3"


def test_the_less_able_goes_and_the_superfluous_stays():
    expert, both, plain = Person(1, {"a": 3, "b": 3}), Person(2, {"a": 1, "b": 1}), Person(3, {"a": 1})
    assert cover([expert, both, plain], [Demand("a", 1, 1)]) == [plain]
    assert cover([expert, both, plain], [Demand("a", 1, 1), Demand("b", 1, 1)]) == [both]
    assert cover([both, plain], [Demand("a", 1, 3)]) is None


def test_the_first_priority_comes_first_also_for_what_must_be_done_before_it():
    jobs = [
        {"needs": ONE, "priority": 2, "time": 60},
        {"needs": ONE, "priority": 4, "time": 60},
        {"needs": ONE, "priority": 1, "time": 60, "after": [2]},
    ]
    rows = planned(instance([([1, 0], [])], jobs))
    assert [rows[key]["start"] for key in "123"] == ["", "0", "60"]


def test_what_waits_for_the_impossible_pulls_nothing_forward():
    jobs = [
        {"needs": ONE, "priority": 2, "time": 120},
        {"needs": ONE, "priority": 4, "time": 120},
        {"needs": {(2, 1): 1}, "priority": 1, "after": [2]},
        {"needs": ONE, "priority": 1, "after": [3]},
    ]
    assert reasons(instance([([1, 0], [])], jobs)) == ["", "full", "no_one", "before"]


def test_a_job_that_does_not_fit_today_is_done_tomorrow_by_whoever_is_there():
    files = instance([([1, 0], [1]), ([1, 0], [2])], [{"needs": ONE, "time": 90}, {"needs": ONE, "time": 90}])
    rows = planned(files, days=2)
    assert [(row["day"], row["start"], row["technicians"]) for row in rows.values()] == [
        ("1", "0", "2"),
        ("2", "0", "1"),
    ]


@st.composite
def instances(draw: st.DrawFn) -> Files:
    domains, levels = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    held = st.lists(st.integers(0, levels), min_size=domains, max_size=domains)
    people = draw(st.lists(st.tuples(held, st.lists(st.integers(1, 3), max_size=2)), min_size=1, max_size=6))
    count = draw(st.integers(1, 12))
    cells = st.tuples(st.integers(1, domains), st.integers(1, levels))
    jobs = [
        {
            "needs": draw(st.dictionaries(cells, st.integers(1, 2), min_size=1, max_size=3)),
            "time": draw(st.sampled_from([15, 30, 45, 60, 75, 119, 120, 121])),
            "priority": draw(st.integers(1, 4)),
            "after": draw(st.lists(st.integers(1, count), max_size=2, unique=True)) if draw(st.booleans()) else [],
        }
        for _ in range(count)
    ]
    return instance(people, jobs, domains=domains, levels=levels)


@settings(max_examples=120)
@given(instances(), st.integers(1, 3))
def test_no_rule_is_broken_and_every_reason_is_true(files, days):
    reasons(files, days=days)


# --- the checker is worth its name: break the planner, one rule at a time ------------------------------------------

# Two can do it, one of them is off on day 1; a chain, a heavy job for two, and more than fits into a day.
BUSY = instance(
    [([2, 0], []), ([1, 1], [1]), ([1, 0], [2])],
    [
        {"needs": {(1, 1): 2}, "time": 100},
        {"needs": {(1, 1): 1, (1, 2): 1}, "time": 50, "priority": 2},
        {"needs": ONE, "time": 40, "priority": 2, "after": [5]},
        {"needs": {(2, 1): 1}, "time": 90, "priority": 3},
        {"needs": ONE, "time": 60, "priority": 4},
        {"needs": {(2, 2): 1}, "time": 10},
        {"needs": ONE, "time": 70, "priority": 4},
        {"needs": ONE, "time": 70, "priority": 4},
    ],
)


def _alone(people, demands, real=cover):
    return (real(people, demands) or [])[:1]


def _anybody(people, demands):
    return list(people[:1])


def _never_off(ground, tasks, people, *, real=planner.Days.__init__, **options):
    real(ground, tasks, [replace(person, off=frozenset()) for person in people], **options)


def _in_any_order(jobs, ground, *, tie, real=planner.plan):
    return real([replace(job, after=frozenset()) for job in jobs], ground, tie=tie)


BREAKS = [
    ("lacks a skill", planner, "cover", _alone),
    ("lacks a skill", planner, "cover", _anybody),
    ("is off on day", planner.Days, "__init__", _never_off),
    ("begins before", planner, "plan", _in_any_order),
    ("something else at once", planner.Days, "put", lambda ground, key, start, crew: start + ground.tasks[key].length),
    ("within the day", planner.Days, "starts", lambda ground, key, ready: iter(range(ready, 2 * ground.length))),
    ("but it could begin", planner.Days, "crew", lambda ground, key, start: []),
    ("but no_one", planner.Days, "hopeless", lambda ground, key: None),
    ("because of no_one", planner.Days, "hopeless", lambda ground, key: planner.Reason.NO_ONE),
    ("because of late", planner.Days, "starts", lambda ground, key, ready: iter(())),
]


def test_nothing_is_wrong_with_the_unbroken_one():
    assert reasons(BUSY, days=2)


@pytest.mark.parametrize(("sentence", "thing", "name", "instead"), BREAKS)
def test_the_checker_sees_a_broken_planner(sentence, thing, name, instead, monkeypatch):
    monkeypatch.setattr(thing, name, instead)
    found = problems(BUSY, list(planned(BUSY, days=2).values()), days=2)
    assert any(sentence in one for one in found), found


def test_the_checker_sees_what_is_not_listed():
    rows = list(planned(BUSY, days=2).values())
    assert problems(BUSY, rows[1:], days=2)[0] == "not every intervention is listed once"
    assert problems(BUSY, [*rows, rows[0]], days=2)[0] == "not every intervention is listed once"


def test_the_checker_sees_a_shortened_job_and_a_day_nobody_planned():
    rows = planned(BUSY, days=2)
    rows["1"] |= {"end": "99", "day": "3"}
    found = problems(BUSY, list(rows.values()), days=2)
    assert {"1 is on day 3, which is not planned", "1 takes 99 instead of 100"} <= set(found)


# --- the command -----------------------------------------------------------------------------------------------------


def write(folder: Path, files: Files, number: str = "03") -> None:
    for part, text in files.items():
        (folder / f"{number}_{part}.txt").write_text(text, encoding="utf-8")


def run(folder: Path, number: str = "3", *options: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("plan_instance", str(folder), number, *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_writes_a_table_and_a_summary(tmp_path):
    write(tmp_path, BUSY)
    out, err = run(tmp_path, "3", "--days", "2", "--check")
    rows = {row["intervention"]: row for row in csv.DictReader(io.StringIO(out))}
    assert rows == planned(BUSY, days=2)
    assert rows["6"] == dict.fromkeys(rows["6"], "") | {
        "intervention": "6",
        "priority": "1",
        "result": "unassigned",
        "reason": "no_one",
    }
    assert "3: 4 of 8 assigned (days: 2), 4 left (3 full, 1 no_one)" in err
    assert "4 reasons confirmed" in err


def test_the_command_fails_where_the_check_disagrees(tmp_path, monkeypatch):
    write(tmp_path, BUSY)
    monkeypatch.setattr(planner.Days, "crew", lambda days, key, start: [])
    with pytest.raises(CommandError, match="it could begin on day 1 at 0"):
        run(tmp_path, "3", "--check")


@pytest.mark.parametrize(
    ("part", "was", "now", "says"),
    [
        ("instance", "test 2", "test two", "instance, line 2: whole numbers"),
        ("instance", "name domains", "nom domains", "instance: the heading"),
        ("instance", "test 2 2 3 8 0", "test 2", "instance: one line"),
        ("tech_list", "1 2 0 [", "1 2 [", "tech_list, line 2: a new number and 2 levels"),
        ("tech_list", "2 1 1 [ 1 ]", "2 1 1 1", "tech_list, line 3: a list in brackets"),
        ("tech_list", "3 1 0", "2 1 0", "tech_list, line 4: a new number"),
        ("interv_list", "1 100 [", "1 -100 [", "interv_list, line 2: whole numbers"),
        ("interv_list", "[ 5 ]", "[ 77 ]", "3 comes after 77"),
        ("interv_list", "1 100 [", "1 0 [", "interv_list, line 2: it takes no time"),
        ("interv_list", "0 0 0 1\n7", "0 0 0 0\n7", "interv_list, line 7: it takes no time, or asks for nobody"),
    ],
)
def test_a_file_that_is_no_instance_is_named_with_its_line(tmp_path, part, was, now, says):
    assert was in BUSY[part]
    write(tmp_path, BUSY | {part: BUSY[part].replace(was, now, 1)})
    with pytest.raises(CommandError, match=says):
        run(tmp_path)


def test_missing_files_and_odd_numbers_of_days(tmp_path):
    with pytest.raises(CommandError, match=r"03_instance.txt: No such file"):
        run(tmp_path)
    write(tmp_path, BUSY)
    (tmp_path / "03_tech_list.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(CommandError, match="not UTF-8"):
        run(tmp_path)
    with pytest.raises(CommandError, match="--days"):
        run(tmp_path, "3", "--days", "0")


def test_covering_is_exactly_what_the_free_could_do_together():
    people = [Person(1, {"a": 2}), Person(2, {"a": 1, "b": 1})]
    demands = [Demand("a", 1, 2), Demand("b", 1, 1)]
    assert covers(people, demands)
    assert not covers(people[:1], demands)
