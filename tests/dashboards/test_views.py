"""Who sees the board and its lists, what a refresh costs, and reassigning on the spot."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboards.figures import FIGURES, rows_behind
from staff.models import Presence
from staff.planning import plan_duty
from tests import builders
from tests.dashboards.center import NOW, Center
from tickets import ending, services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
LIVE, REFRESH = "/boards/live/", "/boards/live/refresh/"
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def _wednesday_afternoon():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def center(db):
    return Center(20)


def signed_in(person) -> Client:
    person.language = "en"
    person.save(update_fields=["language"])
    client = Client()
    client.force_login(person)
    return client


def text(answer) -> str:
    return answer.content.decode()


def listed(client, figure, query=""):
    return client.get(f"/boards/list/{figure}/{query}")


# --- who sees it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/boards/live/", "/boards/live/refresh/", "/boards/list/open/"])
def test_a_stranger_is_sent_to_sign_in(client, address):
    answer = client.get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"{settings.LOGIN_URL}?next={address}")


@pytest.mark.parametrize("address", ["/boards/live/", "/boards/live/refresh/", "/boards/list/open/"])
def test_an_agent_is_told_which_roles_can(address):
    answer = signed_in(builders.person("agent")).get(address)
    assert answer.status_code == 403
    assert "Dispatcher, Team lead, Supervisor, Head, Auditor" in text(answer)


@pytest.mark.parametrize("role", ["dispatcher", "supervisor", "head", "auditor"])
def test_these_see_all_teams_and_may_choose_one(center, role):
    client = signed_in(builders.person(role, team=None))
    assert client.get(LIVE).context["scope"].team is None
    assert client.get(LIVE + "?team=billing").context["scope"].team == center.billing
    assert client.get(LIVE + "?team=nowhere").status_code == 404


def test_a_lead_sees_the_own_team_only(center):
    client = signed_in(center.lead)
    page = client.get(LIVE)
    assert page.context["scope"].team == center.repair
    assert [strip.name for strip in page.context["board"].strips] == ["Repair"]
    assert {row.case.team_id for row in page.context["board"].actions} == {center.repair.pk}
    assert "Billing" not in text(page)
    assert client.get(LIVE + "?team=repair").status_code == 200
    refused = client.get(LIVE + "?team=billing")
    assert refused.status_code == 403
    assert "Dispatcher, Supervisor, Head, Auditor" in text(refused)


def test_the_period_is_today(center):
    client = signed_in(center.supervisor)
    assert client.get(LIVE + "?period=today").status_code == 200
    assert client.get(LIVE + "?period=week").status_code == 404


def test_the_rail_leads_to_the_boards(center):
    page = signed_in(center.supervisor).get(LIVE)
    [place] = [place for place in page.context["page"].rail if place.entry.key == "boards"]
    assert (place.url, place.current) == ("/boards/", True)
    assert signed_in(center.supervisor).get("/boards/")["Location"] == LIVE


# --- the page --------------------------------------------------------------------------------------------------------


def test_every_figure_links_to_its_list_under_the_same_filters(center):
    client = signed_in(center.supervisor)
    board = client.get(LIVE + "?team=billing").context["board"]
    for card, figure in zip([board.target, *board.cards], FIGURES, strict=False):
        assert card.url == f"/boards/list/{figure}/?team=billing"
        answer = client.get(card.url)
        assert answer.context["count"] == len(rows_behind(figure, center.scope(team=center.billing)))


def test_a_list_shows_every_row_once(center):
    for person, team in [(center.supervisor, None), (center.lead, center.repair), (center.auditor, None)]:
        client = signed_in(person)
        for figure in FIGURES:
            expected = rows_behind(figure, center.scope(person, team))
            shown = [
                (getattr(row, "deadline", None) or getattr(row, "case", row)).pk
                for page in range(1, len(expected) // 50 + 2)
                for row in listed(client, figure, f"?page={page}").context["rows"]
            ]
            assert shown == [row.pk for row in expected]


def test_a_list_narrows_by_hour_day_and_owner(center):
    client = signed_in(center.supervisor)
    board = client.get(LIVE).context["board"]
    for line in board.hours:
        for link in filter(None, (line.opened, line.target)):
            assert client.get(link.url).context["count"] == link.count
    for row in board.heat:
        for cell in filter(None, row.cells):
            assert client.get(cell.url).context["count"] == cell.count
    for strip in board.strips:
        for link in strip.links:
            assert client.get(link.url).context["count"] == link.count
    for agent in board.agents:
        assert client.get(agent.url).context["count"] == agent.load


@pytest.mark.parametrize(
    "query", ["nothing/", "open/?hour=24", "open/?hour=²", "missed/?day=yesterday", "open/?owner=nobody"]
)
def test_a_nonsense_address_is_not_found(center, query):
    assert signed_in(center.supervisor).get(f"/boards/list/{query}").status_code == 404


def test_an_empty_center_shows_empty_parts():
    client = signed_in(builders.person("supervisor", team=None))
    page = client.get(LIVE)
    assert page.status_code == 200
    assert "Nothing needs you now" in text(page)
    assert "No agents in this team yet" in text(page)
    for figure in FIGURES:
        assert "Nothing here at the moment" in text(listed(client, figure))


# --- what it costs ---------------------------------------------------------------------------------------------------


def statements(client, address):
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address).status_code == 200
    own = [query["sql"] for query in seen if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert not any(sql.startswith(("INSERT", "UPDATE", "DELETE", "BEGIN")) for sql in own)
    return len(own)


def test_statements_and_bytes_do_not_grow_with_the_tickets():
    center = Center(10)
    client = signed_in(center.supervisor)
    addresses = [LIVE, LIVE + "?team=billing", REFRESH]
    few = [statements(client, address) for address in addresses]
    for _ in range(190):
        center.live_through()
    assert [statements(client, address) for address in addresses] == few
    # Session, user and the rail included; a refresh asks first, in three statements, whether anything changed.
    assert few[0] == few[1] <= 14
    assert few[2] <= few[0] + 3
    assert len(gzip.compress(client.get(LIVE).content)) <= 20_000
    assert len(gzip.compress(client.get(REFRESH).content)) <= 12_000


def test_who_is_on_duty_now_is_on_the_board_and_nobody_is_said_too(center):
    boss = builders.person("head")
    guard = builders.person("supervisor", name="Guard", team=None)
    hour = timedelta(hours=1)
    plan_duty(user_id=guard.pk, starts_at=NOW - hour, ends_at=NOW + hour, role="supervisor", by=boss)
    client = signed_in(center.supervisor)
    for address in (LIVE, REFRESH):
        page = text(client.get(address))
        assert "<dt>Supervisor on duty</dt><dd>Guard</dd>" in page
        assert "<dt>Technical support on duty</dt><dd><span" in page
    with time_machine.travel(NOW + hour, tick=False):
        assert "<dd>Guard</dd>" not in text(client.get(LIVE))


# --- refreshing ------------------------------------------------------------------------------------------------------


def etag(client, after=""):
    answer = client.get(REFRESH, **({"HTTP_IF_NONE_MATCH": after} if after else {}))
    return answer.status_code, answer["ETag"]


def test_a_refresh_is_304_until_something_changes(center):
    client = signed_in(center.supervisor)
    status, first = etag(client)
    assert status == 200
    assert etag(client, first) == (304, first)
    assert etag(client, f"W/{first}") == (304, first)  # as it comes back when the answer was compressed

    ticket = builders.ticket(center.agents[0], customer=center.customer, at=NOW)
    status, second = etag(client, first)
    assert (status, second != first) == (200, True)
    services.assign_ticket(ticket_id=ticket.pk, owner=center.agents[1], by=None, at=NOW)
    status, third = etag(client, second)
    assert (status, third != second) == (200, True)

    agent = center.agents[0]
    agent.presence, agent.presence_since = Presence.BREAK, NOW
    agent.save()
    assert etag(client, third)[0] == 200


def test_a_clock_that_runs_out_is_a_change_without_any_event(center):
    ticket = builders.ticket(center.agents[0], customer=center.customer, at=NOW - timedelta(minutes=14, seconds=50))
    client = signed_in(center.supervisor)
    _status, first = etag(client)
    with time_machine.travel(NOW + timedelta(seconds=9), tick=False):
        assert etag(client, first)[0] == 304
    with time_machine.travel(NOW + timedelta(seconds=11), tick=False):
        assert etag(client, first)[0] == 200
        assert ticket.number in text(client.get(REFRESH)) or client.get(REFRESH).context["board"].action_count > 10
    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        assert etag(client, first)[0] == 200  # the page speaks of minutes


def test_a_304_asks_the_board_nothing(center):
    client = signed_in(center.supervisor)
    _status, first = etag(client)
    with CaptureQueriesContext(connection) as seen:
        assert etag(client, first)[0] == 304
    assert len(seen) <= 6


def test_another_team_language_or_person_is_another_answer(center):
    client = signed_in(center.supervisor)
    tags = {etag(client)[1], client.get(REFRESH + "?team=billing")["ETag"], etag(signed_in(center.auditor))[1]}
    center.supervisor.language = "zh-hans"
    center.supervisor.save()
    tags.add(etag(client)[1])
    assert len(tags) == 4


def test_the_fragment_is_the_same_parts_as_the_page(center):
    client = signed_in(center.supervisor)
    page, fragment = text(client.get(LIVE)), text(client.get(REFRESH))
    assert fragment.count("data-part") == 6
    assert "<html" not in fragment
    assert fragment.strip() in page


# --- reassigning -----------------------------------------------------------------------------------------------------


@pytest.fixture
def ticket(center):
    return builders.ticket(center.agents[0], customer=center.customer, team=center.repair, at=NOW - timedelta(hours=5))


def owner_of(ticket):
    return Ticket.objects.get(pk=ticket.pk).owner


def address(ticket):
    return reverse("dashboards:reassign", args=[ticket.number])


@pytest.mark.parametrize("who", ["supervisor", "lead"])
def test_reassigning_in_the_row(center, ticket, who):
    client = signed_in(getattr(center, who))
    form = client.get(address(ticket), **HTMX)
    assert f'<tbody id="row-{ticket.number}"' in text(form)
    assert "<html" not in text(form)
    agent = center.agents[1]
    answer = client.post(address(ticket), {"owner": agent.pk, "next": LIVE}, **HTMX)
    assert answer.status_code == 200
    assert f"{ticket.number} is now with {agent}." in text(answer)
    assert "<form" not in text(answer)
    assert owner_of(ticket) == agent


def test_each_person_is_offered_with_what_they_have_open_the_least_first(center, ticket):
    busy, idle = center.agents[0], center.agents[1]
    for _ in range(2):
        mine = builders.ticket(busy, customer=center.customer, team=center.repair, at=NOW)
        services.take_ticket(ticket_id=mine.pk, by=busy, at=NOW)
    form = text(signed_in(center.lead).get(address(ticket), **HTMX))
    lines = re.findall(r"<option[^>]*>([^<]*open \d+)</option>", form)
    mine = Ticket.objects.filter(owner=busy).open().count()
    assert f"open {mine}" in next(line for line in lines if line.startswith(busy.name))
    present = [int(line.rsplit(" ", 1)[1]) for line in lines if "Offline" not in line]
    assert present == sorted(present)
    assert any(line.startswith(idle.name) for line in lines)


def test_reassigning_without_script_returns_to_the_board(center, ticket):
    client = signed_in(center.supervisor)
    assert "<html" in text(client.get(address(ticket)))
    back = LIVE + "?team=repair"
    answer = client.post(address(ticket), {"owner": center.agents[1].pk, "next": back})
    assert (answer.status_code, answer["Location"]) == (302, back)
    assert owner_of(ticket) == center.agents[1]
    elsewhere = client.post(address(ticket), {"owner": center.agents[0].pk, "next": "https://elsewhere.example/"})
    assert elsewhere["Location"] == LIVE


def test_a_refusal_is_shown_in_the_row_and_changes_nothing(center):
    complex_one = builders.ticket(
        center.agents[0], customer=center.customer, team=center.repair, complex=True, at=NOW - timedelta(hours=5)
    )
    client, junior = signed_in(center.supervisor), center.agents[0]
    answer = client.post(address(complex_one), {"owner": junior.pk}, **HTMX)
    assert answer.status_code == 422
    assert "A complex ticket goes to a senior agent." in text(answer)
    assert f'value="{junior.pk}" selected' in text(answer)
    assert owner_of(complex_one) is None
    assert client.post(address(complex_one), {"owner": ""}, **HTMX).status_code == 422


def test_a_lead_gives_to_the_own_team_only(center, ticket):
    client = signed_in(center.lead)
    foreign = center.agents[5]
    assert foreign.name not in text(client.get(address(ticket), **HTMX))
    assert client.post(address(ticket), {"owner": foreign.pk}, **HTMX).status_code == 422
    assert owner_of(ticket) is None
    other = builders.ticket(foreign, customer=center.customer, team=center.billing, at=NOW)
    assert client.get(address(other)).status_code == 404
    assert client.post(address(other), {"owner": center.agents[1].pk}).status_code == 404


def test_an_auditor_reads_and_cannot_reassign(center, ticket):
    client = signed_in(center.auditor)
    assert "Reassign" not in text(client.get(LIVE))
    assert "Reassign" not in text(listed(client, "action"))
    refused = client.post(address(ticket), {"owner": center.agents[1].pk})
    assert refused.status_code == 403
    assert "Dispatcher, Team lead, Supervisor, Head" in text(refused)
    assert owner_of(ticket) is None


@pytest.mark.parametrize("who", ["agent", ""])
def test_who_may_not_see_the_board_may_not_reassign_on_it(center, ticket, who):
    client = signed_in(center.agents[0]) if who else Client()
    answer = client.post(address(ticket), {"owner": center.agents[1].pk})
    assert answer.status_code == (403 if who else 302)
    assert owner_of(ticket) is None


def test_a_resolved_ticket_is_refused_with_the_reason(center, ticket):
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="Reset", verified="test", by=None, at=NOW)
    answer = signed_in(center.supervisor).post(address(ticket), {"owner": center.agents[1].pk}, **HTMX)
    assert answer.status_code == 422
    assert "This is not possible while the state is “Resolved”." in text(answer)
    assert signed_in(center.supervisor).get("/boards/reassign/T-0000-0000/").status_code == 404
