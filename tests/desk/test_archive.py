"""The archive: what was, found again by whatever people remember of it, and by nobody who may not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cases.models import Category
from common import clock
from customers.services import add_service
from desk import archive
from desk.archive import ArchiveForm
from tests import builders
from tests.appointments import center
from tests.builders import MONDAY
from tests.desk.test_queue import statements
from tickets import ending, services

pytestmark = pytest.mark.django_db
NOW = MONDAY + timedelta(days=40)
ADDRESS = "/desk/archive/"


@pytest.fixture(autouse=True)
def _house():
    builders.house()
    with clock.simulated(NOW):
        yield


@pytest.fixture
def agent(client):
    person = builders.person("agent", language="en")
    client.force_login(person)
    return person


@pytest.fixture
def visit():
    center.center()
    technician = center.technician("zhao", skills={"broadband": 3})
    booked = center.book(builders.customer(name="陈静", phone="13700001111", grade="gold"))
    assert booked.owner == technician
    return booked


def closed(by, *, at=MONDAY, **fields):
    ticket = services.take_ticket(ticket_id=builders.ticket(by, at=at, **fields).pk, by=by, at=at)
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="fixed", verified="test", by=by, at=at)
    return ending.confirm_ticket(ticket_id=ticket.pk, by=by, at=at)


def found(person, **asked):
    """The numbers found, in their order."""
    form = ArchiveForm(asked, person=person)
    assert form.is_valid(), form.errors
    return [line.case.number for line in archive.search(form, person).lines]


def test_what_is_closed_is_found_by_all_that_people_remember(agent):
    wang = builders.customer(name="王建国", phone="13812345678", email="wang@example.com", grade="gold")
    add_service(customer=wang, account="BJ-1", product="Fiber")
    old = closed(agent, customer=wang, subject="Modem red", type="fault")
    builders.ticket(agent, customer=builders.customer(phone="13999990000"), subject="Bill too high", at=NOW)
    for words in ("modem", "王建国", "wjg", "13812345678", "5678", "wang@example.com", "BJ-1", old.number):
        assert found(agent, q=words) == [old.number], words
    for name, value in {
        "state": "closed", "type": "ticket-fault", "grade": "gold", "until": "2026-03-02", "customer": str(wang.pk)
    }.items():  # fmt: skip
        assert found(agent, **{name: value}) == [old.number], name
    assert found(agent, q="modem", state="open") == []


def test_an_agent_finds_the_own_teams_tickets_and_nobody_elses(client, agent):
    far = builders.team("far")
    other = closed(
        builders.person("agent", team=far), subject="Secret", customer=builders.customer(phone="13999990000")
    )
    for asked in ({"q": "Secret"}, {"q": other.number}, {"q": "13999990000"}, {"customer": str(other.customer_id)}):
        assert found(agent, **asked) == []
    supervisor = builders.person("supervisor")
    assert found(supervisor, q="Secret", team="far") == [other.number]
    # Who sees one team is asked for none.
    assert "team" not in ArchiveForm({}, person=agent).fields


def test_a_visit_is_found_by_grade_service_time_and_technician(agent, visit):
    ticket = builders.ticket(agent, customer=builders.customer(phone="13999990000"), at=NOW)
    assert found(agent) == [ticket.number, visit.number]
    for asked in (
        {"kind": "appointment"},
        {"grade": "gold"},
        {"type": "service-broadband-repair"},
        {"type": "appointment-repair"},
        {"staff": str(visit.owner_id)},
        {"when": "visit", "since": "2026-03-03", "until": "2026-03-03"},
        {"q": "陈静"},
        {"q": "宽带维修"},
    ):
        assert found(agent, **asked) == [visit.number], asked
    for asked in (
        {"when": "visit", "since": "2026-03-04"},
        {"type": "service-broadband-install"},
        {"staff": str(agent.pk)},
    ):
        assert found(agent, kind="appointment", **asked) == [], asked


def test_a_category_stands_for_all_below_it(agent):
    root = Category.objects.create(code="net", name_zh="网", name_en="Net")
    leaf = Category.objects.create(code="net.slow", name_zh="慢", name_en="Slow", parent=root, active=False)
    other = Category.objects.create(code="network", name_zh="别", name_en="Other")
    wanted = builders.ticket(agent, customer=None, category=leaf)
    builders.ticket(agent, customer=None, category=other)
    assert found(agent, category="net") == found(agent, category="net.slow") == [wanted.number]


def test_both_days_of_a_period_count(agent):
    first = builders.ticket(agent, customer=None, at=MONDAY.replace(hour=16))  # midnight of March 3 in Shanghai
    last = builders.ticket(agent, customer=None, at=MONDAY + timedelta(days=1, hours=14, minutes=59))
    builders.ticket(agent, customer=None, at=MONDAY.replace(hour=15, minute=59))
    builders.ticket(agent, customer=None, at=MONDAY + timedelta(days=1, hours=15))
    assert found(agent, since="2026-03-03", until="2026-03-03") == [last.number, first.number]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"since": "yesterday"}, "First day: give a day"),
        ({"until": "2026-13-01"}, "Last day: give a day"),
        ({"since": "0001-01-01"}, "First day: give a year from 2000 to 2099."),
        ({"until": "9999-12-31"}, "Last day: give a year from 2000 to 2099."),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "The last day lies before the first one."),
        ({"kind": "appointment", "type": "ticket-fault"}, "This type belongs to the other kind."),
        ({"kind": "ticket", "when": "visit"}, "A ticket has no time of a visit."),
        ({"state": "gone"}, "Choose one of the values offered."),
        ({"customer": "999999"}, "This customer is not on file."),
    ],
)
def test_a_filter_that_cannot_be_says_which_and_keeps_the_others(client, agent, asked, words):
    answer = client.get(ADDRESS, {"grade": "gold", **asked})
    assert answer.status_code == 422
    assert words in answer.text
    assert '<option value="gold" selected>' in answer.text
    assert "<table" not in answer.text


def test_pages_hold_every_case_once_and_every_filter(client, agent, monkeypatch):
    monkeypatch.setattr(archive, "PAGE", 2)
    numbers = [
        builders.ticket(agent, customer=None, subject="Same words", at=MONDAY + timedelta(minutes=n // 2)).number
        for n in range(5)
    ]
    builders.ticket(agent, customer=None, subject="Other words")
    address, seen = f"{ADDRESS}?q=Same+words&state=open", []
    while address:
        answer = client.get(address)
        seen += [line.case.number for line in answer.context["results"].lines]
        assert answer.context["count"] == "5"
        address = answer.context["older_url"]
        assert not address or "q=Same+words&state=open&after=" in address
    assert seen == numbers[::-1]
    assert f'href="{ADDRESS}?q=Same+words&amp;state=open"' in answer.text  # back to the newest
    assert client.get(ADDRESS, {"after": "nonsense"}).status_code == 200


def test_counting_stops(client, agent, monkeypatch):
    monkeypatch.setattr(archive, "MOST_COUNTED", 2)
    for _number in range(3):
        builders.ticket(agent, customer=None)
    form = ArchiveForm({}, person=agent)
    assert form.is_valid()
    assert archive.search(form, agent).count == 2


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {
            "q": "Modem",
            "state": "open",
            "since": "2026-03-01",
            "until": "2026-03-09",
            "grade": "basic",
            "team": "repair",
        },
        {"kind": "appointment", "when": "visit", "type": "service-broadband-repair", "staff": "1", "region": "east"},
        {"customer": "theirs"},
    ],
)
def test_the_page_costs_at_most_eight_statements_whatever_is_asked(client, visit, asked):
    client.force_login(builders.person("supervisor"))
    person = builders.person("agent", username="one")
    if "staff" in asked:
        asked = {**asked, "staff": str(visit.owner_id)}
    if "customer" in asked:
        asked = {"customer": str(visit.customer_id)}
    counts = []
    for more in (1, 8):
        for number in range(more):
            builders.ticket(person, customer=visit.customer, subject=f"Modem {number}")
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert client.get(ADDRESS, asked).status_code == 200
        counts.append(len(statements(captured)))
    assert counts[0] == counts[1] <= 8, statements(captured)


@pytest.mark.parametrize(
    ("role", "status"), [("agent", 200), ("lead", 200), ("auditor", 200), ("technician", 403), ("administrator", 403)]
)
def test_who_may_search(client, role, status):
    client.force_login(builders.person(role))
    assert client.get(ADDRESS).status_code == status


def test_a_stranger_signs_in_first(client):
    assert client.get(ADDRESS)["Location"].startswith("/sign-in/")


def test_the_palette_and_the_customers_page_lead_here(client, agent):
    wang = builders.customer()
    found = client.get(reverse("desk:find"), {"q": "modem"}, headers={"HX-Request": "true"}).text
    assert f'data-href="{ADDRESS}?q=modem"' in found
    assert f'href="{ADDRESS}?q=modem"' in client.get(reverse("desk:find"), {"q": "modem"}).text
    assert f'data-href="{ADDRESS}"' in client.get(reverse("desk:find"), headers={"HX-Request": "true"}).text
    address = f"{ADDRESS}?customer={wang.pk}"
    assert f'href="{address}"' in client.get(reverse("desk:customer", args=[wang.pk])).text
    assert str(wang) in client.get(address).text


def test_nothing_found_says_what_to_try(client, agent):
    assert "Take a filter away" in client.get(ADDRESS, {"q": "zzz"}).text
    assert "Nothing is on file yet" in client.get(ADDRESS).text
