"""The end of a session: set at sign-in, told with every answer, put off by the person alone."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse

from common import session
from staff.permissions import Role
from tests import builders
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
LIFE = timedelta(seconds=settings.SESSION_COOKIE_AGE)


def signed_in(role: str = "agent", at: datetime = MONDAY) -> Client:
    client = Client()
    with time_machine.travel(at, tick=False):
        client.force_login(builders.person(role, team=None))
    return client


def left(client: Client, at: datetime, name: str = "session") -> int | None:
    """What an answer at this time says; None once the session has ended."""
    with time_machine.travel(at, tick=False):
        answer = client.get(reverse(name))
    return None if answer.status_code == 302 else int(answer["X-Session-Left"])


@pytest.mark.parametrize("role", Role)
def test_every_role_is_told_with_every_answer_how_long_it_lasts(role: str) -> None:
    client = signed_in(role)
    assert left(client, MONDAY) == LIFE.total_seconds()
    assert left(client, MONDAY + timedelta(hours=2)) == (LIFE - timedelta(hours=2)).total_seconds()


def test_a_page_brings_the_question_and_the_seconds_with_it() -> None:
    client = signed_in()
    with time_machine.travel(MONDAY + timedelta(hours=2), tick=False):
        page = client.get(reverse("desk:queue")).content.decode()
    assert 'id="session-end"' in page
    assert f'data-left="{int((LIFE - timedelta(hours=2)).total_seconds())}"' in page


def test_asking_for_what_is_new_prolongs_nothing() -> None:
    client = signed_in()
    almost = MONDAY + LIFE - timedelta(seconds=5)
    assert left(client, almost, "desk:changes") == 5
    assert left(client, almost, "session") == 5
    assert left(client, MONDAY + LIFE + timedelta(seconds=1), "desk:changes") is None


def test_what_is_saved_into_the_session_does_not_move_its_end() -> None:
    client = signed_in()
    with time_machine.travel(MONDAY + timedelta(hours=11), tick=False):
        kept = client.session
        kept["remembered"] = "something"
        kept.save()
    assert left(client, MONDAY + LIFE + timedelta(seconds=1)) is None


def test_who_says_so_stays_an_hour_longer_and_again() -> None:
    client = signed_in()
    late = MONDAY + LIFE - timedelta(seconds=100)
    for _time in range(3):
        with time_machine.travel(late, tick=False):
            answer = client.post(reverse("session"))
        assert (answer.status_code, answer["X-Session-Left"]) == (204, str(int(session.LONGER.total_seconds())))
        late += session.LONGER - timedelta(seconds=100)
        assert left(client, late) == 100


def test_staying_never_makes_it_shorter() -> None:
    client = signed_in()
    with time_machine.travel(MONDAY, tick=False):
        client.post(reverse("session"))
    assert left(client, MONDAY) == LIFE.total_seconds()


def test_after_the_end_nobody_can_stay() -> None:
    client = signed_in()
    with time_machine.travel(MONDAY + LIFE + timedelta(seconds=1), tick=False):
        assert client.post(reverse("session"))["Location"].startswith(settings.LOGIN_URL)


def test_strangers_have_no_session_to_keep(client: Client) -> None:
    for answer in (client.get(reverse("session")), client.post(reverse("session"))):
        assert answer["Location"].startswith(settings.LOGIN_URL)
        assert "X-Session-Left" not in answer
    assert "X-Session-Left" not in client.get("/")


def test_only_a_form_of_ours_keeps_it() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(builders.person("agent"))
    assert client.post(reverse("session")).status_code == 403
