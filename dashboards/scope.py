"""What one look at the board covers: whose eyes, which team, which moment. Every query starts from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse

from cases.models import Case
from cases.querysets import CaseQuerySet
from sla.models import Deadline
from staff.models import Team, User
from staff.permissions import Role
from tickets.models import Ticket

# Who works the queues; leads and above may hold tickets too, but nobody waits for them to come online.
AGENTS = [Role.AGENT, Role.SENIOR]


@dataclass(frozen=True)
class Scope:
    """`team` is the one chosen, or a lead's own; None for all teams (`boards.all_teams`)."""

    person: Any
    team: Team | None
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        """A day begins and ends where the center is, not where the reader's browser is."""
        return ZoneInfo(settings.TIME_ZONE)

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone)

    def hours(self, day: date, hour: int, length: int = 1) -> tuple[datetime, datetime]:
        """From `hour` o'clock of a local day, for `length` hours."""
        start = self.midnight(day).replace(hour=hour)
        return start, start + timedelta(hours=length)

    def day(self, day: date | None = None) -> tuple[datetime, datetime]:
        """A local day (default: today) from midnight to midnight."""
        day = day or self.today
        return self.midnight(day), self.midnight(day + timedelta(days=1))

    def week(self) -> tuple[datetime, datetime]:
        """Today and the six days before it."""
        return self.midnight(self.today - timedelta(days=6)), self.day()[1]

    def cases(self) -> CaseQuerySet:
        """The tickets this board is about. A `Case` has every column that is asked for, so nothing is joined."""
        cases = Case.objects.visible_to(self.person).filter(kind=Ticket.KIND)
        return cases.filter(team=self.team) if self.team else cases

    def deadlines(self, promise: str) -> QuerySet[Deadline]:
        """The deadlines of `cases()`.

        Whoever opens a board sees all tickets of every team that it shows (tests/dashboards/test_figures.py), so the
        team alone decides, in a plain join. As a subquery, PostgreSQL read all cases ever to find a week's (measured:
        300,000 cases, 8 times slower).
        """
        deadlines = Deadline.objects.filter(promise=promise, case__kind=Ticket.KIND)
        if self.team:
            return deadlines.filter(case__team=self.team)
        return deadlines if self.person.may("cases.see_all_teams") else deadlines.filter(case__in=self.cases())

    def agents(self) -> QuerySet[User]:
        agents = User.objects.filter(is_active=True, role__in=AGENTS)
        if self.team:
            return agents.filter(team=self.team)
        return agents if self.person.may("boards.all_teams") else agents.none()

    def url(self, figure: str, *, team: Team | None = None, **narrowed: Any) -> str:
        """The address of the list behind a number, under the same filters."""
        chosen = team or self.team
        query = {"team": chosen.code} if chosen else {}
        query |= {name: str(value) for name, value in narrowed.items() if value is not None}
        path = reverse("dashboards:list", args=[figure])
        return f"{path}?{urlencode(query)}" if query else path
