"""What a click costs in statements; timings live in bench/."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cases.models import Category
from cases.services import verify_timeline
from tests import builders
from tests.builders import MONDAY
from tickets.models import Ticket
from tickets.services import open_ticket

pytestmark = pytest.mark.django_db
CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


def statements(queries: CaptureQueriesContext) -> list[str]:
    """Without the bounds of transactions, which are the test's own here."""
    return [query["sql"] for query in queries.captured_queries if not query["sql"].startswith(CONTROL)]


@pytest.fixture
def agent():
    builders.house()
    return builders.person()


def cost_of_opening(agent, **fields) -> int:
    with CaptureQueriesContext(connection) as queries:
        open_ticket(by=agent, subject="How do I read my bill?", at=MONDAY, **fields)
    return len(statements(queries))


def test_a_phone_enquiry_of_a_known_customer_takes_at_most_15_statements(agent):
    customer = builders.customer()
    category = Category.objects.create(code="bill.reading", name_zh="读懂账单", name_en="Reading the bill")
    fields = {"type": "enquiry", "channel": "phone", "customer": customer, "category": category}
    first = cost_of_opening(agent, **fields, description="She asks about the second page.", owner=agent)
    assert first <= 15
    assert cost_of_opening(agent, **fields) <= 15


@pytest.mark.parametrize("type", ["enquiry", "fault"])
@pytest.mark.parametrize("channel", ["phone", "web"])
def test_more_promises_cost_no_more_statements(agent, type, channel):
    assert cost_of_opening(agent, type=type, channel=channel, needs_visit=True, customer=builders.customer()) <= 15


def test_a_new_ticket_is_written_once_with_what_its_clocks_made_of_it(agent):
    """To insert it bare and update it afterwards cost an entry in each of its indexes a second time."""
    with CaptureQueriesContext(connection) as queries:
        ticket = open_ticket(
            by=agent, subject="x", description="y", type="fault", channel="web", customer=None, owner=agent, at=MONDAY
        )
    of_case = [sql for sql in statements(queries) if '"cases_case"' in sql]
    assert [sql.split()[0] for sql in of_case] == ["INSERT"]
    kept = Ticket.objects.get(pk=ticket.pk)
    assert (kept.state, kept.unanswered, kept.clock_state, kept.event_seq) == ("assigned", 1, "running", 4)
    assert verify_timeline(kept) == []
