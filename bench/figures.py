"""How figures are taken and kept: everything that measures writes into one table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

results: list[tuple[str, str, str, str]] = []


def note(what: str, figure: str, limit: str = "", holds: bool | None = None) -> None:
    results.append((what, figure, limit, "" if holds is None else ("yes" if holds else "NO")))
    print(f"{what:<66} {figure:>26}  {limit:<14} {results[-1][3]}", flush=True)


def p50(function: Callable[[], Any], times: int) -> float:
    """The median of `times` runs, in milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def cpu(function: Callable[[], Any], times: int) -> float:
    """The median of our own work in `times` runs, in milliseconds; what the database does meanwhile is left out."""
    taken = []
    for _ in range(times):
        start = time.thread_time()
        function()
        taken.append((time.thread_time() - start) * 1000)
    return statistics.median(taken)


def statements(function: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        function()
    return sum(1 for query in captured if query["sql"].split()[0] not in {"BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"})


def write(path: Path) -> bool:
    """Write the table; whether every limit was kept."""
    lines = ["| figure | measured | limit | holds |", "|---|---|---|---|"]
    lines += [f"| {what.strip()} | {figure} | {limit} | {holds} |" for what, figure, limit, holds in results]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return all(row[3] != "NO" for row in results)
