"""The desk's addresses (architecture.md §9); each story brings its own."""

from .views import actions, attachments, changes, customers, find, new, outbox, queue, settings, team, ticket

app_name = "desk"
urlpatterns = [
    *queue.urlpatterns,
    *team.urlpatterns,
    *new.urlpatterns,
    *find.urlpatterns,
    *changes.urlpatterns,
    *customers.urlpatterns,
    *outbox.urlpatterns,
    *settings.urlpatterns,
    *ticket.urlpatterns,
    *actions.urlpatterns,
    *attachments.urlpatterns,
]
