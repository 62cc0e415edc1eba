"""Area outages that supervisors enter: shown to customers before they report the same fault again.

Whoever asks is told when it is over: a timer sends those messages in batches, so that ending an outage of a whole
town is one click and no long request.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from common import clock
from common.errors import DomainError, InvalidInput
from common.given import text
from customers.lookup import normal_phone, phone_index
from customers.models import Region
from notifications.services import send_to
from sla import timers
from staff.models import User

from . import permissions
from .models import Outage, OutageFollower, Ticket
from .states import Type

log = logging.getLogger(__name__)

HANDLER = "tickets.outage_over"
ABILITY = "outages.change"
BATCH = 200
LONGEST = timedelta(days=14)


def current(now: datetime, regions: Iterable[Region | int] | None = None) -> QuerySet[Outage]:
    """The outages that last at `now`, in these regions or everywhere; the one expected to end first comes first."""
    lasting = Outage.objects.filter(_lasts(now)).select_related("region")
    return (lasting if regions is None else lasting.filter(region__in=list(regions))).order_by("expected_at", "pk")


def lasts_in(region: Any, now: datetime) -> Exists:
    """Whether an outage lasts in a region of the outer query (an OuterRef), for its rows to tell."""
    return Exists(Outage.objects.filter(_lasts(now), region=region))


def with_reports(found: QuerySet[Outage]) -> QuerySet[Outage]:
    """Each with `reports`: how many faults came in from its region since it began."""
    faults = Ticket.objects.filter(
        type=Type.FAULT, region=OuterRef("region"), received_at__gte=OuterRef("began_at")
    ).order_by()
    counted = faults.values("region").annotate(n=Count("pk")).values("n")
    return found.annotate(reports=Coalesce(Subquery(counted), 0))


def _lasts(now: datetime) -> Q:
    return (Q(ended_at__isnull=True) | Q(ended_at__gt=now)) & Q(began_at__lte=now)


@transaction.atomic
def enter_outage(
    *, region: Region, text_zh: str, text_en: str, by: User | None, expected_at: datetime | None = None,
    at: datetime | None = None,
) -> Outage:  # fmt: skip
    """Announce an outage of a region, with what customers read of it and when it should be over.

    Raises NotAllowed, or InvalidInput naming the field.
    """
    now = at or clock.now()
    permissions.allow(by, ABILITY)
    outage = Outage(
        region=region,
        text_zh=_words(text_zh, "text_zh"),
        text_en=_words(text_en, "text_en"),
        expected_at=_ahead(expected_at, now),
        entered_by=by,
        began_at=now,
    )
    outage.save()
    _logged("entered", outage, by)
    return outage


@transaction.atomic
def extend_outage(*, outage_id: int, expected_at: datetime, by: User | None, at: datetime | None = None) -> Outage:
    """Say anew when it should be over. Raises Outage.DoesNotExist; DomainError when it is over already."""
    now = at or clock.now()
    outage = _lasting(outage_id, by)
    outage.expected_at = _ahead(expected_at, now)
    outage.save(update_fields=["expected_at"])
    _logged("extended", outage, by)
    return outage


@transaction.atomic
def end_outage(*, outage_id: int, by: User | None, at: datetime | None = None) -> Outage:
    """Say that it is over, and tell whoever asked to be told."""
    now = at or clock.now()
    outage = _lasting(outage_id, by)
    outage.ended_at = now
    outage.save(update_fields=["ended_at"])
    timers.set_timer(HANDLER, key=f"outage-over-{outage.pk}", fire_at=now, args={"outage": outage.pk})
    _logged("ended", outage, by)
    return outage


@transaction.atomic
def follow_outage(*, outage_id: int, phone: str, language: str, at: datetime | None = None) -> bool:
    """Tell this number when the outage is over; return whether it is new. Asking twice is asking once.

    Raises Outage.DoesNotExist; DomainError when it is over already.
    """
    now = at or clock.now()
    outage = _lasting(outage_id, None)
    number = normal_phone(phone)
    _follower, created = OutageFollower.objects.get_or_create(
        outage=outage, lookup=phone_index(number), defaults={"phone": number, "language": language, "at": now}
    )
    return created


def is_following(outage: Outage, phone: str) -> bool:
    return OutageFollower.objects.filter(outage=outage, lookup=phone_index(phone)).exists()


@timers.handles(HANDLER)
def tell_followers(timer: Any, now: datetime) -> None:
    """Queue the good news for the next followers; the timer comes again while there are more."""
    outage = Outage.objects.select_related("region").get(pk=timer.args["outage"])
    waiting = list(outage.followers.filter(told_at__isnull=True).order_by("pk")[:BATCH])
    for follower in waiting:
        send_to(
            "outage_over",
            channel="sms",
            recipient=follower.phone,
            language=follower.language,
            key=f"outage-over-{follower.pk}",
            at=now,
            context={"region": outage.region.name_en if follower.language == "en" else outage.region.name_zh},
        )
    OutageFollower.objects.filter(pk__in=[follower.pk for follower in waiting]).update(told_at=now)
    if len(waiting) == BATCH:
        timers.set_timer(HANDLER, key=timer.key, fire_at=now, args=timer.args)


def _lasting(outage_id: int, by: User | None) -> Outage:
    permissions.allow(by, ABILITY)
    outage = Outage.objects.select_for_update(no_key=True, of=("self",)).select_related("region").get(pk=outage_id)
    if outage.ended_at is not None:
        raise DomainError(_("This outage is over already."))
    return outage


def _words(words: str, field: str) -> str:
    return text(words, field, _("Please fill this in."), most=Outage.LONGEST_TEXT)


def _ahead(expected_at: datetime | None, now: datetime) -> datetime | None:
    if expected_at is not None and expected_at <= now:
        raise InvalidInput(_("Choose a time in the future."), field="expected_at")
    if expected_at is not None and expected_at > now + LONGEST:
        raise InvalidInput(_("At most two weeks ahead, please."), field="expected_at")
    return expected_at


def _logged(what: str, outage: Outage, by: User | None) -> None:
    log.info("outage %s of %s %s by %s", outage.pk, outage.region.code, what, by.pk if by else "the system")
