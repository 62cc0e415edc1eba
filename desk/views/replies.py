"""Replies that have not left: taking one back, its drafts, and whether mine wait at all (desk.sending)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from cases.models import Case
from cases.numbers import key_of
from desk import sending
from desk.doors import FRAME, requires
from desk.models import HeldReply
from desk.sending import AlreadySent
from desk.views.actions import done
from desk.views.settings import tabs
from desk.views.ticket import find, show
from staff.services import set_undo


class RepliesForm(forms.Form):
    undo_replies = forms.BooleanField(
        label=gettext_lazy("Hold my replies for 8 seconds, so that I can take them back"), required=False
    )


@requires(*FRAME)
@require_POST
@vary_on_headers("HX-Request")
def undo(request: HttpRequest, number: str, pk: int) -> HttpResponse:
    """Take a reply of mine back before it leaves: it is in the composer again."""
    user: Any = request.user
    _mine(request, number, pk)
    try:
        held = sending.take_back(reply_id=pk, by=user)
    except AlreadySent as refusal:
        return _too_late(request, number, str(refusal.reasons[0]))
    words = _("Taken back. Nothing was sent; your reply is in the composer as you wrote it.")
    if held.why:
        words = _("It could not be sent: %(why)s Your reply is in the composer as you wrote it.") % {
            "why": " ".join(held.why)
        }
    return _back(request, number, words, mode="reply", focus=True)


@requires(*FRAME)
@require_POST
@vary_on_headers("HX-Request")
def discard(request: HttpRequest, number: str, pk: int) -> HttpResponse:
    """Throw a draft of mine away."""
    user: Any = request.user
    _mine(request, number, pk)
    sending.discard(reply_id=pk, by=user)
    return _back(request, number, _("The draft is gone."))


def _mine(request: HttpRequest, number: str, pk: int) -> None:
    """Http404 where there is no such reply on a ticket that this person may see, 403 where it is somebody else's.

    One's own is reached whoever has the ticket by now: what is not sent yet is its writer's.
    """
    user: Any = request.user
    held = HeldReply.objects.filter(pk=pk, case_id=key_of(number)).first()
    if held is not None and held.author_id == user.pk:
        return
    find(user, number)
    if held is None:
        raise Http404
    raise PermissionDenied


def _back(request: HttpRequest, number: str, words: str, **context: Any) -> HttpResponse:
    """The ticket, or the page of my replies where the ticket is out of my reach or this was asked for there."""
    if "from_list" not in request.POST and Case.objects.visible_to(request.user).filter(pk=key_of(number)).exists():
        return done(request, number, words, **context)
    messages.success(request, words)
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": reverse("desk:replies")})
    return redirect("desk:replies")


def _too_late(request: HttpRequest, number: str, words: str) -> HttpResponse:
    try:
        ticket = find(request.user, number)
    except Http404:
        messages.warning(request, words)
        return redirect("desk:replies")
    return show(request, ticket, status=409, late=words)


@requires(*FRAME)
@require_http_methods(["GET", "POST"])
def replies(request: HttpRequest) -> HttpResponse:
    """Whether my replies wait for an undo, and what of mine was not sent."""
    user: Any = request.user
    if request.method == "POST":
        form = RepliesForm(request.POST)
        if form.is_valid():
            set_undo(person=user, **form.cleaned_data)
            messages.success(request, _("Saved. It holds from your next reply on."))
        return redirect("desk:replies")
    drafts = sending.drafts_of(user)
    visible = set(Case.objects.visible_to(user).filter(pk__in=[d.case_id for d in drafts]).values_list("pk", flat=True))
    context = {
        "tabs": tabs(request),
        "form": RepliesForm(initial={"undo_replies": user.undo_replies}),
        "drafts": [(draft, draft.case_id in visible) for draft in drafts],
    }
    return render(request, "desk/settings/replies.html", context)


urlpatterns = [
    path("desk/c/<str:number>/replies/<int:pk>/undo/", undo, name="undo_reply"),
    path("desk/c/<str:number>/replies/<int:pk>/discard/", discard, name="discard_reply"),
    path("settings/replies/", replies, name="replies"),
]
