"""The clocks of a case through its life: every way out of a pause closes it, and no time used is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from cases.facts import Fact
from cases.models import Case
from cases.services import record, verify_timeline
from cases.states import NEVER, ClockState
from common.errors import DomainError
from common.transitions import run
from notifications.models import Message
from notifications.services import deliver_due
from sla import services as sla
from sla import timers
from sla.models import Deadline, PolicyVersion, Timer
from sla.shipped import publish_policy
from sla.states import DeadlineState, Verdict
from sla.sweep import sweep
from tests import builders
from tests.builders import MONDAY
from tests.proof import out_of_step, steps_taken, twice
from tickets import conversation, ending, handling, services
from tickets.models import Ticket
from tickets.states import State

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent():
    builders.house()
    return builders.person("senior")


@pytest.fixture(autouse=True)
def _no_breath(settings):
    settings.SWEEP_BREATH_SECONDS = 0


def hours(count: float):
    return MONDAY + timedelta(hours=count)


def deadline(ticket, promise="resolve", cycle=1) -> Deadline:
    return Deadline.objects.get(case=ticket, promise=promise, cycle=cycle)


def merge(ticket_id: int, at) -> None:
    """Merging comes with a later issue; its transition and its clocks are here already."""
    with transaction.atomic():
        ticket = Ticket.objects.locked(ticket_id)
        run(ticket.merge, at=at)
        timers.cancel_timers(ticket)
        record(ticket, Fact("merged"), transition="merged", at=at)


# --- every way out of a pause closes it ----------------------------------------------------------------------------

SOLVED = {"resolution": "new cable", "verified": "test"}
WAYS_OUT = {
    "resume": lambda t, by, at: services.resume_ticket(ticket_id=t, by=by, at=at),
    "resume by the customer": lambda t, by, at: conversation.customer_wrote(
        ticket_id=t, body="x", channel="sms", at=at
    ),
    "hold": lambda t, by, at: services.hold_ticket(ticket_id=t, reason="parts", by=by, at=at),
    "wait": lambda t, by, at: services.wait_for_customer(ticket_id=t, reason="documents", by=by, at=at),
    "return_to_dispatcher": lambda t, by, at: services.return_ticket(ticket_id=t, reason="not ours", by=by, at=at),
    "resolve": lambda t, by, at: ending.resolve_ticket(ticket_id=t, by=by, at=at, **SOLVED),
    "resolve in a reply": lambda t, by, at: conversation.reply_to_customer(
        ticket_id=t, body="done", by=by, at=at, then="resolve", verified="test"
    ),
    "cancel": lambda t, by, at: ending.cancel_ticket(ticket_id=t, reason="withdrawn", by=by, at=at),
    "merge": lambda t, by, at: merge(t, at),
}


def ways_out_of(state: State) -> set[str]:
    """The transitions that the model itself allows out of a state."""
    return {
        name
        for name, method in vars(Ticket).items()
        if hasattr(method, "_django_fsm") and method._django_fsm.get_transition(state)
    }


@pytest.mark.parametrize("state", [State.PENDING, State.HELD])
def test_the_ways_out_are_all_here(state):
    assert ways_out_of(state) == {way for way in WAYS_OUT if " " not in way and way in ways_out_of(state)}


def pausing_in_both(agent) -> None:
    """A policy under which a fault pauses while others work on it, too."""
    rule = {"promise": "resolve", "when": {"kind": "ticket"}, "stop": "resolved", "limit": "24h"}
    publish_policy({"rule": [{**rule, "pauses": ["pending", "held"]}]}, at=MONDAY, valid_from=None)


@pytest.mark.parametrize("way", list(WAYS_OUT))
@pytest.mark.parametrize("policy", ["shipped", "held pauses too"])
@pytest.mark.parametrize("state", [State.PENDING, State.HELD])
def test_every_way_out_of_a_pause_closes_it(agent, state, policy, way):
    verb = way.split(" ")[0]
    if verb not in ways_out_of(state) or (state == State.HELD and way == "resume by the customer"):
        return
    if policy != "shipped":
        pausing_in_both(agent)
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    enter = WAYS_OUT["wait" if state == State.PENDING else "hold"]
    enter(ticket.pk, agent, hours(2))
    pauses = state == State.PENDING or policy != "shipped"
    assert deadline(ticket).state == (DeadlineState.PAUSED if pauses else DeadlineState.RUNNING)

    WAYS_OUT[way](ticket.pk, agent, hours(50) if pauses else hours(20))

    resolve, now = deadline(ticket), Ticket.objects.get(pk=ticket.pk)
    still_paused = resolve.state == DeadlineState.PAUSED
    assert still_paused == (now.state in resolve.rule.pauses and now.is_open)
    if still_paused and pauses:
        # From one paused state to the other where both pause: one pause goes on, from its own beginning.
        assert resolve.pauses == [[hours(2).isoformat(), None, resolve.pauses[0][2]]]
    elif pauses:
        assert resolve.pauses == [[hours(2).isoformat(), hours(50).isoformat(), resolve.pauses[0][2]]]
        assert resolve.paused_until is None
        if verb not in ("cancel", "merge"):
            assert resolve.due_at == hours(72)
        if verb == "resolve":
            assert resolve.verdict(hours(999)) == Verdict.MET
    assert out_of_step() == verify_timeline(now) == []


@pytest.mark.parametrize("end", ["cancel", "merge"])
def test_what_is_ended_in_a_pause_has_no_clock_no_timer_and_never_escalates(agent, end):
    ticket = builders.ticket(agent, type="fault", owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, MONDAY + timedelta(minutes=2))
    WAYS_OUT[end](ticket.pk, agent, MONDAY + timedelta(minutes=9))  # before anything is missed
    states = set(Deadline.objects.filter(case=ticket).values_list("state", flat=True))
    assert states == {DeadlineState.CANCELLED}
    assert not Timer.objects.filter(case=ticket).exists()
    sweep(now=hours(5000))
    kinds = set(ticket.events.filter(kind__startswith="promise_").values_list("kind", flat=True))
    assert kinds == set()
    kept = Ticket.objects.get(pk=ticket.pk)
    assert (kept.clock_state, kept.sort_due_at) == (ClockState.NONE, NEVER)


def test_resolved_out_of_a_pause_and_reopened_later_begins_unpaused(agent):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, hours(2))
    WAYS_OUT["resolve"](ticket.pk, agent, hours(50))
    ending.reopen_ticket(ticket_id=ticket.pk, reason="again", by=agent, at=hours(60))
    again = deadline(ticket, cycle=2)
    assert (again.state, again.pauses, again.carried) == (DeadlineState.RUNNING, [], timedelta(hours=2))
    assert again.due_at == hours(60 + 22)


# --- pausing -------------------------------------------------------------------------------------------------------


def test_only_pausable_promises_pause(agent):
    ticket = builders.ticket(agent, type="fault", needs_visit=True, owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, MONDAY + timedelta(minutes=1))
    states = dict(Deadline.objects.filter(case=ticket).values_list("promise", "state"))
    assert states == {
        "first_response": "running",
        "locate": "running",
        "on_site": "running",
        "statutory_repair": "running",
        "resolve": "paused",
        "restore": "paused",
    }


def test_a_promise_missed_already_does_not_pause(agent):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, hours(25))
    resolve = deadline(ticket)
    assert (resolve.state, resolve.due_at, resolve.pauses) == (DeadlineState.RUNNING, hours(24), [])


def test_the_capped_pause_ends_at_the_cap_whatever_hour_the_sweep_runs(agent):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, hours(2))
    sweep(now=hours(2 + 5 * 24) - timedelta(seconds=1))
    assert deadline(ticket).state == DeadlineState.PAUSED
    for _again in range(3):
        sweep(now=hours(2 + 5 * 24 + 9))
    resolve = deadline(ticket)
    assert resolve.pauses == [[hours(2).isoformat(), hours(2 + 120).isoformat(), "documents"]]
    assert resolve.due_at == hours(24 + 120)
    assert ticket.events.filter(kind="clocks_resumed", facts__capped=True).count() == 1
    assert Message.objects.filter(template="pause_ended").count() == 1
    # The customer's answer after that resumes nothing a second time.
    WAYS_OUT["resume by the customer"](ticket.pk, agent, hours(140))
    assert deadline(ticket).due_at == hours(24 + 120)


def test_when_the_cap_and_the_deadline_both_passed_in_an_outage_the_miss_is_recorded(agent):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, hours(2))
    sweep(now=hours(1000))
    breach = ticket.events.get(kind="promise_breach")
    assert (breach.at, deadline(ticket).verdict(hours(1000))) == (hours(24 + 120), Verdict.MISSED)
    assert out_of_step() == []


def test_a_lead_may_extend_a_pause_and_then_the_cap_is_that(agent):
    lead = builders.person("lead")
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, hours(2))
    sla.extend_pause(case_id=ticket.pk, until=hours(300), reason="abroad until then", by=lead, at=hours(3))
    sweep(now=hours(299))
    assert deadline(ticket).state == DeadlineState.PAUSED
    sweep(now=hours(301))
    assert deadline(ticket).due_at == hours(24 + 298)
    extended = ticket.events.get(kind="pause_extended")
    assert (extended.by, "abroad" in str(extended.facts)) == (lead, False)
    assert verify_timeline(Case.objects.get(pk=ticket.pk)) == []


@pytest.mark.parametrize(("until", "reason"), [(hours(3), "x"), (hours(2.5), "x"), (hours(9), "  ")])
def test_an_extension_into_the_past_or_without_a_reason_is_refused(agent, until, reason):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, hours(2))
    with pytest.raises(DomainError):
        sla.extend_pause(case_id=ticket.pk, until=until, reason=reason, by=agent, at=hours(3))
    assert deadline(ticket).paused_until == hours(122)


def test_what_is_not_paused_cannot_be_extended(agent):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    with pytest.raises(DomainError):
        sla.extend_pause(case_id=ticket.pk, until=hours(300), reason="x", by=agent, at=hours(3))


# --- reclassifying -------------------------------------------------------------------------------------------------


def test_a_promise_made_void_by_mistake_comes_back_and_ran_all_the_while(agent):
    """Found by this suite: reclassified away and back, a fault stayed without its legal limit."""
    ticket = builders.ticket(agent, type="fault", needs_visit=True, channel="phone", owner=agent)
    dues = dict(Deadline.objects.filter(case=ticket).values_list("promise", "due_at"))
    handling.reclassify_ticket(ticket_id=ticket.pk, type="enquiry", by=agent, at=hours(1))
    assert deadline(ticket, "statutory_repair").state == DeadlineState.CANCELLED
    handling.reclassify_ticket(ticket_id=ticket.pk, type="fault", by=agent, at=hours(2))
    live = Deadline.objects.filter(case=ticket, state="running")
    assert dict(live.values_list("promise", "due_at")) == {p: d for p, d in dues.items() if p != "first_response"}
    assert out_of_step() == []
    sweep(now=hours(48))
    assert ticket.events.filter(kind="promise_breach", facts__promise="statutory_repair").count() == 1


def test_a_promise_that_begins_on_a_waiting_case_shares_its_pause(agent):
    """Found by this suite: it ran on while the case waited for the customer."""
    ticket = builders.ticket(agent, type="enquiry", channel="phone", owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, hours(2))
    handling.reclassify_ticket(ticket_id=ticket.pk, type="fault", by=agent, at=hours(40))
    restore = deadline(ticket, "restore")
    assert (restore.state, restore.due_at) == (DeadlineState.PAUSED, None)
    WAYS_OUT["resume"](ticket.pk, agent, hours(50))
    assert deadline(ticket, "restore").due_at == deadline(ticket).due_at == hours(24 + 48)
    assert deadline(ticket, "statutory_repair").due_at == hours(48)


def test_under_a_rule_that_never_pauses_the_clock_runs_again_at_once(agent):
    """Found by this suite: it stayed paused, though its new rule forbids pausing."""
    rules = [
        {"promise": "resolve", "when": {"type": "enquiry"}, "stop": "resolved", "limit": "24h", "pauses": ["pending"]},
        {"promise": "resolve", "when": {"type": "fault"}, "stop": "resolved", "limit": "24h", "statutory": True},
    ]
    publish_policy({"rule": rules}, at=MONDAY, valid_from=None)
    ticket = builders.ticket(agent, type="enquiry", channel="phone", owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, hours(2))
    handling.reclassify_ticket(ticket_id=ticket.pk, type="fault", by=agent, at=hours(12))
    assert (deadline(ticket).state, deadline(ticket).due_at) == (DeadlineState.RUNNING, hours(34))
    handling.reclassify_ticket(ticket_id=ticket.pk, type="enquiry", by=agent, at=hours(14))
    assert (deadline(ticket).state, len(deadline(ticket).pauses)) == (DeadlineState.PAUSED, 2)


def test_a_step_taken_under_a_rule_is_not_taken_again_when_that_rule_comes_back(agent):
    """Found by this suite: the rung after the breach fired twice for one due version."""
    ticket = builders.ticket(agent, type="enquiry", channel="phone", owner=agent)
    sweep(now=hours(29))
    assert ticket.events.filter(kind="promise_after").count() == 1
    handling.reclassify_ticket(ticket_id=ticket.pk, type="suggestion", by=agent, at=hours(30))
    handling.reclassify_ticket(ticket_id=ticket.pk, type="enquiry", by=agent, at=hours(31))
    sweep(now=hours(32))
    assert twice(steps_taken([ticket.pk])) == {}
    assert ticket.events.filter(kind="promise_after").count() == 1


def test_a_shorter_limit_that_was_over_before_the_pause_shows_as_missed(agent):
    rule = {"promise": "resolve", "stop": "resolved", "pauses": ["pending"]}
    publish_policy(
        {"rule": [{**rule, "limit": "24h"}, {**rule, "limit": "1h", "when": {"urgency": "urgent"}}]},
        at=MONDAY,
        valid_from=None,
    )
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    WAYS_OUT["wait"](ticket.pk, agent, hours(2))
    handling.reclassify_ticket(ticket_id=ticket.pk, urgency="urgent", by=agent, at=hours(3))
    kept = Ticket.objects.get(pk=ticket.pk)
    assert (kept.clock_state, kept.sort_due_at) == (ClockState.RUNNING, hours(1))
    sweep(now=hours(4))
    assert ticket.events.get(kind="promise_breach").at == hours(1)
    # And back: the pause has gone on, and nothing of it is forgotten.
    handling.reclassify_ticket(ticket_id=ticket.pk, urgency="normal", by=agent, at=hours(5))
    WAYS_OUT["resume"](ticket.pk, agent, hours(12))
    assert deadline(ticket).due_at == hours(34)


# --- verdicts ------------------------------------------------------------------------------------------------------


def test_evidence_entered_after_a_late_stop_corrects_the_verdict(agent):
    """Found by this suite: an answer in time that was entered after a later answer was not looked at."""
    ticket = builders.ticket(agent, owner=agent)
    sweep(now=MONDAY + timedelta(minutes=16))
    conversation.reply_to_customer(ticket_id=ticket.pk, body="Hello", by=agent, at=MONDAY + timedelta(minutes=20))
    assert deadline(ticket, "first_response").verdict(hours(1)) == Verdict.MISSED
    conversation.log_call(
        ticket_id=ticket.pk, body="called", outcome="reached", by=agent, at=MONDAY + timedelta(minutes=9)
    )
    first = deadline(ticket, "first_response")
    assert (first.stopped_at, first.verdict(hours(1))) == (MONDAY + timedelta(minutes=9), Verdict.MET)
    assert ticket.events.filter(kind="verdict_corrected").count() == 1
    assert Message.objects.filter(template="promise_corrected", person=agent).count() == 1
    assert verify_timeline(Case.objects.get(pk=ticket.pk)) == []


def test_a_later_answer_changes_nothing_about_an_earlier_one(agent):
    ticket = builders.ticket(agent, owner=agent)
    for minutes in (5, 9, 30):
        at = MONDAY + timedelta(minutes=minutes)
        conversation.reply_to_customer(ticket_id=ticket.pk, body="Hello", by=agent, at=at)
    assert deadline(ticket, "first_response").stopped_at == MONDAY + timedelta(minutes=5)
    assert ticket.events.filter(kind="clocks_stopped").count() == 1


def test_late_evidence_that_is_late_itself_corrects_nothing(agent):
    ticket = builders.ticket(agent, owner=agent)
    sweep(now=hours(1))
    at = MONDAY + timedelta(minutes=15, microseconds=1)
    conversation.log_call(ticket_id=ticket.pk, body="called", outcome="reached", by=agent, at=at)
    assert deadline(ticket, "first_response").verdict(hours(2)) == Verdict.MISSED
    assert not ticket.events.filter(kind="verdict_corrected").exists()


# --- the completion notice -----------------------------------------------------------------------------------------


def resolved(agent, **fields):
    ticket = builders.ticket(agent, channel="phone", owner=agent, **fields)
    WAYS_OUT["resolve"](ticket.pk, agent, hours(6))
    return ticket


@pytest.mark.parametrize("kept_by", ["acceptance", "a call", "confirmation"])
def test_the_completion_notice_is_kept_by(agent, kept_by):
    ticket = resolved(agent)
    if kept_by == "acceptance":
        deliver_due(now=hours(7))
    elif kept_by == "a call":
        conversation.log_call(ticket_id=ticket.pk, body="told her", outcome="reached", by=agent, at=hours(7))
    else:
        ending.confirm_ticket(ticket_id=ticket.pk, by=agent, at=hours(7))
    notice = deadline(ticket, "completion_notice")
    assert (notice.stopped_at, notice.verdict(hours(99))) == (hours(7), Verdict.MET)


@pytest.mark.parametrize("outcome", ["no_answer", "wrong_number"])
def test_a_call_that_reaches_nobody_does_not_keep_it_and_the_miss_is_told(agent, outcome):
    ticket = resolved(agent, customer=None)
    conversation.log_call(ticket_id=ticket.pk, body="", outcome=outcome, by=agent, at=hours(7))
    sweep(now=hours(30))
    assert deadline(ticket, "completion_notice").verdict(hours(31)) == Verdict.MISSED
    assert Message.objects.filter(template="promise_missed", person=agent).count() == 1


def test_a_word_of_the_provider_that_could_not_be_recorded_is_not_asked_for_twice(agent, monkeypatch):
    """Found by this suite: the customer got the message again every five minutes, for ever."""
    from notifications import services as notifications

    ticket = resolved(agent)
    message = Message.objects.get(template="ticket_resolved")
    sent = []
    monkeypatch.setattr(notifications, "_send", lambda message: sent.append(message.pk) or "provider-1")

    def fail(**_facts):
        raise RuntimeError("a receiver is broken")

    with monkeypatch.context() as broken:
        broken.setattr(notifications.signals.message_accepted, "send", fail)
        deliver_due(now=hours(7))
        deliver_due(now=hours(8))
    message.refresh_from_db()
    assert (message.state, message.provider_id, message.attempts) == ("queued", "provider-1", 2)
    deliver_due(now=hours(10))
    message.refresh_from_db()
    assert (message.state, message.sent_at, sent) == ("sent", hours(7), [message.pk])
    assert deadline(ticket, "completion_notice").stopped_at == hours(7)


# --- reopening -----------------------------------------------------------------------------------------------------


def test_reopening_is_possible_for_thirty_days_after_closing_and_not_a_moment_longer(agent):
    last = hours(7) + timedelta(days=30)
    for at, allowed in ((last, True), (last + timedelta(microseconds=1), False)):
        ticket = resolved(agent, customer=None)
        ending.confirm_ticket(ticket_id=ticket.pk, by=agent, at=hours(7))
        before = Ticket.objects.filter(pk=ticket.pk).values().get()
        if allowed:
            ending.reopen_ticket(ticket_id=ticket.pk, reason="again", by=agent, at=at)
            assert Ticket.objects.get(pk=ticket.pk).cycle == 2
        else:
            with pytest.raises(DomainError):
                ending.reopen_ticket(ticket_id=ticket.pk, reason="again", by=agent, at=at)
            assert Ticket.objects.filter(pk=ticket.pk).values().get() == before


def test_three_rounds_keep_three_verdicts(agent):
    ticket = builders.ticket(agent, channel="phone", owner=agent)
    at = hours(0)
    for spent in (10, 30, 2):
        at += timedelta(hours=spent)
        WAYS_OUT["resolve"](ticket.pk, agent, at)
        at += timedelta(hours=1)
        ending.reopen_ticket(ticket_id=ticket.pk, reason="again", by=agent, at=at)
    verdicts = [deadline(ticket, cycle=cycle).verdict(at) for cycle in (1, 2, 3)]
    assert verdicts == [Verdict.MET, Verdict.MISSED, Verdict.MET]
    assert deadline(ticket, cycle=4).due_at == at + timedelta(hours=6)  # a quarter is left, whatever was used


def test_policy_versions_are_kept_by_the_case_through_every_change(agent):
    ticket = builders.ticket(agent, type="fault", channel="phone", owner=agent)
    first = PolicyVersion.objects.get()
    rule = {"promise": "resolve", "stop": "resolved", "limit": "1h"}
    publish_policy({"rule": [rule]}, at=hours(1), valid_from=hours(1))
    handling.reclassify_ticket(ticket_id=ticket.pk, type="enquiry", by=agent, at=hours(2))
    handling.reclassify_ticket(ticket_id=ticket.pk, complex=True, by=agent, at=hours(3))
    handling.reclassify_ticket(ticket_id=ticket.pk, complex=False, by=agent, at=hours(3))
    WAYS_OUT["resolve"](ticket.pk, agent, hours(4))
    ending.reopen_ticket(ticket_id=ticket.pk, reason="again", by=agent, at=hours(5))
    versions = set(Deadline.objects.filter(case=ticket).values_list("rule__version", flat=True))
    assert versions == {first.pk}
    late = builders.ticket(agent, customer=None, at=hours(6), received_at=hours(0.5))
    assert deadline(late).limits == ["24h"]  # received before the new version
    fresh = builders.ticket(agent, customer=None, at=hours(6))
    assert deadline(fresh).limits == ["1h"]
