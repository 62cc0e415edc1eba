"""Taps of a technician's phone: each once, however often it is sent; dated by the tap; refused with reasons."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from appointments import actions, conversation, crews, services, visits
from appointments.actions import OtherForm, take, unseen
from appointments.messages import arrival_code
from appointments.models import Compensation, VisitAction, VisitRecord
from appointments.states import State
from cases.models import Attachment, CaseEvent, Note
from cases.services import verify_timeline
from common import clock
from common.errors import DomainError, InvalidInput
from notifications.models import Message
from sla.states import Verdict
from tests import builders
from tests.appointments import center
from tests.appointments.center import TUESDAY_TEN, TWO_HOURS, book
from tests.appointments.test_life import RECORD, fresh, tick, verdict
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db

CHECKS = dict.fromkeys(VisitRecord.CHECKS, "on")
ON_SITE = {**RECORD, "computer_tested": "1"}
_keys = itertools.count(1)


@pytest.fixture(autouse=True)
def _center(settings):
    settings.SWEEP_BREATH_SECONDS = 0
    center.center()


@pytest.fixture
def technician():
    return center.technician("zhao", areas=("east",))


@pytest.fixture
def visit(technician):
    return book()


def tap(visit, action, values=None, *, at=TUESDAY_TEN, heard_at=None, **fields):
    fields.setdefault("key", f"tap-{next(_keys):06d}")
    fields.setdefault("by", visit.owner)
    return take(number=visit.number, action=action, values=values or {}, at=at, heard_at=heard_at or at, **fields)


def kinds(visit):
    return list(CaseEvent.objects.filter(case=visit).order_by("seq").values_list("kind", flat=True))


# --- once -------------------------------------------------------------------------------------------------------------


def test_a_repeated_key_gets_the_first_answer_and_changes_nothing(visit):
    tap(visit, "check", CHECKS)
    first = tap(visit, "set_off", {"minutes": "20"}, key="the-same-key")
    said, facts = Message.objects.count(), kinds(visit)
    again = tap(visit, "set_off", {"minutes": "20"}, key="the-same-key", heard_at=TUESDAY_TEN + timedelta(hours=1))
    assert (again.pk, again.outcome, again.received_at) == (first.pk, "done", first.received_at)
    assert (Message.objects.count(), kinds(visit)) == (said, facts)
    assert facts.count("visit_set_off") == 1


def test_a_repeated_refusal_stays_refused_even_where_it_would_be_possible_now(visit):
    early = TUESDAY_TEN - timedelta(minutes=30)
    tap(visit, "arrive", at=early)
    first = tap(visit, "absent", {"notice": "Card left"}, at=early, key="too-early-1")
    assert first.outcome == "refused"
    again = tap(visit, "absent", {"notice": "Card left"}, at=TUESDAY_TEN, key="too-early-1")
    assert (again.pk, again.outcome, again.reasons) == (first.pk, "refused", first.reasons)
    assert fresh(visit).state == State.ON_SITE


def test_a_key_that_bore_something_else_is_not_guessed_away(visit):
    tap(visit, "call", {"reached": "yes", "note": "On my way"}, key="one-key-only")
    with pytest.raises(OtherForm):
        tap(visit, "call", {"reached": "yes", "note": "Another call"}, key="one-key-only")
    other = center.technician("qian")
    with pytest.raises(OtherForm):
        tap(visit, "call", {"reached": "yes", "note": "On my way"}, key="one-key-only", by=other)
    assert Note.objects.filter(case=visit).count() == 1


def test_effect_and_entry_are_one(visit, monkeypatch):
    """A bug in the effect leaves nothing behind: the phone keeps the tap and sends it again."""

    def broken(*_args):
        conversation.record_call(appointment_id=visit.pk, by=visit.owner, note="half", reached=True, at=TUESDAY_TEN)
        raise ZeroDivisionError

    monkeypatch.setitem(actions.EFFECTS, "call", broken)
    with pytest.raises(ZeroDivisionError):
        tap(visit, "call", {"reached": "yes"}, key="broken-once")
    assert not VisitAction.objects.exists()
    assert not Note.objects.filter(case=visit).exists()
    monkeypatch.undo()
    assert tap(visit, "call", {"reached": "yes"}, key="broken-once").outcome == "done"


def test_a_refusal_half_way_leaves_only_its_entry(visit, monkeypatch):
    def half(*_args):
        conversation.record_call(appointment_id=visit.pk, by=visit.owner, note="half", reached=True, at=TUESDAY_TEN)
        raise DomainError("The other half is not possible.")

    monkeypatch.setitem(actions.EFFECTS, "call", half)
    entry = tap(visit, "call", {"reached": "yes"})
    assert (entry.outcome, entry.reasons) == ("refused", ["The other half is not possible."])
    assert not Note.objects.filter(case=visit).exists()
    assert VisitAction.objects.count() == 1


# --- dated by when it was tapped --------------------------------------------------------------------------------------


def test_a_whole_visit_in_a_tunnel_is_dated_as_it_was_tapped_and_the_window_kept(visit):
    """Set off, arrived and done without a connection; the sweep had counted the visit as missed meanwhile."""
    over = TUESDAY_TEN + TWO_HOURS
    tick(TUESDAY_TEN - timedelta(minutes=40))
    tick(over + timedelta(minutes=15))
    assert fresh(visit).state == State.MISSED
    heard = over + timedelta(minutes=30)

    def minutes(number):
        return TUESDAY_TEN + timedelta(minutes=number)

    taps = [
        ("check", CHECKS, minutes(-10)),
        ("set_off", {"minutes": "20"}, minutes(0)),
        ("arrive", {"code": arrival_code(fresh(visit))}, minutes(20)),
        ("record", ON_SITE, minutes(70)),
        ("finish", {"report": "Splitter replaced"}, minutes(80)),
    ]
    outcomes = [tap(visit, action, values, at=at, heard_at=heard) for action, values, at in taps]
    assert [entry.outcome for entry in outcomes] == ["done"] * 5
    visit = fresh(visit)
    assert (visit.state, visit.arrived_at, visit.resolved_at) == (State.DONE, minutes(20), minutes(80))
    assert visit.left_at == minutes(0)
    assert verdict(visit, "visit_window", heard) == Verdict.MET
    assert Compensation.objects.get(appointment=visit).excluded == "kept"
    assert kinds(visit).count("visit_arrived") == kinds(visit).count("visit_finished") == 1
    assert verify_timeline(visit) == []


def test_moments_that_cannot_be_believed_are_refused_and_kept(visit):
    ahead = tap(visit, "arrive", at=TUESDAY_TEN + timedelta(minutes=6), heard_at=TUESDAY_TEN)
    assert (ahead.outcome, ahead.field) == ("refused", "at")
    stale = tap(visit, "arrive", at=TUESDAY_TEN - timedelta(hours=13), heard_at=TUESDAY_TEN)
    assert (stale.outcome, stale.field) == ("refused", "at")
    assert fresh(visit).arrived_at is None
    # A clock a little ahead is set right.
    tap(visit, "arrive", at=TUESDAY_TEN + timedelta(minutes=2), heard_at=TUESDAY_TEN)
    assert fresh(visit).arrived_at == TUESDAY_TEN


def test_an_arrival_can_be_given_its_time(visit):
    at = TUESDAY_TEN + timedelta(minutes=30)  # 10:30 on site
    refused = tap(visit, "arrive", {"time": "10:45"}, at=at)  # read as yesterday's, which nobody believes
    assert refused.outcome == "refused"
    assert tap(visit, "arrive", {"time": "10:05"}, at=at).outcome == "done"
    assert fresh(visit).arrived_at == TUESDAY_TEN + timedelta(minutes=5)


def test_nobody_arrives_before_setting_off(visit):
    tap(visit, "check", CHECKS)
    tap(visit, "set_off", {"minutes": "20"}, at=TUESDAY_TEN)
    refused = tap(visit, "arrive", {"time": "09:50"}, at=TUESDAY_TEN + timedelta(minutes=20))
    assert (refused.outcome, refused.field) == ("refused", "time")


# --- refused, and nothing lost ----------------------------------------------------------------------------------------


def test_what_was_written_is_kept_with_the_reasons(visit, technician):
    tap(visit, "arrive")
    entry = tap(visit, "finish", {"report": "Replaced the splitter"})
    assert entry.outcome == "refused"
    assert len(entry.reasons) == 3
    assert entry.values == {"report": "Replaced the splitter"}
    assert list(unseen(technician)) == [entry]
    tap(visit, "record", ON_SITE)
    assert tap(visit, "finish", {"report": "Replaced the splitter"}).outcome == "done"
    assert not unseen(technician).exists()  # it was put right


def test_a_visit_given_to_somebody_else_meanwhile(visit, technician):
    other = center.technician("qian")
    crews.reassign_crew(appointment_id=visit.pk, technicians=[other.pk], by=builders.person("dispatcher"), at=MONDAY)
    for action, values in (("arrive", {}), ("call", {"reached": "yes"}), ("check", CHECKS)):
        entry = tap(visit, action, values, by=technician)
        assert entry.outcome == "refused"
        assert "no longer in your plan" in entry.reasons[0]
    assert fresh(visit).arrived_at is None
    assert not Note.objects.filter(case=visit).exists()


def test_a_tap_of_an_earlier_booked_time_touches_no_other(visit, technician):
    cycle = visit.cycle
    services.move_appointment(
        appointment_id=visit.pk, starts_at=TUESDAY_TEN + timedelta(days=1), by=visit.customer, at=MONDAY
    )
    late = TUESDAY_TEN + timedelta(days=1)
    entry = tap(visit, "check", CHECKS, at=late, cycle=cycle)
    assert entry.outcome == "refused"
    assert not VisitRecord.objects.exists()
    assert tap(visit, "check", CHECKS, at=late, cycle=cycle + 1).outcome == "done"


@pytest.mark.parametrize(
    ("action", "values", "field"),
    [
        ("check", {"tools_checked": "on"}, "materials_checked"),
        ("set_off", {}, "minutes"),
        ("set_off", {"minutes": "soon"}, "minutes"),
        ("set_off", {"minutes": "241"}, "minutes"),
        ("call", {"note": "Hello"}, "reached"),
        ("arrive", {"code": "0000000"}, "code"),
        ("arrive", {"time": "later"}, "time"),
        ("record", {"download_mbps": "fast"}, "download_mbps"),
        ("record", {"download_mbps": "-5"}, "download_mbps"),
        ("record", {"pair_from": "A-1"}, "pair_to"),
        ("record", {"software_installed": "on"}, "software_consent"),
        ("record", {"indoor_wiring": "x" * 201}, "indoor_wiring"),
        ("finish", {"report": " "}, "report"),
        ("fail", {"reason": "moon", "note": "x"}, "reason"),
        ("fail", {"reason": "line", "note": ""}, "note"),
        ("absent", {"notice": "x" * 2001}, "notice"),
    ],
)
def test_input_that_cannot_be_taken_names_its_field(visit, action, values, field):
    if action in ("set_off",):
        tap(visit, "check", CHECKS)
    if action in ("record", "finish", "fail", "absent"):
        tap(visit, "arrive")
    if action == "finish":
        tap(visit, "record", ON_SITE)
    before = (fresh(visit).state, fresh(visit).version)
    entry = tap(visit, action, values)
    assert (entry.outcome, entry.field) == ("refused", field)
    assert (fresh(visit).state, fresh(visit).version) == before


def test_of_two_speeds_the_refusal_says_which_one_is_no_number(visit):
    tap(visit, "arrive")
    entry = tap(visit, "record", ON_SITE | {"upload_mbps": "-5", "download_mbps": "３１２，５"})
    assert entry.reasons == ["Upload, Mbit/s: write a number such as 312.5."]


def test_a_comma_is_a_decimal_point(visit):
    tap(visit, "record", ON_SITE | {"download_mbps": "312,5"})
    assert str(VisitRecord.objects.get().download_mbps) == "312.50"


def test_nobody_sets_off_without_the_checklist_or_half_a_day_before(visit):
    refused = tap(visit, "set_off", {"minutes": "20"})
    assert "checklist" in refused.reasons[0]
    tap(visit, "check", CHECKS, at=MONDAY)
    refused = tap(visit, "set_off", {"minutes": "20"}, at=TUESDAY_TEN - timedelta(hours=4, seconds=1))
    assert "too early" in refused.reasons[0]
    assert tap(visit, "set_off", {"minutes": "20"}, at=TUESDAY_TEN - timedelta(hours=4)).outcome == "done"


def test_the_other_ends_of_a_visit(visit):
    tap(visit, "arrive")
    assert tap(visit, "fail", {"reason": "parts", "note": "No splitter left"}).outcome == "done"
    assert fresh(visit).state == State.FAILED
    second = book(builders.customer("王芳", "13912345678"), starts_at=TUESDAY_TEN + timedelta(hours=3))
    there = second.starts_at
    early = tap(second, "absent", {"notice": "Card at the door"}, at=there - timedelta(minutes=1))
    assert early.outcome == "refused"
    assert tap(second, "absent", {"notice": "Card at the door"}, at=there).outcome == "done"
    assert fresh(second).state == State.ABSENT


# --- photos -----------------------------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 40


def photo(content=PNG, name="door.png"):
    return SimpleUploadedFile(name, content, content_type="image/png")


def test_a_photo_is_evidence_of_the_visit_once(visit, attachments_folder):
    for _ in range(2):
        assert tap(visit, "photo", key="photo-once", photo=photo()).outcome == "done"
    kept = Attachment.objects.get()
    assert (kept.case_id, kept.kind, kept.visibility, kept.at) == (visit.pk, "photo", "internal", TUESDAY_TEN)
    assert kept.by == visit.owner
    assert verify_timeline(fresh(visit)) == []


@pytest.mark.parametrize("content", [b"just words", b"", b"%PDF-1.7 a document", b"MZ a program"])
def test_what_is_no_photo_is_refused_and_leaves_no_file(visit, attachments_folder, content):
    entry = tap(visit, "photo", photo=photo(content))
    assert entry.outcome == "refused"
    assert entry.field in ("files", "photo")
    assert not Attachment.objects.exists()
    assert not [path for path in attachments_folder.rglob("*") if path.is_file()]


def test_a_photo_of_a_visit_that_is_not_ours_leaves_no_file(visit, attachments_folder):
    assert tap(visit, "photo", photo=photo(), by=center.technician("qian")).outcome == "refused"
    assert not [path for path in attachments_folder.rglob("*") if path.is_file()]


def test_without_a_photo_there_is_nothing_to_keep(visit):
    assert tap(visit, "photo").field == "photo"


@pytest.mark.parametrize("key", ["", "short", "x" * 65, "with space", "semi;colon"])
def test_keys_that_cannot_be_used(visit, key):
    with pytest.raises(InvalidInput) as refusal:
        tap(visit, "arrive", key=key)
    assert refusal.value.field == "key"
    assert not VisitAction.objects.exists()


# --- the address the phone sends to -----------------------------------------------------------------------------------


@pytest.fixture
def phone(client, technician, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: TUESDAY_TEN + timedelta(minutes=1))
    technician.language = "en"
    technician.save()
    client.force_login(technician)
    return client


def post(client, body, **options):
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(reverse("appointments:actions"), content, content_type="application/json", **options)


def arriving(booked, **fields):
    return {
        "key": "phone-key-1", "visit": booked.number, "action": "arrive", "at": TUESDAY_TEN.isoformat(), "values": {},
    } | fields  # fmt: skip


def test_the_phone_sends_a_tap(phone, visit):
    answer = post(phone, arriving(visit))
    assert answer.status_code == 200
    assert answer.json() == {"key": "phone-key-1", "outcome": "done", "reasons": [], "field": ""}
    assert fresh(visit).arrived_at == TUESDAY_TEN
    assert post(phone, arriving(visit)).json() == answer.json()
    assert kinds(visit).count("visit_arrived") == 1


def test_a_refusal_is_an_answer_too(phone, visit):
    answer = post(phone, arriving(visit, values={"code": "12"}))
    assert answer.status_code == 200
    assert (answer.json()["outcome"], answer.json()["field"]) == ("refused", "code")
    assert post(phone, arriving(visit, values={"code": "12"})).json() == answer.json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "body"),
        ("[]", "body"),
        ("nonsense", "body"),
        ('{"key": NaN}', "body"),
        ('{"key": "\\u0000"}', "body"),
        ('{"key": "\\ud800"}', "body"),
        (b"\xff\xfe", "body"),
        ("[" * 100_000, "body"),
        ({}, "key"),
        ({"key": "phone-key-1"}, "visit"),
        ({"key": 5}, "key"),
    ],
)
def test_what_cannot_be_read_is_named(phone, body, field):
    answer = post(phone, body)
    assert answer.status_code == 422
    assert answer.json()["field"] == field
    assert answer.json()["reasons"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-03-03T10:00:00"}, "at"),
        ({"at": "9999-12-31T23:59:59+00:00"}, "at"),
        ({"values": "x"}, "values"),
        ({"values": {"a": ["x"]}}, "values"),
        ({"values": {"notice": "x" * 20_001}}, "values"),
        ({"action": "explode"}, "action"),
        ({"key": "no"}, "key"),
    ],
)
def test_fields_that_cannot_be_read_are_named(phone, visit, fields, field):
    answer = post(phone, arriving(visit, **fields))
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert not VisitAction.objects.exists()


@pytest.mark.parametrize("number", ["A-0000-0000", "nonsense", "", "T-9999-9999"])
def test_a_visit_there_never_was(phone, visit, number):
    answer = post(phone, arriving(visit, visit=number))
    assert (answer.status_code, answer.json()["field"]) == (409, "visit")


def test_a_photo_is_sent_beside_the_same_json(phone, visit, attachments_folder):
    sent = {"tap": json.dumps(arriving(visit, action="photo")), "photo": photo()}
    answer = phone.post(reverse("appointments:actions"), sent)
    assert answer.json()["outcome"] == "done"
    assert Attachment.objects.get().at == TUESDAY_TEN
    unread = phone.post(reverse("appointments:actions"), {"photo": photo()})
    assert (unread.status_code, unread.json()["field"]) == (422, "body")


def test_a_phone_that_changed_hands_sends_nothing_in_another_name(phone, visit):
    answer = post(phone, arriving(visit, person=visit.owner_id + 1))
    assert (answer.status_code, answer.json()["code"]) == (409, "other_person")
    assert fresh(visit).arrived_at is None


def test_who_may_send(client, visit):
    assert post(client, arriving(visit)).status_code == 401
    for role in ("auditor", "agent", "dispatcher", "lead", "supervisor", "administrator"):
        client.force_login(builders.person(role))
        assert post(client, arriving(visit)).status_code == 403
    client.force_login(center.technician("qian"))
    # Somebody else's visit is refused, kept for whoever tapped it, and told no more than that.
    answer = post(client, arriving(visit, at=clock.now().isoformat()))
    assert answer.json()["outcome"] == "refused"
    assert fresh(visit).arrived_at is None
    assert client.get(reverse("appointments:actions")).status_code == 405


def test_without_the_token_nothing_is_taken(technician, visit):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(technician)
    assert post(strict, arriving(visit)).status_code == 403
    assert not VisitAction.objects.exists()


def test_a_refusal_is_put_away_by_whoever_it_is_for(phone, visit, technician):
    entry = tap(visit, "finish", {"report": "Done"}, at=TUESDAY_TEN)
    url = reverse("appointments:seen", args=[entry.key])
    phone.force_login(center.technician("qian"))
    phone.post(url)
    assert unseen(technician).exists()
    phone.force_login(technician)
    assert phone.post(url, {"next": "https://elsewhere.example/"}).url == "/visits/"
    assert not unseen(technician).exists()


def test_the_late_word_of_another_visit_can_not_end_this_one(visit):
    """`heard_at` decides nothing but what is believed: an arrival of the morning stays one of the morning."""
    visits.arrive(appointment_id=visit.pk, by=visit.owner, at=TUESDAY_TEN)
    entry = tap(visit, "arrive", at=TUESDAY_TEN, heard_at=TUESDAY_TEN + timedelta(hours=5))
    assert entry.outcome == "refused"
    assert kinds(visit).count("visit_arrived") == 1
