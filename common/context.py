from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation
from django.utils.html import format_html

from . import clock, clockface, keys, navigation, session

HTMX_CONFIG = json.dumps(
    {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "allowScriptTags": False,
        "selfRequestsOnly": True,
        "historyCacheSize": 0,
        # Nothing is cached in the browser, so going back is a real page load, not a fragment.
        "refreshOnHistoryMiss": True,
        "scrollBehavior": "instant",
        # What is swapped in works at once: a key pressed within the usual 20 ms would follow the plain link.
        "defaultSettleDelay": 0,
        # Settling would copy style attributes, which the content policy refuses.
        "attributesToSettle": ["class", "width", "height"],
        # A form with errors (422) and a conflict (409) are answers to show, not failures.
        "responseHandling": [
            {"code": "204", "swap": False},
            {"code": "[23]..", "swap": True},
            {"code": "409|422", "swap": True},
            {"code": "...", "swap": False, "error": True},
        ],
    },
    separators=(",", ":"),
)
PRESENCE_ICONS = {
    "online": "headset",
    "busy": "clipboard-list",
    "break": "coffee",
    "away": "clock",
    "offline": "power",
}


class Page:
    """What every page knows, as `page` in templates. Worked out on use: most fragments need none of it."""

    htmx_config = HTMX_CONFIG

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    @property
    def server_now(self) -> int:
        """Epoch milliseconds."""
        return int(clock.now().timestamp() * 1000)

    @cached_property
    def language(self) -> str:
        return translation.get_language() or settings.LANGUAGE_CODE

    @property
    def other_language(self) -> dict[str, str]:
        """The language to switch to, under its own name."""
        code, name = next((code, name) for code, name in settings.LANGUAGES if code != self.language)
        return {"code": code, "name": name}

    @property
    def service_name(self) -> str:
        return settings.SERVICE_NAME.get(self.language) or settings.SERVICE_NAME[settings.LANGUAGE_CODE]

    @property
    def service_phone(self) -> str:
        return settings.SERVICE_PHONE

    @property
    def service_phone_link(self) -> str:
        """The number as a link that calls it."""
        digits = "".join(letter for letter in settings.SERVICE_PHONE if letter.isdigit() or letter == "+")
        return format_html('<a class="num" href="tel:{}">{}</a>', digits, settings.SERVICE_PHONE)

    @property
    def service_hours(self) -> str:
        return settings.SERVICE_HOURS.get(self.language, "")

    @property
    def start(self) -> str:
        """Where this reader begins: staff at the desk, everybody else at the front door."""
        return (self.person and navigation.address("desk:queue")) or "/"

    @cached_property
    def person(self) -> Any:
        """Whoever is signed in, else None (also on error pages, where there may be no user at all)."""
        user = getattr(self.request, "user", None)
        return user if user is not None and user.is_authenticated else None

    @property
    def session_left(self) -> int | None:
        """Seconds until the session ends; None for whoever is not signed in."""
        return session.left(self.request)

    @property
    def theme(self) -> str:
        return getattr(self.person, "theme", "") or "system"

    @property
    def density(self) -> str:
        return getattr(self.person, "density", "") or "comfortable"

    @property
    def single_keys(self) -> bool:
        """Whether single keys do anything for this person."""
        return getattr(self.person, "single_keys", True)

    @cached_property
    def keys(self) -> dict[str, str]:
        """The single keys as this person has them, by what they do."""
        return keys.keys_of(self.person)

    @property
    def keys_url(self) -> str:
        return navigation.address("desk:keys") if self.person else ""

    @property
    def script_keys(self) -> str:
        return keys.for_script(self.person)

    @cached_property
    def rail(self) -> list[navigation.Place]:
        return navigation.rail(self.request) if self.person else []

    @property
    def settings(self) -> list[navigation.Place]:
        return navigation.settings(self.request) if self.person else []

    @property
    def notices_url(self) -> str:
        return navigation.address("desk:notices") if self.person else ""

    @property
    def find_url(self) -> str:
        return navigation.address("desk:find")

    @property
    def feed_url(self) -> str:
        return navigation.address("desk:changes") if self.person else ""

    @property
    def here(self) -> str:
        """Where the small forms of the frame return to: this page, or the page that asked for this fragment."""
        if self.request.method == "POST" and "next" in self.request.POST:
            return navigation.way_back(self.request)
        return self.request.get_full_path()

    @property
    def presences(self) -> list[dict[str, Any]]:
        """The states a person can put themselves in, each with words and icon."""
        if not self.person:
            return []
        return [
            {"value": value, "label": label, "icon": PRESENCE_ICONS[value], "current": value == self.person.presence}
            for value, label in self.person._meta.get_field("presence").flatchoices
        ]

    @property
    def words(self) -> dict[str, str]:
        return clockface.counting_words()

    @property
    def request_id(self) -> str:
        return getattr(self.request, "request_id", "")


def page(request: HttpRequest) -> dict[str, Any]:
    return {"page": Page(request)}
