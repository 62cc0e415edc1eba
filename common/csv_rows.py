"""Any CSV, row by row, and nothing lost silently.

A broken row is reported by its line in the file (counted as an editor counts) and the rest is read. A quote that is
never closed would swallow the file: there reading goes on at the line after the one that opened it.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .text import is_storable

_MOST_LINES = 5000  # of one row
_MARK = "\udcff"  # stands for bytes that are no text, so that their row alone is refused
MARKING = "servicecenter.mark"
codecs.register_error(MARKING, lambda problem: (_MARK, problem.end))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Broken:
    """A row that could not be taken, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class Damaged(Exception):
    """The file cannot be read on from this line; what came before it is good."""

    def __init__(self, line: int, reason: str) -> None:
        self.broken = Broken(line, reason)
        super().__init__(str(self.broken))


def open_text(path: Path, encoding: str) -> IO[str]:
    """The file as text, unpacked if it is gzip; bytes that are no text stay as marks, for their row to be refused."""
    raw = path.open("rb")
    packed = raw.peek(2)[:2] == b"\x1f\x8b"  # a pipe cannot be wound back
    content: Any = gzip.GzipFile(fileobj=raw) if packed else raw
    encoding = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    return io.TextIOWrapper(content, encoding=encoding, errors=MARKING, newline="")


def rows(text: IO[str], delimiter: str) -> Iterator[tuple[int, list[str] | Broken]]:
    """Each row with the number of its first line; a row that is no CSV comes as Broken. Raises Damaged.

    Of a row of several lines whose quotes are odd in number one was never closed, or never opened; one that has not as
    many fields as the first row looks like it too. Its first line is refused, and what it swallowed is read again.
    """
    lines, width = _Lines(text), 0
    while True:
        first = lines.number + 1
        taken: list[str] = []
        try:
            row = next(csv.reader(lines.take(taken), delimiter=delimiter, strict=True), None)
        except csv.Error as problem:
            lines.give_back(taken[1:])
            yield first, Broken(first, f"not CSV: {problem}")
            continue
        if row is None:
            return
        width = width or len(row)
        if len(taken) > 1 and sum(line.count('"') for line in taken) % 2:
            lines.give_back(taken[1:])
            yield first, Broken(first, "not CSV: a quote is never closed")
        elif len(taken) > 1 and len(row) != width:
            lines.give_back(taken[1:])
            yield first, Broken(first, f"{len(row)} fields where the header has {width}")
        elif not all(map(is_storable, row)):
            yield first, Broken(first, _unstorable(row))
        elif any(cell.strip() for cell in row):
            yield first, row


def _unstorable(row: list[str]) -> str:
    if any(_MARK in cell for cell in row):
        return "bytes that are not text in the stated encoding"
    if any("\x00" in cell for cell in row):
        return "a NUL in the text (a file of another encoding, such as utf-16, is full of them)"
    return "half a character"


class _Lines:
    """The physical lines of a file, some of which may be given back."""

    def __init__(self, text: IO[str]) -> None:
        self.text, self.back, self.number = text, deque[str](), 0

    def take(self, taken: list[str]) -> Iterator[str]:
        while len(taken) < _MOST_LINES:
            line = self.back.popleft() if self.back else self._next()
            if not line:
                return
            self.number += 1
            taken.append(line)
            yield line

    def _next(self) -> str:
        try:
            return self.text.readline()
        except EOFError:
            reason = "the gzip file ends in the middle"
        except (zlib.error, gzip.BadGzipFile) as problem:
            reason = f"the gzip file is damaged: {problem}"
        except UnicodeError as problem:
            reason = f"not text in the stated encoding: {problem}"
        except OSError as problem:
            reason = f"the file cannot be read: {problem.strerror or problem}"
        raise Damaged(self.number + 1, reason)

    def give_back(self, lines: list[str]) -> None:
        self.number -= len(lines)
        self.back.extendleft(reversed(lines))
