# SPDX-License-Identifier: BSD-3-Clause
"""Coroutines as handlers.

Most finish without waiting for anything, and a task for each would cost more than all else. So a
handler takes its first step at once, with `Op` standing in for the task that it may
become; only one that suspends becomes a task.
"""

from __future__ import annotations

import asyncio
import collections.abc
import contextvars
from collections.abc import Callable
from typing import Any

from ._binding import fbc
from ._eventfd import EventFd
from ._results import PENDING

#: How long the end of a session waits for a coroutine.
LAST_SECONDS = 10.0

#: The request of the handler that runs, once it is a task.
current: contextvars.ContextVar[fbc.Request | None] = contextvars.ContextVar("libfb request")


class Op(collections.abc.Coroutine):  # type: ignore[type-arg]
    """The current task during the first step, and the coroutine of the real task afterwards."""

    def __init__(self, coro: Any) -> None:
        self.coro = coro
        self.first: Any = None
        self.pending = False
        self.task: asyncio.Task[Any] | None = None

    def send(self, value: Any) -> Any:
        if self.pending:
            self.pending, first = False, self.first
            return first
        return self.coro.send(value)

    def throw(self, *error: Any) -> Any:
        self.pending = False
        return self.coro.throw(*error)

    def close(self) -> None:
        self.coro.close()

    def __await__(self) -> Any:
        return self

    __iter__ = __await__

    def __next__(self) -> Any:
        return self.send(None)

    # What asyncio.timeout(), TaskGroup and wait_for() ask of the current task.

    def cancel(self, msg: Any = None) -> bool:
        return self.task.cancel(msg) if self.task else False

    def cancelling(self) -> int:
        return self.task.cancelling() if self.task else 0

    def uncancel(self) -> int:
        return self.task.uncancel() if self.task else 0

    def done(self) -> bool:
        return self.task.done() if self.task else False

    def get_name(self) -> str:
        return self.task.get_name() if self.task else "libfb"


async def _collect(generator: Any) -> list[Any]:
    """readdir as an asynchronous generator."""
    return [item async for item in generator]


class Tasks:
    """The handlers of one server that wait for something, in its event loop."""

    def __init__(self, report: Callable[[BaseException], object]) -> None:
        self._report = report
        self.loop: asyncio.AbstractEventLoop | None = None
        self._running: dict[asyncio.Task[Any], Any] = {}
        self._wake: EventFd | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._wake = EventFd()
        loop.add_reader(self._wake, self._interrupt)

    def detach(self) -> None:
        if self._wake is not None:
            if self.loop is not None and not self.loop.is_closed():
                self.loop.remove_reader(self._wake)
            self._wake.close()
        self.loop, self._wake = None, None

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, coro: Any, request: fbc.Request | None) -> Any:
        """Take the first step of a handler. Returns its result, or PENDING when it goes on as a task,
        which then answers."""
        if asyncio._get_running_loop() is not self.loop or self.loop is None:
            return self._spawn_outside(coro, request)
        if hasattr(coro, "__aiter__"):
            coro = _collect(coro)
        op = Op(coro)
        token = current.set(request)
        try:
            return self._first_step(op, request)
        finally:
            current.reset(token)

    def _spawn_outside(self, coro: Any, request: fbc.Request | None) -> Any:
        """In another thread than the loop's. At the end of a session destroy, and release of what was
        still open, come so: nobody waits for their answer, but the end waits for them."""
        loop = self.loop
        if request is None and loop is not None and not loop.is_closed():
            last = self._after_others(coro)
            if loop.is_running():
                return asyncio.run_coroutine_threadsafe(last, loop).result(LAST_SECONDS)
            return loop.run_until_complete(last)
        if hasattr(coro, "close"):
            coro.close()
        raise RuntimeError("an async handler needs the server's event loop, and this thread "
                           "has none: was it made async after the mount?")

    async def finish(self) -> None:
        """Wait a while for what nobody waits for: releases."""
        tasks = [task for task, request in self._running.items() if request is None]
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_SECONDS / 2)

    async def _after_others(self, coro: Any) -> Any:
        await self.finish()
        return await coro

    def _first_step(self, op: Op, request: fbc.Request | None) -> Any:
        loop = self.loop
        assert loop is not None
        outer = asyncio.current_task(loop)
        if outer is not None:  # the loop runs in a task of the user's, who called us from there
            asyncio.tasks._leave_task(loop, outer)
        asyncio.tasks._enter_task(loop, op)  # type: ignore[arg-type]
        try:
            op.first = op.coro.send(None)
        except StopIteration as end:
            return end.value
        finally:
            asyncio.tasks._leave_task(loop, op)  # type: ignore[arg-type]
            if outer is not None:
                asyncio.tasks._enter_task(loop, outer)
        op.pending = True
        self._go_on(op, request)
        return PENDING

    def _go_on(self, op: Op, request: fbc.Request | None) -> None:
        assert self.loop is not None and self._wake is not None
        task = op.task = self.loop.create_task(op, name="libfb")
        self._running[task] = request
        if request is not None:
            request.take()
            request._wake(self._wake.fileno())
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        request = self._running.pop(task)
        try:
            result = task.result()
        except BaseException as error:
            if request is not None and request.alive:
                request.fail(error)
            elif request is None and not isinstance(error, asyncio.CancelledError):
                self._report(error)
        else:
            if request is not None and request.alive:
                request.reply(result)

    def _interrupt(self) -> None:
        """Some caller was interrupted: cancel its handler."""
        if self._wake is None or not self._wake.clear():
            return
        for task, request in list(self._running.items()):
            if request is not None and request.alive and request.interrupted:
                task.cancel()

    def cancel_all(self) -> None:
        for task in list(self._running):
            task.cancel()
