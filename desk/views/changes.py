"""The change feed that every open page asks every few seconds, and the notices behind the bell (interface.md §11).

The cursor is the key of the last event that is settled. Two transactions may commit in the other order than they took
their keys, so events of the last ten seconds are told again; a page ignores what it shows already.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from appointments.due import due
from cases.models import Case, CaseEvent
from cases.querysets import OPEN
from cases.states import ClockState
from common import clock
from desk import here
from desk.doors import FRAME, requires
from desk.lists import MINE_PARTS, MOST_COUNTED, CountUpTo, in_hand, shown
from desk.sending import NOT_SENT, sends_now
from notifications import notices
from notifications.models import Message
from sla.promises import title
from staff.models import User
from tickets.states import TO_DO

OVERLAP = timedelta(seconds=10)
MOST_EVENTS = 500
MOST_CASES = 200
MOST_DIGITS = 18  # of a key: a longer one fits into no column


@requires(*FRAME)
@require_GET
def changes(request: HttpRequest) -> HttpResponse:
    """What changed since the cursor among what concerns this person; 304 while that is what the page has already."""
    user: Any = request.user
    now = clock.now()
    cursor, facts = _changed(user, _key(request, "since"), now)
    on, left = _key(request, "on"), _key(request, "left")
    told, sees, sender = _counts(user, now, on, tabs=request.GET.get("tabs") == "1")
    facts += told
    if left:
        here.leave(left, user)
    if on and sees:
        writing = request.GET.get("writing") == "1" and user.may("tickets.work")
        readers = [reader for reader in here.others(on, user, writing=writing) if reader.name != sender]
        groups = [*([here.as_sending(sender)] if sender else []), *here.as_shown(readers)]
        facts.append({"kind": "here", "id": on, "groups": groups})
    body = {"cursor": str(cursor), "facts": facts}
    etag = f'"{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:20]}"'
    if request.headers.get("If-None-Match") == etag:
        answer: HttpResponse = HttpResponseNotModified()
    else:
        answer = JsonResponse({**body, "now": int(now.timestamp() * 1000)})
    answer["ETag"] = etag
    answer["Cache-Control"] = "private, no-store"
    return answer


def _changed(user: Any, since: int | None, now: datetime) -> tuple[int, list[dict[str, Any]]]:
    """The next cursor, and a fact for each case of mine or my team changed after `since` (None: a page just made)."""
    tail = CaseEvent.objects.order_by("-pk").values_list("pk", "recorded_at", "case_id")
    recent = list((tail if since is None else tail.filter(pk__gt=since))[:MOST_EVENTS])
    unsettled = now - OVERLAP
    settled = next((pk for pk, recorded_at, _case in recent if recorded_at <= unsettled), None)
    if since is None:
        # The page was rendered a moment ago; only what may have happened meanwhile is told.
        recent = [row for row in recent if row[1] > unsettled]
        since = settled or (recent[-1][0] - 1 if recent else 0)
    cursor = settled or since
    if not recent:
        return cursor, []
    concerns = Q(owner=user) | Q(first_contact=user)
    if user.team_id:
        concerns |= Q(team_id=user.team_id)
    if user.may("cases.see_all_teams"):
        concerns = Q()
    changed = Case.objects.visible_to(user).filter(concerns)
    if len(recent) < MOST_EVENTS:
        changed = changed.filter(pk__in={case_id for _pk, _at, case_id in recent})
    else:  # away for long: ask the database which cases these were
        changed = changed.filter(pk__in=CaseEvent.objects.filter(pk__gt=since).values("case_id"))
    rows = changed.order_by("-changed_at").values_list("pk", "event_seq")[:MOST_CASES]
    return cursor, [{"kind": "ticket.changed", "id": pk, "version": event_seq} for pk, event_seq in rows]


def _key(request: HttpRequest, name: str) -> int | None:
    """The key that the page wrote under this name; None where it is none."""
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


def _counts(user: Any, now: datetime, on: int | None, *, tabs: bool) -> tuple[list[dict[str, Any]], bool, str]:
    """My work to do, what of it is overdue, my unread notices, the visits due where I arrange them; with `tabs` the
    figures of my queue's tabs; whether I may see the case `on`, and whose reply to it is about to leave: one query."""
    mine = Case.objects.filter(OPEN, owner=OuterRef("pk")).order_by().values("owner")
    over = mine.filter(clock_state=ClockState.RUNNING, sort_due_at__lt=now)
    unread = (
        Message.objects.filter(person=OuterRef("pk"), channel=Message.Channel.IN_APP, read_at=None)
        .order_by()
        .values("person")
    )

    def count(rows: Any) -> Any:
        return Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n")), Value(0))

    def columns(name: str, parts: list[Any]) -> dict[str, Any]:
        counted = [CountUpTo(part.order_by().values("pk")[:MOST_COUNTED]) for part in parts]
        return {f"{name}_{number}": count for number, count in enumerate(counted)}

    visits = columns("visits", due(now)) if user.may("dispatch.change") else {}
    of_tab = {tab: columns(f"tab_{tab}", parts(user, now)) for tab, parts in MINE_PARTS.items()} if tabs else {}
    listed = {name: count for counts in of_tab.values() for name, count in counts.items()}
    found = (
        User.objects.filter(pk=user.pk)
        .annotate(todo=count(mine.filter(state__in=TO_DO)), over=count(over), unread=count(unread), **visits)
        .annotate(sees=Exists(Case.objects.visible_to(user).filter(pk=on)), sender=Subquery(sends_now(on, user)))
        .annotate(**listed)
        .values("todo", "over", "unread", "presence", "sees", "sender", *visits, *listed)
        .get()
    )
    counts = {
        "kind": "counts",
        "due": found["over"],
        "todo": found["todo"],
        "notices": found["unread"],
        "rail.queue": found["over"],
    }
    if visits:
        counts["rail.dispatch"] = sum(found[name] for name in visits)
    if of_tab:
        tally = {tab: sum(found[name] for name in counts) for tab, counts in of_tab.items()}
        counts |= {f"tab.{tab}": shown(number) for tab, number in tally.items()}
        counts["tab.all"] = shown(in_hand(tally))
    return [counts, {"kind": "presence", "presence": found["presence"]}], found["sees"], found["sender"] or ""


# --- the bell --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One notice as it reads now."""

    message: Message
    words: str
    icon: str


def _lines(found: Any) -> list[Line]:
    return [
        Line(message, notices.sentence(message, titles=title), notices.icon(message))
        for message in found.select_related("case")
    ]


@requires(*FRAME)
@require_GET
@vary_on_headers("HX-Request")
def notice_list(request: HttpRequest) -> HttpResponse:
    """My notices: the unread for the bell, and with what was read before on the page of its own."""
    user: Any = request.user
    if request.headers.get("HX-Request"):
        context = {"lines": _lines(notices.unread(user)[:8]), "unread": notices.unread(user).count()}
        return render(request, "desk/_notices.html", context)
    pages = Paginator(notices.of(user).select_related("case"), 50).get_page(request.GET.get("page"))
    context = {"lines": _lines(pages.object_list), "pages": pages, "unread": notices.unread(user).count()}
    return render(request, "desk/notices.html", context)


@requires(*FRAME)
@require_POST
def notice_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Read one notice: go to what it is about."""
    message = get_object_or_404(notices.of(request.user).select_related("case"), pk=pk)
    notices.mark_read(request.user, [message.pk])
    if message.case is None:
        return redirect("desk:notices")
    if message.template == NOT_SENT and not Case.objects.visible_to(request.user).filter(pk=message.case_id).exists():
        return redirect("desk:replies")  # the ticket went to others; what was written did not
    # Who works in the field reads of visits, and has pages of one's own for them.
    place = "appointments:visit" if request.user.may("visits.work") else "desk:case"  # type: ignore[union-attr]
    return redirect(reverse(place, args=[message.case.number]))


@requires(*FRAME)
@require_POST
def notices_read(request: HttpRequest) -> HttpResponse:
    """Read all."""
    notices.mark_read(request.user)
    messages.success(request, _("All notices are marked as read."))
    return redirect("desk:notices")


urlpatterns = [
    path("desk/changes", changes, name="changes"),
    path("desk/notices/", notice_list, name="notices"),
    path("desk/notices/read/", notices_read, name="notices_read"),
    path("desk/notices/<int:pk>/", notice_open, name="notice"),
]
