"""Guards that say why: the sentence for the refusal and for the greyed button is the same."""

from __future__ import annotations

import pytest

from cases.models import Case
from common.errors import TransitionRefused
from common.transitions import guard, refusals, run
from tests.builders import MONDAY
from tickets.models import Ticket
from tickets.states import State


def ticket(**fields) -> Ticket:
    return Ticket(**{"kind": "ticket", "state": State.IN_PROGRESS, **fields})


def test_a_guard_carries_its_sentence_and_still_answers():
    @guard("Not on Sundays.")
    def is_weekday(thing):
        return thing

    assert (is_weekday(True), is_weekday(False), is_weekday.reason) == (True, False, "Not on Sundays.")


def test_every_unmet_reason_is_listed_and_nothing_changes():
    subject = ticket(complex=True)
    reasons = [str(reason) for reason in refusals(subject.resolve)]
    assert len(reasons) == 3
    with pytest.raises(TransitionRefused) as refused:
        run(subject.resolve, at=MONDAY)
    assert [str(reason) for reason in refused.value.reasons] == reasons
    assert refused.value.facts == {"transition": "resolve"}
    assert (refused.value.code, refused.value.status) == ("transition_refused", 409)
    assert (subject.state, subject.resolved_at) == (State.IN_PROGRESS, None)


def test_a_transition_that_may_run_has_no_refusals_and_runs():
    subject = ticket(resolution="new splitter", verified="test")
    assert refusals(subject.resolve) == []
    run(subject.resolve, at=MONDAY)
    assert (subject.state, subject.resolved_at) == (State.RESOLVED, MONDAY)


def test_a_wrong_state_is_the_only_reason_then():
    subject = ticket(state=State.CLOSED)
    assert len(refusals(subject.resolve)) == 1


def test_asking_runs_nothing():
    subject = ticket(resolution="x", verified="test")
    refusals(subject.resolve)
    assert subject.state == State.IN_PROGRESS


def test_a_guard_that_raises_is_a_bug_and_not_a_refusal():
    subject = ticket(resolution=None, verified="test")
    with pytest.raises(AttributeError):
        run(subject.resolve, at=MONDAY)
    assert subject.state == State.IN_PROGRESS


def test_a_bare_case_has_a_state_and_no_transition():
    assert not hasattr(Case, "resolve")
