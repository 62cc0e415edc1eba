from django.urls import path

from . import views

urlpatterns = [path("inbound/sms/", views.inbound_sms, name="inbound_sms")]
