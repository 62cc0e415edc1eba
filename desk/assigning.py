"""Sending somebody to a visit: its windows of a day, who could come and why not, and what the customer is told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django import forms
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from appointments import booking, compensation, crews, messages, services
from appointments.assignment import Candidate, job_points, rank
from appointments.availability import Grid, next_free
from appointments.models import Appointment, CompensationRule
from appointments.states import PROMISED, TO_BOOK, Side, State
from appointments.windows import Window
from appointments.wording import day_text, hours_text, window_text
from common import clockface, typed
from desk.dispatch import Look, place, what, when

MOST_REASON = 2000
# How far ahead the first free window is looked for.
WEEKS = timedelta(days=28)


@dataclass(frozen=True)
class Choice:
    """A window of the day chosen: its room, and whether it can be taken at all."""

    window: Window
    words: str
    room: int
    url: str
    present: bool
    over: bool


class AssignForm(forms.Form):
    """Who goes, and why. The windows are links: each has candidates of its own."""

    technician = forms.TypedMultipleChoiceField(
        label=_("Technician"),
        coerce=int,
        required=False,
        error_messages={"invalid_choice": _("This technician cannot come. Choose one of those who can.")},
    )
    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=MOST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("For the timeline; the customer does not read it."),
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, assignment: Assignment, **options: Any) -> None:
        super().__init__(*args, **options)
        self.assignment = assignment
        able = [(candidate.technician.pk, str(candidate.technician)) for candidate in assignment.able]
        self.fields["technician"].choices = able  # type: ignore[attr-defined]

    def clean_technician(self) -> list[int]:
        keys: list[int] = self.cleaned_data["technician"]
        if len(keys) != self.assignment.appointment.crew_size:
            message = _("This visit needs %(count)s technicians.")
            raise forms.ValidationError(message % {"count": self.assignment.appointment.crew_size})
        return keys


class Assignment:
    """A visit on its way to a technician. `asked`: the address's query, which names window, day and technician."""

    def __init__(self, appointment: Appointment, asked: QueryDict, look: Look, *, now: datetime) -> None:
        self.appointment, self.look, self.now = appointment, look, now
        self.asked = asked
        self.needs = booking.needs_of(appointment)
        self.promised = appointment.state in PROMISED
        self.today = Window(now, now).day
        self.grid = Grid(self.day, self.day, at=now)

    @cached_property
    def day(self) -> date:
        """The day whose windows are shown: that of the window asked for, else the present one, else the board's."""
        if starts_at := typed.instant(self.asked.get("starts", "")):
            return Window(starts_at, starts_at).day
        with suppress(ValueError):
            asked = date.fromisoformat(self.asked.get("on", ""))
            return max(self.today, min(asked, self.today + booking.HORIZON - timedelta(days=1)))
        if self.promised and self.appointment.window:
            return self.appointment.window.day
        return max(self.look.day, self.today)

    @cached_property
    def window(self) -> Window | None:
        """The window chosen: by the address, else the present one, else the first with room."""
        if starts_at := typed.instant(self.asked.get("starts", "")):
            return self.grid.window_at(starts_at)
        if self.promised and self.appointment.window and self.appointment.window.day == self.day:
            return self.grid.window_at(self.appointment.window.starts_at) or self.appointment.window
        return next((choice.window for choice in self._rooms if choice.room and not choice.over), None)

    @cached_property
    def _rooms(self) -> list[Choice]:
        present = self.appointment.starts_at if self.promised else None
        return [
            Choice(
                window=window,
                words=hours_text(window.starts_at, window.ends_at),
                room=self.grid.room(window, self.needs, but=self.appointment.pk),
                url=self.url(starts=str(int(window.starts_at.timestamp()))),
                present=window.starts_at == present,
                over=window.starts_at <= self.now and window.starts_at != present,
            )
            for window in self.grid.windows
        ]

    @cached_property
    def first_free(self) -> tuple[str, str] | None:
        """Where nobody can come on this day: the first window of the coming weeks that has room, and its address."""
        if self.able or not self.may_change:
            return None
        free = next_free(self.needs, at=self.now, days=WEEKS.days)
        if free is None or free == self.window:
            return None
        return window_text(free.starts_at, free.ends_at), self.url(starts=str(int(free.starts_at.timestamp())))

    @property
    def choices(self) -> list[tuple[Choice, bool]]:
        """The day's windows, each with whether it is the one chosen."""
        return [(choice, choice.window == self.window) for choice in self._rooms]

    @property
    def stays(self) -> bool:
        """The time stays and only the technicians change: then the customer need not be told."""
        return self.promised and self.window is not None and self.window.starts_at == self.appointment.starts_at

    @cached_property
    def candidates(self) -> list[Candidate]:
        return rank(self.grid, self.window, self.needs, but=self.appointment.pk) if self.window else []

    @property
    def able(self) -> list[Candidate]:
        return [candidate for candidate in self.candidates if candidate.refusal is None]

    @property
    def others(self) -> list[Candidate]:
        return [candidate for candidate in self.candidates if candidate.refusal is not None]

    @cached_property
    def crew(self) -> list[int]:
        return [member.technician_id for member in self.appointment.crew.all()]

    def preselected(self) -> list[int]:
        """Who is ticked at first: whom the address names, else the present crew, else the best."""
        able = [candidate.technician.pk for candidate in self.able]
        wanted = typed.key(self.asked.get("technician", ""))
        queue = ([wanted] if wanted else []) + (self.crew if self.stays else []) + able
        return [key for key in dict.fromkeys(queue) if key in able][: self.appointment.crew_size]

    # --- what it means for the customer ------------------------------------------------------------------------------

    @property
    def side(self) -> str:
        """A customer who was not there gets the new time they agreed to; every other change here is ours."""
        return Side.CUSTOMER if self.appointment.state == State.ABSENT else Side.US

    @property
    def breaks(self) -> bool:
        return not self.stays and services.breaks_promise(self.appointment, side=self.side, at=self.now)

    @property
    def owed(self) -> CompensationRule | None:
        return compensation.rule_for("late_change", at=self.now) if self.breaks else None

    @cached_property
    def message(self) -> messages.Preview | None:
        """The very message that goes out; None where the time stays or none is chosen."""
        if self.window is None or self.stays:
            return None
        template = services.moving_message(self.appointment, self.side)
        return messages.preview(self.appointment, template, window=self.window, at=self.now)

    # --- the visit in words ------------------------------------------------------------------------------------------

    @property
    def what(self) -> str:
        return what(self.appointment)

    @property
    def place(self) -> str:
        return place(self.appointment)

    @property
    def day_words(self) -> str:
        return day_text(self.grid.windows[0].starts_at) if self.grid.windows else clockface.plain_day(self.day)

    @property
    def when(self) -> str:
        return when(self.appointment)

    @property
    def may_change(self) -> bool:
        return self.appointment.state in (*PROMISED, *TO_BOOK)

    @property
    def points(self) -> int:
        return sum(part.points for part in job_points(self.appointment, at=self.now))

    # --- addresses ---------------------------------------------------------------------------------------------------

    def url(self, **other: str) -> str:
        return reverse("desk:assign", args=[self.appointment.number]) + self.look.query(**other)

    @property
    def here(self) -> str:
        """This page with the window it shows, for the form."""
        if self.window is None:
            return self.url()
        return self.url(starts=str(int(self.window.starts_at.timestamp())))

    @property
    def previous(self) -> str:
        before = self.day - timedelta(days=1)
        return self.url(on=before.isoformat()) if before >= self.today else ""

    @property
    def next(self) -> str:
        return self.url(on=(self.day + timedelta(days=1)).isoformat())

    @property
    def back(self) -> str:
        return reverse("desk:dispatch") + self.look.query()


def send(assignment: Assignment, given: dict[str, Any], *, by: Any, at: datetime) -> Appointment:
    """Do it: other technicians for the same time, or a (new) time with these technicians. Raises DomainError."""
    appointment, crew = assignment.appointment, given["technician"]
    assert assignment.window is not None
    if assignment.stays:
        return crews.reassign_crew(
            appointment_id=appointment.pk,
            technicians=crew,
            reason=given["reason"],
            version=given["version"],
            by=by,
            at=at,
        )
    return services.move_appointment(
        appointment_id=appointment.pk,
        starts_at=assignment.window.starts_at,
        side=assignment.side,
        reason=given["reason"],
        prefer=crew,
        version=given["version"],
        by=by,
        at=at,
    )
