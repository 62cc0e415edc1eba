"""Settings, root addresses, WSGI and the Celery application; no domain code."""

from .celery import app as celery_app

__all__ = ["celery_app"]
