"""The desk's addresses (architecture.md §9); each story brings its own."""

from .views import (
    actions,
    attachments,
    changes,
    customers,
    find,
    mine,
    new,
    outages,
    outbox,
    queue,
    settings,
    skills,
    team,
    ticket,
    working_time,
)

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
    *working_time.urlpatterns,
    *skills.urlpatterns,
    *mine.urlpatterns,
    *outages.urlpatterns,
    *ticket.urlpatterns,
    *actions.urlpatterns,
    *attachments.urlpatterns,
]
