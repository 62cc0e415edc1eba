from django.contrib.auth.views import LogoutView
from django.urls import path

from . import views

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign_in"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("session/", views.session, name="session"),
    path("preferences/", views.preferences, name="preferences"),
    path("presence/", views.presence, name="presence"),
]
