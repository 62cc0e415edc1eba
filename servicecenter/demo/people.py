"""The invented people of the demo center: staff in teams, and customers with what they have from us."""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.contrib.auth.hashers import make_password

from customers.models import Customer, Region
from customers.regions import EXAMPLE, load_regions
from customers.services import add_service, register_customer
from staff.models import Presence, Team, User
from staff.permissions import Role

FORM = tomllib.loads((Path(__file__).parent / "people.toml").read_text(encoding="utf-8"))
PASSWORD = "demo"  # noqa: S105 - printed at every start, and only where DEMO=1
ENGLISH_SHARE, COMPANY_SHARE, VULNERABLE_SHARE = 0.18, 0.1, 0.07
# Prefixes of eleven-digit numbers that no operator has been given.
PREFIXES = ("154", "160", "161", "163", "164", "168")
REPAIR_A = {"old-town", "riverside", "wangchuan", "science-park", "songling"}


def sign_ins() -> list[tuple[str, str]]:
    """User name and name of the people the demo is meant to be looked at with: the first of each role."""
    first: dict[str, tuple[str, str]] = {}
    for entry in FORM["staff"]:
        username, name, role = entry["of"][:3]
        first.setdefault(role, (username, name))
    return list(first.values())


@dataclass
class Known:
    """A customer with what the stories need to know, so that nothing is read twice."""

    row: Customer
    english: bool
    company: bool
    hello: str
    region: Region
    plan: str

    @property
    def language(self) -> str:
        return "en" if self.english else "zh"


class Staff:
    """The staff by team and role."""

    def __init__(self, people: list[User], teams: dict[str, Team]) -> None:
        self.people = {person.username: person for person in people}
        self.teams = teams
        self.agents = {
            code: [p for p in people if p.team_id == team.pk and p.role in (Role.AGENT, Role.SENIOR)]
            for code, team in teams.items()
        }
        self._leads = {code: self._one(team, Role.LEAD) for code, team in teams.items()}
        self.supervisor = self.people["supervisor"]
        self.dispatcher = self.people["dispatcher"]

    def _one(self, team: Team, role: str) -> User | None:
        return next((p for p in self.people.values() if p.team_id == team.pk and p.role == role), None)

    def lead(self, code: str) -> User:
        return self._leads[code] or self.supervisor

    def expert(self, code: str) -> tuple[User, User]:
        """Who takes a complex ticket of a team, and who reviews it (nobody reviews their own work)."""
        senior = self._one(self.teams[code], Role.SENIOR)
        return (senior, self.lead(code)) if senior else (self.lead(code), self.supervisor)


def make_staff(chance: random.Random, *, now: datetime) -> Staff:
    """Teams and users. One salt serves all: eight argon2 rounds would cost seconds and protect the word "demo"."""
    teams = {
        code: Team.objects.create(
            code=code, name_zh=form["zh"], name_en=form["en"], dispatches=form.get("dispatches", False)
        )
        for code, form in FORM["teams"].items()
    }
    password = make_password(PASSWORD)
    people = []
    for entry in FORM["staff"]:
        username, name, role, team, language, presence = entry["of"]
        people.append(
            User(
                username=username,
                password=password,
                name=name,
                email=f"{username}@example.net",
                role=role,
                team=teams.get(team),
                language=language,
                presence=Presence(presence),
                presence_since=now - timedelta(minutes=chance.uniform(3, 140)),
            )
        )
    User.objects.bulk_create(people)
    return Staff(list(User.objects.select_related("team").order_by("pk")), teams)


def make_customers(chance: random.Random, count: int, *, now: datetime) -> list[Known]:
    """`count` customers with phone or mail, an address in a region, a grade and a service."""
    load_regions(EXAMPLE.read_text(encoding="utf-8"))
    regions = list(Region.objects.order_by("code"))
    weights = [1 if region.rural else 3 for region in regions]
    companies = {code: list(FORM["customers"][code]["companies"]) for code in ("zh", "en")}
    return [
        _customer(chance, number, chance.choices(regions, weights)[0], companies, now=now)
        for number in range(1, count + 1)
    ]


def _customer(
    chance: random.Random, number: int, region: Region, unnamed: dict[str, list[str]], *, now: datetime
) -> Known:
    english = chance.random() < ENGLISH_SHARE
    language = "en" if english else "zh"
    words, companies = FORM["customers"][language], unnamed[language]
    company = bool(companies) and chance.random() < COMPANY_SHARE
    hello = words["hello_unknown"]
    if company:
        name = companies.pop()
        grade, plan = chance.choice(["1A", "2A", "3A", "1B"]), chance.choice(words["company_products"])
    else:
        surname, woman = chance.choice(words["surnames"]), chance.random() < 0.5
        given = chance.choice(words["female" if woman else "male"])
        name = f"{given} {surname}" if english else surname + given
        hello = (
            hello
            if chance.random() < 0.1
            else words["hello"].format(who=words["miss" if woman else "mister"].format(surname=surname))
        )
        grade = chance.choices(["diamond", "gold", "silver", "basic"], [4, 12, 24, 60])[0]
        plan = chance.choice(words["products"])
    mailed = chance.random() < (0.6 if english else 0.25)
    house = words["house"].format(
        a=chance.randint(1, 88), b=chance.randint(1, 18), c=chance.randint(2, 24), d=chance.randint(1, 4)
    )
    row = register_customer(
        name=name,
        phone=f"{chance.choice(PREFIXES)}{chance.randrange(10**8):08d}",
        email=f"c{number:04d}@{words['domain']}" if mailed else "",
        region=region,
        street=chance.choice(words["streets"]),
        house=house,
        at=now - timedelta(days=chance.uniform(31, 2600)),
        group=Customer.Group.ENTERPRISE if company else chance.choice(["individual", "individual", "household"]),
        grade=grade,
        vulnerable=not company and chance.random() < VULNERABLE_SHARE,
        language="en" if english else "zh-hans",
        preferred_channel=chance.choice(["email", "phone"] if mailed else ["phone", "sms"]),
    )
    add_service(customer=row, account=f"{chance.randint(600, 899)}{number:05d}", product=plan)
    return Known(row, english, company, hello, region, plan)
