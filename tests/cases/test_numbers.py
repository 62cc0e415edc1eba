"""Case numbers that people read to each other: a slip of the tongue must not lead to somebody else's case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.numbers import key_of, number_of
from common.numbers import damm

KEYS = st.integers(min_value=1, max_value=10**12)


@given(KEYS)
def test_a_number_leads_back_to_its_case_however_it_is_typed(key):
    number = number_of("T", key)
    digits = number.replace("-", "").lstrip("T")
    for typed in (number, number.lower(), digits, f"  {number} ", number.replace("-", " "), number.replace("-", "–")):
        assert key_of(typed) == key


def test_the_form_of_a_number():
    assert number_of("T", 1) == f"T-0000-001{damm('0000001')}"
    assert len(number_of("T", 9_999_999)) == len("T-0042-8836")
    assert len(number_of("T", 10_000_000)) == len("T-0042-8836") + 1


@given(KEYS)
def test_every_single_wrong_digit_is_caught(key):
    digits = number_of("T", key).replace("-", "").lstrip("T")
    for position, digit in enumerate(digits):
        for other in set("0123456789") - {digit}:
            assert key_of(digits[:position] + other + digits[position + 1 :]) is None


@given(KEYS)
def test_every_swap_of_neighbors_is_caught(key):
    digits = number_of("T", key).replace("-", "").lstrip("T")
    for position in range(len(digits) - 1):
        one, two = digits[position], digits[position + 1]
        if one != two:
            assert key_of(digits[:position] + two + one + digits[position + 2 :]) is None


@pytest.mark.parametrize(
    "text", ["", "T", "T-", "abc", "1234567", "T-0042", "T-0042-883x", "9" * 30, "TT0042-8839", "-"]
)
def test_what_is_no_number_is_none(text):
    assert key_of(text) is None


def test_full_width_digits_are_digits():
    number = number_of("T", 42)
    wide = number.translate({ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)})
    assert key_of(wide) == 42
