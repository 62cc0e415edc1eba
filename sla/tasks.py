"""The pump: beat kicks these; they hold no promise of their own."""

from __future__ import annotations

import logging

from celery import shared_task

from . import sweep as engine

log = logging.getLogger(__name__)


@shared_task(name="sla.tasks.sweep")
def sweep() -> None:
    """Fire whatever is due. May run late, twice or beside itself without harm."""
    outcome = engine.sweep()
    if outcome.fired or outcome.failed:
        log.info("sweep fired %s, failed %s, in %s batches", outcome.fired, outcome.failed, outcome.batches)
