"""Every page for everybody: no accessibility violation, in both languages and themes, on a desktop and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from appointments.models import Appointment
from appointments.windows import day_begins
from common import clock
from customers.models import Customer, Region
from customers.services import add_service
from desk import sending
from desk.models import HeldFile, HeldReply
from desk.views.actions import ACTIONS
from notifications.inbound import receive_sms
from notifications.models import Message
from notifications.waiting import settle, waiting
from sla.models import Deadline, Timer
from staff.models import CertificateKind, Duty, Leave, Skill, User
from staff.planning import enter_leave, plan_duty, plan_shifts
from staff.qualifying import add_certificate, load_shipped_skills, save_certificate_kind, save_skill, set_skill
from tests import builders
from tests.appointments import center
from tickets import conversation, ending, handling, outages, services
from tickets.models import Ticket

from .conftest import Watch, Words, complaints_of_axe

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("house")]
EN, ZH = "en", "zh-hans"


@dataclass
class Office:
    """People of every kind of page, and tickets in every look a clock can have."""

    agent: User
    supervisor: User
    administrator: User
    technician: User
    ticket: Ticket
    dispatcher: User
    visit: Appointment
    waiting: Appointment

    @property
    def deadline(self) -> Deadline:
        return Deadline.objects.filter(case=self.ticket).order_by("pk").last()  # type: ignore[return-value]


@pytest.fixture
def office(visit: Any) -> Office:
    now = clock.now()
    agent = builders.person("agent", "chen")
    office = Office(
        agent,
        supervisor=builders.person("supervisor", team=None),
        administrator=builders.person("administrator", team=None),
        technician=builders.person("technician"),
        ticket=Ticket(),
        dispatcher=builders.person("dispatcher"),
        visit=Appointment(),
        waiting=Appointment(),
    )
    caller = builders.customer(
        "李小明", "13812345678", region=Region.objects.first(), street="长江路", house="5 号 301", vulnerable=True
    )
    add_service(customer=caller, account="0755-1234", product="宽带 500M")

    def opened(ago: timedelta, **fields: Any) -> Ticket:
        return builders.ticket(agent, customer=caller, at=now - ago, **fields)

    def taken(ago: timedelta, **fields: Any) -> Ticket:
        ticket = opened(ago, **fields)
        return services.take_ticket(ticket_id=ticket.pk, by=agent, at=now - ago + timedelta(minutes=1))

    # Overdue, due soon, plenty of time, paused, waiting for others, resolved, unassigned.
    taken(timedelta(days=4), subject="No line at all")
    taken(timedelta(hours=23, minutes=50), subject="Moving home", type="service_request")
    paused = taken(timedelta(hours=3), subject="A copy of the bill")
    services.wait_for_customer(ticket_id=paused.pk, reason="documents", by=agent)
    held = taken(timedelta(hours=2), subject="Router from the supplier")
    services.hold_ticket(ticket_id=held.pk, reason="supplier", by=agent)
    done = taken(timedelta(hours=2), subject="Which plan")
    ending.resolve_ticket(ticket_id=done.pk, resolution="Told her", verified="not_needed", by=agent)
    opened(timedelta(minutes=5), subject="Nobody has it", team=agent.team)

    hit = Region.objects.create(code="outage", name_zh="故障区", name_en="Darkness")
    for ended in (True, False):
        outage = outages.enter_outage(region=hit, text_zh="光缆故障。", text_en="A fiber is cut.", by=office.supervisor)
        if ended:
            outages.end_outage(outage_id=outage.pk, by=office.supervisor)
    word = "W" * 120  # people type what has no space in it
    ticket = taken(
        timedelta(hours=1), subject=f"网络断断续续 {word}", type="fault", needs_visit=True, description="晚上更慢"
    )
    handling.reach_milestone(ticket_id=ticket.pk, milestone="located", by=agent)
    conversation.reply_to_customer(ticket_id=ticket.pk, body="We are on it.\nA visit follows.", by=agent)
    conversation.add_internal_note(ticket_id=ticket.pk, body="Splitter 3", by=agent)
    conversation.log_call(ticket_id=ticket.pk, body="", outcome="no_answer", by=agent)
    conversation.customer_wrote(ticket_id=ticket.pk, body="Still slow", channel="sms", by=agent)
    office.ticket = Ticket.objects.get(pk=ticket.pk)
    replies_not_sent(office.ticket, agent, office.supervisor, now)
    plan(office.technician, now)
    office.visit, office.waiting = two_visits(caller, agent, now)
    done, _unread = (
        receive_sms(sender=sender, text="何时上门", provider_id=sender, at=now) for sender in ("+8613900001111", "Bank")
    )
    settle(message_id=done.pk, case_id=office.ticket.pk, by=agent)
    timer = Timer.objects.order_by("pk").first()
    assert timer is not None
    Timer.objects.filter(pk=timer.pk).update(parked_at=now, attempts=5, error="ValueError: no such rung")
    message = Message.objects.order_by("pk").first()
    assert message is not None
    Message.objects.filter(pk=message.pk).update(state=Message.State.FAILED, attempts=5, error="550 no such mailbox")
    return office


def replies_not_sent(ticket: Ticket, agent: User, other: User, now: datetime) -> None:
    """Two that are going out, one of them somebody else's, and one that was given back with a file."""
    given = {**dict.fromkeys(sending.TYPED, ""), "body": "Is the left lamp red?"}
    times = {"created_at": now, "fire_at": now + sending.DELAY}
    for author in (agent, other):
        HeldReply.objects.create(case_id=ticket.pk, author=author, key="held", language="en", given=given, **times)
    draft = HeldReply.objects.create(
        case_id=ticket.pk, author=agent, key="draft", language="en", given=given, state="draft", why=["It rains."],
        done_at=now, **times,
    )  # fmt: skip
    HeldFile.objects.create(
        reply=draft, name="modem.jpg", content_type="image/jpeg", size=900, digest="0" * 64, file="00/0"
    )


def plan(person: User, now: datetime) -> None:
    """A technician with shifts, leave, a duty, skills, a certificate that is about to expire and one that has."""
    load_shipped_skills()
    today = timezone.localdate(now)
    days = [today + timedelta(days=number) for number in range(5)]
    plan_shifts(user_ids=[person.pk], days=days, start_time=time(22), end_time=time(6), by=None, note="Depot")
    tomorrow = now + timedelta(days=1)
    enter_leave(user_id=person.pk, starts_at=now, ends_at=tomorrow, kind=Leave.Kind.SICK, by=None, note="Flu")
    plan_duty(user_id=person.pk, starts_at=now, ends_at=tomorrow, role=Duty.Role.TECHNICAL, by=None)
    other = save_certificate_kind(code="height", name_zh="登高作业证", name_en="Working at height", by=None)
    mast = save_skill(code="mast", name_zh="登杆", name_en="Poles", certificate_kind=other, by=None)
    for skill in (mast, Skill.objects.get(code="fiber")):
        set_skill(user_id=person.pk, skill=skill, level=3, by=None)
    for kind, left in ((other, -1), (CertificateKind.objects.get(code="field-service"), 9)):
        expires_on = today + timedelta(days=left)
        add_certificate(
            user_id=person.pk,
            kind=kind,
            number=f"N-{left}",
            issued_on=expires_on - timedelta(days=365),
            expires_on=expires_on,
            by=None,
        )


def two_visits(caller: Customer, agent: User, now: datetime) -> tuple[Appointment, Appointment]:
    """A visit that is promised for tomorrow and one that waits for a time, with a technician for both."""
    center.center()
    Skill.objects.filter(code="broadband").update(certificate_kind=None)
    center.technician("zhao", first=timezone.localdate(now), skills={"broadband": 3})
    ten = day_begins(timezone.localdate(now) + timedelta(days=1)) + timedelta(hours=10)
    promised = center.book(caller, by=agent, channel="phone", starts_at=ten, at=now, note="Dog")
    # Urgent, so that it may take the place of the other.
    return promised, center.book(caller, by=agent, channel="phone", starts_at=None, urgency="urgent", at=now, key="w")


Address = Callable[[Office], str]
Look = Callable[[Page, str], list[str]]


def at(name: str, *more: str) -> Address:
    """The address of a page about the ticket."""
    return lambda office: reverse(name, args=[office.ticket.number, *more])


def on(path: str) -> Address:
    return lambda office: path


@dataclass(frozen=True)
class Place:
    """A page, and who looks at it. `status`: what it answers when that is not 200."""

    name: str
    address: Address
    who: str = "agent"
    status: int = 200


PLACES = [
    Place("sign-in", on("/sign-in/"), who=""),
    Place("my queue", on("/desk/")),
    Place("waiting", on("/desk/?tab=waiting")),
    Place("done today", on("/desk/?tab=done")),
    Place("team queue", on("/desk/team/")),
    Place("teams", on("/desk/team/"), who="supervisor"),
    Place("ticket", at("desk:case")),
    Place("step", at("desk:do", "resolve")),
    Place("explained", lambda office: reverse("desk:explain", args=[office.ticket.number, office.deadline.pk])),
    Place("new ticket", on("/desk/new/?phone=13812345678")),
    Place("customer", lambda office: reverse("desk:customer", args=[office.ticket.customer_id])),
    Place("search", on("/desk/find/?q=13812345678")),
    Place("notices", on("/desk/notices/")),
    Place("nothing there", on("/desk/c/T-9999-9999/"), status=404),
    Place("not for you", on("/boards/live/"), status=403),
    Place("dispatch", on("/desk/dispatch/"), who="dispatcher"),
    Place("dispatch read only", on("/desk/dispatch/"), who="supervisor"),
    Place("assign", lambda office: reverse("desk:assign", args=[office.waiting.number]), who="dispatcher"),
    Place("plan", on("/desk/dispatch/plan/"), who="dispatcher"),
    Place("missed", lambda office: reverse("desk:visit_do", args=[office.visit.number, "missed"]), who="dispatcher"),
    Place("texts", on("/desk/texts/")),
    Place("texts dealt with", on("/desk/texts/?tab=done"), who="supervisor"),
    Place("ticket of a text", lambda office: reverse("desk:new") + f"?text={waiting().get().pk}"),
    Place("swap", lambda office: reverse("desk:visit_swap", args=[office.visit.number]), who="dispatcher"),
    Place(
        "emergency",
        lambda office: (
            reverse("desk:visit_emergency", args=[office.waiting.number])
            + f"?on={int(office.visit.starts_at.timestamp())}"
        ),  # type: ignore[union-attr]
        who="dispatcher",
    ),
    Place("visit", lambda office: reverse("desk:case", args=[office.visit.number])),
    Place("book", lambda office: reverse("desk:book") + f"?ticket={office.ticket.number}"),
    Place("move", lambda office: reverse("desk:visit_move", args=[office.visit.number])),
    Place("cancel", lambda office: reverse("desk:visit_do", args=[office.visit.number, "cancel"])),
    Place("booking form", lambda office: reverse("desk:visit_form", args=[office.visit.number])),
    Place("live board", on("/boards/live/"), who="supervisor"),
    Place("figure: overdue", on("/boards/list/overdue/"), who="supervisor"),
    Place("figure: target", on("/boards/list/target/"), who="supervisor"),
    Place("figure: agents", on("/boards/list/agents/"), who="supervisor"),
    Place("reassign", at("dashboards:reassign"), who="supervisor"),
    Place("outbox", on("/dev/outbox/"), who="supervisor"),
    Place("parked", on("/settings/parked/"), who="supervisor"),
    Place("calendars", on("/settings/calendars/?name=china"), who="supervisor"),
    Place("policies", on("/settings/policies/"), who="supervisor"),
    Place("outages", on("/settings/outages/"), who="supervisor"),
    Place("outages, to read", on("/settings/outages/")),
    Place("people", on("/settings/people/"), who="administrator"),
    Place("my keys", on("/settings/keys/")),
    Place("my replies", on("/settings/replies/")),
    Place("mine", on("/settings/mine/"), who="technician"),
    Place("working time", on("/settings/working-time/?team=repair"), who="supervisor"),
    Place(
        "working time of one",
        lambda office: reverse("desk:working_person", args=[office.technician.pk]),
        who="supervisor",
    ),
    Place("skills", on("/settings/skills/?team=repair"), who="supervisor"),
    Place("skills of one", lambda office: reverse("desk:skills_person", args=[office.technician.pk]), who="supervisor"),
    Place("person", lambda office: reverse("desk:person", args=[office.agent.pk]), who="administrator"),
    Place("team", lambda office: reverse("desk:team_settings", args=[office.agent.team_id]), who="administrator"),
]
MAIN = {
    "sign-in",
    "my queue",
    "team queue",
    "ticket",
    "step",
    "new ticket",
    "customer",
    "live board",
    "parked",
    "working time",
    "skills",
}


def as_it_is(page: Page, name: str) -> list[str]:
    return [f"{name}: {line}" for line in complaints_of_axe(page)]


def on_both_devices(page: Page, name: str) -> list[str]:
    """Every rule on a light device; on a dark one the rule about contrast, since only colors change."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    found = as_it_is(page, name)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    return found + [f"{name}, dark: {line}" for line in complaints_of_axe(page, "color-contrast")]


def tour(
    visit: Any, office: Office, language: str, places: list[Place], *, look: Look = on_both_devices, **options: Any
) -> list[str]:
    """Open the places, each role in a window of its own; what axe finds, and pages wider than their window."""
    User.objects.update(language=language)
    found: list[str] = []
    windows: dict[str, Page] = {}
    for place in places:
        if place.who not in windows:
            person = getattr(office, place.who) if place.who else None
            windows[place.who] = visit(person, language=language, **options)
        page = windows[place.who]
        answer = page.goto(place.address(office))
        assert answer is not None
        assert answer.status == place.status, f"{place.name} answers {answer.status}"
        found += look(page, place.name)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > page.viewport_size["width"]:  # type: ignore[index]
            found.append(f"{place.name}: {width} px wide")
        # The staff's frame is as tall as the window: its parts scroll, and what only ears hear adds nothing.
        if page.locator(".app").count() and page.evaluate("document.documentElement.scrollHeight > innerHeight"):
            found.append(f"{place.name}: taller than the window")
    return found


def test_every_page_on_a_desktop(visit: Any, office: Office, watch: Watch, settings: Any) -> None:
    settings.DEMO = True  # the outbox is shown, and the sign-in offers the made-up people
    watch.expect_status(403, 404)
    assert tour(visit, office, ZH, PLACES) == []


MAIN_PLACES = [place for place in PLACES if place.name in MAIN]


def test_main_pages_in_english_dark_by_choice_and_compact(visit: Any, office: Office) -> None:
    User.objects.update(theme=User.Theme.DARK, density=User.Density.COMPACT)
    assert tour(visit, office, EN, MAIN_PLACES, look=as_it_is) == []


@pytest.mark.parametrize("language", [ZH, EN])
def test_main_pages_on_a_phone(visit: Any, office: Office, language: str) -> None:
    assert tour(visit, office, language, MAIN_PLACES, phone=True) == []


@pytest.mark.parametrize("language", [ZH, EN])
def test_with_something_open(visit: Any, office: Office, watch: Watch, language: str) -> None:
    """The palette with results, a step's dialog with a refusal, an explanation, menus, and the list of keys."""
    watch.expect_status(409, 422)
    User.objects.update(language=language)
    say = Words(language)
    page = visit(office.agent, language=language)
    page.goto(reverse("desk:case", args=[office.ticket.number]))
    found = []
    page.keyboard.press("Control+k")
    page.keyboard.type("13812345678")
    expect(page.get_by_role("dialog").get_by_role("option").first).to_be_visible()
    found += on_both_devices(page, "palette")
    page.keyboard.press("Escape")

    resolve = say.of(ACTIONS["resolve"].title)
    page.get_by_role("navigation", name=say("Next steps")).get_by_role("link", name=resolve, exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=resolve, exact=True).click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    found += on_both_devices(page, "refused step")
    page.keyboard.press("Escape")

    page.locator(".clock").first.get_by_role("link").click()
    expect(dialog.get_by_role("table")).to_be_visible()
    found += on_both_devices(page, "explanation")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    for menu in page.locator("details:not([open]) > summary").all():
        if menu.is_visible():
            menu.evaluate("(summary) => { summary.parentElement.open = true; }")
    page.keyboard.press("?")
    found += on_both_devices(page, "menus and keys")
    assert found == []


def test_a_form_with_errors(visit: Any, office: Office, watch: Watch) -> None:
    watch.expect_status(422)
    page = visit(office.agent, language=ZH)
    page.goto("/desk/new/")
    page.get_by_role("button", name=Words(ZH)("Register")).click()
    expect(page.get_by_role("alert")).to_be_focused()
    assert on_both_devices(page, "errors") == []
