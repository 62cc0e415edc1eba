"""Where a person stands after signing in, by role: the first of these pages that is built."""

from __future__ import annotations

from common.navigation import address

from .models import User
from .permissions import Role

_DESK = ("desk:queue",)
_PAGES: dict[str, tuple[str, ...]] = {
    Role.TECHNICIAN: ("appointments:visits", "desk:mine"),
    Role.ADMINISTRATOR: ("desk:people",),
}


def landing(user: User) -> str:
    """The address of this person's own first page. It is never one that leads back here: no role is sent in circles."""
    return next(filter(None, map(address, _PAGES.get(user.role, _DESK))), "/")
