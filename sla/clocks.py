"""The clocks of a case: what a change of the case does to its deadlines.

Called under the case's row lock, from `case_changed`. Everything here is computed from instants; nothing reads the
clock. What is done to one deadline is in `deadlines`, what queues show of them all in `queue_columns`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from cases import services as cases
from cases.models import Case, CaseEvent
from common.bulk import insert_rows, update_rows
from common.errors import DomainError

from . import escalation, events, moments, policies
from .arithmetic import RunningLimit
from .arithmetic.calendars import REACH
from .deadlines import aim, arm, close_pause, due_if_resumed, is_late, kept_after_all, pause, resume, stop, timer_for
from .models import CalendarVersion, Deadline, Rule
from .queue_columns import show_on_case
from .states import LIVE, DeadlineState, Verdict

_ENDED = {"cancelled", "merged"}
# A case taken up again goes on with the time it has used; a visit booked anew begins with a new agreement.
_NEW_CYCLE = {"reopened", "rebooked"}
# What begins in the middle of a case and was owed since its receipt (requirements.md C-05).
_SINCE_RECEIPT = {"opened", "visit_needed", "given"}
_FIELDS = [
    "rule_id", "calendar_version_id", "limits", "started_at", "carried", "pinned_at", "because", "pauses",
    "paused_until", "due_at", "stopped_at", "state", "steps",
]  # fmt: skip


def on_case_changed(
    sender: Any,
    case: Case,
    transitions: tuple[str, ...],
    at: datetime,
    by: Any,
    deadlines: list[Deadline] | None = None,
    **_signal: Any,
) -> None:
    """Start, pause, resume, re-aim, stop and cancel the deadlines of a case that changed."""
    if "opened" in transitions:
        deadlines = []
    clocks = Clocks(case, at=at, by=by, deadlines=deadlines)
    for transition in transitions:
        clocks.apply(transition)
    clocks.save()


class Clocks:
    """The deadlines of one case during one change; they are read unless the caller has all of them."""

    tells = True  # people hear of it; of a past that is written afterwards nobody does

    def __init__(self, case: Case, *, at: datetime, by: Any = None, deadlines: list[Deadline] | None = None) -> None:
        self.case, self.at, self.by = case, at, by
        if deadlines is None:
            found = Deadline.objects.filter(case_id=case.pk)
            deadlines = list(found.select_related("rule", "calendar_version").order_by("pk"))
        self.deadlines = deadlines
        self.changed: dict[int, Deadline] = {}
        self.new: list[Deadline] = []
        self._read: policies.Book | None = None

    @property
    def live(self) -> list[Deadline]:
        return [deadline for deadline in self.deadlines if deadline.state in LIVE]

    def apply(self, transition: str) -> None:
        self._end_capped_pauses()
        if transition in _ENDED:
            self._close(self.live)
        else:
            if transition in _NEW_CYCLE:
                self._end_cycle()
            self._stop(transition)
            self._pause_or_resume()
            if transition == "reclassified":
                self._retarget()
            self._start(transition)

    def save(self) -> None:
        """Write deadlines and timers, and set the case's queue columns."""
        if self.new:
            insert_rows(self.new)
            insert_rows([timer for deadline in self.new if (timer := timer_for(deadline))])
        if self.changed:
            update_rows(list(self.changed.values()), _FIELDS)
            arm(self.changed.values())
        if self.new or self.changed:
            show_on_case(self.case, self.deadlines)
        self.new, self.changed = [], {}

    # --- starting ---------------------------------------------------------------------------------------------------

    def _start(self, transition: str) -> None:
        again = transition in _NEW_CYCLE
        wanted = {"opened"} if again else {transition}
        rules = [rule for rule in self._rules(transition).values() if rule.starts in wanted]
        present = {(deadline.promise, deadline.cycle) for deadline in self.deadlines}
        rules = [
            rule
            for rule in rules
            if (rule.promise, self.case.cycle) not in present and not (rule.once and self.case.cycle > 1)
        ]
        if not rules:
            return
        begun = []
        for rule in rules:
            since = self.at if again else self._since(rule)
            carried = self._carried(rule.promise) if transition == "reopened" else None
            begun.append(self._begin(rule, since=since, carried=carried))
        self._enter(begun)

    def _enter(self, begun: list[Deadline]) -> None:
        self.new += begun
        self.deadlines += begun
        if begun:
            cases.add_fact(self.case, events.clocks_started(begun), at=self.at, by=self.by)

    def give(self, promise: str, due: datetime, *, started_at: datetime | None = None) -> None:
        """Start a promise that somebody else has dated (an import's target, a visit's window): it is pinned there.

        Once a cycle; it counts from `started_at`, by default from the receipt or where the cycle began.
        """
        rule = self._rules("given").get(promise)
        if rule is None or rule.starts != "given":
            return
        if any(d.promise == promise and (d.cycle == self.case.cycle or rule.once) for d in self.deadlines):
            return
        deadline = self._begin(rule, since=started_at or self._since(rule))
        # What the explanation shows as limit: the open time up to the target, three years at the most.
        span = min(deadline.calendar.between(deadline.started_at, due), REACH)
        deadline.pinned_at, deadline.limits = due, [str(RunningLimit(span))]
        aim(deadline)
        self._enter([deadline])

    def touch(self, deadline: Deadline) -> None:
        if deadline.pk:
            self.changed[deadline.pk] = deadline

    def _rules(self, transition: str) -> dict[str, Rule]:
        if transition not in moments.STARTS and transition not in _NEW_CYCLE:
            return {}  # nothing starts here: the policy need not be looked up
        version = self._book().version
        return policies.rules_for(self.case, version) if version else {}

    def _book(self) -> policies.Book:
        """The policy version the case opened under, and the newest calendars."""
        if self._read is None:
            opened_under = self.deadlines[0].rule.version_id if self.deadlines else None
            self._read = policies.book(self.case.received_at, version_id=opened_under)
        return self._read

    def _begin(self, rule: Rule, *, since: datetime, carried: timedelta | None = None) -> Deadline:
        deadline = Deadline(
            case_id=self.case.pk,
            promise=rule.promise,
            cycle=self.case.cycle,
            rule=rule,
            calendar_version=self._book().calendars[rule.calendar],
            limits=rule.limits,
            started_at=since,
            carried=carried,
            state=DeadlineState.RUNNING,
        )
        aim(deadline)
        return deadline

    def _since(self, rule: Rule) -> datetime:
        """From when a promise counts that begins now. A visit that turns out to be needed was so since the report."""
        return self._cycle_began() if rule.starts in _SINCE_RECEIPT else self.at

    def _cycle_began(self) -> datetime:
        if self.case.cycle == 1:
            return self.case.received_at
        return min((d.started_at for d in self.deadlines if d.cycle == self.case.cycle), default=self.at)

    def _carried(self, promise: str) -> timedelta | None:
        """The open time that earlier cycles of this promise used; the time while it was resolved is not counted."""
        earlier = [d for d in self.deadlines if d.promise == promise and d.stopped_at]
        if not earlier:
            return None
        last = max(earlier, key=lambda deadline: deadline.cycle)
        assert last.stopped_at is not None
        return (last.carried or timedelta()) + last.aim.used(last.stopped_at)

    # --- stopping ---------------------------------------------------------------------------------------------------

    def _stop(self, transition: str) -> None:
        stopping = [
            d
            for d in self.deadlines
            if transition in d.rule.stops
            and (d.cycle == self.case.cycle or d.rule.once)
            and (d.state in LIVE or kept_after_all(d, self.at))
        ]
        entries, corrected = [], []
        for deadline in stopping:
            missed = deadline.told_breach() or deadline.state not in LIVE
            stop(deadline, self.at)
            self.touch(deadline)
            verdict = deadline.verdict(self.at)
            entries.append((deadline, verdict))
            if missed and verdict == Verdict.MET:
                corrected.append(deadline)
        if entries:
            cases.add_fact(self.case, events.clocks_stopped(entries), at=self.at, by=self.by)
        for deadline in corrected:
            if self.tells:
                escalation.tell_corrected(deadline, self.case, at=self.at)
            cases.add_fact(self.case, events.verdict_corrected(deadline), at=self.at, by=self.by)

    def _end_cycle(self) -> None:
        """What an earlier cycle still owed: what is owed once stays owed, the rest ends here."""
        self._close([d for d in self.live if d.cycle < self.case.cycle and not d.rule.once])

    def _close(self, deadlines: list[Deadline]) -> None:
        """End promises that no longer hold. What was missed already keeps its verdict; the rest becomes void."""
        missed = [d for d in deadlines if is_late(d, self.at)]
        for deadline in missed:
            stop(deadline, self.at)
            self.touch(deadline)
        if missed:
            entries = [(d, d.verdict(self.at)) for d in missed]
            cases.add_fact(self.case, events.clocks_stopped(entries), at=self.at, by=self.by)
        self._cancel([d for d in deadlines if d not in missed])

    def break_promises(self, promises: Iterable[str], why: str) -> list[Deadline]:
        """Count live promises as missed that we ourselves broke before they were due; return those.

        `why` is one word (`promises.REASONS`). What was missed already is only ended; nobody is warned of either later.
        """
        self._end_capped_pauses()
        wanted = set(promises)
        concerned = [d for d in self.live if d.promise in wanted]
        late = [d for d in concerned if is_late(d, self.at)]
        self._close(late)
        broken = [d for d in concerned if d not in late]
        for deadline in broken:
            stop(deadline, self.at)
            deadline.state, deadline.because = DeadlineState.BROKEN, why
            self.touch(deadline)
        if broken:
            cases.add_fact(self.case, events.clocks_broken(broken, why), at=self.at, by=self.by)
        return broken

    def _cancel(self, deadlines: list[Deadline]) -> None:
        for deadline in deadlines:
            close_pause(deadline, self.at)
            deadline.state, deadline.stopped_at = DeadlineState.CANCELLED, self.at
            self.touch(deadline)
        if deadlines:
            cases.add_fact(self.case, events.clocks_cancelled(deadlines), at=self.at, by=self.by)

    # --- pausing ----------------------------------------------------------------------------------------------------

    def _end_capped_pauses(self) -> None:
        """End at the cap what outlasted it: what happens next must not depend on when the sweep comes by."""
        for deadline in self.live:
            until = deadline.paused_until
            if deadline.state == DeadlineState.PAUSED and until is not None and until < self.at:
                resume(deadline, until)
                self.touch(deadline)
                cases.add_fact(self.case, events.clocks_resumed([deadline], capped=True), at=until)
                if self.tells:
                    escalation.tell_pause_ended(deadline, self.case, at=self.at)

    def _pause_or_resume(self) -> None:
        before = getattr(self.case, "_stored", {}).get("state")
        entered = before is not None and before != self.case.state
        leaving = [d for d in self.live if d.state == DeadlineState.PAUSED and self.case.state not in d.rule.pauses]
        for deadline in leaving:
            resume(deadline, self.at)
            self.touch(deadline)
        if leaving:
            cases.add_fact(self.case, events.clocks_resumed(leaving), at=self.at, by=self.by)
        if not entered:
            return
        why = getattr(self.case, "pause_reason", "") or self.case.state
        entering = [
            d
            for d in self.live
            if d.state == DeadlineState.RUNNING and self.case.state in d.rule.pauses and pause(d, self.at, why)
        ]
        for deadline in entering:
            self.touch(deadline)
        if entering:
            cases.add_fact(self.case, events.clocks_paused(entering, why), at=self.at, by=self.by)

    # --- re-aiming --------------------------------------------------------------------------------------------------

    def _retarget(self) -> None:
        """After a reclassification: every promise follows the rule that now holds; no time used is forgotten."""
        book = self._book()
        if book.version is None:
            return
        rules, calendars = policies.rules_for(self.case, book.version), book.calendars
        moved, void = [], []
        for deadline in self.live:
            rule = rules.get(deadline.promise)
            if rule is None:
                void.append(deadline)
            elif rule.pk != deadline.rule_id and not deadline.is_given:
                self._follow(deadline, rule, calendars[rule.calendar])
                moved.append(deadline)
        revived = self._revive(rules, calendars, but=void)
        moved += revived
        if moved:
            cases.add_fact(self.case, events.clocks_aimed(moved, "reclassified"), at=self.at, by=self.by)
        # A legal limit that was missed stays on record, whatever the case is called afterwards.
        self._close([d for d in void if d.rule.statutory])
        self._cancel([d for d in void if not d.rule.statutory])
        present = {d.promise for d in self.deadlines if d.cycle == self.case.cycle}
        missing = [
            rule
            for rule in rules.values()
            if rule.starts == "opened" and rule.promise not in present and not (rule.once and self.case.cycle > 1)
        ]
        begun = [self._begin(rule, since=self._since(rule)) for rule in missing]
        for deadline in begun:
            self._share_pauses(deadline)
        self._enter(begun)
        self._stop_by_what_was_done([*revived, *begun])

    def _stop_by_what_was_done(self, deadlines: list[Deadline]) -> None:
        """A promise made in the middle of a case is judged by what was done before it was made, too."""
        if not deadlines:
            return
        done: dict[str, datetime] = {}
        since = self._cycle_began()
        facts = CaseEvent.objects.filter(
            case_id=self.case.pk, at__gte=since, kind__in=["note_added", "planned", "milestone"]
        )
        for event in facts.order_by("at"):
            words = {event.kind, event.facts.get("milestone", "")}
            if event.kind == "note_added":
                words = {"replied", "first_reply"} if event.facts.get("direction") == "out" else set()
            for word in words:
                done.setdefault(word, event.at)
        stopped = []
        for deadline in deadlines:
            moments = [done[word] for word in deadline.rule.stops if word in done]
            if moments and deadline.state in LIVE:
                stop(deadline, min(moments))
                self.touch(deadline)
                stopped.append((deadline, deadline.verdict(self.at)))
        if stopped:
            cases.add_fact(self.case, events.clocks_stopped(stopped), at=self.at, by=self.by)

    def _follow(self, deadline: Deadline, rule: Rule, calendar: CalendarVersion) -> None:
        """Put a deadline under another rule; whether it may pause here is the new rule's to say."""
        state, could_pause = self.case.state, deadline.rule.pauses
        deadline.rule, deadline.limits, deadline.calendar_version = rule, rule.limits, calendar
        if deadline.state == DeadlineState.PAUSED and state not in rule.pauses:
            resume(deadline, self.at)
        aim(deadline)
        if deadline.state == DeadlineState.RUNNING and state in rule.pauses and state not in could_pause:
            pause(deadline, self.at, getattr(self.case, "pause_reason", "") or state)
        self.touch(deadline)

    def _revive(
        self, rules: dict[str, Rule], calendars: dict[str, CalendarVersion], *, but: list[Deadline]
    ) -> list[Deadline]:
        """Promises that an earlier reclassification made void and that hold again: they ran all the while."""
        revived = [
            d
            for d in self.deadlines
            if d.state == DeadlineState.CANCELLED
            and d.cycle == self.case.cycle
            and d.promise in rules
            and d not in but
            and not d.is_given
        ]
        for deadline in revived:
            deadline.state, deadline.stopped_at = DeadlineState.RUNNING, None
            rule = rules[deadline.promise]
            deadline.rule, deadline.limits, deadline.calendar_version = rule, rule.limits, calendars[rule.calendar]
            aim(deadline)
            self._share_pauses(deadline)
            self.touch(deadline)
        return revived

    def defer(self, promise: str, due: datetime | None, why: str) -> Deadline | None:
        """Put a live promise off to the later instant that the customer chose, or (None) let its own limit count again.

        Returns the deadline where something changed. Raises DomainError where the promise cannot be put off. A choice
        within the limit puts nothing off.
        """
        self._end_capped_pauses()
        deadline = next((d for d in reversed(self.live) if d.promise == promise), None)
        if due is None and (deadline is None or not deadline.is_deferred or is_late(deadline, self.at)):
            return None
        if deadline is None:
            raise DomainError(_("This target is not running (any more)."))
        if deadline.rule.statutory:
            raise DomainError(_("A legal limit cannot be put off."))
        if deadline.is_given:
            raise DomainError(_("This target was dated from outside and cannot be put off."))
        if is_late(deadline, self.at):
            raise DomainError(_("This target was missed already."))
        if due is not None and due <= due_if_resumed(deadline, deadline.calendar, self.at):
            due = None
        if deadline.pinned_at == due:
            return None
        if deadline.state == DeadlineState.PAUSED:
            resume(deadline, self.at)
        deadline.pinned_at, deadline.because = due, why if due else ""
        aim(deadline)
        if due is None:
            self._share_pauses(deadline)
        self.touch(deadline)
        cases.add_fact(self.case, events.clock_deferred(deadline, why), at=self.at, by=self.by)
        return deadline

    def _share_pauses(self, deadline: Deadline) -> None:
        """Give a promise that begins (again) in the middle of a case the pauses its like have had."""
        allowed = set(deadline.rule.pauses)
        if not allowed:
            return
        like = [d for d in self.deadlines if d.cycle == self.case.cycle and d.pauses and set(d.rule.pauses) == allowed]
        like = [d for d in like if d is not deadline and d.state in LIVE]
        if not like:
            if self.case.state in allowed and deadline.state == DeadlineState.RUNNING:
                pause(deadline, self.at, getattr(self.case, "pause_reason", "") or self.case.state)
            return
        deadline.pauses, deadline.state = like[0].pauses, like[0].state
        deadline.paused_until = like[0].paused_until
        aim(deadline)

    def follow_calendars(self) -> list[Deadline]:
        """Put live deadlines under the newest versions of their calendars; return those that moved.

        A paused deadline moves when its due instant, were it to resume now, would be another.
        """
        live = [d for d in self.live if d.pinned_at is None]
        newest = self._book().calendars
        moved = []
        for deadline in live:
            version = newest[deadline.calendar_version.name]
            if version.pk == deadline.calendar_version_id:
                continue
            before = due_if_resumed(deadline, deadline.calendar, self.at)
            deadline.calendar_version = version
            aim(deadline)
            self.touch(deadline)
            if due_if_resumed(deadline, deadline.calendar, self.at) != before:
                moved.append(deadline)
        if moved:
            cases.add_fact(self.case, events.clocks_aimed(moved, "calendar"), at=self.at, by=self.by)
        return moved
