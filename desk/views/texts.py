"""Text messages that nobody understood, or that were too many: make one a ticket, put it to a case, end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_GET, require_POST

from common.errors import DomainError, InvalidInput
from desk import texts
from desk.doors import requires
from desk.views.settings import tabs
from notifications.models import InboundMessage
from notifications.waiting import dealt_with, settle, stopped, waiting

PAGE = 20
MOST_NUMBER = 40


@requires("customers.see")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    tab = request.GET.get("tab", "")
    return _page(request, tab if tab in LISTS else "waiting")


@requires("tickets.open")
@require_POST
def attach(request: HttpRequest, pk: int) -> HttpResponse:
    """To the case chosen, or the one whose number was typed."""
    user: Any = request.user
    message = get_object_or_404(InboundMessage, pk=pk)
    number = request.POST.get("number", "").strip() or request.POST.get("case", "")
    try:
        if not number:
            raise InvalidInput(_("Choose a case, or enter its number."))
        case = texts.find_case(number, user)
        texts.attach(message_id=message.pk, case=case, by=user)
    except DomainError as refusal:
        return _refused(request, message, refusal, given=number[:MOST_NUMBER])
    messages.success(request, _("The text message is part of %(number)s now.") % {"number": case.number})
    return redirect(_list_of(message))


@requires("tickets.open")
@require_POST
def done(request: HttpRequest, pk: int) -> HttpResponse:
    """Nothing is to be done about it; who decided stays on record."""
    user: Any = request.user
    message = get_object_or_404(InboundMessage, pk=pk)
    try:
        settle(message_id=message.pk, by=user)
    except DomainError as refusal:
        return _refused(request, message, refusal)
    messages.success(request, _("Marked as done."))
    return redirect(_list_of(message))


def _list_of(message: InboundMessage) -> str:
    """The address of the list on which the text stands or stood."""
    return reverse("desk:texts") + ("?tab=stopped" if message.is_stopped else "")


def _refused(request: HttpRequest, message: InboundMessage, refusal: DomainError, *, given: str = "") -> HttpResponse:
    """The page with the reason beside the text, or over the list where the text has left it."""
    words = " ".join(str(reason) for reason in refusal.reasons)
    message.refresh_from_db()
    tab = "stopped" if message.is_stopped else "waiting"
    if message.is_undecided:
        return _page(request, tab, wrong=(message.pk, words, given), status=refusal.status)
    messages.warning(request, words)
    return _page(request, tab, status=refusal.status)


LISTS: dict[str, Callable[[], Any]] = {
    "waiting": waiting,
    "stopped": stopped,
    "done": lambda: dealt_with().select_related("dealt_by", "case"),
}


def _page(
    request: HttpRequest, tab: str, *, wrong: tuple[int, str, str] | None = None, status: int = 200
) -> HttpResponse:
    user: Any = request.user
    pages = Paginator(LISTS[tab](), PAGE).get_page(request.GET.get("page"))
    lines = texts.lines(list(pages), user)
    for line in lines:
        if wrong and line.message.pk == wrong[0]:
            _key, line.error, line.given = wrong
    here = reverse("desk:texts")
    context = {
        "tabs": tabs(request),
        "views": [
            {"url": here, "words": pgettext("text messages", "Waiting"), "count": None, "current": tab == "waiting"},
            {
                "url": f"{here}?tab=stopped",
                "words": pgettext("text messages", "Too many"),
                "count": stopped().count() or None,
                "current": tab == "stopped",
            },
            {"url": f"{here}?tab=done", "words": _("Dealt with"), "count": None, "current": tab == "done"},
        ],
        "tab": tab,
        "lines": lines,
        "most": settings.SMS_INBOUND_PER_HOUR,
        "pages": pages,
        "may_change": user.may("tickets.open"),
    }
    return render(request, "desk/settings/texts.html", context, status=status)


urlpatterns = [
    path("desk/texts/", index, name="texts"),
    path("desk/texts/<int:pk>/attach/", attach, name="attach_text"),
    path("desk/texts/<int:pk>/done/", done, name="text_done"),
]
