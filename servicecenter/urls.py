"""Root addresses; each room brings its own."""

from django.urls import include, path

from . import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("metrics", health.metrics, name="metrics"),
    path("", include("common.urls")),
    path("", include("staff.urls")),
    path("", include("appointments.urls")),
    path("", include("notifications.urls")),
    path("", include("desk.urls")),
    path("", include("dashboards.urls")),
    path("", include("portal.urls")),
]

handler500 = "common.views.server_error"
