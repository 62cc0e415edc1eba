"""What the house ships for visits: arrival windows, services, compensation; loaded where a table is empty."""

from __future__ import annotations

import tomllib
from datetime import date, time
from decimal import Decimal
from pathlib import Path

from django.db import transaction

from .models import ArrivalWindow, CompensationRule, VisitService

FILE = Path(__file__).parent / "defaults" / "visits.toml"


@transaction.atomic
def load_shipped() -> list[str]:
    """Load what is shipped into tables that are empty; return what was loaded, as plain words."""
    form = tomllib.loads(FILE.read_text(encoding="utf-8"))
    done = []
    if not ArrivalWindow.objects.exists():
        ArrivalWindow.objects.bulk_create(
            ArrivalWindow(
                starts=time.fromisoformat(entry["starts"]),
                ends=time.fromisoformat(entry["ends"]),
                peak=entry.get("peak", False),
            )
            for entry in form["window"]
        )
        done.append("arrival windows")
    if not VisitService.objects.exists():
        VisitService.objects.bulk_create(
            VisitService(
                code=entry["code"],
                name_zh=entry["zh"],
                name_en=entry["en"],
                type=entry["type"],
                skill=entry["skill"],
                level=entry["level"],
                minutes=entry["minutes"],
                crew=entry.get("crew", 1),
                order=order,
            )
            for order, entry in enumerate(form["service"])
        )
        done.append("services of visits")
    if not CompensationRule.objects.exists():
        CompensationRule.objects.bulk_create(
            CompensationRule(
                trigger=entry["trigger"],
                amount=Decimal(entry["amount"]),
                currency=entry["currency"],
                valid_from=date.fromisoformat(entry["valid_from"]),
            )
            for entry in form["compensation"]
        )
        done.append("compensation rules")
    return done
