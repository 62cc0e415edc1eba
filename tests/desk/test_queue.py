"""My queue: what belongs to whom, in which order, at what cost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from appointments.services import cancel_appointment
from common import clock
from desk import lists
from desk.lists import Listing, Place
from desk.rows import list_view
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN
from tests.builders import MONDAY
from tests.proof import many
from tickets import conversation, ending, services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
NOW = MONDAY + timedelta(hours=2)


@pytest.fixture(autouse=True)
def _house():
    builders.house()
    with clock.simulated(NOW):
        yield


def statements(captured):
    """What was asked of the database; marking a transaction's beginning and end asks nothing."""
    marks = ("BEGIN", "SAVEPOINT", "RELEASE", "COMMIT", "ROLLBACK")
    return [query["sql"] for query in captured.captured_queries if not query["sql"].startswith(marks)]


def mine(person, *, subject="Mine", at=MONDAY, **fields):
    ticket = builders.ticket(person, subject=subject, at=at, customer=None, **fields)
    return services.take_ticket(ticket_id=ticket.pk, by=person, at=at)


def subjects(person, listing=None, after=""):
    view = list_view(person, listing or Listing(), now=NOW, after=after)
    return [row.subject for row in view.rows]


def get(client, person, address="/desk/", **options):
    client.force_login(person)
    return client.get(address, **options)


def test_a_stranger_is_sent_to_sign_in(client):
    answer = client.get("/desk/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("role", ["agent", "senior", "dispatcher", "lead", "supervisor", "head", "auditor"])
def test_everybody_at_the_desk_has_a_queue(client, role):
    assert get(client, builders.person(role)).status_code == 200


def test_an_administrator_is_led_to_the_people(client):
    answer = get(client, builders.person("administrator"))
    assert (answer.status_code, answer["Location"]) == (302, reverse("desk:people"))


def test_overdue_first_and_longest_then_the_nearest_then_the_paused_then_by_age():
    agent = builders.person("agent")
    near = mine(agent, subject="near", at=MONDAY + timedelta(hours=1, minutes=50))
    long_over = mine(agent, subject="long over", at=MONDAY)
    over = mine(agent, subject="over", at=MONDAY + timedelta(minutes=30))
    paused = mine(agent, subject="held", at=MONDAY)
    conversation.reply_to_customer(ticket_id=paused.pk, body="…", by=agent, at=MONDAY)
    assert near.pk < long_over.pk < over.pk
    assert subjects(agent) == ["long over", "over", "near", "held"]


def test_a_paused_ticket_stands_in_waiting_and_only_there():
    agent = builders.person("agent")
    ticket = mine(agent)
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=NOW)
    assert subjects(agent) == []
    assert subjects(agent, Listing(tab="waiting")) == ["Mine"]


def test_what_was_resolved_today_is_done_today_and_what_yesterday_is_not():
    agent = builders.person("agent")
    for subject, at in [("today", NOW), ("last night", MONDAY - timedelta(hours=10))]:
        ticket = mine(agent, subject=subject, at=MONDAY - timedelta(days=1))
        ending.resolve_ticket(ticket_id=ticket.pk, resolution="fixed", verified="test", by=agent, at=at)
    assert subjects(agent, Listing(tab="done")) == ["today"]


def test_visits_are_my_open_tickets_that_wait_for_one_the_next_first(client):
    center.center()
    center.technician("zhao")
    agent, other = builders.person("agent", language="en"), builders.person("agent")
    late, soon, theirs, cancelled = (
        mine(person, subject=subject, type="fault")
        for person, subject in [(agent, "late"), (agent, "soon"), (other, "theirs"), (agent, "cancelled")]
    )
    mine(agent, subject="without a visit")
    wang = builders.customer()
    for number, ticket in enumerate((soon, late, theirs, cancelled)):
        visit = center.book(wang, ticket=ticket, starts_at=TUESDAY_TEN + number * timedelta(days=1), by=agent)
    cancel_appointment(appointment_id=visit.pk, by=agent, side="customer", at=NOW)
    visits = Listing(tab="visits")
    assert subjects(agent, visits) == ["soon", "late"]
    assert lists.tally(agent, now=NOW)["visits"] == 2
    page = get(client, agent, "/desk/?tab=visits").text
    assert "Tuesday 3 March, 10:00–12:00" in page
    assert 'href="/desk/?tab=visits" aria-current="true">Visits' in page
    # A row that renews itself says the same, and a visit of today is called so.
    renewed = client.get(f"/desk/c/{soon.number}/row/?tab=visits").text
    assert "Tuesday 3 March, 10:00–12:00" in renewed
    with clock.simulated(TUESDAY_TEN - timedelta(hours=1)):
        assert "Today 10:00–12:00" in client.get("/desk/?tab=visits").text
    # What was expected before today is no visit to come.
    assert not lists.visits_to_come(agent, NOW + timedelta(days=30))[0].exists()


def test_an_empty_list_of_visits_says_what_stands_there(client):
    assert "No visit is to come" in get(client, builders.person("agent", language="en"), "/desk/?tab=visits").text


def test_p_leads_to_the_priority(client):
    agent = builders.person("agent")
    page = get(client, agent, f"/desk/c/{mine(agent).number}/").text
    assert page.count('data-key="p"') == 1


def test_a_dispatcher_also_has_what_came_back_and_what_nobody_has():
    house = builders.team("dispatch", dispatches=True)
    agent, dispatcher = builders.person("agent"), builders.person("dispatcher", team=house)
    returned = mine(agent, subject="returned")
    services.return_ticket(ticket_id=returned.pk, reason="not ours", by=agent, at=NOW)
    builders.ticket(dispatcher, subject="nobody's", customer=None)
    builders.ticket(agent, subject="of another team", customer=None)
    assert sorted(subjects(dispatcher)) == ["nobody's", "returned"]


def test_a_lead_also_has_the_reviews_of_the_team_but_not_of_the_own_work():
    agent, lead = builders.person("agent"), builders.person("lead")
    for person, subject in [(agent, "to review"), (lead, "own work")]:
        ticket = mine(person, subject=subject)
        services.submit_for_review(ticket_id=ticket.pk, by=person, at=NOW)
    assert sorted(subjects(lead)) == ["own work", "to review"]  # the own one once, as the owner's
    assert subjects(agent) == ["to review"]
    assert lists.tally(lead, now=NOW)["todo"] == 2


def test_pages_of_fifty_tell_every_row_once():
    agent = builders.person("agent")
    for number in range(7):
        mine(agent, subject=str(number), at=MONDAY + timedelta(minutes=number // 2))
    seen, after = [], ""
    for _page in range(4):
        found, after = page_of_two(agent, after)
        seen += found
        if not after:
            break
    assert seen == [str(number) for number in range(7)]


def page_of_two(agent, after):
    old, lists.PAGE = lists.PAGE, 2
    try:
        rows, then = lists.page(Listing(), agent, now=NOW, after=Place.parse(after))
    finally:
        lists.PAGE = old
    return [row.subject for row in rows], then


@pytest.mark.parametrize("after", ["", "nonsense", "0_nonsense_1", "0_2026-03-02T01:00:00_1", "1_2_3_4"])
def test_a_spot_that_cannot_be_read_is_the_beginning(client, after):
    agent = builders.person("agent")
    mine(agent)
    assert "Mine" in get(client, agent, "/desk/", data={"after": after}).text


def test_more_rows_come_as_a_fragment_without_the_frame(client, monkeypatch):
    monkeypatch.setattr(lists, "PAGE", 1)
    agent = builders.person("agent")
    mine(agent, subject="first")
    mine(agent, subject="second", at=MONDAY + timedelta(minutes=1))
    page = get(client, agent)
    assert "first" in page.text
    assert "second" not in page.text
    address = page.context["list"].more_url
    fragment = client.get(address, headers={"HX-Request": "true"})
    assert "second" in fragment.text
    assert "<html" not in fragment.text
    assert "HX-Request" in fragment["Vary"]
    whole = client.get(address)
    assert "<html" in whole.text
    assert "second" in whole.text


def test_counts_stop_at_999():
    assert [lists.shown(count) for count in (0, 999, 1000)] == ["0", "999", "999+"]


def test_an_empty_queue_says_so_and_shows_the_way(client):
    answer = get(client, builders.person("agent"), headers={"Accept-Language": "en"})
    assert "Your queue is clear" in answer.text
    assert reverse("desk:team") in answer.text


@pytest.mark.parametrize("role", ["agent", "lead", "dispatcher"])
def test_the_page_costs_at_most_eight_statements_whatever_it_shows(client, role):
    person = builders.person(role)
    counts = []
    for more in (0, 3, 12):
        for number in range(more):
            mine(person, subject=f"{more}/{number}")
            builders.ticket(person, customer=None)
        client.force_login(person)
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/desk/").status_code == 200
        counts.append(len(statements(captured)))
    assert len(set(counts)) == 1, counts
    assert counts[0] <= 8, statements(captured)


def test_the_list_of_visits_costs_at_most_eight_statements_too(client):
    center.center()
    center.technician("zhao")
    agent, wang = builders.person("agent"), builders.customer()
    client.force_login(agent)
    counts = []
    for more in (1, 3):
        for number in range(more):
            center.book(wang, ticket=mine(agent), starts_at=TUESDAY_TEN + (more + number) * timedelta(days=1))
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert len(client.get("/desk/?tab=visits").context["list"].rows) == sum((1, 3)[: len(counts) + 1])
        counts.append(len(statements(captured)))
    assert counts[0] == counts[1] <= 8, counts


def test_rows_ask_nothing_of_deadlines(client):
    agent = builders.person("agent")
    mine(agent)
    client.force_login(agent)
    with CaptureQueriesContext(connection) as captured:
        client.get("/desk/")
    assert not [sql for sql in statements(captured) if "sla_deadline" in sql]
    assert Ticket.objects.get().clock_state == "running"


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("role", "tab", "part", "index"),
    [("agent", "waiting", 0, "case_ticket_pending"), ("lead", "todo", 1, "case_ticket_in_review")],
)
def test_what_few_tickets_are_in_is_found_without_reading_all_that_is_open(role, tab, part, index):
    """Of 100,000 tickets of one person, to count those that wait took 60 ms: they all had to be looked at."""
    person = builders.person(role)
    many(300, person, owner=person)
    found = lists.MINE_PARTS[tab](person, NOW)[part].order_by().values("pk")[: lists.MOST_COUNTED]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE cases_case")
        cursor.execute("SET LOCAL enable_seqscan = off")  # a small table is read whole
    assert index in found.explain()
