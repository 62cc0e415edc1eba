"""What people can do on a day: levels, and certificates that expire."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import translation

from common.errors import InvalidInput, NotAllowed
from staff.ability import Ability, abilities, expiring
from staff.models import Certificate, Skill, StaffRecord, UserSkill
from staff.qualifying import (
    add_certificate,
    drop_skill,
    revoke_certificate,
    save_certificate_kind,
    save_skill,
    set_skill,
)
from tests import builders
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
FIRST, LAST = date(2025, 6, 1), date(2026, 5, 31)
DAY = date(2026, 3, 2)
ONE = timedelta(days=1)


@pytest.fixture
def boss():
    return builders.person("supervisor")


@pytest.fixture
def tech():
    return builders.person("technician")


@pytest.fixture
def paper():
    return save_certificate_kind(code="field", name_zh="Z", name_en="Field service", by=None)


@pytest.fixture
def fiber(paper):
    return save_skill(code="fiber", name_zh="Z", name_en="Fiber", certificate_kind=paper, by=None)


@pytest.fixture
def iptv():
    return save_skill(code="iptv", name_zh="Z", name_en="IPTV", by=None)


def certify(boss, person, kind, first=FIRST, last=LAST, number="A-1"):
    return add_certificate(
        user_id=person.pk, kind=kind, number=number, issued_on=first, expires_on=last, by=boss, at=MONDAY
    )


def able(person):
    return abilities([person.pk])[person.pk]


def why(ability, code, level, on=DAY):
    sentence = ability.why_not(code, level, on)
    with translation.override("en"):
        return None if sentence is None else str(sentence)


def test_a_skill_without_certificate_is_held_at_its_level_and_below(boss, tech, iptv):
    set_skill(user_id=tech.pk, skill=iptv, level=3, by=boss)
    ability = able(tech)
    assert [ability.may_do("iptv", level, DAY) for level in range(1, 6)] == [True, True, True, False, False]
    assert why(ability, "iptv", 3) is None
    assert why(ability, "iptv", 4) == "Has level 3 in this skill; level 4 is needed."
    assert why(ability, "fiber", 1) == "Has not learned this skill."
    assert (ability.levels, ability.expires) == ({"iptv": 3}, {"iptv": None})


def test_a_certificate_holds_from_its_first_to_its_last_day(boss, tech, fiber, paper):
    set_skill(user_id=tech.pk, skill=fiber, level=2, by=boss)
    assert why(able(tech), "fiber", 1) == "Has no valid certificate for this skill."
    assert able(tech).expires == {}
    row = certify(boss, tech, paper)
    ability = able(tech)
    for day, holds in [(FIRST - ONE, False), (FIRST, True), (LAST, True), (LAST + ONE, False)]:
        assert ability.may_do("fiber", 2, day) is holds
        assert (ability.why_not("fiber", 2, day) is None) is holds
        assert row.valid_on(day) is holds
    assert why(ability, "fiber", 2, LAST + ONE) == "The certificate was valid until 31 May 2026."
    assert why(ability, "fiber", 2, FIRST - ONE) == "The certificate is valid only from 1 Jun 2025."
    assert ability.expires == {"fiber": LAST}


def test_a_certificate_of_another_kind_or_person_does_not_count(boss, tech, fiber):
    other = save_certificate_kind(code="driving", name_zh="Z", name_en="Driving", by=None)
    set_skill(user_id=tech.pk, skill=fiber, level=2, by=boss)
    certify(boss, tech, other)
    certify(boss, builders.person("technician"), fiber.certificate_kind)
    assert not able(tech).may_do("fiber", 1, DAY)


def test_a_revoked_certificate_no_longer_holds_from_that_day(boss, tech, fiber, paper):
    set_skill(user_id=tech.pk, skill=fiber, level=2, by=boss)
    row = revoke_certificate(certificate_id=certify(boss, tech, paper).pk, on=DAY, by=boss, reason="exam failed")
    ability = able(tech)
    for day, holds in [(DAY - ONE, True), (DAY, False)]:
        assert ability.may_do("fiber", 2, day) is row.valid_on(day) is holds
    same_day = certify(boss, tech, paper, first=DAY + 9 * ONE, number="B")
    revoke_certificate(certificate_id=same_day.pk, on=same_day.issued_on, by=boss)
    assert able(tech).expires == {"fiber": DAY - ONE}


def test_a_renewal_that_follows_on_leaves_no_gap_and_one_that_comes_late_does(boss, tech, fiber, paper):
    set_skill(user_id=tech.pk, skill=fiber, level=1, by=boss)
    certify(boss, tech, paper)
    certify(boss, tech, paper, first=LAST + ONE, last=LAST + 10 * ONE, number="A-2")
    certify(boss, tech, paper, first=LAST + 20 * ONE, last=LAST + 30 * ONE, number="A-3")
    ability = able(tech)
    assert ability.certified == {"fiber": ((FIRST, LAST + 10 * ONE), (LAST + 20 * ONE, LAST + 30 * ONE))}
    assert [ability.may_do("fiber", 1, LAST + days * ONE) for days in (1, 10, 11, 20)] == [True, True, False, True]
    assert why(ability, "fiber", 1, LAST + 15 * ONE) == "The certificate was valid until 10 Jun 2026."


def test_the_sentence_is_made_in_the_readers_language():
    sentence = Ability({"fiber": 1}, {"fiber": ((FIRST, LAST),)}).why_not("fiber", 1, LAST + ONE)
    with translation.override("en"):
        english = str(sentence)
    with translation.override("zh-hans"):
        assert str(sentence) != english


def test_abilities_cost_two_queries_for_any_number_of_people(boss, fiber, iptv, paper, django_assert_num_queries):
    people = [builders.person("technician") for _ in range(9)]
    for person in people:
        set_skill(user_id=person.pk, skill=fiber, level=2, by=boss)
        set_skill(user_id=person.pk, skill=iptv, level=5, by=boss)
        certify(boss, person, paper, number=f"A-{person.pk}")
    with django_assert_num_queries(2):
        found = abilities([person.pk for person in people])
    assert len(found) == 9
    assert all(ability.may_do("fiber", 2, DAY) and ability.may_do("iptv", 5, DAY) for ability in found.values())


def test_a_level_is_replaced_and_a_skill_can_be_dropped(boss, tech, iptv):
    for level in (2, 4, 4):
        set_skill(user_id=tech.pk, skill=iptv, level=level, by=boss)
    assert able(tech).levels == {"iptv": 4}
    for _ in range(2):
        drop_skill(user_id=tech.pk, skill=iptv, by=boss)
    assert able(tech).levels == {}
    trail = StaffRecord.objects.filter(about=tech)
    assert [(row.what, row.facts) for row in trail] == [
        ("skill_set", {"skill": "iptv", "level": 2, "before": None}),
        ("skill_set", {"skill": "iptv", "level": 4, "before": 2}),
        ("skill_dropped", {"skill": "iptv", "before": 4}),
    ]


def test_what_cannot_be_entered_names_its_field(boss, tech, iptv, paper):
    row = certify(boss, tech, paper)
    for attempt, field in [
        (lambda: set_skill(user_id=tech.pk, skill=iptv, level=0, by=boss), "level"),
        (lambda: set_skill(user_id=tech.pk, skill=iptv, level=6, by=boss), "level"),
        (lambda: set_skill(user_id=10**9, skill=iptv, level=1, by=boss), "person"),
        (lambda: certify(boss, tech, paper, number=" "), "number"),
        (lambda: certify(boss, tech, paper), "number"),
        (lambda: certify(boss, tech, paper, first=LAST, last=FIRST), "expires_on"),
        (lambda: revoke_certificate(certificate_id=row.pk, on=FIRST - ONE, by=boss), "on"),
        (lambda: revoke_certificate(certificate_id=row.pk, on=LAST + ONE, by=boss), "on"),
        (lambda: save_skill(code="two words", name_zh="Z", name_en="E", by=None), "code"),
        (lambda: save_skill(code="x", name_zh="Z", name_en=" ", by=None), "name_en"),
        (lambda: save_certificate_kind(code="x", name_zh="", name_en="E", by=None), "name_zh"),
    ]:
        with pytest.raises(InvalidInput) as refusal:
            attempt()
        assert refusal.value.field == field
    assert (UserSkill.objects.count(), Certificate.objects.count(), Skill.objects.count()) == (0, 1, 1)
    revoke_certificate(certificate_id=row.pk, on=DAY, by=boss)
    with pytest.raises(InvalidInput):
        revoke_certificate(certificate_id=row.pk, on=DAY, by=boss)


@pytest.mark.parametrize("role", ["agent", "dispatcher", "lead", "auditor", "technician"])
def test_only_those_who_judge_change_skills(boss, tech, iptv, paper, role):
    person, row = builders.person(role), certify(boss, tech, paper)
    for attempt in (
        lambda: set_skill(user_id=tech.pk, skill=iptv, level=1, by=person),
        lambda: drop_skill(user_id=tech.pk, skill=iptv, by=person),
        lambda: certify(person, tech, paper, number="B"),
        lambda: revoke_certificate(certificate_id=row.pk, on=DAY, by=person),
        lambda: save_skill(code="x", name_zh="Z", name_en="E", by=person),
        lambda: save_certificate_kind(code="x", name_zh="Z", name_en="E", by=person),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    assert (UserSkill.objects.count(), Certificate.objects.filter(revoked_on=None).count()) == (0, 1)


def test_nobody_judges_themselves(boss, iptv, paper):
    mine = certify(builders.person("head"), boss, paper)
    for attempt in (
        lambda: set_skill(user_id=boss.pk, skill=iptv, level=5, by=boss),
        lambda: drop_skill(user_id=boss.pk, skill=iptv, by=boss),
        lambda: certify(boss, boss, paper, number="B"),
        lambda: revoke_certificate(certificate_id=mine.pk, on=DAY, by=boss),
    ):
        with pytest.raises(NotAllowed):
            attempt()


def test_expiring_are_those_whose_last_day_comes_and_that_nothing_follows(boss, tech, paper):
    other = builders.person("technician")
    soon = certify(boss, tech, paper)
    later = certify(boss, other, paper, last=LAST + 20 * ONE, number="B")
    certify(boss, builders.person("technician"), paper, last=LAST + 31 * ONE, number="C")
    gone = builders.person("technician", is_active=False)
    Certificate.objects.create(user=gone, kind=paper, number="D", issued_on=FIRST, expires_on=LAST)
    taken = certify(boss, builders.person("technician"), paper, number="E")
    revoke_certificate(certificate_id=taken.pk, on=DAY, by=boss)
    assert expiring(LAST, 30) == [soon, later]
    assert expiring(LAST, 0) == [soon]
    assert expiring(LAST + ONE, 30) == [later, *expiring(LAST + 31 * ONE, 0)]
    certify(boss, tech, paper, first=LAST, last=LAST + 365 * ONE, number="A-2")
    assert expiring(LAST, 30) == [later]


@pytest.mark.parametrize("change", [lambda rows: rows.update(what="x"), lambda rows: rows.delete()])
def test_the_trail_only_grows(boss, tech, iptv, change):
    set_skill(user_id=tech.pk, skill=iptv, level=1, by=boss)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(StaffRecord.objects.filter(about=tech))
    assert StaffRecord.objects.filter(about=tech, what="skill_set").exists()


@pytest.mark.postgres
def test_the_trail_is_not_emptied_as_a_whole_and_has_no_door_for_erasure(boss, tech, iptv):
    set_skill(user_id=tech.pk, skill=iptv, level=1, by=boss)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL servicecenter.erasure = 'request 17'")
        for statement in ("TRUNCATE staff_staffrecord", "DELETE FROM staff_staffrecord"):
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                cursor.execute(statement)
