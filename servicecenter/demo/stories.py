"""What happens on a demo ticket: a story from stories.toml becomes dated calls of the real services.

Nothing here touches the database. A `Life` collects steps; `build` runs the steps of all lives in the order of time.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from cases.models import Category
from staff.models import User
from tickets import conversation, ending, handling, services
from tickets.models import Ticket

from .people import REPAIR_A, Known, Staff

FORM = tomllib.loads((Path(__file__).parent / "stories.toml").read_text(encoding="utf-8"))
COMMON = FORM["common"]
ZONE = ZoneInfo(settings.TIME_ZONE)
SPOKEN = ("phone", "counter")

# Per mille of a day's contacts by hour: calls, and web and app with their long evening.
BY_HOUR = {
    "call": [4, 3, 3, 2, 1, 3, 12, 25, 68, 101, 111, 107, 80, 77, 90, 94, 70, 45, 25, 24, 18, 15, 14, 9],
    "web": [6, 2, 1, 2, 3, 4, 12, 37, 73, 104, 100, 79, 84, 76, 62, 57, 55, 51, 45, 33, 38, 32, 29, 14],
}
BY_WEEKDAY = {"call": [19, 19, 19, 17, 15, 5, 6], "web": [18, 19, 18, 15, 13, 9, 9]}
CHANNELS = {"phone": 0.62, "counter": 0.05, "app": 0.16, "web": 0.13, "email": 0.04}
# Enquiries, transactions (requests and orders), and what stands for complaints: faults and suggestions.
REASONS = {"enquiry": 0.57, "service_request": 0.155, "order": 0.06, "fault": 0.175, "suggestion": 0.04}
LIMIT_HOURS = {"suggestion": 72.0}
REPLY_MINUTES = {"service_request": 10.0}

# A space between Chinese and Latin letters or figures (interface.md §15), also where a value was put in.
_BETWEEN_SCRIPTS = re.compile(r"(?<=[\u4e00-\u9fff])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])(?=[\u4e00-\u9fff])")

minutes = lambda count: timedelta(minutes=count)  # noqa: E731 - reads as a unit
hours = lambda count: timedelta(hours=count)  # noqa: E731


@dataclass(frozen=True)
class Story:
    """One kind of matter, with its words in Chinese and perhaps in English."""

    key: str
    type: str
    category: str
    team: str
    weight: float
    words: dict[str, dict[str, Any]]
    visit: float = 0.0
    urgent: float = 0.04
    phone: float = 0.2
    company: bool = False
    private: bool = False


STORIES = [
    Story(
        **{key: value for key, value in form.items() if key not in ("zh", "en")},
        words={language: form[language] for language in ("zh", "en") if language in form},
    )
    for form in FORM["story"]
]


def kind_of(channel: str) -> str:
    return "call" if channel in SPOKEN else "web"


def likely(at: datetime, kind: str = "call") -> float:
    """How usual a contact at this instant is: 1 at the busiest hour of the busiest weekday."""
    local = at.astimezone(ZONE)
    by_hour, by_day = BY_HOUR[kind], BY_WEEKDAY[kind]
    return by_hour[local.hour] / max(by_hour) * (by_day[local.weekday()] / max(by_day))


class Deck:
    """Stories and their variants dealt without early repeats, so that a list of tickets does not read like one."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._used: dict[Any, int] = {}

    def story(self, customer: Known, type: str = "", *, keys: tuple[str, ...] = (), lasting: bool = False) -> Story:
        """A story of this type that fits the customer; a `lasting` one is not usually settled on the phone."""
        spoken = [
            story
            for story in STORIES
            if customer.language in story.words and (not type or story.type == type) and (not keys or story.key in keys)
        ]
        fits = [story for story in spoken if not (story.private if customer.company else story.company)] or spoken

        def weight(story: Story) -> float:
            return story.weight * max(0.02, 1 - story.phone) ** 2 if lasting else story.weight

        return self._least_used(fits, "story", key=lambda story: story.key, weight=weight)

    def common(self, language: str, type: str, name: str) -> str:
        """What is said on tickets of any story, or of this type."""
        words = COMMON[language]
        name = f"{name}_{type}" if f"{name}_{type}" in words else name
        texts = words[name] if isinstance(words[name], list) else [words[name]]
        return str(self._least_used(texts, (language, name), key=lambda text: text, weight=lambda _text: 1.0))

    def version(self, story: Story, language: str) -> int:
        """Which of the story's subjects, and so which of its other texts."""
        versions = list(range(len(story.words[language]["subject"])))
        return int(self._least_used(versions, (story.key, language), key=int, weight=lambda _version: 1.0))

    def _least_used(self, options: list[Any], scope: Any, *, key: Any, weight: Any) -> Any:
        costs = [
            (self._used.get((scope, key(option)), 0) + self.chance.random()) / weight(option) for option in options
        ]
        chosen = options[costs.index(min(costs))]
        self._used[scope, key(chosen)] = self._used.get((scope, key(chosen)), 0) + 1
        return chosen


@dataclass
class Scene:
    """What all lives share: who works here, which categories there are, and the dice."""

    chance: random.Random
    deck: Deck
    staff: Staff
    categories: dict[str, Category]
    now: datetime
    resolved: int = 0

    def lognormal(self, median: float, sigma: float) -> float:
        return median * exp(self.chance.gauss(0, sigma))

    def usual_between(self, first: datetime, last: datetime) -> datetime:
        """A moment between two, by day if it can be."""
        moments = [first + (last - first) * self.chance.random() for _try in range(7)]
        return max(moments, key=likely)

    def in_working_hours(self, at: datetime) -> datetime:
        """Most follow-up work of the night is done in the morning."""
        local = at.astimezone(ZONE)
        if 7 <= local.hour < 22 or self.chance.random() < 0.12:
            return at
        day = local if local.hour < 7 else local + timedelta(days=1)
        return day.replace(hour=7, minute=40) + minutes(self.chance.uniform(0, 140))


@dataclass
class Life:
    """One ticket to come: its intake, and the steps that follow it."""

    scene: Scene
    story: Story
    customer: Known
    channel: str
    received: datetime
    team: str = ""
    severity: str = "one"
    urgency: str = ""
    complex: bool = False
    owner: User | None = None  # who takes it in and keeps it; None: whoever takes it from the queue
    taken_in_by: User | None = None
    steps: list[tuple[datetime, Callable[..., Any], dict[str, Any]]] = field(default_factory=list)
    ticket_id: int = 0
    owner_now: User | None = None
    visit: bool = False
    version: int = 0

    def play(self, function: Callable[..., Any], facts: dict[str, Any], *, at: datetime) -> None:
        """Take one step through a service; the first opens the ticket."""
        if self.ticket_id:
            function(ticket_id=self.ticket_id, at=at, **facts)
        else:
            self.ticket_id = function(at=at, **facts).pk

    def __post_init__(self) -> None:
        chance, story = self.scene.chance, self.story
        self.urgency = self.urgency or ("urgent" if chance.random() < story.urgent else "normal")
        self.team = self.team or self.home_team()
        self.version = self.scene.deck.version(story, self.language)
        self.at = self.received
        self.visit = story.type == "fault" and chance.random() < story.visit
        self.talk = minutes(min(14.0, self.scene.lognormal(3.2, 0.6)))
        plan_words = self.customer.plan
        local = self.received.astimezone(ZONE)
        days = COMMON[self.language]["days"]
        self.values = {
            "hello": self.customer.hello,
            "fee": chance.choice([5, 6, 10, 15, 19, 25, 29, 30, 39, 58]),
            "month": (local.month - 2) % 12 + 1,
            "month_en": (local.replace(day=1) - timedelta(days=1)).strftime("%B"),
            "speed": chance.choice([300, 500, 1000]),
            "plan": plan_words,
            "street": chance.choice(STREETS[self.language]),
            "n": chance.randint(2, 8),
            "time": time_said(self.language, local, ahead=False),
            "began": "",
            "day": days[(local.weekday() + 2) % 7],
            "last4": f"{chance.randrange(10000):04d}",
            "region": self.customer.region.name_en if self.customer.english else self.customer.region.name_zh,
            "eta": "",
        }

    @property
    def language(self) -> str:
        return self.customer.language

    @property
    def spoken(self) -> bool:
        return self.channel in SPOKEN

    @property
    def limit(self) -> timedelta:
        return hours(48.0 if self.complex else LIMIT_HOURS.get(self.story.type, 24.0))

    def home_team(self) -> str:
        if self.story.team == "repair":
            return "broadband-a" if self.customer.region.code in REPAIR_A else "broadband-b"
        return self.story.team

    def text(self, name: str, *, at: datetime | None = None) -> str:
        """What is said, and where it names a time of day, one soon after `at`."""
        if at is not None:
            self.values["time"] = time_said(self.language, at.astimezone(ZONE), ahead=True)
        own = self.story.words[self.language].get(name)
        if own is None:
            words = self.scene.deck.common(self.language, self.story.type, name)
        elif isinstance(own, str):
            words = own
        else:
            aligned = len(own) >= len(self.story.words[self.language]["subject"])
            words = own[self.version] if aligned else self.scene.chance.choice(own)
        return _BETWEEN_SCRIPTS.sub(" ", words.format_map(self.values))

    # --- collecting steps -------------------------------------------------------------------------------------------

    def do(
        self, function: Callable[..., Any], *, after: timedelta | None = None, at: datetime | None = None, **facts: Any
    ) -> None:
        """Add a step at `at`, or `after` the one before; never before the one before."""
        moment = at if at is not None else self.at + (after or minutes(self.scene.chance.uniform(0.5, 3)))
        self.at = max(moment, self.at + timedelta(seconds=self.scene.chance.uniform(12, 50)))
        self.steps.append((self.at, function, facts))

    def intake(self, *, outage: bool = False) -> None:
        """Register the request: by whoever takes the call, or by the customer on the web."""
        story, chance = self.story, self.scene.chance
        by = None
        if self.spoken:
            by = self.taken_in_by or self.owner or self.anyone()
        self.taken_in_by = by
        facts: dict[str, Any] = {
            "subject": self.text("outage_subject" if outage else "subject"),
            "description": self.text("outage_says" if outage else "says"),
            "type": story.type,
            "channel": self.channel,
            "by": by,
            "customer": self.customer.row,
            "category": self.scene.categories["broadband.fault.area-outage" if outage else story.category],
            "region": self.customer.region,
            "urgency": self.urgency,
            "severity": self.severity,
            "complex": self.complex,
            "needs_visit": self.visit,
            "team": self.scene.staff.teams[self.team],
            "owner": self.owner,
            "received_at": self.received,
        }
        # A caller is written down while talking: the call began a little before the record.
        self.steps.append((self.received + (minutes(0.7) if self.spoken else minutes(0)), open_ticket, facts))
        self.at = self.received + minutes(1)
        if self.customer.row.vulnerable and chance.random() < 0.5 and by is not None:
            self.do(conversation.add_internal_note, body=self.text("vulnerable"), by=by)

    def anyone(self) -> User:
        """Somebody who takes calls; more often one of the team whose matter it is."""
        chance, staff = self.scene.chance, self.scene.staff
        code = self.team if chance.random() < 0.55 else chance.choice([c for c in staff.agents if staff.agents[c]])
        return chance.choice(staff.agents.get(code) or staff.agents["billing"])

    def take(self, by: User, *, after: timedelta | None = None) -> None:
        self.owner_now = by
        if self.owner is not None or self.taken_in_by == by or by.may("tickets.take_any"):
            self.do(services.start_ticket if self.owner is not None else services.take_ticket, by=by, after=after)
            return
        # Who may not choose is given the ticket.
        self.do(services.assign_ticket, owner=by, by=self.scene.staff.dispatcher, after=after)
        self.do(services.start_ticket, by=by)

    def reply(self, name: str = "reply", **facts: Any) -> None:
        moment = facts.get("at") or self.at
        self.do(conversation.reply_to_customer, body=self.text(name, at=moment), by=self.owner_now, **facts)

    def note(self, name: str = "note", **facts: Any) -> None:
        self.do(conversation.add_internal_note, body=self.text(name), by=self.owner_now, **facts)

    def call(self, name: str = "call", outcome: str = "reached", **facts: Any) -> None:
        self.do(conversation.log_call, body=self.text(name), outcome=outcome, by=self.owner_now, **facts)

    def plan(self, **facts: Any) -> None:
        due = (self.at + timedelta(days=2)).astimezone(ZONE).date()
        self.do(handling.plan_ticket, plan=self.text("plan"), due_on=due, by=self.owner_now, **facts)

    def wait(self, until: datetime, *, at: datetime, answered: bool = True) -> None:
        """Ask the customer something and wait; the answer comes at `until` (or has not come yet)."""
        chance = self.scene.chance
        unreachable = self.spoken and chance.random() < 0.3
        if unreachable:
            self.do(conversation.log_call, at=at, body=self.text("unreachable"), outcome="no_answer", by=self.owner_now)
            self.do(services.wait_for_customer, reason="unreachable", by=self.owner_now)
        else:
            reason = {"fault": chance.choice(["customer_test", "customer_time"]), "order": "customer_time"}.get(
                self.story.type, "documents"
            )
            self.do(
                conversation.reply_to_customer,
                at=at,
                body=self.text("ask"),
                by=self.owner_now,
                then="wait",
                reason=reason,
            )
        if answered:
            body = self.text("unreachable_gives" if unreachable else "gives")
            channel = self.channel if not self.spoken else chance.choice(["sms", "phone", "app"])
            self.do(conversation.customer_wrote, at=until, body=body, channel=channel, by=self.customer.row)
            if chance.random() < 0.75 and self.at < self.scene.now - minutes(20):
                self.reply("chase_reply", after=minutes(min(18, self.scene.lognormal(7, 0.5))))

    def located(self, *, at: datetime, noted: bool = True) -> None:
        self.do(handling.reach_milestone, at=at, milestone="located", by=self.owner_now)
        if noted and self.scene.chance.random() < 0.4:
            self.note("located")

    def finish(self, *, at: datetime, outage: bool = False, restored: bool = True) -> None:
        """Restore, resolve and tell the customer."""
        fault = self.story.type == "fault"
        if fault and restored:
            self.do(
                handling.reach_milestone,
                at=at - minutes(self.scene.chance.uniform(1, 9)),
                milestone="restored",
                by=self.owner_now,
            )
        verified = self.scene.chance.choices(
            ["customer", "test", "system"] if fault else ["customer", "system", "not_needed"], [5, 3, 2]
        )[0]
        self.do(
            ending.resolve_ticket,
            at=at,
            resolution=self.text("outage_fixed" if outage else "fixed"),
            verified=verified,
            by=self.owner_now,
        )


STREETS = {
    language: tomllib.loads((Path(__file__).parent / "people.toml").read_text(encoding="utf-8"))["customers"][language][
        "streets"
    ]
    for language in ("zh", "en")
}


def time_said(language: str, local: datetime, *, ahead: bool) -> str:
    """A round time of day as people say it: the next one that leaves an hour, or the last one before `local`."""
    words = COMMON[language]
    slots = list(zip((9.0, 10.5, 12.0, 14.0, 15.5, 17.0, 19.0, 20.0), words["times"], strict=True))
    now = local.hour + local.minute / 60
    if ahead:
        return next((said for hour, said in slots if hour >= now + 1), words["tomorrow"])
    return next((said for hour, said in reversed(slots) if hour <= now), words["yesterday"])


def open_ticket(*, at: datetime, **facts: Any) -> Ticket:
    return services.open_ticket(at=at, **facts)


def escalate(*, ticket_id: int, at: datetime, **facts: Any) -> None:
    """Raise it by hand, unless its promises have carried it to the top already."""
    if Ticket.objects.get(pk=ticket_id).tier < 3:
        handling.escalate_ticket(ticket_id=ticket_id, at=at, **facts)


# --- whole lives ---------------------------------------------------------------------------------------------------


def solved_on_the_phone(life: Life, by: User) -> Life:
    """The caller hangs up with an answer: opened, started, resolved and confirmed within minutes."""
    chance = life.scene.chance
    # Whoever answers the call and solves it keeps it; the team is the person's own.
    life.owner = life.taken_in_by = by
    life.team = by.team.code if by.team else life.team
    life.intake()
    life.take(by, after=minutes(0.3))
    life.finish(at=life.received + life.talk)
    if chance.random() < 0.75:
        life.call("talk", after=minutes(0.7), confirmed="yes")
    return life


def handled(life: Life, *, resolve_at: datetime | None = None, worker: User | None = None, plain: bool = False) -> Life:
    """From intake to the end: queue, work, perhaps waiting, hand-overs and reviews, resolution and what follows.

    `plain` leaves out what would move the end away from `resolve_at`.
    """
    scene, chance, staff = life.scene, life.scene.chance, life.scene.staff
    latest = scene.now - minutes(5)
    reviewer = None
    if life.complex:
        worker, reviewer = staff.expert(life.team)
    worker = worker or chance.choice(staff.agents[life.team])
    if life.owner is None and life.spoken and not life.complex and chance.random() < 0.4:
        life.owner = worker
    worker = life.owner or worker
    life.intake()
    _first_steps(life, worker)
    end = resolve_at or _end_of_work(life, latest)
    waits = chance.random() < 0.36 and end - life.at > hours(1.5)
    _work(life, end, waits=waits, limit=life.limit)
    if chance.random() < 0.3 and end - life.at > minutes(30) and not life.complex and not plain:
        _hand_over(life, end)
    if life.complex and reviewer is not None:
        _reviews(life, reviewer, rounds=2, by=end)
    if chance.random() < 0.012 and not plain:
        life.do(ending.cancel_ticket, at=max(life.at, end), reason=life.text("cancel"), by=life.owner_now)
        return life
    life.finish(at=end)
    _aftermath(life)
    return life


def _first_steps(life: Life, worker: User) -> None:
    """Taking it, and on written channels the first reply."""
    scene, chance = life.scene, life.scene.chance
    if life.spoken:
        life.take(worker, after=minutes(scene.lognormal(14, 0.9)) if life.owner is None else minutes(1))
        return
    promised = 5.0 if life.urgency == "urgent" else REPLY_MINUTES.get(life.story.type, 15.0)
    took = promised * min(0.93, scene.lognormal(0.42, 0.45))
    if chance.random() < 0.09:
        took = promised * chance.uniform(1.1, 3.4)
    replied = life.received + minutes(took)
    life.at = life.received + minutes(took * 0.3)
    life.take(worker)
    life.reply("reply", at=replied)


def _end_of_work(life: Life, latest: datetime) -> datetime:
    """When it is resolved: heavy-tailed, drawn towards the limit as it comes near, and mostly by day."""
    scene, chance = life.scene, life.scene.chance
    limit = life.limit
    took = hours(scene.lognormal(5.0, 1.35))
    if took > limit * 0.95:
        took = limit * chance.uniform(0.55, 0.97) if chance.random() < 0.25 else min(took, limit * 4)
    end = scene.in_working_hours(life.received + took)
    due = life.received + limit
    if end > due and took < limit and chance.random() < 0.7:
        end = due - minutes(chance.uniform(8, 130))
    return max(min(end, latest), life.at + minutes(4))


def _work(life: Life, end: datetime, *, waits: bool, limit: timedelta) -> None:
    """Notes, calls, milestones and chases spread between now and `end`."""
    scene, chance = life.scene, life.scene.chance
    start, span = life.at, end - life.at
    moments: list[tuple[float, Callable[[datetime], None]]] = []

    def add(fraction: float, step: Callable[[datetime], None]) -> None:
        moments.append((fraction, step))

    if life.story.type == "fault":
        found = min(0.6, minutes(min(scene.lognormal(45, 0.7), 225)) / span)
        add(found, lambda at: life.located(at=at))
        if life.visit:
            there = min(0.7, max(found, minutes(min(scene.lognormal(110, 0.5), 232)) / span))
            add(
                there + 0.01,
                lambda at: life.do(handling.reach_milestone, at=at, milestone="on_site", by=life.owner_now),
            )
    if life.complex or life.story.type == "suggestion":
        add(min(0.15, hours(9) / span), lambda at: life.plan(at=at))
    if life.complex and life.spoken:
        add(min(0.1, minutes(95) / span), lambda at: life.call(at=at))
    if chance.random() < 0.5:
        add(chance.uniform(0.05, 0.5), lambda at: life.note(at=at))
    if chance.random() < 0.3:
        add(chance.uniform(0.2, 0.8), lambda at: life.call(at=at))
    if chance.random() < 0.08:
        add(chance.uniform(0.1, 0.5), lambda at: life.call("unreachable", "no_answer", at=at))
    if waits:
        first, last = sorted((chance.uniform(0.1, 0.4), chance.uniform(0.45, 0.92)))
        until = min(scene.in_working_hours(start + span * last), end - minutes(2))
        add(first, lambda at: life.wait(until, at=at))
    elif chance.random() < 0.1 and span > hours(2):
        add(chance.uniform(0.3, 0.7), lambda at: _chased(life, at))
    if chance.random() < 0.05 and span > hours(2):
        add(chance.uniform(0.3, 0.6), lambda at: _held(life, at, min(at + span * 0.3, end)))
    if chance.random() < 0.03 and span > hours(3):
        add(
            chance.uniform(0.4, 0.7),
            lambda at: life.do(escalate, at=at, reason=life.text("escalate"), by=life.owner_now),
        )
    for fraction, step in sorted(moments, key=lambda pair: pair[0]):
        at = max(life.at, start + span * fraction)
        by_day = scene.in_working_hours(at)
        # Faults are located at any hour; notes, calls and questions keep to the day where there is one.
        step(by_day if by_day < end - minutes(10) and life.story.type != "fault" else at)


def _chased(life: Life, at: datetime) -> None:
    channel = life.channel if not life.spoken else "phone"
    life.do(conversation.customer_wrote, at=at, body=life.text("chase"), channel=channel, by=life.customer.row)
    life.reply("chase_reply", after=minutes(life.scene.lognormal(11, 0.6)))


def _held(life: Life, at: datetime, until: datetime) -> None:
    reason = life.scene.chance.choice(["parts", "department", "supplier"])
    life.note("hold_note", at=at)
    life.do(services.hold_ticket, reason=reason, by=life.owner_now)
    life.do(services.resume_ticket, at=until, by=life.owner_now)


def _hand_over(life: Life, end: datetime) -> None:
    """To a colleague, or back to the dispatcher who sends it on."""
    scene, chance, staff = life.scene, life.scene.chance, life.scene.staff
    at = life.at + (end - life.at) * chance.uniform(0.1, 0.5)
    if chance.random() < 0.45:
        colleague = chance.choice([p for p in staff.agents[life.team] if p != life.owner_now] or [life.owner_now])
        life.note("handover", at=at)
        life.do(services.assign_ticket, owner=colleague, by=staff.lead(life.team))
    else:
        others = {"broadband-a": "broadband-b", "broadband-b": "broadband-a", "moves": "broadband-a"}
        target = others.get(life.team, "billing")
        colleague = chance.choice(staff.agents[target])
        life.do(services.return_ticket, at=at, reason=life.text("returned"), by=life.owner_now)
        life.do(
            services.assign_ticket,
            after=minutes(scene.lognormal(8, 0.6)),
            owner=colleague,
            team=staff.teams[target],
            by=staff.dispatcher,
        )
        life.do(services.start_ticket, by=colleague, after=minutes(scene.lognormal(9, 0.7)))
        life.team = target
    life.owner_now = colleague


def _reviews(life: Life, reviewer: User, *, rounds: int, by: datetime) -> None:
    """Submit and pass; now and then it is sent back once."""
    chance = life.scene.chance
    step = max((by - life.at) / (rounds * 2 + 3), minutes(2))
    if chance.random() < 0.3:
        life.do(services.submit_for_review, after=step / 2, by=life.owner_now, note=life.text("review"))
        life.do(services.review_ticket, after=step / 2, passed=False, by=reviewer, note=life.text("review_back"))
    for _round in range(rounds):
        life.do(services.submit_for_review, after=step, by=life.owner_now, note=life.text("review"))
        life.do(services.review_ticket, after=step, passed=True, by=reviewer, note=life.text("review_ok"))


def _aftermath(life: Life) -> None:
    """Confirmed on a call, heard nothing of (the sweep closes it), or not solved after all."""
    scene, chance = life.scene, life.scene.chance
    scene.resolved += 1
    # Before the sweep closes it on the third day.
    called = scene.in_working_hours(life.at + hours(min(scene.lognormal(6, 0.9), 40)))
    if scene.resolved % 16 == 9:
        life.call("again", at=called, confirmed="no")
        life.note("again_note")
        again = scene.in_working_hours(life.at + hours(min(scene.lognormal(4, 0.6), 16)))
        if life.complex:
            _reviews(life, scene.staff.expert(life.team)[1], rounds=2, by=again)
        life.finish(at=again)
        called = scene.in_working_hours(life.at + hours(3))
        life.call("thanks", at=called, confirmed="yes")
    elif chance.random() < 0.43:
        life.call("thanks", at=called, confirmed="yes")


def in_an_outage(life: Life, *, began: datetime, found: datetime, mended: datetime, worker: User) -> Life:
    """A report of the surge day: answered, tied to the outage, and resolved in a row when the cable is mended."""
    scene, chance = life.scene, life.scene.chance
    life.visit = False
    life.values["began"] = f"{began.astimezone(ZONE):%H:%M}"
    life.values["eta"] = f"{mended.astimezone(ZONE):%H:%M}"
    life.intake(outage=True)
    if life.spoken:
        life.take(worker, after=minutes(scene.lognormal(9, 0.8)))
    else:
        took = min(scene.lognormal(8, 0.7), 50)
        life.at = life.received + minutes(took * 0.4)
        life.take(worker)
        life.reply("outage_reply", at=life.received + minutes(took))
    life.located(at=max(found, life.at), noted=False)
    life.note("outage_note")
    life.do(services.hold_ticket, reason="outage", by=worker)
    if chance.random() < 0.12 and mended - life.at > hours(1):
        life.do(
            conversation.customer_wrote,
            at=life.at + (mended - life.at) * 0.6,
            body=life.text("chase"),
            channel=life.channel,
            by=life.customer.row,
        )
        life.reply("outage_reply", after=minutes(scene.lognormal(9, 0.5)))
    life.finish(at=max(mended + minutes(chance.uniform(3, 110)), life.at + minutes(2)), outage=True)
    if chance.random() < 0.3:
        life.call("thanks", at=scene.in_working_hours(life.at + hours(chance.uniform(0.5, 16))), confirmed="yes")
    return life
