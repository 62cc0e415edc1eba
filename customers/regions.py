"""The regions we serve as a file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from django.db import transaction

from common.errors import InvalidInput

from .models import Region

EXAMPLE = Path(__file__).parent / "defaults" / "regions.toml"


@transaction.atomic
def load_regions(text: str) -> tuple[int, int]:
    """Add or change the regions a TOML file names; return how many were added and changed. Raises InvalidInput.

    Regions the file does not name stay as they are: addresses and cases point at them.
    """
    try:
        form = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise InvalidInput(f"not TOML: {problem}") from None
    present = {region.code: region for region in Region.objects.all()}
    added = changed = 0
    for code, node in form.items():
        if not isinstance(node, dict) or not isinstance(node.get("zh"), str) or not isinstance(node.get("en"), str):
            raise InvalidInput(f"{code}: a region is a table with the names zh and en")
        values = {"name_zh": node["zh"], "name_en": node["en"], "rural": bool(node.get("rural", False))}
        region = present.get(code)
        if region is None:
            Region.objects.create(code=code, **values)
            added += 1
        elif any(getattr(region, name) != value for name, value in values.items()):
            for name, value in values.items():
                setattr(region, name, value)
            region.save(update_fields=list(values))
            changed += 1
    return added, changed
