"""The area outage of the moment: what customers of that area read on their first page, and staff in a new ticket."""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from cases.models import Case
from customers.models import Region
from tickets.models import Outage
from tickets.outages import enter_outage

from .people import Staff

TEXTS = tomllib.loads((Path(__file__).parent / "outage.toml").read_text(encoding="utf-8"))
FOUND_AGO, LASTS = timedelta(minutes=35), timedelta(hours=4)


def announce_outage(staff: Staff, *, now: datetime) -> Outage:
    """Have the supervisor announce it where most of the customers live whose newest matters are open: the sign-in of
    a demonstration offers some of these."""
    newest = Case.objects.open().filter(customer__addresses__region__isnull=False).order_by("-pk")
    regions = Counter(newest.values_list("customer__addresses__region", flat=True)[:12])
    region = Region.objects.get(pk=min(regions, key=lambda pk: (-regions[pk], pk)))
    expected = (now + LASTS).replace(minute=0, second=0, microsecond=0)
    return enter_outage(
        region=region,
        text_zh=TEXTS["zh"].format(region=region.name_zh),
        text_en=TEXTS["en"].format(region=region.name_en),
        expected_at=expected,
        by=staff.supervisor,
        at=now - FOUND_AGO,
    )
