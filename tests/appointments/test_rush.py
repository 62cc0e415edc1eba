"""A small rush through every door on real connections leaves the books in order; the large one is bench/booking.py."""

from __future__ import annotations

import pytest

from appointments import promises
from appointments.models import Reservation
from appointments.states import State
from notifications.models import Message
from sla.models import Timer
from tests.appointments.rush import Rush, Town, audit, invent

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def test_a_rush_of_bookings_leaves_the_books_in_order():
    """Lessons 34 and 36; then the books are spoiled, to see that the audit would have noticed."""
    result = Rush(Town(invent(130), technicians=6).build(), threads=4).play()
    assert result.problems == []
    assert result.deadlocks == 0
    assert audit(result.expected) == []
    assert set(result.expected.values()) == {State.BOOKED, State.CANCELLED, State.REQUESTED}
    assert len(result.offered) > 20
    assert min(result.offered) == 3  # whoever was refused was offered three other times

    spoiled = {
        "the reserved time is not the crew's": Reservation.objects.exclude(appointment=None),
        "timers are [": Timer.objects.filter(deadline=None).exclude(case=None),
        "a promise runs without its timer": Timer.objects.filter(deadline__promise=promises.WINDOW),
        "waiting messages are []": Message.objects.filter(template="visit_booked", state="queued"),
    }
    for rows in spoiled.values():
        rows.filter(pk__in=rows.order_by("-pk").values("pk")[:1]).delete()
    found = audit(result.expected)
    assert [sentence for sentence in spoiled if not any(sentence in problem for problem in found)] == []
