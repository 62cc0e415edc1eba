"""The demo's visits: booked, confirmed, made, missed and rated through the real services."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from appointments import conversation, services, visits
from appointments.availability import Grid, Needs, next_free
from appointments.booking import needs_of
from appointments.messages import arrival_code
from appointments.models import Appointment, ServiceArea, VisitService
from appointments.waitlist import join_waitlist
from appointments.windows import Window
from customers.models import Region
from staff.models import User
from staff.permissions import Role

from .people import Known, Staff
from .stories import Scene, minutes

# Day by day from today: how many visits, and what becomes of those that are not simply done.
PAST = {
    -6: ["done"] * 4,
    -5: ["done", "absent", "done", "done"],
    -4: ["done"] * 5,
    -3: ["done", "failed", "done", "done"],
    -2: ["done", "done", "missed", "done", "done"],
    -1: ["done", "done", "absent", "done", "done"],
}
TODAY = 11
AHEAD = {1: 6, 2: 5, 3: 3, 4: 2, 6: 2, 8: 1, 10: 1}
SERVICES = ["broadband-repair", "broadband-install", "fixed-line-repair", "broadband-move", "iptv-install"]
WEIGHTS = [45, 25, 12, 8, 10]
FORM = tomllib.loads((Path(__file__).parent / "visits.toml").read_text(encoding="utf-8"))


def make_areas(staff: Staff) -> None:
    """Every technician drives to the whole town; the base is a region of their own."""
    regions = list(Region.objects.order_by("code"))
    technicians = [person for person in staff.people.values() if person.role == Role.TECHNICIAN]
    ServiceArea.objects.bulk_create(
        ServiceArea(technician=person, region=region, base=position == number % len(regions))
        for number, person in enumerate(technicians)
        for position, region in enumerate(regions)
    )


def visit_lives(scene: Scene, customers: list[Known], share: float) -> Iterator[VisitLife]:
    """The visits to simulate; `share` of the usual number."""
    today = Window(scene.now, scene.now).day
    for ahead, fates in PAST.items():
        for number, fate in enumerate(fates[: max(1, round(len(fates) * share))]):
            yield VisitLife(scene, scene.chance.choice(customers), today + timedelta(days=ahead), number, fate)
    for number in range(max(2, round(TODAY * share))):
        yield VisitLife(scene, scene.chance.choice(customers), today, number, "done")
    for ahead, count in AHEAD.items():
        for number in range(max(1, round(count * share))):
            fate = "waits" if ahead == 10 else "done"
            yield VisitLife(scene, scene.chance.choice(customers), today + timedelta(days=ahead), number, fate)
    for _number in range(2):
        yield VisitLife(scene, scene.chance.choice(customers), today, 0, "no time yet")


@dataclass
class VisitLife:
    """One visit to come: its booking, and what happens on the day it is booked for."""

    scene: Scene
    customer: Known
    day: date
    turn: int
    fate: str
    steps: list[tuple[datetime, Callable[..., Any], dict[str, Any]]] = field(default_factory=list)
    visit_id: int = 0

    def __post_init__(self) -> None:
        chance = self.scene.chance
        opens = Window(self.scene.now, self.scene.now)
        days_before = chance.randint(1, 3) if self.day > opens.day - timedelta(days=5) else 2
        asked = datetime.combine(self.day, datetime.min.time(), tzinfo=self.scene.now.tzinfo)
        if self.fate == "no time yet":
            days_before = 0
        booked_at = min(
            asked - timedelta(days=days_before) + minutes(chance.uniform(60, 700)), self.scene.now - minutes(20)
        )
        self.steps.append((booked_at, self.book, {}))

    def play(self, function: Callable[..., Any], facts: dict[str, Any], *, at: datetime) -> None:
        function(at=at, **facts)

    @property
    def visit(self) -> Appointment:
        return Appointment.objects.get(pk=self.visit_id)

    def book(self, *, at: datetime) -> None:
        """In the first window with room from the one that is this visit's turn; then the day is planned."""
        chance, row = self.scene.chance, self.customer.row
        service = VisitService.objects.get(code=chance.choices(SERVICES, WEIGHTS)[0])
        by_phone = chance.random() < 0.4
        agent = chance.choice(self.scene.staff.agents["broadband-a"])
        wanted = None if self.fate == "no time yet" else self._window(Needs.of([service], self.customer.region), at)
        visit = services.book_appointment(
            customer=row,
            services=[service],
            region=self.customer.region,
            address=row.addresses.first(),
            starts_at=wanted.starts_at if wanted else None,
            channel="phone" if by_phone else chance.choice(["web", "app", "sms"]),
            by=agent if by_phone else row,
            note=chance.choice(FORM[self.customer.language]["notes"]),
            at=at,
        )
        self.visit_id = visit.pk
        if wanted is not None:
            self._plan(wanted, visit, at)

    def _window(self, needs: Needs, at: datetime) -> Window | None:
        grid = Grid(self.day, self.day + timedelta(days=2), at=at)
        free = [offer.window for offer in grid.open_windows(needs) if offer.room]
        later = free[self.turn % 5 :] if self.day == (free[0].day if free else None) else free
        return next(iter(later or free), None)

    def _plan(self, window: Window, visit: Appointment, since: datetime) -> None:
        chance = self.scene.chance
        if self.fate == "waits":
            self.steps.append((visit.received_at + minutes(3), self.wait, {}))
            return
        if chance.random() < 0.7:
            asked = window.starts_at - timedelta(hours=24)
            if asked > since:
                self.steps.append((asked + minutes(chance.uniform(5, 180)), self.reconfirm, {}))
        if self.fate == "missed":
            self.steps.append((window.ends_at + minutes(chance.uniform(40, 120)), self.rebook, {}))
            return
        leaves = window.starts_at + minutes(chance.uniform(-15, 35))
        arrives = leaves + minutes(chance.uniform(12, 28))
        self.steps.append((leaves, self.set_off, {}))
        if self.fate == "absent":
            self._then_again((max(arrives, window.starts_at) + minutes(10)), self.absent)
            return
        self.steps.append((arrives, self.arrive, {}))
        ends = arrives + minutes(visit.minutes * chance.uniform(0.6, 1.05))
        if self.fate == "failed":
            self._then_again(ends, self.fail)
            return
        self.steps += [(ends - minutes(2), self.keep, {}), (ends, self.finish, {})]
        if chance.random() < 0.6:
            self.steps.append((ends + minutes(chance.uniform(8, 300)), self.rate, {}))

    def _then_again(self, at: datetime, what: Callable[..., Any]) -> None:
        """Something came in between; in good time the dispatcher finds another day, except for yesterday's."""
        self.steps.append((at, what, {}))
        if at < self.scene.now - timedelta(hours=30):
            self.steps.append((at + minutes(self.scene.chance.uniform(60, 300)), self.rebook, {}))

    def rebook(self, *, at: datetime) -> None:
        visit = self.visit
        window = next_free(needs_of(visit), at=at + timedelta(hours=20))
        if window is not None:
            services.move_appointment(
                appointment_id=self.visit_id,
                starts_at=window.starts_at,
                by=self.scene.staff.dispatcher,
                side="us",
                at=at,
            )
            self.fate = "done"
            self._plan(window, visit, at)

    def reconfirm(self, *, at: datetime) -> None:
        conversation.reconfirm_appointment(appointment_id=self.visit_id, by=self.customer.row, how="link", at=at)

    def wait(self, *, at: datetime) -> None:
        join_waitlist(appointment_id=self.visit_id, by=self.customer.row, at=at)

    def _technician(self) -> User | None:
        return self.visit.owner

    def set_off(self, *, at: datetime) -> None:
        away = self.scene.chance.randint(12, 28)
        visits.set_off(appointment_id=self.visit_id, minutes=away, by=self._technician(), at=at)

    def arrive(self, *, at: datetime) -> None:
        code = arrival_code(self.visit) if self.scene.chance.random() < 0.8 else ""
        visits.arrive(appointment_id=self.visit_id, code=code, by=self._technician(), at=at)

    def absent(self, *, at: datetime) -> None:
        notice = FORM[self.customer.language]["absent"]
        visits.report_absent(appointment_id=self.visit_id, notice=notice, by=self._technician(), at=at)

    def fail(self, *, at: datetime) -> None:
        note = FORM[self.customer.language]["failed"]
        visits.fail(appointment_id=self.visit_id, reason="line", note=note, by=self._technician(), at=at)

    def keep(self, *, at: datetime) -> None:
        chance, words = self.scene.chance, FORM[self.customer.language]
        visits.keep_record(
            appointment_id=self.visit_id,
            by=self._technician(),
            values={
                "tools_checked": True,
                "materials_checked": True,
                "spares_checked": True,
                "forms_checked": True,
                "computer_tested": True,
                "download_mbps": f"{chance.choice([300, 500, 1000]) * chance.uniform(0.92, 1.03):.1f}",
                "upload_mbps": f"{chance.choice([30, 50, 100]) * chance.uniform(0.9, 1.04):.1f}",
                "indoor_wiring": chance.choice(words["wiring"]),
                "splitter_position": chance.choice(words["splitter"]),
                "account_told": True,
                "password_coached": True,
            },
        )

    def finish(self, *, at: datetime) -> None:
        report = self.scene.chance.choice(FORM[self.customer.language]["reports"])
        visits.finish(appointment_id=self.visit_id, report=report, by=self._technician(), at=at)

    def rate(self, *, at: datetime) -> None:
        score = self.scene.chance.choices([5, 4, 3, 2, 1], [58, 27, 9, 4, 2])[0]
        conversation.rate_visit(appointment_id=self.visit_id, score=score, by=self.customer.row, at=at)
