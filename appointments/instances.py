"""Published planning problems: the files of the ROADEF 2007 challenge (technicians and interventions for telecom).

An instance is three tables: what there is, the technicians (level in each domain, days off), the interventions (time,
what comes before, priority 1 to 4, and for each domain and level how many of at least that level are needed).
Two things of the challenge are left out, because the house does otherwise: its crews are made for each visit instead of
staying together all day, and nothing is given to subcontractors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .planner import Demand, Person, Plan, Task

# A working day of the challenge, in its units of time.
DAY = 120
PARTS = ("instance", "tech_list", "interv_list")
COLUMNS = ("intervention", "priority", "result", "day", "start", "end", "technicians", "reason")


class InstanceError(ValueError):
    """A file that cannot be read as an instance; says which line."""


@dataclass(frozen=True)
class Instance:
    people: list[Person]
    tasks: list[Task]


def texts(folder: Path, number: str) -> dict[str, str]:
    """The three files of an instance, by part. Raises OSError."""
    return {part: (folder / f"{number}_{part}.txt").read_text(encoding="utf-8") for part in PARTS}


def read_instance(files: dict[str, str]) -> Instance:
    """The problem the three files tell. Raises InstanceError."""
    rows = _rows(files, "instance", ["name", "domains", "level", "techs", "interv", "abandon"])
    if len(rows) != 1 or len(rows[0][1]) != 6:
        raise InstanceError("instance: one line is expected below the heading, with a value for each word of it")
    domains, levels, *_rest = _numbers("instance", rows[0][0], rows[0][1][1:])
    return Instance(_people(files, domains), _tasks(files, domains, levels))


def _rows(files: dict[str, str], part: str, heading: list[str]) -> list[tuple[int, list[str]]]:
    """The lines below the heading with their numbers, split at blanks."""
    lines = [(number, line.split()) for number, line in enumerate(files[part].splitlines(), start=1) if line.strip()]
    if not lines or lines[0][1] != heading:
        raise InstanceError(f"{part}: the heading {' '.join(heading)} is expected")
    return lines[1:]


def _numbers(part: str, line: int, words: list[str]) -> list[int]:
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        numbers = [-1]
    if min(numbers, default=0) < 0:
        raise InstanceError(f"{part}, line {line}: whole numbers are expected")
    return numbers


def _split(
    files: dict[str, str], part: str, heading: list[str]
) -> Iterator[tuple[int, list[int], list[int], list[int]]]:
    """Each line's number, and its figures before, within and behind the brackets."""
    for line, words in _rows(files, part, heading):
        if words.count("[") != 1 or words.count("]") != 1 or words.index("]") < words.index("["):
            raise InstanceError(f"{part}, line {line}: a list in brackets is expected")
        opened, closed = words.index("["), words.index("]")
        cut = words[:opened], words[opened + 1 : closed], words[closed + 1 :]
        before, within, behind = (_numbers(part, line, some) for some in cut)
        yield line, before, within, behind


def _people(files: dict[str, str], domains: int) -> list[Person]:
    people: dict[int, Person] = {}
    skills = [f"d{domain}" for domain in range(1, domains + 1)]
    for line, before, off, behind in _split(files, "tech_list", ["tech", *skills, "dispo"]):
        if len(before) != 1 + domains or behind or before[0] in people:
            raise InstanceError(f"tech_list, line {line}: a new number and {domains} levels are expected")
        key, *held = before
        people[key] = Person(key, dict(zip(skills, held, strict=True)), frozenset(day - 1 for day in off))
    return list(people.values())


def _tasks(files: dict[str, str], domains: int, levels: int) -> list[Task]:
    tasks: dict[int, Task] = {}
    wanted = [(f"d{domain}", level) for domain in range(1, domains + 1) for level in range(1, levels + 1)]
    heading = ["number", "time", "preds", "prio", "cost", *(f"{skill}_{level}" for skill, level in wanted)]
    for line, before, after, behind in _split(files, "interv_list", heading):
        if len(before) != 2 or len(behind) != 2 + len(wanted) or before[0] in tasks:
            raise InstanceError(f"interv_list, line {line}: a new number, and {len(wanted)} demands are expected")
        (key, length), (priority, _cost, *counts) = before, behind
        demands = tuple(
            Demand(skill, level, count) for (skill, level), count in zip(wanted, counts, strict=True) if count
        )
        if not length or not demands:
            raise InstanceError(f"interv_list, line {line}: it takes no time, or asks for nobody")
        tasks[key] = Task(key, -priority, frozenset(after), length, demands)
    for task in tasks.values():
        if unknown := task.after - tasks.keys():
            raise InstanceError(f"interv_list: {task.key} comes after {min(unknown)}, which does not exist")
    return list(tasks.values())


def rows_of(instance: Instance, plan: Plan) -> list[dict[str, str]]:
    """The plan as a table, in the order of the instance; days count from 1, times from the beginning of the day."""
    rows = []
    for task in instance.tasks:
        row = dict.fromkeys(COLUMNS, "") | {"intervention": str(task.key), "priority": str(-task.points)}
        if placed := plan.placed.get(task.key):
            day = placed.start // DAY
            row |= {
                "result": "assigned",
                "day": str(day + 1),
                "start": str(placed.start - day * DAY),
                "end": str(placed.end - day * DAY),
                "technicians": " ".join(map(str, placed.crew)),
            }
        else:
            row |= {"result": "unassigned", "reason": plan.left[task.key]}
        rows.append(row)
    return rows
