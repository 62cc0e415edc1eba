"""Skills and certificates as tables: who can do what, which papers they have and until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common import clockface
from staff.ability import Ability, abilities
from staff.models import Certificate, Skill, User
from staff.skills import LEVELS

SOON_DAYS = 30


@dataclass(frozen=True)
class Held:
    """One skill of one person. `why_not`: the sentence when the certificate is missing today; `dots`: filled or not."""

    level: int
    why_not: str
    dots: tuple[bool, ...]
    words: str


@dataclass(frozen=True)
class SkillLine:
    person: User
    cells: list[Held | None]


@dataclass(frozen=True)
class Paper:
    """A certificate with how it stands: `tone` of its tag ("", "ok", "soon", "over") and the words in it."""

    row: Certificate
    tone: str
    words: str
    icon: str
    issued: str
    expires: str
    may_revoke: bool


def skill_lines(people: Sequence[User], skills: Sequence[Skill], today: date) -> list[SkillLine]:
    """Everybody's level in every skill. Two queries."""
    able = abilities(person.pk for person in people)
    return [SkillLine(person, [held(able[person.pk], skill.code, today) for skill in skills]) for person in people]


def held(ability: Ability, code: str, today: date) -> Held | None:
    level = ability.levels.get(code)
    if level is None:
        return None
    words = _("Level %(level)s of 5") % {"level": level}
    return Held(level, str(ability.why_not(code, level, today) or ""), tuple(step <= level for step in LEVELS), words)


def papers(people: Iterable[User], today: date, *, history: bool = False) -> list[Paper]:
    """These people's certificates, the first to expire first; without `history` the latest of each kind. One query."""
    found = (
        Certificate.objects.filter(user__in=list(people)).select_related("user", "kind").order_by("expires_on", "pk")
    )
    if history:
        return [_paper(row, today) for row in found]
    # A revoked paper never stands for one that holds.
    latest = {
        (row.user_id, row.kind_id): row
        for row in sorted(found, key=lambda row: (row.revoked_on is None, row.expires_on, row.pk))
    }
    return [_paper(row, today) for row in sorted(latest.values(), key=lambda row: (row.expires_on, row.pk))]


def _paper(row: Certificate, today: date) -> Paper:
    left = (row.expires_on - today).days
    if row.revoked_on is not None:
        words = _("Revoked on %(day)s") % {"day": clockface.plain_day(row.revoked_on)}
        icon, tone = "circle-x", "over"
    elif left < 0:
        icon, tone, words = "octagon-alert", "over", _("Expired")
    elif row.issued_on > today:
        icon, tone, words = "clock", "", _("Not yet valid")
    elif left == 0:
        icon, tone, words = "hourglass", "soon", _("Last day today")
    elif left < SOON_DAYS:
        icon, tone = "hourglass", "soon"
        words = ngettext("%(days)s day left", "%(days)s days left", left) % {"days": left}
    else:
        icon, tone, words = "circle-check", "ok", _("Valid")
    return Paper(
        row,
        tone,
        words,
        icon,
        clockface.plain_day(row.issued_on),
        clockface.plain_day(row.expires_on),
        may_revoke=row.revoked_on is None and left >= 0,
    )
