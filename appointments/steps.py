"""The technician's way through a visit: one step at a time, and for everything that waits, why it waits.

The page is drawn from this table on the server; in a tunnel the phone walks on with the same table, written into the
page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from .actions import SOONEST_DEPARTURE
from .models import Appointment, VisitRecord
from .states import PROMISED, State
from .states import ActionKind as Kind
from .visits import SOONEST_ARRIVAL

OVER = "over"
WAY = (Kind.CHECK, Kind.SET_OFF, Kind.ARRIVE, Kind.RECORD, Kind.FINISH)
ASIDE = (Kind.CALL, Kind.PHOTO, Kind.ABSENT, Kind.FAIL)

TITLES: dict[str, Any] = {
    Kind.CHECK: _("Checklist before you leave"),
    Kind.SET_OFF: pgettext_lazy("step of a visit", "On the way"),
    Kind.ARRIVE: _("Arrived"),
    Kind.RECORD: _("Test and record"),
    Kind.FINISH: _("Done"),
    Kind.CALL: _("Log a call"),
    Kind.ABSENT: _("Nobody there"),
    Kind.FAIL: _("Not solved"),
    Kind.PHOTO: _("Add a photo"),
}
BUTTONS: dict[str, Any] = {
    Kind.CHECK: _("Everything is in the car"),
    Kind.SET_OFF: pgettext_lazy("button", "On the way"),
    Kind.ARRIVE: pgettext_lazy("button", "Arrived"),
    Kind.RECORD: _("Save the record"),
    Kind.FINISH: _("The work is done"),
    Kind.CALL: _("Log the call"),
    Kind.ABSENT: _("Nobody was there"),
    Kind.FAIL: _("It is not solved"),
    Kind.PHOTO: _("Keep the photo"),
}
ICONS: dict[str, str] = {
    Kind.CHECK: "clipboard-list",
    Kind.SET_OFF: "truck",
    Kind.ARRIVE: "map-pin",
    Kind.RECORD: "router",
    Kind.FINISH: "circle-check",
    Kind.CALL: "phone-call",
    Kind.ABSENT: "user",
    Kind.FAIL: "flag",
    Kind.PHOTO: "image",
}
# At which steps an action is possible, and why not at the others.
OPEN_AT: dict[str, tuple[str, ...]] = {
    Kind.CHECK: (Kind.CHECK,),
    Kind.SET_OFF: (Kind.SET_OFF,),
    Kind.ARRIVE: (Kind.CHECK, Kind.SET_OFF, Kind.ARRIVE),
    Kind.RECORD: (Kind.RECORD, Kind.FINISH),
    Kind.FINISH: (Kind.FINISH,),
    Kind.CALL: WAY,
    Kind.PHOTO: WAY,
    Kind.ABSENT: WAY,
    Kind.FAIL: (Kind.RECORD, Kind.FINISH),
}
_LATER: dict[str, Any] = dict.fromkeys(WAY[:3], _("Possible when you have arrived."))
WHY_NOT: dict[str, dict[str, Any]] = {
    Kind.SET_OFF: {Kind.CHECK: _("Go through the checklist first.")},
    Kind.RECORD: _LATER,
    Kind.FINISH: _LATER | {Kind.RECORD: _("Possible when the record is complete.")},
    Kind.FAIL: _LATER,
}


@dataclass(frozen=True)
class Step:
    """One action on the page. `now`: it comes next; `open`: it is possible; `done`: it lies behind, `at` that time.

    `reasons` are why it is not possible, by step; `not_before` is the instant before which it is too early; `then` is
    the step that follows when this one is taken, as far as a phone can know, empty where it stays.
    """

    kind: str
    now: bool
    open: bool
    done: bool
    at: datetime | None
    reasons: dict[str, Any]
    not_before: datetime | None
    early: bool
    then: str

    @property
    def title(self) -> Any:
        return TITLES[self.kind]

    @property
    def button(self) -> Any:
        return BUTTONS[self.kind]

    @property
    def icon(self) -> str:
        return ICONS[self.kind]

    @property
    def open_at(self) -> str:
        return " ".join(OPEN_AT[self.kind])


def present(appointment: Appointment, record: VisitRecord | None) -> str:
    """The step a visit stands at; OVER where the technician has nothing left to do."""
    state = appointment.state
    if state in PROMISED:
        return Kind.SET_OFF if record and record.ready(appointment.cycle) else Kind.CHECK
    if state in (State.UNDER_WAY, State.MISSED):
        return Kind.ARRIVE
    if state == State.ON_SITE:
        return Kind.RECORD if (record or VisitRecord(appointment=appointment)).missing() else Kind.FINISH
    return OVER


def steps(appointment: Appointment, record: VisitRecord | None, kinds: tuple[str, ...], *, now: datetime) -> list[Step]:
    """These actions as the page shows them at this instant."""
    here = present(appointment, record)
    behind = {
        Kind.CHECK: record is not None and record.ready(appointment.cycle),
        Kind.SET_OFF: appointment.left_at is not None,
        Kind.ARRIVE: appointment.arrived_at is not None,
        Kind.RECORD: here == Kind.FINISH or appointment.state == State.DONE,
        Kind.FINISH: appointment.state == State.DONE,
    }
    times = {
        Kind.SET_OFF: appointment.left_at,
        Kind.ARRIVE: appointment.arrived_at,
        Kind.FINISH: appointment.resolved_at,
    }
    found = []
    for kind in kinds:
        not_before = _not_before(appointment, kind)
        early = not_before is not None and now < not_before
        found.append(
            Step(
                kind=kind,
                now=kind == here,
                open=here in OPEN_AT[kind] and not early,
                done=behind.get(Kind(kind), False),
                at=times.get(Kind(kind)),
                reasons=WHY_NOT.get(kind, {}),
                not_before=not_before,
                early=early and here in OPEN_AT[kind],
                then=_then(kind, record or VisitRecord(appointment=appointment)),
            )
        )
    return found


def _then(kind: str, record: VisitRecord) -> str:
    if kind in (Kind.CALL, Kind.PHOTO):
        return ""
    if kind == Kind.ARRIVE:
        return Kind.RECORD if record.missing() else Kind.FINISH
    return WAY[WAY.index(Kind(kind)) + 1] if kind in WAY and kind != Kind.FINISH else OVER


def _not_before(appointment: Appointment, kind: str) -> datetime | None:
    if appointment.starts_at is None:
        return None
    return {
        Kind.SET_OFF: appointment.starts_at - SOONEST_DEPARTURE,
        Kind.ARRIVE: appointment.starts_at - SOONEST_ARRIVAL,
        Kind.ABSENT: appointment.starts_at,
    }.get(Kind(kind))
