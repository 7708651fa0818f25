# SPDX-License-Identifier: BSD-3-Clause
"""A mount whose handlers run in the event loop of the program: trio's or asyncio's."""

from __future__ import annotations

import asyncio
import errno
import importlib
import select
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from libfb import PENDING, Mount
from libfb._aio import current
from libfb._binding import swig

from ._adapter import Adapter

_POLL_S = 0.01
Handler = tuple[Coroutine[Any, Any, Any], Any]
Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], Any]


class Loop(Protocol):
    """What is needed of an event loop, besides a lock."""

    lock: Any

    async def readable(self, fd: int) -> None:
        """Wait until it is."""

    async def sleep(self, seconds: float) -> None:
        """Let others run."""

    async def run(self, start: Callable[[Spawn], None]) -> None:
        """Call start(spawn), and wait until all that was spawned has ended. If one task fails, the
        others are cancelled, and it is raised."""


class TrioLoop:
    """The one that trio.run() runs."""

    def __init__(self) -> None:
        self._trio: Any = importlib.import_module("trio")
        self.lock = self._trio.Lock()

    async def readable(self, fd: int) -> None:
        await self._trio.lowlevel.wait_readable(fd)

    async def sleep(self, seconds: float) -> None:
        await self._trio.sleep(seconds)

    async def run(self, start: Callable[[Spawn], None]) -> None:
        async with self._trio.open_nursery() as nursery:
            start(nursery.start_soon)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class AsyncioLoop:
    """The one that runs."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    async def readable(self, fd: int) -> None:
        future = self._loop.create_future()
        self._loop.add_reader(fd, _wake, future)
        try:
            await future
        finally:
            self._loop.remove_reader(fd)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def run(self, start: Callable[[Spawn], None]) -> None:
        async with asyncio.TaskGroup() as group:
            start(lambda function: group.create_task(function()))


class Serving(Mount):
    """Mounts a file system; requests wait until `main` runs in an event loop.

    A task takes one request and runs its handler, while another waits for the next request. So
    handlers begin in the order of their requests, and one that waits for nothing has ended before
    the next begins: file systems of pyfuse3 rely on that, as when a file is released and forgotten.

    A handler that was interrupted by its caller goes on, as with pyfuse3. An exception that is no
    FUSEError is logged, and its caller gets EIO.
    """

    def __init__(self, ops: Any, mountpoint: str, **options: Any) -> None:
        adapter = Adapter(ops)
        super().__init__(adapter, mountpoint, **options)
        # Programs that go into the background between init() and main() serve from there.
        self._survives_fork = True
        adapter.knows = lambda inode: self._number(inode) is not None
        self._fd = -1
        self._idle = self._tasks = 0
        self._over = False
        #: Handlers that a turn of the session wants to run; None: nobody would.
        self._wanted: list[Handler] | None = None

    # ---- requests -----------------------------------------------------------------------------

    def _spawn(self, coro: Coroutine[Any, Any, Any], request: Any) -> Any:
        """Have a handler run. Called by C, from within _take()."""
        if self._wanted is None:
            coro.close()
            raise OSError(errno.ENOTCONN, "the event loop has ended")
        self._wanted.append((coro, request))
        if request is None:
            return None
        request.take()
        return PENDING

    def _work(self) -> bool:
        """Let the session do one thing. False: it has ended."""
        try:
            swig.session_work_ready(self.handle, 1)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                self._failed(error)
            self._over = True
        return not self._over

    def _take(self) -> list[Handler]:
        """The handlers of one request."""
        wanted: list[Handler] = []
        self._wanted = wanted
        try:
            self._work()
        finally:
            self._wanted = None
        return wanted

    async def _answer(self, coro: Coroutine[Any, Any, Any], request: Any) -> None:
        current.set(request)
        try:
            result = await coro
        except Exception as error:
            if request is not None:
                request.fail(error)
            else:
                self._explain(coro.__name__.strip("_"), error)
        except BaseException:  # the loop is ending, or somebody wants it to
            if request is not None and request.alive:
                request.fail(errno.EINTR)
            raise
        else:
            if request is not None:
                request.reply(result)

    # ---- tasks --------------------------------------------------------------------------------

    async def main(self, loop: Loop, max_tasks: int) -> None:
        """Serve until it is unmounted."""
        swig.session_start(self.handle)
        self._started, self._survives_fork = True, False
        self._start("libfb-wait", self._wait_session)
        self._fd = swig.session_ready_fd(self.handle)

        def start(spawn: Spawn) -> None:
            def add() -> None:
                if self._idle == 0 and self._tasks < max_tasks:
                    self._tasks += 1
                    spawn(task)

            async def task() -> None:
                try:
                    await self._serve_requests(loop, add)
                finally:
                    self._tasks -= 1

            add()

        await loop.run(start)
        while not self.ended:
            await loop.sleep(_POLL_S)
        if self.error is not None:
            raise self.error

    async def _serve_requests(self, loop: Loop, add: Callable[[], None]) -> None:
        """One task. add: have another one if nobody waits for requests."""
        while not self._over and self._idle < 2:
            self._idle += 1
            try:
                async with loop.lock:
                    if not self._over:
                        await loop.readable(self._fd)
            finally:
                self._idle -= 1
            handlers = [] if self._over else self._take()
            if handlers:
                add()
            for handler in handlers:
                await self._answer(*handler)

    # ---- the end ------------------------------------------------------------------------------

    def close(self) -> None:
        """Unmount and free everything. What is asked after the loop's end is refused."""
        if self._started and not self._closed and not self._over:
            self.stop()
            poll = select.poll()
            poll.register(self._fd, select.POLLIN)
            while self._work():
                poll.poll(_POLL_S * 1000)
        super().close()
