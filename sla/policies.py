"""Policies: which rule holds for a case, and what a set of rules may not say.

Rules are chosen by kind, type, category, urgency, complex, customer grade, region and channel; the most specific
wins. A case keeps the version it opened under (requirements.md §30, point 5).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db import connection

from cases.models import Case
from cases.states import Channel, Severity, Urgency
from common.text import is_storable

from . import moments
from .arithmetic import Calendar, Limit, LimitError
from .models import CalendarVersion, PolicyVersion, Rule
from .states import StepKind

# The order decides between two rules that name equally many things: what is named later weighs more.
SELECTORS = ("kind", "type", "channel", "complex", "urgency", "severity", "grade", "rural", "region", "category")

_scope: ContextVar[str] = ContextVar("policy_scope", default="")


class PolicyError(ValueError):
    """A set of rules that makes no sense, with the reason."""


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Open cases under the policy of that scope within the block (imports and replays)."""
    token = _scope.set(name)
    try:
        yield
    finally:
        _scope.reset(token)


@dataclass(frozen=True)
class Book:
    """What decides a case's promises: the policy version it opened under, and the newest version of each calendar."""

    version: PolicyVersion | None
    calendars: dict[str, CalendarVersion]


# One statement, because every intake asks it. Rows never change, so what they hold is read once per process.
_BOOK = """
    SELECT * FROM (
        SELECT 'policy' AS kind, id, digest, '' AS name FROM sla_policyversion
        WHERE {which} ORDER BY number DESC LIMIT 1) AS policy
    UNION ALL
    SELECT 'calendar', id, digest, name FROM sla_calendarversion AS c
    WHERE number = (SELECT MAX(number) FROM sla_calendarversion AS n WHERE n.name = c.name)
"""
_IN_FORCE = _BOOK.format(which="scope = %s AND (valid_from IS NULL OR valid_from <= %s)")
_BY_KEY = _BOOK.format(which="id = %s")
_known: dict[tuple[str, int, str], Any] = {}


def book(at: datetime, *, version_id: int | None = None) -> Book:
    """The policy version in force at `at` in the present scope (or the one with that key), and the calendars."""
    with connection.cursor() as cursor:
        if version_id is None:
            cursor.execute(_IN_FORCE, [_scope.get(), connection.ops.adapt_datetimefield_value(at)])
        else:
            cursor.execute(_BY_KEY, [version_id])
        rows = cursor.fetchall()
    version, calendars = None, {}
    for kind, key, digest, name in rows:
        if kind == "policy":
            version = _kept(PolicyVersion, key, digest)
        else:
            calendars[name] = _kept(CalendarVersion, key, digest)
    return Book(version, calendars)


def _kept(model: Any, key: int, digest: str) -> Any:
    """An immutable row, read once per process; the digest tells a key used again in another database apart."""
    place = (model.__name__, key, digest)
    if place not in _known:
        if len(_known) > 256:
            _known.clear()
        _known[place] = model.objects.get(pk=key)
    return _known[place]


def rules_for(case: Case, version: PolicyVersion) -> dict[str, Rule]:
    """The rule that holds for each promise of this case: of those whose selectors fit, the most specific."""
    chosen: dict[str, tuple[Any, Rule]] = {}
    values = _values(case)
    for rule in version.all_rules:
        if not all(_fits(name, wanted, values) for name, wanted in rule.selectors.items()):
            continue
        weight = specificity(rule.selectors)
        if rule.promise not in chosen or weight > chosen[rule.promise][0]:
            chosen[rule.promise] = (weight, rule)
    # A rule without limits says: this promise is not made here.
    return {promise: rule for promise, (_weight, rule) in chosen.items() if rule.limits}


def specificity(selectors: dict[str, Any]) -> tuple[int, int]:
    """How narrow a rule is: by the heaviest things it names; a deeper category weighs more than a shallow one."""
    weight = sum(1 << SELECTORS.index(name) for name in selectors)
    return weight, max(str(path).count(".") for path in _many(selectors.get("category", "")))


def _values(case: Case) -> dict[str, Any]:
    return {
        "kind": case.kind,
        "type": case.type,
        "channel": case.channel,
        "complex": case.complex,
        "urgency": case.urgency,
        "severity": case.severity,
        "grade": case.customer_grade,
        "rural": case.region.rural if case.region_id and case.region else False,
        "region": case.region.code if case.region_id and case.region else "",
        "category": case.category.code if case.category_id and case.category else "",
    }


def _fits(name: str, wanted: Any, values: dict[str, Any]) -> bool:
    value = values[name]
    if name == "category":
        return any(value == path or value.startswith(f"{path}.") for path in _many(wanted))
    return value in _many(wanted)


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- reading and refusing ------------------------------------------------------------------------------------------

LONGEST_PROMISE = 40  # what the columns of rules and deadlines hold
_PERCENT = re.compile(r"([0-9]{1,3})%")
_AUDIENCES = {"owner", "team", "lead", "supervisor", "head"}
_KEYS = {
    "promise", "when", "start", "stop", "limit", "calendar", "pauses", "statutory", "once", "warn", "rungs", "breach",
}  # fmt: skip


@dataclass(frozen=True)
class RuleForm:
    """One rule as written in a policy file, checked on its own."""

    promise: str
    selectors: dict[str, Any]
    starts: str
    stops: list[str]
    limits: list[str]
    calendar: str
    pauses: list[str]
    statutory: bool
    once: bool
    steps: list[dict[str, Any]]

    def to_rule(self, version: PolicyVersion) -> Rule:
        return Rule(version=version, **self.__dict__)


def read_rules(form: dict[str, Any], calendars: dict[str, Calendar]) -> list[RuleForm]:
    """The rules of a policy file's `[[rule]]` tables. Raises PolicyError with the rule and the reason."""
    unknown = set(form) - {"rule", "calendar"}
    if unknown:
        raise PolicyError(f"unknown: {', '.join(sorted(unknown))}")
    entries = form.get("rule", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PolicyError("rules are written as [[rule]] tables")
    rules = []
    for position, entry in enumerate(entries, start=1):
        try:
            rules.append(_read_rule(entry, calendars))
        except (PolicyError, LimitError, KeyError) as problem:
            name = str(entry.get("promise", "?"))[:80]
            detail = f"{problem.args[0]} is missing" if isinstance(problem, KeyError) else str(problem)
            raise PolicyError(f"rule {position} ({name}): {detail}") from None
    _check_together(rules, calendars)
    return rules


def unknown_kinds(rules: Iterable[RuleForm]) -> list[str]:
    """The kinds that rules name and no case can have: misprints, or of a room that is not built yet."""
    return sorted({kind for rule in rules for kind in _many(rule.selectors.get("kind", []))} - set(Case.kinds))


def _read_rule(entry: dict[str, Any], calendars: dict[str, Calendar]) -> RuleForm:
    unknown = set(entry) - _KEYS
    if unknown:
        raise PolicyError(f"unknown key {', '.join(sorted(unknown))}")
    for key in ("promise", "start", "calendar"):
        if not isinstance(entry.get(key, ""), str):
            raise PolicyError(f"{key} is not text")
    promise = entry["promise"]
    if not promise.strip() or len(promise) > LONGEST_PROMISE or not promise.isprintable():
        raise PolicyError(f"the name of a promise has 1 to {LONGEST_PROMISE} characters that can be printed")
    for key in ("statutory", "once"):
        if not isinstance(entry.get(key, False), bool):
            raise PolicyError(f"{key} is true or false")
    if not isinstance(entry.get("when", {}), dict):
        raise PolicyError("when is not a table")
    selectors = dict(entry.get("when", {}))
    if strange := set(selectors) - set(SELECTORS):
        raise PolicyError(f"cannot select by {', '.join(sorted(strange))}")
    for name, wanted in selectors.items():
        _check_selector(name, wanted)
    _check_types(selectors)
    starts, stops = entry.get("start", "opened"), _texts(entry, "stop")
    if starts not in moments.STARTS:
        raise PolicyError(f"nothing starts with {starts!r}, only with {', '.join(sorted(moments.STARTS))}")
    for word in stops:
        if word not in moments.STOPS:
            raise PolicyError(f"nothing stops with {word!r}, only with {', '.join(sorted(moments.STOPS))}")
    limits = [str(Limit.parse(text)) for text in _texts(entry, "limit") if text]
    calendar = entry.get("calendar", "always")
    if calendar not in calendars:
        raise PolicyError(f"there is no calendar {calendar!r}")
    pauses = _texts(entry, "pauses", [])
    if strange := set(pauses) - {"pending", "held"}:
        raise PolicyError(f"a clock cannot pause in {', '.join(sorted(strange))}")
    statutory = bool(entry.get("statutory", False))
    if statutory and pauses:
        raise PolicyError("a statutory limit never pauses")
    if promise == "first_response" and pauses:
        raise PolicyError("the first response never pauses")
    return RuleForm(
        promise=promise,
        selectors=selectors,
        starts=starts,
        stops=stops,
        limits=limits,
        calendar=calendar,
        pauses=pauses,
        statutory=statutory,
        once=bool(entry.get("once", False)),
        steps=_steps(entry, given=starts == "given"),
    )


def _check_selector(name: str, wanted: Any) -> None:
    """A selector is one value or a list of them; a word that no case can have would let its rule never hold."""
    if name in ("complex", "rural"):
        if not isinstance(wanted, bool):
            raise PolicyError(f"when.{name} is true or false")
        return
    values = _many(wanted)
    if not values or not all(isinstance(value, str) and is_storable(value) for value in values):
        raise PolicyError(f"when.{name} is neither text nor a list of texts")
    known: Any = {"channel": Channel, "urgency": Urgency, "severity": Severity}.get(name)
    if known and (strange := sorted(set(values) - set(known.values))):
        raise PolicyError(f"when.{name}: there is no {', '.join(strange)}, only {', '.join(known.values)}")


def _check_types(selectors: dict[str, Any]) -> None:
    """Each type is one of the kinds that are named, or of any kind; of a kind that is not built yet, it may be any."""
    kinds = _many(selectors.get("kind", list(Case.kinds)))
    if "type" not in selectors or set(kinds) - set(Case.kinds):
        return
    known = dict.fromkeys(value for kind in kinds for value in Case.kinds[kind].TYPES.values)
    if strange := [value for value in _many(selectors["type"]) if value not in known]:
        raise PolicyError(f"when.type: there is no {', '.join(strange)}, only {', '.join(known)}")


def _texts(entry: dict[str, Any], key: str, default: Any = None) -> list[str]:
    """A text or a list of texts; KeyError where it is missing and there is no default."""
    value = entry[key] if default is None else entry.get(key, default)
    if not all(isinstance(text, str) for text in _many(value)):
        raise PolicyError(f"{key} is neither text nor a list of texts")
    return list(_many(value))


def _warnings(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A warning is a moment, told to the owner, or a table with a moment and whom to tell."""
    for warning in _many(entry.get("warn", [])):
        if isinstance(warning, str):
            warning = {"at": warning}
        if not isinstance(warning, dict) or not isinstance(warning.get("at"), str):
            raise PolicyError(
                'a warning is a moment, such as "75%", or a table such as { at = "75%", tell = ["lead"] }'
            )
        if strange := set(warning) - {"at", "tell"}:
            raise PolicyError(f"a warning has no {', '.join(sorted(strange))}")
        at, tell = warning["at"], _texts(warning, "tell", ["owner"])
        yield {"name": f"warn-{at}", "kind": str(StepKind.WARN), "at": at, "tell": tell}


def _steps(entry: dict[str, Any], *, given: bool) -> list[dict[str, Any]]:
    steps = list(_warnings(entry))
    rungs = entry.get("rungs", [])
    if not isinstance(rungs, list) or not all(isinstance(rung, dict) for rung in rungs):
        raise PolicyError('rungs are a list of tables, such as { at = "50%", tier = 2, tell = ["lead"] }')
    for rung in rungs:
        if strange := set(rung) - {"at", "tier", "tell"}:
            raise PolicyError(f"a rung has no {', '.join(sorted(strange))}")
        if not isinstance(rung["at"], str):
            raise PolicyError("at is not text")
        kind = StepKind.TIER if "tier" in rung else StepKind.AFTER
        step = {"name": f"{kind}-{rung['at']}", "kind": str(kind), "at": rung["at"], "tell": _texts(rung, "tell", [])}
        if "tier" in rung:
            step["tier"] = rung["tier"]
        steps.append(step)
    steps.append(
        {
            "name": "breach",
            "kind": str(StepKind.BREACH),
            "at": "due",
            "tell": _texts(entry, "breach", ["owner", "lead"]),
        }
    )
    names = [step["name"] for step in steps]
    if twice := {name for name in names if names.count(name) > 1}:
        raise PolicyError(f"the same step twice: {', '.join(sorted(twice))}")
    last_tier = last_fraction = Fraction(0)
    for step in steps:
        if strange := set(step["tell"]) - _AUDIENCES:
            raise PolicyError(f"there is no audience {', '.join(sorted(strange))}")
        fraction = _check_moment(step, given=given)
        if step["kind"] == StepKind.TIER:
            tier: Any = step["tier"]
            if type(tier) is not int or tier not in (2, 3):
                raise PolicyError("a rung leads to tier 2 or 3")
            if tier <= last_tier or fraction <= last_fraction:
                raise PolicyError("the rungs run backwards")
            last_tier, last_fraction = Fraction(tier), fraction
    return steps


def _check_moment(step: dict[str, Any], *, given: bool) -> Fraction:
    text = step["at"]
    if step["kind"] == StepKind.WARN and text.startswith("due-"):
        # A promise with a limit of its own says how much of it is used; a date from outside has no such parts.
        if not given:
            raise PolicyError(f"{text!r}: a warning counts back from a date that is given; here, use a percentage")
        if not (limit := Limit.parse(text.removeprefix("due-"))).is_running:
            raise PolicyError(f"{limit}: before the target a warning is running time, like due-15m")
        return Fraction(1)
    if match := _PERCENT.fullmatch(text):
        fraction = Fraction(int(match[1]), 100)
        if not 0 < fraction < 1:
            raise PolicyError(f"{text} is not between the start and the end of the limit")
        if step["kind"] == StepKind.AFTER:
            raise PolicyError(f"rung {text} comes before the target and leads to no tier; to tell the owner, use warn")
        return fraction
    if step["kind"] in (StepKind.WARN, StepKind.TIER):
        raise PolicyError(f"{text!r}: a warning or tier comes at a percentage of the limit")
    if text != "due" and not (limit := Limit.parse(text.removeprefix("due+"))).is_running:
        raise PolicyError(f"{limit}: after the target a rung is running time, like 30m or due+2h")
    return Fraction(1)


# A year of starts, 73 hours apart, so that every hour, every weekday and every holiday season is asked.
_PROBES = [datetime.fromisoformat("2026-01-01T00:00+00:00") + step * timedelta(hours=73) for step in range(120)]


class _Spans:
    """How long limits leave from each of the probes; every limit is read once, however many rules are compared."""

    def __init__(self, calendars: dict[str, Calendar]) -> None:
        self.calendars = calendars
        self.known: dict[tuple[str, ...], list[timedelta]] = {}

    def of(self, calendar: str, *limits: str) -> list[timedelta]:
        if (calendar, *limits) not in self.known:
            parsed = [Limit.parse(text) for text in limits]
            days = self.calendars[calendar]
            self.known[calendar, *limits] = [
                min(limit.due(days, probe) for limit in parsed) - probe for probe in _PROBES
            ]
        return self.known[calendar, *limits]

    def of_rule(self, rule: RuleForm | Rule) -> list[timedelta]:
        return self.of(rule.calendar, *rule.limits)

    def slower(self, rule: RuleForm | Rule, other: RuleForm | Rule) -> bool:
        """Whether there is a start from which `rule` leaves more time than `other`."""
        return any(one > two for one, two in zip(self.of_rule(rule), self.of_rule(other), strict=True))


def _check_together(rules: list[RuleForm], calendars: dict[str, Calendar]) -> None:
    spans = _Spans(calendars)
    for position, rule in enumerate(rules):
        for other in rules[:position]:
            if (
                rule.promise == other.promise
                and specificity(rule.selectors) == specificity(other.selectors)
                and _overlap(rule.selectors, other.selectors)
            ):
                raise PolicyError(f"{rule.promise}: two rules for the same cases ({rule.selectors or 'all'})")
    for rule in rules:
        if rule.limits:
            _check_rungs_after(rule, spans)
        for other in rules:
            if other is not rule and other.promise == rule.promise and other.limits:
                _check_pair(rule, other, spans)


def _check_pair(rule: RuleForm, other: RuleForm, spans: _Spans) -> None:
    if rule.limits and _is_urgent_of(rule, other) and spans.slower(rule, other):
        raise PolicyError(f"{rule.promise}: urgent ({rule.limits[0]}) is slower than ordinary ({other.limits[0]})")
    wins = specificity(rule.selectors) > specificity(other.selectors) and _overlap(rule.selectors, other.selectors)
    if not (wins and other.statutory and not rule.statutory):
        return
    law = f"the legal {other.limits[0]}"
    if not rule.limits:
        raise PolicyError(f"{rule.promise}: {rule.selectors} would be without {law}")
    if rule.pauses:
        raise PolicyError(f"{rule.promise}: {rule.limits[0]} pauses, and {law} never does")
    if spans.slower(rule, other):
        raise PolicyError(f"{rule.promise}: {rule.limits[0]} is looser than {law}")


def check_law(before: Iterable[Rule], after: list[RuleForm], calendars: dict[str, Calendar]) -> None:
    """Raise PolicyError where the rules of a new version loosen a legal limit of the version before."""
    before, spans = list(before), _Spans(calendars)
    for law in before:
        if law.statutory and law.limits:
            _check_kept(_covering(after, law), law, spans)
    for rule in after:
        law_there = _covering(before, rule)
        if rule.statutory and law_there and law_there.statutory and law_there.limits:
            _check_kept(rule, law_there, spans)


def _check_kept(rule: Any, law: Rule, spans: _Spans) -> None:
    legal = f"the legal {law.limits[0]}"
    if rule is None or not rule.limits or not rule.statutory:
        raise PolicyError(f"{law.promise}: {law.selectors} would be without {legal}")
    if spans.slower(rule, law):
        raise PolicyError(f"{law.promise}: {rule.limits[0]} is looser than {legal} for {law.selectors}")


def _covering(rules: Iterable[Any], narrow: Any) -> Any:
    """The rule that holds for a case of which no more is known than what `narrow` selects; None if there is none."""
    found = [r for r in rules if r.promise == narrow.promise and _covers(r.selectors, narrow.selectors)]
    return max(found, key=lambda rule: specificity(rule.selectors), default=None)


def _check_rungs_after(rule: RuleForm, spans: _Spans) -> None:
    for step in rule.steps:
        if step["kind"] == StepKind.AFTER and not step["at"].startswith("due"):
            rung = spans.of(rule.calendar, step["at"])
            if any(at < target for at, target in zip(rung, spans.of_rule(rule), strict=True)):
                raise PolicyError(f"{rule.promise}: rung {step['at']} comes before the target {rule.limits[0]}")


def _is_urgent_of(rule: RuleForm, other: RuleForm) -> bool:
    """Whether `rule` takes the place of `other` when the case becomes urgent."""
    if specificity(rule.selectors) < specificity(other.selectors):
        return False
    if _many(rule.selectors.get("urgency")) != ["urgent"] or "normal" not in _many(
        other.selectors.get("urgency", "normal")
    ):
        return False
    plain = {name: value for name, value in rule.selectors.items() if name != "urgency"}
    ordinary = {name: value for name, value in other.selectors.items() if name != "urgency"}
    return _covers(plain, ordinary) or _covers(ordinary, plain)


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether some case could be selected by both."""
    return all(_meet(name, _many(one[name]), _many(other[name])) for name in one.keys() & other.keys())


def _meet(name: str, one: list[Any], other: list[Any]) -> bool:
    if name == "category":
        return any(f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.") for a in one for b in other)
    return any(value in other for value in one)


def _covers(wide: dict[str, Any], narrow: dict[str, Any]) -> bool:
    """Whether every case that `narrow` selects is selected by `wide` too."""
    return all(name in narrow and set(_many(narrow[name])) <= set(_many(value)) for name, value in wide.items())
