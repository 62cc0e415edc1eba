"""SVG charts made on the server: no script to load, colors from the style sheet (so themes and print work), every bar
a real link, and no inline style, so that the strict content policy holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 860, 306
LEFT, RIGHT, TOP, BOTTOM = 40, 44, 14, 30
_PLOT_W, _PLOT_H = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM


@dataclass(frozen=True)
class Column:
    """One category: a bar (or a forecast, or neither), a percentage on the line, and where a click leads."""

    label: str
    bar: int | None = None
    forecast: int | None = None
    percent: float | None = None
    hint: str = ""
    url: str = ""
    now: bool = False


def ticks(most: float, about: int = 4) -> list[float]:
    """Round tick values from 0 to at least `most`, in about that many whole steps."""
    raw = max(most, about) / about
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(
        factor * magnitude
        for factor in (1, 2, 2.5, 5, 10)
        if factor * magnitude >= raw and float(factor * magnitude).is_integer()
    )
    return [step * i for i in range(max(1, math.ceil(most / step)) + 1)]


def percent_ticks(percents: Iterable[float]) -> list[int]:
    """The right axis: from 70 %, lower only when a value is."""
    least = min(percents, default=100)
    if least >= 50:
        return list(range(70 if least >= 70 else 50, 101, 10))
    return list(range(25 if least >= 25 else 0, 101, 25))


def combo(
    chart_id: str, title: str, summary: str, columns: Sequence[Column], target: float, target_label: str
) -> SafeString:
    """Bars (left axis) with a percentage line (right axis), a target line and outlined forecast bars."""
    counts = [value for column in columns for value in (column.bar, column.forecast) if value is not None]
    scale = ticks(max(counts, default=0) * 1.05)
    percents = percent_ticks(column.percent for column in columns if column.percent is not None)
    low = percents[0]
    width = _PLOT_W / len(columns)
    # The label of the target stands at the end of the day, above the line, or under it when the curve runs above.
    crowded = any(column.percent is not None and column.percent > target for column in columns[-3:])
    # Beyond sixteen columns the hours no longer fit side by side.
    labelled = 1 if len(columns) <= 16 else 2

    def y(value: float) -> float:
        return TOP + _PLOT_H * (1 - value / scale[-1])

    def y_percent(value: float) -> float:
        return TOP + _PLOT_H * (1 - (value - low) / (100 - low))

    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="group" aria-labelledby="{}-title" aria-describedby="{}-summary">'
        '<title id="{}-title">{}</title><desc id="{}-summary">{}</desc>{}{}{}{}{}{}</svg>',
        WIDTH, HEIGHT, chart_id, chart_id, chart_id, title, chart_id, summary,
        format_html_join(
            "",
            '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
            '<text class="ax" x="{}" y="{}" text-anchor="end">{}</text>',
            (
                (LEFT, WIDTH - RIGHT, _px(y(tick)), _px(y(tick)), LEFT - 8, _px(y(tick) + 4), f"{tick:g}")
                for tick in scale
            ),
        ),
        format_html_join(
            "",
            '<text class="ax" x="{}" y="{}">{}%</text>',
            ((WIDTH - RIGHT + 8, _px(y_percent(tick) + 4), tick) for tick in percents),
        ),
        format_html_join(
            "",
            "{}",
            ((_bar(column, LEFT + i * width, width, y, named=not i % labelled),) for i, column in enumerate(columns)),
        ),
        format_html(
            '<line class="target" x1="{}" x2="{}" y1="{}" y2="{}"/>'
            '<text class="target-l" x="{}" y="{}" text-anchor="end">{}</text>',
            LEFT, WIDTH - RIGHT, _px(y_percent(target)), _px(y_percent(target)), WIDTH - RIGHT - 6,
            _px(y_percent(target) + (15 if crowded else -6)), target_label,
        ),
        *_line(
            [
                (LEFT + (i + 0.5) * width, y_percent(column.percent), column.percent < target)
                for i, column in enumerate(columns)
                if column.percent is not None
            ]
        ),
    )  # fmt: skip


def _bar(column: Column, x: float, width: float, y: Callable[[float], float], *, named: bool) -> SafeString:
    label = format_html(
        '<text class="ax" x="{}" y="{}" text-anchor="middle">{}</text>',
        _px(x + width / 2), HEIGHT - 10, column.label if named else "",
    )  # fmt: skip
    value = column.forecast if column.bar is None else column.bar
    if value is None:
        return label
    css = "bar-fc" if column.bar is None else "bar bar-now" if column.now else "bar"
    bar = format_html(
        '<rect class="{}" x="{}" width="{}" rx="3" y="{}" height="{}"/>',
        css, _px(x + width * 0.2), _px(width * 0.6), _px(y(value)), _px(TOP + _PLOT_H - y(value)),
    )  # fmt: skip
    if column.bar is None:
        return format_html("<g><title>{}</title>{}</g>{}", column.hint, bar, label)
    return format_html(
        '<a class="hit" href="{}"><title>{}</title><rect class="hitbox" x="{}" y="{}" width="{}" height="{}"/>{}</a>{}',
        column.url, column.hint, _px(x), TOP, _px(width), _PLOT_H, bar, label,
    )  # fmt: skip


def _line(points: Sequence[tuple[float, float, bool]]) -> tuple[SafeString, SafeString]:
    """Under target a red diamond, on target a ring: the shape says it as well as the color."""
    line = format_html('<polyline class="ln" points="{}"/>', " ".join(f"{x:.1f},{y:.1f}" for x, y, _under in points))
    marks = format_html_join(
        "",
        "{}",
        (
            (
                format_html('<path class="pt-miss" d="M{} {}l5.5 5.5l-5.5 5.5l-5.5-5.5Z"/>', _px(x), _px(y - 5.5))
                if under
                else format_html('<circle class="pt" cx="{}" cy="{}" r="3.5"/>', _px(x), _px(y)),
            )
            for x, y, under in points
        ),
    )
    return line, marks


def spark(values: Sequence[float], label: str, width: int = 112, height: int = 33) -> SafeString:
    """A small trend line with its last point marked; nothing for fewer than two values."""
    if len(values) < 2:
        return SafeString("")
    low, high = min(values), max(values)
    step = (width - 6) / (len(values) - 1)
    points = [
        (2 + i * step, 3 + (height - 6) * (1 - (value - low) / ((high - low) or 1))) for i, value in enumerate(values)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    last_x, last_y = points[-1]
    return format_html(
        '<svg class="spark" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<polygon class="spark-area" points="2,{} {} {},{}"/>'
        '<polyline class="spark-line" points="{}"/><circle class="spark-dot" cx="{}" cy="{}" r="2.6"/></svg>',
        width, height, label, height, path, _px(last_x), height, path, _px(last_x), _px(last_y),
    )  # fmt: skip


def strip(segments: Iterable[tuple[str, int]], longest: int) -> SafeString:
    """One stacked bar of (class, count); `longest` is the greatest sum of the list, so that its bars compare."""
    x, parts = 0.0, []
    for css, count in segments:
        width = count / max(longest, 1) * 100
        if count:
            parts.append((css, f"{x:.2f}", f"{max(width - 0.5, 0.4):.2f}"))
        x += width
    return format_html(
        '<svg class="strip" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
        format_html_join("", '<rect class="{}" x="{}" width="{}" height="12"/>', parts),
    )


def _px(value: float) -> str:
    return f"{value:.1f}"
