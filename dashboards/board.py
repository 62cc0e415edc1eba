"""The live page in words: what figures.py counts, made ready to be shown. Nothing here asks the database itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from cases.facts import listed
from common import clockface
from common.context import PRESENCE_ICONS
from staff.models import Duty, Presence, Team
from staff.rota import duties_at

from . import charts, figures
from .figures import Hour, Queue, Reply
from .rows import Row, case_row
from .scope import Scope

ROWS = 10
AGENTS = 6
# The hours that the charts always show; earlier and later ones come in when something happened there.
DAY_HOURS = range(8, 21)


@dataclass(frozen=True)
class Card:
    """One figure, as ui/figure.html takes it, and the list that it opens."""

    label: str
    value: str | SafeString
    url: str
    icon: str
    unit: str = ""
    note: str = ""
    note_icon: str = ""
    note_tone: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Link:
    words: str
    url: str
    count: int
    css: str = ""


@dataclass(frozen=True)
class Strip:
    """The queue of one team: the bar, and its numbers as links."""

    name: str
    bar: SafeString
    links: list[Link]


@dataclass(frozen=True)
class Cell:
    count: int
    level: int
    url: str
    label: str


@dataclass(frozen=True)
class HeatRow:
    name: str
    cells: list[Cell | None]


@dataclass(frozen=True)
class AgentLine:
    name: str
    state: str
    icon: str
    load: int
    url: str


@dataclass(frozen=True)
class DutyLine:
    """A duty and who has it now, "" where nobody does."""

    role: str
    people: str


@dataclass(frozen=True)
class HourLine:
    """One row of the table beside the chart."""

    label: str
    opened: Link | None
    forecast: int | None
    target: Link | None
    percent: str


@dataclass(frozen=True)
class Board:
    target: Card
    target_note: str
    trend: SafeString
    cards: list[Card]
    chart: SafeString
    hours: list[HourLine]
    strips: list[Strip]
    actions: list[Row]
    action_count: int
    heat_hours: list[str]
    heat: list[HeatRow]
    agents: list[AgentLine]
    agent_count: int
    duties: list[DutyLine]


def build(scope: Scope, teams: Sequence[Team]) -> Board:
    """The whole board; `teams` are those that the person may choose from."""
    queues = figures.queues(scope)
    verdicts = figures.verdicts_by_hour(scope)
    opened, forecast = figures.received_by_hour(scope)
    presences = figures.presences(scope)
    week = _by_day(scope, verdicts)
    columns = hour_columns(scope, opened, forecast, verdicts)
    heat_hours, heat = heat_table(scope, figures.misses_by_hour(scope))
    judged, kept = week[-1]
    return Board(
        target=target_card(scope, judged, kept),
        target_note=_("Target %(percent)s%%") % {"percent": figures.TARGET_MET},
        trend=charts.spark(
            [100 * day_kept / day_judged for day_judged, day_kept in week if day_judged],
            _("Share met, last 7 days"),
        ),
        cards=[
            overdue_card(scope, queues),
            soon_card(scope, queues),
            open_card(scope, queues),
            reply_card(scope, figures.first_replies(scope)),
            agents_card(scope, presences),
        ],
        chart=charts.combo(
            "hours",
            _("Opened and on target, by hour"),
            _("%(opened)s opened today; %(kept)s of %(judged)s resolution targets met.")
            % {"opened": sum(opened.values()), "kept": kept, "judged": judged},
            columns,
            figures.TARGET_MET,
            _("Target %(percent)s%%") % {"percent": figures.TARGET_MET},
        ),
        hours=hour_table(scope, columns, _of_today(scope, verdicts)),
        strips=queue_strips(scope, queues, teams),
        actions=[case_row(case, scope) for case in figures.rows_behind("action", scope)[:ROWS]],
        action_count=sum(queue.over + queue.soon for queue in queues),
        heat_hours=heat_hours,
        heat=heat,
        agents=[agent_line(agent, scope) for agent in figures.rows_behind("agents", scope)[:AGENTS]],
        agent_count=sum(presences.values()),
        duties=[
            DutyLine(str(Duty.Role(role).label), listed([str(person) for person in people]))
            for role, people in duties_at(scope.now).items()
        ],
    )


# --- figures ---------------------------------------------------------------------------------------------------------


def target_card(scope: Scope, judged: int, kept: int) -> Card:
    card = Card(
        label=_("Resolution target met today"), value="–", url=scope.url("target"), icon="shield-check",
        note=_("No verdict yet today"),
    )  # fmt: skip
    if not judged:
        return card
    percent = tenths(100 * kept / judged)
    points = one_decimal(abs(percent - figures.TARGET_MET))
    if percent < figures.TARGET_MET:
        note = _("%(points)s pts under target") % {"points": points}
        return replace(
            card, value=one_decimal(percent), unit="%", note=note, note_icon="trending-down", note_tone="down"
        )
    note = _("%(points)s pts over target") % {"points": points} if points != "0" else _("Exactly on target")
    return replace(card, value=one_decimal(percent), unit="%", note=note, note_icon="circle-check", note_tone="up")


def overdue_card(scope: Scope, queues: Iterable[Queue]) -> Card:
    over = sum(queue.over for queue in queues)
    first = min((queue.first_due for queue in queues if queue.first_due), default=None)
    note = _("Longest %(span)s") % {"span": length(scope.now - first)} if first else _("Nothing is late")
    return Card(
        label=_("Overdue"), value=str(over), url=scope.url("overdue"), icon="octagon-alert", note=note,
        tone="over" if over else "",
    )  # fmt: skip


def soon_card(scope: Scope, queues: Iterable[Queue]) -> Card:
    soon = sum(queue.soon for queue in queues)
    unassigned = sum(queue.soon_unassigned for queue in queues)
    note = ngettext("%(count)s unassigned", "%(count)s unassigned", unassigned) % {"count": unassigned}
    return Card(
        label=_("Due in 30 min"), value=str(soon), url=scope.url("soon"), icon="hourglass", note=note,
        tone="soon" if soon else "",
    )  # fmt: skip


def open_card(scope: Scope, queues: Iterable[Queue]) -> Card:
    """Compared with the same weekday last week at the same time."""
    count, then = sum(queue.total for queue in queues), scope.now - timedelta(weeks=1)
    change = count - figures.open_at(scope, then)
    words = {"change": f"{change:+d}" if change else "±0", "weekday": clockface.weekday(then.astimezone(scope.zone))}
    icon = "trending-up" if change > 0 else "trending-down" if change < 0 else ""
    return Card(
        label=pgettext("tickets", "Open"), value=str(count), url=scope.url("open"), icon="inbox",
        note=_("%(change)s on last %(weekday)s") % words, note_icon=icon,
    )  # fmt: skip


def reply_card(scope: Scope, reply: Reply) -> Card:
    card = Card(
        label=_("Avg first reply"), value="–", url=scope.url("first-reply"), icon="message-square",
        note=_("No first reply yet today"),
    )  # fmt: skip
    if reply.mean is None:
        return card
    note = _("Target %(minutes)s min") % {"minutes": int(figures.TARGET_FIRST_REPLY.total_seconds() // 60)}
    if reply.mean <= figures.TARGET_FIRST_REPLY:
        return replace(card, value=measured(reply.mean), note=note, note_icon="circle-check", note_tone="up")
    return replace(card, value=measured(reply.mean), note=note, note_icon="circle-x", note_tone="down")


def agents_card(scope: Scope, presences: dict[str, int]) -> Card:
    online = sum(presences.get(state, 0) for state in figures.ONLINE)
    words = {"on_break": presences.get(Presence.BREAK, 0), "away": presences.get(Presence.AWAY, 0)}
    return Card(
        label=_("Agents online"), value=str(online), unit=f" / {sum(presences.values())}", url=scope.url("online"),
        icon="headset", note=_("%(on_break)s on break, %(away)s away") % words,
    )  # fmt: skip


def one_decimal(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def tenths(percent: float) -> float:
    """Rounded down, so that 94.96 does not read as 95 nor 99.96 as 100."""
    return int(percent * 10 + 1e-6) / 10


def share(percent: float) -> str:
    return one_decimal(tenths(percent))


def length(span: timedelta) -> str:
    """`32 min` within the hour; after that as on the chips."""
    if span < timedelta(hours=1):
        return _("%(minutes)s min") % {"minutes": int(span.total_seconds() // 60)}
    return clockface.span(span)


def measured(span: timedelta) -> SafeString:
    """A measured time as a figure: `6m 12s`, `2h 05m`, `1d 4h`, with small units."""
    seconds = round(span.total_seconds())
    parts: list[tuple[object, str]]
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        parts = [(days, pgettext("unit", "d")), (hours, pgettext("unit", "h"))]
    elif hours:
        parts = [(hours, pgettext("unit", "h")), (f"{minutes:02d}", pgettext("unit", "m"))]
    else:
        parts = [(minutes, pgettext("unit", "m")), (f"{seconds % 60:02d}", pgettext("unit", "s"))]
    return format_html_join(" ", "{}<small>{}</small>", parts)


# --- by hour ---------------------------------------------------------------------------------------------------------


def _by_day(scope: Scope, verdicts: Iterable[Hour]) -> list[tuple[int, int]]:
    """(judged, kept) of the last seven days, today last."""
    days = {scope.today - timedelta(days=back): [0, 0] for back in reversed(range(7))}
    for hour in verdicts:
        day = days[hour.start.date()]
        day[0] += hour.judged
        day[1] += hour.kept
    return [(judged, kept) for judged, kept in days.values()]


def _of_today(scope: Scope, verdicts: Iterable[Hour]) -> dict[int, Hour]:
    return {hour.start.hour: hour for hour in verdicts if hour.start.date() == scope.today}


def hour_columns(
    scope: Scope, opened: dict[int, int], forecast: dict[int, int], verdicts: Iterable[Hour]
) -> list[charts.Column]:
    judged, present = _of_today(scope, verdicts), scope.now.astimezone(scope.zone).hour
    known = {*DAY_HOURS, *opened, *judged, present, *(hour for hour, count in forecast.items() if count)}
    columns = []
    for hour in range(min(known), max(known) + 1):
        label = f"{hour:02d}:00"
        if hour > present:
            expected = forecast.get(hour)
            hint = _("%(hour)s: %(count)s expected") % {"hour": label, "count": expected}
            columns.append(charts.Column(label, forecast=expected or None, hint=hint))
            continue
        count = opened.get(hour, 0)
        percent = 100 * judged[hour].kept / judged[hour].judged if hour in judged else None
        words = {"hour": label, "count": count, "percent": share(percent) if percent is not None else ""}
        hint = (
            _("%(hour)s: opened %(count)s") % words
            if percent is None
            else _("%(hour)s: opened %(count)s, met %(percent)s%%") % words
        )
        columns.append(
            charts.Column(
                label, bar=count, percent=percent, hint=hint, url=scope.url("opened", hour=hour), now=hour == present
            )
        )
    return columns


def hour_table(scope: Scope, columns: Iterable[charts.Column], judged: dict[int, Hour]) -> list[HourLine]:
    lines = []
    for column in columns:
        hour = int(column.label[:2])
        verdicts = judged.get(hour)
        lines.append(
            HourLine(
                label=column.label,
                opened=Link("", column.url, column.bar) if column.bar is not None else None,
                forecast=column.forecast,
                target=Link("", scope.url("target", hour=hour), verdicts.judged) if verdicts else None,
                percent=share(column.percent) if column.percent is not None else "",
            )
        )
    return lines


# --- queues, heat, agents --------------------------------------------------------------------------------------------


def queue_strips(scope: Scope, queues: Iterable[Queue], teams: Sequence[Team]) -> list[Strip]:
    by_team = {queue.team_id: queue for queue in queues}
    longest = max((queue.total for queue in by_team.values()), default=0)
    shown = [scope.team] if scope.team else teams
    return [_strip(scope, team, by_team.get(team.pk) or Queue(team.pk, 0, 0, 0, 0, 0, None), longest) for team in shown]


def _strip(scope: Scope, team: Team, queue: Queue, longest: int) -> Strip:
    def link(figure: str, words: str, count: int, css: str = "") -> Link:
        return Link(words % {"count": count}, scope.url(figure, team=team), count, css)

    links = [
        link("overdue", _("over %(count)s"), queue.over, "down"),
        link("soon", _("due soon %(count)s"), queue.soon),
        link("on-time", _("on time %(count)s"), queue.on_time),
        link("paused", _("paused %(count)s"), queue.paused),
    ]
    segments = zip(
        ("strip-over", "strip-soon", "strip-ok", "strip-paused"), (link.count for link in links), strict=True
    )
    total = link("open", _("total %(count)s"), queue.total)
    return Strip(str(team), charts.strip(segments, longest), [*(link for link in links if link.count), total])


def heat_table(scope: Scope, misses: dict[tuple[date, int], int]) -> tuple[list[str], list[HeatRow]]:
    """Monday to Sunday, each row the day of the last seven that it was; hours still to come are empty."""
    step = figures.HEAT_HOURS
    hours = [*DAY_HOURS, *(hour for _day, hour in misses)]
    columns = range(min(hours) // step * step, max(hours) + 1, step)
    days = sorted((scope.today - timedelta(days=back) for back in range(7)), key=lambda day: day.weekday())
    top = max([6, *misses.values()])
    rows = []
    for day in days:
        name = clockface.weekday(scope.midnight(day))
        cells = [
            None if scope.hours(day, hour)[0] > scope.now else _cell(scope, day, hour, misses.get((day, hour), 0), top)
            for hour in columns
        ]
        rows.append(HeatRow(name, cells))
    return [_("%(hour)s:00") % {"hour": hour} for hour in columns], rows


def _cell(scope: Scope, day: date, hour: int, count: int, top: int) -> Cell:
    facts = {
        "day": date_format(day, pgettext("day and month", "j M")),
        "start": f"{hour:02d}:00",
        "end": f"{hour + figures.HEAT_HOURS:02d}:00",
        "count": count,
    }
    label = _("%(count)s missed, opened %(day)s %(start)s–%(end)s") % facts
    url = scope.url("missed", day=day.isoformat(), hour=hour)
    return Cell(count, -(-4 * count // top), url, label)


def agent_line(agent: Any, scope: Scope) -> AgentLine:
    state = str(agent.get_presence_display())
    if agent.presence_since and agent.presence != Presence.OFFLINE:
        state = f"{state} · {length(max(scope.now - agent.presence_since, timedelta()))}"
    return AgentLine(
        agent.name, state, PRESENCE_ICONS[agent.presence], agent.load, scope.url("open", owner=agent.username)
    )
