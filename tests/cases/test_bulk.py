"""Writing a case: only what changed, once, and nothing behind the back of a form."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from cases.facts import Fact
from cases.models import Case, Note
from cases.services import add_fact, record, verify_timeline, write, write_quietly
from cases.signals import case_changed
from tests import builders
from tests.builders import MONDAY
from tickets.models import Ticket

pytestmark = pytest.mark.django_db


@pytest.fixture
def ticket():
    builders.house()
    return Ticket.objects.get(pk=builders.ticket(builders.person()).pk)


def writes(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries.captured_queries if query["sql"].startswith(("UPDATE", "INSERT"))]


def test_only_changed_columns_are_written(ticket):
    ticket.subject = "another subject"
    with CaptureQueriesContext(connection) as queries:
        ticket.save_changes()
    (statement,) = writes(queries)
    assert "subject" in statement
    assert "channel" not in statement


def test_nothing_changed_is_nothing_written(ticket):
    with CaptureQueriesContext(connection) as queries:
        ticket.save_changes()
        ticket.save_changes()
    assert len(queries) == 0


def test_both_halves_of_a_kind_are_written(ticket):
    ticket.subject, ticket.plan = "another subject", "by Friday"
    with CaptureQueriesContext(connection) as queries:
        ticket.save_changes()
    assert len(writes(queries)) == 2
    kept = Ticket.objects.get(pk=ticket.pk)
    assert (kept.subject, kept.plan) == ("another subject", "by Friday")


def test_a_change_taken_back_is_not_written(ticket):
    subject, ticket.subject = ticket.subject, "oops"
    ticket.subject = subject
    with CaptureQueriesContext(connection) as queries:
        ticket.save_changes()
    assert len(queries) == 0


def test_another_writers_column_is_left_alone(ticket):
    Case.objects.filter(pk=ticket.pk).update(tier=3)
    ticket.subject = "another subject"
    ticket.save_changes()
    assert Case.objects.get(pk=ticket.pk).tier == 3


def test_recording_makes_open_forms_stale_and_never_turns_the_clock_back(ticket):
    version, later = ticket.version, MONDAY + timedelta(hours=5)
    for at in (later, MONDAY):
        with transaction.atomic():
            case = Ticket.objects.locked(ticket.pk)
            record(case, Fact("checked", {"passed": True}), transition="checked", at=at)
    kept = Ticket.objects.get(pk=ticket.pk)
    assert (kept.version, kept.changed_at) == (version + 2, later)


def test_writing_quietly_keeps_forms_valid(ticket):
    with transaction.atomic():
        case = Case.objects.locked(ticket.pk)
        add_fact(case, Fact("checked", {"passed": True}), at=MONDAY + timedelta(hours=1))
        write_quietly(case)
    kept = Case.objects.get(pk=ticket.pk)
    assert (kept.version, kept.changed_at) == (ticket.version, ticket.changed_at)
    assert kept.event_seq == ticket.event_seq + 1
    assert verify_timeline(kept) == []


def test_facts_are_stored_once_however_often_the_case_is_written(ticket):
    with transaction.atomic():
        case = Case.objects.locked(ticket.pk)
        add_fact(case, Fact("checked", {"passed": True}), at=MONDAY)
        assert len(write(case, at=MONDAY)) == 1
        assert write(case, at=MONDAY) == []


def test_higher_rooms_hear_of_a_change_before_it_is_saved_and_may_add_to_it(ticket):
    heard = []

    def listen(sender, case, transitions, at, by, **_):
        heard.append((sender, transitions, at, by))
        add_fact(case, Fact("checked", {"passed": False}), at=at)
        case.tier = 2

    case_changed.connect(listen)
    try:
        with transaction.atomic():
            case = Ticket.objects.locked(ticket.pk)
            written = record(case, transition=("one", "two"), at=MONDAY)
    finally:
        case_changed.disconnect(listen)
    assert heard == [(Ticket, ("one", "two"), MONDAY, None)]
    assert [event.kind for event in written] == ["checked"]
    assert Case.objects.get(pk=ticket.pk).tier == 2


def test_an_internal_note_cannot_be_for_the_customer(ticket):
    from django.db import IntegrityError

    with pytest.raises(IntegrityError), transaction.atomic():
        Note.objects.create(case_id=ticket.pk, visibility="internal", direction="out", body="x", at=MONDAY)
