# SPDX-License-Identifier: BSD-3-Clause
"""Shares for virtual machines: virtio-fs devices at a Unix socket."""

from __future__ import annotations

import os
import select
import threading
import weakref
from collections.abc import Callable
from typing import Any

from ._binding import swig
from ._errors import log
from ._eventfd import EventFd
from ._fs import FileSystem
from ._mount import stop_on_signals
from ._server import Server, wait_for

_live: weakref.WeakSet[VhostUser] = weakref.WeakSet()


class VhostUser:
    """A share, made by `vhost_user`. A context manager: its end closes the socket.

    Each machine monitor that connects gets a session of its own, one after the other.
    """

    def __init__(self, fs: FileSystem, socket: str | bytes | os.PathLike[str], *,
                 tag: str | None = None, group: int = -1, queues: int = 0,
                 keep_listening: bool = True, **session: Any) -> None:
        self.fs = fs
        self.socket = os.fspath(socket)
        self.error: BaseException | None = None
        self.sessions = 0  #: how many clients have come so far
        self._options = session
        self._keep = keep_listening
        self._how = swig.virtio_fs_options()
        if tag is not None:
            self._how.tag = tag
        self._how.request_queues = queues
        Server(fs, **session).close()  # mistakes are told now, not to the first machine
        self._listen = swig.virtio_fs_listen(self.socket, group & 0xFFFFFFFF)
        self._wake = EventFd()
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._stopping = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="libfb-accept", daemon=True)
        self._print_line: Callable[[str], object] | None = None
        _live.add(self)
        self._thread.start()

    def _next(self) -> int | None:
        """The next connection, or None at the end."""
        select.select([self._listen, self._wake], [], [])
        return None if self._stopping else swig.virtio_fs_accept(self._listen)

    def _run(self) -> None:
        try:
            while not self._stopping:
                fd = self._next()
                if fd is None:
                    break
                self._serve(fd)
                if not self._keep:
                    break
        except OSError as error:
            self.error = self.error or error
        finally:
            self._ended.set()

    def _serve(self, fd: int) -> None:
        server = Server(self.fs, **self._options)
        try:
            swig.virtio_fs_attach(server.handle, fd, self._how)
        except OSError as error:
            os.close(fd)
            server.close()
            log.error("%s: %s", self.socket, error)
            return
        self.sessions += 1
        if self._print_line is not None:
            server.trace(self._print_line)
        server.serve()
        with self._lock:
            self._server = server
            if self._stopping:
                server.stop()
        server.join()
        with self._lock:
            self._server = None
        self._end(server)

    def _end(self, server: Server) -> None:
        error = server.error
        server.close()
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.error = error
            self._stopping = True
        elif error is not None:
            log.error("%s: the connection ended: %s", self.socket, error,
                      exc_info=None if isinstance(error, OSError) else error)

    @property
    def server(self) -> Server | None:
        """The session with the machine that is connected now."""
        return self._server

    def trace(self, print_line: Callable[[str], object]) -> None:
        """Have each request of the machines that connect from now on, and its answer, described to a
        callable."""
        self._print_line = print_line

    def replace(self, fs: FileSystem) -> tuple[list[str], list[str]]:
        """Have another object answer, as Server.replace() does; machines that connect later find all
        its methods. Guests see the new code as their timeouts end."""
        with self._lock:
            found = self._server.replace(fs) if self._server is not None else ([], [])
            self.fs = fs
        return found

    def stop(self) -> None:
        """Ask for the end; returns at once."""
        with self._lock:
            self._stopping = True
            if self._server is not None:
                self._server.stop()
        if not self._closed:
            self._wake.set()

    def wait(self) -> None:
        """Wait for the end: of the first connection without keep_listening, else until stop(), Ctrl-C,
        SIGTERM or SIGHUP. Raises KeyboardInterrupt, or what a handler ended it with."""
        with stop_on_signals(self.stop):
            try:
                wait_for(self._ended)
            except KeyboardInterrupt:
                self.close()
                raise
        if self.error is not None:
            raise self.error

    _closed = False

    def close(self) -> None:
        """End it and remove the socket. May be called twice."""
        if self._closed:
            return
        self.stop()
        self._thread.join()
        self._closed = True
        os.close(self._listen)
        self._wake.close()
        try:
            os.unlink(self.socket)
        except FileNotFoundError:
            pass

    def _forget(self) -> None:
        """In a forked child: the socket is the parent's."""
        if not self._closed:
            self._closed = True
            os.close(self._listen)
            self._wake.close()
            self._lock, self._ended = threading.Lock(), threading.Event()
            self._ended.set()

    def __enter__(self) -> VhostUser:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _forget_all() -> None:
    for share in list(_live):
        share._forget()


os.register_at_fork(after_in_child=_forget_all)


def vhost_user(fs: FileSystem, socket: str | bytes | os.PathLike[str],
               **options: Any) -> VhostUser:
    """Listen at a Unix socket for machine monitors (QEMU, cloud-hypervisor, …) and serve a file system
    to their guests, as a context manager.

    tag: for monitors that ask the device for it. group: gid that may connect, too. queues: request
    queues that a guest may use (0: 64). keep_listening (True): wait for the next machine when one has
    gone. workers, timeouts and the rest: see `Server`. Raises OSError: EADDRINUSE when another server
    listens there.
    """
    return VhostUser(fs, socket, **options)
