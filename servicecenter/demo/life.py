"""One demo ticket: a story becomes dated calls of the real services.

Nothing here touches the database. A `Life` collects steps; `build` runs the steps of all lives in the order of time.
Which steps a life is made of is written in `courses`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from staff.models import User
from tickets import conversation, ending, handling, services

from .people import FORM, REPAIR_A, Known
from .stories import COMMON, REPLY_MINUTES, SPOKEN, ZONE, Scene, Story, hours, minutes

LIMIT_HOURS = {"suggestion": 72.0}
STREETS = {language: FORM["customers"][language]["streets"] for language in ("zh", "en")}

# A space between Chinese and Latin letters or figures (interface.md §15), also where a value was put in.
_BETWEEN_SCRIPTS = re.compile(r"(?<=[\u4e00-\u9fff])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])(?=[\u4e00-\u9fff])")


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

    @property
    def reply_minutes(self) -> float:
        """Within how many minutes a first reply in writing is promised."""
        return 5.0 if self.urgency == "urgent" else REPLY_MINUTES.get(self.story.type, 15.0)

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
        self.steps.append((self.received + (minutes(0.7) if self.spoken else minutes(0)), services.open_ticket, facts))
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


def time_said(language: str, local: datetime, *, ahead: bool) -> str:
    """A round time of day as people say it: the next one that leaves an hour, or the last one before `local`."""
    words = COMMON[language]
    slots = list(zip((9.0, 10.5, 12.0, 14.0, 15.5, 17.0, 19.0, 20.0), words["times"], strict=True))
    now = local.hour + local.minute / 60
    if ahead:
        return next((said for hour, said in slots if hour >= now + 1), words["tomorrow"])
    return next((said for hour, said in reversed(slots) if hour <= now), words["yesterday"])
