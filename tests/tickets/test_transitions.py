"""The life of a ticket as one table: every transition from every state, and every sentence that says why not.

Unsaved instances and no database: a transition changes its own row in memory and reads nothing else.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import translation

from common.errors import TransitionRefused
from common.transitions import refusals, run
from tests.builders import MONDAY
from tickets.models import Ticket
from tickets.states import OPEN, State

S = State
WORKABLE = {S.NEW, S.ASSIGNED, S.IN_PROGRESS, S.HELD}

TABLE = {  # transition: (from, to)
    "assign": ({S.NEW, S.ASSIGNED, S.RETURNED}, S.ASSIGNED),
    "start": ({S.NEW, S.ASSIGNED, S.RETURNED}, S.IN_PROGRESS),
    "wait": (WORKABLE, S.PENDING),
    "hold": ({S.NEW, S.ASSIGNED, S.IN_PROGRESS, S.PENDING}, S.HELD),
    "resume": ({S.PENDING, S.HELD}, S.IN_PROGRESS),
    "return_to_dispatcher": (WORKABLE, S.RETURNED),
    "submit_for_review": ({S.IN_PROGRESS}, S.IN_REVIEW),
    "pass_review": ({S.IN_REVIEW}, S.IN_PROGRESS),
    "send_back": ({S.IN_REVIEW}, S.IN_PROGRESS),
    "resolve": (WORKABLE | {S.PENDING}, S.RESOLVED),
    "close": ({S.RESOLVED}, S.CLOSED),
    "reopen": ({S.RESOLVED, S.CLOSED}, S.IN_PROGRESS),
    "cancel": ({*WORKABLE, S.RETURNED, S.IN_REVIEW, S.PENDING}, S.CANCELLED),
    "merge": ({*WORKABLE, S.RETURNED, S.IN_REVIEW, S.PENDING}, S.MERGED),
}
ARGUMENTS = {
    "resolve": {"at": MONDAY},
    "close": {"at": MONDAY, "because": "confirmed"},
    "cancel": {"at": MONDAY},
    "merge": {"at": MONDAY},
}
READY = {
    "kind": "ticket", "owner_id": 7, "pause_reason": "documents", "resolution": "new cable", "verified": "test",
    "closed_at": None,
}  # fmt: skip


def ticket(state: State, **fields) -> Ticket:
    return Ticket(**{**READY, "state": state, **fields})


def snapshot(subject: Ticket) -> dict:
    return {name: value for name, value in vars(subject).items() if not name.startswith("_")}


def test_the_table_is_complete():
    declared = {name for name, method in vars(Ticket).items() if hasattr(method, "_django_fsm")}
    assert declared == set(TABLE)
    assert set(OPEN) == TABLE["cancel"][0]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("verb", list(TABLE))
def test_every_transition_from_every_state(verb, state):
    sources, target = TABLE[verb]
    subject = ticket(state)
    method = getattr(subject, verb)
    if state in sources:
        assert refusals(method) == []
        run(method, **ARGUMENTS.get(verb, {}))
        assert subject.state == target
        return
    before = snapshot(subject)
    with translation.override("en"), pytest.raises(TransitionRefused) as refused:
        run(method, **ARGUMENTS.get(verb, {}))
    with translation.override("en"):
        (reason,) = refused.value.reasons
        assert str(reason) == f"This is not possible while the state is “{state.label}”."
    assert snapshot(subject) == before


GUARDS = [  # transition, state, what is missing, the sentence
    ("start", S.NEW, {"owner_id": None}, ["Somebody must take the ticket first."]),
    ("submit_for_review", S.IN_PROGRESS, {"owner_id": None}, ["Somebody must take the ticket first."]),
    ("wait", S.IN_PROGRESS, {"pause_reason": ""}, ["Say what we are waiting for."]),
    ("hold", S.IN_PROGRESS, {"pause_reason": ""}, ["Say what we are waiting for."]),
    ("resolve", S.IN_PROGRESS, {"resolution": ""}, ["Write down what fixed it first."]),
    ("resolve", S.IN_PROGRESS, {"resolution": " \n\t"}, ["Write down what fixed it first."]),
    ("resolve", S.PENDING, {"verified": ""}, ["Say how you know that it is solved."]),
    ("resolve", S.HELD, {"complex": True}, ["A complex ticket needs two passed reviews before it can be resolved."]),
    (
        "resolve",
        S.NEW,
        {"complex": True, "reviews_passed": 1},
        ["A complex ticket needs two passed reviews before it can be resolved."],
    ),
    (
        "resolve",
        S.ASSIGNED,
        {"resolution": "", "verified": "", "complex": True},
        [
            "Write down what fixed it first.",
            "Say how you know that it is solved.",
            "A complex ticket needs two passed reviews before it can be resolved.",
        ],
    ),
]


@pytest.mark.parametrize(("verb", "state", "missing", "sentences"), GUARDS)
def test_every_guard_says_why_and_changes_nothing(verb, state, missing, sentences):
    subject = ticket(state, **missing)
    before = snapshot(subject)
    with translation.override("en"):
        assert [str(reason) for reason in refusals(getattr(subject, verb))] == sentences
        with pytest.raises(TransitionRefused):
            run(getattr(subject, verb), **ARGUMENTS.get(verb, {}))
    assert snapshot(subject) == before
    for name in missing:
        setattr(subject, name, READY.get(name, False))
    assert refusals(getattr(subject, verb)) == []


@pytest.mark.parametrize("rounds", [2, 3])
def test_two_passed_reviews_are_enough(rounds):
    assert refusals(ticket(S.IN_PROGRESS, complex=True, reviews_passed=rounds).resolve) == []


def test_what_was_imported_was_reviewed_elsewhere():
    assert refusals(ticket(S.IN_PROGRESS, complex=True, imported=True).resolve) == []


@pytest.mark.parametrize("verb", ["resume", "return_to_dispatcher", "resolve"])
def test_leaving_a_pause_forgets_its_reason(verb):
    subject = ticket(S.HELD)
    run(getattr(subject, verb), **ARGUMENTS.get(verb, {}))
    assert subject.pause_reason == ""


def test_returning_gives_the_ticket_out_of_hand():
    subject = ticket(S.IN_PROGRESS)
    run(subject.return_to_dispatcher)
    assert subject.owner_id is None


def test_a_review_passed_is_counted_and_one_sent_back_is_not():
    subject = ticket(S.IN_REVIEW)
    run(subject.pass_review)
    run(subject.submit_for_review)
    run(subject.send_back)
    assert subject.reviews_passed == 1


def test_reopening_clears_what_the_last_round_had_found():
    subject = ticket(
        S.CLOSED,
        cycle=1,
        resolved_at=MONDAY,
        closed_at=MONDAY,
        confirmed_at=MONDAY,
        restored_at=MONDAY,
        located_at=MONDAY,
        on_site_at=MONDAY,
        closed_because="silence",
        reviews_passed=2,
    )
    run(subject.reopen)
    assert (subject.cycle, subject.reviews_passed, subject.resolution, subject.closed_because) == (2, 0, "", "")
    assert {
        subject.resolved_at, subject.closed_at, subject.confirmed_at, subject.restored_at, subject.located_at,
        subject.on_site_at,
    } == {None}  # fmt: skip


@pytest.mark.parametrize(("verb", "because"), [("cancel", "cancelled"), ("merge", "merged")])
def test_an_ended_ticket_says_when_and_why(verb, because):
    subject = ticket(S.PENDING)
    run(getattr(subject, verb), at=MONDAY + timedelta(hours=1))
    assert (subject.closed_at, subject.closed_because) == (MONDAY + timedelta(hours=1), because)
    assert not subject.is_open
