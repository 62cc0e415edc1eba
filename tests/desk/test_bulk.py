"""One action on many tickets: each as if alone, told ticket by ticket, once and wholly whatever happens between.

Lesson 30.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.models import F
from django.urls import reverse

from cases.models import Category, Note
from common import clock
from common.errors import StaleVersion
from desk import bulk, tasks
from desk.lists import Listing, first_keys
from desk.models import BulkItem, BulkJob
from notifications.models import Message
from tests import builders
from tests.builders import MONDAY
from tickets import conversation, services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
NOW = MONDAY + timedelta(hours=2)
EN = {"Accept-Language": "en"}
HTMX = {**EN, "HX-Request": "true"}
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _house():
    builders.house()
    with clock.simulated(NOW):
        yield


@pytest.fixture
def agent():
    return builders.person("agent", name="Chen", language="en")


@pytest.fixture
def lead():
    return builders.person("lead", name="Li", language="en")


@pytest.fixture
def tickets(agent):
    return [taken(agent, f"Line {n}", n) for n in range(3)]


def taken(person, subject, minutes=0, **fields):
    at = MONDAY + timedelta(minutes=minutes)
    ticket = builders.ticket(person, subject=subject, at=at, **{"customer": None, **fields})
    return services.take_ticket(ticket_id=ticket.pk, by=person, at=at)


def fresh(ticket):
    return Ticket.objects.get(pk=ticket.pk)


def pairs(tickets):
    return " ".join(f"{ticket.pk}.{ticket.version}" for ticket in tickets)


def choose(client, person, name, tickets, headers=EN, **more):
    client.force_login(person)
    data = {"do": name, "t": [ticket.pk for ticket in tickets], **more}
    return client.post(reverse("desk:bulk"), data, headers=headers)


def do(client, person, name, tickets, data=(), headers=EN, key=KEY, query=""):
    client.force_login(person)
    posted = {"tickets": pairs(tickets), "key": key, **dict(data)}
    return client.post(reverse("desk:bulk_do", args=[name]) + query, posted, headers=headers)


def result(client, answer):
    return client.get(answer.get("Location") or answer["HX-Redirect"], headers=EN)


ACTIONS = {
    "assign": (lambda lead: {"owner": lead.pk}, lambda ticket: ticket.owner.name == "Li"),
    "reply": (lambda lead: {"body": "Works again"}, lambda ticket: ticket.unanswered == 0),
    "note": (lambda lead: {"body": "Check"}, lambda ticket: ticket.notes.get(body="Check").visibility == "internal"),
    "reclassify": (
        lambda lead: {"urgency": "urgent", "severity": "", "category": Category.objects.get().pk},
        lambda ticket: (ticket.urgency, ticket.category.code, ticket.severity) == ("urgent", "net", "one"),
    ),
    "wait": (lambda lead: {"reason": "documents"}, lambda ticket: ticket.state == "pending"),
    "hold": (lambda lead: {"reason": "supplier"}, lambda ticket: ticket.state == "held"),
    "cancel": (lambda lead: {"reason": "Opened twice"}, lambda ticket: ticket.state == "cancelled"),
}  # fmt: skip


def test_the_table_covers_every_action():
    assert {*ACTIONS, "resume"} == set(bulk.ACTIONS)


@pytest.mark.parametrize("headers", [EN, HTMX], ids=["form", "htmx"])
def test_every_action_acts_on_all_that_were_chosen(client, lead, agent, headers):
    Category.objects.create(code="net", name_zh="网络", name_en="Network")
    for number, (name, (data, holds)) in enumerate(ACTIONS.items()):
        tickets = [taken(agent, f"{name} {n}") for n in range(2)]
        asked = choose(client, lead, name, tickets, headers)
        assert asked.status_code == 200
        assert ("<html" in asked.text) == (headers is EN)
        assert pairs(tickets) in asked.text
        answer = do(client, lead, name, tickets, data(lead), headers, key=f"{number:032x}")
        assert answer.status_code == (302 if headers is EN else 200), answer.text[:500]
        assert all(holds(fresh(ticket)) for ticket in tickets), name
        told = result(client, answer).text
        assert "Done for all 2 tickets." in told
        assert all(reverse("desk:case", args=[ticket.number]) in told for ticket in tickets)


def test_going_on(client, agent, tickets):
    for ticket in tickets:
        services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=NOW)
    do(client, agent, "resume", tickets)
    assert {fresh(ticket).state for ticket in tickets} == {"in_progress"}


def test_a_refused_ticket_stops_no_other_and_says_why(client, agent, tickets):
    services.wait_for_customer(ticket_id=tickets[1].pk, reason="documents", by=agent, at=NOW)
    before = fresh(tickets[1]).version
    told = result(client, do(client, agent, "wait", tickets, {"reason": "documents"}))
    assert [fresh(ticket).state for ticket in tickets] == ["pending"] * 3
    assert fresh(tickets[1]).version == before
    assert "Done: 2. Refused: 1" in told.text
    assert "This is not possible while the state is “Waiting for customer”." in told.text
    assert f'value="{tickets[1].pk}.{before}"' in told.text  # only it is tried again


def test_where_all_are_refused_nothing_typed_is_lost(client, agent, tickets):
    for ticket in tickets:
        services.hold_ticket(ticket_id=ticket.pk, reason="supplier", by=agent, at=NOW)
    # Chosen before somebody else changed them.
    told = result(client, do(client, agent, "reply", tickets, {"body": "My long answer"}))
    assert "Refused for all 3." in told.text
    assert "My long answer</textarea>" in told.text
    assert "Somebody changed this ticket since you opened it." in told.text
    assert not Note.objects.filter(body="My long answer").exists()
    again = [fresh(ticket) for ticket in tickets]
    assert pairs(again) in told.text
    emptied = do(client, agent, "reply", again, {"body": " ", "again": "1"}, HTMX)
    assert (emptied.status_code, "data-close" in emptied.text) == (422, False)  # no dialog is around it
    do(client, agent, "reply", again, {"body": "My long answer"}, key="f" * 32)
    assert Note.objects.filter(body="My long answer").count() == 3


def test_a_reply_leaves_for_each_customer_and_says_whom_it_does_not_reach(client, agent):
    reached = taken(agent, "Reached", customer=builders.customer())
    silent = taken(agent, "Silent")
    assert (
        "No written channel reaches the customer of one of them"
        in choose(client, agent, "reply", [reached, silent]).text
    )
    told = result(client, do(client, agent, "reply", [reached, silent], {"body": "Works again"}))
    assert Message.objects.filter(template="ticket_reply").count() == 1
    assert told.text.count("Recorded, but no written channel reaches this customer") == 1


MISSING = {
    "assign": "Choose a person or a team.",
    "reply": "Write the reply first.",
    "note": "Write the note first.",
    "reclassify": "Choose what is to change.",
    "wait": "Choose one of the values offered.",
    "hold": "Choose one of the values offered.",
    "cancel": "Say why it is cancelled.",
}


def test_what_is_missing_in_all_is_said_before_any_is_touched(client, lead, tickets):
    for name, sentence in MISSING.items():
        answer = do(client, lead, name, tickets, {"body": "  ", "reason": ""}, HTMX)
        assert answer.status_code == 422, name
        assert sentence in answer.text
        assert pairs(tickets) in answer.text
    assert not BulkJob.objects.exists()


def test_nothing_chosen_leads_back_to_the_list(client, agent):
    answer = choose(client, agent, "note", [], HTMX)
    assert answer["HX-Redirect"] == reverse("desk:queue")


# --- who may -------------------------------------------------------------------------------------------------------


def test_a_stranger_signs_in_and_an_auditor_does_nothing(client, tickets):
    auditor = builders.person("auditor", language="en")
    for name in bulk.ACTIONS:
        client.logout()
        for address in [reverse("desk:bulk"), reverse("desk:bulk_do", args=[name])]:
            assert client.post(address, {"do": name, "tickets": pairs(tickets)}).status_code == 302
        for answer in [choose(client, auditor, name, tickets), do(client, auditor, name, tickets, {"body": "x"})]:
            assert answer.status_code == 403
            assert "Team lead" in answer.text
    assert not BulkJob.objects.exists()


def test_assigning_is_for_who_may_assign(client, agent, lead, tickets):
    for answer in [choose(client, agent, "assign", tickets), do(client, agent, "assign", tickets, {"owner": lead.pk})]:
        assert answer.status_code == 403
    assert {fresh(ticket).owner for ticket in tickets} == {agent}


def test_another_teams_tickets_are_neither_touched_nor_named(client, tickets):
    other = builders.person("agent", team=builders.team("elsewhere"), language="en")
    own = taken(other, "Own")
    assert tickets[0].subject not in choose(client, other, "note", [own, *tickets]).text
    told = result(client, do(client, other, "note", [own, *tickets], {"body": "Mine now"}))
    assert Note.objects.filter(body="Mine now").count() == 1
    assert "3 chosen tickets are no longer in your reach." in told.text
    assert tickets[0].number not in told.text


def test_who_lost_a_ticket_meanwhile_is_refused_for_it(client, agent, tickets, monkeypatch):
    monkeypatch.setattr(bulk, "AT_ONCE", 0)
    answer = do(client, agent, "note", tickets, {"body": "x"})
    elsewhere = builders.team("elsewhere")
    Ticket.objects.filter(pk=tickets[0].pk).update(owner=None, team=elsewhere, first_contact=None)
    bulk.run(BulkJob.objects.get())
    told = result(client, answer).text
    assert "This ticket is no longer in your reach." in told
    assert tickets[0].subject not in told
    assert Note.objects.filter(body="x").count() == 2


def test_a_result_is_for_who_asked_for_it(client, agent, lead, tickets):
    address = do(client, agent, "note", tickets, {"body": "x"})["Location"]
    client.force_login(lead)
    assert client.get(address).status_code == 404
    client.logout()
    assert client.get(address).status_code == 302


def test_rows_have_a_box_and_a_bar_for_who_works_and_none_for_who_reads(client, lead, agent, tickets):
    for person, boxes, assign in [
        (lead, 3, True),
        (agent, 3, False),
        (builders.person("auditor", language="en"), 0, False),
    ]:
        client.force_login(person)
        page = client.get(reverse("desk:team"), headers=EN).text
        assert page.count('class="pick"') == boxes
        assert ('class="bulk-bar"' in page) == ("next steps" in page.lower()) == bool(boxes)  # the list of keys as well
        assert ('value="assign"' in page) == assign


# --- once, and wholly ----------------------------------------------------------------------------------------------


def test_two_clicks_act_once_and_other_words_under_the_same_key_are_refused(client, agent, tickets):
    first = do(client, agent, "reply", tickets, {"body": "Hi"})
    second = do(client, agent, "reply", tickets, {"body": "Hi"})
    assert first["Location"] == second["Location"]
    assert Note.objects.filter(body="Hi").count() == 3
    other = do(client, agent, "reply", tickets, {"body": "Something else"})
    assert other.status_code == 409
    assert "Something else</textarea>" in other.text
    assert not Note.objects.filter(body="Something else").exists()


def test_a_ticket_that_somebody_else_has_just_done_is_not_done_again(agent, tickets):
    job = started(agent, tickets)
    stale = list(job.items.values_list("pk", flat=True))
    assert bulk.run(job)
    for pk in stale:
        bulk._act(pk, bulk.ACTIONS["note"], agent, {"body": "x"})
    assert Note.objects.filter(body="x").count() == 3


def test_what_a_killed_worker_left_is_done_later_and_nothing_twice(agent, tickets, monkeypatch):
    job = started(agent, tickets)
    real, calls = conversation.add_internal_note, []

    def dying(**given):
        calls.append(real(**given))
        if len(calls) == 2:
            raise OperationalError("the server went away")

    monkeypatch.setattr(bulk, "ACTIONS", {"note": bulk.Action(bulk._plain(dying), "", "", bulk.ACTIONS["note"].form)})
    with pytest.raises(OperationalError):
        bulk.run(job)
    assert Note.objects.filter(body="x").count() == 1  # the second is undone with its marker
    assert job.items.filter(outcome="waiting").count() == 2
    assert bulk.sweep(now=NOW + timedelta(seconds=10)) == 0  # somebody may still be at it
    assert bulk.sweep(now=NOW + timedelta(minutes=1)) == 1
    assert Note.objects.filter(body="x").values("case").distinct().count() == Note.objects.filter(body="x").count() == 3
    assert BulkJob.objects.get().done_at is not None
    assert bulk.sweep(now=NOW + timedelta(hours=1)) == 0


def test_a_mistake_of_ours_in_one_ticket_leaves_the_others(agent, tickets, monkeypatch):
    def broken(*, ticket_id, **given):
        conversation.add_internal_note(ticket_id=ticket_id, **given)
        if ticket_id == tickets[1].pk:
            raise KeyError("x")

    monkeypatch.setattr(bulk, "ACTIONS", {"note": bulk.Action(bulk._plain(broken), "", "", bulk.ACTIONS["note"].form)})
    job = started(agent, tickets)
    assert bulk.run(job)
    assert list(job.items.values_list("outcome", flat=True)) == ["done", "failed", "done"]
    assert Note.objects.filter(body="x").count() == 2


def started(person, tickets):
    chosen = [(ticket.pk, ticket.version) for ticket in tickets]
    job, _new = bulk.start(person=person, action="note", given={"body": "x"}, chosen=chosen, key=KEY)
    return job


def test_the_same_key_belongs_to_one_person_only(agent, lead, tickets):
    started(agent, tickets)
    started(lead, tickets)
    assert BulkJob.objects.count() == 2
    with pytest.raises(StaleVersion):
        bulk.start(person=agent, action="note", given={"body": "y"}, chosen=[], key=KEY)


# --- many ----------------------------------------------------------------------------------------------------------


def test_more_than_a_page_goes_to_a_worker_page_by_page(client, agent, tickets, monkeypatch):
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    asked = []
    monkeypatch.setattr(bulk, "kick", asked.append)
    answer = do(client, agent, "note", tickets, {"body": "x"})
    job = BulkJob.objects.get()
    assert asked == [job.pk]
    assert not Note.objects.filter(body="x").exists()
    page = result(client, answer)
    assert "0 of 3" in page.text
    assert 'hx-trigger="every 2s"' in page.text
    monkeypatch.setattr(bulk, "run", lambda job, run=bulk.run: run(job, most=2))
    tasks.run_bulk(job.pk)
    assert asked == [job.pk] * 2
    assert "2 of 3" in client.get(answer["Location"], headers=HTMX).text
    tasks.run_bulk(job.pk)
    tasks.run_bulk(job.pk)
    assert asked == [job.pk] * 2
    done = client.get(answer["Location"], headers=HTMX).text
    assert "Done for all 3 tickets." in done
    assert "every 2s" not in done


def test_who_waits_too_long_gets_the_rest_from_a_worker(agent, tickets):
    job = started(agent, tickets)
    assert not bulk.run(job, patience=-1)
    assert job.items.filter(outcome="done").count() == 1


def test_the_whole_list_is_the_first_of_it_in_its_order(client, agent, tickets, monkeypatch):
    assert first_keys(Listing(), agent, now=NOW, most=2) == [ticket.pk for ticket in tickets[:2]]
    free = builders.ticket(agent, subject="free", customer=None, at=NOW)
    team = first_keys(Listing("team"), agent, now=NOW, most=9)
    assert team == [free.pk, *(ticket.pk for ticket in tickets)]
    asked = choose(client, agent, "note", tickets[:1], all="1").text
    assert pairs(tickets) in asked
    monkeypatch.setattr(bulk, "MOST", 2)
    cut = choose(client, agent, "note", tickets).text
    assert pairs(tickets[:2]) in cut
    assert pairs(tickets) not in cut
    assert "At most 2 tickets at once" in cut


def test_a_long_job_that_was_left_goes_on_with_a_worker_and_two_sweeps_share_it(agent, tickets, monkeypatch):
    later, real, beside, asked = NOW + timedelta(minutes=1), bulk.run, [], []

    def run(job):
        if not beside:  # a second sweep begins while the first is at it
            beside.append(None)
            beside[0] = bulk.sweep(now=later)
        return real(job, most=2)

    monkeypatch.setattr(bulk, "run", run)
    monkeypatch.setattr(bulk, "kick", asked.append)
    job = started(agent, tickets)
    with clock.simulated(later):
        assert bulk.sweep(now=later) == 1
    assert beside == [0]
    assert asked == [job.pk]
    assert job.items.filter(outcome="waiting").count() == 1


def test_what_is_old_is_forgotten_but_not_while_it_goes_on(agent, tickets):
    job = started(agent, tickets)
    bulk.run(job)
    going = bulk.start(person=agent, action="note", given={"body": "x"}, chosen=[], key="f" * 32)[0]
    BulkJob.objects.update(created_at=F("created_at") - timedelta(days=8), run_at=NOW)
    tasks.bulk_due()
    assert list(BulkJob.objects.values_list("pk", flat=True)) == [going.pk]
    assert not BulkItem.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_and_a_worker_beside_them_act_once(agent, tickets):
    chosen = [(ticket.pk, ticket.version) for ticket in tickets]
    ready, jobs, problems = threading.Barrier(3), [], []

    def click():
        try:
            with clock.simulated(NOW):
                ready.wait()
                job, _new = bulk.start(person=agent, action="reply", given={"body": "x"}, chosen=chosen, key=KEY)
                jobs.append(job.pk)
                bulk.run(job)
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(jobs) == 3
    assert set(jobs) == {BulkJob.objects.get().pk}
    assert set(BulkItem.objects.values_list("outcome", flat=True)) == {"done"}
    assert Note.objects.filter(body="x").count() == 3
