"""Sample contexts for /desk/sheet: every component once, so that tests and eyes can look at them all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .clockface import Chip, chip


class SampleForm(forms.Form):
    phone = forms.CharField(
        label=gettext_lazy("Mobile number"), help_text=gettext_lazy("11 digits, for example 138 1234 5678")
    )
    way = forms.ChoiceField(
        label=gettext_lazy("How to answer"),
        choices=[("call", gettext_lazy("Call")), ("sms", gettext_lazy("Text message"))],
        widget=forms.RadioSelect,
    )

    def clean_phone(self) -> str:
        value: str = self.cleaned_data["phone"]
        if len(value.replace(" ", "")) < 11:
            raise forms.ValidationError(_("The number is one digit short"))
        return value


def chips(now: datetime) -> list[Chip | None]:
    name = _("Resolution target")
    return [
        chip(state="running", due_at=now + timedelta(days=1, hours=4, minutes=2), now=now, name=name),
        chip(state="running", due_at=now + timedelta(hours=2, minutes=42, seconds=30), now=now, name=name),
        chip(state="running", due_at=now + timedelta(minutes=27, seconds=55), now=now, name=name),
        chip(state="running", due_at=now - timedelta(minutes=8, seconds=24), now=now, name=name),
        chip(state="paused", left=timedelta(hours=4, minutes=30), now=now, name=name),
        chip(state="met", took=timedelta(minutes=4, seconds=12), now=now, name=name),
        chip(state="missed", over=timedelta(minutes=21), now=now, name=name),
    ]


def sheet(now: datetime) -> dict[str, Any]:
    """The context of templates/desk/sheet.html."""
    samples = chips(now)
    return {
        "now": now,
        "chips": samples,
        "soon": samples[2],
        "paused": samples[4],
        "met": samples[5],
        "bad_form": SampleForm({"phone": "138 1234 567", "way": "call"}),
        "tabs": [
            {"url": "#todo", "words": _("To do"), "count": 10, "current": True},
            {"url": "#waiting", "words": _("Waiting"), "count": 5, "current": False},
        ],
    }
