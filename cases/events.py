"""The facts every kind of case shares."""

from __future__ import annotations

from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from .facts import Fact, Names, describes, digest
from .models import Attachment, Note


def note_added(note: Note) -> Fact:
    return Fact(
        "note_added",
        {
            "note": note.pk,
            "visibility": note.visibility,
            "direction": note.direction,
            "channel": note.channel,
            "outcome": note.outcome,
            "digest": digest(note.body),
        },
        public=note.visibility == Note.Visibility.PUBLIC,
    )


def links_revoked() -> Fact:
    return Fact("links_revoked")


@describes("links_revoked")
def _links_revoked(facts: dict[str, Any], names: Names) -> str:
    return _("Links sent to the customer were revoked")


def attached(attachment: Attachment) -> Fact:
    return Fact(
        "attached",
        {
            "attachment": attachment.pk,
            "note": attachment.note_id,
            "kind": attachment.kind,
            "type": attachment.content_type,
            "size": attachment.size,
            "digest": attachment.digest,
        },
        public=attachment.visibility == Note.Visibility.PUBLIC,
    )


@describes("attached")
def _attached(facts: dict[str, Any], names: Names) -> str:
    return _("File attached: %(kind)s, %(size)s") % {
        "kind": Attachment.Kind(facts["kind"]).label,
        "size": filesizeformat(facts["size"]),
    }


@describes("note_added")
def _note_added(facts: dict[str, Any], names: Names) -> str:
    if facts["outcome"]:
        return _("Call logged: %(outcome)s") % {"outcome": Note.Outcome(facts["outcome"]).label}
    if facts["visibility"] == Note.Visibility.INTERNAL:
        return _("Internal note added")
    if facts["direction"] == Note.Direction.IN:
        return _("The customer wrote")
    return _("Reply sent to the customer")
