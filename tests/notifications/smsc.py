"""A short-message center on the loopback: SMPP 3.4 spoken by hand, so that our own library is what is tested.

It binds, takes messages and gives ids, and does what real ones do: throttle, refuse, drop the line in the middle, ask
for signs of life, and bring messages to whoever is bound as a receiver.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import socket
import struct
import threading
from dataclasses import dataclass, field

GENERIC_NACK, SUBMIT, DELIVER, UNBIND, ENQUIRE = 0x80000000, 0x04, 0x05, 0x06, 0x15
BINDS = {0x01: "receiver", 0x02: "transmitter", 0x09: "transceiver"}
RESPONSE = 0x80000000
OK, BAD_PASSWORD, QUEUE_FULL, THROTTLED, BAD_TARGET = 0x00, 0x0E, 0x14, 0x58, 0x0B


@dataclass
class Submitted:
    """One submit_sm as it came over the wire."""

    source: str
    source_ton: int
    target: str
    target_ton: int
    esm_class: int
    coding: int
    octets: bytes
    receipt: int

    @property
    def text(self) -> str:
        body = self.octets[1 + self.octets[0] :] if self.esm_class & 0x40 else self.octets
        return body.decode("utf-16-be") if self.coding == 8 else body.decode("latin-1")


@dataclass
class Session:
    """One connection."""

    line: socket.socket
    bound: str = ""
    answers: queue.Queue[tuple[int, int, int]] = field(default_factory=queue.Queue)  # command, status, sequence

    def send(self, command: int, body: bytes = b"", *, status: int = OK, sequence: int = 1) -> None:
        self.line.sendall(struct.pack(">LLLL", 16 + len(body), command, status, sequence) + body)


class SMSC:
    """`statuses` are given to the next submissions, then OK. `drop` closes the line at the n-th submission from now:
    before it is taken ("before"), or after it was taken and before the answer ("after")."""

    password = "secret"

    def __init__(self) -> None:
        self.taken: list[Submitted] = []
        self.binds: list[str] = []
        self.seen: list[int] = []
        self.statuses: list[int] = []
        self.drop: tuple[int, str] | None = None
        self.signs = 0  # of life, given to whoever asked
        self.chatty = False  # asks for a sign of life before every answer
        self.sessions: list[Session] = []
        self.changed = threading.Condition()
        self._ids = itertools.count(1)
        self._sequence = itertools.count(1000)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._welcome, daemon=True).start()

    def __enter__(self) -> SMSC:
        return self

    def __exit__(self, *_error: object) -> None:
        self._door.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close every connection from this side."""
        with self.changed:
            gone, self.sessions = self.sessions, []
        for session in gone:
            with contextlib.suppress(OSError):
                session.line.shutdown(socket.SHUT_RDWR)

    def receiver(self, timeout: float = 20) -> Session:
        """The newest connection that takes messages; waits until there is one."""

        def bound() -> list[Session]:
            return [session for session in self.sessions if session.bound in ("receiver", "transceiver")]

        with self.changed:
            assert self.changed.wait_for(bound, timeout), "nobody bound as a receiver"
            return bound()[-1]

    def settled(self, signs: int) -> None:
        """Wait until the receiver has asked for this many signs of life and has read the answers to all of them."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.signs >= signs, 20), f"{self.signs} signs were asked for"
        session = self.receiver()
        session.send(ENQUIRE, sequence=1)
        while session.answers.get(timeout=20)[0] != ENQUIRE | RESPONSE:
            pass

    def left(self) -> None:
        """Wait until nobody is bound as a receiver any more."""
        with self.changed:
            assert self.changed.wait_for(lambda: not self.sessions, 20), "the receiver did not leave"

    def deliver(
        self,
        octets: bytes,
        *,
        source: str = "8613812345678",
        coding: int = 8,
        esm_class: int = 0,
        more: bytes = b"",
        wait: bool = True,
        timeout: float = 20,
    ) -> int | None:
        """Bring a message to the receiver; return the status it answers with, None where it hangs up instead."""
        session = self.receiver(timeout)
        sequence = next(self._sequence)
        body = b"\0" + bytes([1, 1]) + source.encode() + b"\0" + bytes([0, 0]) + b"10000\0"
        body += bytes([esm_class, 0, 0]) + b"\0\0" + bytes([0, 0, coding, 0, len(octets)]) + octets + more
        session.send(DELIVER, body, sequence=sequence)
        if not wait:
            return None
        while True:
            command, status, answered = session.answers.get(timeout=timeout)
            if command == 0:
                return None
            if command == DELIVER | RESPONSE and answered == sequence:
                return status

    def _welcome(self) -> None:
        while True:
            try:
                line, _peer = self._door.accept()
            except OSError:
                return
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(line)
            self.sessions.append(session)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, session: Session) -> None:
        try:
            with session.line.makefile("rb") as stream:
                while header := stream.read(16):
                    length, command, status, sequence = struct.unpack(">LLLL", header)
                    self._answer(session, command, status, sequence, stream.read(length - 16))
        except (OSError, ValueError, struct.error):
            pass
        finally:
            with self.changed:
                if session in self.sessions:
                    self.sessions.remove(session)
                self.changed.notify_all()
            session.line.close()
            session.answers.put((0, 0, 0))

    def _answer(self, session: Session, command: int, status: int, sequence: int, body: bytes) -> None:
        self.seen.append(command)
        if command in BINDS:
            _system, password, *_rest = body.split(b"\0")
            good = password.decode() == self.password
            session.send(
                command | RESPONSE, b"SMSC\0" if good else b"", status=OK if good else BAD_PASSWORD, sequence=sequence
            )
            if good:
                with self.changed:
                    session.bound = BINDS[command]
                    self.binds.append(session.bound)
                    self.changed.notify_all()
        elif command == SUBMIT:
            self._submitted(session, sequence, body)
        elif command in (ENQUIRE, UNBIND):
            session.send(command | RESPONSE, sequence=sequence)
            with self.changed:
                self.signs += command == ENQUIRE
                self.changed.notify_all()
        else:
            session.answers.put((command, status, sequence))

    def _submitted(self, session: Session, sequence: int, body: bytes) -> None:
        where = ""
        if self.drop:
            left, where = self.drop[0] - 1, self.drop[1]
            self.drop, where = ((left, where), "") if left else (None, where)
        if where == "before":
            raise OSError("dropped")
        status = self.statuses.pop(0) if self.statuses else OK
        if status == OK:
            self.taken.append(_parsed(body))
        if where == "after":
            raise OSError("dropped")
        if self.chatty:
            session.send(ENQUIRE, sequence=next(self._sequence))
        answer = f"id-{next(self._ids)}".encode() + b"\0" if status == OK else b""
        session.send(SUBMIT | RESPONSE, answer, status=status, sequence=sequence)


def _parsed(body: bytes) -> Submitted:
    place = 0

    def text() -> str:
        nonlocal place
        end = body.index(b"\0", place)
        found, place = body[place:end].decode("latin-1"), end + 1
        return found

    def number() -> int:
        nonlocal place
        place += 1
        return body[place - 1]

    text()  # service type
    source_ton, _npi, source = number(), number(), text()
    target_ton, _npi, target = number(), number(), text()
    esm_class, _protocol, _priority = number(), number(), number()
    text(), text()  # schedule, validity
    receipt, _replace, coding, _default = number(), number(), number(), number()
    length = number()
    return Submitted(source, source_ton, target, target_ton, esm_class, coding, body[place : place + length], receipt)
