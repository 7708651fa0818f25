# SPDX-License-Identifier: BSD-3-Clause
"""One file system served to one client: the session, its threads, its end."""

from __future__ import annotations

import asyncio
import atexit
import errno
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

from . import _check, _errors, _operations
from ._aio import Tasks
from ._binding import fbc, swig
from ._fs import LAYER_LOWER, FileSystem
from ._results import Conn

_live: weakref.WeakSet[Server] = weakref.WeakSet()

#: A signal that comes while its thread is about to wait without the GIL is noticed when it wakes up.
_NOTICE_S = 0.5


def wait_for(event: threading.Event) -> None:
    """Wait without missing signals."""
    while not event.wait(_NOTICE_S):
        pass


def _passthrough_options(fs: Any) -> tuple[Any, swig.passthrough_options]:
    """(directory, struct) of a libfb.Passthrough; TypeError for unknown options."""
    options = swig.passthrough_options()
    for name, value in fs.options.items():
        if not hasattr(options, name) or name.startswith(("_", "this")):
            raise TypeError(f"{name!r} is no option of Passthrough")
        if isinstance(value, bool) and not isinstance(getattr(options, name), bool):
            value = swig.ON if value else swig.OFF  # a switch, whose default is neither
        setattr(options, name, value)
    return os.fspath(fs.source), options


class Server:
    """A session of a file system, before it has a client.

    workers: threads that call handlers; with one, the default, handlers never run at the same time.
    Other options: entry_timeout, attr_timeout, negative_timeout (seconds, instead of the class's);
    max_write (bytes); read_only; max_pending; max_background; request_timeout_s. Raises TypeError
    for an option that does not exist, and for methods that can not be called (see `libfb.check`).
    """

    def __init__(self, fs: FileSystem, *, workers: int = 1, entry_timeout: float | None = None,
                 attr_timeout: float | None = None, negative_timeout: float | None = None,
                 **options: Any) -> None:
        if not isinstance(fs, FileSystem):
            raise TypeError(f"a file system derives from libfb.PathFS, NodeFS or Passthrough; "
                            f"{type(fs).__name__} does not")
        if workers < 1:
            raise ValueError("a file system needs at least one worker")
        _check.enforce(fs)
        self.fs = fs
        self._layer = fs._layer
        self.bugs = _errors.Bugs()
        self.error: BaseException | None = None  #: what ended it, if a handler wanted the end
        self._methods = _operations.methods(fs)
        self.is_async = any(map(_operations.is_async, self._methods.values()))
        if self.is_async and workers > 1:
            raise ValueError("async handlers share one event loop: workers must be 1")
        self.workers = workers
        self.tasks = Tasks(lambda error: self._explain("task", error))
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._started = False
        self._retired: list[FileSystem] = []  # C does not hold the object of a call that runs
        self._config = {
            "entry_timeout": fs.entry_timeout if entry_timeout is None else entry_timeout,
            "attr_timeout": fs.attr_timeout if attr_timeout is None else attr_timeout,
            "negative_timeout":
                fs.negative_timeout if negative_timeout is None else negative_timeout,
            "bytes_names": fs.names == "bytes",
            "root": getattr(fs, "root", 1),
        }
        self.handle = self._open(options)
        _live.add(self)

    def _open(self, options: dict[str, Any]) -> fbc.Handle:
        fs = self.fs
        session = swig.session_options()
        session.workers = self.workers
        session.own_threads = True
        for name, value in options.items():
            if not hasattr(session, name) or name.startswith(("_", "this")):
                raise TypeError(f"{name!r} is no option of a session")
            setattr(session, name, value)
        arity = _operations.arities(self._methods)
        source = None
        if fs._layer == LAYER_LOWER:
            directory, lower = _passthrough_options(fs)
            if lower.kernel_passthrough == swig.DEFAULT and self._methods.keys() & {"read", "write"}:
                lower.kernel_passthrough = swig.OFF  # data past the server would be past them, too
            source = (directory, lower.pointer())
        return swig.session_new(fs, self, fs._layer, arity, self._config, session, source)

    def replace(self, fs: FileSystem) -> tuple[list[str], list[str]]:
        """Have another object answer from the next call on: a new one of the same kind, or the same
        one after its class has changed. The client goes on knowing its nodes and handles.

        Returns the names of methods that are (new, gone). New ones are not called before the next
        mount: the kernel remembers what a file system does not have. Calls of those that are gone
        fail with EIO. Raises TypeError for another kind: a PathFS does not become a NodeFS, nor a
        class with async methods one without.
        """
        methods = _operations.methods(fs)
        if fs._layer != self._layer:
            raise TypeError(f"{type(fs).__name__} is a file system of another kind")
        if any(map(_operations.is_async, methods.values())) != self.is_async:
            raise TypeError("methods can become async, or no longer be, with a new mount only")
        swig.session_replace(self.handle, fs, _operations.arities(methods))
        self._retired.append(self.fs)
        new, gone = methods.keys() - self._methods.keys(), self._methods.keys() - methods.keys()
        self.fs = fs
        return sorted(new), sorted(gone)

    # ---- called by C, with the GIL ----

    def _explain(self, op: str, error: BaseException) -> int:
        """The errno for an exception that is no plain OSError."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self.error = error
            self.stop()
            return errno.EIO
        if op == "init" and error is self.error:  # whoever waits for the start is told
            return _errors.os_errno(error) if isinstance(error, OSError) else errno.EIO
        return _errors.explain(self.fs, op, error, self.bugs)

    def _spawn(self, coro: Any, request: Any) -> Any:
        return self.tasks.spawn(coro, request)

    def _init(self, conn: Conn) -> None:
        init = getattr(self.fs, "init", None)
        if init is None:
            return
        try:
            init(*(conn,)[:_operations.arity(init)])
        except BaseException as error:
            self.error = error
            raise

    # ---- serving ----

    def serve(self) -> None:
        """Begin to serve, in threads. The session has its transport."""
        swig.session_start(self.handle)
        self._started = True
        # One thread starts the others: Ctrl-C, which the main thread alone hears of, can not leave
        # some of them out.
        self._start("libfb-wait", self._serve_and_wait)

    def _serve_and_wait(self) -> None:
        target = self._serve_loop if self.is_async else self._serve
        for i in range(self.workers):
            self._start(f"libfb-{i}", target)
        self._wait_session()

    def _start(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        try:
            swig.session_work(self.handle)
        except OSError as error:
            self._failed(error)

    def _serve_loop(self) -> None:
        asyncio.run(self.serve_in_loop())

    async def serve_in_loop(self) -> None:
        """Serve in the running event loop until the session has ended."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        self.tasks.attach(loop)
        fd = swig.session_ready_fd(self.handle)

        def ready() -> None:
            try:
                swig.session_work_ready(self.handle, 0)
            except OSError as error:
                loop.remove_reader(fd)
                if error.errno != errno.ENOTCONN:
                    self._failed(error)
                if not ended.done():
                    ended.set_result(None)

        loop.add_reader(fd, ready)
        try:
            await ended
            # What waits is interrupted by the session's end; its tasks must run for that.
            while not self._ended.is_set():
                await asyncio.sleep(0.005)
        finally:
            loop.remove_reader(fd)
            await self.tasks.finish()
            self.tasks.cancel_all()
            self.tasks.detach()

    def _failed(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error

    def _wait_session(self) -> None:
        try:
            swig.session_wait(self.handle)
        except OSError as error:
            self._failed(error)
        self._ended.set()

    def wait_ready(self, timeout: float) -> None:
        """Wait until the client has greeted. Raises what init() raised, TimeoutError or
        ConnectionRefusedError."""
        try:
            swig.session_wait_ready(self.handle, int(timeout * 1000))
        except OSError:
            if self.error is not None:
                raise self.error from None
            raise

    # ---- the end ----

    def stop(self) -> None:
        """Ask for the end; returns at once. From any thread."""
        if not self._closed:
            swig.session_stop(self.handle)

    @property
    def ended(self) -> bool:
        """Whether the session is over."""
        return self._ended.is_set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end of the session. Returns whether it has ended."""
        if timeout is not None:
            return self._ended.wait(timeout)
        wait_for(self._ended)
        return True

    _closed = False

    def close(self) -> None:
        """End the session and free everything. May be called twice."""
        if self._closed:
            return
        if threading.current_thread() in self._threads:
            raise RuntimeError("a handler can not close its own server: call stop()")
        if self._started:
            self.stop()
            if not self._threads or self._threads[0].ident is None:
                self._wait_session()  # Ctrl-C came before there was a thread
            self._ended.wait()
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join()
        self._closed = True
        _live.discard(self)
        swig.session_close(self.handle)

    #: Whether a forked child may use its copy.
    _survives_fork = False

    def _forget(self) -> None:
        """In a forked child: the session is the parent's."""
        if self._closed or self._survives_fork:
            return
        swig.session_forget(self.handle)
        self._closed = True
        self._threads.clear()
        self._ended = threading.Event()  # a thread that is gone may hold the lock of the old one
        self._ended.set()
        _live.discard(self)

    # ---- figures ----

    def statistics(self) -> dict[str, dict[str, Any]]:
        """Figures by opcode: requests, errors, bytes_in, bytes_out, latency_ns (sum), buckets (a list
        of counts: bucket n is for latencies below 2**n us)."""
        return swig.session_statistics(self.handle)

    @property
    def transport(self) -> str:
        """How requests come: "/dev/fuse", "io_uring", "virtio-fs" or "loopback"; "" without any.
        A mount begins with /dev/fuse: that it goes on with io_uring shows once a request was answered.
        """
        figures = swig.session_stats()
        swig.session_stats_all(self.handle, figures)
        return figures.transport or ""

    def agreed(self) -> Conn:
        """What was agreed with the client; zeros before it has greeted."""
        return swig.session_agreed(self.handle)

    def held(self) -> tuple[int, int, int]:
        """How many (nodes, open files, open directories) are held for the client. Nodes only for
        NodeFS."""
        return swig.session_held(self.handle)

    def trace(self, print_line: Callable[[str], object] | None) -> None:
        """Have each request and its answer described to a callable; None stops it."""
        swig.session_set_trace(self.handle, print_line)


def _forget_all() -> None:
    """A child that lives longer than its parent must not keep the parent's mounts from ending."""
    for server in list(_live):
        server._forget()


os.register_at_fork(after_in_child=_forget_all)


def _close_all() -> None:
    """Before the interpreter goes: workers must not run into its ruins."""
    for server in list(_live):
        server.close()


atexit.register(_close_all)
