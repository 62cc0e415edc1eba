"""Who has a ticket on screen, and who is writing to its customer: told with each question to the change feed.

It lives in the cache and is forgotten by itself. Nothing of it is in the case's row, because it is no fact about the
case, and it stops nobody: two may write, and who sends second is asked (tickets.conversation).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from redis.exceptions import RedisError

from common import clock
from common.templatetags.ui import hue, initials

log = logging.getLogger(__name__)

LIFE = 30  # seconds without a sign until somebody counts as gone; an idle page asks every 15
RENEWED_AFTER = 10  # seconds: a sign that says nothing new is not written again before
PLACES = 8  # that many can be seen at one ticket
FACES = 3


@dataclass(frozen=True)
class Reader:
    """Somebody at a ticket; `at` is the last sign, in epoch seconds."""

    person: int
    name: str
    writing: bool
    at: float


def others(case_id: int, person: Any, *, writing: bool) -> list[Reader]:
    """Note that this person has the case on screen; return who else has, in the order of their keys.

    Everybody has a place of their own, taken by `add`, which no cache gives twice: nobody is lost where several come at
    once. Costs one reading, and a writing every RENEWED_AFTER seconds. A cache that is away shows nobody, no more.
    """
    now = clock.now().timestamp()
    mine = Reader(person.pk, str(person), writing, now)
    try:
        found = {place: Reader(*kept) for place, kept in cache.get_many(_places(case_id)).items()}
        held = [place for place, reader in found.items() if reader.person == person.pk]
        if not held:
            free = (place for place in _places(case_id) if place not in found)
            any(cache.add(place, _kept(mine), LIFE) for place in free)
        elif found[held[0]].writing != writing or now - found[held[0]].at >= RENEWED_AFTER:
            cache.set(held[0], _kept(mine), LIFE)
    except RedisError as trouble:
        log.warning("who is at case %s is not known: %s", case_id, trouble)
        return []
    seen = {reader.person: reader for reader in found.values() if reader.person != person.pk}
    return [seen[key] for key in sorted(seen)]


def leave(case_id: int, person: Any) -> None:
    """This person no longer has the case on screen."""
    try:
        found = cache.get_many(_places(case_id))
        cache.delete_many([place for place, kept in found.items() if Reader(*kept).person == person.pk])
    except RedisError as trouble:
        log.warning("leaving case %s is not noted: %s", case_id, trouble)


def _places(case_id: int) -> list[str]:
    return [f"here-{case_id}-{place}" for place in range(PLACES)]


def _kept(reader: Reader) -> tuple[int, str, bool, float]:
    return (reader.person, reader.name, reader.writing, reader.at)


def as_shown(readers: list[Reader]) -> list[dict[str, Any]]:
    """What the page shows: who is writing, then who is only looking; each group with its faces and one sentence."""
    return [
        {
            "writing": writing,
            "faces": [{"initials": initials(reader.name), "hue": hue(reader.name)} for reader in group[:FACES]],
            "words": _sentence(group, writing),
        }
        for writing in (True, False)
        if (group := [reader for reader in readers if reader.writing is writing])
    ]


def as_sending(name: str) -> dict[str, Any]:
    """What the page shows of somebody whose reply is about to leave (desk.sending): the strongest way of replying."""
    faces = [{"initials": initials(name), "hue": hue(name)}]
    words = _("%(name)s's reply is going out") % {"name": name}
    return {"writing": True, "sending": True, "faces": faces, "words": words}


def _sentence(group: list[Reader], writing: bool) -> str:
    values = {"name": group[0].name, "n": len(group) - 1}
    if len(group) == 1:
        return (_("%(name)s is replying") if writing else _("%(name)s is viewing")) % values
    if writing:
        words = ngettext("%(name)s and %(n)s other are replying", "%(name)s and %(n)s others are replying", values["n"])
    else:
        words = ngettext("%(name)s and %(n)s other are viewing", "%(name)s and %(n)s others are viewing", values["n"])
    return words % values
