"""The one beat: Celery's scheduler, held by a lock on PostgreSQL, with a heartbeat that the health page reads.

Two plain beats would kick every sweep twice. That is harmless (a sweep claims what it fires) and wasteful. The
advisory lock belongs to a connection of its own: when a beat dies, PostgreSQL drops the connection and the next beat
takes over. A pooler in transaction mode would break this, so beat connects to PostgreSQL directly
(docs/operations.md, Two beats).
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.beat import Scheduler
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, connections

log = logging.getLogger(__name__)

HEARTBEAT = "beat"  # the cache key: seconds since 1970, shared by all processes through the database or Redis
LOCK = 7_236_501_842  # any number, the same for every beat
STANDBY_SECONDS = 2.0


class OneBeat(Scheduler):
    """Keeps the schedule in memory: every entry is a plain interval, so there is nothing to remember between starts."""

    _lock: Any = None
    _leads = False

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if not self._holds_the_lock():
            return STANDBY_SECONDS
        wait = super().tick(*args, **kwargs)
        self._leave_a_sign()
        return wait

    def close(self) -> None:
        super().close()
        self._drop()

    def _ensure_connected(self) -> Any:
        """Never give up, and be back within seconds: Celery would wait up to half a minute between tries."""

        def tell(problem: Exception, seconds: float) -> None:
            log.warning("beat waits for the broker (%s)", type(problem).__name__)

        return self.connection.ensure_connection(tell, None, interval_start=1, interval_step=1, interval_max=3)

    def _holds_the_lock(self) -> bool:
        try:
            if self._lock is None:
                self._lock = connections.create_connection("default")
            if self._lock.vendor != "postgresql":
                return True
            with self._lock.cursor() as cursor:
                if self._leads:
                    cursor.execute("SELECT 1")  # raises when the connection, and with it the lock, is gone
                    return True
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
                self._leads = cursor.fetchone()[0]
        except (DatabaseError, InterfaceError) as problem:
            log.warning("beat stands by: the database does not answer (%s)", type(problem).__name__)
            self._drop()
            return False
        if self._leads:
            log.info("this beat leads")
        return self._leads

    def _drop(self) -> None:
        self._leads = False
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _leave_a_sign(self) -> None:
        try:
            cache.set(HEARTBEAT, time.time(), timeout=None)
        except Exception as problem:  # Redis or the database; the age on the health page tells
            log.warning("beat could not leave its sign (%s)", type(problem).__name__)
