"""Delivery by workers: each takes an id, reloads, claims its row and does one thing."""

from __future__ import annotations

from celery import shared_task

from . import services


@shared_task(name="notifications.tasks.deliver")
def deliver(message_id: int) -> None:
    services.deliver(message_id)


@shared_task(name="notifications.tasks.deliver_due")
def deliver_due() -> None:
    """Pick up what was lost between the commit and the broker."""
    services.deliver_due()
