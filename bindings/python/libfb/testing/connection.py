# SPDX-License-Identifier: BSD-3-Clause
"""Messages to a server and their answers, in the way of a kernel."""
from __future__ import annotations

import errno
import os
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import wire
from .account import Account
from .wire import Feature, Op

ROOM = 64 << 10
"""Bytes of an answer that is taken unless the request says more: header, and a struct or a value."""
ROOM_RAW = (1 << 20) + 4096
FIRST_UNIQUE = 1000
UNIQUE_INTERRUPT = 1
WAIT_SECONDS = 10.0


class Backend(Protocol):
    """The transport in memory, as `libfb._session.open_loopback(fs, **options)` makes it.

    It may also have the attributes granted (the features agreed on, bits of INIT) and max_write
    (bytes in one write). Sizes are in bytes, times in milliseconds (-1: for ever).
    """

    def send(self, message: bytes, size: int, /) -> bytes:
        """Send, wait, and return an answer of at most size bytes; b"" when there is none."""

    def submit(self, message: bytes, /) -> int:
        """Send without waiting. Returns a ticket for receive()."""

    def receive(self, ticket: int, size: int, timeout_ms: int, /) -> bytes:
        """Wait for an answer, once; TimeoutError when it does not come in time."""

    def notification(self, timeout_ms: int, /) -> bytes:
        """Wait for the next notification; TimeoutError when there is none."""

    def drop_answers(self, count: int, error: int, /) -> None:
        """Have the next count answers fail on their way with this errno."""

    def close(self) -> None:
        """Say goodbye."""


@dataclass(frozen=True)
class Caller:
    """On whose behalf a request is sent. groups go along where an inode is made."""

    uid: int = field(default_factory=os.geteuid)
    gid: int = field(default_factory=os.getegid)
    pid: int = field(default_factory=os.getpid)
    umask: int = 0o022
    groups: tuple[int, ...] = ()

    def extension(self) -> bytes:
        """The groups in the form in which they end a message; b"" when there are none."""
        if not self.groups:
            return b""
        body = wire.pack("supp_groups", nr_groups=len(self.groups))
        body += struct.pack(f"={len(self.groups)}I", *self.groups)
        size = (wire.layout("ext_header").size + len(body) + 7) & ~7
        return (wire.pack("ext_header", size=size, type=wire.EXT_GROUPS) + body).ljust(size, b"\0")


class AnswerLost(OSError):
    """An answer that drop_answers() made disappear; errno is the one given there."""


@dataclass(frozen=True)
class Answer:
    """What came back. error is an errno, or 0; answered is false for requests that have no answer."""

    error: int
    body: bytes
    unique: int
    answered: bool = True

    def check(self, what: object = "") -> bytes:
        """The body; OSError, of the class that fits, when there is an error."""
        if self.error:
            raise OSError(self.error, f"{os.strerror(self.error)} [{what}]")
        return self.body


@dataclass(frozen=True)
class Notification:
    """What a server said unasked: its code, the fields of its struct, and the bytes behind that."""

    code: wire.Notify
    fields: dict[str, int]
    data: bytes


@dataclass(frozen=True)
class Request:
    """One message as it is sent."""

    op: int
    node: int
    unique: int
    message: bytes


class Connection:
    """A session seen from its client; shared by all who speak over it. Safe for threads."""

    def __init__(self, backend: Backend, features: Feature | None) -> None:
        self.backend = backend
        self.features = features
        self.account = Account()
        self.closed = False
        self._lock = threading.Lock()
        self._unique = FIRST_UNIQUE
        self._dropping = 0

    def has(self, feature: Feature, unknown: bool = False) -> bool:
        """Whether a feature was agreed on; `unknown` when nobody told what was."""
        return unknown if self.features is None else bool(self.features & feature)

    def request(self, op: int, node: int, body: bytes, caller: Caller, **header: int) -> Request:
        """Build a message. header overrides fields of in_header, as for malformed messages."""
        tail = caller.extension() if op in wire.EXTENDED and self._takes_groups() else b""
        with self._lock:
            self._unique += 2
            unique = self._unique
        fields = {
            "len": wire.layout("in_header").size + len(body) + len(tail),
            "opcode": int(op),
            "unique": unique,
            "nodeid": node,
            "uid": caller.uid,
            "gid": caller.gid,
            "pid": caller.pid,
            "total_extlen": len(tail) // 8,
        } | header
        message = wire.pack("in_header", **fields) + body + tail
        return Request(op, node, fields["unique"], message)

    def _takes_groups(self) -> bool:
        return self.has(Feature.CREATE_SUPP_GROUP, unknown=True)

    def send(self, request: Request, room: int) -> Answer:
        """Send and wait. Raises AnswerLost, and what the backend raises when it can not send."""
        return self.carry(request, lambda: self.backend.send(request.message, room))

    def carry(self, request: Request, way: Callable[[], bytes]) -> Answer:
        """Have a request served in some way, and keep account."""
        body = request.message[wire.layout("in_header").size :]
        self.account.sending(request.op, request.node, body)
        return self.take(request, way)

    def take(self, request: Request, way: Callable[[], bytes]) -> Answer:
        """Fetch the answer to a request that has been sent."""
        try:
            data = way()
        except TimeoutError:
            raise
        except OSError as error:
            if self._was_dropped():
                raise AnswerLost(error.errno, "the answer was lost on its way") from None
            raise
        answer = read_answer(request, data)
        if answer.answered and answer.error == 0:
            self.account.received(request.op, request.node, answer.body)
        return answer

    def drop_answers(self, count: int, error: int) -> None:
        """See `Client.drop_answers`."""
        with self._lock:
            self._dropping = count
        self.backend.drop_answers(count, error)

    def _was_dropped(self) -> bool:
        with self._lock:
            self._dropping -= 1
            return self._dropping >= 0


def read_answer(request: Request, data: bytes) -> Answer:
    """Take an answer apart. Raises AssertionError when a kernel would refuse it."""
    if not data:
        assert request.op in wire.NO_ANSWER, f"no answer to {request.op!r}"
        return Answer(0, b"", request.unique, answered=False)
    head = wire.layout("out_header")
    assert len(data) >= head.size, f"an answer of {len(data)} bytes has no header"
    fields = head.unpack(data)
    error = -fields["error"]
    assert fields["len"] == len(data), f"an answer of {len(data)} bytes says {fields['len']}"
    assert fields["unique"] == request.unique, "the answer belongs to another request"
    assert 0 <= error < 512, f"an answer with error {-error}"
    assert error == 0 or len(data) == head.size, "an error with something behind it"
    return Answer(error, data[head.size :], request.unique)


def read_notification(data: bytes) -> Notification:
    """Take a notification apart; struct.error or ValueError when it is none."""
    head = wire.layout("out_header")
    fields, body = head.unpack(data), data[head.size :]
    code = wire.Notify(fields["error"])
    assert fields["unique"] == 0 and fields["len"] == len(data), "a notification's header is wrong"
    name = wire.NOTIFY_LAYOUTS.get(code)
    if name is None:
        return Notification(code, {}, body)
    return Notification(code, wire.unpack(name, body), body[wire.layout(name).size :])


class Pending:
    """A request under way, made by `Client.start`."""

    def __init__(self, connection: Connection, request: Request, room: int, thread: bool) -> None:
        self.unique = request.unique
        self._connection, self._request, self._room = connection, request, room
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        self._ticket: int | None = None
        self._thread: threading.Thread | None = None
        if thread:
            self._thread = threading.Thread(target=self._run, name="libfb-client", daemon=True)
            self._thread.start()
        else:
            body = request.message[wire.layout("in_header").size :]
            connection.account.sending(request.op, request.node, body)
            self._ticket = connection.backend.submit(request.message)

    def _run(self) -> None:
        try:
            self._answer = self._connection.send(self._request, self._room)
        except BaseException as error:  # whatever it is, wait() raises it
            self._error = error

    @property
    def done(self) -> bool:
        """Whether wait() would return, or raise, at once."""
        try:
            self._fetch(0)
        except TimeoutError:
            return False
        except Exception as error:
            self._error = error
        return True

    def wait(self, timeout: float = WAIT_SECONDS) -> Answer:
        """Wait for the answer for so many seconds; TimeoutError when it does not come."""
        self._fetch(timeout)
        assert self._answer is not None
        return self._answer

    def interrupt(self) -> None:
        """Tell the server that the caller was interrupted; its answer is still to come."""
        body = wire.pack("interrupt_in", unique=self.unique)
        caller = Caller(uid=0, gid=0, pid=0)
        unique = self.unique | UNIQUE_INTERRUPT
        request = self._connection.request(Op.INTERRUPT, 0, body, caller, unique=unique)
        self._connection.send(request, ROOM)

    def _fetch(self, timeout: float) -> None:
        if self._error is not None:
            raise self._error
        if self._answer is not None:
            return
        if self._thread is not None:
            self._join(timeout)
            return
        assert self._ticket is not None
        ticket, room, milliseconds = self._ticket, self._room, int(timeout * 1000)
        self._answer = self._connection.take(
            self._request, lambda: self._connection.backend.receive(ticket, room, milliseconds)
        )

    def _join(self, timeout: float) -> None:
        assert self._thread is not None
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(errno.ETIMEDOUT, "the request is still under way")
        if self._error is not None:
            raise self._error


def open_backend(fs: object, options: dict[str, Any]) -> Backend:
    """A loopback that serves fs in the calling thread."""
    import importlib

    session = importlib.import_module("libfb._session")
    backend: Backend = session.open_loopback(fs, **options)
    return backend
