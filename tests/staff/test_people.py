"""People and teams: who may be added and changed, what nobody may do, and production's first sign-in."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from common import clock
from common.errors import DomainError, InvalidInput, NotAllowed
from staff.models import StaffRecord, Team, User
from staff.services import change_password, change_person, create_person, first_administrator, save_team
from tests import builders

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"


@pytest.fixture
def boss():
    return builders.person("administrator", team=None)


def create(by, **fields):
    return create_person(
        **{"username": "lina", "name": "李娜", "role": "agent", "password": PASSWORD, "by": by, **fields}
    )


def change(person, by, **fields):
    values = {"name": person.name, "role": person.role, "team": person.team, "is_active": person.is_active, **fields}
    return change_person(person_id=person.pk, by=by, **values)


def test_a_person_gets_a_sign_in(boss):
    person = create(boss, team=builders.team())
    assert (person.username, person.role, person.team.code) == ("lina", "agent", "repair")
    assert person.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"username": "two words"}, "username"),
        ({"username": ""}, "username"),
        ({"username": "x" * 61}, "username"),
        ({"name": "  "}, "name"),
        ({"role": "king"}, "role"),
        ({"password": "short"}, "password"),
        ({"password": "12345678901"}, "password"),
        ({"password": "password123"}, "password"),
        ({"username": "linalinalina", "password": "linalinalina"}, "password"),
    ],
)
def test_what_cannot_be_taken_names_its_field(boss, fields, field):
    with pytest.raises(InvalidInput) as refusal:
        create(boss, **fields)
    assert refusal.value.field == field
    assert refusal.value.reasons


def test_a_name_is_given_once_whatever_the_case_of_its_letters(boss):
    create(boss)
    with pytest.raises(InvalidInput) as refusal:
        create(boss, username="LINA")
    assert refusal.value.field == "username"


@pytest.mark.parametrize("role", ["agent", "supervisor", "head", "auditor"])
def test_only_administrators_change_people(boss, role):
    person = builders.person(role)
    for attempt in (
        lambda: create(person),
        lambda: change(boss, person),
        lambda: change_password(person_id=boss.pk, password=PASSWORD, by=person),
        lambda: save_team(code="x", name_zh="x", name_en="x", by=person),
    ):
        with pytest.raises(NotAllowed):
            attempt()


def test_nobody_changes_their_own_role_or_signs_off_but_may_change_their_name(boss):
    builders.person("administrator")
    for fields in ({"role": "head"}, {"is_active": False}):
        with pytest.raises(InvalidInput):
            change(boss, boss, **fields)
    assert change(boss, boss, name="何管").name == "何管"


def test_the_last_administrator_stays(boss):
    second = builders.person("administrator")
    change(boss, second, role="head")
    for fields in ({"role": "agent"}, {"is_active": False}):
        with pytest.raises(InvalidInput):
            change(second, None, **fields)
    assert User.objects.filter(role="administrator", is_active=True).get() == second


def test_one_who_may_not_sign_in_does_not_count_as_an_administrator(boss):
    builders.person("administrator", is_active=False)
    with pytest.raises(InvalidInput):
        change(boss, None, role="agent")


def test_a_team_has_names_in_both_languages_and_a_code_of_its_own(boss):
    team = save_team(code="billing", name_zh="Z", name_en="Billing", by=boss)
    for fields, field in [
        ({"code": "billing", "name_zh": "Z", "name_en": "B"}, "code"),
        ({"code": "two words", "name_zh": "Z", "name_en": "B"}, "code"),
        ({"code": "other", "name_zh": " ", "name_en": "B"}, "name_zh"),
        ({"code": "other", "name_zh": "Z", "name_en": ""}, "name_en"),
    ]:
        with pytest.raises(InvalidInput) as refusal:
            save_team(by=boss, **fields)
        assert refusal.value.field == field
    save_team(code="ignored", name_zh="Y", name_en="Bills", by=boss, team_id=team.pk, dispatches=True)
    assert Team.objects.values_list("code", "name_en", "dispatches").get(pk=team.pk) == ("billing", "Bills", True)


def test_what_was_changed_of_a_person_stays_on_record(boss):
    with clock.simulated(builders.MONDAY):
        person = create(boss, team=builders.team())
        change(person, boss, name="李娜娜")
        change(person, boss, role="lead", team=None)
        change_password(person_id=person.pk, password=PASSWORD, by=boss)
        save_team(code="billing", name_zh="Z", name_en="Billing", by=boss)
    rows = list(StaffRecord.objects.values_list("what", "by", "at", "about"))
    assert rows == [
        (what, boss.pk, builders.MONDAY, about)
        for what, about in [
            ("person_created", person.pk),
            ("person_changed", person.pk),
            ("password_set", person.pk),
            ("team_saved", None),
        ]
    ]
    changed = StaffRecord.objects.get(what="person_changed").facts
    assert (changed["before"]["role"], changed["after"]) == ("agent", {"role": "lead", "team": None, "is_active": True})
    assert "李" not in str(list(StaffRecord.objects.values_list("facts", flat=True)))


# --- the first administrator -----------------------------------------------------------------------------------------


def first(monkeypatch, *arguments, lines="", **environment):
    for name in ("USERNAME", "NAME", "PASSWORD"):
        monkeypatch.delenv(f"ADMINISTRATOR_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(f"ADMINISTRATOR_{name.upper()}", value)
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    out = io.StringIO()
    call_command("first_administrator", *arguments, stdout=out)
    return out.getvalue()


def test_production_starts_from_the_environment(monkeypatch):
    said = first(monkeypatch, username="he", name="何管", password=PASSWORD)
    person = User.objects.get()
    assert said == "he may sign in now.\n"
    assert (person.role, person.name, person.check_password(PASSWORD)) == ("administrator", "何管", True)
    assert PASSWORD not in said


def test_what_is_missing_is_asked_for(monkeypatch):
    first(monkeypatch, "--username", "he", lines=f"\n{PASSWORD}\n")
    person = User.objects.get()
    assert (person.name, person.check_password(PASSWORD)) == ("he", True)


def test_a_weak_password_is_refused_with_the_reason(monkeypatch):
    with pytest.raises(CommandError, match="at least 10 characters"):
        first(monkeypatch, username="he", name="He", password="short")
    assert not User.objects.exists()


def test_there_is_only_one_first_administrator(monkeypatch, boss):
    with pytest.raises(CommandError, match="an administrator already"):
        first(monkeypatch, username="he", name="He", password=PASSWORD)
    User.objects.filter(pk=boss.pk).update(is_active=False)
    assert "may sign in" in first(monkeypatch, username="he", name="He", password=PASSWORD)


def test_the_refusal_is_a_domain_error_for_other_callers(boss):
    with pytest.raises(DomainError):
        first_administrator(username="he", name="He", password=PASSWORD)
