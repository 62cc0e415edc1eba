"""Who can do what, and on which day: skills with levels, held only while their certificate is valid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.utils.functional import Promise, lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from common import clockface

from .skills import Certificate, UserSkill

Days = tuple[date, date]  # both ends belong to it
_ONE_DAY = timedelta(days=1)
_day = lazy(clockface.plain_day, str)


@dataclass(frozen=True)
class Ability:
    """What one person can do, asked without the database.

    `levels`: level (1–5) by skill code. `certified`: for a skill that needs a certificate, the days on which it is
    covered (merged, sorted; empty when there is none); a skill that is not named there needs no certificate.
    """

    levels: dict[str, int] = field(default_factory=dict)
    certified: dict[str, tuple[Days, ...]] = field(default_factory=dict)

    @property
    def expires(self) -> dict[str, date | None]:
        """The last day on which each skill is held: None without an end; a skill never certified is left out."""
        return {
            code: self.certified[code][-1][1] if code in self.certified else None
            for code in self.levels
            if self.certified.get(code, True)
        }

    def may_do(self, skill_code: str, level: int, on: date) -> bool:
        """Whether this person may do on `on` what asks for `skill_code` at `level`."""
        return self.levels.get(skill_code, 0) >= level and self._certified(skill_code, on)

    def why_not(self, skill_code: str, level: int, on: date) -> Promise | None:
        """Why `may_do` says no: one sentence in the reader's language, or None when it says yes."""
        held = self.levels.get(skill_code)
        if held is None:
            return _("Has not learned this skill.")
        if held < level:
            return format_lazy(_("Has level {held} in this skill; level {needed} is needed."), held=held, needed=level)
        if self._certified(skill_code, on):
            return None
        return _why_not_certified(self.certified[skill_code], on)

    def _certified(self, code: str, on: date) -> bool:
        days = self.certified.get(code)
        return days is None or any(first <= on <= last for first, last in days)


def _why_not_certified(days: tuple[Days, ...], on: date) -> Promise:
    before = [last for _first, last in days if last < on]
    if before:
        return format_lazy(_("The certificate was valid until {day}."), day=_day(before[-1]))
    if days:
        return format_lazy(_("The certificate is valid only from {day}."), day=_day(days[0][0]))
    return _("Has no valid certificate for this skill.")


def abilities(user_ids: Iterable[int]) -> dict[int, Ability]:
    """What each of these people can do; everybody asked for is a key. Two queries, however many people."""
    people = list(user_ids)
    found = {pk: Ability() for pk in people}
    papers: dict[tuple[int, int], list[Days]] = {}
    for paper in Certificate.objects.filter(user__in=people):
        last = paper.expires_on if paper.revoked_on is None else min(paper.expires_on, paper.revoked_on - _ONE_DAY)
        if paper.issued_on <= last:
            papers.setdefault((paper.user_id, paper.kind_id), []).append((paper.issued_on, last))
    held = UserSkill.objects.filter(user__in=people).order_by("skill__code")
    for pk, code, kind, level in held.values_list("user_id", "skill__code", "skill__certificate_kind", "level"):
        found[pk].levels[code] = level
        if kind is not None:
            found[pk].certified[code] = _merged(papers.get((pk, kind), []))
    return found


def _merged(days: list[Days]) -> tuple[Days, ...]:
    merged: list[Days] = []
    for first, last in sorted(days):
        if merged and first <= merged[-1][1] + _ONE_DAY:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def expiring(on: date, within_days: int) -> list[Certificate]:
    """The certificates whose last day is `on` or one of the `within_days` after it, of active people, soonest first.

    Revoked ones are left out, and those whose holder has a later paper of the same kind.
    """
    found = Certificate.objects.filter(
        expires_on__range=(on, on + timedelta(days=within_days)), revoked_on__isnull=True, user__is_active=True
    ).select_related("user", "kind")
    later = {
        (paper.user_id, paper.kind_id): paper.expires_on
        for paper in Certificate.objects.filter(
            user__in=[paper.user_id for paper in found], revoked_on__isnull=True, expires_on__gt=on
        ).order_by("expires_on")
    }
    return sorted(
        (paper for paper in found if later.get((paper.user_id, paper.kind_id), paper.expires_on) <= paper.expires_on),
        key=lambda paper: (paper.expires_on, paper.user_id, paper.pk),
    )
