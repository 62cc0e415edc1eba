"""Rules of a policy in plain words: for whom, how long, from when until when, and what happens on the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from cases.models import Category
from cases.states import Channel, Severity, Urgency
from customers.models import Grade, Region
from sla import moments
from sla.models import Rule
from sla.promises import title
from sla.states import StepKind
from tickets.states import Type

from .clocks import limit_words

AUDIENCES = {
    "owner": gettext_lazy("the owner"),
    "team": gettext_lazy("the owner"),
    "lead": gettext_lazy("the team lead"),
    "supervisor": gettext_lazy("the supervisors"),
    "head": gettext_lazy("the head"),
}
PAUSES = {
    "pending": gettext_lazy("while waiting for the customer"),
    "held": gettext_lazy("while waiting for others"),
}


@dataclass(frozen=True)
class RuleWords:
    """One rule as people read it; `limit` is empty where the promise is not made."""

    whom: str
    limit: str
    span: str
    calendar: str
    pauses: str
    steps: list[str]
    statutory: bool
    once: bool


@dataclass(frozen=True)
class PromiseWords:
    title: str
    rules: list[RuleWords]


class Names:
    """What codes in selectors are called; regions and categories are read when first needed."""

    def __init__(self) -> None:
        self._found: dict[type, dict[str, str]] = {}

    def _of(self, model: Any) -> dict[str, str]:
        if model not in self._found:
            self._found[model] = {row.code: str(row) for row in model.objects.all()}
        return self._found[model]

    def say(self, selector: str, value: Any) -> str:
        choices: dict[str, Any] = {
            "type": Type,
            "channel": Channel,
            "urgency": Urgency,
            "severity": Severity,
            "grade": Grade,
        }
        if selector in choices:
            known = dict(choices[selector].choices)
            return str(known.get(value, value))
        if selector == "complex":
            return _("complex") if value else _("not complex")
        if selector == "rural":
            return _("in the country") if value else _("in town")
        if selector == "region":
            return self._of(Region).get(value, str(value))
        if selector == "category":
            return self._of(Category).get(value, str(value))
        return str(value)


def _list(words: Iterable[Any]) -> str:
    return pgettext("between the parts of a list", ", ").join(str(word) for word in words)


def promises(rules: Iterable[Rule], calendars: dict[str, str]) -> list[PromiseWords]:
    """The rules grouped by promise, in the order of the policy file."""
    names = Names()
    groups: dict[str, list[RuleWords]] = {}
    for rule in rules:
        groups.setdefault(rule.promise, []).append(_words(rule, names, calendars))
    return [PromiseWords(title(promise), found) for promise, found in groups.items()]


def _words(rule: Rule, names: Names, calendars: dict[str, str]) -> RuleWords:
    selected = [
        _list(names.say(selector, value) for value in (wanted if isinstance(wanted, list) else [wanted]))
        for selector, wanted in rule.selectors.items()
        if selector != "kind"
    ]
    return RuleWords(
        whom=capfirst(" · ".join(selected)) or _("All tickets"),
        limit=limit_words(rule.limits) if rule.limits else "",
        span=_("From %(start)s until %(stops)s")
        % {
            "start": moments.label(rule.starts),
            "stops": pgettext("between alternatives", " or ").join(moments.label(stop) for stop in rule.stops),
        },
        calendar=calendars.get(rule.calendar, rule.calendar),
        pauses=_list(PAUSES.get(state, state) for state in rule.pauses) or _("never"),
        steps=[_step(step) for step in sorted(rule.steps, key=_in_time)] if rule.limits else [],
        statutory=rule.statutory,
        once=rule.once,
    )


_ORDER = [StepKind.WARN, StepKind.TIER, StepKind.BREACH, StepKind.AFTER]


def _in_time(step: dict[str, Any]) -> int:
    """The order in which steps come: a policy file lists the miss last."""
    return _ORDER.index(StepKind(step["kind"]))


def _step(step: dict[str, Any]) -> str:
    facts = {
        "at": step["at"],
        "tier": step.get("tier", ""),
        "whom": _list(dict.fromkeys(str(AUDIENCES.get(name, name)) for name in step["tell"])),
    }
    if step["kind"] == StepKind.WARN and step["at"].startswith("due-"):
        return _("%(time)s before the target: warns %(whom)s") % {
            **facts,
            "time": limit_words([step["at"].removeprefix("due-")]),
        }
    if step["kind"] == StepKind.WARN:
        return _("At %(at)s of the time: warns %(whom)s") % facts
    if step["kind"] == StepKind.TIER:
        return _("At %(at)s of the time: tier T%(tier)s, tells %(whom)s") % facts
    if step["kind"] == StepKind.BREACH:
        return _("When it is missed: tells %(whom)s") % facts
    if step["at"].startswith("due+"):
        return _("%(time)s after the miss: tells %(whom)s") % {
            **facts,
            "time": limit_words([step["at"].removeprefix("due+")]),
        }
    return _("%(time)s after the start: tells %(whom)s") % {**facts, "time": limit_words([step["at"]])}
