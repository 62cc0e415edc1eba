"""A visit from the request to the rating, and every way it can go wrong."""

from __future__ import annotations

import tomllib
from datetime import timedelta

import pytest

from appointments import conversation, services, visits
from appointments.messages import arrival_code
from appointments.models import Appointment, Compensation, Reservation, VisitRating
from appointments.states import State
from cases.models import Note
from cases.services import verify_timeline
from common.errors import DomainError, InvalidInput, NotAllowed
from notifications.models import Message
from notifications.services import deliver_due
from notifications.templates import render
from sla.models import Deadline, Timer
from sla.shipped import DEFAULTS, publish_policy
from sla.states import DeadlineState, Verdict
from sla.sweep import sweep
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db

RECORD = {
    "computer_tested": True,
    "download_mbps": "312.50",
    "upload_mbps": "48",
    "indoor_wiring": "Cat 5e, good",
    "splitter_position": "Hall cabinet",
}


@pytest.fixture(autouse=True)
def _center(settings):
    settings.SWEEP_BREATH_SECONDS = 0
    center.center()


@pytest.fixture
def technician():
    return center.technician("zhao")


def fresh(appointment: Appointment) -> Appointment:
    return Appointment.objects.get(pk=appointment.pk)


def deadline(appointment: Appointment, promise: str, cycle: int = 1) -> Deadline:
    return Deadline.objects.get(case=appointment, promise=promise, cycle=cycle)


def verdict(appointment: Appointment, promise: str, at, cycle: int = 1) -> Verdict:
    return deadline(appointment, promise, cycle).verdict(at)


def tick(at) -> None:
    """What workers do: sweep what is due, deliver what was said."""
    sweep(now=at)
    deliver_due(now=at)


def test_a_visit_from_the_booking_to_the_rating(technician):
    customer = builders.customer()
    visit = book(customer)
    assert visit.number.startswith("A-")
    assert visit.state == State.BOOKED
    assert visit.owner == technician
    tick(MONDAY)
    assert fresh(visit).state == State.CONFIRMED  # the confirmation was accepted

    # Booked 25 hours before: the confirmation itself is the second confirmation, and nothing asks again.
    assert not Deadline.objects.filter(case=visit, promise="second_confirm").exists()
    tick(TUESDAY_TEN - timedelta(minutes=40))
    visit = fresh(visit)
    assert visit.noticed_at is not None
    assert verdict(visit, "visit_notice", TUESDAY_TEN) == Verdict.MET

    visits.set_off(appointment_id=visit.pk, minutes=20, by=technician, at=TUESDAY_TEN - timedelta(minutes=20))
    visits.arrive(appointment_id=visit.pk, by=technician, code=arrival_code(visit), at=TUESDAY_TEN)
    assert verdict(visit, "visit_window", TUESDAY_TEN) == Verdict.MET
    visits.keep_record(appointment_id=visit.pk, by=technician, values=RECORD)
    done_at = TUESDAY_TEN + timedelta(hours=1)
    visits.finish(appointment_id=visit.pk, report="Splitter replaced", by=technician, at=done_at)
    tick(done_at)
    visit = fresh(visit)
    assert visit.state == State.DONE
    assert verdict(visit, "completion_notice", done_at) == Verdict.MET
    conversation.rate_visit(appointment_id=visit.pk, score=5, comment="Thank you", by=customer, at=done_at)
    assert VisitRating.objects.get(appointment=visit).score == 5
    with pytest.raises(DomainError, match="already"):
        conversation.rate_visit(appointment_id=visit.pk, score=1, by=customer, at=done_at)
    assert not Timer.objects.filter(case=visit, deadline=None).exists()
    assert verify_timeline(fresh(visit)) == []


def test_the_second_confirmation_is_asked_in_time_and_no_answer_opens_a_call(technician):
    visit = book(starts_at=TUESDAY_TEN + timedelta(days=2))
    tick(MONDAY)
    asked = TUESDAY_TEN + timedelta(days=1, hours=-1)
    tick(asked - timedelta(minutes=1))
    assert fresh(visit).asked_at is None
    tick(asked)
    assert fresh(visit).asked_at == asked
    assert verdict(visit, "second_confirm", asked) == Verdict.MET
    tick(asked + timedelta(hours=4))
    assert fresh(visit).call_since is not None
    conversation.reconfirm_appointment(
        appointment_id=visit.pk, by=visit.customer, how="link", at=asked + timedelta(hours=5)
    )
    assert fresh(visit).call_since is None


def test_an_answer_needs_no_call(technician):
    visit = book(starts_at=TUESDAY_TEN + timedelta(days=2))
    asked = TUESDAY_TEN + timedelta(days=1, hours=-1)
    tick(asked)
    conversation.reconfirm_appointment(appointment_id=visit.pk, by=visit.customer, how="link", at=asked)
    tick(asked + timedelta(hours=9))
    assert fresh(visit).call_since is None


def test_the_question_is_not_held_by_the_night(technician):
    """An early window: asked the evening before the night, so that it is not held until it is too late."""
    early = TUESDAY_TEN + timedelta(days=2, hours=-2)  # Thursday 08:00
    visit = book(starts_at=early)
    timer = Timer.objects.get(case=visit, handler="appointments.ask")
    assert timer.fire_at == early - timedelta(hours=36)  # Tuesday 20:00
    tick(timer.fire_at)
    assert verdict(visit, "second_confirm", early) == Verdict.MET


def test_nobody_reached_by_a_message_must_be_called(technician, settings):
    settings.NOTIFICATION_ADAPTERS = {
        "email": "notifications.adapters.none",
        "sms": "notifications.adapters.none",
        "in_app": "notifications.adapters.none",
    }
    visit = book()
    assert fresh(visit).call_since == MONDAY
    conversation.record_call(appointment_id=visit.pk, by=builders.person(), note="Told her", reached=True, at=MONDAY)
    assert fresh(visit).call_since is None


def test_by_phone_it_is_confirmed_at_once(technician):
    visit = book(by=builders.person(), channel="phone")
    assert visit.state == State.CONFIRMED


# --- moving and cancelling -------------------------------------------------------------------------------------------


def test_moving_begins_a_new_cycle_and_voids_what_was_timed(technician):
    visit = book(starts_at=TUESDAY_TEN + timedelta(days=2))
    later = TUESDAY_TEN + timedelta(days=5)
    services.move_appointment(appointment_id=visit.pk, starts_at=later, by=visit.customer, at=MONDAY)
    visit = fresh(visit)
    assert (visit.cycle, visit.starts_at, visit.moved_by_customer) == (2, later, 1)
    assert verdict(visit, "visit_window", later, cycle=1) == Verdict.VOID
    assert deadline(visit, "visit_window", cycle=2).due_at == later + TWO_HOURS
    assert Reservation.objects.get(appointment=visit).starts_at == later
    fired = {timer.fire_at for timer in Timer.objects.filter(case=visit)}
    assert min(fired) > TUESDAY_TEN + timedelta(days=3)


def test_a_reminder_queued_before_the_change_never_leaves(technician):
    """Lesson 36: cancelled one second before sending, nothing of the old time goes out."""
    visit = book(starts_at=TUESDAY_TEN + timedelta(days=2))
    deliver_due(now=MONDAY)
    asked = TUESDAY_TEN + timedelta(days=1, hours=-1)
    sweep(now=asked)
    assert Message.objects.filter(case=visit, template="visit_reminder", state="queued").exists()
    services.cancel_appointment(appointment_id=visit.pk, by=visit.customer, at=asked + timedelta(seconds=1))
    deliver_due(now=asked + timedelta(seconds=2))
    sent = Message.objects.filter(case=visit, state="sent", channel="sms").values_list("template", flat=True)
    assert set(sent) == {"visit_booked", "visit_cancelled"}
    sweep(now=TUESDAY_TEN + timedelta(days=3))
    assert set(Message.objects.filter(case=visit, state="queued").values_list("template", flat=True)) == set()


def test_the_customer_may_change_until_two_hours_before(technician):
    visit = book()
    late = TUESDAY_TEN - timedelta(hours=2) + timedelta(seconds=1)
    with pytest.raises(DomainError, match="less than 2 hours"):
        services.move_appointment(
            appointment_id=visit.pk, starts_at=TUESDAY_TEN + timedelta(days=1), by=visit.customer, at=late
        )
    with pytest.raises(DomainError, match="less than 2 hours"):
        services.cancel_appointment(appointment_id=visit.pk, by=visit.customer, at=late)
    agent, lead = builders.person("agent"), builders.person("lead")
    with pytest.raises(NotAllowed):
        services.cancel_appointment(appointment_id=visit.pk, by=agent, override="She is ill", at=late)
    services.cancel_appointment(appointment_id=visit.pk, by=lead, override="She is ill", at=late)
    assert fresh(visit).state == State.CANCELLED
    # The customer wanted it: no promise of ours is broken.
    assert verdict(visit, "visit_window", late) == Verdict.VOID
    assert not Compensation.objects.exists()


@pytest.mark.parametrize(("limit", "hours", "until"), [("150m", 3, 150), ("0m", 0, 0)])
def test_until_when_a_visit_may_be_changed_is_the_policy_s_to_say_everywhere(technician, limit, hours, until):
    """The mail, the refusal and the limit itself say one figure; where it is nothing, until the window begins."""
    form = tomllib.loads((DEFAULTS / "policies.toml").read_text(encoding="utf-8"))
    next(rule for rule in form["rule"] if rule["promise"] == "change_cutoff")["limit"] = limit
    publish_policy(form, at=MONDAY, valid_from=None)
    visit = book()
    said = Message.objects.get(case=visit, template="visit_booked")
    assert f"最晚可在上门前 {hours} 小时免费" in render("visit_booked", "zh-hans", said.context)[1]
    last = TUESDAY_TEN - timedelta(minutes=until)
    refused = services.cancel_refusals(visit, at=last + timedelta(seconds=1))
    assert f"less than {hours} hours" in str(refused[0])
    services.cancel_appointment(appointment_id=visit.pk, by=visit.customer, at=last)
    assert fresh(visit).state == State.CANCELLED


def test_three_moves_are_enough_but_cancelling_is_always_possible(technician):
    visit = book(starts_at=TUESDAY_TEN + timedelta(days=1))
    for day in (2, 3, 4):
        services.move_appointment(
            appointment_id=visit.pk, starts_at=TUESDAY_TEN + timedelta(days=day), by=visit.customer, at=MONDAY
        )
    with pytest.raises(DomainError, match="3 times"):
        services.move_appointment(appointment_id=visit.pk, starts_at=TUESDAY_TEN, by=visit.customer, at=MONDAY)
    services.cancel_appointment(appointment_id=visit.pk, by=visit.customer, at=MONDAY)
    assert fresh(visit).state == State.CANCELLED
    assert not Reservation.objects.exists()


def test_what_we_move_inside_a_day_counts_as_missed_whatever_the_customer_says(technician):
    visit = book()
    dispatcher = builders.person("dispatcher")
    at = TUESDAY_TEN - timedelta(hours=23)
    services.move_appointment(
        appointment_id=visit.pk,
        starts_at=TUESDAY_TEN + timedelta(days=1),
        by=dispatcher,
        side="us",
        reason="Ill",
        at=at,
    )
    assert deadline(visit, "visit_window").state == DeadlineState.BROKEN
    assert verdict(visit, "visit_window", at) == Verdict.MISSED
    owed = Compensation.objects.get(appointment=visit)
    assert (owed.trigger, owed.cycle) == ("late_change", 1)
    assert verdict(visit, "visit_window", at, cycle=2) == Verdict.OPEN


@pytest.mark.parametrize("wanted", ["us", "customer"])
def test_whom_we_turn_back_on_the_way_is_owed_what_any_late_change_owes(technician, wanted):
    """The crew sat in the car: that makes it no less a visit we took away inside 24 hours."""
    visit, at = book(), TUESDAY_TEN - timedelta(minutes=10)
    visits.set_off(appointment_id=visit.pk, minutes=20, by=technician, at=at)
    services.cancel_appointment(
        appointment_id=visit.pk, by=builders.person("lead"), side=wanted, reason="Storm", override="She asked", at=at
    )
    ours = wanted == "us"
    assert verdict(visit, "visit_window", at) == (Verdict.MISSED if ours else Verdict.VOID)
    assert list(Compensation.objects.values_list("trigger", flat=True)) == (["late_change"] if ours else [])


def test_a_customer_cannot_cancel_alone_what_is_on_its_way(technician):
    """Set off earlier than two hours before, too: somebody sits in the car."""
    visit, at = book(), TUESDAY_TEN - timedelta(hours=3)
    visits.set_off(appointment_id=visit.pk, minutes=180, by=technician, at=at)
    agent = builders.person("agent")
    for by in (visit.customer, agent):
        with pytest.raises(DomainError, match="on the way"):
            services.cancel_appointment(appointment_id=visit.pk, by=by, at=at)
    with pytest.raises(NotAllowed):
        services.cancel_appointment(appointment_id=visit.pk, by=agent, override="She asked", at=at)
    assert fresh(visit).state == State.UNDER_WAY


def test_what_we_move_in_good_time_breaks_nothing(technician):
    visit = book(starts_at=TUESDAY_TEN + timedelta(days=3))
    services.move_appointment(
        appointment_id=visit.pk, starts_at=TUESDAY_TEN, by=builders.person("dispatcher"), side="us", at=MONDAY
    )
    assert verdict(visit, "visit_window", MONDAY) == Verdict.VOID
    assert not Compensation.objects.exists()


def test_a_time_we_cannot_keep_and_no_other_yet(technician):
    visit = book()
    services.release_appointment(
        appointment_id=visit.pk, reason="Van broke down", by=builders.person("dispatcher"), at=MONDAY
    )
    visit = fresh(visit)
    assert (visit.state, visit.starts_at, visit.owner) == (State.REQUESTED, None, None)
    assert not Reservation.objects.exists()
    assert deadline(visit, "arrange_visit", cycle=2).due_at == MONDAY + timedelta(hours=24)
    services.arrange_appointment(
        appointment_id=visit.pk, starts_at=TUESDAY_TEN + timedelta(days=1), by=visit.customer, at=MONDAY
    )
    assert verdict(visit, "arrange_visit", MONDAY, cycle=2) == Verdict.MET


# --- the day ---------------------------------------------------------------------------------------------------------


def test_nobody_came_is_missed_owed_and_rebooked(technician):
    visit = book()
    tick(TUESDAY_TEN - timedelta(minutes=40))
    over = TUESDAY_TEN + TWO_HOURS
    tick(over + timedelta(minutes=15))
    visit = fresh(visit)
    assert visit.state == State.MISSED
    assert verdict(visit, "visit_window", over + timedelta(minutes=15)) == Verdict.MISSED
    assert Compensation.objects.get(appointment=visit).trigger == "missed_window"
    assert Message.objects.filter(case=visit, template="visit_missed", channel="sms").exists()
    services.move_appointment(
        appointment_id=visit.pk, starts_at=TUESDAY_TEN + timedelta(days=1), by=visit.customer, at=over + TWO_HOURS
    )
    assert fresh(visit).state == State.BOOKED
    assert verdict(visit, "visit_window", over + TWO_HOURS) == Verdict.MISSED


def test_an_arrival_that_was_heard_of_late_takes_the_miss_back(technician, monkeypatch):
    """The technician's phone was in a cellar: what counts is when it happened."""
    visit = book()
    over = TUESDAY_TEN + TWO_HOURS
    tick(TUESDAY_TEN - timedelta(minutes=40))
    tick(over + timedelta(minutes=15))
    assert fresh(visit).state == State.MISSED
    visits.arrive(appointment_id=visit.pk, by=None, at=over - timedelta(minutes=3))
    assert fresh(visit).state == State.ON_SITE
    assert verdict(visit, "visit_window", over + TWO_HOURS) == Verdict.MET
    assert Compensation.objects.get(appointment=visit).excluded == "kept"
    assert verdict(visit, "arrange_visit", over + TWO_HOURS) != Verdict.MISSED


@pytest.mark.parametrize("came", [timedelta(hours=-1), timedelta(hours=1), timedelta(hours=3)])
def test_who_was_given_up_too_early_and_came_in_time_has_kept_the_window(technician, came):
    """The dispatcher said at eleven that nobody came: whoever rings by noon has, whatever was believed."""
    visit, eleven = book(), TUESDAY_TEN + timedelta(hours=1)
    visits.report_missed(appointment_id=visit.pk, by=builders.person("dispatcher"), at=eleven)
    assert deadline(visit, "visit_window").state == DeadlineState.BROKEN
    at = eleven + came
    visits.arrive(appointment_id=visit.pk, by=technician, at=at)
    kept = at <= TUESDAY_TEN + TWO_HOURS
    assert verdict(visit, "visit_window", at) == (Verdict.MET if kept else Verdict.MISSED)
    assert (Compensation.objects.get(appointment=visit).excluded == "kept") is kept
    assert visit.events.filter(kind="verdict_corrected").count() == int(kept)
    assert verify_timeline(fresh(visit)) == []


def test_late_but_coming_is_told_and_owed(technician):
    visit = book()
    tick(TUESDAY_TEN - timedelta(minutes=40))
    visits.set_off(appointment_id=visit.pk, minutes=30, by=technician, at=TUESDAY_TEN + timedelta(hours=1))
    over = TUESDAY_TEN + TWO_HOURS + timedelta(minutes=15)
    tick(over)
    visit = fresh(visit)
    assert visit.state == State.UNDER_WAY
    assert visit.call_since is not None
    visits.arrive(appointment_id=visit.pk, by=technician, at=over)
    assert verdict(visit, "visit_window", over) == Verdict.MISSED
    assert Compensation.objects.filter(appointment=visit, excluded="").exists()


@pytest.mark.parametrize(("late", "owed"), [(timedelta(0), 0), (timedelta(seconds=1), 1), (timedelta(minutes=14), 1)])
def test_who_comes_after_the_window_owes_for_it_however_little_later(technician, late, owed):
    visit = book()
    visits.arrive(appointment_id=visit.pk, by=technician, at=TUESDAY_TEN + TWO_HOURS + late)
    assert Compensation.objects.filter(appointment=visit, trigger="missed_window", excluded="").count() == owed
    assert verdict(visit, "visit_window", TUESDAY_TEN + TWO_HOURS) == (Verdict.MISSED if owed else Verdict.MET)


def test_coming_unannounced_breaks_the_promise_of_the_notice(technician):
    visit = book()
    visits.arrive(appointment_id=visit.pk, by=technician, at=TUESDAY_TEN - timedelta(minutes=45))
    assert deadline(visit, "visit_notice").state == DeadlineState.BROKEN
    assert verdict(visit, "visit_window", TUESDAY_TEN) == Verdict.MET


def test_absent_once_twice_three_times(technician):
    visit = book()
    customer = visit.customer
    starts_at = TUESDAY_TEN
    with pytest.raises(DomainError, match="window has not begun"):
        visits.report_absent(
            appointment_id=visit.pk, notice="Card left", by=technician, at=starts_at - timedelta(minutes=1)
        )
    for time in (1, 2, 3):
        visits.report_absent(appointment_id=visit.pk, notice="Card left", by=technician, at=starts_at)
        visit = fresh(visit)
        assert visit.absences == time
        # We were there: the window was kept, and nothing is owed.
        assert verdict(visit, "visit_window", starts_at, cycle=visit.cycle) == Verdict.MET
        assert not Reservation.objects.exists()
        starts_at += timedelta(days=1)
        if time == 1:
            services.move_appointment(
                appointment_id=visit.pk, starts_at=starts_at, by=customer, at=starts_at - TWO_HOURS
            )
        if time == 2:
            assert visit.call_since is not None
            with pytest.raises(DomainError, match="call us"):
                services.move_appointment(
                    appointment_id=visit.pk, starts_at=starts_at, by=customer, at=starts_at - TWO_HOURS
                )
            services.move_appointment(
                appointment_id=visit.pk, starts_at=starts_at, by=builders.person(), at=starts_at - TWO_HOURS
            )
    assert (visit.state, visit.closed_because) == (State.CANCELLED, "absent")
    assert not Compensation.objects.exists()


def test_not_solved_on_site_is_sent_out_again(technician):
    visit = book()
    visits.arrive(appointment_id=visit.pk, by=technician, at=TUESDAY_TEN)
    visits.fail(appointment_id=visit.pk, reason="line", note="Cable cut outside", by=technician, at=TUESDAY_TEN)
    visit = fresh(visit)
    assert visit.state == State.FAILED
    assert deadline(visit, "arrange_visit").due_at == TUESDAY_TEN + timedelta(hours=24)
    assert Message.objects.filter(case=visit, template="visit_failed").exists()


def test_done_needs_the_record(technician):
    visit = book()
    visits.arrive(appointment_id=visit.pk, by=technician, at=TUESDAY_TEN)
    with pytest.raises(DomainError) as refusal:
        visits.finish(appointment_id=visit.pk, report="Done", by=technician, at=TUESDAY_TEN)
    assert len(refusal.value.reasons) == 3
    with pytest.raises(InvalidInput) as wrong:
        visits.keep_record(appointment_id=visit.pk, by=technician, values={"software_installed": True})
    assert wrong.value.field == "software_consent"
    with pytest.raises(InvalidInput) as wrong:
        visits.keep_record(appointment_id=visit.pk, by=technician, values={"download_mbps": "fast"})
    assert wrong.value.field == "download_mbps"


def test_a_wrong_code_is_refused_and_none_is_allowed(technician):
    visit = book()
    wrong = f"{(int(arrival_code(visit)) + 1) % 10000:04d}"
    with pytest.raises(InvalidInput) as refusal:
        visits.arrive(appointment_id=visit.pk, by=technician, code=wrong, at=TUESDAY_TEN)
    assert refusal.value.field == "code"
    visits.arrive(appointment_id=visit.pk, by=technician, at=TUESDAY_TEN)


# --- who may, and what cannot be --------------------------------------------------------------------------------------


def test_who_may(technician):
    visit = book()
    stranger = builders.customer(name="王芳", phone="13912345678")
    with pytest.raises(Appointment.DoesNotExist):
        services.cancel_appointment(appointment_id=visit.pk, by=stranger, at=MONDAY)
    for role in ("auditor", "administrator", "technician"):
        with pytest.raises(NotAllowed):
            services.cancel_appointment(appointment_id=visit.pk, by=builders.person(role), at=MONDAY)
    other = center.technician("qian")
    with pytest.raises(Appointment.DoesNotExist):
        visits.arrive(appointment_id=visit.pk, by=other, at=TUESDAY_TEN)
    assert Appointment.objects.visible_to(technician).count() == 1
    assert Appointment.objects.visible_to(other).count() == 0
    assert Appointment.objects.visible_to(builders.person("agent")).count() == 1
    assert Appointment.objects.visible_to(builders.person("auditor")).count() == 1
    assert Appointment.objects.visible_to(builders.person("administrator")).count() == 0


@pytest.mark.parametrize(
    ("starts_at", "message"),
    [
        (MONDAY - timedelta(days=1), "passed"),
        (MONDAY + timedelta(days=121), "next 120 days"),
        (TUESDAY_TEN + timedelta(minutes=7), "No arrival window"),
    ],
)
def test_times_that_cannot_be(technician, starts_at, message):
    with pytest.raises(InvalidInput, match=message) as refusal:
        book(starts_at=starts_at)
    assert refusal.value.field == "starts_at"
    assert not Appointment.objects.exists()


def test_a_double_click_books_once(technician):
    customer = builders.customer()
    first = book(customer, key="form-1")
    assert book(customer, key="form-1").pk == first.pk
    assert Reservation.objects.count() == 1


def test_of_two_clicks_at_the_same_moment_one_books(technician, monkeypatch):
    """The second has looked for the key before the first had written it; only the database sees both."""
    customer = builders.customer()
    first = book(customer, key="form-1")
    looks, real = iter([Note.objects.none()]), Note.objects.filter
    monkeypatch.setattr(Note.objects, "filter", lambda **fields: next(looks, real(**fields)))
    assert book(customer, key="form-1").pk == first.pk
    assert Appointment.objects.count() == 1


def test_a_long_note_is_refused_and_an_emoji_kept(technician):
    with pytest.raises(InvalidInput) as refusal:
        book(note="x" * 2001)
    assert refusal.value.field == "note"
    visit = book(note="🐕 Beware of the dog 请小心")
    assert Note.objects.get(case=visit).body == "🐕 Beware of the dog 请小心"


# --- the ticket it serves ---------------------------------------------------------------------------------------------


def test_the_ticket_waits_for_the_window_the_customer_chose(technician):
    customer = builders.customer()
    fault = builders.ticket(builders.person(), customer=customer, type="fault", needs_visit=True)
    assert Deadline.objects.get(case=fault, promise="on_site").due_at == MONDAY + timedelta(hours=4)
    visit = book(customer, ticket=fault)
    sweep(now=MONDAY)
    on_site = Deadline.objects.get(case=fault, promise="on_site")
    assert on_site.due_at == TUESDAY_TEN + TWO_HOURS
    assert on_site.because == "customer_choice"
    visits.arrive(appointment_id=visit.pk, by=technician, at=TUESDAY_TEN)
    sweep(now=TUESDAY_TEN)
    fault.refresh_from_db()
    assert fault.on_site_at == TUESDAY_TEN
    assert Deadline.objects.get(case=fault, promise="on_site").verdict(TUESDAY_TEN) == Verdict.MET


def test_a_window_that_we_chose_puts_nothing_off(technician):
    """C-05: the slot takes the place of the four hours only where the customer chose it."""
    customer, dispatcher = builders.customer(), builders.person("dispatcher")
    fault = builders.ticket(builders.person(), customer=customer, type="fault")
    visit = book(customer, ticket=fault, starts_at=None)
    ways = {
        "arranged": lambda: services.arrange_appointment(
            appointment_id=visit.pk, starts_at=TUESDAY_TEN, side="us", by=dispatcher, at=MONDAY
        ),
        "assigned": lambda: services.move_appointment(
            appointment_id=visit.pk, starts_at=TUESDAY_TEN, side="us", by=dispatcher, at=MONDAY
        ),
        "moved": lambda: services.move_appointment(
            appointment_id=visit.pk, starts_at=TUESDAY_TEN + timedelta(days=1), side="us", by=dispatcher, at=MONDAY
        ),
    }
    for way in ("arranged", "moved"):
        ways[way]()
        sweep(now=MONDAY)
        on_site = Deadline.objects.get(case=fault, promise="on_site")
        assert (on_site.due_at, on_site.is_deferred) == (MONDAY + timedelta(hours=4), False)
    services.release_appointment(appointment_id=visit.pk, reason="Ill", by=dispatcher, at=MONDAY)
    ways["assigned"]()
    sweep(now=MONDAY)
    assert not Deadline.objects.get(case=fault, promise="on_site").is_deferred


def test_a_window_the_customer_chose_is_what_we_are_measured_by_when_we_move_it(technician):
    customer = builders.customer()
    fault = builders.ticket(builders.person(), customer=customer, type="fault", needs_visit=True)
    visit = book(customer, ticket=fault)
    for starts_at, side, due in (
        (TUESDAY_TEN + timedelta(days=1), "us", TUESDAY_TEN),
        (TUESDAY_TEN + timedelta(days=2), "customer", TUESDAY_TEN + timedelta(days=2)),
    ):
        sweep(now=MONDAY)
        services.move_appointment(
            appointment_id=visit.pk, starts_at=starts_at, side=side, by=builders.person("dispatcher"), at=MONDAY
        )
        sweep(now=MONDAY)
        assert Deadline.objects.get(case=fault, promise="on_site").due_at == due + TWO_HOURS


def test_a_cancelled_visit_lets_the_ticket_s_own_limit_count_again(technician):
    customer = builders.customer()
    fault = builders.ticket(builders.person(), customer=customer, type="fault", needs_visit=True)
    visit = book(customer, ticket=fault)
    sweep(now=MONDAY)
    services.cancel_appointment(appointment_id=visit.pk, by=customer, at=MONDAY)
    sweep(now=MONDAY)
    assert Deadline.objects.get(case=fault, promise="on_site").due_at == MONDAY + timedelta(hours=4)
