"""Root addresses; each room brings its own."""

from django.urls import include, path
from django.views.generic import RedirectView

from . import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("metrics", health.metrics, name="metrics"),
    path("", include("common.urls")),
    path("", include("staff.urls")),
    path("", include("notifications.urls")),
    path("", include("desk.urls")),
    path("", include("dashboards.urls")),
    # Until the portal stands, the front door leads to the desk (architecture.md §9).
    path("", RedirectView.as_view(pattern_name="desk:queue"), name="home"),
]

handler500 = "common.views.server_error"
