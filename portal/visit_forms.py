"""The forms of booking, moving, cancelling and rating. They check shapes; what may be done, the services say."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from appointments.models import VisitService
from appointments.states import CallTime, DayPart, RatingReason, Type
from appointments.wording import weekday_text
from customers.models import Customer

from . import booking, times
from .forms import NameForm, PortalForm, WhereForm, one_of, own_words, some_of
from .reports import NEW_PLACE

MOST = int(booking.MOST_WORK.total_seconds() // 60)


class ServicesForm(PortalForm):
    """What is to be done; several services of one order are done in one visit."""

    services = some_of(
        gettext_lazy("What do you need done?"),
        required=True,
        missing=gettext_lazy("Please choose at least one service."),
    )

    def __init__(self, *args: Any, offered: list[VisitService], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = {service.code: service for service in offered}
        self.fields["services"].choices = [(code, str(service)) for code, service in self.offered.items()]  # type: ignore[attr-defined]

    def groups(self) -> list[tuple[str, list[tuple[Any, str]]]]:
        """The boxes under repair, installation and move, each with about how long it takes."""
        boxes = list(self["services"])
        groups: dict[str, list[tuple[Any, str]]] = {}
        for box, service in zip(boxes, self.offered.values(), strict=True):
            groups.setdefault(service.type, []).append((box, work(service.minutes)))
        return [(str(Type(kind).label), found) for kind, found in groups.items()]

    def clean_services(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["services"]
        minutes = sum(self.offered[code].minutes for code in chosen)
        if minutes > MOST:
            hours = MOST // 60
            raise forms.ValidationError(
                ngettext(
                    "That is more than %(count)s hour of work. Please book it as two visits.",
                    "That is more than %(count)s hours of work. Please book it as two visits.",
                    hours,
                )
                % {"count": hours}
            )
        return chosen


def work(minutes: int) -> str:
    """`about 1 hour`, `about 30 minutes`, `about 1.5 hours`."""
    hours = minutes / 60
    if hours > 1 and not hours.is_integer():
        return _("about %(hours)s hours") % {"hours": f"{hours:.1f}"}
    if hours < 1:
        return ngettext("about %(count)s minute", "about %(count)s minutes", minutes) % {"count": minutes}
    return ngettext("about %(count)s hour", "about %(count)s hours", int(hours)) % {"count": int(hours)}


class PlaceForm(WhereForm):
    """Where the technician comes: a place whose area we know."""

    def __init__(self, *args: Any, customer: Customer | None, **kwargs: Any) -> None:
        super().__init__(*args, customer=customer, **kwargs)
        self.known_regions = {str(place.pk): place.region_id for place in customer.addresses.all()} if customer else {}

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        chosen = data.get("place")
        if chosen and chosen != NEW_PLACE and "place" not in self.errors and not self.known_regions.get(chosen):
            self.add_error("place", _("The area of this address is not known. Please enter it as another address."))
        return data


class SlotForm(PortalForm):
    """One arrival window, as the radio spells it."""

    slot = forms.CharField(max_length=40, error_messages={"required": gettext_lazy("Please choose a time.")})

    def clean_slot(self) -> Any:
        starts_at = times.moment(self.cleaned_data["slot"])
        if starts_at is None:
            raise forms.ValidationError(_("Please choose one of the times shown."))
        return starts_at


class CheckForm(PortalForm):
    """Everything is right; a few words for the technician."""

    note = own_words(gettext_lazy("Anything the technician should know?"), required=False, rows=3)
    slot = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def clean_slot(self) -> Any:
        """Another time than the one held, or None. What is no time is refused by saying so."""
        text = self.cleaned_data.get("slot", "")
        starts_at = times.moment(text) if text else None
        if text and starts_at is None:
            raise forms.ValidationError(_("Please choose one of the times shown."))
        return starts_at


class NewcomerCheckForm(CheckForm):
    name = NameForm.base_fields["name"]


def day_field(label: Any) -> forms.DateField:
    """One day, by the browser's own calendar; without one as the number of the day is written everywhere."""
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "placeholder": "2026-03-31"}),
        error_messages={"invalid": gettext_lazy("Please write the day like 2026-03-31.")},
    )


class CancelForm(PortalForm):
    reason = own_words(gettext_lazy("Reason (optional)"), required=False, rows=2)


class WishForm(PortalForm):
    """When somebody could be at home: nothing ticked means any day, any hour."""

    weekdays = some_of(gettext_lazy("On which days?"), coerce=int)
    parts = some_of(gettext_lazy("At what time of the day?"), DayPart.choices)
    first_on = day_field(pgettext_lazy("the first day of several", "From"))
    last_on = day_field(pgettext_lazy("the last day of several", "Until"))

    def __init__(self, *args: Any, first: date, last: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["weekdays"].choices = [  # type: ignore[attr-defined]
            (number, weekday_text(number)) for number in range(1, 8)
        ]
        for name in ("first_on", "last_on"):
            self.fields[name].widget.attrs.update({"min": first.isoformat(), "max": last.isoformat()})


SCORES = (
    (1, gettext_lazy("Very poor")),
    (2, gettext_lazy("Poor")),
    (3, gettext_lazy("Fair")),
    (4, gettext_lazy("Good")),
    (5, gettext_lazy("Very good")),
)


class RateForm(PortalForm):
    score = one_of(
        gettext_lazy("How satisfied were you with this visit?"),
        SCORES,
        coerce=int,
        missing=gettext_lazy("Please choose a score from 1 to 5."),
    )
    reasons = some_of(gettext_lazy("What went wrong?"), RatingReason.choices)
    comment = own_words(gettext_lazy("Anything else?"), required=False, rows=3)
    callback = one_of(
        gettext_lazy("Shall we call you about it?"),
        [("", gettext_lazy("No need")), *CallTime.choices],
        required=False,
    )

    def __init__(self, *args: Any, phone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not phone:
            del self.fields["callback"]
