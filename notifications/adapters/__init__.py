"""How messages leave the house: one module a way, each with `send(message, *, subject, body) -> provider's id`."""

from __future__ import annotations


class TryLater(Exception):
    """The provider is busy and takes nothing at this moment; that costs the message none of its attempts."""

    def __init__(self, words: str, *, seconds: float = 30) -> None:
        super().__init__(words)
        self.seconds = seconds
