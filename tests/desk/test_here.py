"""Who else is at a ticket, and who is writing: told by the change feed, kept nowhere but in the cache.

Lesson 28, with tests/desk/test_sending.py for what happens when both answer.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.cache.backends.db import DatabaseCache
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from redis.exceptions import ConnectionError as RedisAway

from common import clock
from desk import here
from tests import builders
from tests.builders import MONDAY
from tests.desk.test_queue import statements
from tickets.models import Ticket

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _house():
    builders.house()
    cache.clear()
    with clock.simulated(MONDAY):
        yield


@pytest.fixture
def chen():
    return builders.person("agent", "chen", name="Chen Si", language="en")


@pytest.fixture
def wang():
    return builders.person("agent", "wang", name="Wang Fang", language="en")


@pytest.fixture
def ticket(chen):
    return builders.ticket(chen)


def poll(client, person, **asked):
    client.force_login(person)
    return client.get(reverse("desk:changes"), asked)


def seen(client, person, ticket, **asked):
    """The sentences that this person reads at the ticket; None where the feed says nothing of it."""
    facts = [fact for fact in poll(client, person, on=ticket.pk, **asked).json()["facts"] if fact["kind"] == "here"]
    return [group["words"] for group in facts[0]["groups"]] if facts else None


def test_who_is_at_a_ticket_sees_the_others_and_not_oneself(client, chen, wang, ticket):
    assert seen(client, chen, ticket) == []
    assert seen(client, wang, ticket) == ["Chen Si is viewing"]
    assert seen(client, chen, ticket) == ["Wang Fang is viewing"]


def test_who_is_writing_comes_first_and_is_marked(client, chen, wang, ticket):
    lead = builders.person("lead", "li", name="Li Wen")
    seen(client, wang, ticket, writing="1")
    seen(client, lead, ticket)
    facts = poll(client, chen, on=ticket.pk).json()["facts"]
    assert facts[-1] == {
        "kind": "here",
        "id": ticket.pk,
        "groups": [
            {"writing": True, "faces": [{"initials": "WF", "hue": 3}], "words": "Wang Fang is replying"},
            {"writing": False, "faces": [{"initials": "LW", "hue": 3}], "words": "Li Wen is viewing"},
        ],
    }
    seen(client, wang, ticket)
    assert seen(client, chen, ticket) == ["Wang Fang and 1 other are viewing"]


def test_writing_stops_nobody_and_changes_nothing_of_the_case(client, chen, wang, ticket):
    before = Ticket.objects.values().get(pk=ticket.pk)
    seen(client, wang, ticket, writing="1")
    assert Ticket.objects.values().get(pk=ticket.pk) == before
    sent = reverse("desk:do", args=[ticket.number, "reply"])
    client.force_login(chen)
    assert client.post(sent, {"body": "We look at it"}).status_code == 302


def test_an_auditor_sees_who_is_there_and_is_never_shown_as_writing(client, chen, wang, ticket):
    auditor = builders.person("auditor", "audit", name="An Dit", language="en")
    seen(client, wang, ticket, writing="1")
    assert seen(client, auditor, ticket, writing="1") == ["Wang Fang is replying"]
    assert seen(client, wang, ticket) == ["An Dit is viewing"]


def test_who_may_not_see_the_ticket_neither_learns_nor_shows(client, chen, ticket):
    far = builders.person("agent", "far", team=builders.team("far"))
    administrator = builders.person("administrator", "root")
    seen(client, chen, ticket)
    assert seen(client, far, ticket) is None
    assert seen(client, administrator, ticket) is None
    assert seen(client, chen, ticket) == []
    client.logout()
    assert client.get(reverse("desk:changes"), {"on": ticket.pk})["Location"].startswith("/sign-in/")


def test_who_goes_on_to_another_ticket_is_gone_from_the_first(client, chen, wang, ticket):
    other = builders.ticket(chen, customer=None)
    seen(client, wang, ticket, writing="1")
    assert seen(client, wang, other, left=ticket.pk) == []
    assert seen(client, chen, ticket) == []
    assert seen(client, chen, other, left=ticket.pk) == ["Wang Fang is viewing"]


def test_nobody_takes_away_the_place_of_another(client, chen, wang, ticket):
    seen(client, wang, ticket)
    poll(client, chen, left=ticket.pk)
    assert seen(client, chen, ticket) == ["Wang Fang is viewing"]


def test_who_comes_while_another_is_taking_the_same_place_gets_the_next(chen, wang, ticket, monkeypatch):
    """Both read an empty cache; a list of names that each writes back would lose one of them."""
    with monkeypatch.context() as patched:
        patched.setattr(cache, "get_many", lambda keys: {})
        here.others(ticket.pk, chen, writing=False)
        here.others(ticket.pk, wang, writing=False)
    kept = cache.get_many([f"here-{ticket.pk}-{place}" for place in range(here.PLACES)])
    assert sorted(here.Reader(*reader).person for reader in kept.values()) == sorted([chen.pk, wang.pk])


def test_more_readers_than_places_are_refused_nothing(client, ticket):
    for number in range(here.PLACES + 2):
        person = builders.person("agent", f"a{number}", name=f"Agent {number}", language="en")
        assert poll(client, person, on=ticket.pk).status_code == 200
    assert seen(client, person, ticket) == [f"Agent 0 and {here.PLACES - 1} others are viewing"]


def test_a_sign_that_says_nothing_new_is_not_written_again_before_its_time(chen, ticket, monkeypatch):
    written = []
    monkeypatch.setattr(cache, "set", lambda *given: written.append(given))
    for seconds, writing in [(0, False), (5, False), (9, True), (10, False)]:
        with clock.simulated(MONDAY + timedelta(seconds=seconds)):
            here.others(ticket.pk, chen, writing=writing)
    assert [(kept[2], life) for _place, kept, life in written] == [(True, here.LIFE), (False, here.LIFE)]


def test_nothing_new_is_304_while_the_same_people_are_there(client, chen, wang, ticket):
    seen(client, wang, ticket)
    answer = poll(client, chen, on=ticket.pk)
    again = {"on": ticket.pk, "since": answer.json()["cursor"]}
    headers = {"If-None-Match": client.get(reverse("desk:changes"), again)["ETag"]}
    assert client.get(reverse("desk:changes"), again, headers=headers).status_code == 304
    seen(client, wang, ticket, writing="1")
    client.force_login(chen)
    assert client.get(reverse("desk:changes"), again, headers=headers).status_code == 200


def test_it_costs_the_feed_no_statement_of_its_own(client, chen, ticket):
    client.force_login(chen)

    def cost(**asked):
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("desk:changes"), {"since": 0, **asked})
        return len(statements(captured))

    assert cost(on=ticket.pk, writing="1") == cost()


def test_the_database_cache_keeps_it_as_well(chen, wang, ticket, monkeypatch):
    call_command("createcachetable", "here_cache", verbosity=0)
    monkeypatch.setattr(here, "cache", DatabaseCache("here_cache", {}))
    here.others(ticket.pk, wang, writing=False)
    here.others(ticket.pk, wang, writing=True)
    assert [reader.writing for reader in here.others(ticket.pk, chen, writing=False)] == [True]
    here.leave(ticket.pk, wang)
    assert here.others(ticket.pk, chen, writing=False) == []


def test_a_cache_that_is_away_shows_nobody_and_leaves_the_feed_alone(client, chen, ticket, monkeypatch):
    def away(*_given):
        raise RedisAway

    monkeypatch.setattr(cache, "get_many", away)
    assert seen(client, chen, ticket) == []
    assert poll(client, chen, left=ticket.pk).status_code == 200


@pytest.mark.parametrize("on", ["", "x", "-1", "²", "9" * 40])
def test_a_strange_key_is_no_ticket(client, chen, on):
    answer = poll(client, chen, on=on, left=on, since=on)
    assert [fact["kind"] for fact in answer.json()["facts"]] == ["counts", "presence"]
