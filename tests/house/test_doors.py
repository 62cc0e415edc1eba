"""Every address, and whom it lets in. An address that is not in the table fails, so that none is added unguarded.

What happens behind a door is tested in its room; here only who gets through, with an empty form: who may gets an answer
that is neither a refusal nor an error of ours, everybody else is refused before anything is read or written.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from cases.categories import load_shipped_categories
from cases.links import link_token
from common import clock
from sla.models import Deadline
from staff.permissions import Role, may
from tests import builders
from tests.appointments import center
from tests.builders import MONDAY

# Beside the abilities of staff.permissions: ANYBODY needs no sign-in, STAFF any sign-in, CUSTOMER the customer's own.
ANYBODY, STAFF, CUSTOMER = "anybody", "staff", "customer"

# Address: what reading it asks for, what sending to it asks for; empty where there is nothing to read or to send.
DOORS: dict[str, tuple[str, str]] = {
    "healthz": (ANYBODY, ""),
    "metrics": (ANYBODY, ""),
    "set_language": ("", ANYBODY),
    "inbound_sms": ("", ANYBODY),  # signed by the gateway
    "sign_in": (ANYBODY, ANYBODY),
    "sign_out": ("", ANYBODY),
    "session": (STAFF, STAFF),
    "preferences": ("", STAFF),
    "presence": ("", STAFF),
    # the technician's phone
    "appointments:visits": ("visits.work", ""),
    "appointments:actions": ("", "visits.work"),
    "appointments:seen": ("", "visits.work"),
    "appointments:worker": ("visits.work", ""),
    "appointments:offline": ("visits.work", ""),
    "appointments:visit": ("visits.work", ""),
    "appointments:reveal": ("", "visits.work"),
    "appointments:act": ("visits.work", "visits.work"),
    # the desk
    "desk:queue": (STAFF, ""),
    "desk:find": (STAFF, ""),
    "desk:changes": (STAFF, ""),
    "desk:notices": (STAFF, ""),
    "desk:notices_read": ("", STAFF),
    "desk:notice": ("", STAFF),
    "desk:mine": (STAFF, ""),
    "desk:keys": (STAFF, STAFF),
    "desk:replies": (STAFF, STAFF),
    "desk:undo_reply": ("", STAFF),  # one's own, whoever may see the ticket by now; else the ticket's door and 403
    "desk:discard_reply": ("", STAFF),
    "desk:outbox": (STAFF, ""),  # in development only
    "desk:team": ("desk.open", ""),
    "desk:take_next": ("", "tickets.work"),
    "desk:archive": ("desk.open", ""),
    "desk:bulk": ("", "desk.open"),
    "desk:bulk_do": ("", "desk.open"),
    "desk:bulk_job": ("desk.open", ""),
    "desk:new": ("tickets.open", "tickets.open"),
    "desk:new_customer": ("tickets.open", ""),
    "desk:new_duplicates": ("tickets.open", ""),
    "desk:case": ("desk.open", ""),
    "desk:explain": ("desk.open", ""),
    "desk:conversation": ("desk.open", ""),
    "desk:row": ("desk.open", ""),
    "desk:do": ("tickets.work", "tickets.work"),
    "desk:attachment": ("desk.open", ""),
    "desk:customer": ("customers.see", ""),
    "desk:reveal": ("", "customers.reveal"),
    "desk:customer_change": ("", "customers.change"),
    "desk:customer_correct": ("customers.change", "customers.change"),
    "desk:withdraw_links": ("", "customers.change"),
    "desk:texts": ("customers.see", ""),
    "desk:attach_text": ("", "tickets.open"),
    "desk:text_done": ("", "tickets.open"),
    "desk:outages": ("desk.open", ""),
    "desk:enter_outage": ("", "outages.change"),
    "desk:extend_outage": ("", "outages.change"),
    "desk:end_outage": ("", "outages.change"),
    # visits
    "desk:book": ("appointments.book", "appointments.book"),
    "desk:visit_move": ("appointments.book", "appointments.book"),
    "desk:visit_do": ("appointments.see", "appointments.see"),
    "desk:visit_exclude": ("appointments.see", "appointments.see"),
    "desk:visit_form": ("appointments.see", ""),
    "desk:visit_swap": ("dispatch.change", "dispatch.change"),
    "desk:visit_emergency": ("dispatch.change", "dispatch.change"),
    "desk:dispatch": ("dispatch.open", ""),
    "desk:dispatch_refresh": ("dispatch.open", ""),
    "desk:dispatch_slot": ("dispatch.change", ""),
    "desk:plan": ("dispatch.change", "dispatch.change"),
    "desk:assign": ("dispatch.change", "dispatch.change"),
    # boards and settings
    "dashboards:boards": (ANYBODY, ""),  # leads to the live board
    "dashboards:live": ("boards.open", ""),
    "dashboards:refresh": ("boards.open", ""),
    "dashboards:list": ("boards.open", ""),
    "dashboards:reassign": ("tickets.assign", "tickets.assign"),
    "desk:calendars": ("settings.calendars", ""),
    "desk:policies": ("settings.policies", ""),
    "desk:parked": ("settings.parked", ""),
    "desk:retry_timers": ("", "settings.retry_parked"),
    "desk:retry_messages": ("", "settings.retry_parked"),
    "desk:people": ("settings.people", ""),
    "desk:add_person": ("", "settings.change_people"),
    "desk:person": ("settings.change_people", "settings.change_people"),
    "desk:person_password": ("", "settings.change_people"),
    "desk:add_team": ("", "settings.change_people"),
    "desk:team_settings": ("settings.change_people", "settings.change_people"),
    "desk:working_time": ("settings.working_time", ""),
    "desk:working_person": ("settings.working_time", ""),
    "desk:add_shifts": ("", "settings.change_working_time"),
    "desk:add_leave": ("", "settings.change_working_time"),
    "desk:add_duty": ("", "settings.change_duty"),
    "desk:drop_duty": ("", "settings.change_duty"),
    "desk:drop_shift": ("", "settings.change_working_time"),
    "desk:drop_leave": ("", "settings.change_working_time"),
    "desk:skills": ("settings.skills", ""),
    "desk:skills_person": ("settings.skills", ""),
    "desk:add_skill": ("", "settings.change_skills"),
    "desk:add_kind": ("", "settings.change_skills"),
    "desk:save_skills": ("", "settings.change_skills"),
    "desk:add_paper": ("", "settings.change_skills"),
    "desk:revoke_paper": ("", "settings.change_skills"),
    # the customer's pages
    "portal:home": (ANYBODY, ""),
    "portal:outage": (ANYBODY, ""),
    "portal:follow": ("", CUSTOMER),
    "portal:sign_in": (ANYBODY, ANYBODY),
    "portal:code": (ANYBODY, ANYBODY),
    "portal:who": (CUSTOMER, CUSTOMER),
    "portal:sign_out": ("", ANYBODY),
    "portal:report": (ANYBODY, ""),
    "portal:report_step": (ANYBODY, ANYBODY),
    "portal:report_done": (ANYBODY, ""),
    "portal:book": (ANYBODY, ""),
    "portal:book_step": (ANYBODY, ANYBODY),
    "portal:book_keep": ("", CUSTOMER),
    "portal:book_done": (ANYBODY, ""),
    "portal:link_lost": (ANYBODY, ANYBODY),
    "portal:link_again": ("", ANYBODY),
    "portal:cases": (CUSTOMER, ""),
    "portal:case": (CUSTOMER, ""),
    "portal:case_book": (CUSTOMER, CUSTOMER),
    "portal:case_write": ("", CUSTOMER),
    "portal:case_confirm": ("", CUSTOMER),
    "portal:case_not_solved": ("", CUSTOMER),
    "portal:case_calendar": (CUSTOMER, ""),
    "portal:case_reconfirm": ("", CUSTOMER),
    "portal:case_move": (CUSTOMER, CUSTOMER),
    "portal:case_move_check": (CUSTOMER, CUSTOMER),
    "portal:case_cancel": (CUSTOMER, CUSTOMER),
    "portal:case_rate": (CUSTOMER, CUSTOMER),
    "portal:case_wait": (CUSTOMER, CUSTOMER),
    "portal:case_offer": ("", CUSTOMER),
}
# The address in a message opens one matter to whoever has it: tests/portal/test_links.py.
LINKS = "portal:link"
# One of each kind of rights; the other roles hold what one of these holds, or more (tests/staff/test_permissions.py).
ROLES = (Role.AGENT, Role.DISPATCHER, Role.LEAD, Role.SUPERVISOR, Role.AUDITOR, Role.ADMINISTRATOR, Role.TECHNICIAN)


def addresses(patterns: Any, space: str = "") -> Iterator[tuple[str, list[str]]]:
    """Every address: its name and the names of its parts."""
    for one in patterns:
        if hasattr(one, "url_patterns"):
            yield from addresses(one.url_patterns, f"{one.namespace}:" if one.namespace else space)
        else:
            yield space + one.name, list(one.pattern.converters)


def all_addresses() -> dict[str, list[str]]:
    return dict(addresses(get_resolver().url_patterns))


def test_every_address_has_a_door():
    names = {name for name in all_addresses() if not name.startswith(f"{LINKS}_") and name != LINKS}
    assert sorted(names ^ {name for name in DOORS if not name.startswith(f"{LINKS}_")}) == []


def lets_in(door: str, who: Role | None) -> bool:
    match door:
        case "anybody":
            return True
        case "staff":
            return who is not None
        case "customer":
            return False
        case _:
            return who is not None and may(who, door)


def askers(name: str, door: str) -> list[Role | None]:
    """Who tries: the stranger and three roles, and whoever else it takes that somebody gets in and somebody does not.

    To customers' pages all staff are strangers alike. Signing out would end the session of the rest.
    """
    if name == "sign_out":
        return []
    if name.startswith("portal:"):
        return [None, Role.AGENT]
    askers: list[Role | None] = [None, Role.AGENT, Role.LEAD, Role.AUDITOR]
    for right in (True, False):
        if all(lets_in(door, who) != right for who in askers[1:]):
            askers += [role for role in ROLES if lets_in(door, role) == right][:1]
    return askers


@pytest.fixture
def clients(db: None) -> dict[Role | None, Client]:
    """A browser for the stranger and one for each role."""
    found: dict[Role | None, Client] = {None: Client(raise_request_exception=False)}
    for role in ROLES:
        found[role] = Client(raise_request_exception=False)
        found[role].force_login(
            center.technician(role) if role == Role.TECHNICIAN else builders.person(role, f"the-{role}")
        )
    return found


@pytest.fixture
def parts(clients: dict[Role | None, Client], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the parts of an address may be; what is not there (a leave, an outage) is asked for all the same."""
    monkeypatch.setattr(clock, "now", lambda: MONDAY + timedelta(hours=1))
    load_shipped_categories()
    customer = builders.customer()
    ticket = builders.ticket(builders.person("agent", "opener"), customer=customer)
    visit = center.book(customer)
    return {
        "number": ticket.number,
        "visit": visit.number,
        "pk": customer.pk,
        "person": visit.owner_id,
        "technician": visit.owner_id,
        "deadline_id": Deadline.objects.filter(case=ticket)[0].pk,
        "token": link_token(ticket, "view", at=MONDAY, days=30),
        "name": "resolve",
        "action": "depart",
        "figure": "overdue",
        "subject": "fault",
        "step": "service",
        "key": "key",
    } | dict.fromkeys(("shift", "leave", "paper", "starts", "compensation_id", "attachment_id"), 1)


PEOPLE = ("desk:person", "desk:person_password", "desk:working_person", "desk:skills_person", "desk:save_skills")


@pytest.fixture(autouse=True)
def _center(db: None) -> None:
    center.center()


@pytest.mark.parametrize("sending", [False, True], ids=["reading", "sending"])
def test_a_door_lets_in_whom_it_should(clients, parts, sending):
    wrong = []
    for name, keys in all_addresses().items():
        door = DOORS.get(name, ("", ""))[sending]
        if not door:
            continue
        values = {key: parts[key] for key in keys}
        if "number" in keys and (name.startswith(("appointments:", "desk:visit")) or name == "desk:assign"):
            values["number"] = parts["visit"]
        if name in PEOPLE:
            values["pk"] = parts["person"]
        address = reverse(name, kwargs=values)
        for who in askers(name, door):
            client = clients[who]
            answer = client.post(address) if sending else client.get(address)
            came = _came_in(answer)
            expected = lets_in(door, who)
            unwell = answer.status_code >= 500 and name != "healthz"
            if came != expected or unwell or answer.status_code == 405:
                wrong.append(f"{'POST' if sending else 'GET'} {name} for {who or 'a stranger'}: {answer.status_code}")
    assert "\n".join(wrong) == ""


def _came_in(answer: Any) -> bool:
    """Refused is who is told so, or is sent to sign in, at the desk's door or at the customer's."""
    to_sign_in = answer.status_code == 302 and "/sign-in/?next=" in answer["Location"]
    return answer.status_code not in (401, 403) and not to_sign_in
