"""How often something may be done: per number, per case and per address of the caller, across all processes."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.crypto import blind_index
from common.errors import DomainError

from .models import Quota

Limits = tuple[tuple[int, timedelta], ...]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

# What is limited, and to how many times within which time. Hundreds of telephones share one address of a mobile
# network, so the limits by number and by case are the narrow ones.
CODE_TO: Limits = ((1, MINUTE), (5, HOUR), (10, DAY))
CODE_FROM: Limits = ((60, HOUR), (300, DAY))
CODE_TRIED_FROM: Limits = ((120, HOUR), (600, DAY))
LINK_OF: Limits = ((1, MINUTE), (3, DAY))
LINK_FROM: Limits = ((30, HOUR),)
WRITTEN_ON: Limits = ((20, HOUR), (60, DAY))
REPORTED_BY: Limits = ((10, DAY),)
# Times kept for somebody who may never book them, and visits booked.
HELD_BY: Limits = ((30, HOUR), (100, DAY))
BOOKED_BY: Limits = ((10, DAY),)


class TooOften(DomainError):
    """Somebody must wait; `wait` says how long."""

    code = "too_often"
    status = 429

    def __init__(self, wait: timedelta) -> None:
        self.wait = wait
        super().__init__(words_of(wait))


def words_of(wait: timedelta) -> str:
    """How long to wait, as people say it."""
    seconds = max(1, ceil(wait.total_seconds()))
    if seconds <= 90:
        return ngettext("Please try again in %(count)s second.", "Please try again in %(count)s seconds.", seconds) % {
            "count": seconds
        }
    minutes = ceil(seconds / 60)
    if minutes <= 90:
        return ngettext("Please try again in %(count)s minute.", "Please try again in %(count)s minutes.", minutes) % {
            "count": minutes
        }
    return _("That was often enough for today. Please call us, or try again tomorrow.")


@transaction.atomic
def spend(*uses: tuple[str, Any, Limits], at: datetime) -> None:
    """Count one use of each of these (what, by or to whom, limits), all or none. Raises TooOften."""
    rows = [_locked(what, who, at) for what, who, _limits in sorted(uses, key=lambda use: use[0])]
    limits = [limit for _what, _who, limit in sorted(uses, key=lambda use: use[0])]
    waits = [_wait(row, limit, at) for row, limit in zip(rows, limits, strict=True)]
    if longest := max(waits):
        raise TooOften(longest)
    for row, limit in zip(rows, limits, strict=True):
        oldest = at - max(window for _most, window in limit)
        row.uses = [*(use for use in row.uses if use > oldest.timestamp()), int(at.timestamp())]
        row.used_at = at
        row.save(update_fields=["uses", "used_at"])


def forget_old(*, at: datetime) -> None:
    """Throw away what no limit looks at any more."""
    Quota.objects.filter(used_at__lt=at - 2 * DAY).delete()


def _locked(what: str, who: Any, at: datetime) -> Quota:
    row, _created = Quota.objects.get_or_create(
        what=what, who=blind_index("quota", f"{what}:{who}"), defaults={"used_at": at}
    )
    return Quota.objects.select_for_update().get(pk=row.pk)


def _wait(row: Quota, limits: Limits, at: datetime) -> timedelta:
    """How long until one more use is within every limit; zero when it is now."""
    wait = timedelta(0)
    for most, window in limits:
        recent = sorted(use for use in row.uses if use > (at - window).timestamp())
        if len(recent) >= most:
            free = datetime.fromtimestamp(recent[-most], tz=at.tzinfo) + window
            wait = max(wait, free - at)
    return wait
