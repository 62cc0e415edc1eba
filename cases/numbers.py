"""Case numbers: `T-0042-8836` is the prefix of the kind, the shared key in at least seven digits, and a check digit.

The number is computed from the key, not stored: it can neither collide nor drift (docs/adr/0003).
"""

from __future__ import annotations

import re

from common.numbers import damm


def number_of(prefix: str, key: int) -> str:
    digits = f"{key:07d}"
    digits += str(damm(digits))
    return f"{prefix}-{digits[:-4]}-{digits[-4:]}"


def key_of(text: str) -> int | None:
    """The key behind a case number typed or read in any form; None when it is none or the check digit is wrong."""
    compact = re.sub(r"[\s\-–]+", "", text.strip())
    match = re.fullmatch(r"[A-Za-z]?(\d{8,18})", compact)
    if match is None or damm(match[1]) != 0:
        return None
    return int(match[1][:-1])
