"""The customer's addresses; each story brings its own."""

from .views import home, matters, report, sign_in

app_name = "portal"
urlpatterns = [
    *home.urlpatterns,
    *sign_in.urlpatterns,
    *report.urlpatterns,
    *matters.urlpatterns,
]
