"""What a demo ticket can be about: the stories of stories.toml, when people bring them, and what all lives share."""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from cases.models import Category

from .people import Known, Staff

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
REPLY_MINUTES = {"service_request": 10.0}

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
