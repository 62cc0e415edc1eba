"""What promises are called, and why they were put off or broken, as people read it.

A room enters its own words in its `apps.py`. A promise brought by an import shows its own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

TITLES: dict[str, Any] = {
    "first_response": _("First reply"),
    "complex_reply": _("Substantive reply"),
    "first_handling": _("First handling"),
    "resolve": _("Resolution"),
    "locate": _("Fault located"),
    "on_site": _("Technician on site"),
    "restore": _("Service restored"),
    "statutory_repair": _("Legal repair limit"),
    "completion_notice": _("Completion notice"),
    "exception_feedback": _("Told of the exception"),
    "exception_solve": _("Exception solved"),
}
REASONS: dict[str, Any] = {
    "customer_choice": _("the customer chose a later time"),
    "we_cancelled": _("we cancelled"),
    "we_moved": _("we asked for another time"),
}


# Reasons for breaking a promise that were only believed: evidence that it was kept in time takes them back.
BELIEVED: set[str] = set()


def enter(
    *,
    titles: Mapping[str, Any] | None = None,
    reasons: Mapping[str, Any] | None = None,
    believed: Iterable[str] = (),
) -> None:
    """Add a room's names of promises, and its words for putting them off or breaking them (lazy translations)."""
    TITLES.update(titles or {})
    REASONS.update(reasons or {})
    BELIEVED.update(believed)


def title(promise: str) -> str:
    """The promise's name in the reader's language."""
    return str(TITLES.get(promise, promise))


def reason(why: str) -> str:
    """Why a promise was put off or broken, in the reader's language."""
    return str(REASONS.get(why, why))
