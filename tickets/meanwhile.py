"""What others did to a ticket since somebody opened a form on it: what is asked about once, and what is only told."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from cases.models import CaseEvent, Note
from common.errors import StaleVersion

from .models import Ticket

STATE = frozenset({"moved", "resolved", "confirmed", "closed", "reopened", "cancelled"})


class Overtaken(StaleVersion):
    """Somebody did the same thing first. `facts["turns"]`: the keys of the notes that came between."""


def facts_since(ticket: Ticket, seen: int | None, by: Any) -> list[CaseEvent]:
    """What others than `by` did after the fact numbered `seen`, oldest first; nothing where `seen` is not known."""
    if seen is None or seen >= ticket.event_seq:
        return []
    after = CaseEvent.objects.filter(case_id=ticket.pk, seq__gt=seen).select_related("by").order_by("seq")
    return list(after.exclude(by=by) if by else after)


def require_not_overtaken(ticket: Ticket, *, seen: int | None, by: Any, then: str) -> None:
    """Raise Overtaken where a reply whose writer saw the timeline up to `seen` says what must be looked at again.

    That is: the customer has been answered by somebody else, or has written, since; or the reply is also to change the
    state (`then`) and somebody else has changed it. Whatever else has changed does not contradict a reply.
    """
    facts = facts_since(ticket, seen, by)
    turns = [
        fact.facts for fact in facts if fact.kind == "note_added" and fact.facts["visibility"] == Note.Visibility.PUBLIC
    ]
    keys = [turn["note"] for turn in turns]
    if any(turn["direction"] == Note.Direction.OUT for turn in turns):
        raise Overtaken(_("The customer was answered while you were writing."), turns=keys)
    if turns:
        raise Overtaken(_("The customer wrote while you were writing."), turns=keys)
    if then and any(fact.kind in STATE for fact in facts):
        raise Overtaken(_("The status was changed while you were writing."), turns=[])
