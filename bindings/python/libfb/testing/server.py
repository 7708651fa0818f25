# SPDX-License-Identifier: BSD-3-Clause
"""A file system served from a process of its own, so that whoever uses it can not deadlock.

While this process has one thread, the server is a fork of it: any object will do, also one of a
class that a test function defines. A fork of a process with threads might find locks that nobody
opens again; then a new interpreter is started and the object goes there as a pickle, or, as
"module:name", is made there.
"""
from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import functools
import importlib
import os
import pickle
import select
import signal
import subprocess
import sys
import time
import traceback
import types
from collections.abc import Callable
from typing import Any

from . import guardian

READY = b"ready"
START_SECONDS = 30
END_SECONDS = 15
PR_SET_PDEATHSIG = 1
PROGRAM = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer)\n" + (
    "from libfb.testing.server import main; main()"
)


def materialize(what: object) -> object:
    """The file system that what stands for: itself, "module:name", or a factory (a class, say)."""
    if isinstance(what, str):
        module, _, name = what.partition(":")
        what = getattr(importlib.import_module(module), name)
    factories = (type, types.FunctionType, types.MethodType, functools.partial)
    return what() if isinstance(what, factories) else what


def serve(kind: str, what: object, path: str, options: dict[str, Any], ready: int) -> None:
    """Serve until SIGTERM. kind is the function of libfb that does it: mount or vhost_user.

    Writes READY to the descriptor ready, or the traceback of what went wrong, and closes it.
    """
    with os.fdopen(ready, "wb") as pipe, contextlib.ExitStack() as stack:
        try:
            libfb: Any = importlib.import_module("libfb")
            signals: Any = importlib.import_module("libfb._mount")
            running = stack.enter_context(getattr(libfb, kind)(materialize(what), path, **options))
        except BaseException:
            pipe.write(traceback.format_exc().encode(errors="replace"))
            raise
        # Whoever reads this may end us at once: SIGTERM has to have its handler by now.
        stack.enter_context(signals.stop_on_signals(running.stop))
        pipe.write(READY)
        pipe.close()
        running.wait()


class Server:
    """A process that serves. stop() ends it; path is the mount point or the socket."""

    def __init__(self, kind: str, what: object, path: str, options: dict[str, Any]) -> None:
        self.kind, self.path = kind, path
        self.status: int | None = None
        reading, writing = os.pipe()
        try:
            self.pid = _begin(kind, what, path, options, writing)
        finally:
            os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = _read_within(pipe.fileno(), START_SECONDS)
        if said != READY:
            self.stop()
            text = said.decode(errors="replace").strip() or "it said nothing"
            raise RuntimeError(f"the server did not start: {text}")

    def running(self) -> bool:
        """Whether the process is still there."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def stop(self) -> int:
        """Ask it to end, insist when it does not, and return its exit code (-9: it had to be)."""
        if self.running():
            os.kill(self.pid, signal.SIGTERM)
        if not self._ended_within(END_SECONDS):
            guardian.free(self.path)
            os.kill(self.pid, signal.SIGKILL)
            self._ended_within(END_SECONDS)
        if self.kind == "mount":
            guardian.free(self.path)
        return -signal.SIGKILL if self.status is None else self.status

    def _ended_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self.running() and time.monotonic() < end:
            time.sleep(0.01)
        return not self.running()


def _begin(kind: str, what: object, path: str, options: dict[str, Any], ready: int) -> int:
    """Start the process that serves. Returns its pid."""
    if len(os.listdir("/proc/self/task")) == 1 and not isinstance(what, str):
        return _fork(lambda: serve(kind, what, path, options, ready))
    try:
        parts = [pickle.dumps(sys.path), pickle.dumps((kind, what, path, options, ready))]
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise RuntimeError(
            "this process has threads, so that it can not be forked, and the file system can not be"
            f" pickled ({error}): give a class of a module, or 'module:Class'"
        ) from None
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM], stdin=subprocess.PIPE, pass_fds=[ready]
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(b"".join(parts))
    process.returncode = 0  # waited for by Server
    return process.pid


def _fork(run: Callable[[], None]) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _prepare(parent)
        run()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _prepare(parent: int) -> None:
    """End with the test; Ctrl-C is for the test alone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.__stderr__ is not None:
        faulthandler.enable(all_threads=True, file=sys.__stderr__)
    if os.getppid() != parent:
        os._exit(1)


def _read_within(descriptor: int, seconds: float) -> bytes:
    """All that is written there until it is closed, or time is up."""
    end, found = time.monotonic() + seconds, b""
    while select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
        piece = os.read(descriptor, 4096)
        if not piece:
            break
        found += piece
    return found


def main() -> None:
    """The program of a new interpreter; its orders are a pickle on standard input."""
    orders = pickle.load(sys.stdin.buffer)
    _prepare(os.getppid())
    serve(*orders)
