"""/dev/outbox/: what the house would say to its customers, for demos and development only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from cases.numbers import key_of
from customers import masking
from notifications.models import Message
from notifications.services import text_of

PAGE = 30
TONES = {Message.State.FAILED: "over", Message.State.SENT: "ok"}


@dataclass(frozen=True)
class Letter:
    """A message as the customer reads it."""

    message: Message
    subject: str
    body: str
    to: str
    tone: str


@login_required
@require_GET
def outbox(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    if not (settings.DEMO or settings.DEBUG):
        raise Http404
    if not (settings.DEMO or user.may("outbox.read")):
        raise PermissionDenied
    query = request.GET.get("case", "").strip()
    found = Message.objects.exclude(channel=Message.Channel.IN_APP).select_related("case").order_by("-pk")
    if query:
        found = found.filter(case_id=key_of(query) or 0)
    pages = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {
        "letters": [_letter(message) for message in pages],
        "pages": pages,
        "query": query,
        "keep": f"&{urlencode({'case': query})}" if query else "",
    }
    return render(request, "desk/outbox.html", context)


def _letter(message: Message) -> Letter:
    try:
        subject, body = text_of(message)
    except KeyError as problem:  # shown here instead of sent
        subject, body = message.template, f"KeyError: {problem}"
    mask = masking.email if message.channel == Message.Channel.EMAIL else masking.phone
    return Letter(message, subject, body, mask(message.recipient), TONES.get(Message.State(message.state), ""))


urlpatterns = [path("dev/outbox/", outbox, name="outbox")]
