from django.urls import path
from django.views.generic import RedirectView

from . import views

app_name = "dashboards"
urlpatterns = [
    # The rail leads here, so that it marks every board as its own; the live page is the first of them.
    path("boards/", RedirectView.as_view(pattern_name="dashboards:live"), name="boards"),
    path("boards/live/", views.live, name="live"),
    path("boards/live/refresh/", views.refresh, name="refresh"),
    path("boards/list/<slug:figure>/", views.figure_list, name="list"),
    path("boards/reassign/<str:number>/", views.reassign, name="reassign"),
]
