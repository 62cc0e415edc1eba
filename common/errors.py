"""Refusals: what a service raises when it must say no, always with reasons that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Sentence = str | Promise


class DomainError(Exception):
    """A refusal with a stable `code` and translated `reasons`; `field` names the input it is about, if one is."""

    code = "refused"
    status = 409

    def __init__(self, *reasons: Sentence, field: str = "", **facts: Any) -> None:
        self.reasons: Sequence[Sentence] = reasons
        self.field = field
        self.facts = facts
        super().__init__("; ".join(str(reason) for reason in reasons))


class TransitionRefused(DomainError):
    """The state machine or one of its guards says no."""

    code = "transition_refused"


class InvalidInput(DomainError):
    """A value that cannot be taken, named by `field`."""

    code = "invalid_input"
    status = 422


class NotAllowed(DomainError):
    """The person's role may not do this."""

    code = "not_allowed"
    status = 403

    def __init__(self, *reasons: Sentence, **facts: Any) -> None:
        super().__init__(*(reasons or (_("Your role may not do this."),)), **facts)


class StaleVersion(DomainError):
    """The record was changed by somebody else since the form was opened."""

    code = "stale_version"
