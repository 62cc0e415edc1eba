"""SMPP 3.4 through smpplib: a connection to the operator's short-message center (SMSC)."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import time
from typing import Any

from django.conf import settings
from smpplib import consts, smpp
from smpplib.client import Client

THROTTLED = {consts.SMPP_ESME_RTHROTTLED, consts.SMPP_ESME_RMSGQFUL}


class Refused(Exception):
    """The SMSC answered, and the answer is no; the connection is as good as before."""

    def __init__(self, answer: Any) -> None:
        words = consts.DESCRIPTIONS.get(answer.status, "unknown status")
        super().__init__(f"the SMSC refused {answer.command.removesuffix('_resp')}: 0x{answer.status:08x} {words}")
        self.status = answer.status


class Line(Client):  # type: ignore[misc]
    """One connection. Whatever goes wrong on it other than `Refused` leaves it broken: hang up and dial again.

    smpplib reads answers in order and knows neither TLS with host names nor IPv6; those are ours.
    """

    _socket: socket.socket | None

    def __init__(self) -> None:
        # A name of its own per client would leak loggers; below WARNING smpplib writes passwords and texts.
        super().__init__(
            settings.SMPP_HOST,
            settings.SMPP_PORT,
            timeout=settings.SMS_TIMEOUT,
            logger_name="notifications.smpp",
            allow_unknown_opt_params=True,
        )
        self.logger.setLevel(logging.WARNING)
        logging.getLogger("smpplib").setLevel(logging.WARNING)
        self.used_at = 0.0

    def dial(self, bind: str) -> Line:
        """Connect and bind as `bind_transmitter` or `bind_receiver`. Raises OSError or Refused."""
        try:
            self.connect()
            answer = self.ask(
                bind,
                system_id=settings.SMPP_SYSTEM_ID,
                password=settings.SMPP_PASSWORD,
                system_type=settings.SMPP_SYSTEM_TYPE,
            )
            if answer.is_error():
                raise Refused(answer)
        except BaseException:
            self.hang_up()
            raise
        return self

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), timeout=self.timeout)
        if settings.SMPP_TLS:
            self._socket = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        else:
            self._socket = plain
        self.state = consts.SMPP_CLIENT_STATE_OPEN

    def ask(self, command: str, **fields: Any) -> Any:
        """Send a request and return its answer; what the SMSC asks meanwhile is answered in passing."""
        request = smpp.make_pdu(command, client=self, **fields)
        until = time.monotonic() + self.timeout
        self.send_pdu(request)
        while time.monotonic() < until:
            answer = self.read_pdu()
            if answer.is_response() and answer.sequence == request.sequence:
                self.used_at = time.monotonic()
                return answer
            if answer.command == "enquire_link":
                self.reply(answer)
            elif answer.command == "unbind":
                raise OSError("the SMSC closed the session")
        raise TimeoutError(f"the SMSC did not answer {command}")

    def waits(self, seconds: float) -> bool:
        """Whether the SMSC says something within this time; asked before `read_pdu`, which cannot stop halfway."""
        assert self._socket is not None
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        return bool(select.select([self._socket], [], [], seconds)[0])

    def reply(self, request: Any, *, status: int = consts.SMPP_ESME_ROK) -> None:
        """Answer a request of the SMSC's."""
        answer = smpp.make_pdu(f"{request.command}_resp", client=self, status=status)
        answer.sequence = request.sequence
        self.send_pdu(answer)

    def send(self, command: str) -> int:
        """Send a request whose answer is read later; return the number the answer will bear."""
        request = smpp.make_pdu(command, client=self)
        self.send_pdu(request)
        return int(request.sequence)

    def hang_up(self) -> None:
        """Close without ceremony; an unbind over a broken line would only wait."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.state = consts.SMPP_CLIENT_STATE_CLOSED


def address(number: str) -> tuple[int, int, str]:
    """Type of number, numbering plan and digits (SMPP 3.4, 5.2.5): international, a name, or what the SMSC knows."""
    if number.startswith("+"):
        return consts.SMPP_TON_INTL, consts.SMPP_NPI_ISDN, number[1:]
    if number and not number.isdigit():
        return consts.SMPP_TON_ALNUM, consts.SMPP_NPI_UNK, number
    return consts.SMPP_TON_UNK, consts.SMPP_NPI_UNK, number
