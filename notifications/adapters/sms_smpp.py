"""SMS through SMPP 3.4. One connection a process, bound when first needed and again whenever it broke."""

from __future__ import annotations

import threading
import time

from django.conf import settings
from smpplib import consts

from notifications import smpp, sms
from notifications.models import Message

from . import TryLater

# A connection that rested longer is asked for a sign of life before a message is trusted to it.
REST_SECONDS = 5.0

_lock = threading.Lock()
_line: smpp.Line | None = None


def send(message: Message, *, subject: str, body: str) -> str:
    """Hand all parts to the SMSC; return their ids, separated by spaces.

    Raises unless every part was accepted; the whole is then sent again, under the same reference.
    """
    coding, parts = sms.split(body.strip(), reference=message.pk)
    with _lock:
        line = _ready()
        try:
            return " ".join(
                _submit(line, part, message.recipient, coding, several=len(parts) > 1, last=part is parts[-1])
                for part in parts
            )
        except smpp.Refused as refusal:
            if refusal.status in smpp.THROTTLED:
                raise TryLater(str(refusal)) from None
            raise
        except Exception as problem:
            hang_up()
            raise OSError(f"the connection to the SMSC broke ({type(problem).__name__}: {problem})") from None


def hang_up() -> None:
    """Close this process's connection, if it has one."""
    global _line
    if _line is not None:
        _line.hang_up()
        _line = None


def _ready() -> smpp.Line:
    """The connection, seen alive: a server that went away while we rested must not cost a message its certainty."""
    global _line
    if _line is not None and time.monotonic() - _line.used_at > REST_SECONDS:
        try:
            _line.ask("enquire_link")
        except Exception:
            hang_up()
    if _line is None:
        _line = smpp.Line().dial("bind_transmitter")
    return _line


def _submit(line: smpp.Line, part: bytes, recipient: str, coding: int, *, several: bool, last: bool) -> str:
    source_ton, source_npi, source = smpp.address(settings.SMS_SENDER)
    target_ton, target_npi, target = smpp.address(recipient)
    answer = line.ask(
        "submit_sm",
        source_addr_ton=source_ton,
        source_addr_npi=source_npi,
        source_addr=source,
        dest_addr_ton=target_ton,
        dest_addr_npi=target_npi,
        destination_addr=target,
        esm_class=consts.SMPP_GSMFEAT_UDHI if several else consts.SMPP_MSGMODE_DEFAULT,
        data_coding=coding,
        registered_delivery=consts.SMPP_SMSC_DELIVERY_RECEIPT_BOTH if last else consts.SMPP_SMSC_DELIVERY_RECEIPT_NONE,
        short_message=part,
    )
    if answer.is_error():
        raise smpp.Refused(answer)
    return (answer.message_id or b"").decode("latin-1")
