"""The embedded default's queue: kombu's files, written so that no reader ever sees half of one.

kombu creates a message's file empty and fills it afterwards. On a busy machine a worker takes the empty file in
between, fails on it and ends, and everything that was started with it (seen 2026-11-28, with a load of twelve).
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps

log = logging.getLogger(__name__)

SCHEME = "files"
TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"
_PATIENCE = 100  # × 20 ms

T = TypeVar("T")


class Channel(filesystem.Channel):  # type: ignore[misc]
    """A message has its name only when it is whole; a file that is none is put aside and the next one is taken."""

    def _put(self, queue: str, payload: Any, **_options: Any) -> None:
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        path = os.path.join(self.data_folder_out, name)
        with open(f"{path}.part", "wb") as file:
            file.write(str_to_bytes(dumps(payload)))
        os.replace(f"{path}.part", path)

    def _get(self, queue: str) -> Any:
        while True:
            try:
                return super()._get(queue)
            except ValueError:
                # kombu has moved the file out of the queue. What it would have kicked is a row, and is kicked again.
                log.warning("a message on %s was not whole and is left out", queue)

    def get_table(self, exchange: str) -> Any:
        return _once_written(lambda: super(Channel, self).get_table(exchange))

    def _queue_bind(self, *args: Any) -> None:
        _once_written(lambda: super(Channel, self)._queue_bind(*args))


def _once_written(read: Callable[[], T]) -> T:
    """The table of queues, which another process may be writing for the first time."""
    for _attempt in range(_PATIENCE):
        try:
            return read()
        except ValueError:
            time.sleep(0.02)
    return read()


class Transport(filesystem.Transport):  # type: ignore[misc]
    Channel = Channel
