"""Working time: the week of a team, planning shifts, leave, and the duty roster."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from common import clock, clockface
from common.errors import DomainError
from desk.doors import requires
from desk.views.settings import FILL, tabs
from desk.weeks import ONE_DAY, Crew, Week, leave_words, midnight, shift_words, week_table
from staff.models import Duty, Leave, Shift, User
from staff.planning import (
    MOST_DAYS,
    cancel_leave,
    enter_leave,
    plan_duty,
    plan_shifts,
    remove_duty,
    remove_shift,
)
from staff.rota import absences

AHEAD = timedelta(days=35)
WRONG = {"invalid_choice": gettext_lazy("Choose one of the values offered.")}


def day_field(label: Any, **options: Any) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, widget=widget, error_messages=FILL, **options)


def time_field(label: Any, **options: Any) -> forms.TimeField:
    widget = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    return forms.TimeField(label=label, widget=widget, error_messages=FILL, **options)


def note_field() -> forms.CharField:
    return forms.CharField(label=gettext_lazy("Note (optional)"), max_length=120, required=False)


class ForCrew(forms.Form):
    """A form about people of one team; the refusals of the services stand beside the field they are about."""

    beside: dict[str, str] = {}

    def __init__(self, *args: Any, crew: Crew, **options: Any) -> None:
        super().__init__(*args, **options)
        if "people" in self.fields:
            self.fields["people"].choices = crew.choices  # type: ignore[attr-defined]
        if "person" in self.fields:
            # Nobody is chosen at first: the wrong person on leave is worse than one more click.
            self.fields["person"].choices = [("", _("Choose")), *crew.choices]  # type: ignore[attr-defined]

    def refuse(self, refusal: DomainError) -> None:
        name = self.beside.get(refusal.field, refusal.field)
        self.add_error(name if name in self.fields else None, [str(reason) for reason in refusal.reasons])


class Days(ForCrew):
    first_on = day_field(gettext_lazy("First day"))
    last_on = day_field(gettext_lazy("Last day"))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        first, last = values.get("first_on"), values.get("last_on")
        if first and last and last < first:
            self.add_error("last_on", _("The last day lies before the first."))
        return values


class ShiftsForm(Days):
    """The same hours for several people on the chosen weekdays between two days."""

    beside = {"days": "last_on"}
    people = forms.MultipleChoiceField(
        label=gettext_lazy("People"), widget=forms.CheckboxSelectMultiple, error_messages=FILL | WRONG
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("On which days"),
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages=FILL | WRONG,
    )
    start_time = time_field(gettext_lazy("Start time"))
    end_time = time_field(
        gettext_lazy("End time"), help_text=gettext_lazy("Not later than the start: ends on the next day.")
    )
    note = note_field()
    field_order = ("people", "first_on", "last_on", "weekdays", "start_time", "end_time", "note")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        any_week = [date(2024, 1, day) for day in range(1, 8)]
        self.fields["weekdays"].choices = [  # type: ignore[attr-defined]
            (str(day.weekday()), clockface.weekday(midnight(day))) for day in any_week
        ]

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        first, last, weekdays = (values.get(name) for name in ("first_on", "last_on", "weekdays"))
        if not first or not last or not weekdays or self.errors:
            return values
        if last - first > timedelta(days=2 * MOST_DAYS):
            self.add_error("last_on", _("Plan at most %(days)s days at a time.") % {"days": MOST_DAYS})
            return values
        every = (first + number * ONE_DAY for number in range((last - first).days + 1))
        values["days"] = [day for day in every if day.weekday() in weekdays]
        if not values["days"]:
            self.add_error("weekdays", _("None of these weekdays lies between the two days."))
        return values


class LeaveForm(Days):
    beside = {"starts_at": "first_on", "ends_at": "last_on"}
    person = forms.ChoiceField(label=gettext_lazy("Staff member"), error_messages=FILL | WRONG)
    kind = forms.ChoiceField(label=gettext_lazy("Why"), choices=Leave.Kind.choices, error_messages=FILL | WRONG)
    start_time = time_field(
        gettext_lazy("Start time (optional)"),
        required=False,
        help_text=gettext_lazy("Empty: from the start of the day."),
    )
    end_time = time_field(
        gettext_lazy("End time (optional)"), required=False, help_text=gettext_lazy("Empty: to the end of the day.")
    )
    note = note_field()
    field_order = ("person", "kind", "first_on", "last_on", "start_time", "end_time", "note")

    def span(self) -> dict[str, datetime]:
        return _span(self.cleaned_data)


class DutyForm(Days):
    beside = {"starts_at": "first_on", "ends_at": "last_on"}
    person = forms.ChoiceField(label=gettext_lazy("Staff member"), error_messages=FILL | WRONG)
    role = forms.ChoiceField(label=gettext_lazy("Duty"), choices=Duty.Role.choices, error_messages=FILL | WRONG)
    start_time = time_field(gettext_lazy("Start time"))
    end_time = time_field(gettext_lazy("End time"), help_text=gettext_lazy("On the last day."))
    field_order = ("person", "role", "first_on", "start_time", "last_on", "end_time")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Whoever answers for the center may sit in any team.
        everybody = User.objects.filter(is_active=True).order_by("name").values_list("pk", "name")
        names = [(str(pk), name) for pk, name in everybody]
        self.fields["person"].choices = [("", _("Choose")), *names]  # type: ignore[attr-defined]

    def span(self) -> dict[str, datetime]:
        return _span(self.cleaned_data)


def _span(values: dict[str, Any]) -> dict[str, datetime]:
    """From the first day's time (or its start) to the last day's time (or its end)."""
    zone = timezone.get_default_timezone()
    start, end = values["start_time"], values["end_time"]
    return {
        "starts_at": datetime.combine(values["first_on"], start, zone) if start else midnight(values["first_on"]),
        "ends_at": datetime.combine(values["last_on"], end, zone) if end else midnight(values["last_on"] + ONE_DAY),
    }


class Desk:
    """What every address of this page needs: whose week it is and which one."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.user: Any = request.user
        self.today = timezone.localdate(clock.now())
        self.week = Week.asked(request.GET.get("week", ""), self.today)
        self.crew = Crew.asked(request)

    def shifts_form(self, data: Any = None) -> ShiftsForm:
        first = max(self.week.monday, self.today) if self.today in self.week.days else self.week.monday
        initial = {
            "first_on": first,
            "last_on": self.week.days[-1],
            "weekdays": ["0", "1", "2", "3", "4"],
            "start_time": "08:00",
            "end_time": "17:00",
        }
        return ShiftsForm(data, crew=self.crew, initial=initial, auto_id="shifts_%s")

    def leave_form(self, data: Any = None) -> LeaveForm:
        return LeaveForm(data, crew=self.crew, auto_id="leave_%s")

    def duty_form(self, data: Any = None) -> DutyForm:
        initial = {
            "first_on": self.week.monday,
            "last_on": self.week.after,
            "start_time": "08:00",
            "end_time": "08:00",
        }
        return DutyForm(data, crew=self.crew, initial=initial, auto_id="duty_%s")

    def page(self, *, status: int = 200, **forms_: forms.Form) -> HttpResponse:
        duties = Duty.objects.filter(starts_at__lt=self.week.ends, ends_at__gt=self.week.starts)
        context = {
            "tabs": tabs(self.request),
            "week": self.week,
            "crew": self.crew,
            "table": week_table(self.crew.people, self.week, self.today),
            "duties": [(duty, shift_words(duty)) for duty in duties.select_related("user")],
            "query": self.query,
            "may_change": self.user.may("settings.change_working_time"),
            "may_change_duty": self.user.may("settings.change_duty"),
            "is_this_week": self.today in self.week.days,
        }
        if context["may_change"]:
            context |= {"shifts_form": self.shifts_form(), "leave_form": self.leave_form()}
        if context["may_change_duty"]:
            context["duty_form"] = self.duty_form()
        return render(self.request, "desk/settings/working_time.html", context | forms_, status=status)

    @property
    def query(self) -> str:
        return urlencode({"team": self.crew.code, "week": self.week.monday.isoformat()})

    def again(self) -> HttpResponse:
        return redirect(f"{reverse('desk:working_time')}?{self.query}")


@requires("settings.working_time")
@require_GET
def working_time(request: HttpRequest) -> HttpResponse:
    return Desk(request).page()


@requires("settings.change_working_time")
@require_POST
def add_shifts(request: HttpRequest) -> HttpResponse:
    """Plan shifts for the ticked people on the ticked weekdays."""
    desk = Desk(request)
    form = desk.shifts_form(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            made = plan_shifts(
                user_ids=[int(key) for key in values["people"]],
                days=values["days"],
                start_time=values["start_time"],
                end_time=values["end_time"],
                note=values["note"],
                by=desk.user,
            )
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            _say_planned(request, len(made))
            return desk.again()
    return desk.page(shifts_form=form, status=422)


def _say_planned(request: HttpRequest, count: int) -> None:
    if count:
        words = ngettext("%(count)s shift is planned.", "%(count)s shifts are planned.", count) % {"count": count}
        messages.success(request, words)
    else:
        messages.warning(request, _("All of this is planned already."))


@requires("settings.change_working_time")
@require_POST
def add_leave(request: HttpRequest) -> HttpResponse:
    desk = Desk(request)
    form = desk.leave_form(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            leave = enter_leave(
                user_id=int(values["person"]), kind=values["kind"], note=values["note"], by=desk.user, **form.span()
            )
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            words = {"name": leave.user.name, "when": leave_words(leave)}
            messages.success(request, _("%(name)s is away: %(when)s.") % words)
            return desk.again()
    return desk.page(leave_form=form, status=422)


@requires("settings.change_duty")
@require_POST
def add_duty(request: HttpRequest) -> HttpResponse:
    desk = Desk(request)
    form = desk.duty_form(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            duty = plan_duty(user_id=int(values["person"]), role=values["role"], by=desk.user, **form.span())
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            words = {"name": duty.user.name, "when": shift_words(duty)}
            messages.success(request, _("%(name)s is on duty: %(when)s.") % words)
            return desk.again()
    return desk.page(duty_form=form, status=422)


@requires("settings.change_duty")
@require_POST
def drop_duty(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        remove_duty(duty_id=pk, by=request.user)  # type: ignore[arg-type]
    except Duty.DoesNotExist:
        messages.warning(request, _("Somebody else has changed this already."))
    else:
        messages.success(request, _("The duty is taken off the roster."))
    return Desk(request).again()


# --- one person ------------------------------------------------------------------------------------------------------


@requires("settings.working_time")
@require_GET
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """The shifts and the leave of one person that are not over, to look at and to take back."""
    found = get_object_or_404(User, pk=pk)
    user: Any = request.user
    now = clock.now()
    shifts = Shift.objects.filter(user=found, ends_at__gt=now, starts_at__lt=now + AHEAD)
    context = {
        "tabs": tabs(request),
        "person": found,
        "shifts": [(shift, shift_words(shift)) for shift in shifts],
        "leaves": [(leave, leave_words(leave)) for leave in absences([pk], now, now + 12 * AHEAD)[pk]],
        "may_change": user.may("settings.change_working_time"),
    }
    return render(request, "desk/settings/working_person.html", context)


@requires("settings.change_working_time")
@require_POST
def drop_shift(request: HttpRequest, pk: int, shift: int) -> HttpResponse:
    try:
        remove_shift(shift_id=shift, by=request.user)  # type: ignore[arg-type]
    except Shift.DoesNotExist:
        messages.warning(request, _("Somebody else has changed this already."))
    else:
        messages.success(request, _("The shift is removed."))
    return redirect("desk:working_person", pk)


@requires("settings.change_working_time")
@require_POST
def drop_leave(request: HttpRequest, pk: int, leave: int) -> HttpResponse:
    try:
        cancel_leave(leave_id=leave, by=request.user)  # type: ignore[arg-type]
    except Leave.DoesNotExist:
        messages.warning(request, _("Somebody else has changed this already."))
    else:
        messages.success(request, _("The leave is cancelled; the shifts count again."))
    return redirect("desk:working_person", pk)


urlpatterns = [
    path("settings/working-time/", working_time, name="working_time"),
    path("settings/working-time/shifts/", add_shifts, name="add_shifts"),
    path("settings/working-time/leave/", add_leave, name="add_leave"),
    path("settings/working-time/duty/", add_duty, name="add_duty"),
    path("settings/working-time/duty/<int:pk>/remove/", drop_duty, name="drop_duty"),
    path("settings/working-time/<int:pk>/", person, name="working_person"),
    path("settings/working-time/<int:pk>/shifts/<int:shift>/remove/", drop_shift, name="drop_shift"),
    path("settings/working-time/<int:pk>/leave/<int:leave>/cancel/", drop_leave, name="drop_leave"),
]
