"""Who may do what: one table, role by ability. It is also a test (tests/staff/test_permissions.py).

State guards are not permissions; they live with the model. Reading is an ability of its own: the auditor reads.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    AGENT = "agent", _("Agent")
    SENIOR = "senior", _("Senior agent")
    DISPATCHER = "dispatcher", _("Dispatcher")
    LEAD = "lead", _("Team lead")
    SUPERVISOR = "supervisor", _("Supervisor")
    HEAD = "head", _("Head")
    AUDITOR = "auditor", _("Auditor")
    ADMINISTRATOR = "administrator", _("Administrator")
    TECHNICIAN = "technician", _("Field technician")


_A, _S, _D, _L, _V, _H, _U, _M, _T = Role
WORKERS = {_A, _S, _D, _L, _V, _H}
LEADERS = {_L, _V, _H}
PLANNERS = {_D, _L, _V, _H}

TABLE: dict[str, set[Role]] = {
    # the desk
    "desk.open": WORKERS | {_U},
    "cases.see_all_teams": {_D, _V, _H, _U},
    "customers.see": WORKERS | {_U},
    "customers.change": WORKERS,
    "customers.reveal": WORKERS,
    "customers.grade": LEADERS,
    # tickets
    "tickets.open": WORKERS,
    "tickets.work": WORKERS,
    "tickets.take_any": {_S, _D, _L, _V, _H},
    "tickets.take_complex": {_S, _L, _V, _H},
    "tickets.assign": {_D, _L, _V, _H},
    "tickets.review": LEADERS,
    "tickets.escalate": WORKERS,
    "tickets.reclassify": WORKERS,
    "tickets.cancel": WORKERS,
    "tickets.pause_beyond_cap": LEADERS,
    # visits: the field technician sees and works their own, the desk books, the dispatcher and the leaders arrange
    "visits.work": {_T},
    "appointments.book": WORKERS,
    "appointments.see": WORKERS | {_U},
    "appointments.override": LEADERS,
    "dispatch.open": PLANNERS | {_U},
    "dispatch.change": PLANNERS,
    "outages.change": {_V, _H},
    # boards and settings
    "boards.open": LEADERS | {_D, _U},
    "boards.all_teams": {_D, _V, _H, _U},
    "settings.calendars": {_V, _H, _M, _U},
    "settings.policies": {_V, _H, _M, _U},
    "settings.people": {_M, _U},
    "settings.change_people": {_M},
    "settings.working_time": PLANNERS | {_M, _U},
    "settings.change_working_time": PLANNERS | {_M},
    "settings.change_duty": {_V, _H, _M},
    "settings.skills": PLANNERS | {_M, _U},
    "settings.change_skills": {_V, _H, _M},
    "settings.parked": {_V, _H, _M, _U},
    "settings.retry_parked": {_V, _H, _M},
    "outbox.read": {_V, _H, _U, _M},
}


def may(role: str, ability: str) -> bool:
    """Whether `role` holds `ability`. An unknown ability is a mistake in the code and raises KeyError."""
    return role in TABLE[ability]


def roles_that_may(ability: str) -> list[Role]:
    """The roles that hold `ability`, in the order of the table of roles; for “ask one of these”."""
    return [role for role in Role if role in TABLE[ability]]
