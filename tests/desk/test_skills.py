"""The page of skills and certificates."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from django.urls import reverse

from common import clock
from staff.ability import abilities
from staff.models import Certificate, CertificateKind, Skill, UserSkill
from staff.qualifying import add_certificate, load_shipped_skills, revoke_certificate, set_skill
from tests import builders
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 2)


@pytest.fixture(autouse=True)
def _on_a_monday():
    with clock.simulated(MONDAY):
        load_shipped_skills()
        yield


@pytest.fixture
def boss(client):
    person = builders.person("supervisor", language="en", team=None)
    client.force_login(person)
    return person


@pytest.fixture
def anna():
    return builders.person("technician", name="Anna")


def text_of(answer):
    return answer.content.decode()


def plain(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def sheet(client):
    return text_of(client.get(reverse("desk:skills"), {"team": "repair"}))


def certify(person, days, number="A-1", **fields):
    return add_certificate(
        user_id=person.pk,
        kind=CertificateKind.objects.get(),
        number=number,
        issued_on=fields.pop("issued_on", TODAY - timedelta(days=400)),
        expires_on=TODAY + timedelta(days=days),
        by=None,
    )


def learn(person, code, level):
    return set_skill(user_id=person.pk, skill=Skill.objects.get(code=code), level=level, by=None)


# --- the sheet -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "tone", "words"),
    [
        (-1, "tag-over", "Expired"),
        (0, "tag-soon", "Last day today"),
        (1, "tag-soon", "1 day left"),
        (29, "tag-soon", "29 days left"),
        (30, "tag-ok", "Valid"),
    ],
)
def test_a_certificate_is_amber_in_its_last_thirty_days_and_red_after(client, boss, anna, days, tone, words):
    certify(anna, days)
    tag = re.search(r'<span class="tag ([a-z-]+)">(.*?)</span>', sheet(client))
    assert (tag[1], plain(tag[2])) == (tone, words)


def test_the_sheet_shows_levels_and_what_does_not_hold_without_a_certificate(client, boss, anna):
    learn(anna, "broadband", 4)
    text = sheet(client)
    assert "Level 4 of 5" in text
    assert "Has no valid certificate for this skill." in text
    certify(anna, 100)
    assert "Has no valid certificate" not in sheet(client)


def test_only_the_latest_certificate_that_holds_is_listed_the_page_of_the_person_has_all(client, boss, anna):
    certify(anna, -10)
    good = certify(anna, 200, "A-2", issued_on=TODAY - timedelta(days=20))
    later = certify(anna, 300, "A-3", issued_on=TODAY - timedelta(days=10))
    revoke_certificate(certificate_id=later.pk, on=TODAY, by=None)
    text = sheet(client)
    assert good.number in text
    assert "A-1" not in text
    assert "A-3" not in text
    text = text_of(client.get(reverse("desk:skills_person", args=[anna.pk])))
    assert [text.count(f">{number}<") for number in ("A-1", "A-2", "A-3")] == [1, 1, 1]
    assert "Revoked on 2 Mar 2026" in text
    # Only what still holds can be revoked.
    assert text.count('class="btn btn-danger"') == 1


def test_the_sheet_costs_the_same_however_many_people(client, boss, django_assert_max_num_queries):
    for number in range(12):
        person = builders.person("technician")
        learn(person, "broadband", 3)
        certify(person, 100, f"N-{number}")
    sheet(client)
    with django_assert_max_num_queries(18):
        sheet(client)


def test_a_house_without_skills_says_so(client, boss, anna):
    Skill.objects.all().delete()
    assert "No skill yet" in sheet(client)
    assert client.get(reverse("desk:skills_person", args=[anna.pk])).status_code == 200


# --- changing --------------------------------------------------------------------------------------------------------


def save(client, person, **levels):
    return client.post(reverse("desk:save_skills", args=[person.pk]), levels)


def test_levels_are_set_changed_and_dropped_at_once_and_what_is_not_sent_stays(client, boss, anna):
    learn(anna, "broadband", 2)
    learn(anna, "iptv", 2)
    learn(anna, "cable", 5)
    assert save(client, anna, broadband="4", iptv="", fiber="1").status_code == 302
    assert abilities([anna.pk])[anna.pk].levels == {"broadband": 4, "cable": 5, "fiber": 1}


def test_a_strange_level_is_refused_and_nothing_changes(client, boss, anna):
    learn(anna, "broadband", 2)
    for level in ("6", "0", "-1", "x", "2.5"):
        answer = save(client, anna, broadband="3", fiber=level)
        assert answer.status_code == 422
        assert "Choose one of the values offered." in text_of(answer)
    assert list(UserSkill.objects.values_list("level", flat=True)) == [2]


PAPER = {"number": "B-7", "issued_on": "2026-01-01", "expires_on": "2027-12-31"}


def add(client, person, **change):
    values = {"kind": CertificateKind.objects.get().pk, **PAPER, **change}
    return client.post(reverse("desk:add_paper", args=[person.pk]), values)


def test_a_certificate_is_entered_and_revoked(client, boss, anna):
    learn(anna, "fiber", 3)
    assert add(client, anna).status_code == 302
    assert abilities([anna.pk])[anna.pk].may_do("fiber", 3, TODAY)
    paper = Certificate.objects.get()
    address = reverse("desk:revoke_paper", args=[anna.pk, paper.pk])
    for values, words in (
        ({"on": "2025-12-31", "reason": "Left"}, "between its issue and its expiry"),
        ({"on": "2026-03-02", "reason": ""}, "Please fill this in."),
        ({"on": "", "reason": "Exam failed"}, "Please fill this in."),
    ):
        answer = client.post(address, values)
        assert answer.status_code == 422
        assert words in text_of(answer)
        assert not values["reason"] or f'value="{values["reason"]}"' in text_of(answer)
    assert abilities([anna.pk])[anna.pk].may_do("fiber", 3, TODAY)
    assert client.post(address, {"on": "2026-03-02", "reason": "Exam failed"}).status_code == 302
    assert not abilities([anna.pk])[anna.pk].may_do("fiber", 3, TODAY)
    assert client.post(reverse("desk:revoke_paper", args=[boss.pk, paper.pk])).status_code == 404


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": ""}, "Please fill this in."),
        ({"kind": "999999"}, "Choose one of the values offered."),
        ({"number": " "}, "Please fill this in."),
        ({"number": "9" * 61}, "at most 60 characters"),
        ({"expires_on": "2025-12-31"}, "A certificate expires after it was issued."),
        ({"issued_on": "2026-02-30"}, "Enter a valid date."),
        ({"number": "A-1", "issued_on": "2025-01-26"}, "This certificate is entered already."),
    ],
)
def test_a_certificate_that_cannot_be_is_said_and_keeps_what_was_typed(client, boss, anna, change, words):
    certify(anna, 100)
    assert Certificate.objects.get().issued_on == date(2025, 1, 26)
    answer = add(client, anna, **change)
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert f'value="{change.get("issued_on", PAPER["issued_on"])}"' in text_of(answer)
    assert Certificate.objects.count() == 1


def test_skills_and_kinds_are_added_and_changed(client, boss):
    kind = CertificateKind.objects.get()
    values = {"code": "sip", "name_zh": "Z", "name_en": "Telephony", "certificate_kind": kind.pk}
    assert client.post(reverse("desk:add_skill"), values).status_code == 302
    assert (
        client.post(reverse("desk:add_skill"), {**values, "name_en": "SIP", "certificate_kind": ""}).status_code == 302
    )
    assert Skill.objects.values_list("name_en", "certificate_kind").get(code="sip") == ("SIP", None)
    names = {"code": "driving", "name_zh": "Z", "name_en": "Driving"}
    assert client.post(reverse("desk:add_kind"), names).status_code == 302
    assert CertificateKind.objects.filter(code="driving").exists()
    for name in ("add_skill", "add_kind"):
        answer = client.post(reverse(f"desk:{name}"), {**names, "code": "two words"})
        assert answer.status_code == 422
        assert 'value="two words"' in text_of(answer)


def test_nobody_changes_their_own(client, boss):
    text = text_of(client.get(reverse("desk:skills_person", args=[boss.pk])))
    assert "Enter a certificate" not in text
    for answer in (save(client, boss, broadband="5"), add(client, boss)):
        assert answer.status_code == 422
        assert "Nobody changes their own skills and certificates." in text_of(answer)
    assert (UserSkill.objects.count(), Certificate.objects.count()) == (0, 0)


# --- who may ---------------------------------------------------------------------------------------------------------

ROLES = ("agent", "technician", "auditor", "dispatcher", "lead", "supervisor", "administrator")
READ = {"auditor", "dispatcher", "lead", "supervisor", "administrator"}
CHANGE = {"supervisor", "administrator"}


def test_who_may_open_and_who_may_change(client, anna):
    paper = certify(anna, 100)
    opens = [reverse("desk:skills"), reverse("desk:skills_person", args=[anna.pk])]
    acts = [reverse("desk:add_skill"), reverse("desk:add_kind")]
    acts += [reverse(f"desk:{name}", args=[anna.pk]) for name in ("save_skills", "add_paper")]
    acts.append(reverse("desk:revoke_paper", args=[anna.pk, paper.pk]))
    for address in [*opens, *acts]:
        assert client.post(address)["Location"].startswith("/sign-in/")
    for role in ROLES:
        client.force_login(builders.person(role))
        for address in opens:
            assert client.get(address).status_code == (200 if role in READ else 403), (role, address)
        for address in acts:
            status = client.post(address).status_code
            assert status in ((302, 422) if role in CHANGE else (403,)), (role, address)
    assert Certificate.objects.get().revoked_on is None


@pytest.mark.parametrize("role", ["auditor", "lead"])
def test_who_only_reads_sees_no_buttons(client, anna, role):
    certify(anna, 100)
    client.force_login(builders.person(role, language="en"))
    text = sheet(client) + text_of(client.get(reverse("desk:skills_person", args=[anna.pk])))
    assert "A-1" in text
    for words in ("Add or change", "Revoke", "Enter a certificate", 'class="btn btn-p">'):
        assert words not in text
