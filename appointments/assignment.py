"""Who should go: every possible technician with a score that can be read aloud, and every other with the reason.

Two questions are kept apart. Which visit comes first is `job_points` (requirements.md C-21: safety, urgency, time
left, grade, peak, age). Who goes to it is `rank` (skill, travel, load).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from cases.models import Case
from cases.states import NEVER, Severity, Urgency
from common.errors import Sentence
from customers.models import Grade
from staff.models import User

from .availability import Grid, Needs, travel
from .windows import Window

GRADE_POINTS = {
    Grade.DIAMOND: 30, Grade.GOLD: 20, Grade.SILVER: 10,
    Grade.A1: 30, Grade.A2: 30, Grade.A3: 25, Grade.A4: 20, Grade.A5: 20,
    Grade.B1: 15, Grade.B2: 15, Grade.B3: 10, Grade.B4: 10, Grade.B5: 5,
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One reason of a score, in words, with its points."""

    name: Sentence
    points: int


@dataclass(frozen=True)
class Candidate:
    """A technician for a window: the score and its parts, or why it cannot be."""

    technician: User
    parts: list[Part] = field(default_factory=list)
    refusal: Sentence | None = None

    @property
    def score(self) -> int:
        return sum(part.points for part in self.parts)


def rank(grid: Grid, window: Window, needs: Needs, *, but: int | None = None) -> list[Candidate]:
    """All technicians for a window: those who can come, the best first, then the others with their reason."""
    able, others = [], []
    for key, person in grid.technicians.items():
        refusal = grid.refusal(key, window, needs, but=but)
        if refusal is None:
            able.append(Candidate(person, _parts(grid, key, window, needs, but)))
        else:
            others.append(Candidate(person, refusal=refusal))
    return sorted(able, key=lambda one: (-one.score, one.technician.pk)) + others


def _parts(grid: Grid, key: int, window: Window, needs: Needs, but: int | None) -> list[Part]:
    today = [taken for taken in grid.taken[key] if Window(taken.starts_at, taken.until).day == window.day]
    today = [taken for taken in today if but is None or taken.appointment_id != but]
    visits = len({taken.visit_at for taken in today})
    before = max(
        (taken for taken in today if taken.visit_at < window.starts_at), key=lambda t: t.visit_at, default=None
    )
    came_from = before.region_id if before else grid.bases.get(key)
    way = travel(came_from, needs.region_id) if came_from is not None else timedelta(0)
    ability = grid.abilities.get(key)
    spare = sum((ability.levels.get(skill, level) if ability else level) - level for skill, level in needs.skills)
    return [
        # The closest fit goes first, so that the expert stays free for what only the expert can do.
        Part(_("Skill fits closely") if not spare else _("Is more skilled than needed"), 20 - 5 * min(spare, 4)),
        Part(_("Way to go"), 30 - int(way.total_seconds() // 120)),
        Part(_("Visits that day so far"), 30 - 6 * min(visits, 5)),
    ]


def job_points(case: Case, *, at: datetime, peak: bool = False) -> list[Part]:
    """How urgent a visit is against others. Age counts enough that a low grade is not put off for ever (C-21)."""
    waited = max(at - case.received_at, timedelta(0))
    left = case.sort_due_at - at if case.sort_due_at != NEVER else timedelta(days=9)
    return [
        Part(_("Area or safety"), {Severity.AREA: 100, Severity.SEVERAL: 50}.get(Severity(case.severity), 0)),
        Part(_("Urgent"), 60 if case.urgency == Urgency.URGENT else 0),
        Part(_("Time left on the promise"), max(0, 50 - int(max(left, timedelta(0)) / timedelta(minutes=30)))),
        Part(_("Customer grade"), GRADE_POINTS.get(Grade(case.customer_grade), 0) if case.customer_grade else 0),
        Part(_("Peak hours"), 10 if peak else 0),
        Part(_("Waiting since"), min(40, int(waited / timedelta(hours=6)))),
    ]
