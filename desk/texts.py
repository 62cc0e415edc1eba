"""Text messages as the desk reads them: who may have sent them, which case they may be about, what becomes of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from appointments.models import Appointment
from appointments.permissions import allow as allow_visit
from cases import services as cases
from cases.models import Case, Note
from cases.numbers import key_of
from cases.states import Channel
from common import clock
from common.errors import InvalidInput
from customers import masking
from customers.models import Contact, Customer
from notifications.models import InboundMessage
from notifications.waiting import settle
from staff.models import User
from tickets.conversation import customer_wrote
from tickets.models import Ticket

MOST_CASES = 8
SUBJECT = 60


@dataclass
class Line:
    """A text with the customers whose number it is, and their open cases that this person may see."""

    message: InboundMessage
    customers: list[Customer] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    error: str = ""
    given: str = ""

    @property
    def sender(self) -> str:
        """The number masked; a name or a short code is no secret."""
        return masking.phone(self.message.sender) if self.message.sender.startswith("+") else self.message.sender

    @property
    def stopped(self) -> str:
        """Why the system did not read it, in words; empty where it did."""
        if not self.message.is_stopped:
            return ""
        if self.message.answer_id is not None:
            return _("Too many in an hour; the sender was told")
        return _("Too many in an hour; not answered")

    @property
    def typed(self) -> str:
        """What stands in the field of the number: not what was chosen from the list."""
        return "" if self.given in {case.number for case in self.cases} else self.given


def line(message: InboundMessage) -> Line:
    return Line(message)


def lines(found: Sequence[InboundMessage], person: Any) -> list[Line]:
    """All that the rows show: four statements, however many texts."""
    rows = [Line(message) for message in found]
    contacts = Contact.objects.filter(kind=Contact.Kind.PHONE, lookup__in={row.message.lookup for row in rows})
    owners: dict[str, dict[int, Customer]] = defaultdict(dict)
    for contact in contacts.select_related("customer").order_by("customer"):
        owners[contact.lookup][contact.customer_id] = contact.customer
    theirs: dict[int | None, list[Case]] = defaultdict(list)
    for case in _open_cases({pk for group in owners.values() for pk in group}, person):
        theirs[case.customer_id].append(case)
    for row in rows:
        row.customers = list(owners[row.message.lookup].values())
        row.cases = [case for customer in row.customers for case in theirs[customer.pk]][:MOST_CASES]
    return rows


def _open_cases(customers: set[int], person: Any) -> list[Case]:
    kinds: list[Any] = [Ticket, Appointment]
    return [
        case
        for kind in kinds
        for case in kind.objects.visible_to(person).filter(customer__in=customers, closed_at=None).order_by("-pk")
    ]


def begun(message: InboundMessage) -> dict[str, Any]:
    """What the form of a new ticket begins with; the customer, where only one person has this number."""
    words = " ".join(message.body.split())
    received = timezone.localtime(message.received_at)
    initial: dict[str, Any] = {
        "text": message.pk,
        "channel": Channel.SMS,
        "subject": words if len(words) <= SUBJECT else words[: SUBJECT - 1] + "…",
        "description": message.body.strip(),
        # The clock of the promise began when the customer wrote, not when we read it (requirements.md INT-03).
        "received_at": received.replace(second=0, microsecond=0, tzinfo=None),
        "late_because": _("Came as a text message that waited to be read."),
    }
    if len(message.customers) == 1:
        initial["customer"] = str(message.customers[0].pk)
    return initial


def find_case(number: str, person: Any) -> Case:
    """The ticket or visit of this number, if this person may see it. Raises InvalidInput."""
    key = key_of(number)
    case = Case.objects.filter(pk=key).first() if key is not None else None
    if case is None or not type(case.specific).objects.visible_to(person).filter(pk=case.pk).exists():
        raise InvalidInput(_("There is no case of this number that you may see."), field="number")
    return case


@transaction.atomic
def attach(*, message_id: int, case: Case, by: User, at: datetime | None = None) -> InboundMessage:
    """Put a text into the conversation of a case, as what the customer said; the person has entered it.

    Raises DomainError where somebody else was faster or the case takes nothing more, NotAllowed.
    """
    now = at or clock.now()
    message = settle(message_id=message_id, case_id=case.pk, by=by, at=now)
    body, key = message.text, f"inbound-{message.pk}"
    if case.customer_id not in {customer.pk for customer in message.customers}:
        # Else the record would say that the customer wrote it, without a doubt.
        body = _("%(text)s\n(Text message from %(sender)s)") % {"text": body, "sender": Line(message).sender}
    if case.kind == Ticket.KIND:
        customer_wrote(ticket_id=case.pk, body=body, channel=Channel.SMS, by=by, at=now, external_id=key)
        return message
    allow_visit(by, "appointments.book", "dispatch.change")
    visit = Appointment.objects.locked(case.pk)
    cases.add_note(
        visit,
        body=body,
        visibility=Note.Visibility.PUBLIC,
        direction=Note.Direction.IN,
        channel=Channel.SMS,
        at=now,
        by=by,
        external_id=key,
    )
    cases.record(visit, transition="customer_wrote", at=now, by=by)
    return message
