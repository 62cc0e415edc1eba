"""The notes that use cases leave on a ticket whose lock they hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from cases import services as cases
from cases.models import Note
from common.errors import StaleVersion
from staff.models import User

from .models import Ticket


def sent_before(ticket: Ticket, key: str, body: str) -> bool:
    """Whether this very form was taken already (a double click). With other words it is refused, not lost."""
    sent = Note.objects.filter(external_id=f"form-{key}").first() if key else None
    if sent is None:
        return False
    if (sent.case_id, sent.body) != (ticket.pk, body):
        raise StaleVersion(
            _("This form was sent before, with other words. Please send it again."), version=ticket.version
        )
    return True


def internal(ticket: Ticket, body: str, *, at: datetime, by: User | None, key: str = "") -> Note:
    return cases.add_note(
        ticket,
        body=body,
        visibility=Note.Visibility.INTERNAL,
        direction=Note.Direction.NONE,
        at=at,
        by=by,
        external_id=f"form-{key}" if key else "",
    )


def said(ticket: Ticket, body: str, *, channel: str, at: datetime, by: Any, external_id: str = "") -> Note:
    """The customer's words, which wait for an answer from now on."""
    note = cases.add_note(
        ticket,
        body=body,
        visibility=Note.Visibility.PUBLIC,
        direction=Note.Direction.IN,
        channel=channel,
        at=at,
        by=by,
        external_id=external_id,
    )
    ticket.unanswered += 1
    return note
