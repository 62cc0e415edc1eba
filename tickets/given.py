"""What somebody typed or chose, checked: returned as it is kept, or refused with InvalidInput naming the field."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from common.errors import InvalidInput


def choice(value: str, choices: Any, field: str) -> str:
    if value not in choices:
        raise InvalidInput(_("Choose one of the values offered."), field=field)
    return value


def text(value: str, field: str, message: Any, *, most: int = 10000) -> str:
    value = value.strip()
    if not value:
        raise InvalidInput(message, field=field)
    if len(value) > most:
        raise InvalidInput(_("At most %(most)s characters, please.") % {"most": most}, field=field)
    return value
