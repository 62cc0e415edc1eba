"""Every action: the happy path, the refusal with the service's own sentence, and what the role may not."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from cases.models import Category, Note
from common import clock
from desk.views.actions import ACTIONS, COMPOSER
from notifications.models import Message
from sla.models import Deadline
from staff import permissions
from tests import builders
from tests.builders import MONDAY
from tickets import conversation, ending, exceptions, services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
NOW = MONDAY + timedelta(hours=1)
EN = {"Accept-Language": "en"}
HTMX = {**EN, "HX-Request": "true"}


@pytest.fixture(autouse=True)
def _house():
    builders.house()
    with clock.simulated(NOW):
        yield


@pytest.fixture
def agent():
    """Whose replies leave at once; how one waits for an undo is in test_sending.py."""
    return builders.person("agent", language="en", undo_replies=False)


@pytest.fixture
def lead():
    return builders.person("lead", language="en")


@pytest.fixture
def ticket(agent):
    """In progress with the agent."""
    opened = builders.ticket(agent, type="fault", needs_visit=True)
    return services.take_ticket(ticket_id=opened.pk, by=agent, at=MONDAY)


def address(ticket, name, query=""):
    return reverse("desk:do", args=[ticket.number, name]) + query


def send(client, person, ticket, name, data=None, headers=EN, query=""):
    client.force_login(person)
    return client.post(address(ticket, name, query), data or {}, headers=headers)


def fresh(ticket):
    return Ticket.objects.get(pk=ticket.pk)


def in_state(ticket, agent, state):
    """Walk the ticket to where the action is at home."""
    steps = {
        "new": [],
        "pending": [lambda: services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent)],
        "in_review": [lambda: services.submit_for_review(ticket_id=ticket.pk, by=agent)],
        "resolved": [lambda: ending.resolve_ticket(ticket_id=ticket.pk, resolution="ok", verified="test", by=agent)],
        "assigned": [lambda: services.assign_ticket(ticket_id=ticket.pk, owner=agent, by=None)],
    }

    def report():
        exceptions.report_exception(ticket_id=ticket.pk, kind="system_delay", words="Slow", by=None)

    def uphold():
        exceptions.judge_exception(ticket_id=ticket.pk, upheld=True, words="Seen", by=None)

    def solve():
        exceptions.solve_exception(ticket_id=ticket.pk, words="Restarted", by=None)

    steps |= {"exception": [report], "upheld": [report, uphold], "solved": [report, uphold, solve]}
    for step in steps.get(state, []):
        step()


def last_step(ticket):
    return ticket.events.filter(kind="exception").latest("seq").facts["step"]


# action: state to begin in, what is sent, and what holds afterwards
HAPPY = {
    "take": ("new", {}, lambda t, by: (t.state, t.owner_id) == ("in_progress", by.pk)),
    "start": ("assigned", {}, lambda t, by: t.state == "in_progress"),
    "return": ("", {"reason": "Needs the fiber crew"}, lambda t, by: (t.state, t.owner) == ("returned", None)),
    "check": ("", {"passed": "no", "missing": "No contract"}, lambda t, by: t.notes.get().body == "No contract"),
    "reply": ("", {"body": "Hello"}, lambda t, by: t.notes.get(direction="out").body == "Hello"),
    "note": ("", {"body": "Splitter 3"}, lambda t, by: t.notes.get(visibility="internal").body == "Splitter 3"),
    "call": ("", {"outcome": "no_answer"}, lambda t, by: t.notes.get().outcome == "no_answer"),
    "customer": ("pending", {"body": "Here", "channel": "sms"}, lambda t, by: t.state == "in_progress"),
    "wait": ("", {"reason": "documents"}, lambda t, by: (t.state, t.pause_reason) == ("pending", "documents")),
    "hold": ("", {"reason": "supplier"}, lambda t, by: (t.state, t.pause_reason) == ("held", "supplier")),
    "resume": ("pending", {}, lambda t, by: t.state == "in_progress"),
    "reclassify": (
        "",
        {"type": "fault", "urgency": "urgent", "severity": "area", "complex": "on"},
        lambda t, by: (t.priority, t.complex) == (1, True),
    ),
    "plan": ("", {"plan": "Splice", "due_on": "2026-03-05"}, lambda t, by: str(t.plan_due_on) == "2026-03-05"),
    "escalate": ("", {"reason": "A hospital"}, lambda t, by: t.tier == 2),
    "locate": ("", {}, lambda t, by: t.located_at == NOW),
    "on_site": ("", {}, lambda t, by: t.on_site_at == NOW),
    "restored": ("", {}, lambda t, by: t.restored_at == NOW),
    "submit_for_review": ("", {"note": "Please look"}, lambda t, by: t.state == "in_review"),
    "resolve": ("", {"resolution": "New splitter", "verified": "test"}, lambda t, by: t.resolution == "New splitter"),
    "confirm": ("resolved", {}, lambda t, by: (t.state, t.closed_because) == ("closed", "confirmed")),
    "reopen": ("resolved", {"reason": "Red again"}, lambda t, by: (t.state, t.cycle) == ("in_progress", 2)),
    "summarize": ("resolved", {"idea": "Label it"}, lambda t, by: t.notes.get().body.endswith(": Label it")),
    "cancel": ("", {"reason": "Opened twice"}, lambda t, by: t.state == "cancelled"),
    "report_exception": ("", {"kind": "complaint", "words": "Angry"}, lambda t, by: last_step(t) == "reported"),
    "solve_exception": ("upheld", {"words": "Restarted"}, lambda t, by: last_step(t) == "solved"),
    "follow_up_exception": ("solved", {"words": "Holds"}, lambda t, by: last_step(t) == "followed_up"),
}  # fmt: skip
LEADS = {
    "judge_exception": (
        "exception",
        lambda t, lead: {"upheld": "yes", "words": "Seen"},
        lambda t, by: last_step(t) == "upheld",
    ),
    "assign": ("", lambda t, lead: {"owner": lead.pk}, lambda t, by: t.owner_id == by.pk),
    "review": ("in_review", lambda t, lead: {"passed": "yes"}, lambda t, by: t.reviews_passed == 1),
    "extend_pause": (
        "pending",
        lambda t, lead: {"until": "2026-03-20T12:00", "reason": "The customer travels"},
        lambda t, by: Deadline.objects.get(case=t, promise="resolve").paused_until.day == 20,
    ),
}
SAME = {"type": "fault", "urgency": "normal", "severity": "one"}
# action: state to begin in, what is sent, status, and the service's sentence
REFUSED = {
    "take": ("", {}, 409, "This is not possible while the state is “In progress”."),
    "start": ("", {}, 409, "This is not possible while the state is “In progress”."),
    "return": ("", {"reason": " "}, 422, "Say why your team cannot solve it."),
    "check": ("", {"passed": "no", "missing": " "}, 422, "Write what is missing."),
    "reply": ("", {"body": " "}, 422, "Write the reply first."),
    "note": ("", {"body": ""}, 422, "Write the note first."),
    "call": ("", {"outcome": "reached", "body": ""}, 422, "Write what was said."),
    "customer": ("", {"body": "x", "channel": "pigeon"}, 422, "Choose one of the values offered."),
    "wait": ("", {}, 422, "Choose one of the values offered."),
    "hold": ("", {"reason": "documents"}, 422, "Choose one of the values offered."),
    "resume": ("", {}, 409, "This is not possible while the state is “In progress”."),
    "reclassify": ("resolved", SAME, 409, "Only an open ticket can be changed."),
    "plan": ("", {"plan": "Splice", "due_on": "soon"}, 422, "Enter a valid date."),
    "escalate": ("resolved", {"reason": "A hospital"}, 409, "Only an open ticket can be escalated."),
    "locate": ("resolved", {}, 409, "Only an open ticket can be changed."),
    "on_site": ("resolved", {}, 409, "Only an open ticket can be changed."),
    "restored": ("resolved", {}, 409, "Only an open ticket can be changed."),
    "need_visit": ("", {}, 409, "This is recorded already."),
    "submit_for_review": ("pending", {"note": "Check"}, 409, "while the state is “Waiting for customer”."),
    "resolve": ("", {"resolution": "It works again"}, 409, "Say how you know that it is solved."),
    "confirm": ("", {}, 409, "This is not possible while the state is “In progress”."),
    "reopen": ("", {"reason": "Red again"}, 409, "This is not possible while the state is “In progress”."),
    "summarize": ("", {"idea": "Label it"}, 409, "A ticket is summed up once it is resolved."),
    "cancel": ("", {"reason": ""}, 422, "Say why it is cancelled."),
    "assign": ("", {}, 422, "Choose a person or a team."),
    "review": ("in_review", {"passed": "no", "note": ""}, 422, "Say what must be changed."),
    "report_exception": ("exception", {"kind": "complaint", "words": "x"}, 409, "has a service exception already"),
    "judge_exception": ("exception", {"words": "Seen"}, 422, "Say whether it is one."),
    "solve_exception": ("exception", {"words": "Restarted"}, 409, "A lead or supervisor judges it first."),
    "follow_up_exception": ("upheld", {"words": "Holds"}, 409, "It is followed up once it is solved."),
    "extend_pause": ("pending", {"until": "2026-01-01T00:00", "reason": "x"}, 422, "Choose a time in the future."),
}  # fmt: skip


NOT_OFFERED = {("customer", "pigeon"), ("hold", "documents")}


def test_the_tables_cover_every_action():
    assert set(REFUSED) == set(ACTIONS)
    assert {*HAPPY, *LEADS, "need_visit"} == set(ACTIONS)


@pytest.mark.parametrize("headers", [EN, HTMX], ids=["form", "htmx"])
@pytest.mark.parametrize("name", HAPPY)
def test_an_agent_can(client, agent, ticket, name, headers):
    state, data, holds = HAPPY[name]
    if state in ("new", "assigned"):
        ticket = builders.ticket(agent)
    in_state(ticket, agent, state)
    answer = send(client, agent, ticket, name, data, headers)
    assert answer.status_code == (302 if headers is EN else 200), answer.text[:500]
    assert holds(fresh(ticket), agent)
    if headers is EN:
        assert str(ACTIONS[name].done) in client.get(answer["Location"], headers=EN).text
    else:
        assert "dialog-done" in answer["HX-Trigger"]
        assert ticket.number in answer.text


@pytest.mark.parametrize("name", LEADS)
def test_a_lead_can_and_an_agent_is_told_who(client, agent, lead, ticket, name):
    state, data, holds = LEADS[name]
    in_state(ticket, agent, state)
    before = fresh(ticket).version
    refused = send(client, agent, ticket, name, data(ticket, lead))
    assert refused.status_code == 403
    assert "Team lead" in refused.text
    assert fresh(ticket).version == before
    assert send(client, lead, ticket, name, data(ticket, lead)).status_code == 302
    assert holds(fresh(ticket), lead)


def test_deciding_that_a_visit_is_needed(client, agent):
    ticket = builders.ticket(agent, type="fault")
    assert send(client, agent, ticket, "need_visit").status_code == 302
    assert fresh(ticket).needs_visit


@pytest.mark.parametrize("headers", [EN, HTMX], ids=["form", "htmx"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_why_and_keeps_what_was_typed(client, agent, lead, ticket, name, headers):
    state, data, status, sentence = REFUSED[name]
    in_state(ticket, agent, state)
    before = fresh(ticket).version
    answer = send(client, lead if name in LEADS else agent, ticket, name, data, headers)
    assert answer.status_code == status, answer.text[:300]
    assert sentence in answer.text.replace("&quot;", '"')
    assert fresh(ticket).version == before
    for value in data.values():
        if value.strip() and (name, value) not in NOT_OFFERED:
            assert value in answer.text


@pytest.mark.parametrize("name", ACTIONS)
def test_a_stranger_signs_in_an_auditor_and_other_teams_do_nothing(client, agent, ticket, name):
    before = fresh(ticket).version
    assert client.post(address(ticket, name)).status_code == 302
    auditor = send(client, builders.person("auditor", language="en"), ticket, name, {"body": "x", "reason": "x"})
    assert auditor.status_code == 403
    able = permissions.roles_that_may(ACTIONS[name].ability)
    assert all(str(role.label) in auditor.text for role in able)
    other = builders.person("lead", team=builders.team("elsewhere"))
    assert send(client, other, ticket, name, {"body": "x", "reason": "x"}).status_code == 404
    assert fresh(ticket).version == before


@pytest.mark.parametrize(
    "name", sorted(name for name, action in ACTIONS.items() if action.asks and name not in COMPOSER)
)
def test_a_form_is_a_page_and_a_dialog(client, lead, agent, ticket, name):
    client.force_login(lead)
    page = client.get(address(ticket, name), headers=EN)
    dialog = client.get(address(ticket, name), headers=HTMX)
    assert (page.status_code, dialog.status_code) == (200, 200)
    assert "<html" in page.text
    assert "<html" not in dialog.text
    assert f'name="version" value="{ticket.version}"' in dialog.text
    assert "autofocus" in dialog.text


@pytest.mark.parametrize("name", ["take", "reply", "resume"])
def test_what_has_no_form_of_its_own_leads_to_the_ticket(client, agent, ticket, name):
    client.force_login(agent)
    answer = client.get(address(ticket, name, "?tab=waiting"))
    assert answer["Location"] == reverse("desk:case", args=[ticket.number]) + "?tab=waiting"


def test_an_unknown_action_is_not_there(client, agent, ticket):
    assert send(client, agent, ticket, "explode").status_code == 404


# --- the composer ----------------------------------------------------------------------------------------------------


def test_each_thing_that_is_missing_is_said_at_its_field_and_counted(client, agent, ticket):
    answer = send(client, agent, ticket, "resolve", {"resolution": " ", "went_well": "Quick"}, HTMX)
    assert answer.status_code == 409
    assert "2 things to put right" in answer.text
    assert answer.text.count('href="#id_resolution">Write down what fixed it first.') == 1
    assert answer.text.count('id="id_verified_error"') == 1
    assert "Quick" in answer.text


def test_send_and_wait_and_send_and_resolve(client, agent, ticket):
    send(client, agent, ticket, "reply", {"body": "Which lamp?", "then": "wait", "reason": "documents"})
    assert fresh(ticket).state == "pending"
    send(client, agent, ticket, "customer", {"body": "The red one", "channel": "sms"})
    answer = send(client, agent, ticket, "reply", {"body": "Reset it", "then": "resolve", "verified": "customer"}, HTMX)
    assert "Sent and resolved" in answer.text
    assert (fresh(ticket).state, fresh(ticket).resolution) == ("resolved", "Reset it")


def test_a_reply_that_cannot_resolve_is_not_sent_either(client, agent, ticket):
    answer = send(client, agent, ticket, "reply", {"body": "Reset it", "then": "resolve"}, HTMX)
    assert answer.status_code == 409
    assert "Reset it</textarea>" in answer.text
    assert 'id="then-resolve" value="resolve" checked' in answer.text
    assert not Note.objects.filter(body="Reset it").exists()
    assert not Message.objects.filter(template="ticket_reply").exists()


@pytest.mark.parametrize(
    ("name", "more"),
    [("reply", {}), ("note", {}), ("customer", {"channel": "web"}), ("call", {"outcome": "reached"})],
)
def test_a_form_sent_twice_is_taken_once(client, agent, ticket, name, more):
    for _time in range(2):
        assert send(client, agent, ticket, name, {"body": "Hi", "key": "k1", **more}).status_code == 302
    assert Note.objects.filter(body="Hi").count() == 1


@pytest.mark.parametrize(
    ("name", "data", "typed"),
    [
        ("resolve", {"resolution": "New splitter", "verified": "test"}, "New splitter</textarea>"),
        ("reclassify", {"type": "fault", "urgency": "urgent", "severity": "one"}, 'value="urgent"'),
    ],
)
def test_whoever_was_overtaken_sees_by_whom_and_can_send_again(client, agent, lead, ticket, name, data, typed):
    seen = ticket.version
    conversation.add_internal_note(ticket_id=ticket.pk, body="wait a moment", by=lead, at=NOW)
    answer = send(client, agent, ticket, name, {**data, "version": seen}, HTMX)
    assert answer.status_code == 409
    assert "banner-conflict" in answer.text
    assert lead.name in answer.text
    assert typed in answer.text
    assert fresh(ticket).state == "in_progress"
    renewed = fresh(ticket).version
    assert f'name="version" value="{renewed}"' in answer.text
    assert send(client, agent, ticket, name, {**data, "version": renewed}, HTMX).status_code == 200


def seen_in(answer):
    """What the form of the reply on this page says that its writer has seen."""
    return int(re.search(r'name="seen" value="(\d*)"', answer.text)[1])


def write_first(how, ticket, lead):
    if how == "reply":
        conversation.reply_to_customer(ticket_id=ticket.pk, body="A visit is booked", by=lead, at=NOW)
    elif how == "call":
        conversation.log_call(ticket_id=ticket.pk, body="A visit is booked", outcome="reached", by=lead, at=NOW)
    else:
        conversation.customer_wrote(ticket_id=ticket.pk, body="A visit is booked", channel="sms", at=NOW)


@pytest.mark.parametrize("headers", [EN, HTMX], ids=["form", "htmx"])
@pytest.mark.parametrize(
    ("how", "sentence", "author"),
    [
        ("reply", "The customer was answered while you were writing.", "lead"),
        ("call", "The customer was answered while you were writing.", "lead"),
        ("customer", "The customer wrote while you were writing.", "customer"),
    ],
)
def test_sending_after_somebody_else_wrote_shows_it_and_asks_once(
    client, agent, lead, ticket, headers, how, sentence, author
):
    client.force_login(agent)
    seen = seen_in(client.get(reverse("desk:case", args=[ticket.number]), headers=headers))
    write_first(how, ticket, lead)
    mine = {"body": "My answer", "then": "", "seen": seen, "key": "k1"}
    answer = send(client, agent, ticket, "reply", mine, headers)
    assert answer.status_code == 409
    asked = answer.text[answer.text.index("banner-conflict overtaken") : answer.text.index("draft-box")]
    assert sentence in asked
    assert "A visit is booked" in asked
    assert (lead.name if author == "lead" else ticket.customer.name) in asked
    assert "Send anyway" in asked
    assert "My answer</textarea>" in answer.text
    assert not Note.objects.filter(body="My answer").exists()
    again = send(client, agent, ticket, "reply", {**mine, "seen": seen_in(answer)}, headers)
    assert again.status_code == (302 if headers is EN else 200)
    assert Note.objects.filter(body="My answer").count() == 1


def test_what_comes_after_the_question_is_asked_about_again(client, agent, lead, ticket):
    seen = fresh(ticket).event_seq
    write_first("reply", ticket, lead)
    asked = send(client, agent, ticket, "reply", {"body": "My answer", "seen": seen}, HTMX)
    write_first("customer", ticket, lead)
    again = send(client, agent, ticket, "reply", {"body": "My answer", "seen": seen_in(asked)}, HTMX)
    assert again.status_code == 409
    assert "The customer wrote while you were writing." in again.text


def test_a_refusal_for_another_reason_has_asked_nothing_yet(client, agent, lead, ticket):
    seen = fresh(ticket).event_seq
    write_first("reply", ticket, lead)
    refused = send(client, agent, ticket, "reply", {"body": " ", "seen": seen}, HTMX)
    assert (refused.status_code, seen_in(refused)) == (422, seen)


def test_what_one_said_oneself_in_another_window_is_not_asked_about(client, agent, ticket):
    seen = fresh(ticket).event_seq
    write_first("reply", ticket, agent)
    assert send(client, agent, ticket, "reply", {"body": "And more", "seen": seen}, HTMX).status_code == 200


def test_other_changes_merge_and_are_told(client, agent, lead, ticket):
    seen = fresh(ticket).event_seq
    conversation.add_internal_note(ticket_id=ticket.pk, body="wait a moment", by=lead, at=NOW)
    answer = send(client, agent, ticket, "reply", {"body": "My answer", "then": "wait", "seen": seen}, HTMX)
    assert answer.status_code == 200
    assert f"Meanwhile: Internal note added ({lead.name})." in answer.text
    assert fresh(ticket).state == "pending"


def test_what_only_the_system_did_is_not_told(client, agent, ticket):
    seen = fresh(ticket).event_seq
    services.assign_ticket(ticket_id=ticket.pk, owner=agent, by=None, at=NOW)
    answer = send(client, agent, ticket, "reply", {"body": "My answer", "seen": seen}, HTMX)
    assert (answer.status_code, "Meanwhile" in answer.text) == (200, False)


@pytest.mark.parametrize("then", ["wait", "resolve"])
def test_who_would_also_change_a_status_that_was_changed_is_asked(client, agent, lead, ticket, then):
    seen = fresh(ticket).event_seq
    services.hold_ticket(ticket_id=ticket.pk, reason="parts", by=lead, at=NOW)
    services.resume_ticket(ticket_id=ticket.pk, by=lead, at=NOW)
    mine = {"body": "My answer", "then": then, "verified": "test", "seen": seen}
    answer = send(client, agent, ticket, "reply", mine, HTMX)
    assert answer.status_code == 409
    assert "The status was changed while you were writing." in answer.text
    assert lead.name in answer.text
    assert fresh(ticket).state == "in_progress"
    assert send(client, agent, ticket, "reply", {**mine, "then": ""}, HTMX).status_code == 200
    renewed = {**mine, "seen": seen_in(answer)}
    assert send(client, agent, ticket, "reply", renewed, HTMX).status_code == 200


def test_an_assignment_by_who_was_overtaken_shows_the_change_first(client, agent, lead, ticket):
    other, dispatcher = builders.person("agent"), builders.person("dispatcher")
    seen = ticket.version
    services.assign_ticket(ticket_id=ticket.pk, owner=lead, by=lead, at=NOW)
    answer = send(client, dispatcher, ticket, "assign", {"owner": other.pk, "version": seen}, HTMX)
    assert answer.status_code == 409
    assert "banner-conflict" in answer.text
    assert fresh(ticket).owner == lead
    renewed = {"owner": other.pk, "version": fresh(ticket).version}
    assert send(client, dispatcher, ticket, "assign", renewed, HTMX).status_code == 200
    assert fresh(ticket).owner == other


def test_a_call_on_a_resolved_ticket_closes_or_reopens_it(client, agent, ticket):
    in_state(ticket, agent, "resolved")
    client.force_login(agent)
    page = client.get(reverse("desk:case", args=[ticket.number]), headers=EN)
    assert "Is it solved?" in page.text
    assert 'id="mode-call" checked' in page.text
    send(client, agent, ticket, "call", {"outcome": "reached", "body": "Still red", "confirmed": "no"})
    assert (fresh(ticket).state, fresh(ticket).cycle) == ("in_progress", 2)
    in_state(ticket, agent, "resolved")
    send(client, agent, ticket, "call", {"outcome": "reached", "body": "Works", "confirmed": "yes"})
    assert fresh(ticket).state == "closed"


# --- the rest --------------------------------------------------------------------------------------------------------


def test_a_complex_ticket_is_not_given_to_an_ordinary_agent(client, agent, lead):
    ticket = builders.ticket(lead, complex=True)
    answer = send(client, lead, ticket, "assign", {"owner": agent.pk})
    assert answer.status_code == 403
    assert "A complex ticket goes to a senior agent." in answer.text
    assert fresh(ticket).owner is None


def test_an_assignment_leaves_the_first_contact_accountable_and_a_formal_hand_over_does_not(
    client, agent, lead, ticket
):
    other = builders.person("agent", name="Wu Min")
    send(client, lead, ticket, "assign", {"owner": other.pk})
    assert (fresh(ticket).owner, fresh(ticket).first_contact) == (other, agent)
    send(client, lead, ticket, "assign", {"owner": other.pk, "hand_over": "on"})
    assert fresh(ticket).first_contact == other
    page = client.get(reverse("desk:case", args=[ticket.number]), headers=EN).text
    assert f"Formal hand-over: Wu Min is accountable now, in place of {agent.name}" in page
    send(client, lead, ticket, "assign", {"owner": other.pk, "hand_over": "on"})
    assert fresh(ticket).events.filter(kind="handed_over").count() == 1


def test_a_team_is_not_accountable(client, agent, lead, ticket):
    data = {"team": builders.team("second").pk, "hand_over": "on"}
    answer = send(client, lead, ticket, "assign", data)
    assert answer.status_code == 422
    assert "A formal hand-over is to a person." in answer.text
    assert (fresh(ticket).owner, fresh(ticket).first_contact) == (agent, agent)


def test_a_summary_comes_with_resolving_or_not_at_all(client, agent, ticket):
    silent = services.take_ticket(ticket_id=builders.ticket(agent).pk, by=agent, at=MONDAY)
    solved = {"resolution": "New splitter", "verified": "test"}
    send(client, agent, silent, "resolve", solved)
    assert not fresh(silent).notes.exists()
    assert not fresh(silent).events.filter(kind="summarized").exists()
    send(client, agent, ticket, "resolve", {**solved, "went_well": "Quick", "went_badly": "No parts"})
    note = fresh(ticket).notes.get()
    assert (note.visibility, note.body) == ("internal", "What went well: Quick\nWhat did not go well: No parts")
    assert fresh(ticket).events.get(kind="summarized").facts == {"idea": False}


def test_a_refused_resolution_keeps_the_summary_in_sight(client, agent, ticket):
    client.force_login(agent)
    assert '<details class="act-more">' in client.get(address(ticket, "resolve"), headers=EN).text
    answer = send(client, agent, ticket, "resolve", {"resolution": "Splitter", "idea": "Label it"})
    assert answer.status_code == 409
    assert '<details class="act-more" open>' in answer.text
    assert "Label it</textarea>" in answer.text
    answer = send(client, agent, ticket, "resolve", {"resolution": "x", "verified": "test", "idea": "x" * 2001})
    assert (answer.status_code, fresh(ticket).state) == (422, "in_progress")


def test_an_empty_summary_is_none_and_one_sent_twice_is_one(client, agent, ticket):
    in_state(ticket, agent, "resolved")
    answer = send(client, agent, ticket, "summarize", {"idea": " "})
    assert answer.status_code == 422
    assert "Write at least one of the three." in answer.text
    for _time in range(2):
        assert send(client, agent, ticket, "summarize", {"idea": "Label it", "key": "k7"}).status_code == 302
    assert fresh(ticket).notes.count() == fresh(ticket).events.filter(kind="summarized").count() == 1


def test_nobody_reviews_the_own_work(client, lead):
    opened = builders.ticket(lead)
    ticket = services.take_ticket(ticket_id=opened.pk, by=lead, at=MONDAY)
    in_state(ticket, lead, "in_review")
    answer = send(client, lead, ticket, "review", {"passed": "yes"})
    assert answer.status_code == 409
    assert "Nobody reviews their own work." in answer.text


def test_the_category_can_be_changed_and_is_kept_when_left_alone(client, agent, ticket):
    category = Category.objects.create(code="net", name_zh="网络", name_en="Network")
    send(client, agent, ticket, "reclassify", {**SAME, "category": category.pk})
    assert fresh(ticket).category == category
    send(client, agent, ticket, "reclassify", {**SAME, "urgency": "urgent"})
    assert (fresh(ticket).category, fresh(ticket).priority) == (category, 2)
    assert send(client, agent, ticket, "reclassify", {**SAME, "category": "999999"}).status_code == 422


@pytest.mark.parametrize("headers", [EN, HTMX], ids=["form", "htmx"])
def test_whoever_gives_a_ticket_away_goes_back_to_the_list(client, agent, headers):
    builders.team("dispatch", dispatches=True)
    builders.ticket(builders.person("agent"))
    ticket = services.take_next_ticket(by=agent, at=MONDAY)
    answer = send(client, agent, ticket, "return", {"reason": "not ours"}, headers, query="?list=team")
    assert answer["Location" if headers is EN else "HX-Redirect"] == reverse("desk:team")
    assert send(client, agent, ticket, "note", {"body": "x"}).status_code == 404


def test_the_list_beside_is_not_lost_by_an_action(client, agent, ticket):
    answer = send(client, agent, ticket, "note", {"body": "x"}, query="?list=team&team=repair")
    assert answer["Location"].endswith("?list=team&team=repair")
