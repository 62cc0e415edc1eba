"""Settings: parked work with retry, calendars and policies to read, people and teams to change."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext_lazy, ngettext, pgettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from common import clock, clockface, navigation
from common.errors import DomainError
from desk import rulewords, sending
from desk.doors import requires
from notifications.models import Message
from notifications.services import retry_failed
from sla.arithmetic import Calendar, CalendarError
from sla.arithmetic.calendars import Why
from sla.models import CalendarVersion, Timer
from sla.policies import book
from sla.promises import title
from sla.timers import DEADLINE, retry_parked
from staff.models import Team, User
from staff.permissions import Role
from staff.services import change_password, change_person, create_person, save_team

log = logging.getLogger(__name__)
PAGE = 50


def tabs(request: HttpRequest) -> list[navigation.Place]:
    """The pages of settings that this person may open."""
    return [place for place in navigation.settings(request) if place.entry.key != "outbox"]


# --- parked work -----------------------------------------------------------------------------------------------------


def _timer_words(timer: Timer) -> str:
    if timer.handler == DEADLINE and timer.deadline is not None:
        return title(timer.deadline.promise)
    if timer.handler == "tickets.silence":
        return _("Reminder or closure after silence")
    if timer.handler == sending.HANDLER:
        return _("A reply that was to leave")
    return timer.handler


@requires("settings.parked")
@require_GET
def parked(request: HttpRequest) -> HttpResponse:
    """Timers that gave up and messages that failed, with the error and a way to try again."""
    user: Any = request.user
    timers = Timer.objects.filter(parked_at__isnull=False).select_related("case", "deadline").order_by("parked_at")
    failed = Message.objects.filter(state=Message.State.FAILED).select_related("case").order_by("-pk")
    timer_pages = Paginator(timers, PAGE).get_page(request.GET.get("timers"))
    message_pages = Paginator(failed, PAGE).get_page(request.GET.get("page"))
    context = {
        "tabs": tabs(request),
        "timers": [(timer, _timer_words(timer)) for timer in timer_pages],
        "timer_count": timer_pages.paginator.count,
        "failed": message_pages,
        "may_retry": user.may("settings.retry_parked"),
    }
    return render(request, "desk/settings/parked.html", context)


def _chosen(request: HttpRequest) -> list[int]:
    return [int(key) for key in request.POST.getlist("id") if key.isdecimal()]


@requires("settings.retry_parked")
@require_POST
def retry_timers(request: HttpRequest) -> HttpResponse:
    """Try parked timers again; each one is logged with who asked."""
    now, done = clock.now(), 0
    for key in _chosen(request):
        try:
            timer = retry_parked(key, at=now)
        except Timer.DoesNotExist:
            continue  # somebody else was faster
        log.info("parked timer %s (%s) retried by %s", timer.pk, timer.key, request.user.pk)
        done += 1
    _told(request, done)
    return redirect("desk:parked")


@requires("settings.retry_parked")
@require_POST
def retry_messages(request: HttpRequest) -> HttpResponse:
    """Queue failed messages again; each one is logged with who asked."""
    now, done = clock.now(), 0
    for key in _chosen(request):
        try:
            message = retry_failed(key, at=now)
        except Message.DoesNotExist:
            continue
        log.info("failed message %s (%s) retried by %s", message.pk, message.key, request.user.pk)
        done += 1
    _told(request, done)
    return redirect("desk:parked")


def _told(request: HttpRequest, done: int) -> None:
    if done:
        words = ngettext("%(count)s is tried again now.", "%(count)s are tried again now.", done) % {"count": done}
        messages.success(request, words)
    else:
        messages.warning(request, _("Nothing was left to try again."))


# --- calendars -------------------------------------------------------------------------------------------------------

WEEK = [date(2024, 1, day) for day in range(1, 8)]  # any week, from Monday
MARKS = {
    Why.HOLIDAY: ("off", gettext_lazy("Holiday")),
    Why.MAKE_UP: ("made", gettext_lazy("Make-up working day")),
    Why.EXCEPTION_OPEN: ("made", gettext_lazy("Open by exception")),
    Why.EXCEPTION_CLOSED: ("off", gettext_lazy("Closed by exception")),
    Why.WEEKEND: ("weekend", gettext_lazy("Not a working day")),
}


@dataclass(frozen=True)
class Cell:
    """A day of the year view: `kind` for its look, `words` for everybody."""

    number: int
    kind: str
    mark: str
    words: str


def calendar_title(calendar: Calendar) -> str:
    names = calendar.title
    return names.get("en" if (get_language() or "").startswith("en") else "zh") or calendar.name


def _cell(calendar: Calendar, day: date, today: date) -> Cell:
    facts = calendar.day(day)
    kind, words = MARKS.get(facts.reason, ("", ""))
    if facts.reason == Why.HOLIDAY:
        words = calendar.holiday_name(day, "en_US" if (get_language() or "").startswith("en") else "zh_CN") or words
    mark = {"off": pgettext("day mark", "off"), "made": pgettext("day mark", "work")}.get(kind, "")
    return Cell(day.day, f"{kind} is-today".strip() if day == today else kind, mark, str(words))


def _months(calendar: Calendar, year: int, today: date) -> list[dict[str, Any]]:
    months = []
    for month in range(1, 13):
        first = date(year, month, 1)
        following = date(year + month // 12, month % 12 + 1, 1)
        cells: list[Cell | None] = [None] * first.weekday()
        day = first
        while day < following:
            cells.append(_cell(calendar, day, today))
            day += timedelta(days=1)
        cells += [None] * (-len(cells) % 7)
        weeks = [cells[start : start + 7] for start in range(0, len(cells), 7)]
        months.append({"name": date_format(first, pgettext("date format", "F")), "weeks": weeks})
    return months


@requires("settings.calendars")
@require_GET
def calendars(request: HttpRequest) -> HttpResponse:
    """The calendars in force, and one of them day by day; a change is a new version, loaded from a file."""
    versions = list(CalendarVersion.objects.select_related("created_by"))
    newest = {version.name: version for version in versions}
    wanted = request.GET.get("name", "")
    chosen = newest.get(wanted) or next(iter(newest.values()), None)
    today = timezone.localdate(clock.now())
    asked = request.GET.get("year", "")
    year = int(asked) if asked.isdecimal() and len(asked) == 4 else today.year
    context: dict[str, Any] = {
        "tabs": tabs(request),
        "names": [(name, calendar_title(version.calendar), version) for name, version in newest.items()],
        "chosen": chosen,
        "year": year,
    }
    if chosen is not None:
        calendar = chosen.calendar
        try:
            context["months"] = _months(calendar, year, today)
        except (CalendarError, ValueError):
            year = context["year"] = today.year
            context["months"] = _months(calendar, year, today)
        context |= {
            "title": calendar_title(calendar),
            "zone": calendar.zone.key,
            "weekdays": [clockface.weekday(day) for day in WEEK],
            "hours": [
                (clockface.weekday(day), ", ".join(str(part).replace("-", "–") for part in segments))
                for day, segments in zip(WEEK, calendar.week, strict=True)
            ],
            "through": calendar.complete_through,
            "beyond": calendar.complete_through is not None and year > calendar.complete_through.year,
            "versions": [version for version in versions if version.name == chosen.name][::-1],
        }
    return render(request, "desk/settings/calendars.html", context)


@requires("settings.policies")
@require_GET
def policies(request: HttpRequest) -> HttpResponse:
    """The rules in force now, in plain words."""
    in_force = book(clock.now())
    version = in_force.version
    rules = list(version.rules.all()) if version else []
    titles = {name: calendar_title(row.calendar) for name, row in in_force.calendars.items()}
    context = {
        "tabs": tabs(request),
        "version": version,
        "promises": rulewords.promises(rules, titles),
    }
    return render(request, "desk/settings/policies.html", context)


# --- people and teams ------------------------------------------------------------------------------------------------


FILL = {"required": gettext_lazy("Please fill this in.")}


class PersonForm(forms.Form):
    """What an administrator may change of a person."""

    name = forms.CharField(label=gettext_lazy("Full name"), max_length=80, error_messages=FILL)
    email = forms.EmailField(label=gettext_lazy("Mail address"), required=False)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices)
    team = forms.ModelChoiceField(
        Team.objects.all(), label=gettext_lazy("Team"), required=False, empty_label=gettext_lazy("No team")
    )
    is_active = forms.BooleanField(label=gettext_lazy("May sign in"), required=False)


class NewPersonForm(forms.Form):
    username = forms.CharField(
        label=gettext_lazy("Sign-in name"),
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages=FILL,
    )
    name = forms.CharField(label=gettext_lazy("Full name"), max_length=80, error_messages=FILL)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices)
    team = forms.ModelChoiceField(
        Team.objects.all(), label=gettext_lazy("Team"), required=False, empty_label=gettext_lazy("No team")
    )
    password = forms.CharField(
        label=gettext_lazy("First password"),
        help_text=gettext_lazy("At least 10 characters. Hand it over in person."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        error_messages=FILL,
    )


class PasswordForm(forms.Form):
    password = forms.CharField(
        label=gettext_lazy("New password"),
        help_text=gettext_lazy("At least 10 characters. Open sessions of this person end."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        error_messages=FILL,
    )


class TeamForm(forms.Form):
    code = forms.SlugField(
        label=gettext_lazy("Code"),
        max_length=40,
        help_text=gettext_lazy("Letters, digits and hyphens; it stays."),
        error_messages=FILL,
    )
    name_zh = forms.CharField(label=gettext_lazy("Chinese name"), max_length=80, error_messages=FILL)
    name_en = forms.CharField(label=gettext_lazy("English name"), max_length=80, error_messages=FILL)
    dispatches = forms.BooleanField(label=gettext_lazy("Gets returned tickets"), required=False)


def _refused(form: forms.Form, refusal: DomainError) -> None:
    form.add_error(refusal.field if refusal.field in form.fields else None, list(refusal.reasons))


def _people_page(
    request: HttpRequest,
    *,
    person_form: forms.Form | None = None,
    team_form: forms.Form | None = None,
    status: int = 200,
) -> HttpResponse:
    user: Any = request.user
    people = User.objects.select_related("team").order_by("-is_active", "username")
    context = {
        "tabs": tabs(request),
        "people": Paginator(people, PAGE).get_page(request.GET.get("page")),
        "teams": Team.objects.all(),
        "may_change": user.may("settings.change_people"),
        "person_form": person_form or NewPersonForm(auto_id="person_%s"),
        "team_form": team_form or TeamForm(auto_id="team_%s"),
    }
    return render(request, "desk/settings/people.html", context, status=status)


@requires("settings.people")
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    return _people_page(request)


@requires("settings.change_people")
@require_POST
def add_person(request: HttpRequest) -> HttpResponse:
    form = NewPersonForm(request.POST, auto_id="person_%s")
    user: Any = request.user
    if form.is_valid():
        try:
            person = create_person(by=user, **form.cleaned_data)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("%(name)s may sign in now.") % {"name": person.name})
            return redirect("desk:people")
    return _people_page(request, person_form=form, status=422)


@requires("settings.change_people")
@require_POST
def add_team(request: HttpRequest) -> HttpResponse:
    form = TeamForm(request.POST, auto_id="team_%s")
    user: Any = request.user
    if form.is_valid():
        try:
            team = save_team(by=user, **form.cleaned_data)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("The team %(team)s is saved.") % {"team": team})
            return redirect("desk:people")
    return _people_page(request, team_form=form, status=422)


@requires("settings.change_people")
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: name, role, team, whether they may sign in."""
    found = get_object_or_404(User, pk=pk)
    user: Any = request.user
    fields = ("name", "email", "role", "team", "is_active")
    form = PersonForm(request.POST or None, initial={name: getattr(found, name) for name in fields})
    if request.method == "POST" and form.is_valid():
        try:
            change_person(person_id=found.pk, by=user, **form.cleaned_data)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("desk:people")
    return _person_page(request, found, form=form)


@requires("settings.change_people")
@require_POST
def person_password(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(User, pk=pk)
    user: Any = request.user
    form = PasswordForm(request.POST)
    if form.is_valid():
        try:
            change_password(person_id=found.pk, by=user, **form.cleaned_data)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("The password of %(name)s is changed.") % {"name": found.name})
            return redirect("desk:people")
    return _person_page(request, found, password_form=form)


def _person_page(
    request: HttpRequest, found: User, *, form: forms.Form | None = None, password_form: forms.Form | None = None
) -> HttpResponse:
    fields = ("name", "email", "role", "team", "is_active")
    context = {
        "tabs": tabs(request),
        "person": found,
        "form": form or PersonForm(initial={name: getattr(found, name) for name in fields}),
        "password_form": password_form or PasswordForm(),
    }
    bad = bool(context["form"].errors or context["password_form"].errors)  # type: ignore[union-attr,attr-defined]
    return render(request, "desk/settings/person.html", context, status=422 if bad else 200)


@requires("settings.change_people")
@require_http_methods(["GET", "POST"])
def team(request: HttpRequest, pk: int) -> HttpResponse:
    """One team: its names, and whether returned tickets go to it."""
    found = get_object_or_404(Team, pk=pk)
    user: Any = request.user
    initial = {name: getattr(found, name) for name in ("name_zh", "name_en", "dispatches")}
    form = TeamForm({**request.POST.dict(), "code": found.code} if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            save_team(by=user, team_id=found.pk, **form.cleaned_data)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("desk:people")
    context = {"tabs": tabs(request), "team": found, "form": form}
    return render(request, "desk/settings/team.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("settings/parked/", parked, name="parked"),
    path("settings/parked/timers/", retry_timers, name="retry_timers"),
    path("settings/parked/messages/", retry_messages, name="retry_messages"),
    path("settings/calendars/", calendars, name="calendars"),
    path("settings/policies/", policies, name="policies"),
    path("settings/people/", people, name="people"),
    path("settings/people/add/", add_person, name="add_person"),
    path("settings/people/<int:pk>/", person, name="person"),
    path("settings/people/<int:pk>/password/", person_password, name="person_password"),
    path("settings/teams/add/", add_team, name="add_team"),
    path("settings/teams/<int:pk>/", team, name="team_settings"),
]
