"""The team's queue: who sees which team, in which order, and taking the next one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common import clock
from desk import lists
from desk.lists import TEAM, Listing
from desk.rows import list_view
from tests import builders
from tests.builders import MONDAY
from tests.desk.test_queue import statements
from tickets import services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
NOW = MONDAY + timedelta(hours=2)
EN = {"Accept-Language": "en"}
NEXT = "/desk/team/next/"


@pytest.fixture(autouse=True)
def _house():
    builders.house()
    with clock.simulated(NOW):
        yield


@pytest.fixture
def agent():
    return builders.person("agent", name="Chen", language="en")


def opened(person, subject, *, taken=False, at=MONDAY, **fields):
    ticket = builders.ticket(person, subject=subject, customer=None, at=at, **fields)
    return services.take_ticket(ticket_id=ticket.pk, by=person, at=at) if taken else ticket


def subjects(person, code=""):
    return [row.subject for row in list_view(person, Listing(TEAM, team=code), now=NOW).rows]


def get(client, person, address="/desk/team/", **options):
    client.force_login(person)
    return client.get(address, headers=EN, **options)


def test_a_stranger_is_sent_to_sign_in(client):
    assert client.get("/desk/team/").status_code == 302
    assert client.post(NEXT).status_code == 302


@pytest.mark.parametrize(
    ("role", "status"), [("agent", 200), ("lead", 200), ("dispatcher", 200), ("auditor", 200), ("administrator", 403)]
)
def test_who_may_open_it(client, role, status):
    assert get(client, builders.person(role)).status_code == status


def test_unassigned_first_then_what_falls_due_first(agent):
    opened(agent, "taken long ago", taken=True, at=MONDAY - timedelta(hours=3))
    opened(agent, "fresh", at=NOW)
    opened(agent, "older", at=MONDAY)
    assert subjects(agent) == ["older", "fresh", "taken long ago"]


def test_rows_asked_for_anew_bring_the_figure_beside_the_title_and_later_pages_do_not(client, agent, monkeypatch):
    monkeypatch.setattr(lists, "PAGE", 2)
    for number in range(3):
        opened(agent, f"free {number}", at=MONDAY + timedelta(minutes=number))
    client.force_login(agent)
    anew = client.get("/desk/team/", headers={"HX-Request": "true"}).text
    assert '<span id="list-total" hx-swap-oob="innerHTML">3</span>' in anew
    more = list_view(agent, Listing(TEAM), now=NOW).more_url
    assert "list-total" not in client.get(more, headers={"HX-Request": "true"}).text


def test_the_assignee_stands_in_the_row(client, agent):
    opened(agent, "taken", taken=True)
    text = get(client, builders.person("lead", language="en")).text
    assert "Chen" in text
    assert "Unassigned" in text


def test_each_team_sees_its_own_and_a_dispatcher_any(agent):
    elsewhere = builders.team("elsewhere")
    other, dispatcher = builders.person("agent", team=elsewhere), builders.person("dispatcher")
    opened(agent, "ours")
    opened(other, "theirs")
    assert subjects(agent) == ["ours"]
    assert subjects(agent, "elsewhere") == ["ours"]  # asking for another team shows nothing more
    assert sorted(subjects(dispatcher)) == ["ours", "theirs"]
    assert subjects(dispatcher, "elsewhere") == ["theirs"]


def test_pages_go_on_through_both_groups_and_tell_every_row_once(agent, monkeypatch):
    monkeypatch.setattr(lists, "PAGE", 2)
    for number in range(3):
        opened(agent, f"free {number}", at=MONDAY + timedelta(minutes=number))
    for number in range(3):
        opened(agent, f"taken {number}", taken=True, at=MONDAY + timedelta(minutes=number))
    seen, headings, after = [], [], ""
    for _page in range(5):
        view = list_view(agent, Listing(TEAM), now=NOW, after=after)
        seen += [row.subject for row in view.rows]
        headings += [group["heading"] for group in view.groups if group["heading"]]
        if not view.more_url:
            break
        after = dict(part.split("=") for part in view.more_url.split("?")[1].split("&"))["after"]
        after = after.replace("%3A", ":").replace("%2B", "+")
    assert seen == [f"free {n}" for n in range(3)] + [f"taken {n}" for n in range(3)]
    assert len(headings) == 2


def test_a_ticket_opened_from_the_teams_list_stands_in_the_teams_place(client, agent):
    ticket = opened(agent, "ours")
    address = reverse("desk:case", args=[ticket.number])
    for query, place in [("", "queue"), ("?list=team", "team")]:
        rail = get(client, agent, address + query).context["page"].rail
        assert [line.entry.key for line in rail if line.current] == [place]


@pytest.mark.parametrize("role", ["agent", "lead", "dispatcher", "auditor"])
def test_the_page_costs_at_most_eight_statements_whatever_it_shows(client, role, agent):
    person = builders.person(role)
    counts = []
    for more in (1, 9):
        for number in range(more):
            opened(agent, str(number), taken=bool(number % 2))
        client.force_login(person)
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/desk/team/").status_code == 200
        counts.append(len(statements(captured)))
    assert len(set(counts)) == 1, counts
    assert counts[0] <= 8, statements(captured)


# --- take the next one -----------------------------------------------------------------------------------------------


def test_the_most_urgent_one_is_taken_and_opened(client, agent):
    opened(agent, "later", at=NOW)
    urgent = opened(agent, "urgent", urgency="urgent", at=NOW)
    client.force_login(agent)
    answer = client.post(NEXT)
    assert (answer.status_code, answer["Location"]) == (302, reverse("desk:case", args=[urgent.number]))
    assert Ticket.objects.get(pk=urgent.pk).owner == agent
    assert "is yours now" in client.get(answer["Location"], headers=EN).text


def test_when_nothing_waits_the_page_says_so(client, agent):
    opened(builders.person("senior"), "only for seniors", complex=True)
    client.force_login(agent)
    answer = client.post(NEXT, follow=True, headers=EN)
    assert answer.redirect_chain == [("/desk/team/", 302)]
    assert "No ticket that you may take is waiting." in answer.text


def test_an_auditor_takes_nothing_and_is_told_who_can(client, agent):
    ticket = opened(agent, "free")
    auditor = builders.person("auditor", language="en")
    assert "Take the next one" not in get(client, auditor).text
    answer = client.post(NEXT)
    assert answer.status_code == 403
    assert "Senior agent" in answer.text
    assert Ticket.objects.get(pk=ticket.pk).owner is None


def test_taking_is_a_post(client, agent):
    assert get(client, agent, NEXT).status_code == 405
