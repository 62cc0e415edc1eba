"""The change feed tells each page what concerns its person, and nothing twice that matters; and the bell's list."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from cases.models import CaseEvent
from common import clock
from notifications.models import Message
from notifications.notices import known_templates
from notifications.services import notice
from sla import sweep as sweeping
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tickets import ending, services

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(client):
    builders.house()
    person = builders.person("agent", language="en")
    client.force_login(person)
    return person


def at(minutes):
    return clock.simulated(MONDAY + timedelta(minutes=minutes))


def poll(client, since="", etag=""):
    headers = {"If-None-Match": etag} if etag else {}
    return client.get(reverse("desk:changes"), {"since": since}, headers=headers)


def changed(answer):
    return [fact["id"] for fact in answer.json()["facts"] if fact["kind"] == "ticket.changed"]


def counts(answer):
    return next(fact for fact in answer.json()["facts"] if fact["kind"] == "counts")


def test_a_new_page_gets_a_cursor_and_no_old_news(client, agent):
    with at(0):
        builders.ticket(agent)
    with at(10):
        answer = poll(client)
    assert changed(answer) == []
    assert answer.json()["cursor"] == str(CaseEvent.objects.latest("pk").pk)
    assert answer.json()["now"] == int((MONDAY + timedelta(minutes=10)).timestamp() * 1000)


def test_what_changed_since_the_cursor_is_told_with_its_version(client, agent):
    with at(0):
        ticket = builders.ticket(agent)
    with at(1):
        cursor = poll(client).json()["cursor"]
        ticket = services.take_ticket(ticket_id=ticket.pk, by=agent)
        facts = poll(client, cursor).json()["facts"]
    assert facts[0] == {
        "kind": "ticket.changed",
        "id": ticket.pk,
        "version": ticket.event_seq,
    }


def test_the_last_ten_seconds_are_told_again_and_then_left(client, agent):
    with at(0):
        ticket = builders.ticket(agent)
        first = poll(client)
        again = poll(client, first.json()["cursor"])
    assert changed(first) == changed(again) == [ticket.pk]
    with at(1):
        later = poll(client, again.json()["cursor"])
        assert changed(later) == [ticket.pk]
        assert changed(poll(client, later.json()["cursor"])) == []


def test_an_event_that_commits_late_with_an_earlier_key_is_not_lost(client, agent):
    """Two transactions: the first takes its keys and commits second. Nothing of it may fall behind the cursor."""
    with at(0):
        slow = builders.ticket(agent, customer=None)
    with at(5):
        quick = builders.ticket(agent, customer=None)
        before = CaseEvent.objects.filter(case=slow).order_by("pk").first().pk - 1
        answer = poll(client, before)
        assert set(changed(answer)) == {slow.pk, quick.pk}
        # The quick one is younger than ten seconds: the cursor stays before it.
        assert int(answer.json()["cursor"]) < CaseEvent.objects.filter(case=quick).order_by("pk").first().pk


def test_nothing_happened_is_304_with_the_same_tag(client, agent):
    with at(0):
        builders.ticket(agent)
    with at(2):
        answer = poll(client)
        same = poll(client, answer.json()["cursor"], answer["ETag"])
        assert (same.status_code, same.content, same["ETag"]) == (304, b"", answer["ETag"])
        assert same["X-Server-Now"]


def test_a_deadline_that_passes_changes_the_counts_without_any_event(client, agent):
    with at(0):
        ticket = builders.ticket(agent)
        services.take_ticket(ticket_id=ticket.pk, by=agent)
    with at(2):
        answer = poll(client)
        assert (counts(answer)["todo"], counts(answer)["due"]) == (1, 0)
    with at(16):
        late = poll(client, answer.json()["cursor"], answer["ETag"])
        assert (late.status_code, counts(late)["due"], counts(late)["rail.queue"]) == (200, 1, 1)


def test_the_figures_of_my_queue_move_together_and_only_where_they_are_shown(client, agent):
    """What the tabs and the title say after a step is what the page itself would say if it were made anew."""
    lead = builders.person("lead", language="en", team=agent.team)

    def told():
        facts = counts(client.get(reverse("desk:changes"), {"tabs": "1"}))
        return [facts[f"tab.{tab}"] for tab in ("all", "todo", "waiting", "visits", "done")]

    def written():
        text = client.get("/desk/").content.decode()
        return [
            re.search(rf'data-count="tab.{tab}">(.*?)<', text)[1]
            for tab in ("all", "todo", "waiting", "visits", "done")
        ]

    with at(0):
        first, second, third = (builders.ticket(agent, customer=None) for _ in range(3))
        for ticket in (first, second, third):
            services.take_ticket(ticket_id=ticket.pk, by=agent)
        assert told() == written() == ["3", "3", "0", "0", "0"]
        assert "tab.todo" not in counts(poll(client))
        services.wait_for_customer(ticket_id=first.pk, reason="documents", by=agent)
        ending.resolve_ticket(ticket_id=second.pk, resolution="Done.", verified="test", by=agent)
        services.submit_for_review(ticket_id=third.pk, by=agent)
        assert told() == written() == ["2", "1", "1", "0", "1"]
        client.force_login(lead)
        assert told() == written() == ["1", "1", "0", "0", "0"]


def test_the_work_of_another_team_is_not_told(client, agent):
    far = builders.person("agent", team=builders.team("far"))
    with at(0):
        builders.ticket(far)
        assert changed(poll(client, 0)) == []
    client.force_login(builders.person("supervisor"))
    with at(0):
        assert len(changed(poll(client, 0))) == 1


def test_what_the_sweep_does_is_told_although_no_form_is_made_stale(client, agent):
    with at(0):
        ticket = builders.ticket(agent)
        services.take_ticket(ticket_id=ticket.pk, by=agent)
    with at(1):
        cursor = poll(client).json()["cursor"]
    with at(16):
        sweep()
        answer = poll(client, cursor)
    assert changed(answer) == [ticket.pk]
    assert counts(answer)["notices"] >= 1


def test_away_for_long_everything_is_told_once(client, agent, monkeypatch):
    monkeypatch.setattr("desk.views.changes.MOST_EVENTS", 3)
    with at(0):
        tickets = [builders.ticket(agent, customer=None) for _ in range(5)]
        assert set(changed(poll(client, 0))) == {ticket.pk for ticket in tickets}


@pytest.mark.parametrize("since", ["abc", "-1", "1.5", "²"])
def test_a_strange_cursor_is_a_new_page(client, agent, since):
    with at(0):
        assert poll(client, since).status_code == 200


def test_three_statements_beside_the_session(client, agent):
    with at(0):
        for _ in range(5):
            builders.ticket(agent, customer=None)
        with CaptureQueriesContext(connection) as seen:
            poll(client, 0)
    ours = [query["sql"] for query in seen if "session" not in query["sql"]]
    assert len(ours) <= 4, ours  # the person, the events, the cases, the counts


def test_who_may_ask(client):
    assert poll(client)["Location"].startswith("/sign-in/")
    for role in ("agent", "lead", "auditor", "administrator"):
        client.force_login(builders.person(role))
        assert poll(client).status_code == 200


# --- notices ---------------------------------------------------------------------------------------------------------


def tell(person, ticket, template="promise_missed", **context):
    message = notice(
        person,
        template=template,
        case=ticket,
        context={
            "number": ticket.number,
            "promise": "resolve",
            "due": "2026-03-02T09:30:00+00:00",
            "tier": 2,
            "score": 2,
            "when": "evening",
            **context,
        },
        key=f"{template}-{person.pk}",
        at=MONDAY,
    )
    message.save()
    return message


def test_a_notice_reads_in_the_language_of_the_reader_at_the_time_of_reading(client, agent):
    ticket = builders.ticket(agent)
    tell(agent, ticket)
    with at(60):
        text = client.get(reverse("desk:notices")).content.decode()
        assert f"Resolution of {ticket.number} is overdue since 17:30." in text
        agent.language = "zh-hans"
        agent.save()
        assert "Resolution of" not in client.get(reverse("desk:notices")).content.decode()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_notice_that_is_written_has_its_sentence(client, agent, language):
    agent.language = language
    agent.save()
    ticket = builders.ticket(agent)
    written = {
        *sweeping.TEMPLATES.values(),
        "promise_corrected",
        "exception_reported",
        "pause_ended",
        "ticket_escalated",
        "ticket_unheard",
        "visit_call_notice",
        "visit_callback_notice",
        "visit_failed_notice",
        "visit_late_notice",
        "visit_low_rating_notice",
        "visit_missed_notice",
        "visit_new_notice",
        "visit_off_notice",
    }
    # Of certificates, calendars and replies that did not leave, and tested there.
    elsewhere = {"certificate_ends", "certificate_ended", "calendar_incomplete", "reply_not_sent"}
    assert written == known_templates() - elsewhere
    for template in written:
        tell(agent, ticket, template)
        tell(builders.person("lead"), ticket, template)
    text = client.get(reverse("desk:notices")).content.decode()
    assert text.count(ticket.number) == len(written)
    assert "%(" not in text


def test_a_paused_or_unknown_notice_still_reads(client, agent):
    ticket = builders.ticket(agent)
    tell(agent, ticket, "pause_ended", due="paused")
    tell(agent, ticket, "brand_new")
    text = client.get(reverse("desk:notices")).content.decode()
    assert "due at paused" in text
    assert "Notice: brand_new" in text


def test_opening_a_notice_reads_it_and_leads_to_its_ticket(client, agent):
    ticket = builders.ticket(agent)
    message = tell(agent, ticket)
    answer = client.post(reverse("desk:notice", args=[message.pk]))
    assert answer["Location"] == reverse("desk:case", args=[ticket.number])
    message.refresh_from_db()
    assert message.read_at is not None


def test_all_can_be_read_at_once_and_only_ones_own(client, agent):
    ticket = builders.ticket(agent)
    other = builders.person("lead")
    tell(agent, ticket)
    tell(agent, ticket, "pause_ended")
    theirs = tell(other, ticket)
    assert client.post(reverse("desk:notice", args=[theirs.pk])).status_code == 404
    client.post(reverse("desk:notices_read"))
    assert Message.objects.get(channel="in_app", read_at=None) == theirs


def test_the_bell_shows_what_is_unread(client, agent):
    ticket = builders.ticket(agent)
    tell(agent, ticket)
    Message.objects.filter(pk=tell(agent, ticket, "pause_ended").pk).update(read_at=MONDAY)
    text = client.get(reverse("desk:notices"), headers={"HX-Request": "true"}).content.decode()
    assert "1 unread notice" in text
    assert "paused for as long" not in text
    assert "<html" not in text


def test_notices_are_for_people_who_are_signed_in(client):
    assert client.get(reverse("desk:notices"))["Location"].startswith("/sign-in/")
    for role in ("agent", "lead", "auditor", "administrator"):
        client.force_login(builders.person(role))
        assert client.get(reverse("desk:notices")).status_code == 200
        assert client.get(reverse("desk:notices_read")).status_code == 405
