"""The customer's addresses; each story brings its own."""

from .views import booking, home, matters, report, sign_in

app_name = "portal"
urlpatterns = [
    *home.urlpatterns,
    *sign_in.urlpatterns,
    *report.urlpatterns,
    *booking.urlpatterns,
    *matters.urlpatterns,
]
