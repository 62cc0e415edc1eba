"""What we owe when we break a promise about a visit: due by rule, with amounts as data and exclusions with proof."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from cases import services as cases
from cases.facts import Fact
from common import clock
from common.errors import DomainError
from common.given import choice

from . import events
from .checks import text
from .models import Appointment, Compensation, CompensationRule
from .permissions import allow
from .states import Exclusion
from .windows import Window


def falls_due(appointment: Appointment, trigger: str, *, at: datetime) -> list[Fact]:
    """Record that a compensation is due for the present booked time; return the facts for the timeline.

    Once a booked time, whatever broke it first. Nothing where no rule holds on that day.
    """
    rule = rule_for(trigger, at=at)
    if rule is None:
        return []
    _owed, created = Compensation.objects.get_or_create(
        appointment=appointment,
        cycle=appointment.cycle,
        defaults={"trigger": trigger, "amount": rule.amount, "currency": rule.currency, "due_at": at},
    )
    if not created:
        return []
    return [events.compensation_due(trigger, amount=f"{rule.amount}", currency=rule.currency)]


def rule_for(trigger: str, *, at: datetime) -> CompensationRule | None:
    """What is owed for `trigger` on that day; None where no rule holds."""
    return CompensationRule.objects.filter(trigger=trigger, valid_from__lte=Window(at, at).day).first()


@transaction.atomic
def exclude_compensation(
    *, compensation_id: int, why: str, proof: str, by: Any, at: datetime | None = None
) -> Compensation:
    """A leader finds that nothing is owed, with the reason and the proof in words; the record stays."""
    now = at or clock.now()
    allow(by, "appointments.override")
    why = choice(why, Exclusion, "why")
    proof = text(proof, "proof", _("Say what proves it."))
    owed = Compensation.objects.get(pk=compensation_id)
    appointment: Appointment = Appointment.objects.locked(owed.appointment_id)
    owed.refresh_from_db()
    if owed.excluded:
        raise DomainError(_("This was decided already."))
    owed.excluded, owed.proof, owed.decided_by, owed.decided_at = why, proof, by, now
    owed.save(update_fields=["excluded", "proof", "decided_by", "decided_at"])
    cases.record(
        appointment,
        events.compensation_excluded(owed.trigger, why=why, proof=proof),
        transition="noted",
        at=now,
        by=by,
    )
    return owed
