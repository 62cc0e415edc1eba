"""Swapping and emergencies at the desk: who may, what is offered, what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appointments.models import Appointment
from appointments.states import State
from common import clock
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book
from tests.appointments.test_emergency import urgent
from tests.appointments.test_swap import pair
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
EN = {"Accept-Language": "en"}
HTMX = {**EN, "HX-Request": "true"}
AFTERNOON = TUESDAY_TEN + timedelta(hours=3)
ON = f"?on={int(TUESDAY_TEN.timestamp())}"


@pytest.fixture(autouse=True)
def _center():
    center.center()
    with clock.simulated(MONDAY):
        yield


def fresh(visit):
    return Appointment.objects.get(pk=visit.pk)


@pytest.mark.parametrize("name", ["swap", "emergency"])
@pytest.mark.parametrize(
    ("role", "status"), [("dispatcher", 200), ("lead", 200), ("auditor", 403), ("agent", 403), ("technician", 403)]
)
def test_who_may(client, name, role, status):
    center.technician("zhao")
    visit = book()
    address = f"/desk/c/{visit.number}/{name}/"
    assert client.get(address).status_code == 302
    client.force_login(builders.person(role))
    assert client.get(address).status_code == status
    assert client.post(address, {}).status_code == (422 if status == 200 else 403)
    assert fresh(visit).version == visit.version


def test_swapping_from_the_visit(client):
    first, second, zhao, qian = pair(second_at=AFTERNOON)
    center.technician("sun", skills={"iptv": 3})
    client.force_login(builders.person("dispatcher", language="en"))
    page = client.get(f"/desk/c/{first.number}/swap/", headers=HTMX).text
    assert "<html" not in page
    assert f'value="{second.pk}"' in page
    answer = client.post(f"/desk/c/{first.number}/swap/", {"other": second.pk, "reason": "Nearer"}, headers=HTMX)
    assert answer["HX-Redirect"] == f"/desk/c/{first.number}/"
    assert (fresh(first).owner, fresh(second).owner) == (qian, zhao)


def test_whoever_cannot_be_swapped_with_is_shown_with_the_reason(client):
    first, second, _zhao, qian = pair(second_at=AFTERNOON)
    qian.skills.update(level=1)
    client.force_login(builders.person("dispatcher", language="en"))
    page = client.get(f"/desk/c/{first.number}/swap/", headers=EN).text
    assert "Has level 1 in this skill; level 2 is needed." in page
    assert "disabled" in page
    answer = client.post(f"/desk/c/{first.number}/swap/", {"other": second.pk, "reason": "Nearer"}, headers=EN)
    assert answer.status_code == 422
    assert "Nearer" in answer.text
    for other in ("", "x", "999999"):
        assert client.post(f"/desk/c/{first.number}/swap/", {"other": other}, headers=EN).status_code == 422


def test_an_emergency_from_the_visit(client):
    center.technician("zhao")
    visit, alarm = book(), urgent()
    client.force_login(builders.person("dispatcher", language="en"))
    page = client.get(f"/desk/c/{alarm.number}/emergency/{ON}", headers=EN).text
    choice = f"{visit.pk}:{int(AFTERNOON.timestamp())}"
    assert f'value="{choice}"' in page
    assert "Breaks no promise" in page
    assert "What that customer will read" in page
    refused = client.post(f"/desk/c/{alarm.number}/emergency/{ON}", {"choice": choice, "reason": ""}, headers=EN)
    assert refused.status_code == 422
    assert "Say why the other visit has to wait." in refused.text
    assert f'value="{choice}" checked' in refused.text
    done = client.post(f"/desk/c/{alarm.number}/emergency/{ON}", {"choice": choice, "reason": "Alarm"}, headers=EN)
    assert done["Location"] == f"/desk/c/{alarm.number}/"
    assert (fresh(alarm).starts_at, fresh(visit).starts_at) == (TUESDAY_TEN, AFTERNOON)


@pytest.mark.parametrize("choice", ["", "x:y", "1:", ":5", "999999:1772503200"])
def test_a_choice_that_is_none(client, choice):
    center.technician("zhao")
    book()
    alarm = urgent()
    client.force_login(builders.person("dispatcher", language="en"))
    answer = client.post(f"/desk/c/{alarm.number}/emergency/", {"choice": choice, "reason": "Alarm"}, headers=EN)
    assert answer.status_code == 422
    assert fresh(alarm).state == State.REQUESTED
