"""Policies: the most specific rule wins, nonsense is refused with its reason, and the shipped one says §28."""

from __future__ import annotations

import copy
import itertools
import tomllib
from datetime import timedelta
from types import SimpleNamespace

import pytest

from sla import policies
from sla.files import rule_table
from sla.models import Deadline, PolicyVersion, Rule
from sla.policies import SELECTORS, PolicyError, read_rules, rules_for, specificity
from sla.shipped import DEFAULTS, load_shipped, publish_policy, shipped_calendars
from tests import builders
from tests.builders import MONDAY

CALENDARS = shipped_calendars()
FORM = tomllib.loads((DEFAULTS / "policies.toml").read_text(encoding="utf-8"))
SHIPPED = [rule.to_rule(PolicyVersion()) for rule in read_rules(FORM, CALENDARS)]


def case(**fields):
    """As much of a case as a rule can ask for."""
    values = {
        "kind": "ticket", "type": "enquiry", "channel": "phone", "complex": False, "urgency": "normal",
        "severity": "one", "customer_grade": "", "region_id": None, "category_id": None,
    }  # fmt: skip
    if category := fields.pop("category", ""):
        values |= {"category_id": 1, "category": SimpleNamespace(code=category)}
    if region := fields.pop("region", ""):
        values |= {"region_id": 1, "region": SimpleNamespace(code=region, rural=fields.pop("rural", False))}
    if fields.pop("rural", False):
        values |= {"region_id": 1, "region": SimpleNamespace(code="village", rural=True)}
    return SimpleNamespace(**values | fields)


def chosen(rules: list[Rule], **fields) -> dict[str, list[str]]:
    version = SimpleNamespace(all_rules=rules)
    return {promise: rule.limits for promise, rule in rules_for(case(**fields), version).items()}


def rule(limit="24h", **fields) -> dict:
    return {"promise": "resolve", "stop": "resolved", "limit": limit, **fields}


def read(*entries: dict) -> list[Rule]:
    return [form.to_rule(PolicyVersion()) for form in read_rules({"rule": list(entries)}, CALENDARS)]


# --- selection -----------------------------------------------------------------------------------------------------

SPECIAL = {
    "kind": ("ticket", {}),
    "type": ("fault", {"type": "fault"}),
    "channel": ("web", {"channel": "web"}),
    "complex": (True, {"complex": True}),
    "urgency": ("urgent", {"urgency": "urgent"}),
    "severity": ("area", {"severity": "area"}),
    "grade": ("diamond", {"customer_grade": "diamond"}),
    "rural": (True, {"rural": True}),
    "region": ("haidian", {"region": "haidian"}),
    "category": ("bill.roaming", {"category": "bill.roaming"}),
}


def test_every_selector_is_here():
    assert set(SPECIAL) == set(SELECTORS)


@pytest.mark.parametrize("name", list(SPECIAL))
def test_each_selector_selects_what_it_names_and_nothing_else(name):
    wanted, fields = SPECIAL[name]
    rules = read(rule("20h"), rule("10h", when={name: wanted}))
    assert chosen(rules, **fields) == {"resolve": ["10h"]}
    other = {"kind": "complaint"} if name == "kind" else {}
    assert chosen(rules, **other) == {"resolve": ["20h"]}


@pytest.mark.parametrize(("light", "heavy"), list(itertools.combinations(SELECTORS, 2)))
def test_of_two_selectors_the_later_one_weighs_more_in_whatever_order_they_are_written(light, heavy):
    both = {**SPECIAL[light][1], **SPECIAL[heavy][1]}
    if {light, heavy} == {"rural", "region"}:
        both = {"region": "haidian", "rural": True}
    entries = [rule("11h", when={light: SPECIAL[light][0]}), rule("9h", when={heavy: SPECIAL[heavy][0]})]
    assert chosen(read(*entries), **both) == chosen(read(*reversed(entries)), **both) == {"resolve": ["9h"]}


def test_all_lighter_selectors_together_weigh_less_than_the_next():
    for position, name in enumerate(SELECTORS):
        assert specificity(dict.fromkeys(SELECTORS[:position])) < specificity({name: "x"})


def test_a_list_selects_any_of_its_values():
    rules = read(rule("20h"), rule("10h", when={"type": ["fault", "order"]}))
    assert [chosen(rules, type=type)["resolve"] for type in ("fault", "order", "enquiry")] == [
        ["10h"],
        ["10h"],
        ["20h"],
    ]


def test_a_category_selects_its_whole_branch_and_the_deepest_rule_wins():
    rules = read(rule("20h"), rule("15h", when={"category": "bill"}), rule("10h", when={"category": "bill.roaming"}))
    limits = {
        code: chosen(rules, category=code)["resolve"][0]
        for code in ("bill", "bill.reading", "bill.roaming", "bill.roaming.eu", "billing", "network")
    }
    assert limits == {
        "bill": "15h", "bill.reading": "15h", "bill.roaming": "10h", "bill.roaming.eu": "10h", "billing": "20h",
        "network": "20h",
    }  # fmt: skip


def test_a_rule_without_limits_says_that_the_promise_is_not_made_here():
    assert chosen(read(rule("20h"), rule([], when={"type": "order"})), type="order") == {}


# --- the shipped policy says requirements.md §28 -------------------------------------------------------------------

SECTION_28 = [  # the case, promise, limits, where from
    ({}, "first_response", ["15m"], "first_response.enquiry"),
    ({"type": "service_request"}, "first_response", ["10m"], "first_response.service_request"),
    ({"urgency": "urgent"}, "first_response", ["5m"], "first_response.urgent"),
    ({"urgency": "urgent", "type": "service_request"}, "first_response", ["5m"], "first_response.urgent"),
    ({"type": "fault"}, "first_response", ["15m"], "architecture §3"),
    ({"type": "order"}, "first_response", ["15m"], "architecture §3"),
    ({"type": "suggestion"}, "first_response", ["15m"], "architecture §3"),
    ({"complex": True}, "complex_reply", ["2h"], "reply.complex"),
    ({}, "complex_reply", None, "reply.complex"),
    ({"complex": True}, "first_handling", ["24h"], "ticket.first_handling"),
    ({"type": "suggestion"}, "first_handling", ["24h"], "feedback.process"),
    ({}, "resolve", ["24h"], "ticket.resolve"),
    ({"complex": True}, "resolve", ["48h"], "ticket.resolve_complex"),
    ({"type": "service_request"}, "resolve", ["24h"], "service_request.resolve"),
    ({"type": "suggestion"}, "resolve", ["72h"], "feedback.reply"),
    ({"type": "suggestion", "urgency": "urgent"}, "resolve", ["24h"], "urgent is never slower"),
    ({"type": "fault"}, "locate", ["4h"], "fault.locate"),
    ({"type": "fault"}, "on_site", ["4h"], "fault.on_site"),
    ({"type": "fault"}, "restore", ["24h"], "fault.restore"),
    ({"type": "fault"}, "statutory_repair", ["48h"], "the law, in town"),
    ({"type": "fault", "rural": True}, "statutory_repair", ["72h"], "the law, in the country"),
    ({}, "locate", None, "faults only"),
    ({}, "statutory_repair", None, "faults only"),
    ({}, "completion_notice", ["24h"], "completion.notice"),
]


@pytest.mark.parametrize(("fields", "promise", "limits", "source"), SECTION_28)
def test_the_shipped_limits_are_those_of_the_handbooks(fields, promise, limits, source):
    assert chosen(SHIPPED, **fields).get(promise) == limits, source


def shipped(promise: str) -> list[Rule]:
    return [rule for rule in SHIPPED if rule.promise == promise]


def moments(rule: Rule, kind: str) -> list[tuple]:
    return [(step["at"], step.get("tier")) for step in rule.steps if step["kind"] == kind]


def test_every_promise_warns_at_three_quarters():
    """Of tickets; what is promised for the hour of a visit is watched by timers of its own."""
    tickets = [rule for rule in SHIPPED if rule.selectors["kind"] == "ticket"]
    assert {tuple(moments(rule, "warn")) for rule in tickets} == {(("75%", None),)}


def test_every_resolution_climbs_at_half_and_four_fifths():
    assert {tuple(moments(rule, "tier")) for rule in shipped("resolve")} == {(("50%", 2), ("80%", 3))}


def test_after_the_first_response_come_half_an_hour_and_the_hour():
    assert {tuple(at for at, _tier in moments(rule, "after")) for rule in shipped("first_response")} == {("30m", "1h")}


def test_only_resolution_and_restoration_pause_and_only_for_the_customer():
    assert {rule.promise: rule.pauses for rule in SHIPPED if rule.pauses} == {
        "resolve": ["pending"],
        "restore": ["pending"],
    }


def test_the_law_is_marked_as_the_law():
    assert {rule.promise for rule in SHIPPED if rule.statutory} == {"statutory_repair"}


def test_all_these_clocks_run_around_the_clock():
    assert {rule.calendar for rule in SHIPPED} == {"always"}


# --- nonsense ------------------------------------------------------------------------------------------------------

LAW = rule("48h", statutory=True, when={"type": "fault"})
NONSENSE = {
    "urgent slower": ([rule("4h"), rule("5h", when={"urgency": "urgent"})], "urgent (5h) is slower than ordinary (4h)"),
    "urgent slower, written as a list": (
        [rule("4h"), rule("5h", when={"urgency": ["urgent"]})],
        "urgent (5h) is slower",
    ),
    "urgent slower for one type": (
        [rule("4h", when={"type": "fault"}), rule("5h", when={"type": "fault", "urgency": "urgent"})],
        "is slower than ordinary",
    ),
    "urgent slower over a holiday only": (
        [rule("4d"), rule("2wd", calendar="china", when={"urgency": "urgent"})],
        "urgent (2wd) is slower",
    ),
    "looser than the law": ([LAW, rule("49h", when={"type": "fault", "grade": "gold"})], "looser than the legal 48h"),
    "looser than the law by a wider, heavier rule": (
        [LAW, rule("96h", when={"severity": "area"})],
        "96h is looser than the legal 48h",
    ),
    "without the law": ([LAW, rule([], when={"type": "fault", "grade": "gold"})], "would be without the legal 48h"),
    "the law, but pausing": (
        [LAW, rule("24h", when={"type": "fault", "grade": "gold"}, pauses=["pending"])],
        "the legal 48h never does",
    ),
    "statutory pausing": ([{**LAW, "pauses": ["pending"]}], "a statutory limit never pauses"),
    "first response pausing": (
        [rule("15m", pauses=["pending"]) | {"promise": "first_response"}],
        "the first response never pauses",
    ),
    "pausing in another state": ([rule(pauses=["resolved"])], "a clock cannot pause in resolved"),
    "unknown key": ([rule(limits="4h")], "unknown key limits"),
    "unknown selector": ([rule(when={"weather": "rain"})], "cannot select by weather"),
    "unknown calendar": ([rule(calendar="moon")], "there is no calendar 'moon'"),
    "unknown audience": ([rule(breach=["everybody"])], "there is no audience everybody"),
    "unknown audience of a rung": ([rule(rungs=[{"at": "due+1h", "tell": ["king"]}])], "there is no audience king"),
    "unknown start": ([rule(start="whenever")], "nothing starts with 'whenever'"),
    "a slip in a stop": (
        [rule(stop=["resolved", "resovled"])],
        "nothing stops with 'resovled', only with a",
    ),
    "a stop that is a start": ([rule(stop="given")], "nothing stops with 'given'"),
    "a warning's typo": ([rule(warn=[{"at": "75%", "tel": ["lead"]}])], "a warning has no tel"),
    "a warning without a moment": ([rule(warn=[{"tell": ["lead"]}])], "a warning is a moment"),
    "a warning that is a number": ([rule(warn=[75])], "a warning is a moment"),
    "unknown audience of a warning": ([rule(warn=[{"at": "75%", "tell": "king"}])], "there is no audience king"),
    "a warning counted back from a limit": ([rule(warn="due-15m")], "a warning counts back from a date that is given"),
    "a warning days before": ([rule(start="given", warn="due-1wd")], "before the target a warning is running time"),
    "a warning an empty time before": ([rule(start="given", warn="due-")], "'' is not a limit"),
    "a tier counted back": (
        [rule(start="given", rungs=[{"at": "due-15m", "tier": 2, "tell": ["lead"]}])],
        "a warning or tier comes at a percentage",
    ),
    "a rung's typo": ([rule(rungs=[{"at": "due+1h", "tel": ["lead"]}])], "a rung has no tel"),
    "no limit": ([{"promise": "resolve", "stop": "resolved"}], "limit is missing"),
    "no stop": ([{"promise": "resolve", "limit": "4h"}], "stop is missing"),
    "no promise": ([{"stop": "resolved", "limit": "4h"}], "promise is missing"),
    "a limit that is none": ([rule("soon")], "'soon' is not a limit"),
    "two rules for the same cases": ([rule("4h"), rule("5h")], "two rules for the same cases"),
    "two rules for one type": (
        [rule("4h", when={"type": ["fault", "order"]}), rule("5h", when={"type": ["order", "enquiry"]})],
        "two rules for the same cases",
    ),
    "the same in another spelling": (
        [rule("4h", when={"type": "fault"}), rule("5h", when={"type": ["fault"]})],
        "two rules for the same cases",
    ),
    "tiers backwards": (
        [rule(rungs=[{"at": "50%", "tier": 3}, {"at": "80%", "tier": 2}])],
        "the rungs run backwards",
    ),
    "times backwards": (
        [rule(rungs=[{"at": "80%", "tier": 2}, {"at": "50%", "tier": 3}])],
        "the rungs run backwards",
    ),
    "a tier that is none": ([rule(rungs=[{"at": "50%", "tier": 4}])], "a rung leads to tier 2 or 3"),
    "a rung before the target": ([rule("4h", rungs=[{"at": "2h", "tell": ["lead"]}])], "before the target 4h"),
    "a rung at a part of the target": ([rule(rungs=[{"at": "50%", "tell": ["lead"]}])], "comes before the target"),
    "a rung on a working day": ([rule(rungs=[{"at": "due+1wd", "tell": ["lead"]}])], "a rung is running time"),
    "a tier after the target": ([rule(rungs=[{"at": "due+1h", "tier": 2}])], "comes at a percentage"),
    "a warning at the end": ([rule(warn=["100%"])], "100% is not between"),
    "a warning in hours": ([rule(warn=["1h"])], "a warning or tier comes at a percentage"),
    "the same warning twice": ([rule(warn=["75%", "75%"])], "the same step twice"),
    "text for true": ([rule(statutory="yes")], "statutory is true or false"),
    "a type that no case has": (
        [rule(when={"type": ["fault", "fualt"]})],
        "when.type: there is no fualt, only enquiry",
    ),
    "a type of another kind": ([rule(when={"kind": "ticket", "type": "install"})], "there is no install, only enquiry"),
    "a number for text": ([rule(24)], "limit is neither text nor a list of texts"),
}


@pytest.mark.parametrize("name", list(NONSENSE))
def test_nonsense_is_refused_with_the_reason(name):
    entries, reason = NONSENSE[name]
    with pytest.raises(PolicyError) as refused:
        read(*entries)
    assert reason in str(refused.value)
    assert any(name in str(refused.value) for name in ("resolve", "first_response", "promise"))


SENSE = {
    "urgent as fast as ordinary": [rule("4h"), rule("4h", when={"urgency": "urgent"})],
    "as strict as the law": [LAW, rule("48h", when={"type": "fault", "grade": "gold"})],
    "the law itself knows the country": [LAW, rule("72h", statutory=True, when={"type": "fault", "rural": True})],
    "looser where the law does not look": [LAW, rule("96h", when={"type": "order"})],
    "lighter than the law": [LAW, rule("96h", when={"kind": "ticket"})],
    "a rung at the target": [rule("4h", rungs=[{"at": "4h", "tell": ["lead"]}, {"at": "due", "tell": ["head"]}])],
    "a kind of case that comes with another room": [rule(when={"kind": "whatever", "type": "any"})],
    "a type of one of its kinds": [rule(when={"kind": ["ticket", "appointment"], "type": "fault"})],
    "warnings before a given date": [
        rule(start="given", warn=["due-1h", {"at": "due-15m", "tell": ["owner", "lead"]}, "75%"])
    ],
    "branches of one tree": [rule("4h", when={"category": "a"}), rule("5h", when={"category": "b"})],
}


@pytest.mark.parametrize("name", list(SENSE))
def test_what_makes_sense_is_taken(name):
    assert len(read(*SENSE[name])) == len(SENSE[name])


def test_a_warning_tells_the_owner_unless_it_says_whom_and_is_written_as_it_was_read():
    form = rule(start="given", warn=["75%", {"at": "due-15m", "tell": ["owner", "lead"]}])
    (read_back,) = read(form)
    assert [(s["at"], s["tell"]) for s in read_back.steps if s["kind"] == "warn"] == [
        ("75%", ["owner"]),
        ("due-15m", ["owner", "lead"]),
    ]
    assert rule_table(read_back)["warn"] == form["warn"]
    assert [vars(f) for f in read_rules({"rule": [rule_table(read_back)]}, CALENDARS)] == [
        vars(f) for f in read_rules({"rule": [form]}, CALENDARS)
    ]


def test_the_reason_names_the_rule():
    with pytest.raises(PolicyError, match=r"rule 2 \(resolve\): there is no calendar"):
        read(rule(when={"type": "fault"}), rule(calendar="moon"))


# --- versions and scopes -------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_nonsense_publishes_nothing():
    builders.house()
    before = (PolicyVersion.objects.count(), Rule.objects.count())
    with pytest.raises(PolicyError):
        publish_policy({"rule": [rule(calendar="moon")]}, at=MONDAY, valid_from=MONDAY)
    with pytest.raises(PolicyError, match="there is no rule in it"):
        publish_policy({}, at=MONDAY, valid_from=MONDAY)
    assert (PolicyVersion.objects.count(), Rule.objects.count()) == before


@pytest.mark.django_db
def test_a_version_is_in_force_from_its_instant_on():
    builders.house()
    publish_policy({"rule": [rule("1h")]}, at=MONDAY, valid_from=MONDAY)
    agent = builders.person()
    limits = []
    for at in (MONDAY - timedelta(microseconds=1), MONDAY):
        ticket = builders.ticket(agent, customer=None, at=at)
        limits.append(Deadline.objects.get(case=ticket, promise="resolve").limits)
    assert limits == [["24h"], ["1h"]]


@pytest.mark.django_db
def test_an_import_opens_cases_under_its_own_scope_and_the_house_under_its_own():
    builders.house()
    publish_policy({"rule": [rule("2wd@same", calendar="china")]}, at=MONDAY, valid_from=None, scope="boston")
    agent = builders.person()
    with policies.scope("boston"):
        theirs = builders.ticket(agent, customer=None)
    ours = builders.ticket(agent, customer=None)
    with policies.scope("nowhere"):
        nobodys = builders.ticket(agent, customer=None)
    assert [d.limits for d in Deadline.objects.filter(case=theirs)] == [["2wd@same"]]
    assert Deadline.objects.get(case=ours, promise="resolve").limits == ["24h"]
    assert not Deadline.objects.filter(case=nobodys).exists()


@pytest.mark.django_db
def test_the_scope_ends_with_its_block_even_when_that_raises():
    with pytest.raises(ZeroDivisionError), policies.scope("boston"):
        _ = 1 / 0
    assert policies._scope.get() == ""


@pytest.mark.django_db
def test_a_house_older_than_a_kind_gets_its_rules_and_keeps_its_own():
    """An upgrade brings a new kind of case; what the house decided about the others stays."""
    load_shipped(at=MONDAY)
    PolicyVersion.objects.all().delete()
    old = copy.deepcopy({"rule": [rule for rule in FORM["rule"] if rule["when"]["kind"] != "appointment"]})
    old["rule"][0]["limit"] = "11m"
    publish_policy(old, at=MONDAY, valid_from=None)
    assert load_shipped(at=MONDAY) == ["policy for appointment"]
    newest = PolicyVersion.objects.latest("number")
    assert newest.rules.count() == len(FORM["rule"])
    assert newest.rules.filter(promise="first_response", limits=["11m"]).count() == 1
    assert newest.rules.filter(promise="visit_window").exists()
    assert load_shipped(at=MONDAY) == []
