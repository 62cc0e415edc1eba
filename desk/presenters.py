"""View models: what the desk's templates show, worked out from rows already read."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Prefetch, prefetch_related_objects
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from cases.facts import Names, sentence
from cases.models import Attachment, Case, CaseEvent, Note
from cases.states import NEVER, Channel
from common import clockface
from common.clockface import Chip
from common.transitions import refusals
from customers import masking
from customers.models import Address, Customer
from notifications.services import address_of
from sla.arithmetic import Limit
from sla.arithmetic.calendars import Why
from sla.arithmetic.limits import DayLimit, RunningLimit
from sla.clocks import soon
from sla.models import Deadline
from sla.promises import reason, title
from sla.services import Explanation, deadlines_of, explain
from sla.states import DeadlineState, Verdict
from staff.models import Team, User
from staff.permissions import roles_that_may
from tickets.ending import too_late_to_reopen
from tickets.handling import MILESTONES, escalation_refusals, milestone_refusals, visit_refusals
from tickets.models import Ticket
from tickets.permissions import picking_refusals
from tickets.states import HoldReason, State, Type, Verified, WaitReason

from . import forms, lists
from .lists import Listing

CLOCKS_SHOWN = 4
ENTRIES_SHOWN = 200
HISTORY_SHOWN = 5
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
PAUSE_REASONS = {**dict(WaitReason.choices), **dict(HoldReason.choices)}


def address(name: str, ticket: Case, listing: Listing, *more: Any) -> str:
    """An address of this ticket that keeps the list beside it."""
    return reverse(f"desk:{name}", args=[ticket.number, *more]) + listing.query


# --- rows ----------------------------------------------------------------------------------------------------------


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


_TOLD_IN_ROW = {State.RETURNED, State.IN_REVIEW, State.HELD}


def row(case: Case, person: Any, listing: Listing, *, now: datetime, current: int | None = None) -> Row:
    place = str(case.region) if case.region_id and case.region else ""
    name = str(case.customer) if case.customer_id else _("No customer yet")
    state = case.get_state_label() if case.state in _TOLD_IN_ROW else ""
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
        channel_icon=CHANNEL_ICONS.get(Channel(case.channel), "inbox"),
        who=" · ".join(part for part in (state, name, place) if part),
        assignee=assignee,
        mine=case.owner_id == person.pk,
        current=case.pk == current,
        taken=case.owner_id is not None,
    )


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
    teams: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_team(self) -> bool:
        return self.listing.name == lists.TEAM

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
    url = reverse("desk:team" if team else "desk:queue")
    asked = {"team": listing.team} if team else {"tab": listing.tab}
    asked = {name: value for name, value in asked.items() if value and value != "todo"}
    more = {**asked, "after": then}
    return ListView(
        listing=listing,
        title=_("Team queue") if team else _("My queue"),
        total=lists.shown(sum(counts[part] for part in lists.PARTS) if team else counts["todo"] + counts["waiting"]),
        tabs=[] if team else _tabs(person, listing, counts, url, now=now),
        groups=_groups(rows, counts, begun=place.part if place else -1) if team else [{"rows": rows}],
        more_url=f"{url}?{lists.urlencode(more)}" if then else "",
        url=f"{url}?{lists.urlencode(asked)}" if asked else url,
        first=place is None,
        may_open=person.may("tickets.open"),
        may_take=person.may("tickets.work"),
        teams=_team_choices(listing) if with_teams and person.may("cases.see_all_teams") else [],
    )


def _tabs(person: Any, listing: Listing, counts: dict[str, int], url: str, *, now: datetime) -> list[dict[str, Any]]:
    words = {"todo": _("To do"), "waiting": _("Waiting"), "done": _("Done today")}
    return [
        {
            "url": url if tab == "todo" else f"{url}?tab={tab}",
            "words": words[tab],
            "count": lists.shown(counts[tab]),
            "current": tab == listing.tab,
            # The feed counts what I own; where more belongs to the list, its figure would be the wrong one.
            "key": "todo" if tab == "todo" and len(lists.to_do(person, now)) == 1 else "",
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


# --- clocks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clock:
    """One deadline in the strip."""

    id: int
    name: str
    chip: Chip | None
    due: str
    note: str
    percent: int | None
    statutory: bool
    live: bool
    missed: bool
    due_at: datetime
    explain_url: str


@dataclass(frozen=True)
class Clocks:
    shown: list[Clock]
    folded: list[Clock]
    earlier: list[dict[str, Any]]

    @property
    def any(self) -> bool:
        return bool(self.shown or self.earlier)


def clocks_of(ticket: Ticket, deadlines: list[Deadline], listing: Listing, *, now: datetime) -> Clocks:
    """The clocks of this round, what still runs before what is over; verdicts of earlier rounds apart."""
    current = [d for d in deadlines if d.cycle == ticket.cycle and d.state != DeadlineState.CANCELLED]
    # Promises made once (the first reply) belong to the first round and stay visible in it only.
    present = [clock_of(deadline, ticket, listing, now=now) for deadline in current]
    ranked = sorted(present, key=lambda clock: (not clock.live, not clock.missed, clock.due_at, clock.id))
    chosen = {clock.id for clock in ranked[:CLOCKS_SHOWN]}
    rounds = sorted({d.cycle for d in deadlines if d.cycle < ticket.cycle}, reverse=True)
    return Clocks(
        shown=[clock for clock in present if clock.id in chosen],
        folded=[clock for clock in present if clock.id not in chosen],
        earlier=[
            {
                "round": number,
                "clocks": [
                    clock_of(d, ticket, listing, now=now)
                    for d in deadlines
                    if d.cycle == number and d.state != DeadlineState.CANCELLED
                ],
            }
            for number in rounds
        ],
    )


def clock_of(deadline: Deadline, ticket: Ticket, listing: Listing, *, now: datetime) -> Clock:
    chip, note = deadline_chip(deadline, now=now)
    return Clock(
        id=deadline.pk,
        name=_("%(promise)s · %(limit)s") % {"promise": title(deadline.promise), "limit": limit_words(deadline.limits)},
        chip=chip,
        due=due_words(deadline, now=now),
        note=note,
        percent=_percent(deadline, now),
        statutory=deadline.rule.statutory,
        live=deadline.state in (DeadlineState.RUNNING, DeadlineState.PAUSED),
        missed=deadline.verdict(now) == Verdict.MISSED,
        due_at=deadline.due_at or NEVER,
        explain_url=address("explain", ticket, listing, deadline.pk),
    )


def deadline_chip(deadline: Deadline, *, now: datetime) -> tuple[Chip | None, str]:
    """The chip of one deadline, and what stands after it: when it stopped, or since when and why it rests."""
    name = title(deadline.promise)
    if deadline.state == DeadlineState.PAUSED:
        since, _end, why = deadline.pauses[-1]
        note = _("since %(time)s: %(reason)s") % {
            "time": clockface.when(datetime.fromisoformat(since), now),
            "reason": PAUSE_REASONS.get(why, why),
        }
        return clockface.chip(state="paused", left=deadline.aim.left(now), now=now, name=name), note
    if deadline.state == DeadlineState.RUNNING:
        chip = clockface.chip(state="running", due_at=deadline.due_at, warn=soon(deadline), now=now, name=name)
        return chip, _("customer-deferred") if deadline.is_deferred else ""
    assert deadline.stopped_at is not None
    assert deadline.due_at is not None
    note = clockface.when(deadline.stopped_at, now)
    if deadline.verdict(now) == Verdict.MET:
        took = deadline.stopped_at - deadline.started_at
        return clockface.chip(state="met", took=took, now=now, name=name), note
    if deadline.state == DeadlineState.BROKEN:
        note = _("%(time)s: %(reason)s") % {"time": note, "reason": reason(deadline.because)}
        return clockface.chip(state="broken", now=now, name=name), note
    over = deadline.stopped_at - deadline.due_at
    return clockface.chip(state="missed", over=over, now=now, name=name), note


def due_words(deadline: Deadline, *, now: datetime) -> str:
    """`by 17:14`; a day limit ends `by the end of 12 Oct` (24:00 is stored as the next midnight)."""
    if deadline.due_at is None:
        return ""
    local = timezone.localtime(deadline.due_at)
    limits = [Limit.parse(text) for text in deadline.limits]
    if (local.hour, local.minute, local.second) == (0, 0, 0) and any(limit.ends_at_midnight for limit in limits):
        last = local - timedelta(days=1)
        return _("by the end of %(day)s") % {"day": date_format(last, pgettext("day and month", "j M"))}
    return _("by %(time)s") % {"time": clockface.when(deadline.due_at, now)}


def limit_words(limits: Iterable[str]) -> str:
    """`15 min`, `24 h`, `7 working days`; several limits are all named."""
    return pgettext("between two limits", ", ").join(_one_limit(Limit.parse(text)) for text in limits)


def _one_limit(limit: Limit) -> str:
    if isinstance(limit, RunningLimit):
        minutes, seconds = divmod(int(limit.span.total_seconds()), 60)
        hours, minutes = divmod(minutes, 60)
        if seconds:
            return clockface.span(limit.span)
        if hours and minutes:
            return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
        return _("%(hours)s h") % {"hours": hours} if hours else _("%(minutes)s min") % {"minutes": minutes}
    if isinstance(limit, DayLimit):
        if limit.working:
            return ngettext("%(days)s working day", "%(days)s working days", limit.days) % {"days": limit.days}
        return ngettext("%(days)s day", "%(days)s days", limit.days) % {"days": limit.days}
    return str(limit)


def _percent(deadline: Deadline, now: datetime) -> int:
    """The used share of the time from start to due, 0 to 100; of the counted time while paused."""
    if deadline.due_at is None:
        used, left = deadline.aim.used(now), deadline.aim.left(now)
    else:
        until = deadline.stopped_at or now
        used, left = until - deadline.started_at, deadline.due_at - until
    whole = used + left
    return max(0, min(100, int(100 * used / whole))) if whole > timedelta(0) else 100


# --- explanation of one deadline -----------------------------------------------------------------------------------

WHY: dict[str, Callable[[], str]] = {
    Why.WEEK: lambda: _("Within opening hours"),
    Why.MAKE_UP: lambda: _("Make-up working day"),
    Why.EXCEPTION_OPEN: lambda: _("Opened by exception"),
    Why.SHUT: lambda: _("Outside opening hours"),
    Why.WEEKEND: lambda: _("No working day"),
    Why.HOLIDAY: lambda: _("Public holiday"),
    Why.EXCEPTION_CLOSED: lambda: _("Closed by exception"),
    Why.PAUSED: lambda: _("Paused"),
}


@dataclass(frozen=True)
class Ledger:
    """A deadline explained: what was promised, each stretch of time, and the sum."""

    explanation: Explanation
    title: str
    chip: Chip | None
    due: str
    dues: list[dict[str, str]]
    lines: list[dict[str, Any]]
    paused_until: datetime | None
    carried: timedelta | None
    deferred: str
    broken: str
    statutory: bool
    verdict: str
    calendar: str
    policy: str


def ledger(deadline: Deadline, *, now: datetime) -> Ledger:
    explained = explain(deadline, now=now)
    chip, _note = deadline_chip(deadline, now=now) if deadline.state != DeadlineState.CANCELLED else (None, "")
    return Ledger(
        explanation=explained,
        title=title(deadline.promise),
        chip=chip,
        due=due_words(deadline, now=now),
        dues=[
            {"limit": limit_words([text]), "due": clockface.full_when(due) if due else _("not while paused")}
            for text, due in explained.dues
        ],
        lines=_lines(explained.intervals),
        paused_until=deadline.paused_until,
        carried=deadline.carried,
        deferred=reason(deadline.because) if deadline.is_deferred else "",
        broken=reason(deadline.because) if deadline.state == DeadlineState.BROKEN else "",
        statutory=deadline.rule.statutory,
        verdict="" if explained.verdict == Verdict.OPEN else str(Verdict(explained.verdict).label),
        calendar=str(deadline.calendar_version),
        policy=str(explained.policy),
    )


def _lines(intervals: Iterable[Any]) -> list[dict[str, Any]]:
    """One line a stretch of the same kind: a midnight alone is no news."""
    lines: list[dict[str, Any]] = []
    for interval in intervals:
        why = _why(interval)
        last = lines[-1] if lines else None
        if last and (last["counted"], last["why"], last["end"]) == (interval.open, why, interval.start):
            last["end"], last["span"] = interval.end, last["span"] + interval.span
        else:
            lines.append(
                {
                    "start": interval.start,
                    "end": interval.end,
                    "span": interval.span,
                    "counted": interval.open,
                    "why": why,
                }
            )
    return lines


def _why(interval: Any) -> str:
    words = WHY[interval.why]()
    label = PAUSE_REASONS.get(interval.label, interval.label)
    return _("%(why)s: %(label)s") % {"why": words, "label": label} if label else words


# --- what can be done ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verb:
    """One thing that can be done with the ticket, or why it cannot be done now."""

    name: str
    words: str
    icon: str
    url: str
    reasons: tuple[str, ...] = ()
    asks: bool = False
    key: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Verbs:
    """The bar: what belongs to this state first; the rest is in the menu behind it."""

    bar: list[Verb]
    milestones: list[dict[str, Any]]
    more: list[Verb]

    @property
    def any(self) -> bool:
        return bool(self.bar or self.more)


def _with_form_filled(ticket: Ticket, person: Any) -> Ticket:
    """A copy as it would be once the form of a transition is filled in: what its form asks for is no refusal yet."""
    probe: Ticket = copy.copy(ticket)
    probe.resolution, probe.verified = "…", Verified.TEST
    probe.pause_reason = WaitReason.DOCUMENTS
    if probe.owner_id is None:
        probe.owner_id = person.pk
    return probe


def verbs_of(ticket: Ticket, person: Any, listing: Listing, *, deadlines: list[Deadline], now: datetime) -> Verbs:
    """Every verb this person's role may use, each with what stands against it at this moment."""
    probe = _with_form_filled(ticket, person)

    def verb(name: str, words: str, icon: str, reasons: Iterable[Any], **more: Any) -> Verb:
        return Verb(name, words, icon, address("do", ticket, listing, name), tuple(map(str, reasons)), **more)

    if not person.may("tickets.work"):
        return Verbs([], [], [])
    start = verb("start", _("Start"), "check", refusals(probe.start), kind="primary")
    if ticket.owner_id is None:
        against = picking_refusals(person, ticket) or refusals(probe.start)
        start = verb("take", _("Take it"), "user-plus", against, kind="primary", key="t")
    moving = [
        start,
        verb("wait", _("Wait for customer"), "circle-pause", refusals(probe.wait), asks=True),
        verb("hold", _("Wait for others"), "clock", refusals(probe.hold), asks=True),
        verb("resume", _("Go on"), "arrow-left", refusals(ticket.resume)),
        verb("submit_for_review", _("Submit for review"), "eye", refusals(ticket.submit_for_review), asks=True),
    ]
    if person.may("tickets.review"):
        own = [_("Nobody reviews their own work.")] if ticket.owner_id == person.pk else []
        moving.append(verb("review", _("Review"), "clipboard-list", refusals(ticket.pass_review) or own, asks=True))
    resolve = verb("resolve", _("Resolve"), "circle-check", refusals(probe.resolve), asks=True, key="e")
    ending = [
        verb("confirm", _("Customer confirmed"), "circle-check", refusals(ticket.close)),
        verb(
            "reopen", _("Reopen"), "history", too_late_to_reopen(ticket, at=now) or refusals(ticket.reopen), asks=True
        ),
    ]
    closed = [] if ticket.is_open else [_("Only an open ticket can be changed.")]
    more = [
        verb("return", _("Return to the dispatcher"), "arrow-left", refusals(ticket.return_to_dispatcher), asks=True),
        verb("escalate", _("Escalate"), "flag", escalation_refusals(ticket), asks=True),
        verb("plan", _("Write the plan"), "calendar-days", closed, asks=True),
    ]
    if ticket.type == Type.FAULT:
        more.append(verb("need_visit", _("A visit is needed"), "truck", visit_refusals(ticket)))
    if person.may("tickets.pause_beyond_cap"):
        paused = any(deadline.state == DeadlineState.PAUSED for deadline in deadlines)
        resting = [] if paused else [_("No clock of this case is paused.")]
        more.append(verb("extend_pause", _("Allow a longer pause"), "hourglass", resting, asks=True))
    if person.may("tickets.cancel"):
        more.append(verb("cancel", _("Cancel the ticket"), "x", refusals(ticket.cancel), asks=True, kind="danger"))
    if ticket.is_open:
        bar, behind = [*moving, resolve], [*more, *ending]
    else:
        bar, behind = ending, [*moving, resolve, *more]
    return Verbs(bar, _milestones(ticket, listing), sorted(behind, key=lambda verb: bool(verb.reasons)))


def _milestones(ticket: Ticket, listing: Listing) -> list[dict[str, Any]]:
    """Of a fault: located, on site, restored; each a button until it is reached, then its time."""
    if ticket.type != Type.FAULT:
        return []
    words = {"located": _("Located"), "on_site": _("On site"), "restored": _("Restored")}
    names = {"located": "locate"}
    return [
        {
            "words": words[milestone],
            "at": getattr(ticket, column),
            "reasons": [str(reason) for reason in milestone_refusals(ticket, milestone)],
            "url": address("do", ticket, listing, names.get(milestone, milestone)),
        }
        for milestone, column in MILESTONES.items()
        if milestone != "on_site" or ticket.needs_visit
    ]


# --- conversation and timeline -------------------------------------------------------------------------------------


FILE_ICONS = {
    Attachment.Kind.PHOTO: "image",
    Attachment.Kind.SIGNATURE: "square-pen",
    Attachment.Kind.DOCUMENT: "file-text",
}


@dataclass(frozen=True)
class FileLink:
    """A file to fetch, under the turn it came with."""

    name: str
    url: str
    icon: str
    size: int

    @classmethod
    def of(cls, attachment: Attachment) -> FileLink:
        url = reverse("desk:attachment", args=[attachment.pk])
        return cls(attachment.name, url, FILE_ICONS[Attachment.Kind(attachment.kind)], attachment.size)


@dataclass(frozen=True)
class Entry:
    """A turn of the conversation, or one line of the timeline between the turns."""

    at: datetime
    kind: str  # "customer", "me", "staff", "note", "call", "event"
    words: str
    author: str = ""
    channel: str = ""
    icon: str = ""
    entered_by: str = ""
    files: list[FileLink] = field(default_factory=list)


EVENT_ICONS = {
    "opened": "inbox",
    "assigned": "user-plus",
    "moved": "arrow-right-left",
    "milestone": "wrench",
    "planned": "calendar-days",
    "reclassified": "tag",
    "escalated": "flag",
    "resolved": "circle-check",
    "confirmed": "circle-check",
    "closed": "lock",
    "reopened": "history",
    "cancelled": "x",
    "checked": "clipboard-list",
    "notice": "send",
    "attached": "paperclip",
    "clocks_started": "timer",
    "clocks_aimed": "timer",
    "clocks_paused": "circle-pause",
    "clocks_resumed": "timer",
    "pause_extended": "circle-pause",
    "clocks_stopped": "timer",
    "clocks_cancelled": "timer",
    "promise_warn": "hourglass",
    "promise_tier": "flag",
    "promise_breach": "octagon-alert",
    "promise_after": "octagon-alert",
    "verdict_corrected": "timer",
}


class KnownNames(Names):
    """Names for a page that has read most of them already; asks only for ids it does not know."""

    def __init__(self, people: dict[int, str], teams: dict[int, str]) -> None:
        super().__init__()
        self.people, self.teams = people, teams

    def person(self, key: int | None) -> str:
        return self.people.get(key or 0) or super().person(key)

    def team(self, key: int | None) -> str:
        return self.teams.get(key or 0) or super().team(key)


@dataclass(frozen=True)
class Conversation:
    entries: list[Entry]
    cut: bool


def conversation(ticket: Ticket, person: Any, *, whole: bool = False) -> Conversation:
    """What was said and what happened, oldest first; the newest ENTRIES_SHOWN of each unless `whole`."""
    notes = Note.objects.filter(case_id=ticket.pk).select_related("author").order_by("-at", "-pk")
    events = (
        CaseEvent.objects.filter(case_id=ticket.pk)
        .exclude(kind="note_added")  # the note itself is shown
        .select_related("by")
        .order_by("-seq")
    )
    if not whole:
        notes, events = notes[: ENTRIES_SHOWN + 1], events[: ENTRIES_SHOWN + 1]
    said, happened = list(notes), list(events)
    cut = not whole and max(len(said), len(happened)) > ENTRIES_SHOWN
    if not whole:
        said, happened = said[:ENTRIES_SHOWN], happened[:ENTRIES_SHOWN]
    names = _names(ticket, person, said, happened)
    # The timeline tells whether there are files, unless its beginning was cut off.
    has_files = cut or any(event.kind == "attached" for event in happened)
    attached = list(Attachment.objects.filter(case_id=ticket.pk)) if has_files else []
    files = {note.pk: [FileLink.of(file) for file in attached if file.note_id == note.pk] for note in said}
    alone = {file.pk: FileLink.of(file) for file in attached if file.note_id is None}
    # At the same instant a note stands before the facts that follow from it.
    lines = [(note.at, 0, note.pk, _turn(note, ticket, person, files[note.pk])) for note in said]
    lines += [
        (event.at, 1, event.seq, _line(event, names, alone))
        for event in happened
        if not (event.kind == "attached" and event.facts["note"])  # shown under its note
    ]
    return Conversation([entry for *_order, entry in sorted(lines, key=lambda line: line[:3])], cut)


def _turn(note: Note, ticket: Ticket, person: Any, files: list[FileLink]) -> Entry:
    author = str(note.author) if note.author_id else ""
    channel = str(Channel(note.channel).label) if note.channel else ""
    customer = str(ticket.customer) if ticket.customer_id else _("Customer")
    if note.outcome:
        outcome = str(Note.Outcome(note.outcome).label)
        channel = _("Call · %(outcome)s") % {"outcome": outcome}
        if note.outcome != Note.Outcome.REACHED:
            return Entry(note.at, "call", note.body, author, channel, files=files)
    if note.direction == Note.Direction.IN:
        return Entry(note.at, "customer", note.body, customer, channel, entered_by=author, files=files)
    if note.visibility == Note.Visibility.INTERNAL:
        return Entry(note.at, "note", note.body, author or _("System"), files=files)
    kind = "me" if note.author_id == person.pk else "staff"
    return Entry(note.at, kind, note.body, author or _("System"), channel, files=files)


def _line(event: CaseEvent, names: Names, files: dict[int, FileLink]) -> Entry:
    by = str(event.by) if event.by_id else ""
    words, icon = sentence(event, names), EVENT_ICONS.get(event.kind, "zap")
    found = [files[event.facts["attachment"]]] if event.kind == "attached" else []
    return Entry(event.at, "event", words, by, icon=icon, files=found)


def _names(ticket: Ticket, person: Any, notes: list[Note], events: list[CaseEvent]) -> Names:
    people: dict[int, str] = {person.pk: str(person)}
    met: list[User | None] = [ticket.owner, *(note.author for note in notes), *(event.by for event in events)]
    people |= {user.pk: str(user) for user in met if user}
    teams = {ticket.team.pk: str(ticket.team)} if ticket.team else {}
    assigned = [event.facts for event in events if event.kind == "assigned"]
    strangers = {facts["owner"] for facts in assigned if facts["owner"]} - people.keys()
    if strangers:
        people |= dict(User.objects.filter(pk__in=strangers).values_list("pk", "name"))
    unknown = {facts["team"] for facts in assigned if not facts["owner"] and facts["team"]} - teams.keys()
    if unknown:
        teams |= {team.pk: str(team) for team in Team.objects.filter(pk__in=unknown)}
    return KnownNames(people, teams)


# --- composer ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Composer:
    """The four ways to write; `mode` is the one in front. A refused form keeps everything that was typed."""

    mode: str
    forms: dict[str, Any]
    to: str
    reaches: bool
    thens: list[dict[str, Any]]
    urls: dict[str, str]
    can_confirm: bool


def composer_of(ticket: Ticket, person: Any, listing: Listing, *, mode: str = "", bound: Any = None) -> Composer | None:
    if not person.may("tickets.work"):
        return None
    kinds = {"reply": forms.ReplyForm, "note": forms.NoteForm, "call": forms.CallForm, "customer": forms.CustomerForm}
    made = {
        name: bound if bound is not None and name == mode else kind(ticket=ticket, person=person, auto_id=f"{name}_%s")
        for name, kind in kinds.items()
    }
    reach = address_of(ticket.customer) if ticket.customer else None
    probe = _with_form_filled(ticket, person)
    wait, resolve = list(map(str, refusals(probe.wait))), list(map(str, refusals(probe.resolve)))
    chosen = made["reply"]["then"].value() if made["reply"].is_bound else ("" if wait else "wait")
    thens = [
        {"value": "wait", "words": _("Send and wait"), "icon": "circle-pause", "reasons": wait},
        {"value": "", "words": _("Send"), "icon": "send", "reasons": []},
        {"value": "resolve", "words": _("Send and resolve"), "icon": "circle-check", "reasons": resolve},
    ]
    return Composer(
        mode=mode if mode in kinds else ("call" if ticket.state == State.RESOLVED else "reply"),
        forms=made,
        to=_recipient(reach),
        reaches=reach is not None,
        thens=[{**then, "checked": then["value"] == (chosen or "")} for then in thens],
        urls={name: address("do", ticket, listing, name) for name in kinds},
        can_confirm=ticket.state == State.RESOLVED,
    )


def _recipient(reach: tuple[str, str] | None) -> str:
    if reach is None:
        return _("No written channel reaches this customer: please call")
    channel, value = reach
    if channel == "email":
        return _("To: e-mail %(address)s") % {"address": masking.email(value)}
    return _("To: SMS %(number)s, three parts at the most") % {"number": masking.phone(value)}


# --- customer ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CustomerPane:
    customer: Customer
    profile_url: str
    protected: list[dict[str, Any]]
    history: list[Any]
    visits: list[Any]
    may_reveal: bool
    languages: str


def customer_pane(ticket: Ticket, person: Any, listing: Listing) -> CustomerPane | None:
    customer = ticket.customer
    if customer is None:
        return None
    from .presenters_visits import beside

    earlier, visits = beside(ticket, person, most=HISTORY_SHOWN)
    return CustomerPane(
        customer=customer,
        profile_url=reverse("desk:customer", args=[customer.pk]),
        protected=[
            _protected("contact", contact.pk, contact.get_kind_display(), contact.masked)
            for contact in customer.contacts.all()
        ]
        + [
            _protected(
                "address",
                home.pk,
                _("Address of this ticket") if home.pk == ticket.address_id else _("Address"),
                home.masked,
                bool(home.house),
            )
            for home in customer.addresses.all()
        ],
        history=[
            {"url": address("case", case, listing), "subject": case.subject, "at": case.received_at} for case in earlier
        ],
        visits=visits,
        may_reveal=person.may("customers.reveal"),
        languages=_("%(language)s · prefers %(channel)s")
        % {"language": customer.get_language_display(), "channel": customer.get_preferred_channel_display()},
    )


def _protected(kind: str, key: int, label: str, masked: str, hidden: bool = True) -> dict[str, Any]:
    """What desk/_customer_value.html shows: a masked value, and whether there is more to see."""
    return {"what": f"{kind}:{key}", "key": f"{kind}-{key}", "label": label, "masked": masked, "hidden": hidden}


# --- the ticket pane -----------------------------------------------------------------------------------------------


class Pane:
    """Everything the ticket's pane and the customer's beside it show. Parts are worked out when first shown."""

    def __init__(self, ticket: Ticket, person: Any, listing: Listing, *, now: datetime, whole: bool = False) -> None:
        self.ticket, self.person, self.listing, self.now, self.whole = ticket, person, listing, now, whole
        if ticket.customer:
            homes = Prefetch("addresses", Address.objects.select_related("region"))
            prefetch_related_objects([ticket.customer], "contacts", homes, "services")

    @cached_property
    def deadlines(self) -> list[Deadline]:
        return deadlines_of(self.ticket)

    @cached_property
    def clocks(self) -> Clocks:
        return clocks_of(self.ticket, self.deadlines, self.listing, now=self.now)

    @cached_property
    def verbs(self) -> Verbs:
        return verbs_of(self.ticket, self.person, self.listing, deadlines=self.deadlines, now=self.now)

    @cached_property
    def conversation(self) -> Conversation:
        return conversation(self.ticket, self.person, whole=self.whole)

    @cached_property
    def customer(self) -> CustomerPane | None:
        return customer_pane(self.ticket, self.person, self.listing)

    @property
    def book_url(self) -> str:
        """Where a visit for this ticket is booked; "" for whom or where none can be."""
        if not (self.ticket.is_open and self.ticket.customer_id and self.person.may("appointments.book")):
            return ""
        return f"{reverse('desk:book')}?ticket={self.ticket.number}"

    @property
    def url(self) -> str:
        return address("case", self.ticket, self.listing)

    @property
    def conversation_url(self) -> str:
        return address("conversation", self.ticket, self.listing)

    @property
    def back_url(self) -> str:
        listing = self.listing
        if listing.name == lists.TEAM:
            return reverse("desk:team") + (f"?{lists.urlencode({'team': listing.team})}" if listing.team else "")
        return reverse("desk:queue") + listing.query

    @property
    def source(self) -> str:
        return _("%(channel)s · opened %(time)s") % {
            "channel": Channel(self.ticket.channel).label,
            "time": clockface.when(self.ticket.received_at, self.now),
        }

    @property
    def owner(self) -> str:
        if self.ticket.owner_id == self.person.pk:
            return _("Me")
        if self.ticket.owner_id:
            return str(self.ticket.owner)
        return _("nobody, %(team)s") % {"team": self.ticket.team} if self.ticket.team_id else _("nobody")

    @property
    def assign_url(self) -> str:
        open_here = self.ticket.is_open and self.person.may("tickets.assign")
        return address("do", self.ticket, self.listing, "assign") if open_here else ""

    @property
    def reclassify_url(self) -> str:
        open_here = self.ticket.is_open and self.person.may("tickets.reclassify")
        return address("do", self.ticket, self.listing, "reclassify") if open_here else ""

    @property
    def tags(self) -> list[dict[str, str]]:
        ticket = self.ticket
        found = []
        if ticket.customer and ticket.customer.vulnerable:
            found.append({"words": _("Needs extra care"), "icon": "life-buoy"})
        if ticket.complex:
            found.append({"words": _("Complex"), "icon": "clipboard-list"})
        if ticket.tier > 1:
            found.append({"words": _("Tier T%(tier)s") % {"tier": ticket.tier}, "icon": "flag"})
        if ticket.cycle > 1:
            found.append({"words": _("Reopened, round %(cycle)s") % {"cycle": ticket.cycle}, "icon": "history"})
        if ticket.needs_visit:
            found.append({"words": _("Needs a visit"), "icon": "truck"})
        return found

    @property
    def who_may_work(self) -> str:
        roles = pgettext("between two roles", ", ").join(str(role.label) for role in roles_that_may("tickets.work"))
        return _("You can read this ticket. These roles can work on it: %(roles)s.") % {"roles": roles}


def one_time_key() -> str:
    """A fresh key for a form: sent twice, it is taken once."""
    return uuid.uuid4().hex


def last_change(ticket: Ticket, person: Any) -> dict[str, Any] | None:
    """The newest fact of the timeline, for whoever was overtaken by it: who, when, what."""
    event = CaseEvent.objects.filter(case_id=ticket.pk).select_related("by").order_by("-seq").first()
    if event is None:
        return None
    who = str(event.by) if event.by_id else str(CaseEvent.By(event.by_kind).label)
    return {"who": who, "at": event.at, "words": sentence(event, _names(ticket, person, [], [event]))}
