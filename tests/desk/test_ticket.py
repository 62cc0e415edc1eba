"""The ticket's page and its fragments: who sees it, what it says, what it costs."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from cases.models import Category
from cases.states import Channel
from common import clock
from customers.models import Address, Region
from customers.services import add_service
from desk.clocks import due_words, ledger, limit_words
from desk.conversation import conversation
from desk.lists import Listing
from desk.presenters import Pane
from sla.models import Deadline
from sla.services import deadlines_of
from tests import builders
from tests.builders import MONDAY
from tests.desk.test_queue import statements
from tickets import checking, ending, handling, services
from tickets import conversation as talk
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
NOW = MONDAY + timedelta(hours=2)
EN = {"Accept-Language": "en"}


@pytest.fixture(autouse=True)
def _house():
    builders.house()
    with clock.simulated(NOW), translation.override("en"):
        yield


@pytest.fixture
def agent():
    return builders.person("agent", language="en")


@pytest.fixture
def ticket(agent):
    opened = builders.ticket(agent, type="fault", description="All lights are red")
    return services.take_ticket(ticket_id=opened.pk, by=agent, at=MONDAY + timedelta(minutes=1))


def at(name, ticket, *more):
    return reverse(f"desk:{name}", args=[ticket.number, *more])


def open_page(client, person, ticket, name="case", *more, **headers):
    client.force_login(person)
    return client.get(at(name, ticket, *more), headers={**EN, **headers})


def pane(ticket, person):
    return Pane(Ticket.objects.with_people().get(pk=ticket.pk), person, Listing(), now=NOW)


# --- who may ---------------------------------------------------------------------------------------------------------

FRAGMENTS = ["case", "conversation", "row"]


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_stranger_is_sent_to_sign_in(client, ticket, name):
    answer = client.get(at(name, ticket))
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/sign-in/")


@pytest.mark.parametrize("name", FRAGMENTS)
@pytest.mark.parametrize(
    ("role", "status"),
    [("agent", 200), ("lead", 200), ("dispatcher", 200), ("auditor", 200), ("administrator", 403)],
)
def test_roles_that_see_the_ticket(client, ticket, name, role, status):
    assert open_page(client, builders.person(role), ticket, name).status_code == status


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_ticket_of_another_team_is_not_there(client, ticket, name):
    other = builders.person("agent", team=builders.team("elsewhere"))
    assert open_page(client, other, ticket, name).status_code == 404


@pytest.mark.parametrize("number", ["T-0000-0000", "T-9999-9999", "nonsense", "12345678", "1" * 40])
def test_a_number_that_is_none_is_not_there_and_offers_to_search(client, agent, number):
    client.force_login(agent)
    answer = client.get(f"/desk/c/{number}/", headers=EN)
    assert answer.status_code == 404
    assert 'role="search"' in answer.text


def test_a_number_typed_in_any_form_leads_to_the_ticket(client, agent, ticket):
    client.force_login(agent)
    answer = client.get(f"/desk/c/{ticket.number.lower().replace('-', ' ')}/?tab=waiting")
    assert (answer.status_code, answer["Location"]) == (302, at("case", ticket) + "?tab=waiting")


def test_an_auditor_reads_and_is_told_who_works(client, ticket):
    text = open_page(client, builders.person("auditor", language="en"), ticket).text
    assert "These roles can work on it: Agent, Senior agent" in text
    assert "<textarea" not in text
    assert "Wait for customer" not in text


# --- page and fragment -----------------------------------------------------------------------------------------------


def test_the_page_shows_list_ticket_and_customer(client, agent, ticket):
    text = open_page(client, agent, ticket).text
    for words in [ticket.number, ticket.subject, "In progress", "P4", "Fault", "138****5678", "All lights are red"]:
        assert words in text
    assert "13812345678" not in text
    assert f'id="row-{ticket.pk}"' in text
    assert 'aria-current="true"' in text


def test_htmx_gets_the_pane_and_the_customer_alone(client, agent, ticket):
    answer = open_page(client, agent, ticket, **{"HX-Request": "true"})
    assert "<html" not in answer.text
    assert ticket.subject in answer.text
    assert 'hx-swap-oob="innerHTML:#customer"' in answer.text
    assert f'id="row-{ticket.pk}"' not in answer.text
    assert "HX-Request" in answer["Vary"]


def test_the_chosen_list_stays_beside_the_ticket(client, agent, ticket):
    client.force_login(agent)
    answer = client.get(at("case", ticket) + "?list=team&team=repair", headers=EN)
    assert "Team queue" in answer.text
    assert at("do", ticket, "resume") + "?list=team&amp;team=repair" not in answer.text  # greyed, so no address
    assert at("do", ticket, "resolve") + "?list=team&amp;team=repair" in answer.text


def test_a_row_renewed_by_the_feed_stays_the_current_one(client, agent, ticket):
    here = {"HX-Current-URL": f"http://testserver{at('case', ticket)}"}
    assert 'aria-current="true"' in open_page(client, agent, ticket, "row", **here).text
    assert 'aria-current="true"' not in open_page(client, agent, ticket, "row").text


def test_a_renewed_conversation_brings_the_head_and_leaves_the_composer(client, agent, ticket):
    text = open_page(client, agent, ticket, "conversation").text
    assert 'hx-swap-oob="innerHTML:#ticket-head"' in text
    assert "<textarea" not in text


@pytest.mark.parametrize("role", ["agent", "lead", "dispatcher"])
@pytest.mark.parametrize("beside", ["", "?list=team"])
def test_the_full_page_costs_at_most_fourteen_statements(client, role, beside):
    person, other = builders.person(role), builders.person("senior", team=builders.team("second"))
    repair = builders.team()
    buyer = builders.customer()
    Address.objects.create(customer=buyer, region=Region.objects.create(code="r", name_en="R"), street="S", house="1")
    add_service(customer=buyer, account="A1", product="Fiber")
    ticket = builders.ticket(person, type="fault", complex=True, needs_visit=True, customer=buyer, description="Red")
    for number in range(3):
        builders.ticket(person, customer=buyer, subject=str(number))
        talk.add_internal_note(ticket_id=ticket.pk, body=str(number), by=person, at=MONDAY)
    # People and teams that only the timeline's facts name: the dearest case.
    services.assign_ticket(ticket_id=ticket.pk, owner=other, hand_over=True, by=None, at=MONDAY)
    services.assign_ticket(ticket_id=ticket.pk, owner=builders.person("lead"), hand_over=True, by=None, at=MONDAY)
    services.assign_ticket(ticket_id=ticket.pk, team=builders.team("third"), by=None, at=MONDAY)
    services.assign_ticket(ticket_id=ticket.pk, team=repair, owner=builders.person("senior"), by=None, at=MONDAY)
    client.force_login(person)
    cache.clear()
    with CaptureQueriesContext(connection) as captured:
        assert client.get(at("case", ticket) + beside).status_code == 200
    assert len(statements(captured)) <= 14, "\n".join(statements(captured))


# --- what it says ----------------------------------------------------------------------------------------------------


def test_reasons_stand_beside_what_cannot_be_done(client, agent, ticket):
    text = open_page(client, agent, ticket).text
    assert "This is not possible while the state is “In progress”." in text


def test_a_form_that_is_still_to_be_filled_in_is_no_reason(agent, ticket):
    verbs = {verb.name: verb for verb in [*pane(ticket, agent).verbs.bar, *pane(ticket, agent).verbs.more]}
    assert verbs["resolve"].reasons == ()
    assert verbs["wait"].reasons == ()
    assert verbs["resume"].reasons != ()


def test_the_head_says_whether_the_details_were_checked(client, agent, ticket):
    assert "Not checked yet" in open_page(client, agent, ticket).text
    checking.check_ticket(ticket_id=ticket.pk, passed=False, missing="Contract", by=agent, at=NOW)
    shown = pane(ticket, agent)
    assert (shown.details, shown.check_url) == ("Incomplete", at("do", ticket, "check"))
    assert pane(ticket, builders.person("auditor")).check_url == ""
    assert pane(builders.ticket(agent), agent).details == ""


def test_the_head_names_the_first_contact(agent, ticket):
    lead = builders.person("lead")
    assert (pane(ticket, agent).first_contact, pane(ticket, lead).first_contact) == ("Me", agent.name)
    theirs = builders.ticket(agent)
    Ticket.objects.filter(pk=theirs.pk).update(first_contact=None)
    assert pane(theirs, agent).first_contact == ""


def test_only_broadband_has_its_three_items_ticked(client, agent, ticket):
    category = Category.objects.create(code="broadband", name_zh="宽带", name_en="Broadband")
    broadband = builders.ticket(agent, type="fault", category=category)
    assert "Equipment model" not in open_page(client, agent, ticket, "do", "check").text
    assert "Equipment model" in open_page(client, agent, broadband, "do", "check").text
    data = {"passed": "yes", "checked": ["identity", "usage"]}
    answer = client.post(at("do", broadband, "check"), data, headers=EN)
    assert answer.status_code == 422
    assert "Tick everything that is in order, or say what is missing." in answer.text
    assert answer.text.count("checked>") == 3  # the ticks and the answer stay


def test_a_complex_ticket_says_that_two_reviews_are_missing(agent):
    ticket = builders.ticket(agent, complex=True)
    bar = {verb.name: verb.reasons for verb in pane(ticket, agent).verbs.bar}
    assert bar["resolve"] == ("A complex ticket needs two passed reviews before it can be resolved.",)
    assert bar["take"] == ("A complex ticket goes to a senior agent.",)
    senior = builders.person("senior")
    assert {verb.name: verb.reasons for verb in pane(ticket, senior).verbs.bar}["take"] == ()


def test_what_the_role_may_not_is_not_shown(agent, ticket):
    def names(person):
        verbs = pane(ticket, person).verbs
        return {verb.name for verb in [*verbs.bar, *verbs.more]}

    assert not {"review", "extend_pause"} & names(agent)
    assert {"review", "extend_pause"} <= names(builders.person("lead"))


def test_a_resolved_ticket_offers_confirming_and_reopening_first(agent, ticket):
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="new splitter", verified="test", by=agent, at=NOW)
    assert [(verb.name, verb.reasons) for verb in pane(ticket, agent).verbs.bar] == [("confirm", ()), ("reopen", ())]
    assert pane(ticket, agent).verbs.more[0].name == "summarize"


def test_the_bar_has_what_the_state_leads_to_and_the_menu_says_why_not_the_rest(client, agent, ticket):
    verbs = pane(ticket, agent).verbs
    assert [verb.name for verb in verbs.bar] == ["wait", "hold", "submit_for_review", "resolve"]
    rest = {verb.name: verb.reasons for verb in verbs.more}
    why_not = ("This is not possible while the state is “In progress”.",)
    assert {rest[name] for name in ("start", "resume", "confirm", "reopen")} == {why_not}
    assert open_page(client, agent, ticket).text.count(why_not[0]) == 1  # one reason is said once
    ending.cancel_ticket(ticket_id=ticket.pk, reason="twice", by=builders.person("lead"), at=NOW)
    assert (pane(ticket, agent).verbs.bar, pane(ticket, agent).verbs.milestones) == ([], [])
    assert 'id="steps"' not in open_page(client, agent, ticket).text


def test_milestones_belong_to_faults_and_show_their_time(agent, ticket):
    handling.reach_milestone(ticket_id=ticket.pk, milestone="located", by=agent, at=NOW)
    assert [(m["words"], m["at"]) for m in pane(ticket, agent).verbs.milestones] == [
        ("Located", NOW),
        ("Restored", None),
    ]
    enquiry = builders.ticket(agent)
    assert pane(enquiry, agent).verbs.milestones == []


def test_at_most_three_clocks_are_in_front_and_none_is_lost(agent):
    ticket = builders.ticket(agent, type="fault", complex=True, needs_visit=True, channel="phone", customer=None)
    clocks = pane(ticket, agent).clocks
    assert len(clocks.shown) == 3
    assert all(clock.live for clock in clocks.shown)
    assert len(clocks.shown) + len(clocks.folded) == Deadline.objects.filter(case=ticket).count()
    assert [clock.name for clock in [*clocks.shown, *clocks.folded] if clock.statutory] == ["Legal repair limit · 48 h"]


def test_a_reopened_ticket_keeps_the_verdicts_of_the_earlier_round(agent, ticket):
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="reset", verified="test", by=agent, at=NOW)
    ending.reopen_ticket(ticket_id=ticket.pk, reason="red again", by=agent, at=NOW)
    clocks = pane(ticket, agent).clocks
    assert [earlier["round"] for earlier in clocks.earlier] == [1]
    met = next(clock for clock in clocks.earlier[0]["clocks"] if clock.name == "Resolution · 24 h")
    assert met.chip.words == "Met in 2h 00m"
    assert {"words": "Reopened, round 2", "icon": "history"} in pane(ticket, agent).tags


def test_a_paused_clock_says_since_when_and_why(agent, ticket):
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=NOW)
    paused = [clock for clock in pane(ticket, agent).clocks.shown if clock.chip.level == "paused"]
    assert {clock.note for clock in paused} == {"since 11:00: Papers or details from the customer"}


@pytest.mark.parametrize(
    ("limits", "en", "zh"),
    [
        (["15m"], "15 min", "15 分钟"),
        (["24h"], "24 h", "24 小时"),
        (["1h30m"], "1 h 30 min", "1 小时 30 分钟"),
        (["1wd"], "1 working day", "1 个工作日"),
        (["7wd", "15d"], "7 working days, 15 days", "7 个工作日、15 天"),
    ],
)
def test_limits_are_said_in_words(limits, en, zh):
    assert limit_words(limits) == en
    with translation.override("zh-hans"):
        assert limit_words(limits) == zh


def test_the_end_of_a_day_is_said_as_such(agent, ticket):
    deadline = deadlines_of(ticket)[0]
    deadline.limits, deadline.due_at = ["7wd"], MONDAY.replace(day=10, hour=16)  # midnight in Shanghai
    assert due_words(deadline, now=NOW) == "by the end of 10 Mar"
    with translation.override("zh-hans"):
        assert due_words(deadline, now=NOW) == "3 月 10 日 24:00 前"
    deadline.limits = ["24h"]
    assert due_words(deadline, now=NOW) == "by 11 Mar, 00:00"


def test_the_conversation_is_in_order_and_tells_nothing_twice(agent, ticket):
    lead = builders.person("lead")
    talk.reply_to_customer(ticket_id=ticket.pk, body="We look", by=agent, at=MONDAY + timedelta(minutes=2))
    talk.add_internal_note(ticket_id=ticket.pk, body="Splitter?", by=lead, at=MONDAY + timedelta(minutes=3))
    talk.log_call(ticket_id=ticket.pk, body="", outcome="no_answer", by=agent, at=MONDAY + timedelta(minutes=4))
    talk.customer_wrote(
        ticket_id=ticket.pk, body="Well?", channel=Channel.SMS, by=agent, at=MONDAY + timedelta(minutes=5)
    )
    entries = conversation(Ticket.objects.with_people().get(pk=ticket.pk), agent).entries
    turns = [(entry.kind, entry.words) for entry in entries if entry.kind != "event"]
    assert turns == [
        ("customer", "All lights are red"),
        ("me", "We look"),
        ("note", "Splitter?"),
        ("call", "No answer"),
        ("customer", "Well?"),
    ]
    assert [entry.entered_by for entry in entries if entry.words == "Well?"] == [agent.name]
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert not [entry for entry in entries if entry.kind == "event" and "note added" in entry.words]
    assert ("staff", "We look") in [
        (entry.kind, entry.words)
        for entry in conversation(Ticket.objects.with_people().get(pk=ticket.pk), lead).entries
    ]


def test_a_long_history_is_cut_and_can_be_shown_whole(client, agent, ticket, monkeypatch):
    monkeypatch.setattr("desk.conversation.ENTRIES_SHOWN", 2)
    for number in range(4):
        talk.add_internal_note(ticket_id=ticket.pk, body=f"note {number}", by=agent, at=NOW)
    text = open_page(client, agent, ticket).text
    assert "note 3" in text
    assert "note 0" not in text
    assert "history=all" in text
    client.force_login(agent)
    assert "note 0" in client.get(at("case", ticket) + "?history=all").text


def test_what_people_wrote_is_shown_as_typed_and_never_as_markup(client, agent, ticket):
    talk.add_internal_note(ticket_id=ticket.pk, body="<b>x</b>\nsecond", by=agent, at=NOW)
    assert "&lt;b&gt;x&lt;/b&gt;<br>second" in open_page(client, agent, ticket).text


def test_a_ticket_without_customer_still_has_its_page(client, agent):
    ticket = builders.ticket(agent, customer=None)
    text = open_page(client, agent, ticket).text
    assert "No written channel reaches this customer: please call" in text
    assert "No customer is on file for this ticket." in text


# --- the ledger ------------------------------------------------------------------------------------------------------


def test_a_deadline_is_explained_interval_by_interval(agent, ticket):
    services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=MONDAY + timedelta(minutes=30))
    services.resume_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY + timedelta(minutes=90))
    deadline = next(d for d in deadlines_of(ticket) if d.promise == "resolve")
    lines = [(line["counted"], line["span"], line["why"]) for line in ledger(deadline, now=NOW).lines]
    assert lines == [
        (True, timedelta(minutes=30), "Within opening hours"),
        (False, timedelta(minutes=60), "Paused: Papers or details from the customer"),
        (True, timedelta(minutes=30), "Within opening hours"),
    ]


def test_the_explanation_is_a_page_and_a_fragment(client, agent, ticket):
    deadline = Deadline.objects.get(case=ticket, promise="statutory_repair")
    page = open_page(client, agent, ticket, "explain", deadline.pk)
    fragment = open_page(client, agent, ticket, "explain", deadline.pk, **{"HX-Request": "true"})
    assert "Legal limit, never pauses" in page.text
    assert "<html" in page.text
    assert "<html" not in fragment.text
    assert "Calendar and policy" in fragment.text


def test_a_deadline_of_another_ticket_is_not_explained_here(client, agent, ticket):
    other = builders.ticket(agent)
    foreign = Deadline.objects.filter(case=other).first()
    assert open_page(client, agent, ticket, "explain", foreign.pk).status_code == 404
    stranger = builders.person("agent", team=builders.team("elsewhere"))
    own = Deadline.objects.filter(case=ticket).first()
    assert open_page(client, stranger, ticket, "explain", own.pk).status_code == 404


# --- what was planned and what fixed it ------------------------------------------------------------------------------


def said(ticket, person):
    return [(entry.words, entry.said) for entry in pane(ticket, person).conversation.entries if entry.said]


def test_the_plan_and_what_fixed_it_stand_under_their_facts_as_long_as_they_hold(client, agent, ticket):
    handling.plan_ticket(
        ticket_id=ticket.pk, plan="Change <b>the splitter</b>", due_on=date(2026, 3, 4), cost="80", by=agent, at=NOW
    )
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="New splitter.", verified="test", by=agent, at=NOW)
    plan = "Change <b>the splitter</b>\nUntil 4 Mar 2026\nCost: 80"
    assert said(ticket, agent) == [("Handling plan written", plan), ("Resolved. Tested by us", "New splitter.")]
    page = open_page(client, agent, ticket).text
    assert "Change &lt;b&gt;the splitter&lt;/b&gt;<br>Until 4 Mar 2026" in page
    ending.reopen_ticket(ticket_id=ticket.pk, reason="Red again", by=agent, at=NOW)
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="New cable.", verified="test", by=agent, at=NOW)
    assert [words for _fact, words in said(ticket, agent)] == [plan, "New cable."]


def test_what_a_reply_says_already_is_not_said_twice(agent, ticket):
    talk.reply_to_customer(ticket_id=ticket.pk, body="It was the splitter.", by=agent, at=NOW)
    ending.resolve_ticket(ticket_id=ticket.pk, resolution="It was the splitter.", verified="test", by=agent, at=NOW)
    assert said(ticket, agent) == []
