"""The pump of what is done to many tickets; the promise is the job's row."""

from __future__ import annotations

from celery import shared_task

from . import bulk, sending
from .models import BulkJob


@shared_task(name="desk.tasks.run_bulk")
def run_bulk(job_id: int) -> None:
    """Go on with a job, a page of tickets at a time, so that other work of this worker gets its turn between."""
    job = BulkJob.objects.filter(pk=job_id, done_at=None).first()
    if job is not None and not bulk.run(job):
        bulk.kick(job.pk)


@shared_task(name="desk.tasks.bulk_due")
def bulk_due() -> None:
    """Pick up what was lost between the commit and the broker, or with a worker; forget what is old."""
    bulk.sweep()
    sending.forget_old()
