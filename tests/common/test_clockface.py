from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils.translation import override

from common.clockface import Chip, ago, chip, day, full_when, span, when

NOW = datetime(2026, 11, 20, 6, 32, 5, tzinfo=UTC)  # a Friday, 14:32:05 in Shanghai


def made(**facts: object) -> Chip:
    result = chip(now=NOW, **facts)  # type: ignore[arg-type]
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("length", "english", "chinese"),
    [
        (timedelta(0), "00:00", "00:00"),
        (timedelta(minutes=27, seconds=55), "27:55", "27:55"),
        (timedelta(minutes=59, seconds=59.9), "59:59", "59:59"),
        (timedelta(hours=1), "1h 00m", "1时00分"),
        (timedelta(hours=2, minutes=42), "2h 42m", "2时42分"),
        (timedelta(hours=23, minutes=59, seconds=59), "23h 59m", "23时59分"),
        (timedelta(days=1, hours=4), "1d 4h", "1天4时"),
        (-timedelta(minutes=8, seconds=24), "08:24", "08:24"),
    ],
)
def test_a_span_reads_the_same_in_both_languages(length: timedelta, english: str, chinese: str) -> None:
    with override("en"):
        assert span(length) == english
    with override("zh-hans"):
        assert span(length) == chinese


@pytest.mark.parametrize(
    ("due_in", "level", "english", "chinese"),
    [
        (timedelta(minutes=30, seconds=1), "ok", "30:01 left", "剩 30:01"),
        (timedelta(minutes=30), "soon", "30:00 left", "剩 30:00"),
        (timedelta(0), "soon", "00:00 left", "剩 00:00"),
        (-timedelta(seconds=1), "over", "Over 00:01", "超时 00:01"),
        (-timedelta(minutes=8, seconds=24), "over", "Over 08:24", "超时 08:24"),
    ],
)
def test_a_running_clock_has_the_level_of_its_due_time(
    due_in: timedelta, level: str, english: str, chinese: str
) -> None:
    with override("en"):
        shown = made(state="running", due_at=NOW + due_in)
    assert (shown.level, shown.words) == (level, english)
    with override("zh-hans"):
        assert made(state="running", due_at=NOW + due_in).words == chinese


def test_the_warning_of_a_short_target_comes_later() -> None:
    due_at = NOW + timedelta(minutes=10)
    assert made(state="running", due_at=due_at, warn=timedelta(minutes=4)).level == "ok"
    assert made(state="running", due_at=due_at, warn=timedelta(minutes=4)).warn_s == 240


@pytest.mark.parametrize(
    ("facts", "icon", "english", "chinese"),
    [
        (
            {"state": "paused", "left": timedelta(hours=4, minutes=30)},
            "circle-pause",
            "Paused · 4h 30m left",
            "暂停 · 余 4时30分",
        ),
        (
            {"state": "paused", "left": -timedelta(minutes=5)},
            "circle-pause",
            "Paused · over 05:00",
            "暂停 · 已超 05:00",
        ),
        ({"state": "paused"}, "circle-pause", "Paused", "暂停"),
        ({"state": "met", "took": timedelta(minutes=4, seconds=12)}, "circle-check", "Met in 04:12", "达标 · 04:12"),
        ({"state": "missed", "over": timedelta(minutes=21)}, "circle-x", "Missed by 21:00", "未达标 · 超 21:00"),
    ],
)
def test_a_clock_that_stands_does_not_tick(facts: dict[str, object], icon: str, english: str, chinese: str) -> None:
    with override("en"):
        shown = made(**facts)
    assert (shown.icon, shown.words, shown.due_ms, shown.warn_s) == (icon, english, None, None)
    with override("zh-hans"):
        assert made(**facts).words == chinese


def test_nothing_is_shown_without_a_clock() -> None:
    assert chip(state="none", now=NOW) is None
    assert chip(state="running", now=NOW) is None


def test_the_accessible_name_says_name_words_and_due_time() -> None:
    due_at = datetime(2026, 11, 20, 9, 14, tzinfo=UTC)
    with override("zh-hans"):
        shown = made(state="running", due_at=due_at, name="解决时限")
    assert shown.label == "解决时限，剩 2时41分，17:14 到期"
    assert shown.label_pattern == "解决时限，{words}，17:14 到期"
    assert shown.due_ms == int(due_at.timestamp() * 1000)


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (datetime(2026, 11, 20, 6, 20, tzinfo=UTC), "14:20", "14:20"),
        (datetime(2026, 11, 19, 16, 0, tzinfo=UTC), "00:00", "00:00"),  # today began at 16:00 UTC
        (datetime(2026, 11, 19, 6, 20, tzinfo=UTC), "19 Nov, 14:20", "11 月 19 日 14:20"),
        (datetime(2025, 11, 20, 6, 20, tzinfo=UTC), "20 Nov 2025, 14:20", "2025 年 11 月 20 日 14:20"),
    ],
)
def test_the_short_time_leaves_out_what_is_plain(value: datetime, english: str, chinese: str) -> None:
    with override("en"):
        assert when(value, NOW) == english
    with override("zh-hans"):
        assert when(value, NOW) == chinese


def test_the_full_time_leaves_nothing_out() -> None:
    with override("en"):
        assert (full_when(NOW), day(NOW)) == ("Fri 20 Nov 2026, 14:32", "20 November 2026")
    with override("zh-hans"):
        assert (full_when(NOW), day(NOW)) == ("2026 年 11 月 20 日（周五）14:32", "2026 年 11 月 20 日")


@pytest.mark.parametrize(
    ("back", "english"),
    [
        (timedelta(seconds=40), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(minutes=60), "13:32"),
        (-timedelta(minutes=5), "14:37"),
    ],
)
def test_ago_is_only_for_the_last_hour(back: timedelta, english: str) -> None:
    with override("en"):
        assert ago(NOW - back, NOW) == english
