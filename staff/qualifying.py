"""Use cases on skills and certificates. Who may: `settings.change_skills`; nobody judges themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.utils.translation import gettext as _

from common import clock
from common.errors import InvalidInput, NotAllowed
from common.given import text

from .models import User
from .records import record
from .skills import LEVELS, Certificate, CertificateKind, Skill, UserSkill

SHIPPED = Path(__file__).parent / "defaults" / "skills.toml"


def _allow(by: User | None, about: User | None = None) -> None:
    """The command line (None) may do everything."""
    if by is None:
        return
    if not by.may("settings.change_skills"):
        raise NotAllowed()
    if about is not None and by.pk == about.pk:
        raise NotAllowed(_("Nobody changes their own skills and certificates. Ask a colleague."))


def _person(user_id: int, by: User | None) -> User:
    _allow(by)
    person = User.objects.select_for_update(no_key=True).filter(pk=user_id, is_active=True).first()
    if person is None:
        raise InvalidInput(_("Choose people who work here."), field="person")
    _allow(by, person)
    return person


@transaction.atomic
def set_skill(*, user_id: int, skill: Skill, level: int, by: User | None, at: datetime | None = None) -> UserSkill:
    """Say how well somebody does something, from 1 to 5; an earlier level is replaced."""
    person = _person(user_id, by)
    if level not in LEVELS:
        raise InvalidInput(_("A level is a number from 1 to 5."), field="level")
    before = UserSkill.objects.filter(user=person, skill=skill).values_list("level", flat=True).first()
    held, _made = UserSkill.objects.update_or_create(user=person, skill=skill, defaults={"level": level})
    if before != level:
        record("skill_set", by=by, at=at or clock.now(), about=person, skill=skill.code, level=level, before=before)
    return held


@transaction.atomic
def set_skills(
    *, user_id: int, levels: Mapping[Skill, int | None], by: User | None, at: datetime | None = None
) -> None:
    """Say how well somebody does several things at once; None: not at all. All or nothing, as `set_skill` refuses."""
    now = at or clock.now()
    for skill, level in levels.items():
        if level is None:
            drop_skill(user_id=user_id, skill=skill, by=by, at=now)
        else:
            set_skill(user_id=user_id, skill=skill, level=level, by=by, at=now)


@transaction.atomic
def drop_skill(*, user_id: int, skill: Skill, by: User | None, at: datetime | None = None) -> None:
    """Somebody no longer does something. Nothing happens when they did not."""
    person = _person(user_id, by)
    before = UserSkill.objects.filter(user=person, skill=skill).first()
    if before is not None:
        before.delete()
        record("skill_dropped", by=by, at=at or clock.now(), about=person, skill=skill.code, before=before.level)


@transaction.atomic
def add_certificate(
    *,
    user_id: int,
    kind: CertificateKind,
    number: str,
    issued_on: date,
    expires_on: date,
    by: User | None,
    at: datetime | None = None,
) -> Certificate:
    """Enter a paper somebody was given; a renewal is a new one. Raises InvalidInput naming the field."""
    person = _person(user_id, by)
    now, number = at or clock.now(), number.strip()
    if not number or len(number) > 60:
        raise InvalidInput(_("Enter the number of the certificate, at most 60 characters."), field="number")
    if expires_on < issued_on:
        raise InvalidInput(_("A certificate expires after it was issued."), field="expires_on")
    if Certificate.objects.filter(kind=kind, number=number, issued_on=issued_on).exists():
        raise InvalidInput(_("This certificate is entered already."), field="number")
    paper = Certificate.objects.create(
        user=person, kind=kind, number=number, issued_on=issued_on, expires_on=expires_on
    )
    facts = {"certificate": paper.pk, "kind": kind.code, "expires_on": expires_on.isoformat()}
    record("certificate_added", by=by, at=now, about=person, **facts)
    return paper


@transaction.atomic
def revoke_certificate(
    *, certificate_id: int, on: date, by: User | None, reason: str = "", at: datetime | None = None
) -> Certificate:
    """Take a certificate away: from `on` it no longer holds. Raises Certificate.DoesNotExist."""
    _allow(by)
    found = Certificate.objects.select_for_update(no_key=True, of=("self",)).select_related("user", "kind")
    paper = found.get(pk=certificate_id)
    _allow(by, paper.user)
    if paper.revoked_on is not None:
        raise InvalidInput(_("This certificate is revoked already."), field="on")
    if not paper.issued_on <= on <= paper.expires_on:
        raise InvalidInput(_("A certificate is revoked between its issue and its expiry."), field="on")
    paper.revoked_on = on
    paper.save(update_fields=["revoked_on"])
    facts = {"certificate": paper.pk, "kind": paper.kind.code, "on": on.isoformat(), "reason": reason.strip()}
    record("certificate_revoked", by=by, at=at or clock.now(), about=paper.user, **facts)
    return paper


@transaction.atomic
def save_certificate_kind(
    *, code: str, name_zh: str, name_en: str, by: User | None, at: datetime | None = None
) -> CertificateKind:
    """Add a kind of certificate, or rename the one with this code."""
    _allow(by)
    names = _checked_names(code, name_zh, name_en)
    kind, _made = CertificateKind.objects.update_or_create(code=code, defaults=names)
    record("certificate_kind_saved", by=by, at=at or clock.now(), code=code)
    return kind


@transaction.atomic
def save_skill(
    *,
    code: str,
    name_zh: str,
    name_en: str,
    by: User | None,
    certificate_kind: CertificateKind | None = None,
    at: datetime | None = None,
) -> Skill:
    """Add a skill, or change the names and the certificate of the one with this code."""
    _allow(by)
    values = _checked_names(code, name_zh, name_en)
    skill, _made = Skill.objects.update_or_create(code=code, defaults={**values, "certificate_kind": certificate_kind})
    needs = certificate_kind.code if certificate_kind else None
    record("skill_saved", by=by, at=at or clock.now(), code=code, certificate_kind=needs)
    return skill


def _checked_names(code: str, name_zh: str, name_en: str) -> dict[str, str]:
    try:
        validate_slug(code)
    except ValidationError:
        raise InvalidInput(_("A code is letters, digits and hyphens."), field="code") from None
    needed = _("Enter a name in both languages.")
    return {
        name: text(value, name, needed, most=80) for name, value in {"name_zh": name_zh, "name_en": name_en}.items()
    }


@transaction.atomic
def load_shipped_skills(*, at: datetime | None = None) -> int:
    """Load the shipped skills and kinds of certificates where there are none yet; return how many were added."""
    if Skill.objects.exists() or CertificateKind.objects.exists():
        return 0
    form = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    kinds: dict[str | None, CertificateKind | None] = {None: None}
    for code, node in form["certificates"].items():
        kinds[code] = save_certificate_kind(code=code, name_zh=node["zh"], name_en=node["en"], by=None, at=at)
    for code, node in form["skills"].items():
        kind = kinds[node.get("certificate")]
        save_skill(code=code, name_zh=node["zh"], name_en=node["en"], certificate_kind=kind, by=None, at=at)
    return len(kinds) - 1 + len(form["skills"])
