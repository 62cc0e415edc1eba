"""The sweep: whatever is due happens now, exactly once, however many sweeps run and whenever one is killed.

1. Read which cases have due timers, oldest first; nothing due costs one read and no transaction.
2. Lock those cases (`FOR NO KEY UPDATE SKIP LOCKED`): the case's lock is also that of its timers. Busy ones wait for
   the next tick. Claiming timers first and cases later deadlocks with people at work.
3. Re-read their timers under the lock, let deadlines plan, and write effects and re-arming in bulk, in one
   transaction.
4. A batch that raises is rolled back and run timer by timer; the bad one is put off, and parked in the end.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q

from cases import services as cases
from cases.models import Case, CaseEvent
from cases.querysets import locks_rows
from common import clock
from common.bulk import insert_rows, update_rows
from notifications.models import Message
from staff.models import User

from . import escalation, events, signals, timers
from .deadlines import next_moment, pending_steps, resume
from .models import CalendarVersion, Deadline, Rule, Timer
from .queue_columns import show_on_case
from .states import LIVE, DeadlineState, StepKind

log = logging.getLogger(__name__)

TEMPLATES = {
    StepKind.WARN: "promise_warning",
    StepKind.TIER: "promise_escalated",
    StepKind.BREACH: "promise_missed",
    StepKind.AFTER: "promise_still_missed",
}
FIRST_RESPONSE = "first_response"

# A handler that keeps arming itself for the past must not hold the sweep for ever; the rest waits for the next tick.
_MOST_PASSES = 10
_PAGE = 1000


@dataclass
class Outcome:
    """What a sweep did: timers fired, timers that failed, batches run."""

    fired: int = 0
    failed: int = 0
    batches: int = 0


@dataclass(frozen=True)
class Due:
    """A timer that is due, as read before any lock."""

    pk: int
    case_id: int | None
    try_at: datetime
    handler: str


def sweep(*, now: datetime | None = None, size: int | None = None) -> Outcome:
    """Fire everything due at `now`, oldest first, until nothing is left that is not busy elsewhere."""
    work = _Work(now=now or clock.now(), size=size or settings.SWEEP_BATCH)
    for _pass in range(_MOST_PASSES):
        before = work.outcome.fired
        work.run_through()
        if work.outcome.fired == before:
            break
    return work.outcome


@dataclass
class _Work:
    """One sweep. People, rules and calendars are read once for all its batches."""

    now: datetime
    size: int
    outcome: Outcome = field(default_factory=Outcome)
    leaders: escalation.Leaders = field(default_factory=escalation.Leaders)
    rules: dict[int, Rule] = field(default_factory=dict)
    calendars: dict[int, CalendarVersion] = field(default_factory=dict)

    def run_through(self) -> None:
        """Go once through everything due, oldest first; what is busy or failed is passed by."""
        page = self._page()
        # What is armed meanwhile has a higher key and waits for the next pass, or a pass might never end.
        newest = (Timer.objects.aggregate(newest=Max("pk"))["newest"] or 0) if page else 0
        while page:
            batch = self._first_cases(page)
            self._run_batch(batch)
            page = page[len(batch) :]
            if settings.SWEEP_BREATH_SECONDS and (page or len(batch) >= self.size):
                # SQLite has one writer: let people at work have it between two batches.
                time.sleep(settings.SWEEP_BREATH_SECONDS)
            if not page:
                page = self._page(batch[-1], newest)

    def _page(self, after: Due | None = None, newest: int = 0) -> list[Due]:
        due = Timer.objects.filter(try_at__lte=self.now, parked_at__isnull=True)
        if after is not None:
            due = due.filter(Q(try_at__gt=after.try_at) | Q(pk__gt=after.pk), try_at__gte=after.try_at, pk__lte=newest)
        rows = due.order_by("try_at", "pk").values_list("pk", "case_id", "try_at", "handler")
        return [Due(*row) for row in rows[:_PAGE]]

    def _first_cases(self, page: list[Due]) -> list[Due]:
        """The beginning of a page, up to `size` cases (or timers without one)."""
        cases: set[int] = set()
        for position, due in enumerate(page):
            cases.add(due.case_id or -due.pk)
            if len(cases) > self.size:
                return page[:position]
        return page

    def _run_batch(self, batch: list[Due]) -> None:
        self.outcome.batches += 1
        # A handler that is not a deadline's calls services; its case is worked on alone, in order.
        alone = {due.case_id for due in batch if due.case_id and due.handler != timers.DEADLINE}
        together = list(dict.fromkeys(due.case_id for due in batch if due.case_id and due.case_id not in alone))
        try:
            self.outcome.fired += self._fire_deadlines(together)
        except Exception:
            log.exception("a batch of %s cases failed and is run one timer at a time", len(together))
            alone |= set(together)
        for due in batch:
            if due.case_id is None or due.case_id in alone:
                self._fire_one(due.pk)

    def _fire_one(self, pk: int) -> None:
        """Fire one timer in a transaction of its own; a failure is recorded on the timer and harms nobody else."""
        try:
            with transaction.atomic():
                fired = self._fire_claimed(pk)
            self.outcome.fired += fired
        except Exception as problem:
            log.exception("timer %s failed", pk)
            self.outcome.failed += 1
            with transaction.atomic():
                timer = _claim(pk, now=self.now)
                if timer is not None:
                    timers.fail(timer, problem, now=self.now)

    def _fire_claimed(self, pk: int) -> int:
        timer = _claim(pk, now=self.now)
        if timer is None:
            return 0
        if timer.handler == timers.DEADLINE and timer.case_id is not None:
            return self._fire_deadlines([timer.case_id], only=pk)
        handle = timers.handler(timer.handler)
        timer.delete()
        timer.pk = pk
        handle(timer, self.now)
        return 1

    def _fire_deadlines(self, case_ids: list[int], *, only: int | None = None) -> int:
        """Fire the due deadline timers of these cases in one transaction; return how many fired."""
        if not case_ids:
            return 0
        with transaction.atomic():
            locked = {case.pk: case for case in _lock(case_ids)}
            due = Timer.objects.filter(
                case_id__in=locked, try_at__lte=self.now, parked_at__isnull=True, handler=timers.DEADLINE
            ).select_related("deadline")
            if only is not None:
                due = due.filter(pk=only)
            found = list(due.order_by("try_at", "pk")) if locked else []
            if not found:
                return 0
            self._complete([timer.deadline for timer in found if timer.deadline])
            plan = Plan(self.now, self.leaders)
            plan.leaders.read_owners({c.owner_id for c in locked.values() if c.owner_id})
            for timer in found:
                _plan(timer, locked[timer.case_id], plan)  # type: ignore[index]
            _announce_raised(plan)
            _show_resumed(plan)
            _write(plan)
        return len(found)

    def _complete(self, deadlines: list[Deadline]) -> None:
        """Give deadlines their rules and calendars, which never change.

        Joined to each row they made 50,000 timers take 42 s instead of 26.
        """
        if missing := {d.rule_id for d in deadlines} - self.rules.keys():
            self.rules |= Rule.objects.in_bulk(missing)
        if missing := {d.calendar_version_id for d in deadlines} - self.calendars.keys():
            self.calendars |= CalendarVersion.objects.in_bulk(missing)
        for deadline in deadlines:
            deadline.rule = self.rules[deadline.rule_id]
            deadline.calendar_version = self.calendars[deadline.calendar_version_id]


def _claim(pk: int, *, now: datetime) -> Timer | None:
    """The timer, with its case's lock held (its own row's, where it has no case); None when it is busy or gone."""
    found = Timer.objects.filter(pk=pk, try_at__lte=now, parked_at__isnull=True)
    timer = found.first()
    if timer is None:
        return None
    if timer.case_id is None:
        return found.select_for_update(skip_locked=locks_rows()).first()
    if not _lock([timer.case_id]):
        return None
    return found.first()


def _lock(case_ids: list[int]) -> list[Case]:
    return list(
        Case.objects.filter(pk__in=case_ids)
        .order_by("pk")
        .select_for_update(no_key=True, skip_locked=locks_rows(), of=("self",))
    )


# --- deadlines, in bulk --------------------------------------------------------------------------------------------


@dataclass
class Plan:
    """What a batch of deadlines will write."""

    now: datetime
    leaders: escalation.Leaders
    messages: list[Message] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    armed: list[Timer] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    resumed: dict[int, list[Deadline]] = field(default_factory=lambda: defaultdict(list))
    raised: dict[int, tuple[datetime, list[User]]] = field(default_factory=dict)
    given: bool = False
    touched: dict[int, Case] = field(default_factory=dict)


def _plan(timer: Timer, case: Case, plan: Plan) -> None:
    """Take every step of a deadline that is due, and arm its timer for the next."""
    deadline = timer.deadline
    assert deadline is not None
    plan.touched[case.pk] = case
    if deadline.state == DeadlineState.PAUSED and deadline.paused_until and deadline.paused_until <= plan.now:
        _end_capped_pause(deadline, case, plan)
    live = deadline.state in LIVE
    steps = [step for at, step in pending_steps(deadline) if at <= plan.now] if live else []
    for position, step in enumerate(steps):
        _take(deadline, case, step, later=steps[position + 1 :], plan=plan)
    plan.deadlines.append(deadline)
    moment = next_moment(deadline)
    if moment is None:
        plan.finished.append(timer.pk)
    else:
        timer.fire_at = timer.try_at = moment
        timer.attempts, timer.error = 0, ""
        plan.armed.append(timer)


def _take(deadline: Deadline, case: Case, step: dict[str, Any], *, later: list[dict[str, Any]], plan: Plan) -> None:
    at = datetime.fromisoformat(step["at"])
    step["done"] = step["at"]
    detail = next(entry for entry in deadline.rule.steps if entry["name"] == step["name"])
    kind = StepKind(step["kind"])
    skipped, facts = "", {}
    if kind == StepKind.WARN and deadline.due_at and deadline.due_at <= plan.now:
        skipped = "late"
    if kind == StepKind.TIER:
        facts = {"tier": detail["tier"]}
        if case.tier >= detail["tier"] or any(other["kind"] == StepKind.TIER for other in later):
            skipped = "reached"
        else:
            case.tier = detail["tier"]
    cases.add_fact(case, events.step_fired(deadline, step, skipped=skipped, facts=facts), at=at)
    if not skipped:
        people = plan.leaders.everyone(detail["tell"], case)
        if kind == StepKind.TIER:
            plan.raised[case.pk] = at, people
        plan.messages += escalation.notices(
            people, template=TEMPLATES[kind], case=case, deadline=deadline, step=step["name"], at=plan.now
        )


def _end_capped_pause(deadline: Deadline, case: Case, plan: Plan) -> None:
    """The longest pause is over: the clock runs again from the cap, whatever hour the sweep ran; the lead is told."""
    until = deadline.paused_until
    assert until is not None
    resume(deadline, until)
    cases.add_fact(case, events.clocks_resumed([deadline], capped=True), at=until)
    plan.resumed[case.pk].append(deadline)
    plan.messages += escalation.notices(
        plan.leaders.everyone(["owner", "lead"], case),
        template="pause_ended",
        case=case,
        deadline=deadline,
        step="pause-cap",
        at=plan.now,
    )


def _announce_raised(plan: Plan) -> None:
    """Let the rooms of the kinds give raised cases to the rung's people, where nobody had them or nobody answered."""
    if not plan.raised:
        return
    # The deadlines are read only where somebody owns the case: whether it was answered stands in them.
    owned = [key for key in plan.raised if plan.touched[key].owner_id]
    unanswered = Deadline.objects.filter(promise=FIRST_RESPONSE, state__in=LIVE, case_id__in=owned)
    left_alone = plan.raised.keys() - set(owned)
    if owned:
        left_alone |= set(unanswered.values_list("case_id", flat=True))
    if not left_alone:
        return
    deadlines = _deadlines_of(left_alone, plan)
    raises = [
        signals.Raise(plan.touched[key], at, people, deadlines[key])
        for key, (at, people) in plan.raised.items()
        if key in left_alone
    ]
    signals.rung_reached.send(sender=Case, raises=raises)
    for given in [one for one in raises if one.given_to]:
        plan.given = True
        given.case.version += 1
        given.case.changed_at = max(given.case.changed_at, given.at)


def _show_resumed(plan: Plan) -> None:
    """Set the queue columns of cases whose pause was ended."""
    if not plan.resumed:
        return
    for case_id, deadlines in _deadlines_of(plan.resumed, plan).items():
        show_on_case(plan.touched[case_id], deadlines)


def _deadlines_of(case_ids: Iterable[int], plan: Plan) -> dict[int, list[Deadline]]:
    """All deadlines of these cases, read once; those in the plan are the same objects."""
    known = {d.pk: d for d in plan.deadlines}
    by_case: dict[int, list[Deadline]] = defaultdict(list)
    found = Deadline.objects.filter(case_id__in=list(case_ids)).select_related("rule", "calendar_version")
    for deadline in found.order_by("pk"):
        by_case[deadline.case_id].append(known.get(deadline.pk, deadline))
    return by_case


def _write(plan: Plan) -> None:
    unwritten: list[CaseEvent] = []
    for case in plan.touched.values():
        unwritten += case.__dict__.pop("_unwritten", [])
    insert_rows(unwritten)
    insert_rows(plan.messages, ignore_conflicts=True)
    columns = ["event_seq", "event_hash", "tier"]
    if plan.given:
        columns += ["owner", "team", "state", "version", "changed_at"]
    if plan.resumed or plan.given:
        columns += ["sort_due_at", "clock_state", "clock_left", "clock_warn"]
    update_rows(list(plan.touched.values()), columns)
    columns = ["steps"]
    if plan.resumed:
        columns += ["pauses", "paused_until", "due_at", "state"]
    update_rows(plan.deadlines, columns)
    update_rows(plan.armed, ["fire_at", "try_at", "attempts", "error"])
    if plan.finished:
        # A plain DELETE: nothing points at a timer, so Django's collector would only read first.
        Timer.objects.filter(pk__in=plan.finished)._raw_delete(Timer.objects.db)  # type: ignore[attr-defined]
