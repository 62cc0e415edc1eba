"""Planning work for people: who goes when, and why the rest cannot. Plain Python: no database, no clock, no solver.

`plan` takes the jobs in order of importance and gives each the earliest start at which enough people are free. Nothing
that has been placed is moved again, so the reason a job was left with stays true of the finished plan.

Where there is room is the ground's answer: `Days` below reckons in units of a working day, as the published instances
do; the house plans on its arrival windows (`planning`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Reason(StrEnum):
    """Why a job is left over; the first that holds."""

    NO_ONE = "no_one"  # nobody has one of the skills at its level
    TOO_FEW = "too_few"  # such people there are, but on no day enough of them at once
    TOO_LONG = "too_long"  # longer than a working day
    BEFORE = "before"  # something that must be done before it is left over
    LATE = "late"  # what must be done before it ends too late
    FULL = "full"  # enough people are at work, but at no time left are they free


@dataclass(frozen=True)
class Job:
    """What is to be planned: more `points` come first; `after` names what must be finished before it begins."""

    key: int
    points: int
    after: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Placed:
    """A job with its crew in [start, end)."""

    key: int
    start: int
    end: int
    crew: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Every job once: placed, in the order of deciding, or left over."""

    placed: dict[int, Placed] = field(default_factory=dict)
    left: dict[int, Reason] = field(default_factory=dict)


class Ground(Protocol):
    """Where jobs can go. Instants are whole numbers that only the ground understands."""

    def hopeless(self, key: int) -> Reason | None:
        """Why this job could not be done even if it were the only one."""

    def starts(self, key: int, ready: int) -> Iterable[int]:
        """Starts from `ready` on, the earliest first; if the job can start at all, then at one of these."""

    def crew(self, key: int, start: int) -> Sequence[int]:
        """Who should do it from then on; empty where not enough people are free."""

    def put(self, key: int, start: int, crew: Sequence[int]) -> int:
        """Keep this crew for it; return when it ends."""


def plan(jobs: Sequence[Job], ground: Ground, *, tie: Callable[[int], float] = lambda key: 0) -> Plan:
    """Place the jobs one by one: most points first, then the least `tie`, then the smallest key.

    A job counts as much as the most important one that waits for it.
    """
    found = Plan(left={job.key: reason for job in jobs if (reason := ground.hopeless(job.key))})
    waiting = {job.key: job for job in _in_order(jobs, found.left)}
    points = {key: job.points for key, job in waiting.items()}
    for job in reversed(waiting.values()):
        for key in job.after:
            points[key] = max(points[key], points[job.key])
    while ready := [key for key, job in waiting.items() if job.after <= found.placed.keys()]:
        key = min(ready, key=lambda key: (-points[key], tie(key), key))
        job = waiting.pop(key)
        reason = Reason.LATE
        for start in ground.starts(key, max((found.placed[one].end for one in job.after), default=0)):
            reason = Reason.FULL
            if crew := ground.crew(key, start):
                found.placed[key] = Placed(key, start, ground.put(key, start, crew), tuple(crew))
                break
        else:
            found.left[key] = reason
    for job in jobs:
        if job.key not in found.placed:
            found.left.setdefault(job.key, Reason.BEFORE)
    return found


def _in_order(jobs: Sequence[Job], hopeless: Mapping[int, Reason]) -> list[Job]:
    """The jobs that have a chance, each behind those it waits for. What waits for a hopeless job, or in a circle, has
    none."""
    found: dict[int, Job] = {}
    rest = [job for job in jobs if job.key not in hopeless]
    while now := [job for job in rest if job.after <= found.keys()]:
        found |= {job.key: job for job in now}
        rest = [job for job in rest if job.key not in found]
    return list(found.values())


# --- days of so many units, people with levels -----------------------------------------------------------------------


@dataclass(frozen=True)
class Demand:
    """At least `count` of the crew hold `skill` at `level` or above; one person may answer several demands."""

    skill: str
    level: int
    count: int


@dataclass(frozen=True)
class Task(Job):
    """A job of so many units of time that a crew does together."""

    length: int = 1
    demands: tuple[Demand, ...] = ()


@dataclass(frozen=True)
class Person:
    """`off` are the days (0 is the first) on which this person does not work."""

    key: int
    levels: Mapping[str, int]
    off: frozenset[int] = frozenset()

    def meets(self, demand: Demand) -> bool:
        return self.levels.get(demand.skill, 0) >= demand.level


def cover(people: Sequence[Person], demands: Sequence[Demand]) -> list[Person] | None:
    """A small crew out of these people that meets all demands; None where even all of them together do not.

    Whoever meets the most of what is still open joins; among equals the one who can do the least besides, so that the
    able stay free. In the end whoever the others make superfluous goes.
    """
    crew: list[Person] = []
    rest = sorted(people, key=lambda person: sum(person.levels.values()))
    while lacking := [demand for demand in demands if not covers(crew, [demand])]:
        best = max(rest, key=lambda person: sum(person.meets(demand) for demand in lacking), default=None)
        if best is None or not any(best.meets(demand) for demand in lacking):
            return None
        crew.append(best)
        rest.remove(best)
    for person in list(crew):
        others = [one for one in crew if one is not person]
        if covers(others, demands):
            crew = others
    return crew


def covers(people: Sequence[Person], demands: Iterable[Demand]) -> bool:
    """Whether these people together meet all demands."""
    return all(sum(person.meets(demand) for person in people) >= demand.count for demand in demands)


class Days:
    """The ground of `days` working days of `length` units each; instants are counted through from the first day on."""

    def __init__(self, tasks: Iterable[Task], people: Sequence[Person], *, days: int, length: int) -> None:
        self.tasks = {task.key: task for task in tasks}
        self.length = length
        self.at_work = [[person for person in people if day not in person.off] for day in range(days)]
        self.people = people
        self._busy: dict[int, list[tuple[int, int]]] = {person.key: [] for person in people}
        self._ends: list[set[int]] = [set() for _ in range(days)]

    def hopeless(self, key: int) -> Reason | None:
        task = self.tasks[key]
        if not all(any(person.meets(demand) for person in self.people) for demand in task.demands):
            return Reason.NO_ONE
        if not any(covers(people, task.demands) for people in self.at_work):
            return Reason.TOO_FEW
        return Reason.TOO_LONG if task.length > self.length else None

    def starts(self, key: int, ready: int) -> Iterator[int]:
        """The beginning of each day, and each moment at which somebody gets free: in between nothing changes."""
        for day, ends in enumerate(self._ends):
            first = max(ready, day * self.length)
            last = (day + 1) * self.length - self.tasks[key].length
            yield from sorted(start for start in {first, *ends} if first <= start <= last)

    def crew(self, key: int, start: int) -> list[int]:
        task = self.tasks[key]
        end = start + task.length
        free = [
            person
            for person in self.at_work[start // self.length]
            if all(until <= start or end <= since for since, until in self._busy[person.key])
        ]
        return sorted(person.key for person in cover(free, task.demands) or [])

    def put(self, key: int, start: int, crew: Sequence[int]) -> int:
        end = start + self.tasks[key].length
        for one in crew:
            self._busy[one].append((start, end))
        self._ends[start // self.length].add(end)
        return end


def plan_days(tasks: Sequence[Task], people: Sequence[Person], *, days: int, length: int) -> Plan:
    """The best of a few greedy plans: the most jobs of the first rank placed, then of the next, then the earliest."""

    def effort(key: int) -> int:
        return by_key[key].length * sum(demand.count for demand in by_key[key].demands)

    def rarity(key: int) -> float:
        return -sum(
            demand.count / max(1, sum(person.meets(demand) for person in people)) for demand in by_key[key].demands
        )

    def rank(found: Plan) -> tuple[list[int], int]:
        counts = [sum(task.key in found.placed for task in tasks if task.points == points) for points in levels]
        return counts, -sum(placed.end for placed in found.placed.values())

    by_key = {task.key: task for task in tasks}
    levels = sorted({task.points for task in tasks}, reverse=True)
    ties: list[Callable[[int], float]] = [
        effort,
        lambda key: -effort(key),
        rarity,
        lambda key: by_key[key].length,
        lambda key: -by_key[key].length,
    ]
    plans = (plan(tasks, Days(tasks, people, days=days, length=length), tie=tie) for tie in ties)
    return max(plans, key=rank)
