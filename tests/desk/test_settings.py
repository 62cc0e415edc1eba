"""Settings: what gave up can be tried again, what holds can be read, and people can be changed."""

from __future__ import annotations

import logging

import pytest
from django.test import Client
from django.urls import reverse

from common import clock
from notifications.models import Message
from sla.models import CalendarVersion, Timer
from sla.timers import MOST_ATTEMPTS
from staff.models import Team, User
from tests import builders
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db


def enter(client, role, **fields):
    person = builders.person(role, language="en", **fields)
    client.force_login(person)
    return person


@pytest.fixture
def administrator(client):
    builders.house()
    return enter(client, "administrator", team=None)


def text_of(answer):
    return answer.content.decode()


# --- parked work -----------------------------------------------------------------------------------------------------


@pytest.fixture
def parked():
    """A timer that gave up and a message that failed."""
    builders.house()
    ticket = builders.ticket(builders.person("agent"))
    timer = Timer.objects.filter(case=ticket).first()
    Timer.objects.filter(pk=timer.pk).update(
        parked_at=MONDAY, attempts=MOST_ATTEMPTS, error="LookupError: <no> handler"
    )
    message = Message.objects.get(case=ticket)
    Message.objects.filter(pk=message.pk).update(state="failed", attempts=8, error="SMTPServerDisconnected: gone")
    return timer, message


def test_what_gave_up_is_listed_with_its_reason(client, parked):
    enter(client, "supervisor")
    text = text_of(client.get(reverse("desk:parked")))
    assert "LookupError: &lt;no&gt; handler" in text
    assert "SMTPServerDisconnected: gone" in text
    assert parked[0].case.number in text


def test_nothing_parked_is_said_so(client, administrator):
    assert "No parked timer" in text_of(client.get(reverse("desk:parked")))


def test_trying_again_is_logged_with_who_asked(client, parked, caplog):
    person = enter(client, "supervisor")
    timer, message = parked
    with caplog.at_level(logging.INFO, "desk.views.settings"):
        client.post(reverse("desk:retry_timers"), {"id": timer.pk})
        client.post(reverse("desk:retry_messages"), {"id": message.pk})
    timer.refresh_from_db()
    message.refresh_from_db()
    assert (timer.parked_at, timer.attempts) == (None, 0)
    assert (message.state, message.attempts) == ("queued", 0)
    logged = [record.getMessage() for record in caplog.records if record.name == "desk.views.settings"]
    assert len(logged) == 2
    assert all(line.endswith(f"retried by {person.pk}") for line in logged)


def test_what_somebody_else_retried_first_is_no_error(client, parked):
    enter(client, "supervisor")
    timer, message = parked
    for _ in range(2):
        assert client.post(reverse("desk:retry_timers"), {"id": [timer.pk, 999999, "x"]}).status_code == 302
        assert client.post(reverse("desk:retry_messages"), {"id": message.pk}).status_code == 302
    assert "Nothing was left to try again." in text_of(client.get(reverse("desk:parked")))


# --- calendars and policies ------------------------------------------------------------------------------------------


def test_a_calendar_shows_its_year_with_holidays_and_make_up_days(client, administrator):
    text = text_of(client.get(reverse("desk:calendars"), {"name": "china", "year": "2026"}))
    assert text.count('<table class="month">') == 12
    assert "National Day" in text
    assert text.count("Make-up working day") >= 5
    assert "Holidays known until" in text
    with clock.simulated(MONDAY):
        assert "is-today" in text_of(client.get(reverse("desk:calendars"), {"name": "china"}))


def test_a_year_without_announced_holidays_says_so(client, administrator):
    through = CalendarVersion.objects.get(name="china").calendar.complete_through
    text = text_of(client.get(reverse("desk:calendars"), {"name": "china", "year": through.year + 1}))
    assert "not announced yet" in text
    assert "not announced yet" not in text_of(client.get(reverse("desk:calendars"), {"name": "always", "year": 2040}))


@pytest.mark.parametrize("year", ["9999", "1", "abc", "", "٢٠٢٦"])
def test_a_strange_year_or_name_shows_what_there_is(client, administrator, year):
    assert client.get(reverse("desk:calendars"), {"name": "nowhere", "year": year}).status_code == 200


def test_the_rules_in_force_read_as_sentences(client, administrator):
    text = text_of(client.get(reverse("desk:policies")))
    for words in (
        "First reply",
        "15 min",
        "From receipt until first reply",
        "30 min after the start: tells the team lead",
        "At 50% of the time: tier T2, tells the team lead",
        "4 h after the miss: tells the head",
        "while waiting for the customer",
        "Legal repair limit",
        "By law",
        "Fault · in the country",
    ):
        assert words in text, words
    for code in ("first_response", "visit_needed", "notice_accepted", "pending", "china-office"):
        assert code not in text


def test_without_anything_loaded_the_pages_say_so(client):
    enter(client, "administrator")
    assert "No calendar is loaded" in text_of(client.get(reverse("desk:calendars")))
    assert "No policy is loaded" in text_of(client.get(reverse("desk:policies")))


# --- people ----------------------------------------------------------------------------------------------------------


def test_a_person_can_be_added_and_sign_in(client, administrator):
    team = builders.team()
    answer = client.post(
        reverse("desk:add_person"),
        {"username": "lina", "name": "李娜", "role": "lead", "team": team.pk, "password": "a long password"},
    )
    assert answer["Location"] == reverse("desk:people")
    lina = User.objects.get(username="lina")
    assert (lina.name, lina.role, lina.team, lina.check_password("a long password")) == ("李娜", "lead", team, True)


def test_what_cannot_be_taken_is_said_at_its_field_and_nothing_else_is_lost(client, administrator):
    answer = client.post(
        reverse("desk:add_person"), {"username": "lina", "name": "李娜", "role": "agent", "password": "12345"}
    )
    assert answer.status_code == 422
    assert 'value="李娜"' in text_of(answer)
    assert "at least 10 characters" in text_of(answer)
    answer = client.post(
        reverse("desk:add_person"), {"username": "lina", "role": "king", "password": "a long password"}
    )
    assert answer.status_code == 422
    assert not User.objects.filter(username="lina").exists()


def test_role_team_and_sign_in_can_be_changed(client, administrator):
    person, team = builders.person("agent"), builders.team("billing")
    client.post(reverse("desk:person", args=[person.pk]), {"name": "Anna", "role": "senior", "team": team.pk})
    changed = User.objects.get(pk=person.pk)
    assert (changed.name, changed.role, changed.team, changed.is_active) == ("Anna", "senior", team, False)


def test_nobody_changes_their_own_role(client, administrator):
    builders.person("administrator")
    for fields in ({"role": "agent", "is_active": "on"}, {"role": "administrator"}):
        answer = client.post(reverse("desk:person", args=[administrator.pk]), {"name": "Me", **fields})
        assert answer.status_code == 422
        assert "Ask another administrator." in text_of(answer)
    assert User.objects.get(pk=administrator.pk).role == "administrator"


def test_a_new_password_ends_the_open_sessions(client, administrator):
    person = builders.person("agent")
    elsewhere = Client()
    elsewhere.force_login(person)
    client.post(reverse("desk:person_password", args=[person.pk]), {"password": "another long one"})
    assert elsewhere.get(reverse("desk:notices")).status_code == 302
    assert User.objects.get(pk=person.pk).check_password("another long one")
    refused = client.post(reverse("desk:person_password", args=[person.pk]), {"password": "short"})
    assert refused.status_code == 422


def test_teams_can_be_added_and_renamed(client, administrator):
    client.post(reverse("desk:add_team"), {"code": "billing", "name_zh": "Z", "name_en": "Billing", "dispatches": "on"})
    team = Team.objects.get(code="billing")
    assert team.dispatches
    client.post(reverse("desk:team_settings", args=[team.pk]), {"name_zh": "Z", "name_en": "Bills", "code": "other"})
    team.refresh_from_db()
    assert (team.code, team.name_en, team.dispatches) == ("billing", "Bills", False)
    twice = client.post(reverse("desk:add_team"), {"code": "billing", "name_zh": "Z", "name_en": "Billing"})
    assert twice.status_code == 422
    assert "Another team has this code." in text_of(twice)


# --- who may ---------------------------------------------------------------------------------------------------------

MAY = {
    # address: roles that get 200 (GET)
    "parked": {"supervisor", "auditor", "administrator"},
    "calendars": {"supervisor", "auditor", "administrator"},
    "policies": {"supervisor", "auditor", "administrator"},
    "people": {"auditor", "administrator"},
    "outages": {"agent", "lead", "supervisor", "auditor"},
}
MAY_POST = {
    "retry_timers": {"supervisor", "administrator"},
    "retry_messages": {"supervisor", "administrator"},
    "add_person": {"administrator"},
    "add_team": {"administrator"},
    "enter_outage": {"supervisor"},
}
WITH_KEY = ("person", "person_password", "team_settings")


def test_who_may_open_and_who_may_act(client):
    builders.house()
    for name in [*MAY, *MAY_POST]:
        assert client.get(reverse(f"desk:{name}"))["Location"].startswith("/sign-in/")
    for role in ("agent", "lead", "supervisor", "auditor", "administrator"):
        person = enter(client, role)
        for name, roles in MAY.items():
            assert client.get(reverse(f"desk:{name}")).status_code == (200 if role in roles else 403), (role, name)
        for name, roles in MAY_POST.items():
            status = client.post(reverse(f"desk:{name}")).status_code
            assert status in ((302, 422) if role in roles else (403,)), (role, name)
        for name in WITH_KEY:
            key = person.team.pk if name == "team_settings" else person.pk
            status = client.post(reverse(f"desk:{name}", args=[key])).status_code
            # Sent empty: an administrator is told what is missing.
            assert status in ((200, 422) if role == "administrator" else (403,)), (role, name)


def test_the_auditor_sees_people_but_no_buttons(client):
    builders.house()
    enter(client, "auditor")
    text = text_of(client.get(reverse("desk:people")))
    assert "Add a person" not in text
    assert "Try again" not in text_of(client.get(reverse("desk:parked")))


def test_lists_cost_the_same_however_long(client, administrator, django_assert_max_num_queries):
    for _ in range(20):
        builders.person("agent")
    with django_assert_max_num_queries(10):
        client.get(reverse("desk:people"))
