"""The demo center is believable: what the services say about it, at the scale a test can afford."""

from __future__ import annotations

import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction

from cases.models import Case, CaseEvent, Category, ExternalReference, Note
from cases.services import verify_timeline
from common import clock
from customers.models import Contact, Customer
from notifications.models import Message
from servicecenter.demo import center
from servicecenter.demo.build import _lives, build
from servicecenter.demo.people import PREFIXES, Staff, make_customers, sign_ins
from servicecenter.demo.stories import Deck, Scene
from sla.models import Deadline, Timer
from sla.states import Verdict
from staff.ability import abilities, expiring
from staff.models import Duty, Presence, Skill, StaffRecord, Team, User
from staff.permissions import Role
from staff.records import record
from staff.rota import absences, on_duty, working_spans
from tests import builders
from tickets.models import Outage, Ticket
from tickets.states import State

NOW = datetime(2026, 3, 18, 6, 40, tzinfo=UTC)  # Wednesday, 14:40 in Shanghai
TICKETS = 100
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def made(django_db_setup, django_db_blocker):
    """One demo center for the whole module, rolled back at its end."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield build(now=NOW, tickets=TICKETS)
        transaction.set_rollback(True)


def mine(made):
    return Ticket.objects.filter(owner__username="agent")


# --- what was made -------------------------------------------------------------------------------------------------


def test_it_has_the_tickets_asked_for_and_no_service_refused_a_step(made):
    assert (made.tickets, made.refused) == (TICKETS, 0)
    assert Ticket.objects.count() == TICKETS


def test_there_is_one_sign_in_for_each_role_named_like_the_role(made):
    assert [username for username, _name in sign_ins()] == list(Role)
    assert all(User.objects.get(username=role).check_password("demo") for role in Role)
    assert User.objects.filter(role=Role.AGENT).count() >= 10
    assert len(set(User.objects.values_list("presence", flat=True))) == len(Presence)
    assert Team.objects.filter(dispatches=True).count() == 1


def test_both_languages_and_every_reason_for_contact_are_there(made):
    spoken = Counter(Ticket.objects.values_list("customer__language", flat=True))
    assert spoken["zh-hans"] > spoken["en"] > TICKETS * 0.05
    assert set(Ticket.objects.values_list("type", flat=True)) == {
        "enquiry",
        "service_request",
        "order",
        "fault",
        "suggestion",
    }
    # The sign-ins read in the language of the browser, the rest of the staff in their own.
    assert set(User.objects.values_list("language", flat=True)) == {"", "zh-hans", "en"}


def test_every_text_is_filled_in(made):
    texts = [*Note.objects.values_list("body", flat=True), *Ticket.objects.values_list("subject", flat=True)]
    assert [text for text in texts if re.search(r"[{}]|  |None", text)] == []
    assert not Ticket.objects.filter(category=None).exists()


def test_nobody_in_it_is_real(made):
    phones = [c.value for c in Contact.objects.filter(kind=Contact.Kind.PHONE)]
    assert phones
    assert all(number.removeprefix("+86").startswith(PREFIXES) for number in phones)
    mails = [c.value for c in Contact.objects.filter(kind=Contact.Kind.EMAIL)]
    assert mails
    assert all(mail.rpartition("@")[2] in {"example.cn", "example.com"} for mail in mails)


# --- what the house promises holds here too ------------------------------------------------------------------------


def test_every_timeline_holds(made):
    assert [problem for case in Case.objects.all() for problem in verify_timeline(case)] == []


def test_nothing_lies_in_the_future_and_nothing_due_is_left_undone(made):
    assert not CaseEvent.objects.filter(at__gt=NOW).exists()
    assert not CaseEvent.objects.filter(recorded_at__gt=NOW).exists()
    assert not Timer.objects.filter(try_at__lte=NOW).exists()
    assert not Timer.objects.filter(parked_at__isnull=False).exists()
    assert not Timer.objects.filter(attempts__gt=0).exists()


def test_every_message_was_delivered(made):
    assert set(Message.objects.values_list("state", flat=True)) == {Message.State.SENT}
    assert Message.objects.filter(channel="in_app", read_at__isnull=True).exists()
    assert Message.objects.filter(channel="in_app", read_at__isnull=False).exists()


def test_warnings_tiers_misses_and_closures_happened_as_they_would_have(made):
    kinds = Counter(CaseEvent.objects.values_list("kind", flat=True))
    for kind in ("promise_warn", "promise_tier", "promise_breach", "clocks_paused", "confirmed", "reopened"):
        assert kinds[kind], kind
    assert Ticket.objects.filter(closed_because="silence").exists()
    late = CaseEvent.objects.filter(kind__in=["promise_warn", "promise_breach", "promise_tier"])
    assert all(event.recorded_at - event.at <= timedelta(minutes=1) for event in late)


def test_most_promises_were_kept_and_some_were_not(made):
    for promise in ("first_response", "resolve"):
        verdicts = Counter(d.verdict(NOW) for d in Deadline.objects.filter(promise=promise, state="stopped"))
        share = verdicts[Verdict.MET] / verdicts.total()
        assert 0.8 <= share < 1, promise


# --- what people see when they sign in -----------------------------------------------------------------------------


def test_the_agent_has_a_desk_that_looks_alive(made):
    to_do = mine(made).open().exclude(state=State.PENDING)
    assert 10 <= to_do.count() <= 18
    assert 1 <= to_do.overdue(NOW).count() <= 3
    assert 2 <= to_do.breaching_by(NOW, timedelta(minutes=30)).count() <= 4
    assert 3 <= mine(made).filter(state=State.PENDING).count() <= 5
    assert mine(made).filter(resolved_at__gt=NOW - timedelta(hours=9)).count() >= 2


def test_the_lead_the_dispatcher_and_the_teams_have_something_to_do(made):
    lead = User.objects.get(username="lead")
    assert Ticket.objects.visible_to(lead).filter(state=State.IN_REVIEW).exists()
    assert Ticket.objects.filter(state=State.RETURNED, team__dispatches=True, owner=None).exists()
    assert Ticket.objects.open().unassigned().filter(team=lead.team, state=State.NEW).count() >= 2
    assert Ticket.objects.filter(state=State.HELD).exists()


def test_one_day_was_a_surge(made):
    days = Counter(at.date() for at in Ticket.objects.values_list("received_at", flat=True))
    surge = Counter(
        at.date()
        for at in Ticket.objects.filter(category__code="broadband.fault.area-outage").values_list(
            "received_at", flat=True
        )
    )
    [(day, reports)] = surge.items()
    assert reports >= 6
    assert day.weekday() < 5
    usual = sorted(count for other, count in days.items() if other < (NOW - timedelta(days=5)).date())
    assert days[day] >= 3 * usual[len(usual) // 2]


def test_an_outage_lasts_where_customers_have_something_in_progress(made):
    outage = Outage.objects.get()
    assert (outage.began_at, outage.expected_at) == (NOW - timedelta(minutes=35), NOW.replace(hour=10, minute=0))
    assert outage.entered_by.username == "supervisor"
    assert outage.region.name_zh in outage.text_zh
    assert outage.region.name_en in outage.text_en
    assert Customer.objects.filter(addresses__region=outage.region, cases__closed_at=None).exists()


def test_the_same_seed_and_instant_tell_the_same_stories(made):
    people = list(User.objects.select_related("team").order_by("pk"))
    staff = Staff(people, {team.code: team for team in Team.objects.all()})
    customers = make_customers(random.Random(1), 40, now=NOW)
    categories = {category.code: category for category in Category.objects.all()}

    def told(seed):
        chance = random.Random(seed)
        scene = Scene(chance, Deck(chance), staff, categories, NOW)
        return [
            [(at, function.__name__, facts.get("body"), facts.get("by")) for at, function, facts in life.steps]
            for life in _lives(scene, customers, 60)
        ]

    assert told(3) == told(3) != told(4)


def test_the_technicians_have_shifts_skills_and_certificates(made):
    technicians = list(User.objects.filter(role=Role.TECHNICIAN).order_by("pk"))
    keys, day = [person.pk for person in technicians], timedelta(days=1)
    assert len(keys) == 6
    today = working_spans(keys, NOW - timedelta(hours=14, minutes=40), NOW + timedelta(hours=9))
    assert today[technicians[0].pk]
    assert sum(map(bool, today.values())) >= 3
    whole = working_spans(keys, NOW - 30 * day, NOW + 60 * day)
    starts = [span[0] for spans in whole.values() for span in spans]
    assert NOW - 8 * day < min(starts) < NOW - 6 * day
    assert NOW + 19 * day < max(starts) < NOW + 21 * day
    assert sum(map(len, absences(keys, NOW, NOW + 21 * day).values())) == 1
    able = abilities(keys)
    held = [ability.may_do("broadband", 2, NOW.date()) for ability in able.values()]
    assert (held.count(True), held.count(False)) == (5, 1)
    assert set().union(*(ability.levels for ability in able.values())) == set(
        Skill.objects.values_list("code", flat=True)
    )
    assert len(expiring(NOW.date(), 30)) == 1
    for role in Duty.Role.values:
        assert len(on_duty(NOW, role)) == 1


# --- whose records are thrown away ---------------------------------------------------------------------------------


def test_any_hour_of_any_day_makes_a_demo(db):
    """Sunday night, just after midnight: no service refuses, and the agent has the same desk."""
    now = datetime(2026, 3, 14, 16, 4, tzinfo=UTC)
    result = build(now=now, tickets=36)
    assert result.refused == 0
    assert 10 <= Ticket.objects.filter(owner__username="agent").open().exclude(state=State.PENDING).count() <= 18


@pytest.fixture
def demo_on(settings):
    settings.DEMO = True


@pytest.mark.django_db
@pytest.mark.usefixtures("demo_on")
class TestTheDoor:
    def test_real_records_are_left_alone(self):
        builders.house()
        ticket = builders.ticket(builders.person())
        with pytest.raises(CommandError, match="leaves them alone"):
            call_command("demo")
        with pytest.raises(center.NotADemo):
            center.clear()
        assert Case.objects.get().pk == ticket.pk

    def test_people_without_cases_are_real_records_too(self, capsys):
        builders.person("administrator")
        with pytest.raises(CommandError):
            call_command("demo")
        call_command("demo", if_empty=True)
        assert User.objects.count() == 1

    def test_a_demo_into_which_somebody_imported_is_left_alone(self):
        builders.house()
        ticket = builders.ticket(builders.person())
        center.mark(ticket, now=builders.MONDAY)
        ExternalReference.objects.create(case_id=ticket.pk, source="city", number="1")
        with pytest.raises(CommandError, match="1 imported"):
            call_command("demo")

    def test_a_demo_is_cleared_whole_and_the_timeline_stays_guarded(self):
        builders.house()
        center.mark(builders.ticket(builders.person()), now=builders.MONDAY)
        record("person_created", by=None, at=builders.MONDAY)
        center.clear()
        assert center.is_empty()
        assert not StaffRecord.objects.exists()
        assert not Message.objects.exists()
        builders.house()
        builders.ticket(builders.person())
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            CaseEvent.objects.all().delete()
        record("person_created", by=None, at=builders.MONDAY)
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            StaffRecord.objects.all().delete()

    def test_its_age_is_told_in_one_line_after_a_day(self, capsys):
        call_command("demo", age=True)
        assert capsys.readouterr().out == ""
        builders.house()
        center.mark(builders.ticket(builders.person()), now=clock.now() - timedelta(hours=20))
        call_command("demo", age=True)
        assert capsys.readouterr().out == ""
        ExternalReference.objects.update(number=(clock.now() - timedelta(days=3)).isoformat())
        call_command("demo", age=True)
        assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.django_db
def test_without_demo_nothing_is_made(settings):
    settings.DEMO = False
    with pytest.raises(CommandError, match="DEMO=1"):
        call_command("demo")
    assert not Customer.objects.exists()
