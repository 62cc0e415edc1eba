"""What people send us by SMS: taken in once, handed to whoever knows the keyword, answered at most once.

Rooms above register what they understand (in a module their AppConfig.ready imports):

    @inbound.handles(r"(YY|BOOK)\\b")
    def book(message: InboundMessage) -> Answer | None: ...

and, for a kind of case, how a customer's words become a note on it (`inbound.notes_on`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import phonenumbers
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from phonenumbers import PhoneNumberType

from cases import services as cases
from cases.models import Case, Note
from cases.numbers import key_of
from cases.states import Channel
from common import clock
from common.crypto import blind_index
from common.errors import InvalidInput
from common.text import storable
from customers.lookup import normal_phone, phone_index

from . import sms
from .models import InboundMessage, InboundPart, Message
from .services import carried, send_to

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
# How long the parts of a text may be apart, and how long they are still known when they come again.
PARTS_WITHIN = timedelta(minutes=10)
PARTS_KNOWN = timedelta(days=1)
# How long the SMSC may take to bring again what it got no answer to. The same words later are a message of their own.
AGAIN_WITHIN = timedelta(hours=1)
LONGEST = 10000
GAP = "[…]"
# New ranges of mobile numbers are in use before the library knows them; codes are sent to all of these, too.
_MAINLAND_MOBILE = re.compile(r"\+861[3-9]\d{9}")
_NUMBER = re.compile(r"\b[A-Za-z]-?\d{3,14}-?\d{4}\b")


@dataclass(frozen=True)
class Answer:
    """What the sender is told; the language is the customer's where it is not named. Without a template, nothing."""

    template: str
    context: dict[str, Any] = field(default_factory=dict)
    language: str = ""


HANDLED = Answer("")

Handler = Callable[[InboundMessage], Answer | None]
Noting = Callable[[Case, InboundMessage], object]
_handlers: list[tuple[re.Pattern[str], Handler]] = []
_noting: dict[str, Noting] = {}


def handles(pattern: str) -> Callable[[Handler], Handler]:
    """Register a handler for texts that begin with `pattern` (a regular expression; case does not matter).

    Handlers are tried in the order of their registration until one does not return None. They run inside the
    transaction that takes the message in, each in a savepoint, and find `message.text`, `.match`, `.customers` and
    `.sender` there; they may set `.case`. One that raises loses what it did; the text then goes where unknown ones go.
    """

    def enter(handler: Handler) -> Handler:
        _handlers.append((re.compile(pattern, re.IGNORECASE), handler))
        return handler

    return enter


def notes_on(kind: str) -> Callable[[Noting], Noting]:
    """Register how a text that no handler takes becomes a note on a case of this kind."""

    def enter(noting: Noting) -> Noting:
        _noting[kind] = noting
        return noting

    return enter


# --- taking in -----------------------------------------------------------------------------------------------------


def receive_sms(*, sender: str, text: str, provider_id: str, at: datetime | None = None) -> InboundMessage:
    """Take in one message; return its row, the old one when the provider delivers it again (same `provider_id`).

    Raises InvalidInput for `sender`, `text` or `provider_id`.
    """
    sender, text, provider_id = map(storable, (sender, text, provider_id))
    if not sender.strip() or len(sender) > 60:
        raise InvalidInput(_("Say who sent it."), field="sender")
    if not provider_id.strip() or len(provider_id) > 200:
        raise InvalidInput(
            _("The provider's number of the message is needed, 200 characters at the most."), field="provider_id"
        )
    if len(text) > LONGEST:
        raise InvalidInput(_("At most %(most)s characters, please.") % {"most": LONGEST}, field="text")
    number, lookup = _who(sender)
    with transaction.atomic():
        message, new = InboundMessage.objects.get_or_create(
            channel=Message.Channel.SMS,
            provider_id=provider_id,
            defaults={"sender": number, "lookup": lookup, "body": text, "received_at": at or clock.now()},
        )
        if new:
            _take(message)
            message.save(update_fields=["outcome", "handled_by", "case", "answer"])
    return message


def _who(sender: str) -> tuple[str, str]:
    """The sender as kept, and the hash to find it by: a telephone number like a customer's, or a name as it came."""
    try:
        number = normal_phone(sender)
    except InvalidInput:
        return sender.strip(), blind_index("sender", sender.strip().casefold())
    return number, phone_index(number)


def _take(message: InboundMessage) -> None:
    recent = InboundMessage.objects.filter(lookup=message.lookup, received_at__gt=message.received_at - HOUR)
    recent = recent.exclude(pk=message.pk)
    if recent.count() < settings.SMS_INBOUND_PER_HOUR:
        _hand_out(message)
    elif recent.filter(outcome=InboundMessage.Outcome.LIMITED).exists():
        message.outcome = InboundMessage.Outcome.SILENCED
    else:
        message.outcome = InboundMessage.Outcome.LIMITED
        _answer(message, Answer("sms_too_many"))


def _hand_out(message: InboundMessage) -> None:
    for pattern, handler in _handlers:
        match = pattern.match(message.text)
        if match is None:
            continue
        message.match = match
        name = f"{handler.__module__}.{handler.__name__}"[:100]
        try:
            with transaction.atomic():
                answer = handler(message)
                if answer is not None:
                    _answer(message, answer)
        except Exception:
            # The message must stay: refused for good it would be delivered again and again. People see it instead.
            log.exception("%s could not handle inbound message %s", name, message.pk)
            message.handled_by, message.case, message.answer = name, None, None
            break
        if answer is not None:
            message.handled_by = name
            message.outcome = InboundMessage.Outcome.ANSWERED if answer.template else InboundMessage.Outcome.HANDLED
            return
    _note(message)


def _answer(message: InboundMessage, answer: Answer) -> None:
    """Queue the answer, once for each message."""
    if not answer.template or not _is_telephone(message.sender) or not carried(Message.Channel.SMS):
        return
    language = message.customers[0].language if message.customers else settings.LANGUAGE_CODE
    message.answer = send_to(
        answer.template,
        channel=Message.Channel.SMS,
        recipient=message.sender,
        language=answer.language or language,
        key=f"inbound-{message.pk}",
        at=message.received_at,
        context=answer.context,
        case=message.case,
    )


def _is_telephone(sender: str) -> bool:
    """Whether a person may be reading there. Names, short codes and our own number may be machines that answer too."""
    if not sender.startswith("+") or sender == settings.SMS_SENDER:
        return False
    if _MAINLAND_MOBILE.fullmatch(sender):
        return True
    kind = phonenumbers.number_type(phonenumbers.parse(sender))
    return kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


# --- what nobody understands ---------------------------------------------------------------------------------------


def _note(message: InboundMessage) -> None:
    """A note on the case it can only be about, else a row that waits for somebody to look."""
    case = _case_of(message)
    if case is None:
        return
    try:
        with transaction.atomic():
            _noting.get(case.kind, _plain_note)(case, message)
    except Exception:
        log.exception("inbound message %s did not become a note", message.pk)
        return
    message.case, message.outcome = case, InboundMessage.Outcome.NOTED


def _case_of(message: InboundMessage) -> Case | None:
    """The case of the sender's that the text names, else the only open one, else the only one not closed yet."""
    theirs = Case.objects.filter(customer__in=message.customers, closed_at=None)
    named = [key for number in _NUMBER.findall(message.text) if (key := key_of(number)) is not None]
    for found in (theirs.filter(pk__in=named), theirs.open(), theirs):
        first = list(found[:2])
        if first:
            return first[0] if len(first) == 1 else None
    return None


def _plain_note(case: Case, message: InboundMessage) -> None:
    locked = Case.kinds[case.kind].objects.locked(case.pk)
    cases.add_note(
        locked,
        body=message.text,
        visibility=Note.Visibility.PUBLIC,
        direction=Note.Direction.IN,
        channel=Channel.SMS,
        at=message.received_at,
        by=locked.customer,
        external_id=f"inbound-{message.pk}",
    )
    cases.record(locked, transition="customer_wrote", at=message.received_at, by=locked.customer)


# --- SMPP: no numbers, and texts in parts --------------------------------------------------------------------------


def receive_unnumbered(
    *, sender: str, coding: int, octets: bytes, at: datetime, done: Iterable[int] = ()
) -> InboundMessage:
    """Take in a message that bears no number, as SMPP delivers them.

    The same content from the same sender is the same message come again until the SMSC is known to have read our answer
    (`acknowledge`); `done` are those it was given in this session, so that it means another one.
    """
    _number, lookup = _who(sender)
    digest = blind_index("sms", f"{lookup}:{coding}:{octets.hex()}")
    known = InboundMessage.objects.filter(lookup=lookup, provider_id__startswith=f"smpp-{digest}-")
    over = Q(acknowledged_at__isnull=False) | Q(received_at__lte=at - AGAIN_WITHIN) | Q(pk__in=list(done))
    return receive_sms(
        sender=sender,
        text=sms.decode(coding, octets)[:LONGEST],
        provider_id=f"smpp-{digest}-{known.filter(over).count()}",
        at=at,
    )


def acknowledge(ids: Iterable[int], *, at: datetime) -> None:
    """The SMSC has read that we have these."""
    InboundMessage.objects.filter(pk__in=list(ids), acknowledged_at=None).update(acknowledged_at=at)


@transaction.atomic
def receive_part(*, sender: str, piece: sms.Piece, coding: int, at: datetime) -> InboundMessage | None:
    """Keep one part of a longer text; return the whole as a message when this part completes it."""
    number, lookup = _who(sender)
    content = f"{lookup}:{piece.reference}:{piece.total}:{piece.number}:{coding}:{piece.octets.hex()}"
    part, _new = InboundPart.objects.get_or_create(
        digest=blind_index("part", content),
        defaults={
            "sender": number,
            "lookup": lookup,
            "reference": piece.reference,
            "total": piece.total,
            "number": piece.number,
            "coding": coding,
            "octets": piece.octets.hex(),
            "received_at": at,
        },
    )
    parts = _together(InboundPart.objects.filter(lookup=lookup, message=None), part)
    return _join(parts, at=at) if len(parts) == piece.total else None


def _together(waiting: Iterable[InboundPart], part: InboundPart) -> list[InboundPart]:
    """The parts of one text in order; a reference that came round again replaces what was left of an older text."""
    text = (part.reference, part.total)
    newest = {other.number: other for other in waiting if (other.reference, other.total) == text}
    return [newest[number] for number in sorted(newest)]


def _join(parts: list[InboundPart], *, at: datetime) -> InboundMessage:
    present = {part.number: part for part in parts}
    text = ""
    run: list[InboundPart] = []
    for number in range(1, parts[0].total + 1):
        if number in present:
            run.append(present[number])
        else:
            text += _read(run) + ("" if text.endswith(GAP) else GAP)
            run = []
    message = receive_sms(
        sender=parts[0].sender,
        text=(text + _read(run))[:LONGEST],
        provider_id=f"smpp-parts-{parts[0].digest}",
        at=at,
    )
    InboundPart.objects.filter(pk__in=[part.pk for part in parts]).update(message=message)
    return message


def _read(parts: list[InboundPart]) -> str:
    """Adjoining parts, read together: some telephones cut an emoji in two."""
    return sms.decode(parts[0].coding, b"".join(bytes.fromhex(part.octets) for part in parts)) if parts else ""


@transaction.atomic
def join_late(*, now: datetime) -> int:
    """Take in texts whose last part has not come within ten minutes, with gaps; return how many.

    Parts of texts taken in are forgotten after a day.
    """
    InboundPart.objects.filter(message__isnull=False, received_at__lte=now - PARTS_KNOWN).delete()
    joined = 0
    late = InboundPart.objects.filter(message=None, received_at__lte=now - PARTS_WITHIN)
    for part in list(late):
        if InboundPart.objects.filter(pk=part.pk, message=None).exists():
            waiting = InboundPart.objects.filter(lookup=part.lookup, message=None)
            _join(_together(waiting, part), at=now)
            joined += 1
    return joined


# --- delivery receipts ---------------------------------------------------------------------------------------------


def delivered(*, receipt_id: str, at: datetime) -> bool:
    """Note that a message of ours reached the telephone; return whether it is one of ours."""
    if not receipt_id:
        return False
    mine = Message.objects.filter(receipt_id=receipt_id, delivered_at=None)
    return mine.update(delivered_at=at) > 0
