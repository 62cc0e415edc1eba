"""The desk's addresses (architecture.md §9); each story brings its own."""

from .views import (
    actions,
    assign,
    changes,
    customers,
    dispatch,
    find,
    mine,
    new,
    outbox,
    queue,
    settings,
    team,
    ticket,
)  # fmt: skip

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
    *mine.urlpatterns,
    *dispatch.urlpatterns,
    *assign.urlpatterns,
    *ticket.urlpatterns,
    *actions.urlpatterns,
]
