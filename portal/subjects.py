"""What customers ask for on this site: which tickets that makes, and which questions are put on the way."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cases.models import Category
from tickets.states import Type

SERVICE, WHAT, WHERE, CHECK = "service", "what", "where", "check"


@dataclass(frozen=True)
class Subject:
    """A tile of the home page. `branches`: the parts of the category tree to choose from, as far as the house has
    them; `question` heads the page on which one chooses, `sends` is what the last button says."""

    key: str
    type: str
    icon: str
    title: str | Promise
    hint: str | Promise
    question: str | Promise
    sends: str | Promise
    branches: tuple[str, ...]
    steps: tuple[str, ...]


SUBJECTS = {
    subject.key: subject
    for subject in (
        Subject(
            "fault",
            Type.FAULT,
            "wrench",
            _("Report a fault"),
            _("No service, slow, TV"),
            _("What is wrong?"),
            _("Report the fault"),
            ("broadband.fault", "mobile.fault", "tv.fault", "fixed.service.fault", "business.line"),
            (SERVICE, WHAT, WHERE, CHECK),
        ),
        Subject(
            "order",
            Type.ORDER,
            "house",
            _("Install or move"),
            _("Choose a time"),
            _("What do you need done?"),
            _("Send the order"),
            ("broadband.order", "tv.service.order", "fixed.service.order"),
            (WHAT, WHERE, CHECK),
        ),
        Subject(
            "bill",
            Type.ENQUIRY,
            "file-text",
            _("Bill question"),
            _("Amounts, payments, invoices"),
            _("What is it about?"),
            _("Send the question"),
            ("billing.bill", "billing.payment"),
            (WHAT, CHECK),
        ),
        Subject(
            "other",
            Type.ENQUIRY,
            "message-circle",
            _("Something else"),
            _("Plans, cards, suggestions"),
            _("What is it about?"),
            _("Send the question"),
            (),
            (WHAT, CHECK),
        ),
    )
}


def branches(subject: Subject) -> list[Category]:
    """The parts of the tree that the house has, in the order of the subject."""
    found = {
        c.code: c for c in Category.objects.filter(code__in=subject.branches, active=True).select_related("parent")
    }
    return [found[code] for code in subject.branches if code in found]


def leaves(branch: Category) -> list[Category]:
    return list(Category.objects.filter(parent=branch, active=True))


def root_of(category: Category) -> Category:
    """The service a category belongs to."""
    while category.parent_id and category.parent:
        category = category.parent
    return category
