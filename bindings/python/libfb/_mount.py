# SPDX-License-Identifier: BSD-3-Clause
"""Mounts on the local machine."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ._binding import swig
from ._errors import log
from ._fs import FileSystem
from ._notify import Notifications
from ._server import Server

READY_TIMEOUT = 30.0

#: How requests come from the kernel, by the names that `mount` takes.
TRANSPORTS = {
    "auto": swig.TRANSPORT_AUTO,
    "dev-fuse": swig.TRANSPORT_DEV_FUSE,
    "io-uring": swig.TRANSPORT_IO_URING,
}


def _transport_of(name: str, is_async: bool) -> int:
    """What to ask of the library; ValueError for an unknown name."""
    if name not in TRANSPORTS:
        raise ValueError(f"transport {name!r} is none of {', '.join(TRANSPORTS)}")
    if not is_async:
        return TRANSPORTS[name]
    # An event loop waits for a descriptor, which the library's rings do not have.
    if name == "io-uring":
        log.warning("no io_uring, requests come through /dev/fuse: async handlers are served by an "
                    "event loop, which can not wait for io_uring")
    return swig.TRANSPORT_DEV_FUSE


@contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGHUP end it, in the main thread and where they have their default action."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, lambda *_: stop())
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


class Mount(Server, Notifications):
    """A mounted file system, made by `mount`. A context manager: its end unmounts."""

    def __init__(self, fs: FileSystem, mountpoint: str | bytes | os.PathLike[str], *,
                 options: str = "", source: str | None = None, subtype: str | None = None,
                 replace: bool = False, auto_unmount: bool = False,
                 default_permissions: bool = True, transport: str = "auto",
                 **session: Any) -> None:
        super().__init__(fs, **session)
        self.mountpoint = os.fspath(mountpoint)
        self._task: asyncio.Task[None] | None = None
        names = [o.split("=")[0] for o in options.split(",") if o]
        if default_permissions and "default_permissions" not in names:
            options = ",".join(filter(None, (options, "default_permissions")))
        how = swig.mount_options()
        how.options = options
        how.source = source or type(fs).__name__
        if subtype:
            how.subtype = subtype
        how.replace_stale = replace
        how.auto_unmount = auto_unmount
        try:
            how.transport = _transport_of(transport, self.is_async)
            swig.mount(self.handle, self.mountpoint, how)
        except BaseException:
            self.close()
            raise

    def start(self) -> Mount:
        """Serve in threads; returns once the kernel has greeted."""
        self.serve()
        try:
            self.wait_ready(READY_TIMEOUT)
        except BaseException:
            self.close()
            raise
        return self

    def wait(self) -> None:
        """Wait until it is unmounted. Ctrl-C, SIGTERM and SIGHUP unmount it; KeyboardInterrupt, and
        SystemExit or KeyboardInterrupt of a handler, are raised then. OSError: the connection broke."""
        with stop_on_signals(self.stop):
            try:
                self.join()
            except KeyboardInterrupt:
                self.close()
                raise
        if self.error is not None:
            raise self.error

    def __enter__(self) -> Mount:
        if not self._started:
            self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ---- in an event loop of the caller's ----

    async def __aenter__(self) -> Mount:
        if self._started:
            return self
        swig.session_start(self.handle)
        self._started = True
        self._start("libfb-wait", self._wait_session)
        self._task = asyncio.create_task(self.serve_in_loop(), name=f"libfb {self.mountpoint!r}")
        await asyncio.to_thread(self.wait_ready, READY_TIMEOUT)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.stop()
        await self.wait_closed()
        await asyncio.to_thread(self.close)

    async def wait_closed(self) -> None:
        """Wait until it is unmounted."""
        if self._task is not None:
            await self._task
        while not self.ended:
            await asyncio.sleep(0.02)


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def mount(fs: FileSystem, mountpoint: str | bytes | os.PathLike[str], **options: Any) -> Mount:
    """Mount a file system and return once it is served, as a context manager that unmounts it.

    options: text as after mount -o (allow_other, ro, …). source, subtype: as /proc/mounts shows them.
    replace: first clear what a dead server left at the mountpoint. auto_unmount: unmount when this
    process dies. default_permissions (True): the kernel checks modes and owners. workers, timeouts and
    the rest: see `Server`.

    transport: how requests come from the kernel. "io-uring" takes one system call for each instead of
    two. It needs Linux 6.14, root to have written 1 to /sys/module/fuse/parameters/enable_uring, one
    worker and no async handlers; else the log (logger "libfb") says why not, and it is "dev-fuse". "auto", the default: io-uring where that
    can be, without a word where not. `Server.transport` tells what became of it.

    Called in a running event loop with async handlers, it serves in that loop, from ``async with`` on.
    Raises OSError that says what to do, and what init() raised; nothing stays mounted then.
    """
    made = Mount(fs, mountpoint, **options)
    return made if made.is_async and _in_loop() else made.start()


def unmount(mountpoint: str | bytes | os.PathLike[str]) -> None:
    """Unmount what is there, even if it is busy or its server is dead. Raises OSError."""
    swig.unmount(os.fspath(mountpoint))
