"""What we promised on a ticket, said to the customer: by when, whether it was kept, and how the time is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from sla.arithmetic import Interval
from sla.arithmetic.calendars import Why
from sla.models import Deadline
from sla.services import explain
from sla.states import DeadlineState, Verdict

from . import words

MOST_GAPS = 12


@dataclass(frozen=True)
class Said:
    """One promise in its four outcomes; each sentence takes `due`, `at`, `late` or `limit` as it needs."""

    open: Callable[[], str]
    late: Callable[[], str]
    met: Callable[[], str]
    missed: Callable[[], str]


# What staff owe each other is no news for customers; these are, in this order.
SAID: dict[str, Said] = {
    "first_response": Said(
        open=lambda: _("We will answer you by %(due)s."),
        late=lambda: _("We promised an answer by %(due)s and are late. We are sorry."),
        met=lambda: _("Answered %(at)s, as promised."),
        missed=lambda: _("Answered %(at)s, %(late)s late. We are sorry."),
    ),
    "on_site": Said(
        open=lambda: _("A technician will be with you by %(due)s."),
        late=lambda: _("A technician was due with you by %(due)s. We are late, and we are sorry."),
        met=lambda: _("The technician came %(at)s, as promised."),
        missed=lambda: _("The technician came %(at)s, %(late)s late. We are sorry."),
    ),
    "restore": Said(
        open=lambda: _("Your service will work again by %(due)s."),
        late=lambda: _("Your service was due to work again by %(due)s. We are late, and we are sorry."),
        met=lambda: _("Service restored %(at)s, as promised."),
        missed=lambda: _("Service restored %(at)s, %(late)s late. We are sorry."),
    ),
    "resolve": Said(
        open=lambda: _("It will be solved by %(due)s."),
        late=lambda: _("It was due to be solved by %(due)s. We are late, and we are sorry."),
        met=lambda: _("Solved %(at)s, as promised."),
        missed=lambda: _("Solved %(at)s, %(late)s late. We are sorry."),
    ),
    "statutory_repair": Said(
        open=lambda: _("By law a repair may take %(limit)s at most: until %(due)s."),
        late=lambda: _("The legal limit for the repair ended at %(due)s. We are late, and we are sorry."),
        met=lambda: _("The repair was done within the legal limit."),
        missed=lambda: _("The repair was done %(late)s after the legal limit. We are sorry."),
    ),
}


@dataclass(frozen=True)
class Promised:
    """A promise as the page shows it. `level`: ok, paused, met, over or missed; `gaps`: what did not
    count."""

    name: str
    sentence: str
    level: str
    icon: str
    counting: str
    gaps: list[str]


_ICONS = {"ok": "timer", "paused": "circle-pause", "met": "circle-check", "over": "octagon-alert", "missed": "circle-x"}


def shown(deadlines: list[Deadline], cycle: int, *, now: datetime) -> list[Promised]:
    """The promises of this round, in the order in which they matter; a fault's repair says what its solution would."""
    present = {
        d.promise: d
        for d in deadlines
        if d.state != DeadlineState.CANCELLED and (d.cycle == cycle or (d.rule.once and d.promise == "first_response"))
    }
    if "restore" in present:
        present.pop("resolve", None)
    return [_promised(present[name], now) for name in SAID if name in present]


def nearest(deadlines: list[Deadline], cycle: int, *, now: datetime) -> str:
    """The sentence of what comes next; empty when nothing runs."""
    return next(
        (promise.sentence for promise in shown(deadlines, cycle, now=now) if promise.level in ("ok", "over")), ""
    )


def _promised(deadline: Deadline, now: datetime) -> Promised:
    said, level = SAID[deadline.promise], _level(deadline, now)
    limit = pgettext("between two limits", ", ").join(words.limit(text) for text in deadline.limits)
    facts = {
        "due": words.due(deadline.due_at, deadline.limits, now) if deadline.due_at else "",
        "at": words.when(deadline.stopped_at, now) if deadline.stopped_at else "",
        "late": words.length((deadline.stopped_at or now) - deadline.due_at) if deadline.due_at else "",
        "limit": limit,
    }
    if level == "paused":
        sentence = _("The time stands still while we wait for you.")
    else:
        pattern = {"ok": said.open, "over": said.late, "met": said.met, "missed": said.missed}[level]
        sentence = words.filled(pattern(), **facts)
    counting, gaps = _counted(deadline, limit, now)
    return Promised(
        name=deadline.promise, sentence=sentence, level=level, icon=_ICONS[level], counting=counting, gaps=gaps
    )


def _counted(deadline: Deadline, limit: str, now: datetime) -> tuple[str, list[str]]:
    """How the time counts, and what did not. What the customer put off has a time instead of a limit."""
    if deadline.is_deferred:
        return words.filled(_("You chose this time; it takes the place of our %(limit)s."), limit=limit), []
    explained = explain(deadline, now=now)
    gaps = _gaps(explained.intervals, now)
    used = words.length(explained.used) if explained.used >= timedelta(minutes=1) else ""
    counting = words.joined(
        words.filled(_("Promised within %(limit)s."), limit=limit),
        used and words.filled(_("Counted so far: %(counted)s."), counted=used),
        _("Not counted:") if gaps else _("Every hour counts, day and night."),
    )
    return counting, gaps


def _level(deadline: Deadline, now: datetime) -> str:
    verdict = deadline.verdict(now)
    if deadline.state == DeadlineState.PAUSED and verdict == Verdict.OPEN:
        return "paused"
    if deadline.stopped_at is None:
        return "over" if verdict == Verdict.MISSED else "ok"
    return "met" if verdict == Verdict.MET else "missed"


_WHY: dict[str, Callable[[], str]] = {
    Why.SHUT: lambda: _("outside working hours"),
    Why.WEEKEND: lambda: _("weekend"),
    Why.HOLIDAY: lambda: _("public holiday"),
    Why.EXCEPTION_CLOSED: lambda: _("not open then"),
    Why.PAUSED: lambda: _("while we waited for you"),
}


def _gaps(intervals: list[Interval], now: datetime) -> list[str]:
    """The stretches that did not count, those of one kind that follow each other as one; the last few of many."""
    gaps: list[list[object]] = []
    for interval in intervals:
        if interval.open:
            continue
        why = _WHY[interval.why]()
        if gaps and gaps[-1][1] == interval.start and gaps[-1][2] == why:
            gaps[-1][1] = interval.end
        else:
            gaps.append([interval.start, interval.end, why])
    return [
        words.filled(
            _("%(since)s to %(until)s: %(why)s"),
            since=words.when(start, now),  # type: ignore[arg-type]
            until=words.when(end, now),  # type: ignore[arg-type]
            why=why,
        )
        for start, end, why in gaps[-MOST_GAPS:]
    ]
