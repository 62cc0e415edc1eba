"""A second opinion on a plan of a published instance: from the raw files and the printed table, sharing no code with
the planner or its reader. It looks at every unit of time, so it is slow and simple.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

UNITS = 120
DEMAND = re.compile(r"d(\d+)_(\d+)")


class _Facts:
    """The raw tables by their own headings: who holds what and is away when, what is wanted, how long, after what."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.skill: dict[str, dict[str, int]] = {}
        self.away: dict[str, set[int]] = {}
        for row in _table(files["tech_list"]):
            self.skill[row["tech"]] = {name[1:]: int(value) for name, value in row.items() if re.match(r"d\d", name)}
            self.away[row["tech"]] = {int(day) for day in row["dispo"].split()}
        self.time: dict[str, int] = {}
        self.before: dict[str, list[str]] = {}
        self.wanted: dict[str, list[tuple[str, int, int]]] = {}
        for row in _table(files["interv_list"]):
            key = row["number"]
            self.time[key], self.before[key] = int(row["time"]), row["preds"].split()
            self.wanted[key] = [
                (match[1], int(match[2]), int(value))
                for name, value in row.items()
                if (match := DEMAND.fullmatch(name)) and int(value)
            ]

    def unmet(self, key: str, people: Sequence[str]) -> bool:
        """Whether these people lack something the intervention asks for."""
        return any(
            sum(self.skill[person][domain] >= level for person in people) < count
            for domain, level, count in self.wanted[key]
        )


def _table(text: str) -> list[dict[str, str]]:
    heading, *lines = text.strip().splitlines()
    names = heading.split()
    cells = [re.findall(r"\[[^\]]*\]|[^\s\[\]]+", line) for line in lines if line.strip()]
    return [{name: value.strip("[] ") for name, value in zip(names, row, strict=True)} for row in cells]


def problems(files: Mapping[str, str], rows: Sequence[Mapping[str, str]], *, days: int) -> list[str]:
    """What is wrong with a plan, one sentence each; empty when every rule is kept and every reason is true."""
    facts = _Facts(files)
    found: list[str] = []
    listed = [row["intervention"] for row in rows]
    if sorted(listed) != sorted(facts.time):
        found.append("not every intervention is listed once")
    done: dict[str, tuple[int, int]] = {}
    clock: dict[str, int] = dict.fromkeys(facts.skill, 0)  # one bit for each unit of time in which somebody works
    for row in rows:
        if row["result"] == "assigned":
            found += _placed(facts, row, done, clock, days)
    for key, (since, _until) in done.items():
        for before in facts.before[key]:
            if before not in done or done[before][1] > since:
                found.append(f"{key} begins before {before} is done")
    for row in rows:
        if row["result"] != "assigned":
            key, said = row["intervention"], row["reason"]
            true = _reason(facts, key, done, clock, days)
            if said != true:
                found.append(f"{key} is left because of {said or 'nothing'}, but {true}")
    return found


def _placed(
    facts: _Facts,
    row: Mapping[str, str],
    done: dict[str, tuple[int, int]],
    clock: dict[str, int],
    days: int,
) -> list[str]:
    key, day, start, end = row["intervention"], int(row["day"]), int(row["start"]), int(row["end"])
    people = row["technicians"].split()
    found = []
    if not 1 <= day <= days:
        found.append(f"{key} is on day {day}, which is not planned")
    if start < 0 or end > UNITS:
        found.append(f"{key} does not stay within the day")
    if end - start != facts.time[key]:
        found.append(f"{key} takes {end - start} instead of {facts.time[key]}")
    if len(set(people)) < len(people) or facts.unmet(key, people):
        found.append(f"{key} lacks a skill")
    base = (day - 1) * UNITS
    bits = (1 << (base + end)) - (1 << (base + start))
    for person in people:
        if day in facts.away[person]:
            found.append(f"{person} is off on day {day} and does {key}")
        if clock[person] & bits:
            found.append(f"{person} does {key} and something else at once")
        clock[person] |= bits
    done[key] = base + start, base + end
    return found


def _reason(facts: _Facts, key: str, done: dict[str, tuple[int, int]], clock: dict[str, int], days: int) -> str:
    """The true reason why this one is left over, or where it could have gone."""
    people = list(facts.skill)
    for domain, level, _count in facts.wanted[key]:
        if not any(facts.skill[person][domain] >= level for person in people):
            return "no_one"
    at_work = {day: [one for one in people if day not in facts.away[one]] for day in range(1, days + 1)}
    if all(facts.unmet(key, at_work[day]) for day in at_work):
        return "too_few"
    if facts.time[key] > UNITS:
        return "too_long"
    if any(before not in done for before in facts.before[key]):
        return "before"
    ready = max((done[before][1] for before in facts.before[key]), default=0)
    tried = False
    for day, present in at_work.items():
        for start in range(UNITS - facts.time[key] + 1):
            since = (day - 1) * UNITS + start
            if since < ready:
                continue
            tried = True
            bits = (1 << (since + facts.time[key])) - (1 << since)
            if not facts.unmet(key, [one for one in present if not clock[one] & bits]):
                return f"it could begin on day {day} at {start}"
    return "full" if tried else "late"
