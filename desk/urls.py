"""The desk's addresses (architecture.md §9); each story brings its own."""

from .views import (
    actions,
    assign,
    attachments,
    changes,
    customers,
    dispatch,
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
    *dispatch.urlpatterns,
    *assign.urlpatterns,
    *outages.urlpatterns,
    *ticket.urlpatterns,
    *actions.urlpatterns,
    *attachments.urlpatterns,
]
