"""The facts of promises: started, re-aimed, paused, resumed, stopped, and what they did on their way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from cases.facts import Fact, Names, describes, digest, listed
from common.clockface import full_when

from .promises import reason, title
from .states import Verdict


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _entry(deadline: Any) -> dict[str, Any]:
    return {
        "promise": deadline.promise,
        "cycle": deadline.cycle,
        "due": _iso(deadline.due_at),
        "since": _iso(deadline.started_at),
        "limits": deadline.limits,
        "rule": deadline.rule_id,
        "calendar": deadline.calendar_version_id,
    }


def clocks_started(deadlines: Iterable[Any]) -> Fact:
    return Fact("clocks_started", {"clocks": [_entry(deadline) for deadline in deadlines]})


def clocks_aimed(deadlines: Iterable[Any], why: str) -> Fact:
    return Fact("clocks_aimed", {"why": why, "clocks": [_entry(deadline) for deadline in deadlines]})


def clocks_paused(deadlines: Iterable[Any], why: str) -> Fact:
    return Fact("clocks_paused", {"why": why, "clocks": [[d.promise, d.cycle] for d in deadlines]})


def clocks_resumed(deadlines: Iterable[Any], *, capped: bool = False) -> Fact:
    return Fact(
        "clocks_resumed",
        {"capped": capped, "clocks": [[d.promise, d.cycle, _iso(d.due_at)] for d in deadlines]},
    )


def pause_extended(until: datetime, reason: str) -> Fact:
    return Fact("pause_extended", {"until": until.isoformat(), "reason": digest(reason)})


def clocks_stopped(entries: list[tuple[Any, Verdict]]) -> Fact:
    return Fact(
        "clocks_stopped",
        {"clocks": [[d.promise, d.cycle, _iso(d.due_at), _iso(d.stopped_at), str(v)] for d, v in entries]},
    )


def clocks_broken(deadlines: Iterable[Any], why: str) -> Fact:
    return Fact(
        "clocks_broken",
        {"why": why, "clocks": [[d.promise, d.cycle, _iso(d.due_at), _iso(d.stopped_at)] for d in deadlines]},
    )


def clock_deferred(deadline: Any, why: str) -> Fact:
    """Put off to `to`, or (None) back under its own limit."""
    return Fact("clock_deferred", {"why": why, "to": _iso(deadline.pinned_at), "clocks": [_entry(deadline)]})


def clocks_cancelled(deadlines: Iterable[Any]) -> Fact:
    return Fact("clocks_cancelled", {"clocks": [[d.promise, d.cycle] for d in deadlines]})


def step_fired(deadline: Any, step: dict[str, Any], *, skipped: str = "", facts: dict[str, Any] | None = None) -> Fact:
    return Fact(
        f"promise_{step['kind']}",
        {
            "promise": deadline.promise,
            "cycle": deadline.cycle,
            "step": step["name"],
            "due": _iso(deadline.due_at),
            **({"skipped": skipped} if skipped else {}),
            **(facts or {}),
        },
    )


def verdict_corrected(deadline: Any) -> Fact:
    return Fact(
        "verdict_corrected",
        {
            "promise": deadline.promise,
            "cycle": deadline.cycle,
            "due": _iso(deadline.due_at),
            "stopped": _iso(deadline.stopped_at),
        },
    )


def _names(entries: list[Any]) -> str:
    return listed([title(entry["promise"] if isinstance(entry, dict) else entry[0]) for entry in entries])


@describes("clocks_started")
def _started(facts: dict[str, Any], names: Names) -> str:
    return _("Targets set: %(names)s") % {"names": _names(facts["clocks"])}


@describes("clocks_aimed")
def _aimed(facts: dict[str, Any], names: Names) -> str:
    return _("Targets changed: %(names)s") % {"names": _names(facts["clocks"])}


@describes("clocks_paused")
def _paused(facts: dict[str, Any], names: Names) -> str:
    return _("Clock paused: %(names)s") % {"names": _names(facts["clocks"])}


@describes("clocks_resumed")
def _resumed(facts: dict[str, Any], names: Names) -> str:
    if facts["capped"]:
        return _("The longest pause is over, the clock runs again: %(names)s") % {"names": _names(facts["clocks"])}
    return _("Clock running again: %(names)s") % {"names": _names(facts["clocks"])}


@describes("pause_extended")
def _extended(facts: dict[str, Any], names: Names) -> str:
    return _("A longer pause was allowed")


@describes("clocks_stopped")
def _stopped(facts: dict[str, Any], names: Names) -> str:
    missed = [entry for entry in facts["clocks"] if entry[4] == Verdict.MISSED]
    met = [entry for entry in facts["clocks"] if entry[4] != Verdict.MISSED]
    if missed and met:
        return _("Met: %(met)s. Missed: %(missed)s") % {"met": _names(met), "missed": _names(missed)}
    if missed:
        return _("Target missed: %(names)s") % {"names": _names(missed)}
    return _("Target met: %(names)s") % {"names": _names(met)}


@describes("clocks_broken")
def _broken(facts: dict[str, Any], names: Names) -> str:
    return _("Target broken by us: %(names)s (%(why)s)") % {
        "names": _names(facts["clocks"]),
        "why": reason(facts["why"]),
    }


@describes("clock_deferred")
def _deferred(facts: dict[str, Any], names: Names) -> str:
    if facts["to"] is None:
        return _("No longer put off, the limit counts again: %(names)s") % {"names": _names(facts["clocks"])}
    return _("Put off to %(time)s at the customer's wish: %(names)s") % {
        "time": full_when(datetime.fromisoformat(facts["to"])),
        "names": _names(facts["clocks"]),
    }


@describes("clocks_cancelled")
def _cancelled(facts: dict[str, Any], names: Names) -> str:
    return _("Targets no longer apply: %(names)s") % {"names": _names(facts["clocks"])}


@describes("promise_warn")
def _warned(facts: dict[str, Any], names: Names) -> str:
    if facts.get("skipped"):
        return _("Warning not sent, it came too late: %(name)s") % {"name": title(facts["promise"])}
    return _("Warned that the target is near: %(name)s") % {"name": title(facts["promise"])}


@describes("promise_tier")
def _tiered(facts: dict[str, Any], names: Names) -> str:
    values = {"name": title(facts["promise"]), "tier": facts.get("tier", "")}
    if facts.get("skipped"):
        return _("Tier T%(tier)s had been reached already: %(name)s") % values
    return _("Raised to tier T%(tier)s: %(name)s") % values


@describes("promise_breach")
def _breached(facts: dict[str, Any], names: Names) -> str:
    return _("Target missed: %(names)s") % {"names": title(facts["promise"])}


@describes("promise_after")
def _after(facts: dict[str, Any], names: Names) -> str:
    return _("Still open after the target, next level told: %(name)s") % {"name": title(facts["promise"])}


@describes("verdict_corrected")
def _corrected(facts: dict[str, Any], names: Names) -> str:
    return _("Corrected: the target was met after all: %(name)s") % {"name": title(facts["promise"])}
