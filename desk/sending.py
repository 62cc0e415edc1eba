"""Sending a reply from the composer: it leaves a few seconds later, and until then its writer can take it back.

The reply is really delayed, not reversed (interface.md §9): one row (`HeldReply`) and one timer. What happens then is
the call of the very service that the composer would have called at once. Whoever comes first, the sweep or its writer,
holds the case's lock; the other finds the row changed. Nothing waits where that could cost a promise
(docs/adr/0010).
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from cases import attachments
from cases.attachments import Received
from cases.models import Case
from common import clock
from common.errors import DomainError, NotAllowed, StaleVersion
from notifications import notices
from notifications.services import notice
from sla import timers
from sla.models import Deadline
from sla.states import DeadlineState
from staff.models import User
from tickets import conversation
from tickets.models import Ticket
from tickets.notes import sent_before
from tickets.permissions import locked

from .models import HeldFile, HeldReply

HANDLER = "desk.reply"
NOT_SENT = "reply_not_sent"  # the notice to the writer
DELAY = timedelta(seconds=8)
TOLD_FOR = timedelta(seconds=15)  # so long the page says that it went
SENT_KEPT = timedelta(days=1)  # that it went; the conversation has the rest
DRAFT_KEPT = timedelta(days=30)
TYPED = ("body", "then", "reason", "resolution", "verified")
# What a reply that has left has caused, by what was to follow.
DONE = {
    "": _("Sent."),
    "wait": _("Sent. The ticket now waits for the customer and its clock is paused."),
    "resolve": _("Sent and resolved. The customer is being told."),
}

Given = dict[str, Any]
State = HeldReply.State


class AlreadySent(DomainError):
    """It left before it could be taken back."""


@dataclass
class Kept(Received):
    """A file that is where attachments are kept already; `source` is its name there."""

    def store(self) -> str:
        name: str = self.source
        return name


@dataclass(frozen=True)
class Sending:
    """What became of a reply: `held` until it leaves, else gone at once. `hurried` says why it did not wait for who
    would have had it wait: "promise" (one was due), "sweep" (it is behind and might not come by in time)."""

    held: HeldReply | None = None
    hurried: str = ""


@dataclass(frozen=True)
class OnItsWay:
    """What a ticket's page shows of replies that have not left: one's own, who else has one, and one's drafts.

    `went` is one's own that left a moment ago, which the page says once.
    """

    mine: HeldReply | None = None
    others: tuple[str, ...] = ()
    went: HeldReply | None = None
    drafts: tuple[HeldReply, ...] = ()
    now: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """Changes when something else is to be shown: until then a page that is renewed leaves it alone."""
        rows = [row for row in (self.mine, self.went, *self.drafts) if row]
        return " ".join([*(f"{row.pk}-{row.state}" for row in rows), *self.others])

    @property
    def done(self) -> str:
        """What one's own that left has caused; "" where none did just now."""
        return done(self.went.given.get("then", "")) if self.went else ""

    @property
    def follows(self) -> str:
        """What happens after one's own has left; "" where nothing does."""
        return str(FOLLOWS.get(self.mine.given["then"], "")) if self.mine else ""

    @property
    def left_ms(self) -> int:
        """Milliseconds until one's own leaves; 0 when it is due."""
        if self.mine is None or self.now is None:
            return 0
        return max(0, round((self.mine.fire_at - self.now) / timedelta(milliseconds=1)))


FOLLOWS = {
    "wait": _("After that the ticket waits for the customer."),
    "resolve": _("After that the ticket is resolved."),
}


def done(then: str) -> str:
    """What a reply that has left has caused."""
    return str(DONE.get(then, DONE[""]))


def margin() -> timedelta:
    """How much later than its time a reply may leave: the sweep comes by twice in it."""
    return timedelta(seconds=2 * settings.SWEEP_SECONDS)


# --- sending ---------------------------------------------------------------------------------------------------------


def send(
    *, ticket_id: int, by: User, given: Given, files: Sequence[Received] = (), at: datetime | None = None
) -> Sending:
    """Hold a reply until it leaves, or send it at once: for who wants no delay, and where a promise cannot wait.

    `given` as the form of the composer cleaned it; `draft` in it names the draft that this was, `kept` which of the
    draft's files go along. What would be refused is refused now, with the errors of the service.
    """
    now = at or clock.now()
    given = {**given, "key": given.get("key") or uuid.uuid4().hex}
    with transaction.atomic():
        ticket = locked(ticket_id, by, "tickets.work")
        before = HeldReply.objects.filter(author=by, key=given["key"]).first()
        if before is not None and before.state == State.HELD and before.given == _typed(given):
            return Sending(held=before)  # a double click
        if before is not None and before.state != State.SENT:
            raise StaleVersion(_("This form was sent before, with other words. Please send it again."))
        if sent_before(ticket, given["key"], given["body"].strip()):
            return Sending()
        draft = _draft(ticket, by, given.get("draft"))
        files = _together(draft, given.get("kept") or (), files)
        hurried = ""
        if by.undo_replies:
            hurried = "sweep" if timers.is_behind(now, by=margin()) else _tried(ticket, by, given, files, at=now)
            if not hurried:
                return Sending(held=_hold(ticket, by, given, files, draft, at=now))
        if hurried != "promise":
            _act(ticket.pk, by, given, files, at=now)
        _forget(draft)
        return Sending(hurried=hurried)


def _tried(ticket: Ticket, by: User, given: Given, files: Sequence[Received], *, at: datetime) -> str:
    """Send it: "promise" where one that this meets might be missed by waiting. Else all of it is undone again: "".

    So the service itself says what it refuses and which promises it meets; no rule of either is written twice.
    """
    running = _running(ticket)
    with transaction.atomic():
        _act(ticket.pk, by, given, files, at=at)
        met = running.keys() - _running(ticket).keys()
        if any(running[key] <= at + DELAY + margin() for key in met):
            return "promise"
        transaction.set_rollback(True)
    return ""


def _running(ticket: Ticket) -> dict[int, datetime]:
    """When each running promise of a ticket is due; a paused one has no time to lose."""
    running = Deadline.objects.filter(case_id=ticket.pk, state=DeadlineState.RUNNING)
    return dict(running.values_list("pk", "due_at"))


def _act(ticket_id: int, by: User, given: Given, files: Sequence[Received], *, at: datetime) -> Ticket:
    """What the button of the composer stands for."""
    typed = {name: given[name] for name in (*TYPED, "seen", "key")}
    return conversation.reply_to_customer(ticket_id=ticket_id, by=by, files=files, at=at, **typed)


def _typed(given: Given) -> Given:
    return {name: given[name] for name in TYPED}


def _draft(ticket: Ticket, by: User, key: int | None) -> HeldReply | None:
    if key is None:
        return None
    draft = HeldReply.objects.filter(pk=key, case_id=ticket.pk, author=by, state=State.DRAFT).first()
    if draft is None:
        raise StaleVersion(
            _("This draft was sent or discarded in another window. To send this as well, press send again.")
        )
    return draft


def _together(draft: HeldReply | None, kept: Iterable[int], files: Sequence[Received]) -> list[Received]:
    """The files of the draft that are to go along, and the new ones; the same content once."""
    of_draft = draft.files.filter(pk__in=list(kept)) if draft else []
    found: dict[str, Received] = {}
    for file in [*map(_as_received, of_draft), *files]:
        found.setdefault(file.digest, file)
    return list(found.values())


def _as_received(file: HeldFile) -> Kept:
    return Kept(file.name, file.content_type, file.size, file.digest, file.file.name)


def _hold(
    ticket: Ticket, by: User, given: Given, files: Sequence[Received], draft: HeldReply | None, *, at: datetime
) -> HeldReply:
    held = HeldReply.objects.create(
        case_id=ticket.pk,
        author=by,
        key=given["key"],
        language=translation.get_language() or settings.LANGUAGE_CODE,
        given=_typed(given),
        seen=given["seen"],
        was_open=ticket.is_open,
        created_at=at,
        fire_at=at + DELAY,
    )
    for file in files:
        # The attempt has written the new ones; that stays where everything else of it was undone.
        name = file.source if isinstance(file, Kept) else file.stored[-1]
        HeldFile.objects.create(
            reply=held, name=file.name, content_type=file.content_type, size=file.size, digest=file.digest, file=name
        )
    _forget(draft)
    timers.set_timer(HANDLER, key=_timer_key(held), fire_at=held.fire_at, case=ticket, args={"reply": held.pk})
    return held


def _timer_key(held: HeldReply) -> str:
    return f"{HANDLER}-{held.pk}"


def _forget(draft: HeldReply | None) -> None:
    """Remove a row with its files, but for those that have become somebody else's."""
    if draft is None:
        return
    names = [file.file.name for file in draft.files.all()]
    draft.delete()
    for name in names:
        transaction.on_commit(functools.partial(attachments.remove_stray, name))


# --- leaving ---------------------------------------------------------------------------------------------------------


@timers.handles(HANDLER, outlives_case=True)
def leave(timer: Any, now: datetime) -> None:
    """The time to take it back is over: send it. The sweep holds the case's lock."""
    held = HeldReply.objects.filter(pk=timer.args["reply"], state=State.HELD).select_related("author").first()
    if held is not None:
        # A long sweep began a while ago; the promise is met by what is true now.
        _go(held, at=max(now, clock.now()))


def let_go(*, ticket_id: int, by: User, everybody: bool = False, but: str = "", at: datetime | None = None) -> int:
    """Send now what this person (or everybody) has on its way on a ticket, because something follows it.

    What is sent second arrives second. `but` is the key of a form that is itself being sent again. In a transaction of
    its own: it has gone even where what follows is refused. Returns how many were on their way.
    """
    found = HeldReply.objects.filter(case_id=ticket_id, state=State.HELD).exclude(author=by, key=but)
    if not everybody:
        found = found.filter(author=by)
    if not found.exists():
        return 0
    with transaction.atomic():
        Case.objects.locked(ticket_id)
        waiting = list(found.select_related("author").order_by("pk"))
        for held in waiting:
            timers.cancel_timer(_timer_key(held))
            _go(held, at=at or clock.now())
    return len(waiting)


def _go(held: HeldReply, *, at: datetime) -> None:
    """Call the service, under the case's lock; what it refuses now becomes the writer's draft again."""
    with translation.override(held.language):
        try:
            with transaction.atomic():
                ticket: Ticket = Ticket.objects.locked(held.case_id)
                held.version_before = ticket.version
                if held.was_open and not ticket.is_open:
                    raise DomainError(_("The status is “%(state)s” meanwhile.") % {"state": ticket.get_state_label()})
                files = [_as_received(file) for file in held.files.all()]
                given = {**held.given, "seen": held.seen, "key": held.key}
                held.version_after = _act(held.case_id, held.author, given, files, at=at).version
        except Ticket.DoesNotExist:
            _give_back(held, [str(_("This ticket is no longer in your reach."))], at=at)
        except DomainError as refusal:
            _give_back(held, [str(reason) for reason in refusal.reasons], at=at)
        else:
            held.state, held.done_at, held.given = State.SENT, at, {"then": held.given["then"]}
            held.save()
            held.files.all().delete()


def _give_back(held: HeldReply, why: list[str], *, at: datetime) -> None:
    """It could not leave: the writer has it as a draft, and is told."""
    held.state, held.done_at, held.why = State.DRAFT, at, why
    held.version_before = held.version_after = None
    held.save()
    case = Case.objects.get(pk=held.case_id)
    context = {"number": case.number, "why": " ".join(why), "reply": held.pk}
    notice(held.author, template=NOT_SENT, case=case, context=context, key=f"{HANDLER}-{held.pk}", at=at).save()


@notices.reads(NOT_SENT, "triangle-alert")
def _not_sent(facts: Given) -> str:
    return str(_("Your reply to %(number)s was not sent: %(why)s It is kept as your draft.")) % facts


# --- taking it back --------------------------------------------------------------------------------------------------


@transaction.atomic
def take_back(*, reply_id: int, by: User, at: datetime | None = None) -> HeldReply:
    """Keep a reply from leaving: it is its writer's draft again. Nothing of it was in the ticket, so nothing remains.

    Twice is the same as once. Raises HeldReply.DoesNotExist, NotAllowed for anybody but the writer, AlreadySent.
    """
    Case.objects.locked(HeldReply.objects.values_list("case_id", flat=True).get(pk=reply_id))
    held = HeldReply.objects.get(pk=reply_id)
    if held.author_id != by.pk:
        raise NotAllowed
    if held.state == State.SENT:
        raise AlreadySent(_("It has been sent already and cannot be taken back. The conversation shows it."))
    if held.state == State.HELD:
        timers.cancel_timer(_timer_key(held))
        held.state, held.done_at = State.DRAFT, at or clock.now()
        held.save(update_fields=["state", "done_at"])
    return held


@transaction.atomic
def discard(*, reply_id: int, by: User) -> None:
    """Throw a draft away. Raises HeldReply.DoesNotExist, NotAllowed for anybody but the writer."""
    Case.objects.locked(HeldReply.objects.values_list("case_id", flat=True).get(pk=reply_id))
    held = HeldReply.objects.get(pk=reply_id)
    if held.author_id != by.pk:
        raise NotAllowed
    if held.state == State.DRAFT:
        _forget(held)


# --- questions -------------------------------------------------------------------------------------------------------


def _shown_to(person: Any, *, now: datetime) -> Q:
    """Everybody's that are on their way; one's own drafts, and what of one's own left a moment ago."""
    mine = Q(state=State.DRAFT) | Q(state=State.SENT, done_at__gt=now - TOLD_FOR)
    return Q(state=State.HELD) | Q(mine, author=person)


def shows_any(person: Any, *, now: datetime) -> Exists:
    """Whether `on_its_way` has anything to show of a ticket, as a column of the statement that reads the ticket."""
    return Exists(HeldReply.objects.filter(_shown_to(person, now=now), case_id=OuterRef("pk")))


def on_its_way(ticket: Ticket, person: Any, *, now: datetime) -> OnItsWay:
    """What this person is shown of replies on a ticket that have not left.

    Costs nothing where the ticket was read with the column `shows_replies` (`shows_any`) and that says that there are
    none; else two statements.
    """
    if getattr(ticket, "shows_replies", True) is False:
        return OnItsWay(now=now)
    found = HeldReply.objects.filter(_shown_to(person, now=now), case_id=ticket.pk)
    rows = list(found.select_related("author").prefetch_related("files"))
    own = [row for row in rows if row.author_id == person.pk]

    def newest(state: str) -> HeldReply | None:
        return next((row for row in reversed(own) if row.state == state), None)

    return OnItsWay(
        mine=newest(State.HELD),
        others=tuple(str(row.author) for row in rows if row not in own),
        went=newest(State.SENT),
        drafts=tuple(row for row in reversed(own) if row.state == State.DRAFT),
        now=now,
    )


def sends_now(case_id: int | None, person: Any) -> Any:
    """The name of somebody else whose reply to a case is on its way, as a column of another question."""
    others = HeldReply.objects.filter(case_id=case_id, state=State.HELD).exclude(author=person)
    name = Coalesce(NullIf("author__name", Value("")), "author__username")
    return others.order_by("pk").annotate(name=name).values("name")[:1]


def drafts_of(person: Any) -> list[HeldReply]:
    """This person's drafts of every ticket, the newest first."""
    drafts = HeldReply.objects.filter(author=person, state=State.DRAFT).select_related("case")
    return list(drafts.prefetch_related("files").order_by("-pk"))


def version_seen(ticket: Ticket, by: User, version: int | None) -> int | None:
    """The version that a form on this ticket has seen: one's own reply, gone meanwhile, is nothing to ask about."""
    if version is None or version == ticket.version:
        return version
    own = HeldReply.objects.filter(case_id=ticket.pk, author=by, state=State.SENT)
    gone = own.filter(version_before=version, version_after=ticket.version).exists()
    return ticket.version if gone else version


def kept_names() -> set[str]:
    """The files of replies that have not left, for those who look for files that nobody knows."""
    return set(HeldFile.objects.values_list("file", flat=True))


def forget_old(*, now: datetime | None = None) -> None:
    """Drop what nobody asks for any more: that a reply went, and drafts left lying."""
    now = now or clock.now()
    old = Q(state=State.SENT, done_at__lt=now - SENT_KEPT) | Q(state=State.DRAFT, done_at__lt=now - DRAFT_KEPT)
    for held in HeldReply.objects.filter(old)[:200]:
        with transaction.atomic():
            _forget(held)
