# SPDX-License-Identifier: BSD-3-Clause
"""A file system served in memory, for libfb.testing."""

from __future__ import annotations

import asyncio
from typing import Any

from ._binding import swig
from ._fs import FileSystem
from ._notify import Notifications
from ._server import Server


class Loopback(Server, Notifications):
    """A client in this process: messages are served in the thread that sends them.

    minor: of protocol 7 (0: the newest). offered: InitFlags (0: what Linux offers). no_init: do not
    greet. Other options: see `Server`.
    """

    def __init__(self, fs: FileSystem, *, minor: int = 0, offered: int = 0, no_init: bool = False,
                 **options: Any) -> None:
        super().__init__(fs, **options)
        self._loop: asyncio.AbstractEventLoop | None = None
        if self.is_async:
            self._loop = asyncio.new_event_loop()
            self.tasks.attach(self._loop)
        try:
            swig.loopback_open(self.handle, minor, offered, no_init)
        except BaseException:
            self.close()
            if self.error is not None:
                raise self.error from None
            raise

    _survives_fork = True

    @property
    def granted(self) -> int:
        """InitFlags that both sides have agreed on."""
        return self.agreed().wanted

    @property
    def max_write(self) -> int:
        """Bytes of one write at most."""
        return self.agreed().max_write

    def send(self, message: bytes, size: int) -> bytes:
        """Send one message, return its answer (at most size bytes); b"" where there is none."""
        if self._loop is None:
            return swig.loopback_send(self.handle, message, size)
        return self.receive(self.submit(message), size, -1)

    def submit(self, message: bytes) -> int:
        """Send one message without waiting. Returns a ticket for receive()."""
        if self._loop is None:
            return swig.loopback_submit(self.handle, message)
        return self._loop.run_until_complete(self._submit(message))

    async def _submit(self, message: bytes) -> int:
        return swig.loopback_submit(self.handle, message)

    def receive(self, ticket: int, size: int, timeout_ms: int) -> bytes:
        """Wait for an answer, at most timeout_ms (-1: for ever). Raises TimeoutError."""
        if self._loop is not None:
            return self._loop.run_until_complete(self._receive(ticket, size, timeout_ms))
        return swig.loopback_receive(self.handle, ticket, size, timeout_ms)

    async def _receive(self, ticket: int, size: int, timeout_ms: int) -> bytes:
        """The loop runs while we wait."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_ms / 1000
        while True:
            try:
                return swig.loopback_receive(self.handle, ticket, size, 0)
            except TimeoutError:
                if 0 <= timeout_ms and loop.time() >= until:
                    raise
            await asyncio.sleep(0.0005)

    def notification(self, timeout_ms: int) -> bytes:
        """Read the next notification. Raises TimeoutError."""
        return swig.loopback_notification(self.handle, 1 << 21, timeout_ms)

    def drop_answers(self, count: int, error: int) -> None:
        """Have the next count answers fail on their way, as when a caller has gone (ENOENT)."""
        swig.loopback_drop_answers(self.handle, count, error)

    def close(self) -> None:
        """Say goodbye: destroy() runs."""
        loop = getattr(self, "_loop", None)
        if loop is None or loop.is_closed():
            super().close()
            return
        loop.run_until_complete(self.tasks.finish())
        self.tasks.cancel_all()
        loop.run_until_complete(asyncio.sleep(0))
        super().close()
        self.tasks.detach()
        loop.close()


def open_loopback(fs: FileSystem, **options: Any) -> Loopback:
    """Serve fs in memory; see `Loopback`."""
    return Loopback(fs, **options)
