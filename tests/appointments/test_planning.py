"""The day's proposal: it keeps the house's own rules, writes nothing, gives true reasons, and can be carried out."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from appointments import services, visits, waitlist
from appointments.availability import Grid
from appointments.booking import needs_of
from appointments.models import Appointment, CrewMember, Reservation
from appointments.planning import WHY, carry_out, plan_requested
from appointments.states import PROMISED, State
from cases.models import CaseEvent
from common.errors import InvalidInput, NotAllowed
from notifications.models import Message
from staff.models import Leave, Shift
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
TUESDAY = date(2026, 3, 3)
_phones = iter(range(10_000_000, 99_999_999))


@pytest.fixture(autouse=True)
def _center():
    center.center()


@pytest.fixture
def dispatcher():
    return builders.person("dispatcher")


def ask(*codes: str, region: str = "east", **fields) -> Appointment:
    """Somebody who wants a visit and has no time yet."""
    customer = builders.customer(phone=f"139{next(_phones)}", **fields.pop("customer", {}))
    wanted = [center.service(code) for code in codes or ("broadband-repair",)]
    return book(customer, services=wanted, region=center.region(region), starts_at=None, **fields)


def reasons(plan) -> dict[int, str]:
    return {left.appointment.pk: left.reason for left in plan.left}


def times(plan) -> list[tuple[int, int]]:
    """Which visit in which window of the day, in the order of importance."""
    return [(one.appointment.pk, (one.window.starts_at - TUESDAY_TEN) // timedelta(hours=1)) for one in plan.proposals]


def test_the_most_urgent_comes_first_and_the_rest_hears_why():
    person = center.technician()
    slow, urgent = ask(), ask(urgency="urgent")
    lost, rare = ask(region="west"), ask("fiber-repair")
    big = ask("cabling")
    others = [ask() for _ in range(4)]
    plan = plan_requested(TUESDAY, MONDAY)
    assert times(plan) == [
        (urgent.pk, -2),
        (slow.pk, 0),
        *((one.pk, at) for one, at in zip(others, (3, 5, 8), strict=False)),
    ]
    assert all(one.crew == (person,) for one in plan.proposals)
    assert reasons(plan) == {lost.pk: "no_one", rare.pk: "no_one", big.pk: "too_few", others[3].pk: "full"}
    assert all(str(left.sentence) for left in plan.left)
    assert "Urgent" in [str(part.name) for part in plan.proposals[0].points if part.points]


def test_nothing_is_written_and_it_takes_ten_statements(django_assert_num_queries):
    for number in range(3):
        center.technician(f"t{number}")
    for _ in range(8):
        ask()
    before = [list(model.objects.order_by("pk").values()) for model in (Appointment, Reservation, CaseEvent, Message)]
    with django_assert_num_queries(10):
        assert len(plan_requested(TUESDAY, MONDAY).proposals) == 8
    after = [list(model.objects.order_by("pk").values()) for model in (Appointment, Reservation, CaseEvent, Message)]
    assert after == before


def test_a_crew_of_two_a_day_off_and_a_shift_that_is_over():
    first, second, away = (center.technician(name) for name in ("first", "second", "away"))
    Leave.objects.create(user=away, starts_at=MONDAY, ends_at=MONDAY + timedelta(days=3), kind="leave")
    Shift.objects.filter(user=second, starts_at__date=TUESDAY).update(ends_at=TUESDAY_TEN + timedelta(hours=5))
    visit, too_late = ask("cabling"), ask("cabling")
    plan = plan_requested(TUESDAY, MONDAY)
    assert times(plan) == [(visit.pk, -2)]
    assert set(plan.proposals[0].crew) == {first, second}
    # At 13:00 it would take until 15:30, and the second goes home at 15:00.
    assert reasons(plan) == {too_late.pk: "full"}


@pytest.mark.parametrize("seed", range(3))
def test_what_is_proposed_can_be_carried_out_and_the_rest_has_a_true_reason(seed, dispatcher):
    """The check is the house's own: after all was booked as proposed, a new grid has no room for what was left."""
    rng = random.Random(seed)
    skills = ({"broadband": 3, "cable": 3}, {"broadband": 2, "fixed_line": 2}, {"fiber": 3, "cable": 2, "iptv": 1})
    for number in range(4):
        center.technician(f"t{number}", skills=rng.choice(skills), areas=rng.choice((("east",), ("west", "east"))))
    codes = ("broadband-repair", "fixed-line-repair", "fiber-repair", "broadband-move", "cabling", "iptv-install")
    if seed:
        book(builders.customer(phone=f"137{next(_phones)}"))
    for _ in range(22):
        ask(rng.choice(codes), region=rng.choice(("east", "west")), urgency=rng.choice(("normal", "urgent")))
    plan = plan_requested(TUESDAY, MONDAY)
    assert len(plan.proposals) + len(plan.left) == 22
    assert min(len(plan.proposals), len(plan.left)) > 3

    done, refused = carry_out([one.step for one in plan.proposals], by=dispatcher, at=MONDAY)
    assert refused == []
    for visit, one in zip(done, plan.proposals, strict=True):
        assert (visit.pk, visit.state, visit.window) == (one.appointment.pk, State.BOOKED, one.window)
        crew = CrewMember.objects.filter(appointment=visit).values_list("technician", "contact")
        assert list(crew) == [(person.pk, position == 0) for position, person in enumerate(one.crew)]

    grid = Grid(TUESDAY, TUESDAY, at=MONDAY)
    for left in plan.left:
        needs = needs_of(left.appointment)
        assert all(offer.room == 0 for offer in grid.open_windows(needs))
        able = [key for key in grid.technicians if grid.ability_refusal(key, TUESDAY, needs) is None]
        at_once = max(sum(grid.shift_refusal(key, window, needs) is None for key in able) for window in grid.windows)
        assert left.reason == ("no_one" if not able else "too_few" if at_once < needs.crew else "full")


def test_what_cannot_be_carried_out_any_more_is_reported_and_the_rest_is_done(dispatcher):
    center.technician()
    changed, taken, fine = ask(), ask(), ask()
    plan = plan_requested(TUESDAY, MONDAY)
    assert times(plan) == [(changed.pk, -2), (taken.pk, 0), (fine.pk, 3)]
    services.cancel_appointment(appointment_id=changed.pk, by=changed.customer, at=MONDAY)
    book(builders.customer(), starts_at=TUESDAY_TEN)
    done, refused = carry_out([one.step for one in plan.proposals], by=dispatcher, at=MONDAY)
    assert done == [fine]
    assert [one.step.appointment_id for one in refused] == [changed.pk, taken.pk]
    assert "changed this appointment" in str(refused[0].reasons[0])
    assert "just been taken" in str(refused[1].reasons[0])
    taken.refresh_from_db()
    assert (taken.state, taken.starts_at) == (State.REQUESTED, None)


def test_whoever_is_able_goes_where_the_proposed_one_is_taken(dispatcher):
    center.technician("first"), center.technician("second")
    visit = ask()
    (proposal,) = plan_requested(TUESDAY, MONDAY).proposals
    center.technician("third")
    Leave.objects.create(user=proposal.crew[0], starts_at=MONDAY, ends_at=MONDAY + timedelta(days=3), kind="sick")
    (done,), refused = carry_out([proposal.step], by=dispatcher, at=MONDAY)
    assert (done.pk, done.starts_at, refused) == (visit.pk, proposal.window.starts_at, [])
    assert done.owner not in (None, proposal.crew[0])


def test_a_promised_window_without_a_technician_comes_first_and_keeps_its_time(dispatcher):
    person = center.technician()
    promised = book(builders.customer(), starts_at=TUESDAY_TEN)
    elsewhere = book(builders.customer(phone="13911112222"), starts_at=TUESDAY_TEN + timedelta(days=1))
    CrewMember.objects.all().delete()
    Reservation.objects.all().delete()
    Appointment.objects.update(owner=None)
    urgent = ask(urgency="urgent")
    plan = plan_requested(TUESDAY, MONDAY)
    assert times(plan) == [(promised.pk, 0), (urgent.pk, -2)]
    assert elsewhere.pk not in reasons(plan)
    done, refused = carry_out([one.step for one in plan.proposals], by=dispatcher, at=MONDAY)
    assert refused == []
    promised.refresh_from_db()
    assert (promised.owner, promised.starts_at, promised.cycle) == (person, TUESDAY_TEN, 1)
    assert promised.state in PROMISED
    assert done[1] == urgent


def test_what_we_missed_and_who_was_absent_get_another_time(dispatcher):
    """Both hear of the new time, the missed one counts as moved by us; who was absent twice is called first."""
    person = center.technician()
    missed, absent, twice = (
        book(builders.customer(phone=f"139{next(_phones)}"), starts_at=TUESDAY_TEN + n * TWO_HOURS - TWO_HOURS)
        for n in (0, 1, 2.5)
    )
    noon = TUESDAY_TEN + timedelta(hours=4)
    visits.report_missed(appointment_id=missed.pk, by=None, at=noon)
    Appointment.objects.filter(pk=twice.pk).update(absences=1)
    for visit in (absent, twice):
        visits.report_absent(appointment_id=visit.pk, notice="Card left", by=person, at=noon)
    plan = plan_requested(TUESDAY + timedelta(days=1), noon)
    assert {one.appointment for one in plan.proposals} == {missed, absent}
    assert reasons(plan) == {twice.pk: "call"}
    done, refused = carry_out([one.step for one in plan.proposals], by=dispatcher, at=noon)
    assert refused == []
    assert {visit.state for visit in done} == {State.BOOKED}
    assert {visit.pk: visit.moved_by_us for visit in done} == {missed.pk: 1, absent.pk: 0}
    told = Message.objects.filter(template="visit_moved", state="queued")
    assert set(told.values_list("case_id", flat=True)) == {missed.pk, absent.pk}


def test_the_days_a_customer_asked_for_are_respected():
    center.technician()
    visit = ask()
    waitlist.join_waitlist(appointment_id=visit.pk, by=visit.customer, first_on=TUESDAY + timedelta(days=1), at=MONDAY)
    assert reasons(plan_requested(TUESDAY, MONDAY)) == {visit.pk: "wish"}
    assert plan_requested(TUESDAY + timedelta(days=1), MONDAY).left == []
    waitlist.join_waitlist(appointment_id=visit.pk, by=visit.customer, parts=["evening"], at=MONDAY)
    assert [hour for _pk, hour in times(plan_requested(TUESDAY, MONDAY))] == [8]


def test_of_today_only_what_has_not_begun():
    center.technician()
    visit = ask()
    plan = plan_requested(TUESDAY, TUESDAY_TEN)
    assert times(plan) == [(visit.pk, 3)]
    late = plan_requested(TUESDAY, TUESDAY_TEN + timedelta(hours=9))
    assert (late.proposals, reasons(late)) == ([], {visit.pk: "too_few"})


def test_a_day_that_is_over_or_too_far():
    for day in (MONDAY.date() - timedelta(days=1), MONDAY.date() + timedelta(days=121)):
        with pytest.raises(InvalidInput) as refusal:
            plan_requested(day, MONDAY)
        assert refusal.value.field == "day"


def test_only_who_may_dispatch_carries_it_out():
    center.technician()
    ask()
    (proposal,) = plan_requested(TUESDAY, MONDAY).proposals
    for role in ("agent", "auditor", "technician"):
        with pytest.raises(NotAllowed):
            carry_out([proposal.step], by=builders.person(role), at=MONDAY)
    assert not Reservation.objects.exists()


def test_every_reason_has_its_sentence():
    assert {str(sentence) for sentence in WHY.values()} >= {"Somebody must call this customer first."}
