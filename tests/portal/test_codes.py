"""One-time codes: what they are good for, for how long, how often, and what they never tell."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from common.errors import InvalidInput
from notifications.models import Message
from portal import codes, quotas
from portal.models import Quota, Session
from tests.builders import MONDAY
from tests.portal.visitors import PHONE, code_sent

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def visit() -> Session:
    count = Session.objects.count()
    return Session.objects.create(digest=str(count), created_at=MONDAY, ends_at=MONDAY + timedelta(hours=12))


def send(session, phone=PHONE, *, address="192.0.2.1", at=MONDAY, language="zh-hans"):
    return codes.send_code(session=session, phone=phone, address=address, language=language, at=at)


def check(session, code, *, address="192.0.2.1", at=MONDAY):
    return codes.check_code(session=session, code=code, address=address, at=at)


def wrong(code):
    return f"{(int(code) + 1) % 10**6:06d}"


def test_the_code_proves_the_number_it_was_sent_to():
    session = visit()
    assert send(session, "138 1234-5678") == "+8613812345678"
    message = Message.objects.get()
    assert (message.channel, message.recipient, message.language) == ("sms", "+8613812345678", "zh-hans")
    assert len(code_sent()) == 6
    assert check(session, code_sent()) == "+8613812345678"


@pytest.mark.parametrize(
    "typed", [" {} ", "{0[0]}{0[1]}{0[2]} {0[3]}{0[4]}{0[5]}", "{0[0]}{0[1]}{0[2]}-{0[3]}{0[4]}{0[5]}"]
)
def test_spaces_and_dashes_are_no_mistakes(typed):
    session = visit()
    send(session)
    assert check(session, typed.format(code_sent())) == "+8613812345678"


def test_figures_of_a_chinese_keyboard_are_figures():
    session = visit()
    send(session)
    assert check(session, "".join(chr(ord("０") + int(figure)) for figure in code_sent()))


def test_a_code_is_good_once():
    session = visit()
    send(session)
    check(session, code_sent())
    with pytest.raises(codes.DeadCode):
        check(session, code_sent())


def test_it_is_good_for_five_minutes():
    session = visit()
    send(session)
    with pytest.raises(codes.DeadCode):
        check(session, code_sent(), at=MONDAY + 5 * MINUTE + timedelta(seconds=1))
    assert check(session, code_sent(), at=MONDAY + 5 * MINUTE)


def test_after_five_wrong_tries_the_right_one_is_too_late():
    session = visit()
    send(session)
    for _ in range(4):
        with pytest.raises(codes.WrongCode):
            check(session, wrong(code_sent()))
    with pytest.raises(codes.DeadCode):
        check(session, wrong(code_sent()))
    with pytest.raises(codes.DeadCode):
        check(session, code_sent())


def test_a_new_code_makes_the_old_one_worthless():
    session = visit()
    send(session)
    old = code_sent()
    send(session, at=MONDAY + 2 * MINUTE)
    if old != code_sent():
        with pytest.raises(codes.WrongCode):
            check(session, old, at=MONDAY + 2 * MINUTE)
    assert check(session, code_sent(), at=MONDAY + 2 * MINUTE)


def test_it_works_only_where_it_was_asked_for():
    mine, theirs = visit(), visit()
    send(mine)
    with pytest.raises(codes.DeadCode):
        check(theirs, code_sent())


def test_neither_code_nor_number_is_readable_at_rest():
    session = visit()
    send(session)
    with connection.cursor() as cursor:
        for table in ("portal_session", "portal_quota"):
            cursor.execute(f"SELECT * FROM {table}")
            text = str(cursor.fetchall())
            assert code_sent() not in text
            assert "12345678" not in text


@pytest.mark.parametrize(
    "phone", ["1381234567", "010-62345678", "+49 170 1234567", "+1 202 555 0100", "12012345678", "abc", ""]
)
def test_codes_go_to_mobile_numbers_of_the_mainland_only(phone):
    with pytest.raises(InvalidInput) as refused:
        send(visit(), phone)
    assert refused.value.field == "phone"
    assert not Message.objects.exists()
    assert not Quota.objects.exists()


def test_a_minute_lies_between_two_codes_to_one_number():
    send(visit())
    with pytest.raises(quotas.TooOften) as told:
        send(visit(), at=MONDAY + timedelta(seconds=20))
    assert told.value.wait == timedelta(seconds=40)
    assert [str(reason) for reason in told.value.reasons] == ["Please try again in 40 seconds."]
    send(visit(), "13900001111", at=MONDAY + timedelta(seconds=20))
    send(visit(), at=MONDAY + MINUTE)
    assert Message.objects.count() == 3


def test_five_an_hour_and_ten_a_day_to_one_number():
    sent, at = [], MONDAY
    while at < MONDAY + timedelta(hours=24):
        try:
            send(visit(), address=str(at), at=at)
        except quotas.TooOften:
            pass
        else:
            sent.append(at)
        at += 10 * MINUTE
    assert len(sent) == 10
    assert sum(at < MONDAY + timedelta(hours=1) for at in sent) == 5
    send(visit(), at=MONDAY + timedelta(hours=24))


def test_one_address_cannot_send_to_ever_new_numbers(monkeypatch):
    monkeypatch.setattr(quotas, "CODE_FROM", ((3, quotas.HOUR),))
    for number in range(3):
        send(visit(), f"1380000000{number}")
    with pytest.raises(quotas.TooOften):
        send(visit(), "13800000009")
    assert Message.objects.count() == 3
    send(visit(), "13800000009", address="192.0.2.2")


def test_one_address_cannot_try_for_ever(monkeypatch):
    monkeypatch.setattr(quotas, "CODE_TRIED_FROM", ((2, quotas.HOUR),))
    session = visit()
    send(session)
    for _ in range(2):
        with pytest.raises(codes.WrongCode):
            check(session, wrong(code_sent()))
    with pytest.raises(quotas.TooOften):
        check(session, code_sent())


def test_what_no_limit_looks_at_any_more_is_thrown_away():
    old = visit()
    send(old)
    later = MONDAY + timedelta(days=3)
    fresh = Session.objects.create(digest="fresh", created_at=later, ends_at=later + timedelta(hours=12))
    send(fresh, "13900001111", at=later)
    assert list(Session.objects.all()) == [fresh]
    assert Quota.objects.filter(used_at__lt=later).count() == 0
