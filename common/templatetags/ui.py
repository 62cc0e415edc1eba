"""Tags and filters of the interface; a template builtin, so no page has to load it."""

from __future__ import annotations

import re
import zlib
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from common import clockface

register = template.Library()


@register.simple_tag
def icon(name: str, kind: str = "") -> SafeString:
    """`{% icon "timer" %}`; the second word adds a class, for example "i-l" for 20 px."""
    css = f"i {kind}".strip()
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}#{}"/></svg>', css, static("icons.svg"), name)


@register.simple_tag
def kbd(*keys: str) -> SafeString:
    """`{% kbd page.keys.reply %}`: key caps as people read them; a capital is pressed with Shift, "" shows a dash."""
    caps = [cap for key in keys for cap in (["Shift", key] if key.isupper() else [key.upper() or "–"])]
    return format_html_join(" ", '<span class="kbd">{}</span>', ([cap] for cap in caps))


@register.inclusion_tag("ui/chip.html")
def sla_chip(chip: clockface.Chip | None) -> dict[str, Any]:
    return {"chip": chip}


@register.simple_tag
def moment(value: datetime | None) -> SafeString | str:
    """A `<time>` with the short form to read and the full one in the hint."""
    if value is None:
        return ""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(timespec="seconds"),
        clockface.full_when(value),
        clockface.when(value),
    )


@register.filter
def wrongs(form: Any) -> int:
    """How many things a form that came back asks to put right."""
    return sum(map(len, form.errors.values()))


@register.filter
def said(field: Any, form: Any) -> list[str]:
    """The errors of a field as the summary says them: one that would not tell which field it is about names it."""
    spoken = [str(error) for errors in form.errors.values() for error in errors]
    vague = {error for error in spoken if spoken.count(error) > 1} | {gettext("Please fill this in.")}
    return [
        gettext("%(field)s: %(error)s") % {"field": field.label, "error": error} if error in vague else str(error)
        for error in field.errors
    ]


@register.filter
def when(value: datetime | None) -> str:
    return clockface.when(value) if value else ""


@register.filter
def full_when(value: datetime | None) -> str:
    return clockface.full_when(value) if value else ""


@register.filter
def ago(value: datetime | None) -> str:
    return clockface.ago(value) if value else ""


@register.filter
def day(value: datetime | None) -> str:
    return clockface.day(value) if value else ""


@register.filter
def span(value: timedelta | None) -> str:
    return clockface.span(value) if value is not None else ""


_MOBILE = re.compile(r"^(?:\+?86)?(1\d{2})(\d{4})(\d{4})$")


@register.filter
def phone(value: str | None) -> str:
    """`138 1234 5678`; a number that is no mainland mobile stays as recorded."""
    found = _MOBILE.match(_bare(value))
    return " ".join(found.groups()) if found else (value or "")


@register.filter
def masked_phone(value: str | None) -> str:
    """`138****5678`; of any other number only the last four digits (fewer when it is short)."""
    bare = _bare(value)
    if found := _MOBILE.match(bare):
        return f"{found[1]}****{found[3]}"
    seen = min(4, len(bare) // 2)
    return f"****{bare[-seen:]}" if seen else ("****" if bare else "")


def _bare(value: str | None) -> str:
    return re.sub(r"[\s\-()]", "", value or "")


@register.filter
def initials(name: str | None) -> str:
    """One Chinese character, or the first letters of the first two words."""
    words = (name or "").split()
    if not words:
        return "?"
    if not words[0][0].isascii():
        return words[0][0]
    return "".join(word[0] for word in words[:2]).upper()


@register.filter
def hue(name: object) -> int:
    """One of the four avatar tints, always the same for the same name."""
    return zlib.crc32(str(name).encode()) % 4 + 1
