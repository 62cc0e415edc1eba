"""The table of permissions, written down a second time: a change of who may what is made in two places, on purpose."""

from __future__ import annotations

import pytest
from django.urls import reverse

from staff.permissions import TABLE, Role, may, roles_that_may
from tests import builders

WORKERS = "agent senior dispatcher lead supervisor head"
PLANNERS = "dispatcher lead supervisor head"
EXPECTED = {
    "desk.open": f"{WORKERS} auditor",
    "cases.see_all_teams": "dispatcher supervisor head auditor",
    "customers.see": f"{WORKERS} auditor",
    "customers.change": WORKERS,
    "customers.reveal": WORKERS,
    "customers.grade": "lead supervisor head",
    "tickets.open": WORKERS,
    "tickets.work": WORKERS,
    "tickets.take_any": "senior dispatcher lead supervisor head",
    "tickets.take_complex": "senior lead supervisor head",
    "tickets.assign": PLANNERS,
    "tickets.review": "lead supervisor head",
    "tickets.escalate": WORKERS,
    "tickets.reclassify": WORKERS,
    "tickets.cancel": WORKERS,
    "tickets.pause_beyond_cap": "lead supervisor head",
    "visits.work": "technician",
    "appointments.book": WORKERS,
    "appointments.see": f"{WORKERS} auditor",
    "appointments.override": "lead supervisor head",
    "dispatch.open": f"{PLANNERS} auditor",
    "dispatch.change": PLANNERS,
    "outages.change": "supervisor head",
    "boards.open": f"{PLANNERS} auditor",
    "boards.all_teams": "dispatcher supervisor head auditor",
    "settings.calendars": "supervisor head auditor administrator",
    "settings.policies": "supervisor head auditor administrator",
    "settings.people": "auditor administrator",
    "settings.change_people": "administrator",
    "settings.working_time": f"{PLANNERS} auditor administrator",
    "settings.change_working_time": f"{PLANNERS} administrator",
    "settings.change_duty": "supervisor head administrator",
    "settings.skills": f"{PLANNERS} auditor administrator",
    "settings.change_skills": "supervisor head administrator",
    "settings.parked": "supervisor head auditor administrator",
    "settings.retry_parked": "supervisor head administrator",
    "outbox.read": "supervisor head auditor administrator",
}


@pytest.mark.parametrize("ability", sorted(TABLE.keys() | EXPECTED.keys()))
def test_the_table_says_who_may(ability):
    assert {role for role in Role.values if may(role, ability)} == set(EXPECTED[ability].split())


def test_an_unknown_ability_is_a_mistake():
    with pytest.raises(KeyError):
        may("head", "coffee.make")


def test_the_roles_to_ask_come_in_the_order_of_the_roles():
    assert roles_that_may("tickets.review") == [Role.LEAD, Role.SUPERVISOR, Role.HEAD]


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role.values)
def test_after_signing_in_everybody_stands_on_a_page_that_opens(client, role):
    builders.house()
    person = builders.person(role)
    answer = client.post(reverse("sign_in"), {"username": person.username, "password": "correct horse"}, follow=True)
    assert answer.status_code == 200, answer.redirect_chain
    assert answer.redirect_chain[-1][0] != reverse("sign_in")
    assert len(answer.redirect_chain) <= 2
