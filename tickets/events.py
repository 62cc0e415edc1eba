"""The facts of a ticket's life: one function a fact, and how each is said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from cases.facts import Fact, Names, describes, digest, listed
from cases.models import Case
from cases.states import Channel, Severity, Urgency

from .models import Ticket
from .states import CheckItem, ClosedBecause, ExceptionKind, HoldReason, State, Type, Verified, WaitReason


def opened(ticket: Ticket) -> Fact:
    return Fact(
        "opened",
        {
            "type": ticket.type,
            "channel": ticket.channel,
            "urgency": ticket.urgency,
            "severity": ticket.severity,
            "complex": ticket.complex,
            "priority": ticket.priority,
            "received": ticket.received_at.isoformat(),
            "first_contact": ticket.first_contact_id,
            "subject": digest(ticket.subject),
        },
        public=True,
    )


def assigned(ticket: Ticket) -> Fact:
    return Fact("assigned", {"owner": ticket.owner_id, "team": ticket.team_id})


def handed_over(before: int | None, now: int | None) -> Fact:
    """Who is accountable as first contact, from one person to another."""
    return Fact("handed_over", {"first_contact": [before, now]})


def handed_up(case: Case, before: tuple[int | None, int | None]) -> Fact:
    """A rung gave the ticket to its people; `before` is the owner and the team it had."""
    return Fact(
        "handed_up",
        {
            "tier": case.tier,
            "state": case.state,
            "owner": [before[0], case.owner_id],
            "team": [before[1], case.team_id],
        },
    )


def moved(ticket: Ticket, verb: str, *, reason: str = "", note: str = "") -> Fact:
    """A change of state without further story: started, waiting, held, resumed, returned, in review."""
    facts: dict[str, Any] = {"state": ticket.state, "verb": verb}
    if reason:
        facts["reason"] = reason
    if note:
        facts["note"] = digest(note)
    return Fact("moved", facts, public=verb in {"start", "wait", "resume"})


def reached(milestone: str) -> Fact:
    return Fact("milestone", {"milestone": milestone}, public=True)


def planned(ticket: Ticket) -> Fact:
    due = ticket.plan_due_on.isoformat() if ticket.plan_due_on else None
    return Fact("planned", {"plan": digest(ticket.plan), "due_on": due})


def reclassified(before: dict[str, Any], ticket: Ticket) -> Fact:
    changes = {name: [value, getattr(ticket, name)] for name, value in before.items() if value != getattr(ticket, name)}
    return Fact("reclassified", {"changes": changes, "priority": ticket.priority})


def escalated(ticket: Ticket, reason: str) -> Fact:
    return Fact("escalated", {"tier": ticket.tier, "reason": digest(reason)})


def resolved(ticket: Ticket) -> Fact:
    return Fact("resolved", {"verified": ticket.verified, "resolution": digest(ticket.resolution)}, public=True)


def confirmed(*, how: str) -> Fact:
    return Fact("confirmed", {"how": how}, public=True)


def closed(ticket: Ticket) -> Fact:
    return Fact("closed", {"because": ticket.closed_because}, public=True)


def reopened(ticket: Ticket, reason: str) -> Fact:
    return Fact("reopened", {"cycle": ticket.cycle, "reason": digest(reason)}, public=True)


def cancelled(reason: str) -> Fact:
    return Fact("cancelled", {"reason": digest(reason)}, public=True)


def checked(*, passed: bool, missing: Iterable[str]) -> Fact:
    """`missing`: the items of the check that were not in order."""
    return Fact("checked", {"passed": passed, "missing": [str(item) for item in missing]})


def summarized(*, idea: bool) -> Fact:
    """`idea`: whether the summary proposes an improvement. Its words are the note's."""
    return Fact("summarized", {"idea": idea})


def exception(step: str, kind: str, words: str) -> Fact:
    """A step of a service exception: reported, upheld, dismissed, solved or followed_up."""
    return Fact("exception", {"step": step, "kind": kind, "words": digest(words)})


def notice(state: str, *, template: str) -> Fact:
    return Fact("notice", {"state": state, "template": template})


@describes("opened")
def _opened(facts: dict[str, Any], names: Names) -> str:
    return _("%(type)s opened, by %(channel)s") % {
        "type": Type(facts["type"]).label,
        "channel": Channel(facts["channel"]).label,
    }


@describes("assigned")
def _assigned(facts: dict[str, Any], names: Names) -> str:
    if facts["owner"]:
        return _("Assigned to %(person)s") % {"person": names.person(facts["owner"])}
    return _("Assigned to %(team)s") % {"team": names.team(facts["team"])}


@describes("handed_over")
def _handed_over(facts: dict[str, Any], names: Names) -> str:
    before, now = facts["first_contact"]
    values = {"person": names.person(now), "before": names.person(before)}
    if before is None:
        return _("Formal hand-over: %(person)s is accountable now") % values
    return _("Formal hand-over: %(person)s is accountable now, in place of %(before)s") % values


@describes("handed_up")
def _handed_up(facts: dict[str, Any], names: Names) -> str:
    before, now = facts["owner"]
    values = {"tier": facts["tier"], "person": names.person(now), "before": names.person(before)}
    if before is None:
        return _("Nobody had it: given to %(person)s with tier T%(tier)s") % values
    return _("Not answered by %(before)s: given to %(person)s with tier T%(tier)s") % values


_REASONS = {**dict(WaitReason.choices), **dict(HoldReason.choices)}


@describes("moved")
def _moved(facts: dict[str, Any], names: Names) -> str:
    if reason := facts.get("reason"):
        return _("%(state)s: %(reason)s") % {
            "state": State(facts["state"]).label,
            "reason": _REASONS.get(reason, reason),
        }
    return str(State(facts["state"]).label)


@describes("milestone")
def _milestone(facts: dict[str, Any], names: Names) -> str:
    return {
        "located": _("Fault located"),
        "on_site": _("Technician on site"),
        "restored": _("Service restored"),
        "visit_needed": _("A visit is needed"),
    }.get(facts["milestone"], facts["milestone"])


@describes("planned")
def _planned(facts: dict[str, Any], names: Names) -> str:
    return _("Handling plan written")


@describes("reclassified")
def _reclassified(facts: dict[str, Any], names: Names) -> str:
    labels = {
        "type": (_("type"), Type),
        "urgency": (_("urgency"), Urgency),
        "severity": (_("severity"), Severity),
    }
    parts = []
    for name, (_old, new) in facts["changes"].items():
        if name in labels:
            word, choices = labels[name]
            parts.append(_("%(field)s now %(value)s") % {"field": word, "value": choices(new).label})
        elif name == "complex":
            parts.append(_("now complex") if new else _("no longer complex"))
        else:
            parts.append(_("category changed"))
    return _("Changed: %(changes)s") % {"changes": listed(parts)}


@describes("escalated")
def _escalated(facts: dict[str, Any], names: Names) -> str:
    return _("Escalated to tier T%(tier)s") % {"tier": facts["tier"]}


@describes("resolved")
def _resolved(facts: dict[str, Any], names: Names) -> str:
    return _("Resolved. %(verified)s") % {"verified": Verified(facts["verified"]).label if facts["verified"] else ""}


@describes("confirmed")
def _confirmed(facts: dict[str, Any], names: Names) -> str:
    return _("The customer confirmed that it is solved")


@describes("closed")
def _closed(facts: dict[str, Any], names: Names) -> str:
    return _("Closed: %(because)s") % {"because": ClosedBecause(facts["because"]).label}


@describes("reopened")
def _reopened(facts: dict[str, Any], names: Names) -> str:
    return _("Reopened, round %(cycle)s") % {"cycle": facts["cycle"]}


@describes("cancelled")
def _cancelled(facts: dict[str, Any], names: Names) -> str:
    return _("Cancelled")


@describes("checked")
def _checked(facts: dict[str, Any], names: Names) -> str:
    if facts["passed"]:
        return _("Details checked and complete")
    if missing := facts.get("missing"):
        items = listed([str(CheckItem(item).label) for item in missing])
        return _("Details checked. Missing: %(items)s") % {"items": items}
    return _("Details checked: something is missing")


@describes("summarized")
def _summarized(facts: dict[str, Any], names: Names) -> str:
    return _("Summary written, with an idea for improvement") if facts["idea"] else _("Summary written")


@describes("exception")
def _exception(facts: dict[str, Any], names: Names) -> str:
    sentence = {
        "reported": _("Service exception reported: %(kind)s"),
        "upheld": _("Judged to be a service exception: %(kind)s"),
        "dismissed": _("Judged to be no service exception: %(kind)s"),
        "solved": _("Service exception solved: %(kind)s"),
        "followed_up": _("Service exception followed up: %(kind)s"),
    }[facts["step"]]
    return sentence % {"kind": ExceptionKind(facts["kind"]).label}


@describes("notice")
def _notice(facts: dict[str, Any], names: Names) -> str:
    return {
        "queued": _("Message to the customer queued"),
        "accepted": _("Message to the customer accepted for delivery"),
        "no_channel": _("No written channel reaches the customer: please call"),
        "skipped": _("Reminder not sent, it came too late"),
        "not_silent": _("No reminder: the customer was not told yet, or has answered. Please look"),
    }[facts["state"]]
