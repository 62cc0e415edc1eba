"""The rail and the account menu: each room registers its entries in its apps.py; a person sees what they may open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme


@dataclass(frozen=True)
class Entry:
    """`count` answers how many things are due for this user (the red figure); `shortcut` is pressed after `g`.

    An entry of the account menu without an ability is for everybody.
    """

    key: str
    url_name: str
    label: str | Promise
    icon: str
    ability: str
    order: int
    shortcut: str = ""
    count: Callable[[Any], int] | None = None


@dataclass(frozen=True)
class Place:
    """An entry as one person sees it on one page."""

    entry: Entry
    url: str
    count: int
    current: bool


_entries: dict[str, Entry] = {}
_settings: dict[str, Entry] = {}


def register(entry: Entry) -> None:
    _entries[entry.key] = entry


def register_setting(entry: Entry) -> None:
    """Put a page into the account menu."""
    _settings[entry.key] = entry


def settings(request: HttpRequest) -> list[Place]:
    """The pages of the account menu that this person may open."""
    user: Any = request.user
    return [
        Place(entry, url, 0, current=request.path.startswith(url))
        for entry in sorted(_settings.values(), key=lambda entry: entry.order)
        if (url := address(entry.url_name)) and (not entry.ability or user.may(entry.ability))
    ]


def rail(request: HttpRequest) -> list[Place]:
    """The rooms that exist and that this person may open; the deepest address that fits the page is the current one."""
    user: Any = request.user
    if not user.is_authenticated:
        return []
    open_to_user = [
        (entry, url)
        for entry in sorted(_entries.values(), key=lambda entry: entry.order)
        if (url := address(entry.url_name)) and user.may(entry.ability)
    ]
    # A page that belongs to several places says at which one the person stands.
    stands = getattr(request, "stands_at", "")
    here = stands or max((url for _, url in open_to_user if request.path.startswith(url)), key=len, default="")
    return [
        Place(entry, url, entry.count(user) if entry.count else 0, current=url == here) for entry, url in open_to_user
    ]


def address(url_name: str) -> str:
    """The address of a page, or "" while its room is not built."""
    try:
        return reverse(url_name)
    except NoReverseMatch:
        return ""


def way_back(request: HttpRequest, default: str = "/") -> str:
    """Where a small form in the frame returns to: the page that posted it, never another site."""
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else default
