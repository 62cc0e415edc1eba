"""What a technician fills in on a visit: one form an action. They check shapes; what may be done, the services say."""

from __future__ import annotations

import unicodedata
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from .models import VisitRecord
from .states import ActionKind as Kind
from .states import FailReason, Type

NOT_OFFERED = {"invalid_choice": _("Choose one of the values offered.")}
MINUTES = (10, 20, 30, 45, 60, 90)
MOST_TEXT = 2000


class Form(forms.Form):
    """`use_required_attribute` stays off but where `must` says so: a phone checks before it keeps something to send."""

    must: tuple[str, ...] = ()
    key = ""  # of the tap that sends it, where no script makes one

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.use_required_attribute = False
        for name in self.must:
            self.demand(name)

    def demand(self, name: str) -> None:
        """Have the browser ask for this field before the form leaves it."""
        self.fields[name].widget.attrs["required"] = True


def _tick(label: Any, **options: Any) -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, **options)


def _text(label: Any, rows: int = 4, **options: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=MOST_TEXT,
        widget=forms.Textarea(attrs={"rows": rows, "maxlength": MOST_TEXT}),
        **options,
    )


def _line(label: Any, most: int, **options: Any) -> forms.CharField:
    return forms.CharField(label=label, required=False, max_length=most, **options)


class CheckForm(Form):
    """Before departure (FLD-03): nothing is missing, or one does not leave yet."""

    must = VisitRecord.CHECKS
    tools_checked = forms.BooleanField(
        label=_("Tools"), error_messages={"required": _("The tools are not ticked: look at them too.")}
    )
    materials_checked = forms.BooleanField(
        label=_("Materials"), error_messages={"required": _("The materials are not ticked: look at them too.")}
    )
    spares_checked = forms.BooleanField(
        label=_("Spare parts"), error_messages={"required": _("The spare parts are not ticked: look at them too.")}
    )
    forms_checked = forms.BooleanField(
        label=_("Forms"), error_messages={"required": _("The forms are not ticked: look at them too.")}
    )


class SetOffForm(Form):
    minutes = forms.IntegerField(
        label=_("There in how many minutes"),
        widget=forms.RadioSelect(choices=[(number, number) for number in MINUTES]),
        initial=20,
        error_messages={"required": _("Say in how many minutes you are there.")},
    )


class CallForm(Form):
    must = ("reached",)
    reached = forms.ChoiceField(
        label=_("How did it go"),
        choices=[("yes", _("Reached")), ("no", _("No answer"))],
        widget=forms.RadioSelect,
        error_messages=NOT_OFFERED | {"required": _("Say whether you reached the customer.")},
    )
    note = _text(_("What was said"), rows=2)


class ArriveForm(Form):
    code = forms.CharField(
        label=_("The customer's code"),
        help_text=_("Four digits from the customer's message. Leave it empty if there is none."),
        required=False,
        max_length=12,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "maxlength": 12}),
    )
    time = forms.TimeField(
        label=_("Arrived at"),
        help_text=_("Only if it was not just now."),
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        error_messages={"invalid": _("Write the time like 10:05.")},
    )


YES_NO = [("1", _("Yes")), ("0", _("No"))]


def _speed(label: Any) -> forms.CharField:
    # A line of text, because a number field of a browser refuses the comma that half the world types.
    return _line(label, 12, widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}))


class RecordForm(Form):
    """What was tested, agreed and handed over (FLD-08 to FLD-14)."""

    computer_tested = forms.ChoiceField(
        label=_("Customer's equipment tested before you began"),
        choices=YES_NO,
        widget=forms.RadioSelect,
        required=False,
        error_messages=NOT_OFFERED,
    )
    download_mbps = _speed(_("Download, Mbit/s"))
    upload_mbps = _speed(_("Upload, Mbit/s"))
    indoor_wiring = _line(_("Indoor wiring"), 200)
    splitter_position = _line(_("Place of the splitter"), 200)
    software_installed = _tick(_("Software installed"))
    software_consent = _tick(_("The customer agreed to it"))
    parts = _text(_("Parts used"), rows=2)
    pair_from = _line(_("Pair given up"), 60)
    pair_to = _line(_("Pair now used"), 60)
    account_told = _tick(_("Account and password handed over"))
    password_coached = _tick(_("Helped to change the password"))

    GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
        ("", ("computer_tested",)),
        (_("Connection health"), ("download_mbps", "upload_mbps", "indoor_wiring", "splitter_position")),
        (_("Handed over"), ("account_told", "password_coached")),
        (_("Software"), ("software_installed", "software_consent")),
        (_("Parts and pairs"), ("parts", "pair_from", "pair_to")),
    )

    def demand_for(self, kind: str) -> None:
        """What a visit of this type needs before it is done; the model's `missing` says the same in words."""
        if kind == Type.INSPECT:
            return
        for name in ("computer_tested", "download_mbps", "upload_mbps", "indoor_wiring", "splitter_position"):
            self.demand(name)
        if kind in (Type.INSTALL, Type.MOVE):
            self.demand("account_told")
            self.demand("password_coached")

    def groups(self) -> list[tuple[Any, list[Any]]]:
        return [(title, [self[name] for name in names]) for title, names in self.GROUPS]

    def clean_download_mbps(self) -> Any:
        return self._speed("download_mbps")

    def clean_upload_mbps(self) -> Any:
        return self._speed("upload_mbps")

    def _speed(self, name: str) -> Any:
        typed = unicodedata.normalize("NFKC", self.cleaned_data[name]).replace(",", ".")
        if not typed:
            return None
        field = forms.DecimalField(min_value=0, max_digits=8, decimal_places=2)
        try:
            return field.clean(typed)
        except forms.ValidationError:
            # Shown away from its field too, in the list of what was not taken: so it says which one.
            said = _("%(field)s: write a number such as 312.5.") % {"field": self.fields[name].label}
            raise forms.ValidationError(said) from None

    def clean_computer_tested(self) -> bool | None:
        typed = self.cleaned_data["computer_tested"]
        return typed == "1" if typed else None


class FinishForm(Form):
    must = ("report",)
    report = _text(_("What was done"))


class FailForm(Form):
    must = ("reason", "note")
    reason = forms.ChoiceField(
        label=_("Why"),
        choices=FailReason.choices,
        widget=forms.RadioSelect,
        error_messages=NOT_OFFERED | {"required": _("Say why it could not be done.")},
    )
    note = _text(_("What was found"))


class AbsentForm(Form):
    must = ("notice",)
    notice = _text(_("Which notice you left, and whom you tried to call"))


class PhotoForm(Form):
    """Only a photo, which is no word of the form."""


# Forms with which a photo can be sent; it follows in a tap of its own, so that the word goes first.
WITH_PHOTO = {Kind.ARRIVE, Kind.ABSENT, Kind.PHOTO}
FORMS: dict[str, type[Form]] = {
    Kind.CHECK: CheckForm,
    Kind.SET_OFF: SetOffForm,
    Kind.CALL: CallForm,
    Kind.ARRIVE: ArriveForm,
    Kind.RECORD: RecordForm,
    Kind.FINISH: FinishForm,
    Kind.FAIL: FailForm,
    Kind.ABSENT: AbsentForm,
    Kind.PHOTO: PhotoForm,
}
