"""How notices to staff about visits read."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from notifications.notices import reads


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


@reads("visit_low_rating_notice", "trending-down")
def _low_rating(facts: dict[str, Any]) -> str:
    return _("%(number)s: the customer rated the visit %(score)s of 5.") % facts
