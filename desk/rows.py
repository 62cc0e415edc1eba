"""The rows of a queue and the pane they stand in, worked out from the columns of the cases alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from appointments.wording import day_text, hours_text
from cases.models import Case
from cases.states import Channel
from common import clockface
from common.clockface import Chip
from staff.models import Team
from tickets.states import State

from . import lists
from .bulk import MOST, Action, offered
from .lists import Listing, address

CHANNEL_ICONS = {
    Channel.PHONE: "phone",
    Channel.COUNTER: "user",
    Channel.WEB: "monitor",
    Channel.APP: "smartphone",
    Channel.SMS: "message-square",
    Channel.EMAIL: "mail",
    Channel.CHAT: "message-circle",
    Channel.SOCIAL: "message-circle",
    Channel.PARTNER: "users",
    Channel.MONITORING: "signal",
}


@dataclass(frozen=True)
class Row:
    """One row of a queue, from the columns of the case alone."""

    id: int
    version: int
    number: str
    url: str
    renew_url: str
    subject: str
    chip: Chip | None
    priority: int
    at: datetime
    unread: int
    channel_icon: str
    who: str
    assignee: str
    mine: bool
    current: bool
    taken: bool
    pick: str


_TOLD_IN_ROW = {State.RETURNED, State.IN_REVIEW, State.HELD}


def row(case: Case, person: Any, listing: Listing, *, now: datetime, current: int | None = None) -> Row:
    place = str(case.region) if case.region_id and case.region else ""
    name = str(case.customer) if case.customer_id else _("No customer yet")
    state = case.get_state_label() if case.state in _TOLD_IN_ROW else ""
    visit = _visit_words(case, now=now) if listing.by_visit else ""
    # Under the heading of the unassigned nobody need be named.
    assignee = str(case.owner) if case.owner_id and listing.name == lists.TEAM else ""
    return Row(
        id=case.pk,
        version=case.event_seq,
        number=case.number,
        url=address("case", case, listing),
        renew_url=address("row", case, listing),
        subject=case.subject,
        chip=case_chip(case, now=now),
        priority=case.priority,
        at=case.received_at,
        unread=case.unanswered,
        channel_icon="truck" if visit else CHANNEL_ICONS.get(Channel(case.channel), "inbox"),
        who=" · ".join(part for part in (visit, state, name, place) if part),
        assignee=assignee,
        mine=case.owner_id == person.pk,
        current=case.pk == current,
        taken=case.owner_id is not None,
        pick=_("Select %(number)s") % {"number": case.number} if person.may("tickets.work") else "",
    )


def _visit_words(case: Case, *, now: datetime) -> str:
    """When the technician is expected; "" once nobody is. A row that renews itself alone asks for it."""
    if not hasattr(case, "visit_at"):
        case = lists.with_visit(Case.objects.filter(pk=case.pk), now).get()
    starts_at, ends_at = case.visit_at, case.visit_until  # type: ignore[attr-defined]
    if starts_at is None:
        return ""
    if timezone.localdate(starts_at) == timezone.localdate(now):
        return _("Today %(hours)s") % {"hours": hours_text(starts_at, ends_at)}
    return _("%(day)s, %(hours)s") % {"day": day_text(starts_at), "hours": hours_text(starts_at, ends_at)}


def case_chip(case: Case, *, now: datetime) -> Chip | None:
    """The chip of the nearest clock, as `sla` keeps it on the case."""
    return clockface.chip(
        state=case.clock_state,  # type: ignore[arg-type]
        due_at=case.sort_due_at,
        left=case.clock_left,
        took=case.clock_left,
        over=case.clock_left,
        warn=case.clock_warn or clockface.WARN,
        now=now,
        name=case.subject,
    )


BULK_FIRST = 3


@dataclass(frozen=True)
class ListView:
    """The pane of rows: my queue or the team's."""

    listing: Listing
    title: str
    total: str
    tabs: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    more_url: str
    url: str
    first: bool
    may_open: bool
    may_take: bool
    bulk: dict[str, Action]
    all_words: str
    texts: int = 0
    teams: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_team(self) -> bool:
        return self.listing.name == lists.TEAM

    @property
    def most(self) -> int:
        """How many rows can be ticked at once."""
        return MOST

    @property
    def bulk_first(self) -> int:
        """How many of the actions stand in the bar itself; the others are in the menu beside them."""
        return BULK_FIRST

    @property
    def rows(self) -> list[Row]:
        return [row for group in self.groups for row in group["rows"]]


def list_view(
    person: Any,
    listing: Listing,
    *,
    now: datetime,
    current: int | None = None,
    after: str = "",
    with_teams: bool = False,
) -> ListView:
    counts = lists.tally(person, now=now, listing=listing)
    place = lists.Place.parse(after)
    found, then = lists.page(listing, person, now=now, after=place)
    rows = [row(case, person, listing, now=now, current=current) for case in found]
    team = listing.name == lists.TEAM
    url = listing.url
    total = sum(counts[part] for part in (lists.PARTS if team else [listing.tab]))
    return ListView(
        listing=listing,
        title=_("Team queue") if team else _("My queue"),
        total=lists.shown(sum(counts[part] for part in lists.PARTS) if team else lists.in_hand(counts)),
        tabs=[] if team else _tabs(listing, counts),
        groups=_groups(rows, counts, begun=place.part if place else -1) if team else [{"rows": rows}],
        more_url=f"{url}{'&' if '?' in url else '?'}{lists.urlencode({'after': then})}" if then else "",
        url=url,
        first=place is None,
        may_open=person.may("tickets.open"),
        may_take=person.may("tickets.work"),
        texts=counts.get("texts", 0),
        bulk=offered(person),
        all_words=_all_words(total) if then or place else "",
        teams=_team_choices(listing) if with_teams and person.may("cases.see_all_teams") else [],
    )


def _all_words(total: int) -> str:
    """What the choice of a whole list says: no more than one job takes."""
    if total > MOST:
        return _("The first %(most)d of %(total)s") % {"most": MOST, "total": lists.shown(total)}
    return _("All %(total)d of this list") % {"total": total}


def _tabs(listing: Listing, counts: dict[str, int]) -> list[dict[str, Any]]:
    words = {
        "todo": _("To do"),
        "waiting": _("Waiting"),
        "visits": pgettext("tab of my queue", "Visits"),
        "done": _("Done today"),
    }
    return [
        {
            "url": Listing(tab=tab).url,
            "words": words[tab],
            "count": lists.shown(counts[tab]),
            "current": tab == listing.tab,
            "key": f"tab.{tab}",
        }
        for tab in lists.TABS
    ]


def _groups(rows: list[Row], counts: dict[str, int], *, begun: int) -> list[dict[str, Any]]:
    """Unassigned first, each group under its heading; a page that goes on within a group does not repeat it."""
    words = {"unassigned": _("Unassigned"), "assigned": pgettext("group of a list", "Assigned")}
    groups = []
    for number, part in enumerate(lists.PARTS):
        of_part = [row for row in rows if row.taken == bool(number)]
        heading = "" if number == begun else words[part]
        if of_part or (number == 0 and begun < 0):
            groups.append({"heading": heading, "count": lists.shown(counts[part]), "rows": of_part})
    return groups


def _team_choices(listing: Listing) -> list[dict[str, Any]]:
    choices = [
        {"code": team.code, "words": str(team), "current": team.code == listing.team} for team in Team.objects.all()
    ]
    return [{"code": "", "words": _("All teams"), "current": not listing.team}, *choices]
