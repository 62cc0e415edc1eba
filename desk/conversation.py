"""The conversation of a ticket with its timeline between the turns, from rows already read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from cases.facts import Names, digest, sentence
from cases.models import Attachment, CaseEvent, Note
from cases.states import Channel
from common import clockface
from staff.models import Team, User
from tickets.models import Ticket

ENTRIES_SHOWN = 200
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
    """A turn of the conversation, or a line of the timeline between turns; `said` is what stands under that line."""

    at: datetime
    kind: str  # "customer", "me", "staff", "note", "call", "event"
    words: str
    author: str = ""
    channel: str = ""
    icon: str = ""
    entered_by: str = ""
    said: str = ""
    files: list[FileLink] = field(default_factory=list)


EVENT_ICONS = {
    "opened": "inbox",
    "assigned": "user-plus",
    "handed_over": "arrow-right-left",
    "moved": "arrow-right-left",
    "exception": "triangle-alert",
    "milestone": "wrench",
    "planned": "calendar-days",
    "reclassified": "tag",
    "escalated": "flag",
    "resolved": "circle-check",
    "summarized": "square-pen",
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
    turned = {note.body for note in said}
    # At the same instant a note stands before the facts that follow from it.
    lines = [(note.at, 0, note.pk, _turn(note, ticket, person, files[note.pk])) for note in said]
    lines += [
        (event.at, 1, event.seq, _line(event, names, alone, said=_said(event, ticket, turned)))
        for event in happened
        if not (event.kind == "attached" and event.facts["note"])  # shown under its note
    ]
    return Conversation([entry for *_order, entry in sorted(lines, key=lambda line: line[:3])], cut)


def turns(ticket: Ticket, person: Any, keys: list[int]) -> list[Entry]:
    """These notes as turns of the conversation, oldest first, without their files."""
    notes = Note.objects.filter(case_id=ticket.pk, pk__in=keys).select_related("author").order_by("at", "pk")
    return [_turn(note, ticket, person, []) for note in notes]


def meanwhile(ticket: Ticket, person: Any, facts: list[CaseEvent]) -> str:
    """What somebody else did last, in one sentence; "" where nobody did anything."""
    done = [fact for fact in facts if fact.by_kind != CaseEvent.By.SYSTEM]
    if not done:
        return ""
    who = str(done[-1].by) if done[-1].by_id else str(CaseEvent.By(done[-1].by_kind).label)
    words = sentence(done[-1], _names(ticket, person, [], done[-1:]))
    return _("Meanwhile: %(what)s (%(name)s).") % {"what": words, "name": who}


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


def _said(event: CaseEvent, ticket: Ticket, turns: set[str]) -> str:
    """The words this fact is about, as long as the ticket holds them: the timeline keeps their digest only. "" where a
    turn shows them already, as a reply does that says what fixed it."""
    if event.kind == "resolved" and event.facts["resolution"] == digest(ticket.resolution):
        return "" if ticket.resolution in turns else ticket.resolution
    if event.kind == "planned" and event.facts["plan"] == digest(ticket.plan):
        due = _("Until %(day)s") % {"day": clockface.plain_day(ticket.plan_due_on)} if ticket.plan_due_on else ""
        cost = _("Cost: %(cost)s") % {"cost": ticket.plan_cost} if ticket.plan_cost else ""
        return "\n".join(filter(None, [ticket.plan, due, cost]))
    return ""


def _line(event: CaseEvent, names: Names, files: dict[int, FileLink], *, said: str) -> Entry:
    by = str(event.by) if event.by_id else ""
    words, icon = sentence(event, names), EVENT_ICONS.get(event.kind, "zap")
    found = [files[event.facts["attachment"]]] if event.kind == "attached" else []
    return Entry(event.at, "event", words, by, icon=icon, said=said, files=found)


def _names(ticket: Ticket, person: Any, notes: list[Note], events: list[CaseEvent]) -> Names:
    people: dict[int, str] = {person.pk: str(person)}
    met: list[User | None] = [
        ticket.owner,
        ticket.first_contact,
        *(note.author for note in notes),
        *(event.by for event in events),
    ]
    people |= {user.pk: str(user) for user in met if user}
    teams = {ticket.team.pk: str(ticket.team)} if ticket.team else {}
    assigned = [event.facts for event in events if event.kind == "assigned"]
    accountable = [key for event in events if event.kind == "handed_over" for key in event.facts["first_contact"]]
    strangers = {key for key in (*(facts["owner"] for facts in assigned), *accountable) if key} - people.keys()
    if strangers:
        people |= dict(User.objects.filter(pk__in=strangers).values_list("pk", "name"))
    unknown = {facts["team"] for facts in assigned if not facts["owner"] and facts["team"]} - teams.keys()
    if unknown:
        teams |= {team.pk: str(team) for team in Team.objects.filter(pk__in=unknown)}
    return KnownNames(people, teams)


def last_change(ticket: Ticket, person: Any) -> dict[str, Any] | None:
    """The newest fact of the timeline, for whoever was overtaken by it: who, when, what."""
    event = CaseEvent.objects.filter(case_id=ticket.pk).select_related("by").order_by("-seq").first()
    if event is None:
        return None
    who = str(event.by) if event.by_id else str(CaseEvent.By(event.by_kind).label)
    return {"who": who, "at": event.at, "words": sentence(event, _names(ticket, person, [], [event]))}
