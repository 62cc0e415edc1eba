"""The names of promises as people read them. A promise brought by an import shows its own name."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

TITLES = {
    "first_response": _("First reply"),
    "complex_reply": _("Substantive reply"),
    "first_handling": _("First handling"),
    "resolve": _("Resolution"),
    "locate": _("Fault located"),
    "on_site": _("Technician on site"),
    "restore": _("Service restored"),
    "statutory_repair": _("Legal repair limit"),
    "completion_notice": _("Completion notice"),
}


def title(promise: str) -> str:
    """The promise's name in the reader's language."""
    return str(TITLES.get(promise, promise))
