"""Who could come, and when: against shifts, leave, skills, certificates, areas, travel, and what is taken."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta

import pytest

from appointments import assignment, booking, crews
from appointments.availability import Grid, Needs, next_free, travel
from appointments.booking import WindowTaken, hold_window
from appointments.models import Appointment, ArrivalWindow, CrewMember, Hold, Reservation, VisitService
from appointments.windows import Window, windows_of
from common.errors import InvalidInput
from staff.models import Certificate, Leave, Shift, Skill
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
TUESDAY = date(2026, 3, 3)


@pytest.fixture(autouse=True)
def _center():
    center.center()


def needs(*codes: str, region: str = "east") -> Needs:
    return Needs.of([center.service(code) for code in codes or ("broadband-repair",)], center.region(region))


def day(at=MONDAY) -> Grid:
    return Grid(TUESDAY, TUESDAY, at=at)


def rooms(grid: Grid, wanted: Needs) -> list[int]:
    return [offer.room for offer in grid.open_windows(wanted)]


def test_a_day_of_two_technicians():
    center.technician(), center.technician()
    assert rooms(day(), needs()) == [2, 2, 2, 2, 2]
    book()
    assert rooms(day(), needs()) == [2, 1, 2, 2, 2]


def test_windows_of_today_that_have_begun_are_not_offered():
    center.technician()
    noon = TUESDAY_TEN + TWO_HOURS
    assert len(day(noon).open_windows(needs())) == 3


def test_shifts_and_leave():
    person = center.technician()
    Leave.objects.create(
        user=person,
        starts_at=TUESDAY_TEN + timedelta(minutes=30),
        ends_at=TUESDAY_TEN + timedelta(hours=4),
        kind="sick",
    )
    # 10:30 to 14:00: the windows of 10:00 and 13:00 are touched, the others are not.
    assert rooms(day(), needs()) == [1, 0, 0, 1, 1]
    Shift.objects.filter(user=person).delete()
    assert rooms(day(), needs()) == [0, 0, 0, 0, 0]


def test_skill_level_and_certificate():
    kind = center.certificate_kind()
    Skill.objects.filter(code="fiber").update(certificate_kind=kind)
    center.technician(skills={"broadband": 3})
    expert = center.technician(skills={"fiber": 3})
    beginner = center.technician(skills={"fiber": 2})
    grid = day()
    window = grid.window_at(TUESDAY_TEN)
    assert grid.able(window, needs("fiber-repair")) == []  # nobody has the paper
    paper = Certificate.objects.create(
        user=expert, kind=kind, number="F-1", issued_on=date(2025, 3, 3), expires_on=date(2026, 3, 3)
    )
    Certificate.objects.create(
        user=beginner, kind=kind, number="F-2", issued_on=date(2025, 3, 3), expires_on=date(2027, 3, 3)
    )
    assert day().able(window, needs("fiber-repair")) == [expert.pk]  # valid on its last day
    paper.expires_on = date(2026, 3, 2)
    paper.save()
    assert day().able(window, needs("fiber-repair")) == []
    assert "valid until" in str(day().refusal(expert.pk, window, needs("fiber-repair")))


def test_areas():
    center.technician(areas=("west",))
    assert rooms(day(), needs()) == [0, 0, 0, 0, 0]
    assert rooms(day(), needs(region="west")) == [1, 1, 1, 1, 1]


def test_two_services_of_one_order_are_one_visit():
    """Requirements APT-17: one visit, the work added up, one reservation per window it touches."""
    center.technician()
    visit = book(services=[center.service("broadband-install"), center.service("fixed-line-install")])
    assert visit.minutes == 90
    assert visit.services.count() == 2
    assert Reservation.objects.count() == 1  # 90 minutes and the way fit into two hours
    long = book(
        customer=builders.customer(phone="13987654321"),
        services=[
            center.service("broadband-install"),
            center.service("fixed-line-install"),
            center.service("iptv-install"),
        ],
        starts_at=TUESDAY_TEN + timedelta(hours=3),
    )
    assert long.minutes == 120
    assert Reservation.objects.filter(appointment=long).count() == 2  # with the way it reaches into the next


def test_several_technicians_and_exactly_one_contact():
    """Requirements APT-18."""
    center.technician(), center.technician(), center.technician()
    wanted = needs("cabling")
    assert day().room(day().window_at(TUESDAY_TEN), wanted) == 1  # three technicians are one crew of two
    visit = book(services=[center.service("cabling")])
    crew = CrewMember.objects.filter(appointment=visit)
    assert [member.contact for member in crew] == [True, False]
    assert visit.owner_id == crew[0].technician_id
    assert Reservation.objects.filter(appointment=visit).count() == 2
    with pytest.raises(WindowTaken):
        book(customer=builders.customer(phone="13987654321"), services=[center.service("cabling")])


def test_the_way_between_two_areas_counts():
    """Until 09:25; half an hour's way within the area is in time for 10:00, an hour's to the other one is not."""
    center.technician(areas=("east", "west"))
    long = VisitService.objects.create(
        code="long", type="repair", skill="broadband", minutes=85, name_zh="l", name_en="l"
    )
    book(services=[long], starts_at=TUESDAY_TEN - TWO_HOURS)
    grid, west = day(), needs(region="west")
    assert rooms(grid, needs()) == [0, 1, 1, 1, 1]
    assert rooms(grid, west) == [0, 0, 1, 1, 1]
    refusal = grid.refusal(next(iter(grid.technicians)), grid.window_at(TUESDAY_TEN), west)
    assert "from the visit before" in str(refusal)


@pytest.mark.parametrize(("elsewhere", "goes"), [("west", "second"), ("east", "first")])
def test_a_visit_booked_meanwhile_counts_for_the_way_too(elsewhere, goes, monkeypatch):
    """Two neighboring windows share no row: found by a rush of bookings (tests/appointments/rush.py)."""
    first = center.technician("first", areas=("east", "west"))
    center.technician("second")
    long = VisitService.objects.create(
        code="long", type="repair", skill="broadband", minutes=85, name_zh="l", name_en="l"
    )

    def rank_and_be_overtaken(*arguments, real=assignment.rank, **options):
        ranked = sorted(real(*arguments, **options), key=lambda one: one.technician.pk)
        if not Appointment.objects.filter(region__code=elsewhere, crew__technician=first).exists():
            monkeypatch.setattr(booking, "rank", real)
            book(
                builders.customer(phone="13987654321"), region=center.region(elsewhere), starts_at=TUESDAY_TEN, by=None
            )
        return ranked

    monkeypatch.setattr(booking, "rank", rank_and_be_overtaken)
    # Until 09:25 in the east; then at 10:00 in the east is in time, and in the west, an hour away, is not.
    visit = book(services=[long], starts_at=TUESDAY_TEN - TWO_HOURS)
    assert visit.owner.username == goes


def test_a_free_slot_search_over_thirty_days_and_twenty_technicians(django_assert_max_num_queries):
    for number in range(20):
        center.technician(f"t{number}", days=31)
    with django_assert_max_num_queries(10):
        grid = Grid(MONDAY.date(), MONDAY.date() + timedelta(days=29), at=MONDAY)
        offers = grid.open_windows(needs())
    assert len(offers) == 30 * 5 - 1
    assert all(offer.room == 20 for offer in offers)


def test_next_free_after_ninety_booked_out_days(django_assert_max_num_queries):
    person = center.technician(days=100)
    Reservation.objects.bulk_create(
        Reservation(
            technician=person,
            starts_at=window.starts_at,
            visit_at=window.starts_at,
            until=window.ends_at,
            hold=Hold.objects.create(
                key=f"{window.starts_at}",
                starts_at=window.starts_at,
                ends_at=window.ends_at,
                expires_at=MONDAY + timedelta(days=200),
            ),
            expires_at=MONDAY + timedelta(days=200),
        )
        for number in range(90)
        for window in windows_of(MONDAY.date() + timedelta(days=number), ArrivalWindow.objects.all())
    )
    with django_assert_max_num_queries(10):
        found = next_free(needs(), at=MONDAY)
    assert found is not None
    assert found.day == MONDAY.date() + timedelta(days=90)


def test_looking_only_at_what_is_near_misses_nothing():
    """Every answer beside the rule told plainly: all that is taken against all windows, one by one."""
    people = [center.technician(areas=("east", "west")) for _ in range(2)]
    grid = Grid(MONDAY.date(), MONDAY.date() + timedelta(days=3), at=MONDAY)
    regions, rng = [center.region("east").pk, center.region("west").pk], random.Random(7)
    seen = {True: 0, False: 0}
    for _ in range(8):
        grid.taken.clear()
        for number in range(8):
            wanted = Needs((), rng.choice((20, 60, 125, 150, 300)), 1, rng.choice(regions))
            grid.suppose([rng.choice(people).pk], rng.choice(grid.windows), wanted, appointment_id=number)
        for asked in (Needs((), minutes, 1, here) for minutes in (30, 90, 240) for here in regions):
            for window in grid.windows:
                for person in people:
                    free = _free(grid, person.pk, window, asked)
                    assert (grid.refusal(person.pk, window, asked) is None) == free
                    seen[free] += 1
    assert min(seen.values()) > 200


def _free(grid: Grid, person: int, window: Window, asked: Needs) -> bool:
    starts, ends = window.starts_at, window.starts_at + timedelta(minutes=asked.minutes)
    parts = {part.starts_at for part in grid.occupied(window, asked)}
    return grid.shift_refusal(person, window, asked) is None and not any(
        taken.starts_at in parts
        or taken.visit_at < starts < taken.until + travel(taken.region_id, asked.region_id)
        or starts < taken.visit_at < ends + travel(taken.region_id, asked.region_id)
        for taken in grid.taken[person]
    )


def test_where_nobody_is_able_nothing_is_free():
    assert next_free(needs(), at=MONDAY) is None


# --- holds ---------------------------------------------------------------------------------------------------------


def hold(at=MONDAY, **fields) -> Hold:
    return hold_window(services=[center.service()], region=center.region(), starts_at=TUESDAY_TEN, at=at, **fields)


def test_a_hold_keeps_the_window_for_ten_minutes():
    center.technician()
    held = hold()
    assert rooms(day(), needs())[1] == 0
    with pytest.raises(WindowTaken) as refusal:
        book()
    assert len(refusal.value.facts["nearest"]) == 3
    later = MONDAY + timedelta(minutes=10)
    assert rooms(day(later), needs())[1] == 1
    visit = book(at=later)
    assert visit.state == "booked"
    # The one who held it hears that it is gone.
    with pytest.raises(WindowTaken):
        book(customer=builders.customer(phone="13987654321"), hold=held.key, at=later)


def test_a_hold_becomes_the_booking():
    center.technician()
    held = hold()
    visit = book(hold=held.key, at=MONDAY + timedelta(minutes=9))
    row = Reservation.objects.get()
    assert (row.appointment_id, row.hold_id, row.expires_at) == (visit.pk, None, None)
    assert not Hold.objects.exists()


def test_a_hold_that_ran_out_still_books_where_nobody_else_came():
    center.technician()
    visit = book(hold=hold().key, at=MONDAY + timedelta(minutes=11))
    assert visit.state == "booked"
    assert Reservation.objects.count() == 1


def test_another_window_lets_the_first_hold_go():
    center.technician()
    first = hold()
    second = hold_window(
        services=[center.service()],
        region=center.region(),
        starts_at=TUESDAY_TEN + timedelta(hours=3),
        key=first.key,
        at=MONDAY,
    )
    assert Reservation.objects.get().hold_id == second.pk
    assert (
        hold_window(
            services=[center.service()], region=center.region(), starts_at=second.starts_at, key=second.key, at=MONDAY
        ).pk
        == second.pk
    )


def test_holding_the_same_peak_window_again_is_the_same_hold():
    center.technician()
    evening = {"services": [center.service()], "region": center.region(), "starts_at": TUESDAY_TEN + 4 * TWO_HOURS}
    first = hold_window(at=MONDAY, **evening)
    assert day().window_at(first.starts_at).peak
    assert hold_window(key=first.key, at=MONDAY + timedelta(minutes=2), **evening) == first


def test_a_hold_for_one_hour_does_not_serve_for_three():
    center.technician()
    held = hold()
    visit = book(hold=held.key, services=[center.service("broadband-install"), center.service("broadband-move")])
    assert Reservation.objects.get(appointment=visit).until == TUESDAY_TEN + timedelta(minutes=150)


def test_sweeping_holds_removes_the_expired_only(django_capture_on_commit_callbacks):
    center.technician(), center.technician()
    hold(), hold(at=MONDAY + timedelta(minutes=5))
    assert booking.sweep_holds(at=MONDAY + timedelta(minutes=10)) == 1
    assert Hold.objects.count() == 1
    # Whoever holds the next window tidies up: what ran out some while ago does not pile up. Not before the window is
    # theirs, and in a transaction of its own (tests/appointments/test_holds.py says why).
    with django_capture_on_commit_callbacks() as after:
        hold(at=MONDAY + timedelta(minutes=26))
    assert Hold.objects.count() == 2
    for tidy_up in after:
        tidy_up()
    assert Hold.objects.count() == 1


# --- who goes ------------------------------------------------------------------------------------------------------


def test_the_ranking_says_why():
    near, far = center.technician("near"), center.technician("far", areas=("west", "east"))
    lost = center.technician("lost", areas=("west",))
    ranked = assignment.rank(day(), day().window_at(TUESDAY_TEN), needs())
    assert [one.technician for one in ranked] == [near, far, lost]
    assert ranked[0].score > ranked[1].score
    assert sum(part.points for part in ranked[0].parts) == ranked[0].score
    assert ranked[2].refusal is not None


def test_the_less_busy_goes_and_the_expert_stays_free():
    expert = center.technician("expert", skills={"broadband": 5})
    fitting = center.technician("fitting", skills={"broadband": 2})
    visit = book()
    assert visit.owner == fitting
    second = book(customer=builders.customer(phone="13987654321"))
    assert second.owner == expert


def test_reassigning_keeps_the_time_and_the_promises():
    first, second = center.technician("first"), center.technician("second")
    visit = book()
    dispatcher = builders.person("dispatcher")
    other = second if visit.owner == first else first
    crews.reassign_crew(appointment_id=visit.pk, technicians=[other.pk], by=dispatcher, reason="Nearer", at=MONDAY)
    visit.refresh_from_db()
    assert (visit.owner, visit.cycle) == (other, 1)
    assert Reservation.objects.get().technician == other
    taken = book(customer=builders.customer(phone="13987654321"))
    with pytest.raises(InvalidInput) as refusal:
        crews.reassign_crew(appointment_id=visit.pk, technicians=[taken.owner_id], by=dispatcher, at=MONDAY)
    assert refusal.value.field == "technicians"
    assert "another visit" in str(refusal.value)


def test_a_grid_over_a_clock_change_keeps_local_hours(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    ArrivalWindow.objects.all().delete()
    ArrivalWindow.objects.create(starts=time(2), ends=time(2, 30))
    ArrivalWindow.objects.create(starts=time(8), ends=time(10))
    spring = windows_of(date(2026, 3, 29), ArrivalWindow.objects.all())
    assert spring[-1].starts_at == datetime(2026, 3, 29, 6, tzinfo=UTC)
    autumn = windows_of(date(2026, 10, 25), ArrivalWindow.objects.all())
    assert autumn[-1].starts_at == datetime(2026, 10, 25, 7, tzinfo=UTC)
