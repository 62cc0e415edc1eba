"""Skills and certificates: the sheet of a team, one person's, and what skills there are."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from common import clock
from common.errors import DomainError
from desk.doors import requires
from desk.skillsheet import papers, skill_lines
from desk.views.settings import FILL, tabs
from desk.views.working_time import WRONG, day_field
from desk.weeks import Crew
from staff.ability import abilities
from staff.models import Certificate, CertificateKind, Skill, User
from staff.qualifying import (
    add_certificate,
    revoke_certificate,
    save_certificate_kind,
    save_skill,
    set_skills,
)

LEVELS = [
    ("", gettext_lazy("Does not have it")),
    ("1", gettext_lazy("1 · beginner")),
    ("2", gettext_lazy("2 · with help")),
    ("3", gettext_lazy("3 · alone")),
    ("4", gettext_lazy("4 · also hard cases")),
    ("5", gettext_lazy("5 · teaches others")),
]


class SkillsForm(forms.Form):
    """One level for each skill there is."""

    def __init__(self, *args: Any, person: User, **options: Any) -> None:
        super().__init__(*args, **options)
        levels = abilities([person.pk])[person.pk].levels
        self.skills = list(Skill.objects.all())
        for skill in self.skills:
            self.fields[skill.code] = forms.ChoiceField(
                label=str(skill),
                choices=LEVELS,
                required=False,
                initial=str(levels.get(skill.code, "")),
                error_messages=WRONG,
            )

    def levels(self) -> dict[Skill, int | None]:
        """What was sent; a skill added meanwhile, or not sent at all, stays as it is."""
        return {
            skill: int(self.cleaned_data[skill.code]) if self.cleaned_data[skill.code] else None
            for skill in self.skills
            if skill.code in self.data
        }


class CertificateForm(forms.Form):
    kind = forms.ModelChoiceField(
        CertificateKind.objects.all(),
        label=gettext_lazy("Certificate"),
        empty_label=gettext_lazy("Choose"),
        error_messages=FILL | WRONG,
    )
    number = forms.CharField(label=gettext_lazy("Certificate number"), max_length=60, error_messages=FILL)
    issued_on = day_field(gettext_lazy("Issued on"))
    expires_on = day_field(gettext_lazy("Valid until"), help_text=gettext_lazy("The last day on which it holds."))


class RevokeForm(forms.Form):
    on = day_field(gettext_lazy("No longer holds from"))
    reason = forms.CharField(label=gettext_lazy("Why"), max_length=120, error_messages=FILL)


class NamesForm(forms.Form):
    code = forms.SlugField(
        label=gettext_lazy("Code"),
        max_length=40,
        help_text=gettext_lazy("Letters, digits and hyphens. A code that is there already is changed."),
        error_messages=FILL,
    )
    name_zh = forms.CharField(label=gettext_lazy("Chinese name"), max_length=80, error_messages=FILL)
    name_en = forms.CharField(label=gettext_lazy("English name"), max_length=80, error_messages=FILL)


class SkillForm(NamesForm):
    certificate_kind = forms.ModelChoiceField(
        CertificateKind.objects.all(),
        label=gettext_lazy("Needs the certificate"),
        required=False,
        empty_label=gettext_lazy("None"),
        error_messages=WRONG,
    )


def _refused(form: forms.Form, refusal: DomainError) -> None:
    form.add_error(refusal.field if refusal.field in form.fields else None, [str(r) for r in refusal.reasons])


# --- the sheet -------------------------------------------------------------------------------------------------------


def _sheet(request: HttpRequest, *, status: int = 200, **forms_: forms.Form) -> HttpResponse:
    user: Any = request.user
    today = timezone.localdate(clock.now())
    crew = Crew.asked(request)
    skills = list(Skill.objects.select_related("certificate_kind"))
    context = {
        "tabs": tabs(request),
        "crew": crew,
        "skills": skills,
        "lines": skill_lines(crew.people, skills, today),
        "papers": papers(crew.people, today),
        "kinds": CertificateKind.objects.all(),
        "may_change": user.may("settings.change_skills"),
        "skill_form": SkillForm(auto_id="skill_%s"),
        "kind_form": NamesForm(auto_id="kind_%s"),
        **forms_,
    }
    return render(request, "desk/settings/skills.html", context, status=status)


@requires("settings.skills")
@require_GET
def skills(request: HttpRequest) -> HttpResponse:
    return _sheet(request)


@requires("settings.change_skills")
@require_POST
def add_skill(request: HttpRequest) -> HttpResponse:
    form = SkillForm(request.POST, auto_id="skill_%s")
    user: Any = request.user
    if form.is_valid():
        try:
            skill = save_skill(by=user, **form.cleaned_data)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("The skill %(skill)s is saved.") % {"skill": skill})
            return redirect("desk:skills")
    return _sheet(request, skill_form=form, status=422)


@requires("settings.change_skills")
@require_POST
def add_kind(request: HttpRequest) -> HttpResponse:
    form = NamesForm(request.POST, auto_id="kind_%s")
    user: Any = request.user
    if form.is_valid():
        try:
            kind = save_certificate_kind(by=user, **form.cleaned_data)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("The certificate %(kind)s is saved.") % {"kind": kind})
            return redirect("desk:skills")
    return _sheet(request, kind_form=form, status=422)


# --- one person ------------------------------------------------------------------------------------------------------


def _person_page(
    request: HttpRequest,
    found: User,
    *,
    status: int = 200,
    revoke: tuple[int, RevokeForm] | None = None,
    **forms_: forms.Form,
) -> HttpResponse:
    user: Any = request.user
    today = timezone.localdate(clock.now())
    own = user.pk == found.pk
    may_change = user.may("settings.change_skills") and not own
    skills = list(Skill.objects.select_related("certificate_kind"))
    rows = []
    for paper in papers([found], today, history=True):
        form = RevokeForm(initial={"on": today}, auto_id=f"revoke{paper.row.pk}_%s")
        rows.append((paper, revoke[1] if revoke and revoke[0] == paper.row.pk else form))
    context: dict[str, Any] = {
        "tabs": tabs(request),
        "person": found,
        "skills": skills,
        "held": zip(skills, skill_lines([found], skills, today)[0].cells, strict=True),
        "papers": rows[::-1],
        "may_change": may_change,
        "own": own and user.may("settings.change_skills"),
    }
    if may_change:
        context |= {
            "skills_form": SkillsForm(person=found, auto_id="skills_%s"),
            "paper_form": CertificateForm(auto_id="paper_%s"),
        }
    context |= forms_
    return render(request, "desk/settings/skills_person.html", context, status=status)


@requires("settings.skills")
@require_GET
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """What one person can do, and their papers, old ones too."""
    return _person_page(request, get_object_or_404(User, pk=pk))


@requires("settings.change_skills")
@require_POST
def save_person(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(User, pk=pk)
    form = SkillsForm(request.POST, person=found, auto_id="skills_%s")
    user: Any = request.user
    if form.is_valid():
        try:
            set_skills(user_id=found.pk, levels=form.levels(), by=user)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("The skills of %(name)s are saved.") % {"name": found.name})
            return redirect("desk:skills_person", pk)
    return _person_page(request, found, skills_form=form, status=422)


@requires("settings.change_skills")
@require_POST
def add_paper(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(User, pk=pk)
    form = CertificateForm(request.POST, auto_id="paper_%s")
    user: Any = request.user
    if form.is_valid():
        try:
            add_certificate(user_id=found.pk, by=user, **form.cleaned_data)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("The certificate of %(name)s is entered.") % {"name": found.name})
            return redirect("desk:skills_person", pk)
    return _person_page(request, found, paper_form=form, status=422)


@requires("settings.change_skills")
@require_POST
def revoke_paper(request: HttpRequest, pk: int, paper: int) -> HttpResponse:
    row = get_object_or_404(Certificate.objects.select_related("user"), pk=paper, user=pk)
    form = RevokeForm(request.POST, auto_id=f"revoke{row.pk}_%s")
    user: Any = request.user
    if form.is_valid():
        try:
            revoke_certificate(certificate_id=row.pk, by=user, **form.cleaned_data)
        except DomainError as refusal:
            _refused(form, refusal)
        else:
            messages.success(request, _("The certificate of %(name)s is revoked.") % {"name": row.user.name})
            return redirect("desk:skills_person", pk)
    return _person_page(request, row.user, revoke=(row.pk, form), status=422)


urlpatterns = [
    path("settings/skills/", skills, name="skills"),
    path("settings/skills/add/", add_skill, name="add_skill"),
    path("settings/skills/certificates/add/", add_kind, name="add_kind"),
    path("settings/skills/<int:pk>/", person, name="skills_person"),
    path("settings/skills/<int:pk>/levels/", save_person, name="save_skills"),
    path("settings/skills/<int:pk>/certificates/", add_paper, name="add_paper"),
    path("settings/skills/<int:pk>/certificates/<int:paper>/revoke/", revoke_paper, name="revoke_paper"),
]
