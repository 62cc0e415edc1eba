"""Use cases on people and teams. Who may call them is `settings.change_people`; what nobody may do is refused here."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common import clock
from common.errors import DomainError, InvalidInput, NotAllowed
from common.given import choice, text
from common.keys import changed

from .models import Team, User
from .permissions import Role
from .records import record

log = logging.getLogger(__name__)


def _allow(by: User | None) -> None:
    """The command line (None) may do everything."""
    if by is not None and not by.may("settings.change_people"):
        raise NotAllowed()


def _checked_password(password: str, user: User) -> str:
    try:
        validate_password(password, user)
    except ValidationError as problem:
        raise InvalidInput(*problem.messages, field="password") from None
    return password


@transaction.atomic
def create_person(
    *, username: str, name: str, role: str, password: str, by: User | None, team: Team | None = None, email: str = ""
) -> User:
    """Give somebody a sign-in. Raises InvalidInput naming the field that cannot be taken."""
    _allow(by)
    username = username.strip()
    if not username or len(username) > 60 or any(character.isspace() for character in username):
        raise InvalidInput(_("A sign-in name is one word of at most 60 characters."), field="username")
    name = text(name, "name", _("Enter the person's name."), most=80)
    if User.objects.filter(username__iexact=username).exists():
        raise InvalidInput(_("Somebody has this sign-in name already."), field="username")
    person = User(username=username, name=name, role=choice(role, Role, "role"), team=team, email=email.strip())
    person.set_password(_checked_password(password, person))
    person.save()
    record("person_created", by=by, at=clock.now(), about=person, role=role, team=person.team_id)
    log.info("person %s created by %s: role %s, team %s", person.pk, by.pk if by else "command", role, person.team_id)
    return person


@transaction.atomic
def change_person(
    *, person_id: int, by: User | None, name: str, role: str, team: Team | None, is_active: bool, email: str = ""
) -> User:
    """Change a person's name, role, team, or whether they may sign in.

    Nobody changes their own role or shuts themselves out, and one administrator always remains.
    """
    _allow(by)
    # All administrators and the person are locked, in one order: two administrators cannot remove each other at the
    # same moment, and whoever plans shifts for several people at once (staff.planning) never waits in a circle.
    concerned = User.objects.filter(Q(role=Role.ADMINISTRATOR, is_active=True) | Q(pk=person_id))
    locked = {row.pk: row for row in concerned.order_by("pk").select_for_update(no_key=True)}
    if person_id not in locked:
        raise User.DoesNotExist
    person = locked[person_id]
    administrators = [row for row in locked.values() if row.role == Role.ADMINISTRATOR and row.is_active]
    name = text(name, "name", _("Enter the person's name."), most=80)
    role = choice(role, Role, "role")
    if by is not None and by.pk == person.pk and (role != person.role or not is_active):
        raise InvalidInput(
            _("Nobody changes their own role or signs themselves off. Ask another administrator."), field="role"
        )
    stays = role == Role.ADMINISTRATOR and is_active
    if not stays and [administrator.pk for administrator in administrators] == [person.pk]:
        raise InvalidInput(_("This is the last administrator. Name another one first."), field="role")
    before = (person.role, person.team_id, person.is_active)
    person.name, person.role, person.team, person.is_active, person.email = name, role, team, is_active, email.strip()
    person.save(update_fields=["name", "role", "team", "is_active", "email"])
    after = (person.role, person.team_id, person.is_active)
    if before != after:
        names = ("role", "team", "is_active")
        was, became = dict(zip(names, before, strict=True)), dict(zip(names, after, strict=True))
        record("person_changed", by=by, at=clock.now(), about=person, before=was, after=became)
        log.info("person %s changed by %s: %s became %s", person.pk, by.pk if by else "command", before, after)
    return person


def change_password(*, person_id: int, password: str, by: User | None) -> User:
    """Set a person's password; their open sessions end."""
    _allow(by)
    with transaction.atomic():
        person = User.objects.select_for_update(no_key=True).get(pk=person_id)
        person.set_password(_checked_password(password, person))
        person.save(update_fields=["password"])
        record("password_set", by=by, at=clock.now(), about=person)
    log.info("password of person %s set by %s", person.pk, by.pk if by else "command")
    return person


def set_keys(*, person: User, single_keys: bool, keys: Mapping[str, str]) -> User:
    """Keep which single keys this person uses; only what differs from the standard is written down."""
    person.single_keys, person.keys = single_keys, changed(keys)
    person.save(update_fields=["single_keys", "keys"])
    return person


def set_undo(*, person: User, undo_replies: bool) -> User:
    """Keep whether this person's replies wait a few seconds before they leave, so that they can be taken back."""
    person.undo_replies = undo_replies
    person.save(update_fields=["undo_replies"])
    return person


@transaction.atomic
def save_team(
    *, code: str, name_zh: str, name_en: str, by: User | None, dispatches: bool = False, team_id: int | None = None
) -> Team:
    """Add a team, or change the one with `team_id`; its code stays as it was made."""
    _allow(by)
    name_zh = text(name_zh, "name_zh", _("A team needs a name in both languages."), most=80)
    name_en = text(name_en, "name_en", _("A team needs a name in both languages."), most=80)
    if team_id is not None:
        team = Team.objects.select_for_update(no_key=True).get(pk=team_id)
    else:
        try:
            validate_slug(code)
        except ValidationError:
            raise InvalidInput(_("A code is letters, digits and hyphens."), field="code") from None
        if Team.objects.filter(code=code).exists():
            raise InvalidInput(_("Another team has this code."), field="code")
        team = Team(code=code)
    team.name_zh, team.name_en, team.dispatches = name_zh, name_en, dispatches
    team.save()
    record("team_saved", by=by, at=clock.now(), team=team.code, dispatches=dispatches)
    log.info("team %s saved by %s", team.code, by.pk if by else "command")
    return team


@transaction.atomic
def first_administrator(*, username: str, name: str, password: str) -> User:
    """Production's first sign-in. Refuses once an administrator who may sign in exists."""
    if User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).exists():
        raise DomainError(_("There is an administrator already. They add people under Settings."))
    return create_person(username=username, name=name, role=Role.ADMINISTRATOR, password=password, by=None)
