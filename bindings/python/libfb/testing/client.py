# SPDX-License-Identifier: BSD-3-Clause
"""A client that plays the kernel's part, without a mount, in the calling thread."""
from __future__ import annotations

import copy
import dataclasses
import errno
import os
import stat as modes
from types import TracebackType
from typing import Any, TypeVar

from . import wire
from .connection import (
    ROOM_RAW,
    Answer,
    Backend,
    Caller,
    Connection,
    Notification,
    Pending,
    open_backend,
    read_notification,
)
from .directories import BUFFER, Directory, DirEntry
from .files import File
from .nodes import Nodes
from .tree import Entry, Path, failure
from .wire import Feature, Op, SetAttr

AnyClient = TypeVar("AnyClient", bound="Client")
NOT_SENT = os.O_CREAT | os.O_EXCL | os.O_NOCTTY | os.O_CLOEXEC
ACCESS_MODES = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
UMASK = 0o022


class Client(Nodes):
    """What a kernel is to a server: `Client(fs)` serves a file-system object by itself.

    Methods are named as in os and take paths from the root of the file system; they raise OSError
    of the class that fits. options are those of libfb._session.open_loopback(). Nothing is cached:
    every call asks the server, and what it looks up stays in `known` until its last name is
    removed, or forget_all(). Permissions are for the server to check.
    """

    def __init__(
        self,
        fs: object = None,
        *,
        backend: Backend | None = None,
        caller: Caller | None = None,
        **options: Any,
    ) -> None:
        backend = open_backend(fs, options) if backend is None else backend
        granted: int | None = getattr(backend, "granted", None)
        features = None if granted is None else Feature(granted & _ALL_FEATURES)
        super().__init__(Connection(backend, features), caller or Caller(umask=UMASK))

    @classmethod
    def over(cls: type[AnyClient], backend: Backend, caller: Caller | None = None) -> AnyClient:
        """A client of a session that has been greeted already."""
        return cls(backend=backend, caller=caller)

    def by(self: AnyClient, **who: Any) -> AnyClient:
        """The same client on behalf of somebody else: uid, gid, pid, umask, groups.

        `client.by(uid=1000, gid=1000).mkdir("/d")`. What is left out stays as it is.
        """
        other = copy.copy(self)
        other.caller = dataclasses.replace(self.caller, **who)
        return other

    # ---- messages ----------------------------------------------------------------------------

    def raw(
        self,
        op: int,
        *,
        node: int = wire.ROOT,
        body: bytes = b"",
        room: int = ROOM_RAW,
        **header: int,
    ) -> Answer:
        """Send any bytes at all, and return what comes back without raising for its error.

        header overrides fields of in_header (len, unique, total_extlen …); room is how many bytes
        the answer may have.
        """
        request = self.connection.request(op, node, body, self.caller, **header)
        return self.connection.send(request, room)

    def start(
        self,
        op: int,
        *,
        node: int = wire.ROOT,
        body: bytes = b"",
        room: int = ROOM_RAW,
        thread: bool = False,
    ) -> Pending:
        """Send without waiting for the answer.

        The operation still runs here, up to where it answers or puts the request aside; with thread
        it runs in a thread of its own, so that one that blocks can be interrupted.
        """
        request = self.connection.request(op, node, body, self.caller)
        return Pending(self.connection, request, room, thread)

    def drop_answers(self, count: int, error: int = errno.ENOENT) -> None:
        """Have nobody take the next count answers: each caller gets AnswerLost with this errno.

        The server has to take back by itself what such an answer would have handed out.
        """
        self.connection.drop_answers(count, error)

    def notification(self, timeout: float = 0.0) -> Notification:
        """The next notification; TimeoutError when none comes within so many seconds."""
        return read_notification(self.connection.backend.notification(int(timeout * 1000)))

    def notifications(self, timeout: float = 0.0) -> list[Notification]:
        """All that are there, waiting so many seconds for each."""
        found = []
        while True:
            try:
                found.append(self.notification(timeout))
            except TimeoutError:
                return found

    def answer_retrieve(self, notification: Notification, data: bytes) -> None:
        """Give a server what it asked for with Notify.RETRIEVE."""
        fields = notification.fields
        body = wire.pack(
            "notify_retrieve_in", offset=fields["offset"], size=len(data)
        )
        unique = fields["notify_unique"]
        self.raw(Op.NOTIFY_REPLY, node=fields["nodeid"], body=body + data, unique=unique)

    # ---- files -------------------------------------------------------------------------------

    def open(self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> File:
        """Open a file, making it with O_CREAT; flags are those of os.open()."""
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            return self.tmpfile(path, flags, mode)
        if flags & os.O_CREAT:
            parent, name = self.place(path, errno.EISDIR)
            found = self.seek(parent, name)
            if found is None:
                return self._create(parent, name, flags, mode)
            if flags & os.O_EXCL:
                raise failure(errno.EEXIST)
        entry = self.find(path, follow=not flags & os.O_NOFOLLOW)
        self._check_open(entry, flags)
        return self._open(entry.node, flags)

    def create(self, path: Path, mode: int = 0o666, flags: int = os.O_RDWR) -> File:
        """Make a file that is not there yet, and open it."""
        return self.open(path, flags | os.O_CREAT | os.O_EXCL, mode)

    def tmpfile(self, path: Path, flags: int = os.O_RDWR, mode: int = 0o666) -> File:
        """Make and open a file without a name in the directory path."""
        flags = (flags & ~NOT_SENT) | os.O_TMPFILE
        answer = self.ask(Op.TMPFILE, self.find(path).node, self._create_in(flags, mode) + b"/\0")
        return self._opened(answer, flags)

    def _check_open(self, entry: Entry, flags: int) -> None:
        if entry.kind == modes.S_IFLNK:
            raise failure(errno.ELOOP)
        if entry.kind == modes.S_IFDIR and flags & (ACCESS_MODES | os.O_CREAT | os.O_TRUNC):
            raise failure(errno.EISDIR)
        if entry.kind != modes.S_IFDIR and flags & os.O_DIRECTORY:
            raise failure(errno.ENOTDIR)

    def _open(self, node: int, flags: int) -> File:
        """OPEN of a known node. Truncates by itself where the server does not."""
        atomic = self.connection.has(Feature.ATOMIC_O_TRUNC)
        sent = flags & ~NOT_SENT & ~(0 if atomic else os.O_TRUNC)
        kill = flags & os.O_TRUNC and self.restrained()
        body = wire.pack(
            "open_in", flags=sent, open_flags=wire.OPEN_KILL_SUIDGID if kill else 0
        )
        answer = self.answer(Op.OPEN, node, body)
        fh = None
        if answer.error != errno.ENOSYS:
            fh = wire.unpack("open_out", answer.check("OPEN"))["fh"]
        file = File(self, node, sent, fh)
        if flags & os.O_TRUNC and not atomic:
            self._truncate_opened(file)
        return file

    def _truncate_opened(self, file: File) -> None:
        try:
            self.set_attributes(file.node, SetAttr.SIZE, size=0)
        except BaseException:
            file.close()
            raise

    def _create_in(self, flags: int, mode: int) -> bytes:
        return wire.pack(
            "create_in",
            flags=flags,
            mode=modes.S_IFREG | self.masked(mode & 0o7777),
            umask=self.caller.umask,
        )

    def _create(self, parent: int, name: bytes, flags: int, mode: int) -> File:
        sent = flags & ~(os.O_NOCTTY | os.O_CLOEXEC)
        answer = self.answer(Op.CREATE, parent, self._create_in(sent, mode) + name + b"\0")
        if answer.error == errno.ENOSYS:
            made = self.make_node(parent, name, modes.S_IFREG | (mode & 0o7777))
            return self._open(made.node, flags & ~os.O_TRUNC)
        return self._opened(answer.check("CREATE"), sent)

    def _opened(self, answer: bytes, flags: int) -> File:
        fields = wire.unpack("create_out", answer)
        return File(self, fields["entry_nodeid"], flags & ~NOT_SENT, fields["open_fh"])

    def read_bytes(self, path: Path) -> bytes:
        """All that is in a file."""
        with self.open(path) as file:
            return file.read()

    def write_bytes(self, path: Path, data: bytes, mode: int = 0o666) -> None:
        """Put data into a file, made if need be, in place of what was there; OSError EIO when the
        server took only a part."""
        with self.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode) as file:
            if file.write(data) != len(data):
                raise failure(errno.EIO, "a write was cut short")

    def copy_file_range(
        self, source: File, target: File, count: int, offset_src: int = 0, offset_dst: int = 0
    ) -> int:
        """Copy between open files. Returns the bytes copied, perhaps fewer than count."""
        return source.copy_to(offset_src, target, offset_dst, count)

    # ---- directories -------------------------------------------------------------------------

    def opendir(self, path: Path = "/") -> Directory:
        """Open a directory."""
        entry = self.find(path)
        if entry.kind != modes.S_IFDIR:
            raise failure(errno.ENOTDIR)
        return Directory(self, entry.node)

    def scandir(
        self, path: Path = "/", *, size: int = BUFFER, plus: bool = False
    ) -> list[DirEntry]:
        """All entries but "." and "..", read in pieces of size bytes; plus: with attributes."""
        with self.opendir(path) as directory:
            return directory.list(size, plus=plus)

    def listdir(self, path: Path = "/") -> list[str]:
        """The names in a directory, as the server orders them; bytes are escaped as in os."""
        return [entry.name for entry in self.scandir(path)]

    # ---- the end -----------------------------------------------------------------------------

    def assert_balanced(self) -> None:
        """Check that the client holds nothing: no lookup, no open file."""
        account = self.connection.account
        assert not account.opened, f"still open: {list(account.opened)}"
        assert not account.known, f"lookups still held, by node: {dict(account.known)}"

    def close(self) -> None:
        """Forget everything and say goodbye; once is enough.

        Files that are still open are closed; then AssertionError names them.
        """
        if self.connection.closed:
            return
        self.connection.closed = True
        left = dict(self.connection.account.opened)
        try:
            for opened, count in left.items():
                op = Op.RELEASEDIR if opened.directory else Op.RELEASE
                for _ in range(count):
                    self.ask(op, opened.node, wire.pack("release_in", fh=opened.fh))
            self.forget_all()
        finally:
            self.connection.backend.close()
        assert not left, f"not closed before the client was: {list(left)}"
        self.assert_balanced()

    def __enter__(self: AnyClient) -> AnyClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except Exception:
            if kind is None:
                raise


_ALL_FEATURES = sum(Feature)
