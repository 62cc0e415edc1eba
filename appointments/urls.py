"""The technician's addresses; what customers and dispatchers open is in the rooms above."""

from django.urls import path

from .views import day, phone, visit

app_name = "appointments"
urlpatterns = [
    path("visits/", day.day, name="visits"),
    path("visits/actions/", phone.actions, name="actions"),
    path("visits/actions/<str:key>/seen/", phone.seen, name="seen"),
    path("visits/worker.js", phone.worker, name="worker"),
    path("visits/offline/", phone.offline, name="offline"),
    path("visits/<str:number>/", visit.visit, name="visit"),
    path("visits/<str:number>/phone/", visit.reveal, name="reveal"),
    path("visits/<str:number>/<str:action>/", visit.act, name="act"),
]
