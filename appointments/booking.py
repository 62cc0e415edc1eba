"""Taking scarce time: reservations, ten-minute holds, and the refusal that offers the nearest free windows.

Whoever asks (portal, agent, SMS, API, a customer who moves, a dispatcher who reassigns), time is taken here and nowhere
else. Nothing is locked to decide; the insert decides. `INSERT … ON CONFLICT DO NOTHING` waits for whoever is taking
the same row at this moment and then tells whether it is ours, so of any number of attempts on k technicians exactly k
succeed. Rows are locked and inserted in order of key and window, and what is given up is deleted last, so that two
crews never wait for each other in a circle. Only then are the technicians' rows locked, for one more look at the ways
between windows, which no constraint can keep.

A hold is locked before its rows, always. One that has run out keeps nobody from anything: whoever needs its time
takes the row, and the rest is left to `sweep_holds`, which works in a transaction of its own and waits for nobody.
Deleted by whoever comes along instead, two who need each other's old time would wait for each other.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from cases.querysets import locks_rows
from common import clock
from common.bulk import insert_rows, update_rows
from common.errors import DomainError, InvalidInput
from customers.models import Customer, Region
from sla import timers
from staff.models import User

from .assignment import rank
from .availability import Grid, Needs, too_far
from .models import Appointment, Hold, Reservation, VisitService
from .windows import Window

# How far ahead a customer may book.
HORIZON = timedelta(days=120)
HOLD_FOR = timedelta(minutes=10)
_AROUND = timedelta(days=14)
FREED_TIMER = "appointments.freed"


class WindowTaken(DomainError):
    """Somebody else has the last room in this window; `facts["nearest"]` are up to three free windows near it."""

    code = "window_taken"
    status = 409

    def __init__(self, nearest: list[Window]) -> None:
        super().__init__(
            _("This time has just been taken. These are the nearest free times."), field="starts_at", nearest=nearest
        )


class HoldExpired(DomainError):
    """The ten minutes are over and the window is no longer kept."""

    code = "hold_expired"
    status = 409


def checked_window(starts_at: datetime, *, at: datetime, grid: Grid, cutoff: timedelta = timedelta(0)) -> Window:
    """The arrival window that begins then. Raises InvalidInput for the past, the far future and odd times."""
    if starts_at <= at + cutoff:
        raise InvalidInput(_("This time has passed or is too soon. Please choose a later one."), field="starts_at")
    if starts_at > at + HORIZON:
        raise InvalidInput(
            _("Please choose a day within the next %(days)s days.") % {"days": HORIZON.days}, field="starts_at"
        )
    window = grid.window_at(starts_at)
    if window is None:
        raise InvalidInput(
            _("No arrival window begins at this time. Please choose one of those shown."), field="starts_at"
        )
    return window


def grid_around(starts_at: datetime, *, at: datetime, only: Iterable[int] | None = None) -> Grid:
    """The grid of the day of an instant alone."""
    day = Window(starts_at, starts_at).day
    return Grid(day, day, at=at, only=only)


def take(
    window: Window,
    needs: Needs,
    *,
    grid: Grid,
    at: datetime,
    appointment: Appointment | None = None,
    hold: Hold | None = None,
    leaving: Appointment | None = None,
    prefer: Sequence[int] = (),
    only: Sequence[int] | None = None,
) -> list[int]:
    """Reserve a crew for the window and return its technicians, the best first; within the caller's transaction.

    `prefer` come first whatever their score; `only` allows nobody else; `leaving` is a visit that a hold is meant for
    and that would leave its present time. Raises WindowTaken when too few are left.
    """
    but = appointment.pk if appointment else leaving.pk if leaving else None
    able = [candidate.technician.pk for candidate in rank(grid, window, needs, but=but) if candidate.refusal is None]
    if only is not None:
        able = [key for key in able if key in only]
    queue = [key for key in prefer if key in able] + [key for key in able if key not in prefer]
    while len(queue) >= needs.crew:
        crew = queue[: needs.crew]
        refused = _insert(crew, window, needs, grid=grid, at=at, appointment=appointment, hold=hold)
        if not refused:
            return crew
        queue = [key for key in queue if key not in refused]
    raise WindowTaken(_nearest(window, needs, at=at, but=but))


def _insert(
    crew: Sequence[int],
    window: Window,
    needs: Needs,
    *,
    grid: Grid,
    at: datetime,
    appointment: Appointment | None,
    hold: Hold | None,
) -> set[int]:
    """Insert the rows of a whole crew, or none of them; return whose time was taken by somebody else."""
    parts = grid.occupied(window, needs)
    rows = [_row(Seat(key, window, needs, appointment, hold), part) for key in sorted(crew) for part in parts]
    own = Q(appointment=appointment) if appointment else Q(pk=None)
    try:
        with transaction.atomic():
            # A hold that ran out, and what this very visit leaves, do not stand in the way.
            _delete(
                Reservation.objects.filter(
                    Q(expires_at__lte=at) | own, technician__in=crew, starts_at__in=[part.starts_at for part in parts]
                )
            )
            insert_rows(rows, ignore_conflicts=True)
            present = Reservation.objects.filter(
                technician__in=crew,
                starts_at__in=[part.starts_at for part in parts],
                appointment=appointment,
                hold=hold,
            )
            ours: dict[int, int] = {}
            for key in present.values_list("technician_id", flat=True):
                ours[key] = ours.get(key, 0) + 1
            refused = {key for key in crew if ours.get(key, 0) < len(parts)}
            if refused := refused or _too_far_now(crew, window, needs, grid):
                raise _NotAll(refused)
    except _NotAll as problem:
        return problem.refused
    return set()


def _too_far_now(crew: Sequence[int], window: Window, needs: Needs, grid: Grid) -> set[int]:
    """Whom something that was booked since the grid was read leaves too little time for the way.

    The constraint keeps two visits out of one window, but knows nothing of the way between two windows. So who has
    inserted takes the technicians' own rows and looks again: of two at once, the later one sees the earlier.
    """
    list(User.objects.select_for_update(no_key=True).filter(pk__in=crew).order_by("pk").values_list("pk"))
    return {key for key, came in grid.look_again(crew).items() if any(too_far(taken, window, needs) for taken in came)}


def _delete(rows: QuerySet[Reservation]) -> None:
    """Delete reservations, each one locked in the order in which everybody takes them."""
    if keys := [row.pk for row in _in_order(rows)]:
        Reservation.objects.filter(pk__in=keys).delete()


def _in_order(rows: QuerySet[Reservation], *, skip_locked: bool = False) -> QuerySet[Reservation]:
    return rows.select_for_update(skip_locked=skip_locked).order_by("technician_id", "starts_at")


class _NotAll(Exception):
    def __init__(self, refused: set[int]) -> None:
        self.refused = refused


def _nearest(window: Window, needs: Needs, *, at: datetime, but: int | None) -> list[Window]:
    first = max(window.day - _AROUND, Window(at, at).day)
    grid = Grid(first, window.day + _AROUND, at=at)
    return grid.nearest(needs, window.starts_at, earliest=at, but=but)


@dataclass(frozen=True)
class Seat:
    """Time that a technician is to spend: on a visit, or kept by a hold."""

    technician_id: int
    window: Window
    needs: Needs
    appointment: Appointment | None = None
    hold: Hold | None = None


def reseat(seats: Iterable[Seat], present: Iterable[Reservation], *, grid: Grid) -> None:
    """Give time that is taken already to others: `present` rows become those of `seats`, and more are taken as needed.

    Nobody else can get in between: a row that both sides want is never free for an instant, because only its owner
    changes, which the unique constraint does not look at. What is missing is inserted first, in order of key and
    window like every other taking of time, so that two crews never wait for each other in a circle. Rows that no seat
    wants are left for the caller to give back. The caller holds the locks of the visits whose rows these are. Raises
    WindowTaken without windows to offer where somebody else has taken what is missing; then nothing is changed.
    """
    mine = {(row.technician_id, row.starts_at): row for row in present}
    wanted: dict[tuple[int, datetime], Reservation] = {}
    for seat in seats:
        for part in grid.occupied(seat.window, seat.needs):
            wanted[seat.technician_id, part.starts_at] = _row(seat, part)
    new = [row for place, row in sorted(wanted.items()) if place not in mine]
    insert_rows(new, ignore_conflicts=True)
    got = 0
    for row in new:
        got += Reservation.objects.filter(
            technician=row.technician_id, starts_at=row.starts_at, appointment=row.appointment, hold=row.hold
        ).count()
    if got < len(new):
        raise WindowTaken([])
    kept = []
    for place, row in wanted.items():
        if place in mine:
            row.pk = mine[place].pk
            kept.append(row)
    update_rows(kept, ["visit_at", "until", "region", "appointment", "hold", "expires_at"])


def _row(seat: Seat, part: Window) -> Reservation:
    return Reservation(
        technician_id=seat.technician_id,
        starts_at=part.starts_at,
        visit_at=seat.window.starts_at,
        until=seat.window.starts_at + seat.needs.work,
        region_id=seat.needs.region_id,
        appointment=seat.appointment,
        hold=seat.hold,
        expires_at=seat.hold.expires_at if seat.hold else None,
    )


def give_back(appointment: Appointment, *, at: datetime, but: Iterable[int] = (), window: Window | None = None) -> int:
    """Free what an appointment has reserved, except for these technicians in this window; return the rows freed.

    Whoever waits for an earlier time hears of it.
    """
    rows = Reservation.objects.filter(appointment=appointment)
    if window is not None:
        rows = rows.exclude(technician__in=list(but), visit_at=window.starts_at)
    freed = sorted(set(rows.values_list("starts_at", flat=True)))
    count = rows.delete()[0]
    announce_free([starts_at for starts_at in freed if starts_at > at], at=at)
    return count


def announce_free(windows: Iterable[datetime], *, at: datetime) -> None:
    """Have the waitlist look at these windows, in a transaction of its own."""
    for starts_at in windows:
        timers.set_timer(
            FREED_TIMER, key=f"freed-{starts_at.isoformat()}", fire_at=at, args={"starts_at": starts_at.isoformat()}
        )


@transaction.atomic
def hold_window(
    *,
    services: Sequence[VisitService],
    region: Region | None,
    starts_at: datetime,
    customer: Customer | None = None,
    key: str = "",
    moving: Appointment | None = None,
    at: datetime | None = None,
) -> Hold:
    """Keep a window for ten minutes; with the `key` of an earlier hold that one is let go first, never two at once.

    `moving` is the visit it is meant for: what that visit would leave does not stand in the way. Raises InvalidInput
    for a time that cannot be, WindowTaken with the nearest free windows.
    """
    now = at or clock.now()
    grid = grid_around(starts_at, at=now)
    window = checked_window(starts_at, at=now, grid=grid)
    needs = Needs.of(services, region)
    # Robust: the window is held whatever becomes of the tidying up.
    transaction.on_commit(partial(sweep_holds, at=now - HOLD_FOR), robust=True)
    held = _live_hold(key, at=now)
    if held is not None:
        if held.window == window:
            return held
        _let_go(held)
        grid = grid_around(starts_at, at=now)
    hold = Hold.objects.create(
        key=secrets.token_urlsafe(24),
        customer=customer,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        expires_at=now + HOLD_FOR,
    )
    take(window, needs, grid=grid, at=now, hold=hold, leaving=moving)
    return hold


@transaction.atomic
def extend_hold(key: str, *, at: datetime | None = None) -> Hold:
    """Ten minutes more from now, once (interface.md §13). Raises HoldExpired where nothing is held, or twice."""
    now = at or clock.now()
    hold = _live_hold(key, at=now)
    if hold is None:
        raise HoldExpired(_("The ten minutes are over."))
    if hold.extended:
        raise HoldExpired(_("We have kept this time for ten more minutes already."))
    hold.expires_at, hold.extended = now + HOLD_FOR, True
    hold.save(update_fields=["expires_at", "extended"])
    hold.reservations.update(expires_at=hold.expires_at)
    return hold


@transaction.atomic
def release_hold(key: str, *, at: datetime | None = None) -> bool:
    """Let a hold go; whether it still held something."""
    hold = _live_hold(key, at=at or clock.now())
    if hold is not None:
        _let_go(hold)
    return hold is not None


def _live_hold(key: str, *, at: datetime) -> Hold | None:
    """The hold, locked, if it still holds something."""
    return Hold.objects.select_for_update().filter(key=key, expires_at__gt=at).first() if key else None


def _let_go(hold: Hold) -> None:
    _delete(hold.reservations.all())
    hold.delete()


def use_hold(key: str, appointment: Appointment, window: Window, needs: Needs, *, at: datetime) -> list[int] | None:
    """Turn a live hold of that very window into the appointment's reservation; return its crew.

    None without such a hold, or when it was made for other needs: then it is let go. Of two clicks on *confirm*, the
    one that locks the hold gets it.
    """
    hold = _live_hold(key, at=at)
    if hold is None or hold.starts_at != window.starts_at:
        return None
    rows = list(_in_order(hold.reservations.all()))
    crew = sorted({row.technician_id for row in rows})
    fits = all(row.region_id == needs.region_id and row.until == window.starts_at + needs.work for row in rows)
    if not fits or len(crew) != needs.crew:
        _let_go(hold)
        return None
    hold.reservations.update(hold=None, expires_at=None, appointment=appointment)
    hold.delete()
    return crew


@transaction.atomic
def sweep_holds(*, at: datetime, most: int = 50) -> int:
    """Delete some of the holds that had run out by `at`; return how many.

    Nothing depends on it: an expired hold holds nothing. It passes by what others are at and so never waits. Not to be
    called inside a transaction that takes time: that one would wait, with the locks of this one.
    """
    skip = locks_rows()
    old = Hold.objects.filter(expires_at__lte=at).select_for_update(skip_locked=skip).order_by("pk")
    holds = set(old.values_list("pk", flat=True)[:most])
    if not holds:
        return 0
    rows = Reservation.objects.filter(hold__in=holds)
    ours = set(_in_order(rows, skip_locked=skip).values_list("pk", flat=True))
    busy = {hold for row, hold in rows.values_list("pk", "hold_id") if row not in ours}
    Hold.objects.filter(pk__in=holds - busy).delete()
    return len(holds - busy)


def needs_of(appointment: Appointment, services: Iterable[Any] | None = None) -> Needs:
    """The needs of an appointment as it is stored; its length and crew are those agreed when it was made."""
    of = Needs.of(list(services if services is not None else appointment.services.all()), appointment.region)
    return Needs(of.skills, appointment.minutes, appointment.crew_size, of.region_id)
