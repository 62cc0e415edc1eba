"""The dispatch board: what waits to be assigned, and each technician's day, worked out from rows read once.

Fourteen statements, however many technicians, visits and days: the grid's eight, leave, the visits with their services
and crews, and the two filters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import Prefetch
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext, pgettext_lazy

from appointments import orphans
from appointments.assignment import Part, job_points
from appointments.availability import TRAVEL_NEAR, Grid, travel
from appointments.booking import needs_of
from appointments.models import Appointment, CrewMember, VisitRating
from appointments.orphans import Orphan
from appointments.states import PROMISED, TO_BOOK, State, Type
from appointments.windows import Window, day_begins
from appointments.wording import day_text, hours_text
from cases.facts import listed
from common import clockface
from common.clockface import Chip
from common.errors import Sentence
from customers.models import Region
from desk.rows import case_chip
from staff.models import Leave, Skill, User
from staff.rota import absences

# How far ahead visits are watched for technicians who can no longer come.
AHEAD = timedelta(days=13)
OLDEST = timedelta(days=31)
NEWEST = timedelta(days=120)
TYPE_ICONS = {Type.INSTALL: "house", Type.REPAIR: "wrench", Type.MOVE: "truck", Type.INSPECT: "eye"}
MAY_BE_LATE = "late"


@dataclass(frozen=True)
class Look:
    """What somebody looks at: the day, and which region and skill; all of it is in the address."""

    day: date
    region: str = ""
    skill: str = ""

    def query(self, **other: Any) -> str:
        """The address's query for this look, or for another day of it; "" for today without filters."""
        values = {"day": self.day.isoformat(), "region": self.region, "skill": self.skill, **other}
        kept = {name: value for name, value in values.items() if value}
        return "?" + urlencode(kept) if kept else ""


@dataclass(frozen=True)
class Face:
    """How a state looks on the board: never by color alone."""

    css: str
    icon: str
    words: Sentence


FACES: dict[str, Face] = {
    State.BOOKED: Face("plan", "clock", pgettext_lazy("dispatch board", "Planned")),
    State.CONFIRMED: Face("plan", "clock", pgettext_lazy("dispatch board", "Planned")),
    State.UNDER_WAY: Face("way", "truck", pgettext_lazy("dispatch board", "On the way")),
    State.ON_SITE: Face("doing", "wrench", pgettext_lazy("dispatch board", "On site")),
    State.DONE: Face("done", "circle-check", pgettext_lazy("dispatch board", "Done")),
    State.ABSENT: Face("gone", "circle-x", pgettext_lazy("dispatch board", "Customer absent")),
    State.MISSED: Face("late", "octagon-alert", pgettext_lazy("dispatch board", "Not kept by us")),
    State.FAILED: Face("gone", "flag", pgettext_lazy("dispatch board", "Not solved on site")),
    MAY_BE_LATE: Face("late", "triangle-alert", pgettext_lazy("dispatch board", "May be late")),
}


@dataclass(frozen=True)
class Visit:
    """A visit in a cell."""

    appointment: Appointment
    face: Face
    job: str
    place: str
    note: str
    orphaned: bool

    @property
    def url(self) -> str:
        return reverse("desk:case", args=[self.appointment.number])


@dataclass(frozen=True)
class Cell:
    """One technician in one window: visits, or why there is none: `off` in words, `kept`, or free."""

    window: Window
    now: bool
    visits: list[Visit] = field(default_factory=list)
    off: str = ""
    kept: str = ""
    free_url: str = ""

    @property
    def words(self) -> str:
        return hours_text(self.window.starts_at, self.window.ends_at)

    @property
    def starts(self) -> int:
        """Epoch seconds: how a window is named in addresses."""
        return int(self.window.starts_at.timestamp())


@dataclass(frozen=True)
class Line:
    technician: User
    skills: str
    taken: int
    windows: int
    cells: list[Cell]


@dataclass(frozen=True)
class Why:
    """Why a visit stands on the list."""

    icon: str
    words: str
    tone: str = ""


@dataclass(frozen=True)
class Job:
    """A visit that needs a time, a technician or a call."""

    appointment: Appointment
    what: str
    place: str
    when: str
    whys: list[Why]
    parts: list[Part]
    chip: Chip | None
    act_url: str
    act: str
    act_icon: str
    calls_only: bool

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    @property
    def url(self) -> str:
        return reverse("desk:case", args=[self.appointment.number])

    @property
    def type_icon(self) -> str:
        return TYPE_ICONS.get(Type(self.appointment.type), "wrench")


def what(appointment: Appointment) -> str:
    """The services of a visit by their names."""
    return pgettext("between services of one visit", " + ").join(str(one) for one in appointment.services.all())


def place(appointment: Appointment) -> str:
    """Street or region: what a dispatcher plans by. The house number is nobody's business here."""
    street = appointment.address.street if appointment.address else ""
    return street or str(appointment.region or "")


def when(appointment: Appointment, *, day: date | None = None) -> str:
    """The window in words; without the day where that is the day looked at."""
    if appointment.starts_at is None or appointment.ends_at is None:
        return _("No time yet")
    hours = hours_text(appointment.starts_at, appointment.ends_at)
    if Window(appointment.starts_at, appointment.ends_at).day == day:
        return hours
    return _("%(day)s, %(hours)s") % {"day": day_text(appointment.starts_at), "hours": hours}


def wanted(visit: Appointment, look: Look) -> bool:
    """Whether a visit passes the filters of a look."""
    if look.region and (visit.region is None or visit.region.code != look.region):
        return False
    return not look.skill or any(service.skill == look.skill for service in visit.services.all())


class Board:
    """Everything the page shows. Read when made; shown from memory."""

    def __init__(self, person: Any, look: Look, *, now: datetime) -> None:
        self.person, self.look, self.now = person, look, now
        self.today = Window(now, now).day
        self.may_change: bool = person.may("dispatch.change")
        first, last = min(look.day, self.today), max(look.day, self.today + AHEAD)
        self.grid = Grid(first, last, at=now)
        self.windows = [window for window in self.grid.windows if window.day == look.day]
        self.begin, self.end = day_begins(look.day), day_begins(look.day + timedelta(days=1))
        self.leaves: dict[int, list[Leave]] = absences(self.grid.technicians, self.begin, self.end)
        self.regions = list(Region.objects.all())
        self.skills = {skill.code: skill for skill in Skill.objects.all()}
        self.visits: list[Appointment] = list(self._read(day_begins(last + timedelta(days=1))))

    def _read(self, until: datetime) -> Any:
        """Whatever may be shown: what needs something, and the visits of the day and of the days watched."""
        # Parts, each by an index of its own; an OR over them would read every visit there ever was.
        visible = Appointment.objects.visible_to(self.person)
        timed = visible.filter(starts_at__lt=until).exclude(state__in=[State.REQUESTED, State.CANCELLED])
        of_day = timed.filter(starts_at__gte=self.begin, starts_at__lt=self.end)
        watched = timed.filter(state__in=PROMISED, ends_at__gt=self.now, starts_at__gte=day_begins(self.today))
        keys = (
            visible.waiting()
            .values("pk")
            .union(of_day.values("pk"), watched.values("pk"), visible.to_call_back().values("pk"))
        )
        crew = CrewMember.objects.select_related("technician")
        return Appointment.objects.filter(pk__in=keys).with_people().select_related("rating").prefetch_related(
            "services", Prefetch("crew", crew)
        )  # fmt: skip

    # --- to assign ---------------------------------------------------------------------------------------------------

    @cached_property
    def orphans(self) -> dict[int, list[Orphan]]:
        """Promised visits whose technician can no longer come, by visit."""
        found: dict[int, list[Orphan]] = defaultdict(list)
        promised = [v for v in self.visits if v.state in PROMISED and v.ends_at and v.ends_at > self.now]
        crews = [(visit, member.technician) for visit in promised for member in visit.crew.all()]
        for orphan in orphans.unable(self.grid, crews):
            found[orphan.appointment.pk].append(orphan)
        return found

    @cached_property
    def jobs(self) -> list[Job]:
        """What needs a time, a technician or a call: the most urgent first (requirements.md C-21)."""
        found = [job for visit in self.visits if wanted(visit, self.look) and (job := self._job(visit))]
        return sorted(found, key=lambda job: (-job.points, job.appointment.received_at, job.appointment.pk))

    def _job(self, visit: Appointment) -> Job | None:
        whys = [*self._state_reasons(visit), *self._orphan_reasons(visit)]
        assign = bool(whys)
        if visit.call_since is not None:
            whys.append(Why("phone-call", call_reason(visit), "soon"))
        if not whys:
            return None
        window = visit.window and self.grid.window_at(visit.window.starts_at)
        url, act, icon = reverse("desk:case", args=[visit.number]) + "#call", _("Call the customer"), "phone-call"
        if assign:
            url = reverse("desk:assign", args=[visit.number]) + self.look.query()
            act, icon = (
                (_("Assign to…"), "user-plus") if visit.state in PROMISED else (_("Give a time…"), "calendar-clock")
            )
        return Job(
            appointment=visit,
            what=what(visit),
            place=" · ".join(
                filter(None, [place(visit), self._skills_of(service.skill for service in visit.services.all())])
            ),
            when=when(visit, day=self.look.day),
            whys=whys,
            parts=job_points(visit, at=self.now, peak=bool(window and window.peak)),
            chip=case_chip(visit, now=self.now),
            act_url=url if self.may_change else "",
            act=act,
            act_icon=icon,
            calls_only=not assign,
        )

    def _state_reasons(self, visit: Appointment) -> list[Why]:
        if visit.state in TO_BOOK:
            words = {
                State.REQUESTED: _("Needs a time"),
                State.ABSENT: _("Customer absent: needs a new time"),
                State.MISSED: _("Not kept by us: needs a new time"),
                State.FAILED: _("Not solved: must be sent out again"),
            }[State(visit.state)]
            icon = "calendar-clock" if visit.state == State.REQUESTED else FACES[visit.state].icon
            return [Why(icon, words, "over" if visit.state == State.MISSED else "")]
        if visit.state in PROMISED and visit.owner_id is None:
            return [Why("user-plus", _("Needs a technician"), "over")]
        return []

    def _orphan_reasons(self, visit: Appointment) -> list[Why]:
        return [
            Why(
                "triangle-alert",
                _("Needs another technician. %(person)s: %(reason)s")
                % {"person": orphan.technician, "reason": orphan.reason},
                "over",
            )
            for orphan in self.orphans.get(visit.pk, [])
        ]

    def jobs_for(self, technician: int, window: Window) -> list[tuple[Job, Sentence | None, str]]:
        """The visits that wait for a technician, each with why this one cannot come in this window, or the address
        that sends them; those that can be sent first."""
        found = []
        for job in self.jobs:
            if job.calls_only:
                continue
            visit = job.appointment
            reason = self.grid.refusal(technician, window, needs_of(visit), but=visit.pk)
            starts, key = str(int(window.starts_at.timestamp())), str(technician)
            url = reverse("desk:assign", args=[visit.number]) + self.look.query(starts=starts, technician=key)
            found.append((job, reason, url))
        return sorted(found, key=lambda one: one[1] is not None)

    def after(self, key: int) -> Job | None:
        """The visit to assign after this one, in the order of the list; after the last it begins again at the top."""
        jobs = [job for job in self.jobs if not job.calls_only]
        here = next((place for place, job in enumerate(jobs) if job.appointment.pk == key), None)
        others = jobs if here is None else jobs[here + 1 :] + jobs[:here]
        return others[0] if others else None

    @property
    def plan_url(self) -> str:
        """Where the waiting visits get a proposal; "" where there is nothing to plan, or not by this person."""
        waits = any(not job.calls_only for job in self.jobs)
        return reverse("desk:plan") + self.look.query() if waits and self.may_change else ""

    @property
    def heads(self) -> list[Cell]:
        """The columns: the day's windows, the present one marked."""
        return [Cell(window, window.starts_at <= self.now < window.ends_at) for window in self.windows]

    # --- the day -----------------------------------------------------------------------------------------------------

    @cached_property
    def of_day(self) -> dict[int, list[Appointment]]:
        """The day's visits by technician, in the order of their windows."""
        found: dict[int, list[Appointment]] = defaultdict(list)
        shown = [
            v
            for v in self.visits
            if v.starts_at and self.begin <= v.starts_at < self.end and v.state != State.REQUESTED
        ]
        for visit in sorted(shown, key=lambda visit: (visit.starts_at, visit.pk)):
            for member in visit.crew.all():
                found[member.technician_id].append(visit)
        return found

    @cached_property
    def lines(self) -> list[Line]:
        """One line a technician that fits the filters; who has left since shows where visits of that day are theirs."""
        people = dict(self.grid.technicians)
        for visit in self.visits:
            for member in visit.crew.all():
                if member.technician_id in self.of_day and member.technician_id not in people:
                    people[member.technician_id] = member.technician
        return [self._line(person) for person in people.values() if self._fits(person)]

    def _fits(self, person: User) -> bool:
        region = next((region.pk for region in self.regions if region.code == self.look.region), None)
        if region is not None and region not in self.grid.areas.get(person.pk, set()):
            return False
        ability = self.grid.abilities.get(person.pk)
        return not self.look.skill or (ability is not None and self.look.skill in ability.levels)

    def _line(self, person: User) -> Line:
        ability = self.grid.abilities.get(person.pk)
        late = self._late(person.pk)
        cells = [self._cell(person, window, late) for window in self.windows]
        return Line(
            technician=person,
            skills=self._skills_of(ability.levels if ability else ()),
            taken=sum(bool(cell.visits) for cell in cells),
            windows=sum(not cell.off for cell in cells),
            cells=cells,
        )

    def _skills_of(self, codes: Iterable[str]) -> str:
        return listed([str(self.skills.get(code, code)) for code in dict.fromkeys(codes)])

    def _cell(self, person: User, window: Window, late: set[int]) -> Cell:
        now = window.starts_at <= self.now < window.ends_at
        visits = [self._visit(visit, person, late) for visit in self._in(person, window)]
        if visits:
            return Cell(window, now, visits=visits)
        for taken in self.grid.taken.get(person.pk, []):
            if taken.starts_at == window.starts_at and taken.visit_at < window.starts_at:
                return Cell(window, now, kept=_("until %(time)s") % {"time": clockface.when(taken.until, taken.until)})
            if taken.starts_at == window.starts_at and taken.hold_id:
                return Cell(window, now, kept=_("Kept for a customer"))
        if off := self._off(person, window):
            return Cell(window, now, off=off)
        if not self.may_change or window.starts_at <= self.now:
            return Cell(window, now)
        slot = reverse("desk:dispatch_slot", args=[person.pk, int(window.starts_at.timestamp())])
        return Cell(window, now, free_url=slot + self.look.query())

    def _in(self, person: User, window: Window) -> list[Appointment]:
        """The visits that begin in a window; one from a window that is no longer offered stands in the one before."""
        following = next((w.starts_at for w in self.windows if w.starts_at > window.starts_at), self.end)
        begin = self.begin if window == self.windows[0] else window.starts_at
        return [v for v in self.of_day.get(person.pk, []) if v.starts_at and begin <= v.starts_at < following]

    def _off(self, person: User, window: Window) -> str:
        """Why nobody can be sent: leave by its kind, else off duty; "" on shift."""
        spans = self.grid.spans.get(person.pk, [])
        if any(start <= window.starts_at and window.ends_at <= end for start, end in spans):
            return ""
        for leave in self.leaves.get(person.pk, []):
            if leave.starts_at < window.ends_at and leave.ends_at > window.starts_at:
                return str(Leave.Kind(leave.kind).label)
        return _("Off duty")

    def _visit(self, visit: Appointment, person: User, late: set[int]) -> Visit:
        face = FACES[MAY_BE_LATE if visit.pk in late else visit.state]
        others = [str(member.technician) for member in visit.crew.all() if member.technician_id != person.pk]
        notes = []
        if visit.state == State.UNDER_WAY and visit.expected_at:
            notes.append(_("expected %(time)s") % {"time": clockface.when(visit.expected_at, visit.expected_at)})
        if others:
            notes.append(_("with %(names)s") % {"names": listed(others)})
        return Visit(
            visit, face, what(visit), place(visit), " · ".join(notes),
            any(orphan.technician.pk == person.pk for orphan in self.orphans.get(visit.pk, [])),
        )  # fmt: skip

    def _late(self, key: int) -> set[int]:
        """Visits that may not be reached within their window: by the expected arrival, by the clock, or because the
        visit before is not over."""
        found: set[int] = set()
        free_at, here = self.now, None
        for visit in self.of_day.get(key, []):
            assert visit.ends_at is not None
            if visit.state == State.UNDER_WAY:
                arrives = max(visit.expected_at or self.now, self.now)
            elif visit.state in PROMISED:
                way = travel(here, visit.region_id) if here else TRAVEL_NEAR
                arrives = free_at + way
            elif visit.state == State.ON_SITE:
                free_at, here = (
                    max(self.now, (visit.arrived_at or self.now) + timedelta(minutes=visit.minutes)),
                    visit.region_id,
                )
                continue
            else:
                continue
            if arrives > visit.ends_at:
                found.add(visit.pk)
            begins = max(arrives, visit.starts_at or arrives)
            free_at, here = begins + timedelta(minutes=visit.minutes), visit.region_id
        return found


def call_reason(visit: Appointment) -> str:
    """Why somebody must call, as far as the visit's own columns tell."""
    if visit.state == State.DONE:
        rating: VisitRating = visit.rating
        return _("Call: the customer rated the visit %(score)s of 5 and asks for it. %(when)s") % {
            "score": rating.score,
            "when": rating.get_callback_display(),
        }
    if visit.state == State.ABSENT:
        return _("Call: the customer was absent twice")
    if visit.state == State.UNDER_WAY:
        return _("Call: we are late")
    if visit.asked_at is not None and visit.reconfirmed_at is None:
        return _("Call: the second confirmation was not answered")
    return _("Call: no message reaches the customer")
