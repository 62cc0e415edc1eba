"""The desk's lists: my queue and the team's. Each page is one statement, and so are all counts together.

A list is made of parts (what I own, what waits for my review …), because each part then walks an index of its own;
an OR over them would read every open case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import IntegerField, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.http import urlencode

from appointments.due import due
from appointments.models import Appointment
from cases.models import Case
from common import clock
from notifications.waiting import waiting as waiting_texts
from staff.models import User
from tickets.models import Ticket
from tickets.states import DONE, TO_DO, WAITING, State

PAGE = 50
MOST_COUNTED = 1000
VISIT_AT = "visit_at"  # the column that the list of coming visits brings
MINE, TEAM = "mine", "team"
TABS = ("todo", "waiting", "visits", "done")
PARTS = ("unassigned", "assigned")
Cases = Any  # CaseQuerySet, which mypy does not follow through as_manager


class CountUpTo(Subquery):
    """How many rows a (sliced) queryset has, as a value of another statement."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


@dataclass(frozen=True)
class Place:
    """A spot in a list: the part, what it is sorted by, and the key. As text it is the `after` of the next page."""

    part: int
    at: datetime
    pk: int

    def __str__(self) -> str:
        return f"{self.part}_{self.at.isoformat()}_{self.pk}"

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """Read what `str` wrote; anything else is the beginning of the list."""
        try:
            part, at, pk = text.split("_")
            place = cls(int(part), datetime.fromisoformat(at).astimezone(UTC), int(pk))
        except (ValueError, OverflowError):
            return None
        return place if abs(place.pk) < 2**63 and len(text) < 100 else None


@dataclass(frozen=True)
class Listing:
    """Which list somebody looks at: it is in the address of every page and fragment, so that none loses it."""

    name: str = MINE
    tab: str = "todo"
    team: str = ""

    @classmethod
    def asked(cls, asked: MultiValueDict[str, str] | Any, *, name: str = "") -> Listing:
        name = name or (TEAM if asked.get("list") == TEAM else MINE)
        if name == TEAM:
            return cls(TEAM, team=asked.get("team", "")[:40])
        return cls(MINE, tab=asked.get("tab") if asked.get("tab") in TABS else "todo")

    @property
    def query(self) -> str:
        """What a link to a ticket carries, so that the same list stands beside it; "" for the usual one."""
        if self.name == TEAM:
            return "?" + urlencode({"list": TEAM, **({"team": self.team} if self.team else {})})
        return "" if self.tab == "todo" else "?" + urlencode({"tab": self.tab})

    @property
    def place(self) -> str:
        """The place of the rail that the list stands for."""
        return reverse("desk:team" if self.name == TEAM else "desk:queue")

    @property
    def url(self) -> str:
        """The address of the list itself."""
        asked = {"team": self.team} if self.name == TEAM else {"tab": self.tab}
        asked = {name: value for name, value in asked.items() if value and value != "todo"}
        return f"{self.place}?{urlencode(asked)}" if asked else self.place

    @property
    def newest_first(self) -> bool:
        return self.name == MINE and self.tab == "done"

    @property
    def by_visit(self) -> bool:
        return self.name == MINE and self.tab == "visits"

    @property
    def sorted_by(self) -> str:
        if self.by_visit:
            return VISIT_AT
        return "resolved_at" if self.newest_first else "sort_due_at"

    def parts(self, person: Any, *, now: datetime) -> list[tuple[int, Cases]]:
        """The querysets this list is made of, each with its rank: a lower rank comes first as a whole."""
        if self.name == TEAM:
            scope = team_scope(person, self.team)
            return [(0, scope.unassigned()), (1, scope.filter(owner__isnull=False))]
        return [(0, part) for part in MINE_PARTS[self.tab](person, now)]


def address(name: str, ticket: Case, listing: Listing, *more: Any) -> str:
    """An address of this ticket that keeps the list beside it."""
    return reverse(f"desk:{name}", args=[ticket.number, *more]) + listing.query


def to_do(person: Any, now: datetime) -> list[Cases]:
    """What I work on; for a dispatcher what came back or has nobody yet, for a reviewer what waits for the review."""
    tickets = Case.objects.filter(kind=Ticket.KIND).open()
    parts = [tickets.owned_by(person).filter(state__in=TO_DO)]
    if not person.team_id:
        return parts
    of_team = tickets.filter(team_id=person.team_id)
    if person.may("tickets.assign") and not person.may("tickets.review"):
        parts.append(of_team.unassigned().filter(state__in=[State.NEW, State.ASSIGNED, State.RETURNED]))
    if person.may("tickets.review"):
        # Nobody reviews their own work; what I own is in the first part already.
        parts.append(of_team.filter(state=State.IN_REVIEW).exclude(owner=person))
    return parts


def waiting(person: Any, now: datetime) -> list[Cases]:
    return [Case.objects.filter(kind=Ticket.KIND, state__in=WAITING).open().owned_by(person)]


def visits_to_come(person: Any, now: datetime) -> list[Cases]:
    """My open tickets for which a technician is expected, from today on; `visit_at` and `visit_until` say when."""
    coming = Appointment.objects.coming(_midnight(now)).filter(for_ticket__isnull=False)
    mine = Case.objects.filter(kind=Ticket.KIND, pk__in=coming.values("for_ticket")).open().owned_by(person)
    return [with_visit(mine, now)]


def with_visit(cases: Cases, now: datetime) -> Cases:
    """The cases with the window of the next visit that is expected for each: `visit_at`, `visit_until`, or None."""
    coming = Appointment.objects.coming(_midnight(now)).filter(for_ticket=OuterRef("pk")).order_by("starts_at", "pk")
    return cases.annotate(
        visit_at=Subquery(coming.values("starts_at")[:1]), visit_until=Subquery(coming.values("ends_at")[:1])
    )


def _midnight(now: datetime) -> datetime:
    return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)


def done_today(person: Any, now: datetime) -> list[Cases]:
    midnight = _midnight(now)
    return [Case.objects.filter(kind=Ticket.KIND, state__in=DONE, resolved_at__gte=midnight).owned_by(person)]


MINE_PARTS: dict[str, Callable[[Any, datetime], list[Cases]]] = {
    "todo": to_do,
    "waiting": waiting,
    "visits": visits_to_come,
    "done": done_today,
}


def team_scope(person: Any, code: str = "") -> Cases:
    """The open tickets of a team: the own one, or, for who sees all teams, the one asked for or all of them."""
    tickets = Case.objects.filter(kind=Ticket.KIND).open()
    if not person.may("cases.see_all_teams"):
        return tickets.filter(team_id=person.team_id) if person.team_id else tickets.owned_by(person)
    if code:
        return tickets.filter(team__code=code)
    return tickets


# --- counting ------------------------------------------------------------------------------------------------------


def tally(person: Any, *, now: datetime, listing: Listing | None = None) -> dict[str, int]:
    """The counts of my queue, and of the team's if `listing` is that: one statement, kept for the request."""
    known: dict[str, int] = person.__dict__.setdefault("_tally", {})
    wanted: dict[str, list[Cases]] = {tab: parts(person, now) for tab, parts in MINE_PARTS.items()}
    wanted["overdue"] = [Case.objects.filter(kind=Ticket.KIND).owned_by(person).overdue(now)]
    if person.may("dispatch.change"):
        wanted["dispatch"] = due(now)
    if listing and listing.name == TEAM:
        wanted |= dict(zip(PARTS, ([part] for _rank, part in listing.parts(person, now=now)), strict=True))
        wanted["texts"] = [waiting_texts()]
    missing = {name: parts for name, parts in wanted.items() if name not in known}
    if missing:
        columns = {
            f"{name}_{number}": CountUpTo(part.order_by().values("pk")[:MOST_COUNTED])
            for name, parts in missing.items()
            for number, part in enumerate(parts)
        }
        row = User.objects.filter(pk=person.pk).values(**columns).get()
        for name, parts in missing.items():
            known[name] = sum(row[f"{name}_{number}"] for number in range(len(parts)))
    return known


def overdue(person: Any) -> int:
    """How many of my tickets are overdue: the red figure in the rail."""
    return tally(person, now=clock.now())["overdue"]


def visits_due(person: Any) -> int:
    """How many visits need a time, a technician or a call now: the red figure of whoever arranges them."""
    return tally(person, now=clock.now()).get("dispatch", 0)


def in_hand(counts: dict[str, int]) -> int:
    """Of the counts of my queue's tabs, the figure beside its title: what is open and mine to look after."""
    return counts["todo"] + counts["waiting"]


def shown(count: int) -> str:
    """A count as people read it: beyond 999 nobody counts on."""
    return "999+" if count >= MOST_COUNTED else str(count)


# --- pages ---------------------------------------------------------------------------------------------------------


def page(listing: Listing, person: Any, *, now: datetime, after: Place | None = None) -> tuple[list[Case], str]:
    """Up to PAGE cases from `after` on, with all a row shows, and the `after` of the next page ("" at the end)."""
    column, down = listing.sorted_by, listing.newest_first
    parts = [
        (rank, beyond(part, after, column, down) if after and after.part == rank else part)
        for rank, part in listing.parts(person, now=now)
        if after is None or rank >= after.part
    ]
    order = (f"-{column}", "-pk") if down else (column, "pk")
    # One more than a page of each part; an inner subquery, because SQLite takes no LIMIT inside a UNION.
    firsts = [
        Case.objects.filter(pk__in=part.order_by(*order).values("pk")[: PAGE + 1]).values("pk") for _, part in parts
    ]
    wanted: QuerySet[Any] = firsts[0].union(*firsts[1:], all=True) if len(firsts) > 1 else firsts[0]
    cases = Case.objects.filter(pk__in=wanted).select_related("customer", "region", "owner")
    found = list(with_visit(cases, now) if listing.by_visit else cases)
    found.sort(key=lambda case: (getattr(case, column), case.pk), reverse=down)
    if listing.name == TEAM:
        found.sort(key=lambda case: case.owner_id is not None)
    rows, more = found[:PAGE], len(found) > PAGE
    if not more:
        return rows, ""
    last = rows[-1]
    rank = int(last.owner_id is not None) if listing.name == TEAM else 0
    return rows, str(Place(rank, getattr(last, column), last.pk))


def first_keys(listing: Listing, person: Any, *, now: datetime, most: int) -> list[int]:
    """The keys of the first `most` cases of a list, in its order."""
    column, down = listing.sorted_by, listing.newest_first
    order = (f"-{column}", "-pk") if down else (column, "pk")
    found = [
        (rank, place)
        for rank, part in listing.parts(person, now=now)
        for place in part.order_by(*order).values_list(column, "pk")[:most]
    ]
    found.sort(key=lambda line: line[1], reverse=down)
    found.sort(key=lambda line: line[0])
    return [pk for _rank, (_at, pk) in found[:most]]


def beyond(part: Cases, after: Place, column: str, down: bool) -> Cases:
    """What comes after a place. The first condition repeats the second in a form that an index can start from."""
    side, edge = ("lt", "lte") if down else ("gt", "gte")
    return part.filter(
        Q(**{f"{column}__{side}": after.at}) | Q(**{column: after.at, f"pk__{side}": after.pk}),
        **{f"{column}__{edge}": after.at},
    )
