"""View models of the visit's own page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Prefetch, prefetch_related_objects
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from appointments import services
from appointments.messages import hidden
from appointments.models import Appointment, Compensation, CrewMember, VisitRating, VisitRecord
from appointments.states import OPEN, PROMISED, TO_BOOK, Exclusion, RatingReason, Side, State, Trigger
from appointments.visits import miss_refusals
from cases.facts import sentence
from cases.models import CaseEvent, Note
from cases.states import Channel
from common import clockface
from common.transitions import refusals
from customers.models import Address
from desk.clocks import Clocks, clocks_of
from desk.conversation import EVENT_ICONS, Conversation, Entry, KnownNames
from desk.dispatch import TYPE_ICONS, Face, call_reason, what
from desk.doors import roles
from desk.lists import Listing
from desk.presenters import CustomerPane, customer_pane
from desk.verbs import Verb
from desk.visitlines import face_of, time_words
from notifications import templates
from notifications.models import Message
from sla.services import deadlines_of
from staff.models import User

ICONS = {
    "visit_requested": "inbox", "visit_booked": "calendar-days", "visit_moved": "calendar-clock",
    "visit_released": "calendar-x", "visit_crew": "users", "visit_told": "circle-check", "visit_said": "send",
    "visit_reconfirmed": "circle-check", "visit_call_needed": "phone-call", "visit_call_done": "phone",
    "visit_set_off": "truck", "visit_arrived": "house", "visit_finished": "circle-check", "visit_failed": "flag",
    "visit_absent": "circle-x", "visit_missed": "octagon-alert", "visit_cancelled": "x",
    "compensation_due": "octagon-alert", "compensation_excluded": "circle-check", "visit_rated": "star",
    "visit_rule_overridden": "shield-check",
}  # fmt: skip


@dataclass(frozen=True)
class Said:
    """A message to the customer, as it reads; the customer's own code and link are hidden."""

    at: datetime
    channel: str
    state: str
    tone: str
    subject: str
    body: str
    language: str


@dataclass(frozen=True)
class Owed:
    """A compensation: due, or excluded with its proof."""

    words: str
    why: str
    due_at: datetime
    excluded: str
    proof: str
    by: str
    exclude_url: str


class VisitPane:
    """Everything the visit's page shows. Parts are worked out when first shown."""

    def __init__(self, visit: Appointment, person: Any, *, now: datetime) -> None:
        self.visit, self.person, self.now, self.listing = visit, person, now, Listing()
        crew = CrewMember.objects.select_related("technician")
        prefetch_related_objects([visit], "services", Prefetch("crew", crew))
        if visit.customer:
            homes = Prefetch("addresses", Address.objects.select_related("region"))
            prefetch_related_objects([visit.customer], "contacts", homes, "services")

    def url(self, name: str, *more: Any) -> str:
        return reverse(f"desk:{name}", args=[self.visit.number, *more])

    @property
    def what(self) -> str:
        return what(self.visit)

    @property
    def time(self) -> str:
        return time_words(self.visit)

    @property
    def place(self) -> str:
        return self.visit.address.masked if self.visit.address else str(self.visit.region or "")

    @property
    def face(self) -> Face:
        return face_of(self.visit)

    @property
    def type_icon(self) -> str:
        return TYPE_ICONS.get(self.visit.type, "wrench")  # type: ignore[call-overload,no-any-return]

    @property
    def source(self) -> str:
        return _("%(channel)s · opened %(time)s") % {
            "channel": Channel(self.visit.channel).label,
            "time": clockface.when(self.visit.received_at, self.now),
        }

    @property
    def call(self) -> str:
        return call_reason(self.visit) if self.visit.call_since and self.visit.state in (*OPEN, State.DONE) else ""

    @property
    def crew(self) -> list[CrewMember]:
        return list(self.visit.crew.all())

    @cached_property
    def clocks(self) -> Clocks:
        return clocks_of(self.visit, deadlines_of(self.visit), self.listing, now=self.now)

    @cached_property
    def customer(self) -> CustomerPane | None:
        return customer_pane(self.visit, self.person, self.listing)

    @cached_property
    def messages(self) -> list[Said]:
        found = Message.objects.filter(case_id=self.visit.pk).exclude(channel=Message.Channel.IN_APP).order_by("-pk")
        return [_said(message) for message in found[:20]]

    @cached_property
    def record(self) -> list[tuple[str, str]]:
        """What was checked, measured and handed over, by the names of the fields; what was not noted is left out."""
        record = VisitRecord.objects.filter(appointment=self.visit).first()
        return [] if record is None else [(str(label), words) for label, words in _record_lines(record) if words]

    @cached_property
    def rating(self) -> VisitRating | None:
        return VisitRating.objects.filter(appointment=self.visit).first()

    @property
    def rating_reasons(self) -> str:
        """What the customer named as going wrong."""
        named = self.rating.reasons if self.rating else []
        return pgettext("between two reasons", ", ").join(str(RatingReason(reason).label) for reason in named)

    @cached_property
    def owed(self) -> list[Owed]:
        may = self.person.may("appointments.override")
        found = Compensation.objects.filter(appointment=self.visit).select_related("decided_by")
        return [
            Owed(
                words=f"{owed.amount} {owed.currency}",
                why=str(Trigger(owed.trigger).label),
                due_at=owed.due_at,
                excluded=str(Exclusion(owed.excluded).label) if owed.excluded else "",
                proof=owed.proof,
                by=str(owed.decided_by or _("System")),
                exclude_url=self.url("visit_exclude", owed.pk) if may and not owed.excluded else "",
            )
            for owed in found
        ]

    @cached_property
    def conversation(self) -> Conversation:
        """What was said and what happened, oldest first."""
        notes = list(Note.objects.filter(case_id=self.visit.pk).exclude(body="").select_related("author"))
        happened = CaseEvent.objects.filter(case_id=self.visit.pk).exclude(kind="note_added")
        events = list(happened.select_related("by").order_by("seq"))
        names = _names(self.visit, self.person, events)
        lines = [(note.at, 0, note.pk, self._turn(note)) for note in notes]
        lines += [(event.at, 1, event.seq, _line(event, names)) for event in events]
        return Conversation([entry for *_order, entry in sorted(lines, key=lambda line: line[:3])], False)

    def _turn(self, note: Note) -> Entry:
        author = str(note.author) if note.author_id else ""
        channel = str(Channel(note.channel).label) if note.channel else ""
        if note.outcome:
            channel = _("Call · %(outcome)s") % {"outcome": Note.Outcome(note.outcome).label}
            return Entry(note.at, "call", note.body, author or _("System"), channel)
        if note.direction == Note.Direction.IN:
            customer = str(self.visit.customer) if self.visit.customer else _("Customer")
            return Entry(note.at, "customer", note.body, customer, channel, entered_by=author)
        if note.visibility == Note.Visibility.INTERNAL:
            return Entry(note.at, "note", note.body, author or _("System"))
        kind = "me" if note.author_id == self.person.pk else "staff"
        return Entry(note.at, kind, note.body, author or _("System"), channel)

    # --- what can be done --------------------------------------------------------------------------------------------

    @cached_property
    def verbs(self) -> list[Verb]:
        """Everything this person's role may do with the visit, each with what stands against it now."""
        visit, found = self.visit, []

        def verb(name: str, words: str, icon: str, reasons: Iterable[Any], url: str, **more: Any) -> None:
            found.append(Verb(name, words, icon, url, tuple(map(str, reasons)), **more))

        state = _("This is not possible while the state is “%(state)s”.") % {"state": visit.get_state_label()}
        changeable = [] if visit.state in (*PROMISED, *TO_BOOK) else [state]
        book, plan = self.person.may("appointments.book"), self.person.may("dispatch.change")
        if plan:
            assign = pgettext("a visit to a technician", "Assign") if visit.state in PROMISED else _("Give a time")
            verb("assign", assign, "user-plus", changeable, self.url("assign"), key="a")
        if book or plan:
            verb("move", _("Move for the customer"), "calendar-clock", changeable, self.url("visit_move"), key="v")
            verb("call", _("Log a call"), "phone", [], self.url("visit_do", "call"), asks=True, key="l")
            said = [] if visit.state in PROMISED else [state]
            if not said and visit.reconfirmed_at:
                said = [_("The customer has confirmed the time again already.")]
            verb("reconfirm", _("Customer confirms"), "circle-check", said, self.url("visit_do", "reconfirm"))
        if plan:
            promised = [] if visit.state in PROMISED else [state]
            verb("swap", _("Swap technicians"), "arrow-right-left", promised, self.url("visit_swap"))
            urgent = [] if visit.state in TO_BOOK else [_("This visit has a time already.")]
            verb("emergency", _("Insert as an emergency"), "zap", urgent, self.url("visit_emergency"))
            verb(
                "release",
                _("We cannot come"),
                "calendar-x",
                refusals(visit.release),
                self.url("visit_do", "release"),
                asks=True,
            )
            missed = miss_refusals(visit, at=self.now)
            verb("missed", _("We missed it"), "octagon-alert", missed, self.url("visit_do", "missed"), asks=True)
        if book or plan:
            over = refusals(visit.cancel)
            verb("cancel", _("Cancel the visit"), "x", over, self.url("visit_do", "cancel"), asks=True, kind="danger")
        return found

    @property
    def customer_refusals(self) -> list[str]:
        """Why the customer may no longer move or cancel alone."""
        return [str(reason) for reason in services.move_refusals(self.visit, at=self.now)]

    @property
    def breaks(self) -> bool:
        return services.breaks_promise(self.visit, side=Side.US, at=self.now)

    @property
    def who_may_work(self) -> str:
        return _("You can read this visit. These roles can work on it: %(roles)s.") % {
            "roles": roles("appointments.book")
        }


def _line(event: CaseEvent, names: KnownNames) -> Entry:
    by = str(event.by) if event.by_id else ""
    icon = ICONS.get(event.kind) or EVENT_ICONS.get(event.kind, "zap")
    return Entry(event.at, "event", sentence(event, names), by, icon=icon)


def _names(visit: Appointment, person: Any, events: list[CaseEvent]) -> KnownNames:
    """The names the timeline needs, in one statement at the most."""
    people: dict[int, str] = {person.pk: str(person)}
    people |= {event.by.pk: str(event.by) for event in events if event.by}
    people |= {member.technician_id: str(member.technician) for member in visit.crew.all()}
    crews = [key for event in events for name in ("crew", "before") for key in event.facts.get(name) or []]
    strangers = {key for key in crews if isinstance(key, int)} - people.keys()
    if strangers:
        people |= dict(User.objects.filter(pk__in=strangers).values_list("pk", "name"))
    return KnownNames(people, {})


def _said(message: Message) -> Said:
    values = {**message.context, **hidden(message.context)}
    if message.channel == Message.Channel.SMS:
        subject, body = "", templates.render_sms(message.template, message.language, values)
    else:
        subject, body = templates.render(message.template, message.language, values)
    tone = {Message.State.FAILED: "over", Message.State.SENT: "ok"}.get(Message.State(message.state), "")
    return Said(
        message.sent_at or message.created_at, str(message.get_channel_display()),
        str(message.get_state_display()), tone, subject, body, message.language,
    )  # fmt: skip


def _record_lines(record: VisitRecord) -> list[tuple[Any, str]]:
    yes = {True: _("yes"), False: "", None: ""}
    mbps = _("%(speed)s Mbit/s")
    return [
        (_("Tools checked"), yes[record.tools_checked]),
        (_("Materials checked"), yes[record.materials_checked]),
        (_("Spares checked"), yes[record.spares_checked]),
        (_("Forms checked"), yes[record.forms_checked]),
        (_("Equipment tested before work"), yes[record.computer_tested]),
        (_("Software installed with consent"), yes[record.software_installed and record.software_consent]),
        (_("Download"), mbps % {"speed": record.download_mbps} if record.download_mbps is not None else ""),
        (_("Upload"), mbps % {"speed": record.upload_mbps} if record.upload_mbps is not None else ""),
        (_("Indoor wiring"), record.indoor_wiring),
        (_("Splitter position"), record.splitter_position),
        (_("Parts used"), record.parts),
        (_("Pair given up"), record.pair_from),
        (_("Pair now used"), record.pair_to),
        (_("Account handed over"), yes[record.account_told]),
        (_("Helped to change the password"), yes[record.password_coached]),
    ]
