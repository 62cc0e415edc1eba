"""Search tickets and visits: the archive as one list, with every filter in its address."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from desk.archive import RECEIVED, ArchiveForm, address, search
from desk.doors import requires
from desk.lists import shown


@requires("desk.open")
@require_GET
def archive(request: HttpRequest) -> HttpResponse:
    """The newest fifty that fit, and the way to the older ones; 422 with the reason beside a filter that cannot be."""
    person: Any = request.user
    form = ArchiveForm(request.GET, person=person)
    context: dict[str, Any] = {"form": form}
    if not form.is_valid():
        return render(request, "desk/archive.html", context, status=422)
    after = request.GET.get("after", "")
    results = search(form, person, after=after)
    context |= {
        "results": results,
        "count": shown(results.count),
        "by_receipt": (form.cleaned_data["when"] or RECEIVED) == RECEIVED,
        "later": bool(after),
        "newest_url": address(**form.query),
        "older_url": address(**form.query, after=results.then) if results.then else "",
        "without_customer_url": address(**{k: v for k, v in form.query.items() if k != "customer"}),
    }
    return render(request, "desk/archive.html", context)


urlpatterns = [path("desk/archive/", archive, name="archive")]
