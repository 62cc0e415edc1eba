"""The same tap sent by eight connections at once: one of them does it, all get the same answer."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from appointments.actions import take
from appointments.models import VisitAction
from cases.models import Note
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, book

SENDERS = 8


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_one_key_is_one_effect_whoever_is_first():
    center.center()
    technician = center.technician("zhao")
    visit = book()
    together = threading.Barrier(SENDERS)
    answers: list[tuple[int, str]] = []
    problems: list[BaseException] = []

    def send() -> None:
        try:
            together.wait()
            taken = take(
                key="sent-by-all", number=visit.number, action="call", values={"reached": "yes", "note": "Coming"},
                by=technician, at=TUESDAY_TEN, heard_at=TUESDAY_TEN,
            )  # fmt: skip
            answers.append((taken.pk, taken.outcome))
        except BaseException as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    entry = VisitAction.objects.get()
    assert answers == [(entry.pk, "done")] * SENDERS
    assert Note.objects.filter(case=visit).count() == 1
