"""The timeline is evidence: whoever changes it after the fact is seen, and the database refuses to begin with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from cases.facts import Fact, Names, known_kinds, sentence
from cases.models import Case, CaseEvent
from cases.services import add_fact, verify_timeline, write
from common import append_only
from tests import builders
from tests.builders import MONDAY
from tickets import conversation, ending, services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
TABLE = CaseEvent._meta.db_table


@pytest.fixture
def ticket():
    builders.house()
    agent = builders.person()
    ticket = builders.ticket(agent, channel="phone", description="it crackles")
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY + timedelta(hours=1))
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=MONDAY + timedelta(hours=2))
    conversation.customer_wrote(ticket_id=ticket.pk, body="here", channel="web", at=MONDAY + timedelta(hours=3))
    ending.resolve_ticket(
        ticket_id=ticket.pk, resolution="new cable", verified="test", by=agent, at=MONDAY + timedelta(hours=4)
    )
    return Ticket.objects.get(pk=ticket.pk)


@pytest.fixture
def unguarded():
    """As a superuser who has dropped the triggers."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
        else:
            cursor.execute("DROP TRIGGER cases_timeline_no_update")
            cursor.execute("DROP TRIGGER cases_timeline_no_delete")
    yield
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = DEFAULT")
    if connection.vendor == "sqlite":
        append_only.install()


def test_an_honest_timeline_verifies(ticket):
    assert verify_timeline(ticket) == []
    assert verify_timeline(Case.objects.get(pk=ticket.pk)) == []
    assert list(ticket.events.values_list("seq", flat=True)) == list(range(1, ticket.event_seq + 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda events: events.update(kind="opened"),
        lambda events: events.update(facts={"state": "new"}),
        lambda events: events.update(public=True),
        lambda events: events.update(public=False),
        lambda events: events.update(at=MONDAY - timedelta(days=1)),
        lambda events: events.update(recorded_at=MONDAY - timedelta(days=1)),
        lambda events: events.update(by_kind="customer"),
        lambda events: events.update(by=None),
        lambda events: events.update(hash="0" * 64),
        lambda events: events.delete(),
        lambda events: events.update(seq=900),
    ],
)
def test_every_edit_and_every_gap_shows_wherever_it_is(ticket, unguarded, change):
    for seq in range(1, ticket.event_seq + 1):
        sid = transaction.savepoint()
        event = CaseEvent.objects.filter(case_id=ticket.pk, seq=seq)
        before = event.values().get()
        change(event)
        if event.values().first() != before:
            assert verify_timeline(ticket), f"event {seq}: nobody saw it"
        transaction.savepoint_rollback(sid)
    assert verify_timeline(ticket) == []


def test_a_cut_tail_and_a_wiped_timeline_show(ticket, unguarded):
    for keep in range(ticket.event_seq):
        sid = transaction.savepoint()
        CaseEvent.objects.filter(case_id=ticket.pk, seq__gt=keep).delete()
        assert any("the end of the timeline" in problem for problem in verify_timeline(ticket))
        transaction.savepoint_rollback(sid)


def test_two_events_swapped_show(ticket, unguarded):
    events = CaseEvent.objects.filter(case_id=ticket.pk)
    events.filter(seq=2).update(seq=900)
    events.filter(seq=3).update(seq=2)
    events.filter(seq=900).update(seq=3)
    assert verify_timeline(ticket)


def test_an_event_moved_to_another_case_shows_on_both(ticket, unguarded):
    other = builders.ticket(builders.person(), customer=None)
    CaseEvent.objects.filter(case_id=ticket.pk, seq=ticket.event_seq).update(case=other, seq=other.event_seq + 1)
    assert verify_timeline(ticket)
    assert verify_timeline(other)


def test_an_invented_event_at_the_end_shows(ticket, unguarded):
    last = CaseEvent.objects.filter(case_id=ticket.pk).last()
    last.pk, last.seq = None, last.seq + 1
    last.save(force_insert=True)
    assert verify_timeline(ticket)


def by_hand(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


CHANGES = {
    "update": lambda event: CaseEvent.objects.filter(pk=event.pk).update(kind="x"),
    "save": lambda event: event.save(),
    "delete": lambda event: event.delete(),
    "delete all": lambda event: CaseEvent.objects.all().delete(),
    "raw update": lambda event: by_hand(f"UPDATE {TABLE} SET kind = 'x'"),
    "raw delete": lambda event: by_hand(f"DELETE FROM {TABLE}"),
}


@pytest.mark.postgres
@pytest.mark.parametrize("tables", [TABLE, "cases_case CASCADE", f"sla_timer, {TABLE}"])
def test_the_timeline_cannot_be_emptied_as_a_whole_either(ticket, tables):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # TRUNCATE waits for no foreign key
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        by_hand(f"TRUNCATE {tables}")
    assert verify_timeline(ticket) == []


@pytest.mark.parametrize("how", list(CHANGES))
def test_the_database_refuses_to_change_or_remove_an_event(ticket, how):
    event = CaseEvent.objects.filter(case_id=ticket.pk).first()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        CHANGES[how](event)
    assert verify_timeline(ticket) == []


def test_installing_the_triggers_again_changes_nothing(ticket):
    append_only.install()
    append_only.install()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        CaseEvent.objects.filter(case_id=ticket.pk).delete()


@pytest.mark.django_db(transaction=True)
def test_after_the_flush_of_a_transactional_test_the_triggers_are_back():
    builders.house()
    ticket = builders.ticket(builders.person())
    with pytest.raises(DatabaseError, match="append-only"):
        CaseEvent.objects.filter(case_id=ticket.pk).delete()


def test_history_entered_late_is_chained_in_the_order_of_entry(ticket):
    with transaction.atomic():
        case = Case.objects.locked(ticket.pk)
        add_fact(case, Fact("checked", {"passed": True}), at=MONDAY - timedelta(days=30))
        write(case, at=MONDAY)
    last = CaseEvent.objects.filter(case_id=ticket.pk).last()
    assert (last.kind, last.at) == ("checked", MONDAY - timedelta(days=30))
    assert verify_timeline(Case.objects.get(pk=ticket.pk)) == []


def test_the_timeline_keeps_digests_and_no_words(ticket):
    stored = str(list(CaseEvent.objects.filter(case_id=ticket.pk).values_list("facts", flat=True)))
    for words in ("crackles", "here", "new cable", "No signal", "李小明", "13812345678"):
        assert words not in stored


def test_every_event_of_a_life_has_a_sentence(ticket):
    names = Names()
    for event in ticket.events.all():
        assert event.kind in known_kinds()
        assert sentence(event, names).strip()


def test_an_unknown_kind_is_shown_rather_than_hidden():
    assert "from_the_future" in sentence(CaseEvent(kind="from_the_future", facts={}), Names())
