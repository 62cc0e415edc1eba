from __future__ import annotations

from typing import Any

import pytest
from django.utils.translation import override

from appointments.states import DayPart
from common import given
from common.errors import InvalidInput


def refusal(check: Any, *given: Any, **options: Any) -> tuple[str, str]:
    with override("en"):
        with pytest.raises(InvalidInput) as refused:
            check(*given, **options)
        return str(refused.value), refused.value.field


def test_text_is_kept_without_the_blanks_around_it():
    assert given.text("  a word \n", "reason", "Say why.", most=6) == "a word"
    assert given.short(" \n ", "note") == ""


def test_text_that_is_missing_or_too_long_is_refused_by_its_field():
    assert refusal(given.text, " \n", "reason", "Say why.") == ("Say why.", "reason")
    for check in (given.short, lambda *given_, **options: given.text(*given_, "Say why.", **options)):
        assert refusal(check, "seven77", "note", most=6) == ("At most 6 characters, please.", "note")


def test_a_choice_is_one_of_those_offered():
    assert given.choice("evening", DayPart, "part") == "evening"
    assert given.choices(["evening", "morning", "evening"], DayPart, "parts") == ["evening", "morning"]
    said = "Choose one of the values offered."
    assert refusal(given.choice, "night", DayPart, "part") == (said, "part")
    assert refusal(given.choices, ["evening", "night"], DayPart, "parts") == (said, "parts")
    assert refusal(given.choices, [0], range(1, 8), "weekdays") == (said, "weekdays")
