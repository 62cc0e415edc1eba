"""The state of a case has one writer: a transition, run by a service under the case's lock."""

from __future__ import annotations

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from cases.models import Case
from common.errors import DomainError
from tests import builders
from tests.builders import MONDAY
from tests.proof import somebody_waits_for_a_lock, wait_until
from tickets import ending, services
from tickets.models import Ticket
from tickets.states import State


@pytest.fixture
def ticket(db):
    builders.house()
    return builders.ticket(builders.person())


def refuses_to_be_set(case: Case) -> bool:
    try:
        case.state = "closed"
    except AttributeError:
        return True
    return False


def test_setting_the_state_by_hand_raises(ticket):
    for case in (ticket, Ticket.objects.get(pk=ticket.pk), Case.objects.get(pk=ticket.pk)):
        assert refuses_to_be_set(case)
    assert Ticket.objects.get(pk=ticket.pk).state == State.NEW


def test_refreshing_reads_the_state_and_keeps_it_protected(ticket):
    ending.cancel_ticket(ticket_id=ticket.pk, reason="withdrawn", by=None, at=MONDAY)
    ticket.refresh_from_db()
    assert ticket.state == State.CANCELLED
    assert refuses_to_be_set(ticket)


def test_a_refresh_that_raises_leaves_state_and_protection_as_they_were(ticket, monkeypatch):
    with pytest.raises(Case.DoesNotExist):
        ticket.refresh_from_db(from_queryset=Ticket.objects.none())
    assert ticket.state == State.NEW
    assert refuses_to_be_set(ticket)
    assert refuses_to_be_set(Ticket.objects.get(pk=ticket.pk))  # the class is protected, too


@pytest.mark.parametrize("fields", [["subject"], ["state"], ["state", "subject"]])
def test_refreshing_some_fields_leaves_the_state_right_and_protected(ticket, fields):
    ending.cancel_ticket(ticket_id=ticket.pk, reason="withdrawn", by=None, at=MONDAY)
    ticket.refresh_from_db(fields=fields)
    assert ticket.state == (State.CANCELLED if "state" in fields else State.NEW)
    assert refuses_to_be_set(ticket)


def test_a_deferred_state_is_read_when_asked_for(ticket):
    case = Case.objects.only("subject").get(pk=ticket.pk)
    with CaptureQueriesContext(connection) as queries:
        assert case.state == State.NEW
    assert len(queries) == 1


def test_reading_a_deferred_field_does_not_hide_an_unsaved_change(ticket):
    case = Ticket.objects.defer("plan").get(pk=ticket.pk)
    case.subject = "changed, not saved yet"
    assert case.plan == ""  # reads the field
    case.save_changes()
    assert Ticket.objects.get(pk=ticket.pk).subject == "changed, not saved yet"


@pytest.mark.parametrize("state", ["lost", "", "NEW", "Resolved"])
def test_the_database_refuses_a_state_that_the_kind_does_not_have(ticket, state):
    with pytest.raises(IntegrityError), transaction.atomic():
        Ticket.objects.filter(pk=ticket.pk).update(state=state)
    with pytest.raises(IntegrityError), transaction.atomic():
        Case.objects.filter(pk=ticket.pk).update(state=state)


@pytest.mark.parametrize(("field", "value"), [("priority", 0), ("priority", 5), ("tier", 0), ("tier", 4)])
def test_the_database_refuses_priorities_and_tiers_outside_their_range(ticket, field, value):
    with pytest.raises(IntegrityError), transaction.atomic():
        Case.objects.filter(pk=ticket.pk).update(**{field: value})


def test_full_clean_looks_at_everything_but_the_state(ticket):
    ticket.full_clean(exclude=["customer"])
    ticket.channel = "pigeon"
    with pytest.raises(ValidationError) as refused:
        ticket.full_clean(exclude=["customer"])
    assert set(refused.value.message_dict) == {"channel"}


def test_a_refused_transition_changes_nothing(ticket):
    before = Ticket.objects.filter(pk=ticket.pk).values().get()
    with pytest.raises(DomainError):
        ending.resolve_ticket(ticket_id=ticket.pk, resolution="", verified="", by=None, at=MONDAY)
    assert Ticket.objects.filter(pk=ticket.pk).values().get() == before


def test_a_service_that_fails_half_way_leaves_no_trace(ticket, monkeypatch):
    before = Ticket.objects.filter(pk=ticket.pk).values().get()
    events = ticket.events.count()

    def fail(*_args, **_kwargs):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(ending.silence, "start", fail)
    with pytest.raises(DatabaseError):
        ending.resolve_ticket(ticket_id=ticket.pk, resolution="x", verified="test", by=None, at=MONDAY)
    assert Ticket.objects.filter(pk=ticket.pk).values().get() == before
    assert (ticket.events.count(), ticket.messages.filter(template="ticket_resolved").count()) == (events, 0)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["take", "cancel", "resolve"])
def test_of_eight_who_race_for_one_transition_exactly_one_wins(act):
    builders.house()
    people = [builders.person("agent") for _ in range(8)]
    ticket = builders.ticket(people[0])
    barrier, outcomes = threading.Barrier(8), []

    def race(person):
        try:
            barrier.wait(timeout=20)
            if act == "take":
                services.take_ticket(ticket_id=ticket.pk, by=person, at=MONDAY)
            elif act == "cancel":
                ending.cancel_ticket(ticket_id=ticket.pk, reason="twice", by=person, at=MONDAY)
            else:
                ending.resolve_ticket(ticket_id=ticket.pk, resolution="x", verified="test", by=person, at=MONDAY)
            outcomes.append("won")
        except DomainError:
            outcomes.append("refused")
        except Exception as problem:
            outcomes.append(repr(problem))
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(outcomes) == ["refused"] * 7 + ["won"]
    verb = {"take": "moved", "cancel": "cancelled", "resolve": "resolved"}[act]
    assert ticket.events.filter(kind=verb).count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_eight_who_take_the_next_one_get_eight_different_ones():
    builders.house()
    people = [builders.person("agent") for _ in range(8)]
    expected = {builders.ticket(people[0], customer=None).pk for _ in range(8)}
    barrier, taken = threading.Barrier(8), []

    def take(person):
        try:
            barrier.wait(timeout=20)
            for _try in range(20):  # a row that somebody else is taking is passed by
                if ticket := services.take_next_ticket(by=person, at=MONDAY):
                    taken.append(ticket.pk)
                    return
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(taken) == sorted(expected)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_whoever_waits_for_a_ticket_holds_no_half_of_it():
    """The order is case, then kind. The other way round a person and a sweep, which holds the case and calls a
    service, waited for each other until PostgreSQL killed one of them (found by tests/proof/test_race.py)."""
    builders.house()
    ticket = builders.ticket(builders.person())

    outcome = []

    def wait_in_line():
        try:
            with transaction.atomic():
                outcome.append(Ticket.objects.locked(ticket.pk).pk)
        except DatabaseError as problem:
            outcome.append(str(problem))
        finally:
            connection.close()

    second = threading.Thread(target=wait_in_line)
    with transaction.atomic():
        Case.objects.locked(ticket.pk)
        second.start()
        assert wait_until(somebody_waits_for_a_lock, seconds=20)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '10s'")
        assert Ticket.objects.locked(ticket.pk).pk == ticket.pk
    second.join(timeout=30)
    assert outcome == [ticket.pk]
