"""The forms of what is done to many tickets. What is missing in all of them is said once, before any is touched."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cases.models import Category
from cases.states import Severity, Urgency
from common.errors import DomainError
from desk.forms import NOT_OFFERED, choice, text
from desk.intake import category_choices
from staff.models import Team, User
from tickets.states import HoldReason, WaitReason

UNCHANGED = ("", _("Leave as it is"))


class BulkForm(forms.Form):
    """Some fields for many tickets; `cleaned_data` are the words that the service takes."""

    required: dict[str, Any] = {}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, words in self.required.items():
            self.fields[name].required = True
            if isinstance(self.fields[name], forms.CharField):
                self.fields[name].strip = True  # type: ignore[attr-defined]  # blanks are nothing written
            self.fields[name].error_messages["required"] = words
            self.fields[name].widget.is_required = False  # the page says what is missing, in its own words
        self.prepare()

    def prepare(self) -> None:
        """Fill in what the database offers to choose from."""

    def refuse(self, refusal: DomainError) -> None:
        self.add_error(None, [str(reason) for reason in refusal.reasons])


class ReplyForm(BulkForm):
    body = text(_("Reply to all of them"), rows=5, max_length=10000)
    required = {"body": _("Write the reply first.")}


class NoteForm(BulkForm):
    body = text(_("Note on all of them"), rows=4, max_length=10000)
    required = {"body": _("Write the note first.")}


class WaitForm(BulkForm):
    reason = choice(_("What are we waiting for?"), WaitReason.choices, radio=True)
    required = {"reason": NOT_OFFERED["invalid_choice"]}


class HoldForm(BulkForm):
    reason = choice(_("Whom are we waiting for?"), HoldReason.choices, radio=True)
    required = {"reason": NOT_OFFERED["invalid_choice"]}


class CancelForm(BulkForm):
    reason = text(_("Why they are cancelled"), max_length=10000)
    required = {"reason": _("Say why it is cancelled.")}


class AssignForm(BulkForm):
    team = forms.ModelChoiceField(
        label=_("Team"), queryset=Team.objects.all(), required=False, empty_label=_("The team of the person"),
        error_messages=NOT_OFFERED,
    )  # fmt: skip
    owner = forms.ModelChoiceField(
        label=_("Person"), queryset=User.objects.none(), required=False, empty_label=_("Nobody: the team takes it"),
        error_messages=NOT_OFFERED,
    )  # fmt: skip

    def prepare(self) -> None:
        field: Any = self.fields["owner"]
        field.queryset = User.objects.holding("tickets.work").order_by("name", "pk")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not self.errors and not given.get("owner") and not given.get("team"):
            self.add_error("owner", _("Choose a person or a team."))
        return given


class ReclassifyForm(BulkForm):
    urgency = choice(_("Urgency"), [UNCHANGED, *Urgency.choices], radio=True, initial="")
    severity = choice(_("How many are affected"), [UNCHANGED, *Severity.choices], radio=True, initial="")
    category = forms.TypedChoiceField(
        label=_("Category"), required=False, coerce=int, empty_value=None, error_messages=NOT_OFFERED
    )

    def prepare(self) -> None:
        field: Any = self.fields["category"]
        field.choices = [UNCHANGED, *category_choices()[1:]]

    def clean_category(self) -> Category | None:
        key = self.cleaned_data["category"]
        return Category.objects.get(pk=key) if key else None

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not self.errors and not any(given.values()):
            self.add_error(None, _("Choose what is to change."))
        return given
