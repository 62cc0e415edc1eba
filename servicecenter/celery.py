"""The Celery application: the pump that kicks sweeps and deliveries. It holds no promise of its own."""

import os

from celery import Celery
from celery.signals import setup_logging

from . import queue_files  # noqa: F401 - makes files:// known

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "servicecenter.settings.base")

app = Celery("servicecenter")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**kwargs: object) -> None:
    """Celery would replace Django's logging with its own; having a receiver here is what stops it."""


@app.on_after_configure.connect
def _schedule(sender: Celery, **kwargs: object) -> None:
    from django.conf import settings

    # Only intervals, in UTC: a wall-clock entry is a row in the timers instead (lessons.md 23).
    every = settings.SWEEP_SECONDS
    sender.add_periodic_task(every, sender.signature("sla.tasks.sweep", options={"expires": 60}), name="sweep")
    sender.add_periodic_task(
        every * 2, sender.signature("notifications.tasks.deliver_due", options={"expires": 60}), name="deliver"
    )
    sender.add_periodic_task(every * 5, sender.signature("desk.tasks.bulk_due", options={"expires": 60}), name="bulk")
