"""Promises on cases: calendars and policies in versions, one deadline per promise and cycle, and the timers.

The row lock of the case is the lock of its deadlines and timers.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import models

from cases.models import Case

from .arithmetic import Aim, Calendar, CountryTable, Limit, Pause, verdict
from .states import DeadlineState, Verdict

# Compiled calendars by the digest of their content. Rows never change, and a center has a handful of versions.
_compiled: OrderedDict[str, Calendar] = OrderedDict()
_MOST_COMPILED = 64
# Rules by version and digest of their content, so that a key used again in another database cannot mislead.
_read: OrderedDict[tuple[int, str], list[Rule]] = OrderedDict()


# A few dozen spellings serve a whole center.
read_limit = lru_cache(maxsize=512)(Limit.parse)


class CountryDays(models.Model):
    """A country's holidays and make-up working days as they were known when a calendar was published with them.

    Read once per process and version, never with a deadline: a table holds decades.
    """

    country = models.CharField(max_length=10)
    days = models.JSONField()
    digest = models.CharField(max_length=64)
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest"], name="country_days_once")]

    def __str__(self) -> str:
        return f"{self.country} {self.taken_at:%Y-%m-%d}"


class CalendarVersion(models.Model):
    """One published form of a calendar. Rows are never edited: a change is the next number.

    `country_days` holds the days of the form's country, so that a version says the same whatever library is installed.
    """

    name = models.SlugField(max_length=60, db_index=False)
    number = models.PositiveIntegerField()
    form = models.JSONField()
    country_days = models.ForeignKey(CountryDays, on_delete=models.PROTECT, null=True, related_name="+")
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "number"], name="calendar_version_once")]
        ordering = ["name", "number"]

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"

    @property
    def calendar(self) -> Calendar:
        """The compiled calendar, kept per process."""
        found = _compiled.get(self.digest)
        if found is None:
            table = CountryTable.from_dict(self.country_days.days) if self.country_days else None
            found = _compiled[self.digest] = Calendar.from_dict(self.name, self.form).with_table(table)
            while len(_compiled) > _MOST_COMPILED:
                _compiled.popitem(last=False)
        return found


class PolicyVersion(models.Model):
    """One published set of rules. In force from `valid_from` (empty: since the beginning of time) until the next.

    `scope` is empty for the house's own policy; an import brings its own under its own scope.
    """

    scope = models.CharField(max_length=40, blank=True)
    number = models.PositiveIntegerField()
    valid_from = models.DateTimeField(null=True, blank=True)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "number"], name="policy_version_once")]
        ordering = ["scope", "number"]

    def __str__(self) -> str:
        return f"{self.scope or 'house'} v{self.number}"

    @property
    def all_rules(self) -> list[Rule]:
        """The rules of this version, kept per process: rows never change."""
        key = (self.pk, self.digest)
        found = _read.get(key)
        if found is None:
            found = _read[key] = list(self.rules.all())
            while len(_read) > _MOST_COMPILED:
                _read.popitem(last=False)
        return found


class Rule(models.Model):
    """One promise of one policy version, for the cases its selectors name; the most specific rule wins."""

    version = models.ForeignKey(PolicyVersion, on_delete=models.CASCADE, related_name="rules")
    promise = models.CharField(max_length=40)
    selectors = models.JSONField(default=dict)
    starts = models.CharField(max_length=24)
    stops = models.JSONField(default=list)
    limits = models.JSONField(default=list)
    calendar = models.CharField(max_length=60)
    pauses = models.JSONField(default=list)
    statutory = models.BooleanField(default=False)
    once = models.BooleanField(default=False)
    steps = models.JSONField(default=list)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.promise} {'+'.join(self.limits)}"


class Deadline(models.Model):
    """One promise in one cycle of one case. Everything that decides it is in the row: rule, calendar, instants, pauses.

    `pauses` is a list of [from, until or null, reason]; `steps` a list of {name, kind, at, done}: what the deadline
    will do on its way, and what it has done. Both are recomputed only when the aim moves. `pinned_at` is a due instant
    that somebody else has set: given from outside, or put off to where the customer wanted it. `because` says, in one
    word, why it was put off or broken.
    """

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="deadlines", db_index=False)
    promise = models.CharField(max_length=40)
    cycle = models.PositiveSmallIntegerField(default=1)
    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="+", db_index=False)
    calendar_version = models.ForeignKey(CalendarVersion, on_delete=models.PROTECT, related_name="+")
    limits = models.JSONField()
    started_at = models.DateTimeField()
    carried = models.DurationField(null=True, blank=True)
    pinned_at = models.DateTimeField(null=True, blank=True)
    because = models.CharField(max_length=40, blank=True, default="", db_default="")
    pauses = models.JSONField(default=list)
    paused_until = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=DeadlineState, default=DeadlineState.RUNNING)
    steps = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "promise", "cycle"], name="deadline_once"),
            models.CheckConstraint(
                condition=models.Q(state="paused") | models.Q(due_at__isnull=False), name="deadline_due_unless_paused"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(state="running"), name="deadline_running_due"),
            models.Index(fields=["promise", "stopped_at"], name="deadline_stopped"),
        ]
        ordering = ["cycle", "pk"]

    def __str__(self) -> str:
        return f"{self.promise} #{self.cycle}"

    @property
    def calendar(self) -> Calendar:
        return self.calendar_version.calendar

    @property
    def aim(self) -> Aim:
        """The pure form of this deadline, from which due, steps and explanation are computed."""
        return Aim(
            limits=tuple(read_limit(text) for text in self.limits),
            calendar=self.calendar,
            started_at=self.started_at,
            pauses=tuple(_pause(entry) for entry in self.pauses),
            carried=self.carried or timedelta(),
        )

    def verdict(self, now: datetime) -> Verdict:
        """Open, met, missed or void at `now`, from instants alone."""
        if self.state == DeadlineState.CANCELLED:
            return Verdict.VOID
        if self.state == DeadlineState.BROKEN:
            return Verdict.MISSED
        if self.due_at is None:
            return Verdict.OPEN
        return Verdict(verdict(self.due_at, self.stopped_at, now))

    def missed_at(self, now: datetime) -> datetime | None:
        """When a missed promise was missed: at its due instant, or when we broke it before; None where it is not."""
        if self.verdict(now) != Verdict.MISSED:
            return None
        return self.stopped_at if self.state == DeadlineState.BROKEN else self.due_at

    @property
    def is_given(self) -> bool:
        """Whether the due instant came from outside from the first: no limit of ours stands behind it."""
        return self.rule.starts == "given"

    @property
    def is_deferred(self) -> bool:
        """Whether the customer chose a later time than our limit (requirements.md C-05)."""
        return self.pinned_at is not None and not self.is_given

    def told_breach(self) -> bool:
        return any(step["kind"] == "breach" and step.get("done") for step in self.steps)


def _pause(entry: list[Any]) -> Pause:
    start, end, why = entry
    return Pause(datetime.fromisoformat(start), datetime.fromisoformat(end) if end else None, why)


class Timer(models.Model):
    """Pending work only: something that must happen at `fire_at`. Re-armed after firing, deleted when nothing is left.

    `fire_at` is evidence and never moves for a retry; `try_at` is when the sweep looks next.
    """

    fire_at = models.DateTimeField()
    try_at = models.DateTimeField()
    handler = models.CharField(max_length=60)
    key = models.CharField(max_length=120)
    case = models.ForeignKey(Case, on_delete=models.CASCADE, null=True, blank=True, related_name="timers")
    deadline = models.OneToOneField(Deadline, on_delete=models.CASCADE, null=True, blank=True, related_name="timer")
    args = models.JSONField(default=dict)
    attempts = models.PositiveSmallIntegerField(default=0)
    parked_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="timer_once")]
        indexes = [
            models.Index(fields=["try_at", "id"], condition=models.Q(parked_at__isnull=True), name="timer_due"),
            models.Index(fields=["parked_at"], condition=models.Q(parked_at__isnull=False), name="timer_parked"),
        ]
        ordering = ["try_at", "pk"]

    def __str__(self) -> str:
        return self.key
