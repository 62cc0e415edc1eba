"""The portal's forms: one question each. They check shapes; what may be done, the services say."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from cases.models import Category
from cases.numbers import key_of
from common.errors import DomainError, InvalidInput
from customers import masking
from customers.lookup import normal_phone
from customers.models import Customer, Region

from .reports import LONGEST, NEW_PLACE, OTHER, Draft
from .subjects import SERVICE, Subject, branches, leaves, root_of

CHOOSE = {"required": _("Please choose one."), "invalid_choice": _("Please choose one of these.")}


class PortalForm(forms.Form):
    """A form whose errors come from services, too."""

    use_required_attribute = False  # what is missing is said in words, at the field, in the page's language

    def refuse(self, refusal: DomainError) -> None:
        self.add_error(refusal.field if refusal.field in self.fields else None, [str(r) for r in refusal.reasons])


def own_words(label: Any, *, required: bool = True, rows: int = 4) -> forms.CharField:
    field = forms.CharField(
        label=label,
        required=required,
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": rows}),
        error_messages={
            "required": _("Please write a few words."),
            "max_length": _("That is %(show_value)s characters; we can take %(limit_value)s."),
        },
    )
    # A browser that knew the limit would cut off the end of what is pasted, and say nothing.
    del field.widget.attrs["maxlength"]
    return field


def one_of(
    label: Any = None,
    choices: Any = (),
    *,
    required: bool = True,
    coerce: Any = str,
    missing: Any = CHOOSE["required"],
) -> forms.TypedChoiceField:
    """Radios; `choices` that depend on the reader are set by the form, `missing` is said where none is ticked."""
    return forms.TypedChoiceField(
        label=label,
        choices=choices,
        coerce=coerce,
        required=required,
        widget=forms.RadioSelect,
        error_messages=CHOOSE | {"required": missing},
    )


def some_of(
    label: Any, choices: Any = (), *, required: bool = False, coerce: Any = str, missing: Any = CHOOSE["required"]
) -> forms.TypedMultipleChoiceField:
    """Boxes to tick; `missing` is said where none is and one must be."""
    return forms.TypedMultipleChoiceField(
        label=label,
        choices=choices,
        coerce=coerce,
        required=required,
        widget=forms.CheckboxSelectMultiple,
        error_messages=CHOOSE | {"required": missing},
    )


# --- signing in ------------------------------------------------------------------------------------------------------


class PhoneForm(PortalForm):
    phone = forms.CharField(
        label=_("Mobile number"),
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        error_messages={"required": _("Enter your mobile number.")},
    )


class CodeForm(PortalForm):
    code = forms.CharField(
        label=_("Code from the message"),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True, "class": "code-input"}
        ),
        error_messages={"required": _("Enter the code from the message.")},
    )


class WhoForm(PortalForm):
    """Several customers share the number: who is it?"""

    who = one_of(_("Who are you?"))

    NOBODY = "nobody"

    def __init__(self, *args: Any, customers: list[Customer], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["who"].choices = [  # type: ignore[attr-defined]
            *((str(customer.pk), masking.name(customer.name)) for customer in customers),
            (self.NOBODY, _("None of these")),
        ]


class LostLinkForm(PortalForm):
    number = forms.CharField(
        label=_("Request number"),
        help_text=_("It is in every message from us, such as T-0042-8836."),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Enter the request number.")},
    )
    phone = PhoneForm.base_fields["phone"]

    # Only what no number can look like is refused: whether there is such a one, nobody learns here.
    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"]
        if key_of(number) is None:
            raise forms.ValidationError(_("This is no number of ours. Copy it from the message, such as T-0042-8836."))
        return number

    def clean_phone(self) -> str:
        phone: str = self.cleaned_data["phone"]
        try:
            normal_phone(phone)
        except InvalidInput as refusal:
            raise forms.ValidationError([str(reason) for reason in refusal.reasons]) from None
        return phone


# --- reporting -------------------------------------------------------------------------------------------------------


class ServiceForm(PortalForm):
    service = one_of(_("Which service is it?"), missing=_("Please choose the service."))

    def __init__(self, *args: Any, subject: Subject, draft: Draft, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["service"].choices = [  # type: ignore[attr-defined]
            (branch.code, str(root_of(branch))) for branch in branches(subject)
        ]


class WhatForm(PortalForm):
    """What it is, of what the house knows, and the customer's own words; words are needed where nothing fits."""

    what = one_of(required=False)
    words = own_words(_("In your own words"), required=False)

    def __init__(self, *args: Any, subject: Subject, draft: Draft, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = _choices(subject, draft)
        self.fields["what"].label = subject.question  # type: ignore[assignment]
        self.fields["what"].choices = choices  # type: ignore[attr-defined]
        if not choices:
            del self.fields["what"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if "what" in self.fields and "what" not in self.errors and not data.get("what"):
            self.add_error("what", str(CHOOSE["required"]))
        elif data.get("what", OTHER) == OTHER and not data.get("words") and "words" not in self.errors:
            self.add_error("words", _("Please write a few words."))
        return data


def _choices(subject: Subject, draft: Draft) -> list[tuple[str, str]]:
    """The matters of the chosen service, or of every branch, with its service named before it if there are several."""
    parts = branches(subject)
    if SERVICE in subject.steps:
        parts = [branch for branch in parts if branch.code == draft.service]
    several = len({root_of(branch).pk for branch in parts}) > 1
    found = [
        (matter.code, _named(matter) if several else str(matter))
        for branch in parts
        for matter in leaves(branch) or ([] if SERVICE in subject.steps else [branch])
    ]
    return [*found, (OTHER, str(_("None of these")))] if found else []


def _named(matter: Category) -> str:
    return pgettext("a service and what is wrong with it", "%(service)s: %(matter)s") % {
        "service": root_of(matter),
        "matter": matter,
    }


class WhereForm(PortalForm):
    """One of the addresses on file, or a new one."""

    place = one_of(_("Where is it?"), missing=_("Please choose the address."))
    region = forms.ModelChoiceField(
        Region.objects.all(),
        label=_("Region"),
        required=False,
        to_field_name="code",
        empty_label=_("Please choose"),
        error_messages=CHOOSE,
    )
    street = forms.CharField(
        label=_("Street and number or estate"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "address-line1"}),
    )
    house = forms.CharField(
        label=_("Building, floor, door"),
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "address-line2"}),
    )

    def __init__(self, *args: Any, customer: Customer | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = list(customer.addresses.select_related("region")) if customer else []
        self.known = [
            (str(place.pk), masking.address(place.region, place.street, place.house, reveal=bool(place.house)))
            for place in known
        ]
        self.fields["place"].choices = [*self.known, (NEW_PLACE, _("Another address"))]  # type: ignore[attr-defined]
        if not known:
            del self.fields["place"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        data.setdefault("place", "" if "place" in self.fields else NEW_PLACE)
        if data["place"] == NEW_PLACE:
            if not data.get("region") and "region" not in self.errors:
                self.add_error("region", _("Please choose the region."))
            if not data.get("street") and "street" not in self.errors:
                self.add_error("street", _("Please enter the street or the estate."))
        return data


class NameForm(PortalForm):
    """For somebody not known yet: whom do we have to do with?"""

    name = forms.CharField(
        label=_("Your name"),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": _("Enter your name.")},
    )


# --- matters ---------------------------------------------------------------------------------------------------------


class WriteForm(PortalForm):
    body = own_words(_("Write to us"), rows=3)


class NotSolvedForm(PortalForm):
    reason = own_words(_("What is not solved?"))
