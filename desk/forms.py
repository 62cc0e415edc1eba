"""The small forms of the ticket page. They check shapes; what may be done and what is missing, the services say."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cases.attachments import ENDINGS
from cases.models import Category, Note
from cases.states import Channel, Severity, Urgency
from common.errors import DomainError
from desk.intake import category_choices
from staff.models import Team, User
from tickets.checking import items_of
from tickets.models import Ticket, has_resolution, is_verified
from tickets.states import CheckItem, ExceptionKind, HoldReason, Type, Verified, WaitReason

MOST_DIGITS = 18  # of a key: a longer one fits into no column
# What the lifecycle asks for, and the field in which it is given.
ASKED = {"resolution": has_resolution.reason, "verified": is_verified.reason}  # type: ignore[attr-defined]
NOT_OFFERED = {"invalid_choice": _("Choose one of the values offered.")}


def one_time_key() -> str:
    """A fresh key for a form: sent twice, it is taken once."""
    return uuid.uuid4().hex


def choice(label: Any, choices: Any, *, radio: bool = False, **options: Any) -> forms.ChoiceField:
    widget = forms.RadioSelect if radio else forms.Select
    return forms.ChoiceField(
        label=label, choices=choices, widget=widget, required=False, error_messages=NOT_OFFERED, **options
    )


def text(label: Any, rows: int = 3, **options: Any) -> forms.CharField:
    return forms.CharField(
        label=label, widget=forms.Textarea(attrs={"rows": rows}), required=False, strip=False, **options
    )


class FileInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.Field):
    """Any number of uploaded files. What they are and how large, cases.attachments finds out; this asks for nothing."""

    widget = FileInput

    def __init__(self, **options: Any) -> None:
        endings = ",".join(ending for endings in ENDINGS.values() for ending in endings)
        widget = FileInput(attrs={"accept": endings})
        super().__init__(label=_("Attach files"), required=False, widget=widget, **options)


class KeysField(forms.Field):
    """Keys of rows that were ticked; what is no key is none of them."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[int]:
        return [int(key) for key in value or () if key.isdecimal() and len(key) <= MOST_DIGITS]


class TicketForm(forms.Form):
    """A form about one ticket, sent by one person. `version` and `key` are written by the template, never kept.

    The fields of `behind` are folded away under `fold_title`: nobody has to look at them.
    """

    behind: tuple[str, ...] = ()
    fold_title: Any = ""

    version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    key = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, ticket: Ticket, person: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ticket, self.person = ticket, person
        self.prepare()

    def prepare(self) -> None:
        """Fill in what depends on the ticket or the person."""

    @property
    def front_fields(self) -> list[forms.BoundField]:
        return [field for field in self.visible_fields() if field.name not in self.behind]

    @property
    def folded_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.behind]

    @property
    def unfolded(self) -> bool:
        """Whether something stands behind the fold that must be seen."""
        return any(field.value() or field.errors for field in self.folded_fields)

    def refuse(self, refusal: DomainError) -> None:
        """Show each reason of a service's refusal beside the field it is about, or over the form."""
        for reason in refusal.reasons:
            field = refusal.field or next((name for name, words in ASKED.items() if words == reason), "")
            self.add_error(field if field in self.fields else None, str(reason))


class ReplyForm(TicketForm):
    """`seen`: how far the timeline reached when the form was opened. `draft`: the key of the writer's draft that this
    is, `kept`: which of its files go along."""

    draft = forms.IntegerField(required=False, min_value=1, max_value=10**MOST_DIGITS, widget=forms.HiddenInput)
    kept = KeysField(required=False)
    seen = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    body = text(_("Reply"), rows=3)
    then = choice(_("After sending"), [("wait", ""), ("", ""), ("resolve", "")])
    reason = choice(_("Waiting for"), WaitReason.choices, initial=WaitReason.DOCUMENTS)
    resolution = text(_("What fixed it"), rows=2, help_text=_("Left empty, the reply itself is recorded."))
    verified = choice(_("How we know"), [("", _("Choose")), *Verified.choices])
    files = FilesField()


class NoteForm(TicketForm):
    body = text(_("Note"), rows=3)
    files = FilesField()


class CallForm(TicketForm):
    outcome = choice(_("Outcome"), Note.Outcome.choices, radio=True, initial=Note.Outcome.REACHED)
    body = text(_("What was said"), rows=3)
    confirmed = choice(
        _("Is it solved?"),
        [("", _("Not asked")), ("yes", _("Yes, close it")), ("no", _("No, take it up again"))],
        radio=True,
    )


class CustomerForm(TicketForm):
    channel = choice(_("It came by"), Channel.choices)
    body = text(_("What the customer said"), rows=3)
    files = FilesField()

    def prepare(self) -> None:
        self.initial.setdefault("channel", self.ticket.channel)


class WaitForm(TicketForm):
    reason = choice(_("What are we waiting for?"), WaitReason.choices, radio=True)


class HoldForm(TicketForm):
    reason = choice(_("Whom are we waiting for?"), HoldReason.choices, radio=True)


class CheckForm(TicketForm):
    checked = forms.MultipleChoiceField(
        label=_("What is in order"),
        choices=CheckItem.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        error_messages=NOT_OFFERED,
    )
    passed = choice(
        _("Are the details complete?"),
        [("yes", _("Yes, it fits what is asked for")), ("no", _("No, something is missing"))],
        radio=True,
    )
    missing = text(_("What is missing"), rows=2, help_text=_("Kept as an internal note."))

    def prepare(self) -> None:
        if not items_of(self.ticket):
            del self.fields["checked"]


class ReturnForm(TicketForm):
    reason = text(_("Why your team cannot solve it"))


class EscalateForm(TicketForm):
    reason = text(_("Why it must go up"))


class ExceptionForm(TicketForm):
    kind = choice(_("What goes wrong"), [("", _("Please choose")), *ExceptionKind.choices])
    words = text(_("What happened, and since when"))


class JudgeForm(TicketForm):
    upheld = choice(
        _("Is it a service exception?"),
        [("yes", _("Yes, it must be solved")), ("no", _("No"))],
        radio=True,
    )
    words = text(_("What the judgement rests on"))


class SolveForm(TicketForm):
    words = text(_("What solved it"))


class FollowUpForm(TicketForm):
    words = text(_("Whether it holds, and what keeps it from happening again"))


class ReopenForm(TicketForm):
    reason = text(_("What is not solved"))


class CancelForm(TicketForm):
    reason = text(_("Why it is cancelled"))


class AssignForm(TicketForm):
    team = forms.ModelChoiceField(
        label=_("Team"), queryset=Team.objects.all(), required=False, empty_label=_("The team of the person"),
        error_messages=NOT_OFFERED,
    )  # fmt: skip
    owner = forms.ModelChoiceField(
        label=_("Person"), queryset=User.objects.none(), required=False, empty_label=_("Nobody: the team takes it"),
        error_messages=NOT_OFFERED,
    )  # fmt: skip

    hand_over = forms.BooleanField(
        label=_("Formal hand-over: the new owner also becomes accountable as first contact"),
        required=False,
        widget=forms.CheckboxInput,
    )

    def prepare(self) -> None:
        field = self.fields["owner"]
        field.queryset = User.objects.holding("tickets.work").order_by("name", "pk")  # type: ignore[attr-defined]
        self.initial.setdefault("owner", self.ticket.owner_id)


class ReclassifyForm(TicketForm):
    type = choice(_("Type"), Type.choices)
    category = forms.TypedChoiceField(
        label=_("Category"), required=False, coerce=int, empty_value=None, error_messages=NOT_OFFERED
    )
    urgency = choice(_("Urgency"), Urgency.choices, radio=True)
    severity = choice(_("How many are affected"), Severity.choices, radio=True)
    complex = forms.BooleanField(
        label=_("Complex: senior people, two reviews, longer targets"), required=False, widget=forms.CheckboxInput
    )

    def prepare(self) -> None:
        self.fields["category"].choices = category_choices()  # type: ignore[attr-defined]
        for name in ("type", "urgency", "severity", "complex"):
            self.initial.setdefault(name, getattr(self.ticket, name))
        self.initial.setdefault("category", self.ticket.category_id)

    def clean_category(self) -> Category | None:
        key = self.cleaned_data["category"]
        return Category.objects.get(pk=key) if key else None


class PlanForm(TicketForm):
    plan = text(_("What will be done"), rows=4)
    due_on = forms.DateField(
        label=_("By"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    cost = forms.CharField(label=_("Cost"), required=False, max_length=60)

    def prepare(self) -> None:
        self.initial = {
            "plan": self.ticket.plan, "due_on": self.ticket.plan_due_on, "cost": self.ticket.plan_cost, **self.initial,
        }  # fmt: skip


class SubmitForm(TicketForm):
    note = text(_("What the reviewer should know"))


class ReviewForm(TicketForm):
    passed = choice(_("Result"), [("yes", _("Passed")), ("no", _("To be changed"))], radio=True)
    note = text(_("Note to the owner"))

    def clean_passed(self) -> str:
        value: str = self.cleaned_data["passed"]
        if not value:
            raise forms.ValidationError(str(NOT_OFFERED["invalid_choice"]))
        return value


class SummaryForm(TicketForm):
    went_well = text(_("What went well"), rows=2)
    went_badly = text(_("What did not go well"), rows=2)
    idea = text(_("Idea for improvement"), rows=2)


class ResolveForm(SummaryForm):
    resolution = text(_("What fixed it"), help_text=_("The customer is told in these words."))
    verified = choice(_("How do you know that it is solved?"), Verified.choices, radio=True)
    behind = ("went_well", "went_badly", "idea")
    fold_title = _("Add a summary for ourselves (optional)")
    field_order = ("resolution", "verified")


class ExtendForm(TicketForm):
    until = forms.DateTimeField(
        label=_("Pause until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    reason = text(_("Why the pause must be longer"))

    def clean_until(self) -> Any:
        value = self.cleaned_data["until"]
        if value is None:
            raise forms.ValidationError(_("Choose a time in the future."))
        return value
