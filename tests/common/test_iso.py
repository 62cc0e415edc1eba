"""Instants of ISO 8601: what is written in its forms is read, what only looks like it is refused."""

from __future__ import annotations

import pytest

from common.iso import read_instant


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-09-24T10:00+08:00", "2026-09-24T10:00:00+08:00"),
        ("2026-09-24 10:00 +08:00", "2026-09-24T10:00:00+08:00"),
        ("20260924T1000+0800", "2026-09-24T10:00:00+08:00"),
        ("2026-09-24T10:00:00,5Z", "2026-09-24T10:00:00.500000+00:00"),
        ("2026-W39-4T10:00+08", "2026-09-24T10:00:00+08:00"),
        ("2026-09-24T10:00", "2026-09-24T10:00:00"),
        ("2026-09-24", "2026-09-24T00:00:00"),
    ],
)
def test_the_forms_of_the_standard_are_read(text, read):
    assert read_instant(text).isoformat() == read


@pytest.mark.parametrize(
    "text",
    [
        "2026-09-24T10:00x+08:00",
        "2026-09-24T10:00\n+08:00",
        "2026-09-24x10:00+08:00",
        "2026-09-24T10:00:00.+08:00",
        "2026-09-24T10:00+08:60",
        "2026-09-24T10:0015+08:00",
        "2026-02-30T10:00Z",
        "2026-9-24T10:00Z",
        "２０２６-09-24T10:00Z",
        "",
    ],
)
def test_what_only_looks_like_an_instant_is_refused(text):
    with pytest.raises(ValueError, match=r"(?i)iso|day is out of range"):
        read_instant(text)
