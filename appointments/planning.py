"""A day's proposal: which waiting visits could go when and with whom, and why the others cannot.

The planner decides, the grid says where there is room, by the same rules as every booking. Nothing is written: the
dispatcher chooses, and `carry_out` has the ordinary services do it, one visit at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

from common import clock
from common.errors import DomainError, InvalidInput, Sentence
from staff.models import User

from . import booking
from .assignment import Part, job_points, rank
from .availability import Grid, Needs
from .crews import reassign_crew
from .models import Appointment, WaitlistEntry
from .permissions import allow
from .planner import Job, Reason, plan
from .services import arrange_appointment, move_appointment
from .states import PROMISED, Side, State
from .windows import Window


class Asked(StrEnum):
    """Why a visit is not planned at all: the customer has a say first."""

    CALL = "call"
    WISH = "wish"


WHY: dict[str, Sentence] = {
    Asked.CALL: _("Somebody must call this customer first."),
    Asked.WISH: _("The customer asked for other days."),
    Reason.NO_ONE: _("Nobody has the skill and level for it that day and drives to this area."),
    Reason.TOO_FEW: _("In no window left that day are enough people on shift who can do it."),
    Reason.FULL: _("In no window left that day are enough of those who can do it free."),
}


@dataclass(frozen=True)
class Step:
    """What is to be done with one visit: few and plain values, so that a form can carry them."""

    appointment_id: int
    version: int
    starts_at: datetime
    technicians: tuple[int, ...]


@dataclass(frozen=True)
class Proposal:
    """A visit with a window and a crew, the one who talks to the customer first; `points` say why it came so early."""

    appointment: Appointment
    window: Window
    crew: tuple[User, ...]
    points: tuple[Part, ...]

    @property
    def step(self) -> Step:
        appointment = self.appointment
        return Step(
            appointment.pk, appointment.version, self.window.starts_at, tuple(person.pk for person in self.crew)
        )


@dataclass(frozen=True)
class Left:
    """A visit that gets no time that day, and why: a `Reason` or `Asked`, and its sentence."""

    appointment: Appointment
    reason: str

    @property
    def sentence(self) -> Sentence:
        return WHY[self.reason]


@dataclass(frozen=True)
class DayPlan:
    """A proposal for one day, the most urgent visit first. It holds as long as nobody books or moves."""

    day: date
    proposals: list[Proposal]
    left: list[Left]


@dataclass(frozen=True)
class Refused:
    """A step that could not be carried out any more, and why not."""

    step: Step
    reasons: tuple[Sentence, ...]


def plan_requested(day: date, at: datetime) -> DayPlan:
    """Propose windows and crews on `day` for what has no time or no technician, the most urgent first.

    What has a promised window on another day is not part of it. Reads in ten statements, writes nothing. Raises
    InvalidInput for a day that is over or too far.
    """
    today = Window(at, at).day
    if day < today:
        raise InvalidInput(_("This day is over."), field="day")
    if day > today + booking.HORIZON:
        raise InvalidInput(
            _("Please choose a day within the next %(days)s days.") % {"days": booking.HORIZON.days}, field="day"
        )
    waiting = Appointment.objects.to_book().with_people().select_related("waitlist").prefetch_related("services")
    visits = {visit.pk: visit for visit in waiting if visit.state not in PROMISED or visit.window.day == day}
    grid = Grid(day, day, at=at)
    asked = {pk: reason for pk, visit in visits.items() if (reason := _asked(visit, grid))}
    points = {pk: tuple(job_points(visit, at=at)) for pk, visit in visits.items() if pk not in asked}
    ground = _Windows(grid, [visits[pk] for pk in points])
    jobs = [Job(pk, _weight(visits[pk], parts)) for pk, parts in points.items()]
    found = plan(jobs, ground, tie=lambda pk: visits[pk].received_at.timestamp())
    proposals = [
        Proposal(
            visits[placed.key],
            ground.grid.windows[placed.start],
            tuple(ground.grid.technicians[key] for key in placed.crew),
            points[placed.key],
        )
        for placed in found.placed.values()
    ]
    left = [Left(visits[pk], reason) for pk, reason in {**asked, **found.left}.items()]
    return DayPlan(day, proposals, sorted(left, key=lambda one: (one.reason, one.appointment.received_at)))


def _asked(visit: Appointment, grid: Grid) -> Asked | None:
    """Whether the customer must be asked, or has said otherwise, before this visit can get a time on that day."""
    if visit.state in PROMISED:
        return None
    if visit.call_since is not None:
        return Asked.CALL
    wish = _wish(visit)
    windows = [window for window in grid.windows if window.starts_at > grid.at]
    return Asked.WISH if wish and windows and not any(wish.wants(window) for window in windows) else None


def _wish(visit: Appointment) -> WaitlistEntry | None:
    """When the customer of a visit without a time could be at home, as far as we were told."""
    entry: WaitlistEntry | None = getattr(visit, "waitlist", None)
    return entry if entry and entry.ended_at is None and visit.state not in PROMISED else None


def _weight(visit: Appointment, parts: Sequence[Part]) -> int:
    """A window that is promised already comes before every wish for one."""
    return sum(part.points for part in parts) + (10_000 if visit.state in PROMISED else 0)


class _Windows:
    """The planner's ground in this house: instants are positions in the grid's windows."""

    def __init__(self, grid: Grid, visits: Sequence[Appointment]) -> None:
        self.grid = grid
        self.visits = {visit.pk: visit for visit in visits}
        self.needs: dict[int, Needs] = {
            visit.pk: booking.needs_of(visit, list(visit.services.all())) for visit in visits
        }

    def hopeless(self, key: int) -> Reason | None:
        needs, grid = self.needs[key], self.grid
        windows = [grid.windows[start] for start in self.starts(key, 0)]
        day = windows[0].day if windows else None
        able = [one for one in grid.technicians if day and grid.ability_refusal(one, day, needs) is None]
        if day and not able:
            return Reason.NO_ONE
        most = max(
            (sum(grid.shift_refusal(one, window, needs) is None for one in able) for window in windows), default=0
        )
        return Reason.TOO_FEW if most < needs.crew else None

    def starts(self, key: int, ready: int) -> Iterator[int]:
        promised = self.visits[key].starts_at if self.visits[key].state in PROMISED else None
        wish = _wish(self.visits[key])
        for position, window in enumerate(self.grid.windows):
            suits = promised in (None, window.starts_at) and (wish is None or wish.wants(window))
            if window.starts_at > self.grid.at and suits:
                yield position

    def crew(self, key: int, start: int) -> list[int]:
        needs = self.needs[key]
        ranked = rank(self.grid, self.grid.windows[start], needs, but=key)
        able = [candidate.technician.pk for candidate in ranked if candidate.refusal is None]
        return able[: needs.crew] if len(able) >= needs.crew else []

    def put(self, key: int, start: int, crew: Sequence[int]) -> int:
        window, needs = self.grid.windows[start], self.needs[key]
        self.grid.suppose(crew, window, needs, appointment_id=key)
        return start + len(self.grid.occupied(window, needs))


# --- carrying it out -------------------------------------------------------------------------------------------------


def carry_out(
    steps: Sequence[Step], *, by: User, at: datetime | None = None
) -> tuple[list[Appointment], list[Refused]]:
    """Give each visit its proposed time, each in a transaction of its own; what is done, and what was refused.

    A visit that changed since the proposal is refused. Where one of the crew is taken meanwhile, whoever is able goes.
    Raises NotAllowed.
    """
    allow(by, "dispatch.change")
    now = at or clock.now()
    done, refused = [], []
    for step in steps:
        try:
            done.append(_carry_out(step, by=by, at=now))
        except DomainError as refusal:
            refused.append(Refused(step, tuple(refusal.reasons)))
    return done, refused


def _carry_out(step: Step, *, by: User, at: datetime) -> Appointment:
    state = Appointment.objects.filter(pk=step.appointment_id).values_list("state", flat=True).first()
    of: dict[str, Any] = {"appointment_id": step.appointment_id, "version": step.version, "by": by, "at": at}
    if state is None:
        raise DomainError(_("There is no such appointment."))
    if state in PROMISED:
        return reassign_crew(technicians=step.technicians, **of)
    if state == State.REQUESTED:
        return arrange_appointment(starts_at=step.starts_at, prefer=step.technicians, side=Side.US, **of)
    # What we missed counts as moved by us; after an absence or a failure it is simply the next time.
    side = Side.US if state == State.MISSED else Side.CUSTOMER
    return move_appointment(starts_at=step.starts_at, prefer=step.technicians, side=side, **of)
