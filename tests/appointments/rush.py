"""A day of bookings through every door at once, on real connections, and an audit of the books afterwards.

Small and invented in a test on PostgreSQL, large and recorded in bench/booking.py.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from django.db import connection

from appointments import promises
from appointments.availability import travel
from appointments.booking import WindowTaken, hold_window
from appointments.messages import key_of
from appointments.models import Appointment, ArrivalWindow, CrewMember, Reservation, ServiceArea
from appointments.services import arrange_appointment, book_appointment, cancel_appointment, move_appointment
from appointments.states import State
from appointments.windows import Window, day_begins, windows_of
from cases.services import verify_timeline
from common.errors import DomainError
from notifications.models import Message
from sla.models import Deadline, Timer
from sla.states import DeadlineState
from staff.models import Shift, User
from tests import builders
from tests.appointments import center
from tests.builders import MONDAY

TODAY = MONDAY.date()
DOORS = ("portal", "phone", "text message", "asked, then arranged")
KINDS = ("broadband-repair",) * 7 + (
    "fixed-line-repair",
    "broadband-install",
    "broadband-move",
    "iptv-install",
    "cabling",
)


@dataclass(frozen=True)
class Wish:
    """Somebody books at `moment` of the day for a day so many days ahead, in an area."""

    number: int
    moment: timedelta
    area: str
    person: str
    ahead: int


def invent(count: int, *, areas: int = 12, seed: int = 7) -> list[Wish]:
    """A day like the recorded ones: most call in the morning, a few areas call most, nearly half want today."""
    rng = random.Random(seed)
    hours = sorted(rng.triangular(6.5, 20, 7.5) for _ in range(count))
    names = rng.choices([f"area{n}" for n in range(areas)], [1 / (n + 2) for n in range(areas)], k=count)
    ahead = [0 if rng.random() < 0.45 else min(1 + int(rng.expovariate(1 / 5)), 15) for _ in range(count)]
    return [
        Wish(n, timedelta(hours=hours[n]), names[n], f"person{rng.randrange(count)}", ahead[n]) for n in range(count)
    ]


@dataclass
class Town:
    """Regions, technicians for about `share` of what is wanted today, agents, and a customer for every person."""

    wishes: list[Wish]
    technicians: int
    customers: dict[str, Any] = field(default_factory=dict)
    regions: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, Any] = field(default_factory=dict)
    agents: list[User] = field(default_factory=list)
    patterns: list[ArrivalWindow] = field(default_factory=list)

    def build(self) -> Town:
        center.center()
        areas = sorted({wish.area for wish in self.wishes})
        codes = {area: f"r{number}" for number, area in enumerate(areas)}
        districts = max(1, min(self.technicians // 4, len(areas)))
        for number in range(self.technicians):
            own = tuple(code for place, code in enumerate(codes.values()) if place % districts == number % districts)
            center.technician(f"rush{number}", areas=own, days=60)
        self.regions = {area: center.region(code) for area, code in codes.items()}
        self.kinds = {code: center.service(code) for code in KINDS}
        self.agents = [builders.person("dispatcher", f"rush-agent{number}") for number in range(2)]
        self.patterns = list(ArrivalWindow.objects.filter(active=True))
        for number, person in enumerate(sorted({wish.person for wish in self.wishes})):
            self.customers[person] = builders.customer(name=f"Customer {number}", phone=f"138{number:08d}")
        return self

    def at(self, wish: Wish) -> datetime:
        return day_begins(TODAY) + wish.moment

    def wanted(self, wish: Wish, *, later: int = 0) -> datetime:
        """The window somebody asks for: on the day wanted, or the next one where that day's are over."""
        for ahead in (wish.ahead + later, wish.ahead + later + 1):
            windows = windows_of(TODAY + timedelta(days=ahead), self.patterns)
            open_ones = [window.starts_at for window in windows if window.starts_at > self.at(wish)]
            if open_ones:
                return open_ones[wish.number * 7 % len(open_ones)]
        raise AssertionError("every day has a window")


@dataclass
class Result:
    """What happened: how each attempt ended, how long it took, and everything that should not have happened."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    offered: list[int] = field(default_factory=list)
    expected: dict[int, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    deadlocks: int = 0
    wall: float = 0.0


class Rush:
    """Plays the wishes in their order from several threads; `pace` is how many seconds the day takes at least."""

    def __init__(self, town: Town, *, threads: int, pace: float = 0.0) -> None:
        self.town, self.threads, self.pace = town, threads, pace
        self.result = Result()
        self._lock = threading.Lock()
        # Now and then somebody clicks twice: two threads then send the same form at once.
        self._todo = [wish for wish in town.wishes for _ in range(2 if wish.number % 25 == 0 else 1)][::-1]

    def play(self) -> Result:
        before, began = _deadlocks(), time.perf_counter()
        workers = [threading.Thread(target=self._work, args=(began,)) for _ in range(self.threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.result.wall = time.perf_counter() - began
        self.result.deadlocks = _deadlocks() - before
        return self.result

    def _work(self, began: float) -> None:
        first, last = self.town.wishes[0].moment, self.town.wishes[-1].moment
        try:
            while True:
                with self._lock:
                    if not self._todo:
                        return
                    wish = self._todo.pop()
                due = began + self.pace * ((wish.moment - first) / max(last - first, timedelta(seconds=1)))
                time.sleep(max(0.0, due - time.perf_counter()))
                self._serve(wish)
        finally:
            connection.close()

    def _serve(self, wish: Wish) -> None:
        try:
            visit = self._book(wish)
            if visit is None or visit.starts_at - self.town.at(wish) < timedelta(hours=3) or wish.number % 25 == 0:
                return
            of = {"appointment_id": visit.pk, "by": visit.customer, "at": self.town.at(wish) + timedelta(minutes=5)}
            if wish.number % 10 == 3:
                to = self.town.wanted(wish, later=1)
                self._timed("move", lambda: move_appointment(starts_at=to, **of))
            elif wish.number % 10 == 7:
                self._timed("cancel", lambda: cancel_appointment(**of))
                self._expect(visit, State.CANCELLED)
        except Exception as problem:
            with self._lock:
                self.result.problems.append(f"{wish.number}: {type(problem).__name__}: {problem}")

    def _book(self, wish: Wish) -> Appointment | None:
        """Ask for the time wanted; every second one who is refused takes the first time offered, while it lasts."""
        door = DOORS[wish.number % 4]
        attempt = self._door(door, wish)
        visit, offers = self._timed(door, lambda: attempt(self.town.wanted(wish)))
        if visit is None and offers and wish.number % 3:
            visit, _offers = self._timed("time offered", lambda: attempt(offers[0].starts_at))
        if visit is not None:
            self._expect(visit, State.BOOKED)
        return visit

    def _door(self, door: str, wish: Wish) -> Callable[[datetime], Appointment]:
        """How this one tries to get a window."""
        customer, agent, at = self.town.customers[wish.person], self.town.agents[wish.number % 2], self.town.at(wish)
        of = {"services": [self.town.kinds[KINDS[wish.number % len(KINDS)]]], "region": self.town.regions[wish.area]}
        key = f"rush-{wish.number}" if wish.number % 25 == 0 else ""
        form = partial(book_appointment, customer=customer, key=key, at=at, **of)

        def portal(starts_at: datetime) -> Appointment:
            hold = hold_window(starts_at=starts_at, customer=customer, at=at, **of)
            return form(starts_at=starts_at, channel="web", by=customer, hold=hold.key)

        match door:
            case "portal":
                return portal
            case "phone":
                return lambda starts_at: form(starts_at=starts_at, channel="phone", by=agent)
            case "text message":
                return lambda starts_at: form(starts_at=starts_at, channel="sms", by=customer)
            case _:
                visit = form(starts_at=None, channel="app", by=customer)
                self._expect(visit, State.REQUESTED)
                return lambda starts_at: arrange_appointment(
                    appointment_id=visit.pk, starts_at=starts_at, by=agent, at=at
                )

    def _timed(self, what: str, function: Callable[[], Appointment]) -> tuple[Appointment | None, list[Window]]:
        """One request on the clock: the visit, or None and the windows offered instead."""
        start = time.perf_counter()
        visit, offers = None, None
        try:
            visit, outcome = function(), "done"
        except WindowTaken as refusal:
            outcome, offers = "taken", refusal.facts["nearest"]
        except DomainError:
            outcome = "refused"  # the second click of two, or a change that comes too late
        taken = time.perf_counter() - start
        with self._lock:
            self.result.outcomes[f"{what}: {outcome}"] += 1
            self.result.seconds[what].append(taken)
            if offers is not None:
                self.result.offered.append(len(offers))
        return visit, offers or []

    def _expect(self, visit: Appointment, state: str) -> None:
        """Note how a visit must stand in the end. Of two clicks the earlier word does not undo the later one."""
        with self._lock:
            if state != State.REQUESTED or visit.pk not in self.result.expected:
                self.result.expected[visit.pk] = state


def _deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


# --- the audit -------------------------------------------------------------------------------------------------------


def audit(expected: dict[int, str]) -> list[str]:
    """What is wrong with the books, one sentence each, judged from the rows alone; `expected` is each visit's state."""
    books = _Books()
    found = [*books.twice(), *books.too_close(), *books.over_capacity()]
    if set(books.visits) != set(expected):
        found.append(f"{len(books.visits)} visits are stored, {len(expected)} were given out")
    for pk, visit in books.visits.items():
        if visit.state != State.CONFIRMED and visit.state != expected.get(pk):
            found.append(f"{visit}: {visit.state}, and {expected.get(pk)} was answered")
        checks = books.promised if visit.starts_at and visit.is_open else books.without_time
        found += [f"{visit}: {problem}" for problem in checks(visit)]
        found += verify_timeline(visit)
    return found


class _Books:
    """All rows of all visits, read once."""

    def __init__(self) -> None:
        self.visits: dict[int, Appointment] = Appointment.objects.in_bulk()
        self.reserved = _by(Reservation.objects.order_by("starts_at"), "appointment_id")
        self.crew = _by(CrewMember.objects.all(), "appointment_id")
        self.deadlines = _by(Deadline.objects.filter(state=DeadlineState.RUNNING), "case_id")
        self.timers = _by(Timer.objects.exclude(case=None), "case_id")
        self.messages = _by(Message.objects.filter(person=None, template__startswith="visit_"), "case_id")
        self.areas = {(area.technician_id, area.region_id) for area in ServiceArea.objects.all()}

    def twice(self) -> list[str]:
        """A technician's window that is taken more than once."""
        rows = Counter(Reservation.objects.values_list("technician", "starts_at"))
        return [f"technician {who} is reserved {n} times at {at}" for (who, at), n in rows.items() if n > 1]

    def too_close(self) -> list[str]:
        """Two visits of one technician that overlap, or lie too close for the way between them."""
        found = []
        for who, rows in _by(Reservation.objects.all(), "technician_id").items():
            visits = {(row.visit_at, row.until, row.region_id, row.appointment_id, row.hold_id) for row in rows}
            for before, after in pairwise(sorted(visits, key=lambda visit: visit[:2])):
                if before[1] + travel(before[2], after[2]) > after[0]:
                    found.append(f"technician {who} cannot do both {before} and {after}")
        return found

    def over_capacity(self) -> list[str]:
        """A window with more technicians in it than work then, or one sent where that technician does not drive."""
        found = []
        at_work = list(Shift.objects.values_list("user_id", "starts_at", "ends_at"))
        for at, rows in _by(Reservation.objects.all(), "starts_at").items():
            working = {who for who, begins, ends in at_work if begins <= at < ends}
            if len(rows) > len(working) or not {row.technician_id for row in rows} <= working:
                found.append(f"at {at} there are {len(rows)} reservations for {len(working)} technicians")
            found += [f"{row} lies elsewhere" for row in rows if (row.technician_id, row.region_id) not in self.areas]
        return found

    def promised(self, visit: Appointment) -> list[str]:
        """A booked visit has its time, its crew, its promises, what wakes us to keep them, and its message."""
        found = []
        rows, crew = self.reserved[visit.pk], self.crew[visit.pk]
        people = {member.technician_id for member in crew}
        ends = visit.starts_at + timedelta(minutes=visit.minutes)
        if {row.technician_id for row in rows} != people or len(people) != visit.crew_size:
            found.append("the reserved time is not the crew's")
        if [member.technician_id for member in crew if member.contact] != [visit.owner_id]:
            found.append("not exactly one of the crew talks to the customer")
        if any((row.visit_at, row.until, row.region_id) != (visit.starts_at, ends, visit.region_id) for row in rows):
            found.append("another time or place is reserved")
        if {row.technician_id for row in rows if row.starts_at == visit.starts_at} != people:
            found.append("the window itself is not reserved")
        dues = {deadline.promise: deadline.due_at for deadline in self.deadlines[visit.pk]}
        if any(deadline.cycle != visit.cycle for deadline in self.deadlines[visit.pk]):
            found.append("a promise of an earlier time still runs")
        ahead = visit.starts_at - visit.changed_at
        wanted = {promises.WINDOW: (visit.ends_at, promises.OVER_TIMER)}
        if ahead > timedelta(minutes=30):
            wanted[promises.NOTICE] = (visit.starts_at - timedelta(minutes=30), promises.NOTICE_TIMER)
        if ahead > timedelta(hours=38) or promises.ASK in dues:
            wanted[promises.ASK] = (visit.starts_at - timedelta(hours=24), promises.ASK_TIMER)
        if dues != {promise: due for promise, (due, _timer) in wanted.items()}:
            found.append(f"promises are {sorted(dues)}, not {sorted(wanted)}, or fall due at another time")
        handlers = sorted(timer.handler for timer in self.timers[visit.pk] if timer.deadline_id is None)
        if handlers != sorted(timer for _due, timer in wanted.values()):
            found.append(f"timers are {handlers}")
        woken = {timer.deadline_id for timer in self.timers[visit.pk]} - {None}
        if woken != {deadline.pk for deadline in self.deadlines[visit.pk]}:
            found.append("a promise runs without its timer")
        told = [message.key for message in self.messages[visit.pk] if message.state == Message.State.QUEUED]
        if told != [key_of(visit, "visit_booked" if visit.cycle == 1 else "visit_moved")]:
            found.append(f"waiting messages are {told}")
        return found

    def without_time(self, visit: Appointment) -> list[str]:
        """A visit that is cancelled, or never got its time, holds nothing; only the latter is still owed one."""
        found = []
        if self.reserved[visit.pk]:
            found.append("it holds somebody's time")
        owed = [promises.ARRANGE] if visit.state == State.REQUESTED else []
        if [deadline.promise for deadline in self.deadlines[visit.pk]] != owed:
            found.append(f"promises are {[deadline.promise for deadline in self.deadlines[visit.pk]]}")
        if any(timer.deadline_id is None for timer in self.timers[visit.pk]) or len(self.timers[visit.pk]) != len(owed):
            found.append("something is still to happen for it")
        told = [message.template for message in self.messages[visit.pk] if message.state == Message.State.QUEUED]
        if told != (["visit_cancelled"] if visit.state == State.CANCELLED else []):
            found.append(f"waiting messages are {told}")
        return found


def _by(rows: Iterable[Any], name: str) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        found[getattr(row, name)].append(row)
    return found
