"""The facts of a visit's life: one function a fact, and how each is said."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _

from cases.facts import Fact, Names, describes, digest
from common import clockface

from .models import Appointment, WaitlistEntry, WaitlistOffer
from .states import Exclusion, FailReason, Side, Trigger
from .wording import window_text, wish_text


def requested(appointment: Appointment) -> Fact:
    return Fact(
        "visit_requested",
        {"type": appointment.type, "channel": appointment.channel, "ticket": appointment.for_ticket_id},
        public=True,
    )


def booked(appointment: Appointment, crew: list[int]) -> Fact:
    return Fact("visit_booked", {**_window(appointment), "crew": crew}, public=True)


def moved(appointment: Appointment, crew: list[int], *, before: list[str | None], side: str, reason: str) -> Fact:
    facts = {**_window(appointment), "crew": crew, "before": before, "side": side}
    return Fact("visit_moved", facts | ({"reason": digest(reason)} if reason else {}), public=True)


def released(*, before: list[str | None], reason: str) -> Fact:
    return Fact("visit_released", {"before": before, "reason": digest(reason)}, public=True)


def crew_changed(crew: list[int], *, before: list[int], reason: str = "") -> Fact:
    return Fact("visit_crew", {"crew": crew, "before": before} | ({"reason": digest(reason)} if reason else {}))


def told(how: str) -> Fact:
    return Fact("visit_told", {"how": how})


def said(what: str, *, state: str) -> Fact:
    """A message about the visit: `what` is its template, `state` queued, skipped or no_channel."""
    return Fact("visit_said", {"what": what, "state": state})


def reconfirmed(how: str) -> Fact:
    return Fact("visit_reconfirmed", {"how": how}, public=True)


def call_needed(why: str) -> Fact:
    return Fact("visit_call_needed", {"why": why})


def call_done() -> Fact:
    return Fact("visit_call_done", {})


def set_off(appointment: Appointment) -> Fact:
    expected = appointment.expected_at.isoformat() if appointment.expected_at else None
    return Fact("visit_set_off", {"expected": expected}, public=True)


def arrived(*, how: str) -> Fact:
    return Fact("visit_arrived", {"how": how}, public=True)


def finished(appointment: Appointment) -> Fact:
    return Fact("visit_finished", {"report": digest(appointment.report)}, public=True)


def failed(appointment: Appointment) -> Fact:
    return Fact("visit_failed", {"reason": appointment.fail_reason}, public=True)


def absent(appointment: Appointment, *, notice: str) -> Fact:
    return Fact("visit_absent", {"time": appointment.absences, "notice": digest(notice)}, public=True)


def missed() -> Fact:
    return Fact("visit_missed", {}, public=True)


def cancelled(*, side: str, reason: str) -> Fact:
    return Fact("visit_cancelled", {"side": side} | ({"reason": digest(reason)} if reason else {}), public=True)


def compensation_due(trigger: str, *, amount: str, currency: str) -> Fact:
    return Fact("compensation_due", {"trigger": trigger, "amount": amount, "currency": currency})


def compensation_excluded(trigger: str, *, why: str, proof: str) -> Fact:
    return Fact("compensation_excluded", {"trigger": trigger, "why": why, "proof": digest(proof)})


def waitlisted(entry: WaitlistEntry) -> Fact:
    """The wish as it was then: the bounds as dates, weekdays and parts of the day; nothing where any would do."""
    wish = {
        "first": entry.first_on.isoformat() if entry.first_on else None,
        "last": entry.last_on.isoformat() if entry.last_on else None,
        "weekdays": entry.weekdays,
        "parts": entry.parts,
    }
    return Fact("visit_waitlisted", {name: value for name, value in wish.items() if value}, public=True)


def offered(offer: WaitlistOffer) -> Fact:
    return Fact(
        "visit_offered", {"starts": offer.starts_at.isoformat(), "ends": offer.ends_at.isoformat()}, public=True
    )


def rated(score: int) -> Fact:
    return Fact("visit_rated", {"score": score}, public=True)


def overridden(rule: str, reason: str) -> Fact:
    """A rule for customers that a leader set aside, with the reason (lessons.md 34)."""
    return Fact("visit_rule_overridden", {"rule": rule, "reason": digest(reason)})


def _window(appointment: Appointment) -> dict[str, Any]:
    assert appointment.starts_at is not None
    assert appointment.ends_at is not None
    return {"starts": appointment.starts_at.isoformat(), "ends": appointment.ends_at.isoformat()}


# --- how they read ---------------------------------------------------------------------------------------------------


def _span(facts: dict[str, Any]) -> str:
    return window_text(datetime.fromisoformat(facts["starts"]), datetime.fromisoformat(facts["ends"]))


def _crew(facts: dict[str, Any], names: Names) -> str:
    return _(", ").join(names.person(key) for key in facts["crew"])


@describes("visit_requested")
def _requested(facts: dict[str, Any], names: Names) -> str:
    return _("A visit was requested")


@describes("visit_booked")
def _booked(facts: dict[str, Any], names: Names) -> str:
    return _("Visit booked: %(window)s, %(crew)s") % {"window": _span(facts), "crew": _crew(facts, names)}


@describes("visit_moved")
def _moved(facts: dict[str, Any], names: Names) -> str:
    values = {"window": _span(facts), "crew": _crew(facts, names)}
    if facts["side"] == Side.CUSTOMER:
        return _("The customer moved the visit to %(window)s, %(crew)s") % values
    return _("We moved the visit to %(window)s, %(crew)s") % values


@describes("visit_released")
def _released(facts: dict[str, Any], names: Names) -> str:
    return _("We cannot keep the time; a new one is needed")


@describes("visit_crew")
def _crew_changed(facts: dict[str, Any], names: Names) -> str:
    return _("Technicians: %(crew)s") % {"crew": _crew(facts, names) or _("nobody")}


@describes("visit_told")
def _told(facts: dict[str, Any], names: Names) -> str:
    if facts["how"] == "spoken":
        return _("The time was confirmed in person")
    return _("The confirmation reached the customer")


@describes("visit_said")
def _said(facts: dict[str, Any], names: Names) -> str:
    what = {
        "visit_booked": _("Confirmation"),
        "visit_moved": _("Message of the new time"),
        "visit_moved_by_us": _("Message of the new time"),
        "visit_cancelled": _("Message that the visit is cancelled"),
        "visit_released": _("Message that a new time is needed"),
        "visit_missed": _("Message that we did not come"),
        "visit_failed": _("Message that it is not solved yet"),
        "visit_ended_absent": _("Message that the visit has ended"),
        "visit_offer": _("Offer of an earlier time"),
        "visit_offer_first": _("Offer of a time"),
        "visit_reminder": _("Second confirmation"),
        "visit_notice": _("Notice before the visit"),
        "visit_under_way": _("Message that the technician is on the way"),
        "visit_late": _("Message that we are late"),
        "visit_done": _("Completion notice"),
        "visit_absent": _("Notice that nobody was there"),
    }.get(facts["what"], facts["what"])
    if facts["state"] == "no_channel":
        return _("%(what)s: no way to reach the customer") % {"what": what}
    if facts["state"] == "skipped":
        return _("%(what)s: no longer needed, not sent") % {"what": what}
    if facts["state"] == "accepted":
        return _("%(what)s: accepted by the provider") % {"what": what}
    return _("%(what)s: sent") % {"what": what}


@describes("visit_reconfirmed")
def _reconfirmed(facts: dict[str, Any], names: Names) -> str:
    return _("The customer confirmed the time again")


@describes("visit_call_needed")
def _call_needed(facts: dict[str, Any], names: Names) -> str:
    return {
        "no_answer": _("Somebody must call: the second confirmation was not answered"),
        "no_channel": _("Somebody must call: no message reaches the customer"),
        "absent": _("Somebody must call: the customer was absent twice"),
        "late": _("Somebody must call: we are late"),
        "wished": _("Somebody must call: the customer asked for it with the rating"),
    }.get(facts["why"], _("Somebody must call"))


@describes("visit_call_done")
def _call_done(facts: dict[str, Any], names: Names) -> str:
    return _("The customer was called")


@describes("visit_set_off")
def _set_off(facts: dict[str, Any], names: Names) -> str:
    if facts["expected"]:
        when = clockface.when(datetime.fromisoformat(facts["expected"]))
        return _("The technician is on the way, expected at %(time)s") % {"time": when}
    return _("The technician is on the way")


@describes("visit_arrived")
def _arrived(facts: dict[str, Any], names: Names) -> str:
    if facts["how"] == "code":
        return _("The technician arrived; the customer gave the code")
    return _("The technician arrived")


@describes("visit_finished")
def _finished(facts: dict[str, Any], names: Names) -> str:
    return _("The work is done")


@describes("visit_failed")
def _failed(facts: dict[str, Any], names: Names) -> str:
    return _("Not solved on this visit: %(reason)s") % {"reason": FailReason(facts["reason"]).label}


@describes("visit_absent")
def _absent(facts: dict[str, Any], names: Names) -> str:
    return _("Nobody was there (time %(count)s); a notice was left") % {"count": facts["time"]}


@describes("visit_missed")
def _missed(facts: dict[str, Any], names: Names) -> str:
    return _("We did not come within the promised window")


@describes("visit_cancelled")
def _cancelled(facts: dict[str, Any], names: Names) -> str:
    if facts["side"] == Side.CUSTOMER:
        return _("The customer cancelled the visit")
    return _("We cancelled the visit")


@describes("compensation_due")
def _compensation_due(facts: dict[str, Any], names: Names) -> str:
    values = {"amount": facts["amount"], "currency": facts["currency"], "why": Trigger(facts["trigger"]).label}
    return _("Compensation due: %(amount)s %(currency)s. %(why)s") % values


@describes("compensation_excluded")
def _compensation_excluded(facts: dict[str, Any], names: Names) -> str:
    return _("No compensation: %(why)s") % {"why": Exclusion(facts["why"]).label}


@describes("visit_rated")
def _rated(facts: dict[str, Any], names: Names) -> str:
    return _("The customer rated the visit: %(score)s of 5") % {"score": facts["score"]}


@describes("visit_rule_overridden")
def _overridden(facts: dict[str, Any], names: Names) -> str:
    return _("A rule for customers was set aside with a reason")


@describes("visit_waitlisted")
def _waitlisted(facts: dict[str, Any], names: Names) -> str:
    if not facts:
        return _("The customer would like an earlier time")
    first, last = (date.fromisoformat(facts[name]) if facts.get(name) else None for name in ("first", "last"))
    wish = wish_text(first, last, facts.get("weekdays", []), facts.get("parts", []))
    return _("The customer would like an earlier time: %(wish)s") % {"wish": wish}


@describes("visit_offered")
def _offered(facts: dict[str, Any], names: Names) -> str:
    return _("An earlier time was offered: %(window)s") % {"window": _span(facts)}
