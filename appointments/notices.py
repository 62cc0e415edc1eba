"""How notices to staff about visits read."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from common import clockface
from notifications.notices import reads

from .states import CallTime


@reads("visit_call_notice", "phone-call")
def _call(facts: dict[str, Any]) -> str:
    return _("%(number)s: the customer did not confirm the visit. Please call.") % facts


@reads("visit_late_notice", "hourglass")
def _late(facts: dict[str, Any]) -> str:
    return _("%(number)s: the technician will be late.") % facts


@reads("visit_missed_notice", "octagon-alert")
def _missed(facts: dict[str, Any]) -> str:
    return _("%(number)s: nobody of ours came within the window. The customer needs a new time.") % facts


@reads("visit_failed_notice", "flag")
def _failed(facts: dict[str, Any]) -> str:
    return _("%(number)s could not be solved on this visit. It must be sent out again.") % facts


@reads("visit_new_notice", "calendar-days")
def _new(facts: dict[str, Any]) -> str:
    return _("%(number)s is in your plan now.") % facts


@reads("visit_off_notice", "calendar-x")
def _off(facts: dict[str, Any]) -> str:
    return _("%(number)s is no longer in your plan.") % facts


@reads("certificate_ends", "shield-check")
def _certificate_ends(facts: dict[str, Any]) -> str:
    if facts["own"]:
        return _("Your certificate “%(kind)s” is valid until %(day)s. Renew it in time.") % _paper(facts)
    return _("The certificate “%(kind)s” of %(person)s is valid until %(day)s.") % _paper(facts)


@reads("certificate_ended", "octagon-alert")
def _certificate_ended(facts: dict[str, Any]) -> str:
    if facts["own"]:
        return _("Your certificate “%(kind)s” was valid until %(day)s. Visits that need it go to others.") % _paper(
            facts
        )
    return _("The certificate “%(kind)s” of %(person)s was valid until %(day)s. Visits that need it go to others.") % (
        _paper(facts)
    )


def _paper(facts: dict[str, Any]) -> dict[str, Any]:
    english = (get_language() or "").startswith("en")
    day = clockface.plain_day(date.fromisoformat(facts["day"]))
    return {**facts, "kind": facts["kind_en" if english else "kind_zh"], "day": day}


@reads("visit_low_rating_notice", "trending-down")
def _low_rating(facts: dict[str, Any]) -> str:
    return _("%(number)s: the customer rated the visit %(score)s of 5.") % facts


@reads("visit_callback_notice", "phone-call")
def _callback(facts: dict[str, Any]) -> str:
    return _("%(number)s: the customer rated the visit %(score)s of 5 and wants to be called. %(when)s.") % {
        **facts,
        "when": CallTime(facts["when"]).label,
    }
