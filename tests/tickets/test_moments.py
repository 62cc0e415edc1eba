"""Every word a policy may stop a ticket's promise with is really announced, and a slip of the pen is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cases.signals import case_changed
from notifications.services import deliver_due
from sla import moments as known
from tests import builders
from tests.builders import MONDAY
from tickets import checking, conversation, ending, exceptions, handling, moments, services

pytestmark = pytest.mark.django_db


def test_a_ticket_announces_in_its_life_every_word_that_policies_may_use(settings):
    builders.house()
    agent, lead = builders.person("senior"), builders.person("lead")
    heard: set[str] = set()

    def listen(sender, transitions, **_signal):
        heard.update(transitions)

    case_changed.connect(listen)
    try:
        ticket = builders.ticket(agent, type="fault")
        hour = iter(MONDAY + timedelta(hours=count) for count in range(1, 99))

        def act(service, by=agent, **fields):
            service(ticket_id=ticket.pk, by=by, at=next(hour), **fields)

        act(checking.check_ticket, passed=True)
        act(services.assign_ticket, by=lead, owner=agent)
        act(services.start_ticket)
        act(conversation.log_call, outcome="no_answer", body="")
        act(conversation.reply_to_customer, body="We are on it.")
        act(handling.plan_ticket, plan="New cable")
        act(handling.need_visit)
        for milestone in ("located", "on_site", "restored"):
            act(handling.reach_milestone, milestone=milestone)
        act(exceptions.report_exception, kind="system_delay", words="Slow")
        act(exceptions.judge_exception, by=lead, upheld=True, words="Seen")
        act(exceptions.solve_exception, words="Restarted")
        other = builders.ticket(agent)
        exceptions.report_exception(ticket_id=other.pk, kind="system_delay", words="Slow", by=agent, at=next(hour))
        exceptions.judge_exception(ticket_id=other.pk, upheld=False, words="Not so", by=lead, at=next(hour))
        act(services.wait_for_customer, reason="documents")
        act(services.resume_ticket)
        act(services.hold_ticket, reason="parts")
        act(services.resume_ticket)
        act(handling.escalate_ticket, reason="too hard")
        act(services.submit_for_review)
        act(services.review_ticket, by=lead, passed=True)
        act(services.return_ticket, reason="not ours")
        act(services.assign_ticket, by=lead, owner=agent)
        act(ending.resolve_ticket, resolution="new cable", verified="test")
        deliver_due(now=next(hour))
        act(conversation.log_call, outcome="reached", body="Told.")
        act(ending.confirm_ticket)
    finally:
        case_changed.disconnect(listen)
    assert {*moments.STARTS, *moments.STOPS} <= heard
    assert moments.STOPS.items() <= known.STOPS.items()
    assert moments.STARTS.items() <= known.STARTS.items()
