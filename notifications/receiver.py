"""What the SMSC brings: the loop behind `manage.py sms_receiver`. A message is a committed row before it is answered.

The SMSC brings again what it got no answer to. After each answer it is asked for a sign of life: when that comes, it
has read everything before it, and the rows are marked so (notifications.inbound.acknowledge).
"""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import Any

from django.core.cache import cache
from django.db import close_old_connections, connection
from smpplib import consts

from common import clock

from . import inbound, smpp, sms

log = logging.getLogger(__name__)

# The cache key of the last sign of life: seconds since 1970, as of beat.
HEARTBEAT = "sms-receiver"
SIGN_SECONDS = 10.0
TICK_SECONDS = 1.0
QUIET_SECONDS = 30.0
DRAIN_SECONDS = 5.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)

_RECEIPT = 0x04
_TYPE_MASK = 0x3C


class Receiver:
    """Binds, takes what comes, and binds again when the line broke, until `stop` is set."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._done: list[int] = []  # rows answered in this session
        self._asked: dict[int, list[int]] = {}  # signs of life asked for, and the rows they vouch for
        self._sign_at = 0.0
        self._failures = 0

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self._session()
            except Exception as problem:
                log.warning("no messages from the SMSC: %s: %s", type(problem).__name__, problem)
            self.stop.wait(RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)])
            self._failures += 1

    def _session(self) -> None:
        self._done, self._asked = [], {}
        line = smpp.Line().dial("bind_receiver")
        self._failures = 0
        log.info("receiving from the SMSC")
        try:
            self._listen(line)
            self._drain(line)
        finally:
            line.hang_up()

    def _listen(self, line: smpp.Line) -> None:
        heard_at = time.monotonic()
        while not self.stop.is_set():
            self._leave_a_sign()
            if line.waits(TICK_SECONDS):
                self._take(line, line.read_pdu())
                heard_at = time.monotonic()
                continue
            silence = time.monotonic() - heard_at
            if silence > 2 * QUIET_SECONDS:
                raise TimeoutError("the SMSC gives no sign of life")
            if silence > QUIET_SECONDS and not self._asked:
                self._ask(line)

    def _drain(self, line: smpp.Line) -> None:
        """Before leaving, hear that the last answers were read: else the same words again would look like an echo."""
        until = time.monotonic() + DRAIN_SECONDS
        while self._asked and time.monotonic() < until:
            if line.waits(TICK_SECONDS):
                self._take(line, line.read_pdu())
        line.send("unbind")

    def _leave_a_sign(self) -> None:
        if time.monotonic() - self._sign_at < SIGN_SECONDS:
            return
        self._sign_at = time.monotonic()
        _renew_connection()
        inbound.join_late(now=clock.now())
        try:
            cache.set(HEARTBEAT, time.time(), timeout=None)
        except Exception:
            log.warning("the cache takes no sign of life")

    def _take(self, line: smpp.Line, pdu: Any) -> None:
        if pdu.command == "deliver_sm":
            self._delivered(line, pdu)
        elif pdu.command == "enquire_link":
            line.reply(pdu)
        elif pdu.command == "enquire_link_resp":
            if rows := self._asked.pop(pdu.sequence, []):
                inbound.acknowledge(rows, at=clock.now())
        elif pdu.command == "unbind":
            line.reply(pdu)
            raise OSError("the SMSC closed the session")

    def _delivered(self, line: smpp.Line, pdu: Any) -> None:
        _renew_connection()
        try:
            row = self._keep(pdu)
        except Exception:
            log.exception("a message could not be kept; the SMSC is asked to bring it again")
            line.reply(pdu, status=consts.SMPP_ESME_RX_T_APPN)
            return
        line.reply(pdu)
        if row is not None:
            self._done.append(row)
            self._ask(line, row)

    def _ask(self, line: smpp.Line, *rows: int) -> None:
        self._asked[line.send("enquire_link")] = list(rows)

    def _keep(self, pdu: Any) -> int | None:
        """Write down what came; return the row of a whole message that bears no number."""
        now = clock.now()
        octets: bytes = pdu.message_payload or pdu.short_message or b""
        if pdu.esm_class & _TYPE_MASK == _RECEIPT:
            self._receipt(pdu, octets)
            return None
        sender = pdu.source_addr.decode("latin-1").strip() or "unknown"
        if pdu.source_addr_ton == consts.SMPP_TON_INTL and sender.isdigit():
            sender = f"+{sender}"
        piece, octets = _piece(pdu, octets)
        if piece is not None:
            inbound.receive_part(sender=sender, piece=piece, coding=pdu.data_coding, at=now)
            return None
        message = inbound.receive_unnumbered(
            sender=sender, coding=pdu.data_coding, octets=octets, at=now, done=self._done
        )
        return int(message.pk)

    def _receipt(self, pdu: Any, octets: bytes) -> None:
        """A delivery receipt (SMPP 3.4, appendix B): the state, and which message of ours it is about."""
        text = octets.decode("latin-1")
        state = re.search(r"stat:(\w+)", text)
        found = re.search(r"id:(\S+)", text)
        receipt_id = (pdu.receipted_message_id or b"").decode("latin-1") or (found[1] if found else "")
        if pdu.message_state == consts.SMPP_MESSAGE_STATE_DELIVERED or (state and state[1] == "DELIVRD"):
            inbound.delivered(receipt_id=receipt_id, at=clock.now())


def _renew_connection() -> None:
    """Drop a connection to the database that broke or grew old; a process without requests must ask for it."""
    if not connection.in_atomic_block:  # only tests have one open here
        close_old_connections()


def _piece(pdu: Any, octets: bytes) -> tuple[sms.Piece | None, bytes]:
    """What part of a longer text this is, by its header or by the optional parameters; and its octets."""
    piece: sms.Piece | None = None
    if pdu.esm_class & consts.SMPP_GSMFEAT_UDHI:
        piece, octets = sms.piece_of(octets)
    elif pdu.sar_total_segments:
        piece = sms.Piece(pdu.sar_msg_ref_num or 0, pdu.sar_total_segments, pdu.sar_segment_seqnum or 0, octets)
    # A part beyond the whole is some other device's mistake: taken by itself, it is not lost.
    return (piece if piece and 1 <= piece.number <= piece.total else None), octets
