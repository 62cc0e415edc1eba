from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django import forms
from django.template import Context, Template
from django.utils.translation import override

from common import clockface
from common.templatetags import ui


def shown(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


def test_an_icon_points_into_the_sprite() -> None:
    assert shown('{% icon "timer" "i-l" %}') == (
        '<svg class="i i-l" aria-hidden="true"><use href="/static/icons.svg#timer"/></svg>'
    )


def test_a_running_chip_carries_what_the_countdown_needs() -> None:
    now = datetime(2026, 11, 20, 6, 32, tzinfo=UTC)
    with override("en"):
        chip = clockface.chip(state="running", due_at=now + timedelta(minutes=20), now=now, name="Resolution target")
        html = shown("{% sla_chip chip %}", chip=chip)
    assert 'class="sla sla-soon" data-level="soon" data-due="1795157520000" data-warn="1800"' in html
    assert 'role="timer" aria-label="Resolution target, 20:00 left, due 14:52"' in html
    assert 'data-label="Resolution target, {words}, due 14:52"' in html
    assert '<span class="sla-v">20:00 left</span>' in html


def test_a_stopped_chip_has_nothing_to_count() -> None:
    now = datetime(2026, 11, 20, 6, 32, tzinfo=UTC)
    html = shown("{% sla_chip chip %}", chip=clockface.chip(state="met", took=timedelta(minutes=4), now=now))
    assert "data-due" not in html
    assert "role=" not in html


def test_no_chip_leaves_no_mark() -> None:
    assert shown("{% sla_chip chip %}", chip=None).strip() == ""


@pytest.mark.parametrize(
    ("given", "formatted", "masked"),
    [
        ("13812345678", "138 1234 5678", "138****5678"),
        ("+86 138-1234-5678", "138 1234 5678", "138****5678"),
        ("010-6512 3456", "010-6512 3456", "****3456"),
        ("10086", "10086", "****86"),
        ("", "", ""),
        (None, "", ""),
    ],
)
def test_phones(given: str | None, formatted: str, masked: str) -> None:
    assert ui.phone(given) == formatted
    assert ui.masked_phone(given) == masked


@pytest.mark.parametrize(
    ("name", "letters"), [("王建国", "王"), ("Wang Jianguo", "WJ"), ("daniel", "D"), ("", "?"), (None, "?")]
)
def test_initials(name: str | None, letters: str) -> None:
    assert ui.initials(name) == letters


def test_a_moment_keeps_the_full_time_for_machines_and_hints() -> None:
    value = datetime(2025, 11, 20, 6, 20, tzinfo=UTC)
    with override("en"):
        assert shown("{% moment value %}", value=value) == (
            '<time datetime="2025-11-20T06:20:00+00:00" title="Thu 20 Nov 2025, 14:20">20 Nov 2025, 14:20</time>'
        )
    assert shown("{% moment value %}", value=None) == ""


def test_the_summary_counts_what_is_wrong_and_names_the_field_where_the_words_would_not() -> None:
    class Person(forms.Form):
        name = forms.CharField(label="Full name", error_messages={"required": "Please fill this in."})
        code = forms.CharField(label="Code", error_messages={"required": "Please fill this in."})
        kind = forms.CharField(error_messages={"required": "Choose a type."})

        def clean(self) -> None:
            raise forms.ValidationError("Not now.")

    with override("en"):
        html = shown('{% include "ui/errors.html" %}', form=Person({}))
    assert "4 things to put right" in html
    assert re.findall(r"<li>(?:<a [^>]*>)?([^<]*)", html) == [
        "Not now.",
        "Full name: Please fill this in.",
        "Code: Please fill this in.",
        "Choose a type.",
    ]
