"""The supervisor's live board, the lists behind its figures, and reassigning on the spot."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Max
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag, urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from cases.models import CaseEvent
from cases.numbers import key_of
from common import clock
from common.errors import DomainError
from common.navigation import way_back
from staff.models import Team, User
from staff.permissions import Role, roles_that_may
from tickets.models import Ticket
from tickets.permissions import access_ticket
from tickets.services import assign_ticket

from . import board, figures
from .figures import FIGURES, Narrow
from .forms import ReassignForm
from .rows import case_row, verdict_row
from .scope import Scope

PAGE = 50


class NotForThisRole(Exception):
    """The person's role lacks `ability`."""

    def __init__(self, ability: str) -> None:
        self.ability = ability
        super().__init__(ability)


@login_required
@require_GET
def live(request: HttpRequest) -> HttpResponse:
    """The page. Without script it stands as it was at the time it shows; a reload brings it up to date."""
    try:
        scope, teams = look(request)
    except NotForThisRole as refusal:
        return not_allowed(request, refusal.ability)
    return render(request, "dashboards/live.html", page_context(request, scope, teams))


@login_required
@require_GET
def refresh(request: HttpRequest) -> HttpResponse:
    """The parts of the page that change, or 304 while nothing did. Asked every 15 seconds by board.js."""
    try:
        scope, teams = look(request)
    except NotForThisRole as refusal:
        return not_allowed(request, refusal.ability)
    etag = quote_etag(fingerprint(scope))
    unchanged = get_conditional_response(request, etag=etag)
    answer = unchanged or render(request, "dashboards/_board.html", page_context(request, scope, teams))
    answer["ETag"] = etag
    return answer


def page_context(request: HttpRequest, scope: Scope, teams: list[Team]) -> dict[str, Any]:
    chosen = urlencode({"team": scope.team.code}) if scope.team and may_choose(request) else ""
    return {
        "board": board.build(scope, teams),
        "scope": scope,
        "teams": teams if may_choose(request) else [],
        "may_reassign": scope.person.may("tickets.assign"),
        "back": f"{reverse('dashboards:live')}?{chosen}" if chosen else reverse("dashboards:live"),
        "query": f"?{chosen}" if chosen else "",
        "lists": {name: scope.url(name) for name in ("action", "agents", "missed", "opened")},
    }


@login_required
@require_GET
def figure_list(request: HttpRequest, figure: str) -> HttpResponse:
    """Exactly the rows that a figure counts, fifty on a page."""
    try:
        scope, _teams = look(request)
    except NotForThisRole as refusal:
        return not_allowed(request, refusal.ability)
    if figure not in FIGURES:
        raise Http404
    shown, narrow = FIGURES[figure], narrowed(request, scope)
    pages = Paginator(figures.rows_behind(figure, scope, narrow), PAGE)
    page = pages.get_page(request.GET.get("page"))
    make: Any = {"cases": case_row, "verdicts": verdict_row}.get(shown.shows)
    query = request.GET.copy()
    query.pop("page", None)
    live_page = reverse("dashboards:live")
    context = {
        "figure": shown,
        "narrow": narrow,
        "scope": scope,
        "page_of": page,
        "rows": [make(row, scope) for row in page] if make else list(page),
        "count": pages.count,
        "query": query.urlencode(),
        "span": scope.hours(narrow.day or scope.today, narrow.hour, figures.HEAT_HOURS if narrow.day else 1)
        if narrow.hour is not None
        else None,
        "back": f"{live_page}?{urlencode({'team': scope.team.code})}"
        if scope.team and may_choose(request)
        else live_page,
        "here": request.get_full_path(),
        "may_reassign": scope.person.may("tickets.assign"),
    }
    return render(request, "dashboards/list.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def reassign(request: HttpRequest, number: str) -> HttpResponse:
    """Give a ticket to somebody else: in its row when asked by htmx, else on a page of its own."""
    person: Any = request.user
    for ability in ("boards.open", "tickets.assign"):
        if not person.may(ability):
            return not_allowed(request, ability)
    try:
        ticket = access_ticket(person, key_of(number), to="tickets.assign")
    except Ticket.DoesNotExist:
        raise Http404 from None
    form = ReassignForm(ticket, person, request.POST or None)
    done = request.method == "POST" and form.is_valid() and _given(form, ticket, person)
    if done:
        words = _("%(number)s is now with %(person)s.")
        words %= {"number": ticket.number, "person": form.cleaned_data["owner"]}
        ticket = access_ticket(person, ticket.pk) if Ticket.objects.visible_to(person).filter(pk=ticket.pk) else ticket
        if not in_place(request):
            messages.success(request, words)
            return redirect(way_back(request, reverse("dashboards:live")))
    back = request.POST.get("next") or request.GET.get("next") or reverse("dashboards:live")
    scope = Scope(person, None, clock.now())
    context = {
        "row": case_row(ticket, scope),
        "form": None if done else form,
        "said": words if done else "",
        "may_reassign": True,
        "back": back,
        "wide": request.POST.get("wide") or request.GET.get("wide"),
    }
    template = "dashboards/_row.html" if in_place(request) else "dashboards/reassign.html"
    return render(request, template, context, status=422 if form.errors else 200)


def _given(form: ReassignForm, ticket: Ticket, person: Any) -> bool:
    """Assign as the form says; a refusal goes into the form."""
    try:
        assign_ticket(ticket_id=ticket.pk, owner=form.cleaned_data["owner"], by=person)
    except DomainError as refusal:
        form.add_error("owner", [str(reason) for reason in refusal.reasons])
        return False
    return True


# --- what is asked for, and by whom ----------------------------------------------------------------------------------


def look(request: HttpRequest) -> tuple[Scope, list[Team]]:
    """The scope of this request and the teams to choose from. Raises NotForThisRole; Http404 for a team unknown."""
    person: Any = request.user
    if not person.may("boards.open"):
        raise NotForThisRole("boards.open")
    if request.GET.get("period", "today") != "today":
        raise Http404
    wanted = request.GET.get("team", "")
    if not may_choose(request):
        own = person.team
        if wanted and (own is None or own.code != wanted):
            raise NotForThisRole("boards.all_teams")
        return Scope(person, own, clock.now()), [own] if own else []
    teams = list(Team.objects.all())
    team = next((team for team in teams if team.code == wanted), None)
    if wanted and team is None:
        raise Http404
    return Scope(person, team, clock.now()), teams


def may_choose(request: HttpRequest) -> bool:
    person: Any = request.user
    return person.may("boards.all_teams")


def narrowed(request: HttpRequest, scope: Scope) -> Narrow:
    """What else the address asks for. Raises Http404 for nonsense."""
    hour, day, owner = (request.GET.get(name, "") for name in ("hour", "day", "owner"))
    if hour and not (hour.isascii() and hour.isdigit() and int(hour) < 24):
        raise Http404
    try:
        chosen_day = date.fromisoformat(day) if day else None
    except ValueError:
        raise Http404 from None
    return Narrow(
        hour=int(hour) if hour else None,
        day=chosen_day,
        owner=get_object_or_404(User, username=owner) if owner else None,
    )


def not_allowed(request: HttpRequest, ability: str) -> HttpResponse:
    roles = [Role(role).label for role in roles_that_may(ability)]
    return render(request, "dashboards/not_allowed.html", {"roles": roles}, status=403)


def in_place(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def fingerprint(scope: Scope) -> str:
    """Changes whenever the board would: three cheap statements instead of the board's own.

    The newest event stands for every change of a ticket; what time alone does is in the two counts, and in the
    minute, because the page speaks of minutes. The minute also heals what two events do that commit out of order.
    """
    newest = CaseEvent.objects.aggregate(newest=Max("pk"))["newest"]
    presence = User.objects.aggregate(latest=Max("presence_since"))["latest"]
    # Everything overdue or soon lies at the near end of the index over open cases.
    near = scope.cases().filter(figures.needs_action(scope.now)).order_by()
    clocks = near.aggregate(soon=Count("pk"), over=Count("pk", filter=figures.is_overdue(scope.now)))
    minute = int(scope.now.timestamp() // 60)
    parts = (newest, presence, clocks["over"], clocks["soon"], minute, scope.person.pk, scope.person.role,
             scope.team and scope.team.pk, get_language())  # fmt: skip
    return sha256(repr(parts).encode()).hexdigest()[:32]
