"""What an import stands on: its calendars and policy as versions of their own, categories, teams and people.

A dry run builds the same in memory and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from cases.facts import digest
from cases.models import Category
from common.turns import take_turn
from sla import policies, shipped
from sla.arithmetic import Calendar, CalendarError
from sla.models import CalendarVersion, PolicyVersion, Rule
from staff.models import Team, User

from .maps import CaseMap, MapError, PromiseMap
from .reading import PAIRS, Record
from .walk import Filled

ROOT = "import"
# A promise given by the file has its limit computed from the file's target; a rule must have one to hold.
_GIVEN = "0m"


@dataclass
class Ground:
    """Everything a row needs that is not in the row."""

    map: CaseMap
    write: bool
    book: policies.Book
    filled: Filled
    categories: dict[str, Category] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    people: dict[str, User] = field(default_factory=dict)
    strangers: dict[str, set[str]] = field(default_factory=lambda: {"team": set(), "owner": set()})

    def category(self, raw: str) -> Category | None:
        """The category for a value of the file; made when first seen."""
        if not raw:
            return None
        if raw not in self.categories:
            self.categories[raw] = self._make_category(raw)
        return self.categories[raw]

    def team(self, record: Record) -> Team | None:
        return self._known("team", record.team, self.teams)

    def owner(self, record: Record) -> User | None:
        return self._known("owner", record.owner, self.people)

    def _known(self, kind: str, name: str, known: dict[str, Any]) -> Any:
        """The team or person of that code or username; whom we do not know is counted, not invented."""
        if name and name not in known:
            self.strangers[kind].add(name)
        return known.get(name)

    def _make_category(self, raw: str) -> Category:
        code = category_code(self.map.name, raw)
        if not self.write:
            # Below every real key, so that nothing is taken for it.
            return Category(pk=-len(self.categories) - 1, code=code, name_zh=raw[:80], name_en=raw[:80])
        parent = None
        for path in (ROOT, f"{ROOT}.{self.map.name}"):
            name = path.rpartition(".")[2]
            parent, _created = Category.objects.get_or_create(
                code=path, defaults={"name_zh": name, "name_en": name, "parent": parent, "active": False}
            )
        category, _created = Category.objects.get_or_create(
            code=code, defaults={"name_zh": raw[:80], "name_en": raw[:80], "parent": parent, "active": False}
        )
        return category


def category_code(map_name: str, raw: str) -> str:
    """The code of an imported category; the digest tells apart what has the same slug."""
    return f"{ROOT}.{map_name}.{slugify(raw, allow_unicode=True)[:50]}-{digest(raw)[:6]}"


def prepare(case_map: CaseMap, *, at: datetime, write: bool) -> Ground:
    """Publish what the map brings where it differs from what is there, and read what it needs. Raises MapError."""
    house = shipped.known_calendars() or shipped.shipped_calendars()
    missing = {promise.calendar for promise in case_map.promises} - set(case_map.calendars) - set(house)
    if missing:
        raise MapError(f"there is no calendar {', '.join(sorted(missing))}, neither in the map nor in the house")
    form = policy_form(case_map)
    try:
        rules = policies.read_rules(form, house | {row.name: row for row in case_map.calendars.values()})
    except (policies.PolicyError, CalendarError) as problem:
        raise MapError(str(problem)) from None
    book = _publish(case_map, form, rules, at) if write else _imagine(case_map, rules, house)
    teams = {team.code: team for team in Team.objects.all()}
    people = {person.username: person for person in User.objects.filter(is_active=True)}
    owner = _import_person(case_map.name) if write else None
    return Ground(
        case_map, write, book, Filled.of(case_map, owner_id=owner.pk if owner else -1), teams=teams, people=people
    )


@transaction.atomic
def _publish(case_map: CaseMap, form: dict[str, Any], rules: list[policies.RuleForm], at: datetime) -> policies.Book:
    take_turn(f"import.{case_map.name}")
    if not shipped.known_calendars():
        shipped.load_shipped(at=at)
    for calendar in case_map.calendars.values():
        shipped.publish_calendar(calendar, at=at)
    newest = PolicyVersion.objects.filter(scope=case_map.name).order_by("-number").first()
    if rules and (newest is None or newest.digest != shipped.digest_of([vars(rule) for rule in rules])):
        shipped.publish_policy(form, at=at, valid_from=None, scope=case_map.name)
    with policies.scope(case_map.name):
        return policies.book(at)


class _Imagined:
    """Stands for a policy version in a dry run: rules that are in no database."""

    def __init__(self, rules: list[Rule]) -> None:
        self.all_rules = rules


def _imagine(case_map: CaseMap, rules: list[policies.RuleForm], house: dict[str, Calendar]) -> policies.Book:
    everything = house | {row.name: row for row in case_map.calendars.values()}
    versions = {
        name: CalendarVersion(name=name, number=0, form=row.to_dict(), digest=shipped.digest_of([name, row.to_dict()]))
        for name, row in everything.items()
    }
    made: Any = _Imagined([Rule(pk=-position, **rule.__dict__) for position, rule in enumerate(rules, 1)])
    return policies.Book(made, versions)


def _import_person(name: str) -> User:
    """Who owns what the file says is being worked on by somebody we do not know. Cannot sign in."""
    person, created = User.objects.get_or_create(
        username=f"import.{name}"[:60], defaults={"name": f"Import: {name}", "is_active": False}
    )
    if created:
        person.set_unusable_password()
        person.save(update_fields=["password"])
    return person


# --- the policy ----------------------------------------------------------------------------------------------------


def policy_form(case_map: CaseMap) -> dict[str, Any]:
    """The map's promises as a policy file's rules: one rule for all values that share a limit."""
    return {"rule": [rule for promise in case_map.promises for rule in _rules(case_map, promise)]}


def _rules(case_map: CaseMap, promise: PromiseMap) -> list[dict[str, Any]]:
    calendar = case_map.calendars.get(promise.calendar)
    common: dict[str, Any] = {
        "promise": promise.name,
        "stop": list(promise.stops),
        "pauses": list(promise.pauses),
        "calendar": calendar.name if calendar else promise.calendar,
        "warn": list(promise.warn),
    }
    if promise.due:
        return [{**common, "start": "given", "limit": [_GIVEN]}]
    rules = []
    if promise.default:
        rules.append({**common, "limit": list(promise.default)})
    by_limits: dict[tuple[str, ...], list[str]] = {}
    for raw, limits in promise.limits.items():
        by_limits.setdefault(limits, []).append(raw)
    for limits, values in by_limits.items():
        for selectors in _selectors(case_map, promise, values):
            rules.append({**common, "when": selectors, "limit": list(limits)})
    return rules


def _selectors(case_map: CaseMap, promise: PromiseMap, values: list[str]) -> list[dict[str, Any]]:
    name = case_map.field_of(promise.by)
    if name in ("", "category"):
        return [{"category": [category_code(case_map.name, raw) for raw in values]}]
    ours = [case_map.values.get(name, {}).get(raw, raw) for raw in values]
    if name != "priority":
        return [{name: ours}]
    # A priority is not typed but computed: the rows get the pair of urgency and severity that makes it.
    pairs = [PAIRS[int(rank)] for rank in ours]
    return [{"urgency": str(urgency), "severity": str(severity)} for urgency, severity in pairs]
