"""One statement for many rows must store exactly what the ORM would have stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from cases.models import Case, CaseEvent
from cases.states import NEVER
from common import bulk
from notifications.models import Message
from sla.models import Deadline, Timer
from tests import builders
from tests.builders import MONDAY
from tickets.models import Ticket

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent():
    builders.house()
    return builders.person()


def timer(key: str, **fields) -> Timer:
    return Timer(**{"key": key, "handler": "x", "fire_at": MONDAY, "try_at": MONDAY, **fields})


def values(row) -> dict:
    row = type(row).objects.get(pk=row.pk)
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


AWKWARD = [
    {"error": 'it\'s "quoted" %s %% \\ \x7f 中文 🧭', "args": {"a": [1, None, True, "ä'\"%s"], "b": {}}},
    {"error": "", "args": {}, "parked_at": datetime(2026, 3, 2, 1, 2, 3, 456789, tzinfo=UTC)},
    {"error": "x", "args": {}, "parked_at": None, "attempts": 32767},
]


@pytest.mark.parametrize("fields", AWKWARD)
def test_insert_rows_stores_what_the_orm_stores(fields):
    ours, theirs = timer("ours", **fields), timer("theirs", **fields)
    bulk.insert_rows([ours])
    theirs.save()
    kept, expected = values(ours), values(theirs)
    assert {**kept, "id": 0, "key": ""} == {**expected, "id": 0, "key": ""}


@pytest.mark.parametrize("fields", AWKWARD)
def test_update_rows_stores_what_the_orm_stores(fields):
    ours, theirs = timer("ours"), timer("theirs")
    ours.save(), theirs.save()
    for row in (ours, theirs):
        for name, value in fields.items():
            setattr(row, name, value)
    assert bulk.update_rows([ours], list(fields)) == 1
    theirs.save()
    assert {**values(ours), "id": 0, "key": ""} == {**values(theirs), "id": 0, "key": ""}


def test_update_rows_writes_each_row_its_own_values_and_no_others():
    rows = [timer(f"k{number}") for number in range(5)]
    bulk.insert_rows(rows)
    for number, row in enumerate(rows):
        row.attempts, row.error = number, f"e{number}"
    assert bulk.update_rows(rows[:3], ["attempts"]) == 3
    assert list(Timer.objects.order_by("pk").values_list("attempts", "error")) == [
        (0, ""), (1, ""), (2, ""), (0, ""), (0, ""),
    ]  # fmt: skip


def test_durations_and_nulls_survive(agent):
    ticket = builders.ticket(agent)
    deadline = Deadline.objects.filter(case=ticket).first()
    deadline.carried, deadline.paused_until = timedelta(days=3, microseconds=1), None
    bulk.update_rows([deadline], ["carried", "paused_until", "pauses", "due_at"])
    assert Deadline.objects.get(pk=deadline.pk).carried == timedelta(days=3, microseconds=1)
    case = Case.objects.get(pk=ticket.pk)
    case.sort_due_at, case.clock_left = NEVER, None
    bulk.update_rows([case], ["sort_due_at", "clock_left"])
    kept = Case.objects.get(pk=case.pk)
    assert (kept.sort_due_at, kept.clock_left) == (NEVER, None)


def test_many_rows_are_cut_into_statements_and_all_written(monkeypatch):
    monkeypatch.setattr(bulk, "_MOST_PARAMETERS", 40)
    rows = [timer(f"k{number}") for number in range(25)]
    bulk.insert_rows(rows)
    assert len({row.pk for row in rows}) == 25
    for row in rows:
        row.attempts = 7
    assert bulk.update_rows(rows, ["attempts"]) == 25
    assert Timer.objects.filter(attempts=7).count() == 25


def test_a_batch_of_the_sweep_is_one_statement_on_both_databases():
    rows = [timer(f"k{number}") for number in range(200)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        bulk.insert_rows(rows)
        bulk.update_rows(rows, ["attempts", "error"])
    assert len(queries) == 2


def test_nothing_to_write_is_no_statement():
    with CaptureQueriesContext(connection) as queries:
        bulk.insert_rows([])
        assert bulk.update_rows([], ["attempts"]) == 0
    assert len(queries) == 0


def test_new_keys_come_back_in_the_order_of_the_rows():
    rows = [timer(f"k{number}") for number in range(50)]
    bulk.insert_rows(rows)
    assert [Timer.objects.get(pk=row.pk).key for row in rows] == [row.key for row in rows]
    assert not any(row._state.adding for row in rows)


def test_a_reserved_key_is_kept_and_nobody_else_gets_it():
    early, late = timer("early"), timer("late")
    bulk.reserve_key(early)
    bulk.reserve_key(late)
    between = timer("between")
    between.save()
    bulk.insert_rows([late, early])
    after = timer("after")
    bulk.insert_rows([after])
    assert len({early.pk, late.pk, between.pk, after.pk}) == 4
    assert [Timer.objects.get(pk=row.pk).key for row in (early, late, between, after)] == [
        "early", "late", "between", "after",
    ]  # fmt: skip
    assert not early._state.adding


def test_a_reserved_key_works_in_an_empty_table_and_for_both_halves_of_a_kind():
    assert not Case.objects.exists()
    first, second = [
        Ticket(
            kind="ticket", type="fault", channel="web", state="new", subject=subject, received_at=MONDAY,
            created_at=MONDAY, changed_at=MONDAY,
        )
        for subject in ("first", "second")
    ]  # fmt: skip
    for ticket in (first, second):
        bulk.reserve_key(ticket)
        assert ticket.pk == ticket.id == ticket.case_ptr_id
    bulk.insert_rows([first, second])
    assert list(Ticket.objects.order_by("pk").values_list("pk", "subject")) == [
        (first.pk, "first"),
        (second.pk, "second"),
    ]


def test_conflicts_are_passed_over_only_where_that_is_asked_for():
    timer("taken").save()
    bulk.insert_rows([timer("taken"), timer("free")], ignore_conflicts=True)
    assert sorted(Timer.objects.values_list("key", flat=True)) == ["free", "taken"]
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.insert_rows([timer("taken")])


def test_a_kind_of_case_gets_both_halves_and_all_its_keys(agent):
    ticket = builders.ticket(agent)
    assert ticket.pk == ticket.id == ticket.case_ptr_id
    assert values(Ticket.objects.get(pk=ticket.pk)) == {
        field.attname: getattr(ticket, field.attname) for field in Ticket._meta.concrete_fields
    }


def test_update_row_writes_in_whichever_half_the_column_is(agent):
    ticket = builders.ticket(agent)
    ticket.subject, ticket.plan, ticket.description = "new subject", "new plan", "not asked for"
    bulk.update_row(ticket, ["subject", "plan"])
    kept = Ticket.objects.get(pk=ticket.pk)
    assert (kept.subject, kept.plan, kept.description) == ("new subject", "new plan", "")


def test_a_row_that_is_gone_is_not_silently_not_written():
    row = timer("k")
    row.save()
    Timer.objects.all().delete()
    with pytest.raises(ObjectDoesNotExist):
        bulk.update_row(row, ["error"])
    assert bulk.update_rows([row], ["error"]) == 0


def test_encrypted_columns_are_encrypted():
    message = Message(
        channel="sms", recipient="+8613812345678", template="t", language="en", key="k", try_at=MONDAY,
        created_at=MONDAY,
    )  # fmt: skip
    bulk.insert_rows([message])
    with connection.cursor() as cursor:
        cursor.execute("SELECT recipient FROM notifications_message")
        assert "13812345678" not in cursor.fetchone()[0]
    assert Message.objects.get().recipient == "+8613812345678"


def test_the_triggers_and_checks_of_the_database_hold_here_too(agent):
    ticket = builders.ticket(agent)
    event = CaseEvent.objects.filter(case=ticket).first()
    with pytest.raises(Exception, match="append-only"), transaction.atomic():
        bulk.update_rows([event], ["kind"])
    ticket.priority = 9
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.update_row(ticket, ["priority"])
