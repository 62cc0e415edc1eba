"""Deadlines as people read them: the strip of clocks of a case, and one of them explained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from cases.states import NEVER
from common import clockface
from common.clockface import Chip
from sla.arithmetic import Limit
from sla.arithmetic.calendars import Why
from sla.arithmetic.limits import DayLimit, RunningLimit
from sla.models import Deadline
from sla.promises import reason, title
from sla.queue_columns import soon
from sla.services import Explanation, explain
from sla.states import DeadlineState, Verdict
from tickets.models import Ticket
from tickets.states import HoldReason, WaitReason

from .lists import Listing, address

CLOCKS_SHOWN = 3
PAUSE_REASONS = {**dict(WaitReason.choices), **dict(HoldReason.choices)}


@dataclass(frozen=True)
class Clock:
    """One deadline in the strip."""

    id: int
    name: str
    chip: Chip | None
    due: str
    note: str
    percent: int | None
    statutory: bool
    live: bool
    missed: bool
    due_at: datetime
    explain_url: str


@dataclass(frozen=True)
class Clocks:
    shown: list[Clock]
    folded: list[Clock]
    earlier: list[dict[str, Any]]

    @property
    def any(self) -> bool:
        return bool(self.shown or self.earlier)


def clocks_of(ticket: Ticket, deadlines: list[Deadline], listing: Listing, *, now: datetime) -> Clocks:
    """The clocks of this round: the resolution's always in front, paused or not, then what still runs before what is
    over; verdicts of earlier rounds apart."""
    current = [d for d in deadlines if d.cycle == ticket.cycle and d.state != DeadlineState.CANCELLED]
    # Promises made once (the first reply) belong to the first round and stay visible in it only.
    present = [clock_of(deadline, ticket, listing, now=now) for deadline in current]
    main = {deadline.pk for deadline in current if deadline.promise == "resolve"}
    ranked = sorted(
        present, key=lambda clock: (clock.id not in main, not clock.live, not clock.missed, clock.due_at, clock.id)
    )
    chosen = {clock.id for clock in ranked[:CLOCKS_SHOWN]}
    rounds = sorted({d.cycle for d in deadlines if d.cycle < ticket.cycle}, reverse=True)
    return Clocks(
        shown=[clock for clock in present if clock.id in chosen],
        folded=[clock for clock in present if clock.id not in chosen],
        earlier=[
            {
                "round": number,
                "clocks": [
                    clock_of(d, ticket, listing, now=now)
                    for d in deadlines
                    if d.cycle == number and d.state != DeadlineState.CANCELLED
                ],
            }
            for number in rounds
        ],
    )


def clock_of(deadline: Deadline, ticket: Ticket, listing: Listing, *, now: datetime) -> Clock:
    chip, note = deadline_chip(deadline, now=now)
    return Clock(
        id=deadline.pk,
        name=_("%(promise)s · %(limit)s") % {"promise": title(deadline.promise), "limit": limit_words(deadline.limits)},
        chip=chip,
        due=due_words(deadline, now=now),
        note=note,
        percent=_percent(deadline, now),
        statutory=deadline.rule.statutory,
        live=deadline.state in (DeadlineState.RUNNING, DeadlineState.PAUSED),
        missed=deadline.verdict(now) == Verdict.MISSED,
        due_at=deadline.due_at or NEVER,
        explain_url=address("explain", ticket, listing, deadline.pk),
    )


def deadline_chip(deadline: Deadline, *, now: datetime) -> tuple[Chip | None, str]:
    """The chip of one deadline, and what stands after it: when it stopped, or since when and why it rests."""
    name = title(deadline.promise)
    if deadline.state == DeadlineState.PAUSED:
        since, _end, why = deadline.pauses[-1]
        note = _("since %(time)s: %(reason)s") % {
            "time": clockface.when(datetime.fromisoformat(since), now),
            "reason": PAUSE_REASONS.get(why, why),
        }
        return clockface.chip(state="paused", left=deadline.aim.left(now), now=now, name=name), note
    if deadline.state == DeadlineState.RUNNING:
        chip = clockface.chip(state="running", due_at=deadline.due_at, warn=soon(deadline), now=now, name=name)
        return chip, _("customer-deferred") if deadline.is_deferred else ""
    assert deadline.stopped_at is not None
    assert deadline.due_at is not None
    note = clockface.when(deadline.stopped_at, now)
    if deadline.verdict(now) == Verdict.MET:
        took = deadline.stopped_at - deadline.started_at
        return clockface.chip(state="met", took=took, now=now, name=name), note
    if deadline.state == DeadlineState.BROKEN:
        note = _("%(time)s: %(reason)s") % {"time": note, "reason": reason(deadline.because)}
        return clockface.chip(state="broken", now=now, name=name), note
    over = deadline.stopped_at - deadline.due_at
    return clockface.chip(state="missed", over=over, now=now, name=name), note


def due_words(deadline: Deadline, *, now: datetime) -> str:
    """`by 17:14`; a day limit ends `by the end of 12 Oct` (24:00 is stored as the next midnight)."""
    if deadline.due_at is None:
        return ""
    local = timezone.localtime(deadline.due_at)
    limits = [Limit.parse(text) for text in deadline.limits]
    if (local.hour, local.minute, local.second) == (0, 0, 0) and any(limit.ends_at_midnight for limit in limits):
        last = local - timedelta(days=1)
        return _("by the end of %(day)s") % {"day": date_format(last, pgettext("day and month", "j M"))}
    return _("by %(time)s") % {"time": clockface.when(deadline.due_at, now)}


def limit_words(limits: Iterable[str]) -> str:
    """`15 min`, `24 h`, `7 working days`; several limits are all named."""
    return pgettext("between two limits", ", ").join(_one_limit(Limit.parse(text)) for text in limits)


def _one_limit(limit: Limit) -> str:
    if isinstance(limit, RunningLimit):
        minutes, seconds = divmod(int(limit.span.total_seconds()), 60)
        hours, minutes = divmod(minutes, 60)
        if seconds:
            return clockface.span(limit.span)
        if hours and minutes:
            return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
        return _("%(hours)s h") % {"hours": hours} if hours else _("%(minutes)s min") % {"minutes": minutes}
    if isinstance(limit, DayLimit):
        if limit.working:
            return ngettext("%(days)s working day", "%(days)s working days", limit.days) % {"days": limit.days}
        return ngettext("%(days)s day", "%(days)s days", limit.days) % {"days": limit.days}
    return str(limit)


def _percent(deadline: Deadline, now: datetime) -> int:
    """The used share of the time from start to due, 0 to 100; of the counted time while paused."""
    if deadline.due_at is None:
        used, left = deadline.aim.used(now), deadline.aim.left(now)
    else:
        until = deadline.stopped_at or now
        used, left = until - deadline.started_at, deadline.due_at - until
    whole = used + left
    return max(0, min(100, int(100 * used / whole))) if whole > timedelta(0) else 100


# --- explanation of one deadline -----------------------------------------------------------------------------------

WHY: dict[str, Callable[[], str]] = {
    Why.WEEK: lambda: _("Within opening hours"),
    Why.MAKE_UP: lambda: _("Make-up working day"),
    Why.EXCEPTION_OPEN: lambda: _("Opened by exception"),
    Why.SHUT: lambda: _("Outside opening hours"),
    Why.WEEKEND: lambda: _("No working day"),
    Why.HOLIDAY: lambda: _("Public holiday"),
    Why.EXCEPTION_CLOSED: lambda: _("Closed by exception"),
    Why.PAUSED: lambda: _("Paused"),
}


@dataclass(frozen=True)
class Ledger:
    """A deadline explained: what was promised, each stretch of time, and the sum."""

    explanation: Explanation
    title: str
    chip: Chip | None
    due: str
    dues: list[dict[str, str]]
    lines: list[dict[str, Any]]
    paused_until: datetime | None
    carried: timedelta | None
    deferred: str
    broken: str
    statutory: bool
    verdict: str
    calendar: str
    policy: str


def ledger(deadline: Deadline, *, now: datetime) -> Ledger:
    explained = explain(deadline, now=now)
    chip, _note = deadline_chip(deadline, now=now) if deadline.state != DeadlineState.CANCELLED else (None, "")
    return Ledger(
        explanation=explained,
        title=title(deadline.promise),
        chip=chip,
        due=due_words(deadline, now=now),
        dues=[
            {"limit": limit_words([text]), "due": clockface.full_when(due) if due else _("not while paused")}
            for text, due in explained.dues
        ],
        lines=_lines(explained.intervals),
        paused_until=deadline.paused_until,
        carried=deadline.carried,
        deferred=reason(deadline.because) if deadline.is_deferred else "",
        broken=reason(deadline.because) if deadline.state == DeadlineState.BROKEN else "",
        statutory=deadline.rule.statutory,
        verdict="" if explained.verdict == Verdict.OPEN else str(Verdict(explained.verdict).label),
        calendar=str(deadline.calendar_version),
        policy=str(explained.policy),
    )


def _lines(intervals: Iterable[Any]) -> list[dict[str, Any]]:
    """One line a stretch of the same kind: a midnight alone is no news."""
    lines: list[dict[str, Any]] = []
    for interval in intervals:
        why = _why(interval)
        last = lines[-1] if lines else None
        if last and (last["counted"], last["why"], last["end"]) == (interval.open, why, interval.start):
            last["end"], last["span"] = interval.end, last["span"] + interval.span
        else:
            lines.append(
                {
                    "start": interval.start,
                    "end": interval.end,
                    "span": interval.span,
                    "counted": interval.open,
                    "why": why,
                }
            )
    return lines


def _why(interval: Any) -> str:
    words = WHY[interval.why]()
    label = PAUSE_REASONS.get(interval.label, interval.label)
    return _("%(why)s: %(label)s") % {"why": words, "label": label} if label else words
