"""The page of working time: the week, planning, leave, the duty roster, and my own page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

import pytest
from django.urls import reverse

from common import clock
from staff.models import Duty, Leave, Shift
from staff.planning import enter_leave, plan_duty, plan_shifts
from tests import builders
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
WEEK = "2026-03-02"


@pytest.fixture(autouse=True)
def _on_a_monday():
    with clock.simulated(MONDAY):
        yield


def at(hour, minute=0, day=2):
    return datetime(2026, 3, day, tzinfo=UTC) + timedelta(hours=hour - 8, minutes=minute)


@pytest.fixture
def anna():
    return builders.person("technician", name="Anna")


@pytest.fixture
def bob():
    return builders.person("agent", name="Bob")


@pytest.fixture
def dispatcher(client):
    person = builders.person("dispatcher", language="en", team=None)
    client.force_login(person)
    return person


def text_of(answer):
    return answer.content.decode()


def page(client, **query):
    return text_of(client.get(reverse("desk:working_time"), {"team": "repair", "week": WEEK, **query}))


def row(text, name):
    """What stands in the row of one person, without its tags."""
    (found,) = [part for part in text.split("<tr>") if f">{name}</a>" in part]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found.split("</tr>")[0])).strip()


def shifts(person, *days, start=8, end=17, by=None):
    return plan_shifts(
        user_ids=[person.pk],
        days=[at(12, day=day).date() for day in days],
        start_time=time(start),
        end_time=time(end),
        by=by,
    )


def send(client, name, **values):
    return client.post(f"{reverse(f'desk:{name}')}?team=repair&week={WEEK}", values)


SHIFTS = {
    "first_on": "2026-03-02",
    "last_on": "2026-03-08",
    "weekdays": ["0", "2", "5"],
    "start_time": "08:00",
    "end_time": "17:00",
}


# --- the week --------------------------------------------------------------------------------------------------------


def test_the_week_shows_shifts_leave_and_hours(client, dispatcher, anna, bob):
    shifts(anna, 2, 3, 4)
    shifts(bob, 2, start=22, end=6)
    enter_leave(user_id=anna.pk, starts_at=at(0, day=3), ends_at=at(24, day=3), kind="sick", by=None, note="flu")
    enter_leave(user_id=anna.pk, starts_at=at(8, day=4), ends_at=at(12, day=4), kind="training", by=None)
    text = page(client)
    assert row(text, "Anna") == (
        "Anna Field technician 08:00–17:00 08:00–17:00 Sick flu 08:00–17:00 Training 08:00–12:00 14 h"
    )
    assert "<s>08:00–17:00</s>" in text
    assert row(text, "Bob") == "Bob Agent 22:00–06:00 +1 on the next day 8 h"
    counts = re.findall(r'<td class="num">(\d+)</td>', text.split("<tfoot>")[1])
    assert counts == ["2", "1", "1", "0", "0", "0", "0"]
    assert 'aria-current="date"' in text


def test_another_week_and_team_are_reached_by_links_and_odd_ones_show_this_week(client, dispatcher, anna):
    shifts(anna, 9)
    builders.person("agent", name="Cleo", team=builders.team("billing"))
    assert "week=2026-03-09" in page(client)
    assert row(page(client, week="2026-03-11"), "Anna").endswith("9 h")
    assert ">Cleo</a>" in page(client, team="billing")
    for week in ("", "x", "2026-13-45", "9999-12-31", "0001-01-01", "2026-W10"):
        assert "2 Mar 2026 to 8 Mar 2026" in page(client, week=week)
    assert page(client, team="nowhere")


def test_my_own_team_is_shown_first_and_people_without_a_team_are_found(client, anna):
    builders.person("agent", name="Cleo", team=builders.team("billing"))
    lead = builders.person("lead", language="en", name="Lin")
    client.force_login(lead)
    text = text_of(client.get(reverse("desk:working_time")))
    assert ">Anna</a>" in text
    assert ">Cleo</a>" not in text
    builders.person("head", name="Hans", team=None)
    assert ">Hans</a>" in page(client, team="none")


def test_who_left_is_not_shown_and_an_empty_house_is_no_error(client, dispatcher):
    builders.person("agent", name="Gone", is_active=False)
    assert ">Gone</a>" not in page(client)


def test_a_week_costs_the_same_however_many_people(client, dispatcher, django_assert_max_num_queries):
    for number in range(15):
        shifts(builders.person("technician", name=f"T{number}"), 2, 3)
    page(client)
    with django_assert_max_num_queries(18):
        page(client)


# --- planning --------------------------------------------------------------------------------------------------------


def test_shifts_are_planned_for_the_ticked_people_and_weekdays(client, dispatcher, anna, bob):
    answer = send(client, "add_shifts", people=[anna.pk, bob.pk], note="depot", **SHIFTS)
    assert answer["Location"] == f"{reverse('desk:working_time')}?team=repair&week={WEEK}"
    assert Shift.objects.count() == 6
    assert set(Shift.objects.filter(user=bob).values_list("starts_at", flat=True)) == {
        at(8),
        at(8, day=4),
        at(8, day=7),
    }
    assert "6 shifts are planned." in page(client)
    send(client, "add_shifts", people=[anna.pk], **SHIFTS)
    assert "All of this is planned already." in page(client)
    assert Shift.objects.count() == 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"people": []}, "Please fill this in."),
        ({"people": ["999999"]}, "Choose one of the values offered."),
        ({"people": ["x"]}, "Choose one of the values offered."),
        ({"weekdays": []}, "Please fill this in."),
        ({"weekdays": ["9"]}, "Choose one of the values offered."),
        ({"weekdays": ["6"], "last_on": "2026-03-04"}, "None of these weekdays lies between the two days."),
        ({"last_on": "2026-03-01"}, "The last day lies before the first."),
        ({"last_on": "2027-03-01"}, "Plan at most 92 days at a time."),
        ({"last_on": "2026-08-01", "weekdays": list("0123456")}, "Plan at most 92 days at a time."),
        ({"first_on": "yesterday"}, "Enter a valid date."),
        ({"start_time": "25:00"}, "Enter a valid time."),
        ({"end_time": ""}, "Please fill this in."),
    ],
)
def test_a_plan_that_cannot_be_is_said_at_its_field_and_keeps_what_was_typed(client, dispatcher, anna, change, words):
    values = {"people": [anna.pk], "note": "By the depot", **SHIFTS, **change}
    answer = send(client, "add_shifts", **values)
    text = text_of(answer)
    assert answer.status_code == 422
    assert words in text
    assert 'value="By the depot"' in text
    assert '<details class="settings-add" open>' in text
    assert "field-error" in text
    assert not Shift.objects.exists()


def test_an_overlap_names_person_and_day(client, dispatcher, anna, bob):
    shifts(anna, 4, start=16, end=20)
    answer = send(client, "add_shifts", people=[anna.pk, bob.pk], **SHIFTS)
    assert answer.status_code == 422
    assert "Anna works already: Wed 4 Mar 2026, 16:00–20:00." in text_of(answer)
    assert Shift.objects.count() == 1


LEAVE = {"kind": "leave", "first_on": "2026-03-03", "last_on": "2026-03-04"}


def test_leave_is_whole_days_unless_hours_are_given(client, dispatcher, anna, bob):
    send(client, "add_leave", person=anna.pk, **LEAVE)
    assert "Anna is away: 3 Mar 2026 to 4 Mar 2026." in page(client)
    send(client, "add_leave", person=bob.pk, start_time="13:00", end_time="15:30", **LEAVE)
    assert list(Leave.objects.order_by("pk").values_list("starts_at", "ends_at", "entered_by")) == [
        (at(0, day=3), at(24, day=4), dispatcher.pk),
        (at(13, day=3), at(15, 30, day=4), dispatcher.pk),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"person": ""}, "Please fill this in."),
        ({"kind": "holiday"}, "Choose one of the values offered."),
        ({"last_on": "2026-03-02"}, "The last day lies before the first."),
        ({"last_on": "2026-03-03", "start_time": "12:00", "end_time": "11:00"}, "The end lies after the start."),
        ({"last_on": "2028-03-03"}, "Leave lasts at most a year."),
        ({"first_on": "2026-03-05", "last_on": "2026-03-05"}, "Anna has leave already"),
    ],
)
def test_leave_that_cannot_be_is_said_and_keeps_what_was_typed(client, dispatcher, anna, change, words):
    enter_leave(user_id=anna.pk, starts_at=at(12, day=5), ends_at=at(13, day=5), kind="off", by=None)
    answer = send(client, "add_leave", **{"person": anna.pk, "note": "Sea side", **LEAVE, **change})
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert 'value="Sea side"' in text_of(answer)
    assert Leave.objects.count() == 1


DUTY = {"role": "supervisor", "first_on": "2026-03-02", "start_time": "08:00", "last_on": "2026-03-09"}


def test_the_duty_roster_is_kept(client):
    client.force_login(builders.person("supervisor", language="en", team=None))
    head = builders.person("head", name="Hans", team=None)
    send(client, "add_duty", person=head.pk, end_time="08:00", **DUTY)
    text = page(client)
    assert "Mon 2 Mar 2026, 08:00 – 9 Mar, 08:00" in text
    assert "Hans" in text
    twice = send(client, "add_duty", person=head.pk, end_time="08:00", **DUTY)
    assert (twice.status_code, Duty.objects.count()) == (422, 1)
    assert "Hans is on duty already" in text_of(twice)
    drop = reverse("desk:drop_duty", args=[Duty.objects.get().pk])
    for words in ("The duty is taken off the roster.", "Somebody else has changed this already."):
        client.post(drop)
        assert words in page(client)
    assert not Duty.objects.exists()
    assert "Nobody is on duty in this week" in page(client)


def test_a_shift_is_removed_and_leave_cancelled_on_the_page_of_the_person(client, dispatcher, anna):
    (shift,) = shifts(anna, 3)
    shifts(anna, 1)  # over
    leave = enter_leave(user_id=anna.pk, starts_at=at(9, day=3), ends_at=at(10, day=3), kind="off", by=None)
    address = reverse("desk:working_person", args=[anna.pk])
    text = text_of(client.get(address))
    assert "Tue 3 Mar 2026, 08:00–17:00" in text
    assert "Tue 3 Mar 2026, 09:00–10:00" in text
    assert "1 Mar 2026" not in text
    for name, row_, words in (("drop_shift", shift, "The shift is removed."), ("drop_leave", leave, "is cancelled")):
        for told in (words, "Somebody else has changed this already."):
            answer = client.post(reverse(f"desk:{name}", args=[anna.pk, row_.pk]), follow=True)
            assert told in text_of(answer)
    assert (Shift.objects.count(), Leave.objects.count()) == (1, 0)
    assert client.get(reverse("desk:working_person", args=[10**9])).status_code == 404


# --- mine ------------------------------------------------------------------------------------------------------------


def test_everybody_sees_their_own(client, anna, bob):
    shifts(anna, 3)
    shifts(bob, 4)
    enter_leave(user_id=anna.pk, starts_at=at(0, day=5), ends_at=at(24, day=5), kind="training", by=None)
    plan_duty(user_id=anna.pk, starts_at=at(8), ends_at=at(20), role="technical", by=None)
    anna.language = "en"
    anna.save()
    client.force_login(anna)
    text = text_of(client.get(reverse("desk:mine")))
    assert "Tue 3 Mar 2026, 08:00–17:00" in text
    assert "Wed 4 Mar 2026" not in text
    assert "5 Mar 2026" in text
    assert "Technical support on duty" in text


# --- who may ---------------------------------------------------------------------------------------------------------

ROLES = ("agent", "technician", "auditor", "lead", "dispatcher", "administrator")
READ = {"auditor", "lead", "dispatcher", "administrator"}
CHANGE = READ - {"auditor"}
ROSTER = CHANGE - {"lead", "dispatcher"}


def test_who_may_open_and_who_may_plan(client, anna):
    (shift,) = shifts(anna, 3)
    keys = {"drop_duty": [1], "drop_shift": [anna.pk, shift.pk], "drop_leave": [anna.pk, 1]}
    opens = [reverse("desk:working_time"), reverse("desk:working_person", args=[anna.pk])]
    acts = [reverse(f"desk:{name}") for name in ("add_shifts", "add_leave", "add_duty")]
    acts += [reverse(f"desk:{name}", args=key) for name, key in keys.items()]
    for address in [*opens, *acts, reverse("desk:mine")]:
        assert client.post(address)["Location"].startswith("/sign-in/")
    for role in ROLES:
        client.force_login(builders.person(role))
        assert client.get(reverse("desk:mine")).status_code == 200
        for address in opens:
            assert client.get(address).status_code == (200 if role in READ else 403), (role, address)
        for address in acts:
            if role not in (ROSTER if "/duty/" in address else CHANGE):
                assert client.post(address).status_code == 403, (role, address)
        assert Shift.objects.count() == 1
        may_plan = client.get(opens[0], {"team": "repair"}).content.decode() if role in READ else ""
        assert (reverse("desk:add_shifts") in may_plan, reverse("desk:add_duty") in may_plan) == (
            role in CHANGE,
            role in ROSTER,
        )
    for address in acts:
        assert client.post(address).status_code in (302, 422)
    assert not Shift.objects.exists()


def test_the_auditor_reads_without_buttons(client, anna):
    shifts(anna, 3)
    enter_leave(user_id=anna.pk, starts_at=at(0, day=5), ends_at=at(24, day=5), kind="training", by=None)
    plan_duty(user_id=anna.pk, starts_at=at(8), ends_at=at(20), role="technical", by=None)
    client.force_login(builders.person("auditor", language="en"))
    text = page(client) + text_of(client.get(reverse("desk:working_person", args=[anna.pk])))
    assert "Training" in text
    for words in ("Plan shifts", "Enter leave", "Plan a duty", "Remove", "Cancel the leave"):
        assert words not in text


def test_the_pages_stand_in_the_menu_of_those_who_may_open_them(client):
    for role, seen in (("agent", False), ("lead", True), ("technician", False)):
        client.force_login(builders.person(role))
        text = text_of(client.get(reverse("desk:mine")))
        for name in ("working_time", "skills"):
            assert (f'href="{reverse(f"desk:{name}")}"' in text) is seen, role
        assert f'href="{reverse("desk:mine")}"' in text
