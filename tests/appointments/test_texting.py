"""Booking by text message: the grammar, with what people really type (requirements.md APT-03, §30 point 19)."""

from __future__ import annotations

from datetime import date

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from appointments.texting import Command, Wish, read
from common.errors import InvalidInput

TODAY = date(2026, 11, 22)
NOVEMBER_23 = date(2026, 11, 23)


@pytest.mark.parametrize(
    "text",
    [
        "BOOK BROADBAND 11-23 10-12",
        "book broadband 11/23 10:00-12:00",
        " Book  broadband, 1123, 10 ",
        "BOOK INTERNET tomorrow 10",
        "BOOK broadband 2026-11-23 10-12",
        "BOOK BROADBAND 20261123 10-12",
        "预约宽带维修２０２６１１２３ 10点",
        "预约 宽带维修 11-23 10-12",
        "预约宽带维修明天10-12",
        "预约 修宽带 11月23日10点-12点",
        "预约修宽带 11月23日 10至12",
        "ＹＹ　宽带　１１－２３　１０－１２",
        "YY+宽带维修 11.23 10~12",
    ],
)
def test_ways_to_book_the_same(text):
    assert read(text, today=TODAY) == Wish(Command.BOOK, "broadband-repair", NOVEMBER_23, 10)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("Y", Wish(Command.CONFIRM)),
        ("确认", Wish(Command.CONFIRM)),
        ("是", Wish(Command.CONFIRM)),
        ("取消", Wish(Command.CANCEL)),
        ("cancel A-0042-8836", Wish(Command.CANCEL, number="00428836")),
        ("改期 明天 15", Wish(Command.MOVE, day=NOVEMBER_23, hour=15)),
        ("MOVE 11-23 15-17 0042-8836", Wish(Command.MOVE, day=NOVEMBER_23, hour=15, number="00428836")),
        ("MOVE 20261123 15-17", Wish(Command.MOVE, day=NOVEMBER_23, hour=15)),
        ("MOVE 20261123 15-17 00428836", Wish(Command.MOVE, day=NOVEMBER_23, hour=15, number="00428836")),
        ("MOVE 00428836 20261123 15-17", Wish(Command.MOVE, day=NOVEMBER_23, hour=15, number="00428836")),
        ("MOVE 20261123 15-17 20261124", Wish(Command.MOVE, day=NOVEMBER_23, hour=15, number="20261124")),
        ("MOVE 20261124 11-23 15-17", Wish(Command.MOVE, day=NOVEMBER_23, hour=15, number="20261124")),
        ("CANCEL 20261123", Wish(Command.CANCEL, number="20261123")),
        ("A", Wish(Command.ACCEPT)),
        ("查询", Wish(Command.ASK)),
        ("？", Wish(Command.HELP)),
        ("预约 移机 1-5 8", Wish(Command.BOOK, "broadband-move", date(2027, 1, 5), 8)),
    ],
)
def test_commands(text, wish):
    assert read(text, today=TODAY) == wish


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("BOOK", "service"),
        ("预约 洗衣机 11-23 10", "service"),
        ("BOOK BROADBAND", "day"),
        ("BOOK BROADBAND soon 10", "day"),
        ("BOOK BROADBAND 2-30 10", "day"),
        ("BOOK BROADBAND 13-13 10", "day"),
        ("BOOK BROADBAND 20261323 10-12", "day"),
        ("BOOK BROADBAND 11-23", "hour"),
        ("BOOK BROADBAND 11-23 evening", "hour"),
        ("BOOK BROADBAND 11-23 99", "hour"),
        ("BOOK BROADBAND 11-23 10 please", "text"),
        ("CANCEL everything", "text"),
    ],
)
def test_what_is_wrong_is_named(text, field):
    with pytest.raises(InvalidInput) as refusal:
        read(text, today=TODAY)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Thank you!",
        "Yesterday it broke",
        "About my bill",
        "谢谢",
        "🙂",
        "BOOKING?",
        "Yes, but not at ten",
        "是不是明天来？",
    ],
)
def test_what_is_no_command_is_for_people(text):
    assert read(text, today=TODAY) is None


@given(st.sampled_from(["", "BOOK ", "改期", "YY 宽带 "]), st.text(max_size=60))
def test_any_text_is_read_or_refused_with_the_part_that_is_wrong(beginning, text):
    assert _field(beginning + text) in {"", "service", "day", "hour", "text"}


def _field(text: str) -> str:
    try:
        read(text, today=TODAY)
    except InvalidInput as refusal:
        return refusal.field
    return ""


def test_who_copies_the_example_of_an_answer_books_a_day_to_come():
    for wrong in ("BOOK", "BOOK BROADBAND"):
        with pytest.raises(InvalidInput) as refused:
            read(wrong, today=TODAY)
        assert "11-24" in str(refused.value)
    assert read("BOOK BROADBAND 11-24 10-12", today=TODAY).day == date(2026, 11, 24)


def test_a_day_that_has_passed_is_called_that_and_not_one_of_next_year():
    with translation.override("en"), pytest.raises(InvalidInput) as refused:
        read("BOOK BROADBAND 11-20 10-12", today=TODAY)
    assert (refused.value.field, str(refused.value)) == ("day", "This day has passed: 11-20. Name one to come.")


@pytest.mark.parametrize(("language", "known"), [("en", "BROADBAND, PHONE"), ("zh-hans", "宽带维修、固话维修")])
def test_what_can_be_booked_is_named_in_the_reader_s_own_words(language, known):
    with translation.override(language), pytest.raises(InvalidInput) as refused:
        read("BOOK", today=TODAY)
    assert known in str(refused.value)
