"""One row of a list: a ticket by its nearest clock, a verdict, or a person, ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse

from cases.models import Case
from cases.states import ClockState
from common.clockface import WARN, Chip, chip
from sla.models import Deadline
from sla.promises import title
from sla.states import DeadlineState, Verdict

from .scope import Scope


@dataclass(frozen=True)
class Row:
    case: Case
    number: str
    url: str
    chip: Chip | None
    deadline: Deadline | None = None
    took: timedelta | None = None


def case_row(case: Case, scope: Scope) -> Row:
    return Row(case, case.number, case_url(case.number), nearest_chip(case, scope.now))


def verdict_row(deadline: Deadline, scope: Scope) -> Row:
    case, number = deadline.case, deadline.case.number
    took = deadline.stopped_at - deadline.started_at if deadline.stopped_at else None
    return Row(case, number, case_url(number), verdict_chip(deadline, scope.now), deadline, took)


def nearest_chip(case: Case, now: datetime) -> Chip | None:
    """The chip from the columns that `sla` keeps on the case; their one duration means what the state says."""
    state: Any = case.clock_state
    if state == ClockState.RUNNING:
        return chip(state=state, due_at=case.sort_due_at, warn=case.clock_warn or WARN, now=now)
    kept = case.clock_left
    return chip(state=state, left=kept, took=kept, over=kept, now=now)


def verdict_chip(deadline: Deadline, now: datetime) -> Chip | None:
    name = title(deadline.promise)
    if deadline.stopped_at is None:
        return chip(state="running", due_at=deadline.due_at, now=now, name=name)
    if deadline.verdict(now) == Verdict.MET:
        return chip(state="met", took=deadline.stopped_at - deadline.started_at, now=now, name=name)
    assert deadline.due_at is not None
    if deadline.state == DeadlineState.BROKEN:
        return chip(state="broken", now=now, name=name)
    return chip(state="missed", over=deadline.stopped_at - deadline.due_at, now=now, name=name)


def case_url(number: str) -> str:
    return reverse("desk:case", args=[number])
