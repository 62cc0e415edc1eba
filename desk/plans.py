"""A day's proposal as the dispatcher reads and accepts it: who goes when and why, and what cannot be planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from appointments.assignment import Part
from appointments.booking import HORIZON
from appointments.models import Appointment
from appointments.planning import Asked, Left, Proposal, Refused, Step, plan_requested
from appointments.states import PROMISED
from appointments.windows import Window
from appointments.wording import hours_text, window_text
from cases.facts import listed
from common import typed
from desk.dispatch import TYPE_ICONS, Look, place, wanted, what, when

MOST = 200


def write(step: Step) -> str:
    """A proposal as a form carries it; `read` is the other way."""
    crew = "-".join(map(str, step.technicians))
    return f"{step.appointment_id}.{step.version}.{int(step.starts_at.timestamp())}.{crew}"


def read(text: str) -> Step | None:
    """The step that `text` spells; None for anything that `write` does not write."""
    parts = text.split(".")
    if len(parts) != 4:
        return None
    pk, version, starts_at = typed.key(parts[0]), typed.key(parts[1]), typed.instant(parts[2])
    crew = [typed.key(one) for one in parts[3].split("-")]
    people = tuple(one for one in crew if one is not None)
    if pk is None or version is None or starts_at is None or len(people) != len(crew):
        return None
    return Step(pk, version, starts_at, people)


@dataclass(frozen=True)
class Row:
    """A waiting visit: with a proposal to accept (`step`), or with the reason why there is none."""

    visit: Appointment
    what: str
    place: str
    step: str = ""
    hours: str = ""
    stays: bool = False
    people: str = ""
    parts: tuple[Part, ...] = ()
    reason: str = ""
    act: str = ""
    act_url: str = ""
    refused: tuple[str, ...] = ()
    ticked: bool = True

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    @property
    def because(self) -> list[Part]:
        """What makes it urgent: the parts that count, the weightiest first."""
        return sorted((part for part in self.parts if part.points), key=lambda part: -part.points)

    @property
    def url(self) -> str:
        return reverse("desk:case", args=[self.visit.number])

    @property
    def type_icon(self) -> str:
        return TYPE_ICONS[self.visit.type]  # type: ignore[index]


@dataclass(frozen=True)
class Sheet:
    """One day's proposal; `gone` was refused just now and waits no longer."""

    day: date
    rows: list[Row]
    left: list[Row]
    gone: list[Row]

    @property
    def refused(self) -> int:
        return sum(bool(row.refused) for row in (*self.rows, *self.left, *self.gone))


def plannable(day: date, today: date) -> date:
    """The nearest day that can be planned."""
    return min(max(day, today), today + HORIZON)


def sheet(look: Look, *, now: datetime, refused: Sequence[Refused] = (), kept: Iterable[str] = ()) -> Sheet:
    """The proposal for the look's day, of its region and skill; every waiting visit is planned, whatever is shown.

    `refused`: what could not be accepted a moment ago, which is said beside the visit. `kept`: the steps that were
    not ticked, which stay so.
    """
    plan = plan_requested(plannable(look.day, Window(now, now).day), now)
    why = {one.step.appointment_id: tuple(str(reason) for reason in one.reasons) for one in refused}
    unticked = {step.appointment_id for text in kept if (step := read(text))}
    rows = [
        replace(_proposed(one), refused=why.get(one.appointment.pk, ()), ticked=one.appointment.pk not in unticked)
        for one in plan.proposals
        if wanted(one.appointment, look)
    ]
    left = [
        replace(_left(one, look), refused=why.get(one.appointment.pk, ()))
        for one in plan.left
        if wanted(one.appointment, look)
    ]
    shown = {row.visit.pk for row in (*rows, *left)}
    return Sheet(plan.day, rows, left, _gone({pk: reasons for pk, reasons in why.items() if pk not in shown}))


def _proposed(one: Proposal) -> Row:
    visit = one.appointment
    return Row(
        visit,
        what(visit),
        place(visit),
        step=write(one.step),
        hours=hours_text(one.window.starts_at, one.window.ends_at),
        stays=visit.state in PROMISED,
        people=listed([str(person) for person in one.crew]),
        parts=one.points,
    )


def _left(one: Left, look: Look) -> Row:
    visit = one.appointment
    if one.reason == Asked.CALL:
        act, url = _("Call the customer"), reverse("desk:case", args=[visit.number]) + "#call"
    else:
        act, url = _("Give a time…"), reverse("desk:assign", args=[visit.number]) + look.query()
    return Row(visit, what(visit), place(visit), reason=str(one.sentence), act=act, act_url=url)


def _gone(why: Mapping[int, tuple[str, ...]]) -> list[Row]:
    found = Appointment.objects.filter(pk__in=why).with_people().prefetch_related("services", "crew__technician")
    return [
        Row(
            visit,
            what(visit),
            place(visit),
            reason=_("%(state)s: %(time)s") % {"state": visit.get_state_label(), "time": when(visit)},
            people=listed([str(member.technician) for member in visit.crew.all()]),
            refused=why[visit.pk],
        )
        for visit in (found if why else [])
    ]


def replaced(done: Sequence[Appointment], steps: Sequence[Step]) -> list[str]:
    """A sentence for each visit to which somebody else goes than was proposed."""
    proposed = {step.appointment_id: set(step.technicians) for step in steps}
    words = _("%(number)s: somebody proposed was no longer free, so another technician goes: %(people)s.")
    found = []
    for visit in done:
        crew = [member.technician for member in visit.crew.select_related("technician")]
        if {person.pk for person in crew} != proposed[visit.pk]:
            found.append(words % {"number": visit.number, "people": listed([str(person) for person in crew])})
    return found


def accepted(done: Sequence[Appointment]) -> str:
    """What was done, in one sentence."""
    if len(done) == 1:
        visit: Any = done[0]
        values = {"number": visit.number, "window": window_text(visit.starts_at, visit.ends_at)}
        return _("%(number)s is planned: %(window)s. A customer with a new time is being told.") % values
    return _("%(count)s visits are planned. Customers with a new time are being told.") % {"count": len(done)}
