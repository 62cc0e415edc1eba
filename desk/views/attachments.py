"""A file of a case, to whoever may see the case."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from django.urls import path
from django.views.decorators.http import require_safe

from cases.models import Attachment
from common.downloads import download
from desk.doors import requires


@requires("desk.open")
@require_safe
def attachment(request: HttpRequest, attachment_id: int) -> Any:
    found = Attachment.objects.visible_to(request.user).filter(pk=attachment_id).first()
    if found is None:
        raise Http404
    return download(found.file, name=found.name, content_type=found.content_type)


urlpatterns = [path("desk/attachments/<int:attachment_id>/", attachment, name="attachment")]
