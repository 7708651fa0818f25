# SPDX-License-Identifier: BSD-3-Clause
"""Keeps a test that mounts from hanging for ever, and its mounts from staying behind.

A process that waits for a file system which it serves itself can not help itself, and SIGKILL does
not end it. So a guardian process, which holds nothing of this one but a pipe, does: when time is up
or this process is gone, it has the stacks dumped and the mounts aborted and detached.
"""
from __future__ import annotations

import faulthandler
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import urllib.parse
import weakref
from types import TracebackType

GUARDIAN = pathlib.Path(__file__).with_name("guardian.py")
END_SECONDS = 20


class Watchdog:
    """Watches this process, for a with block.

    timeout is in seconds from start() on (0: for ever). When it is up, all stacks of this process
    are in `stacks()`, and system calls that wait for a watched mount fail with ECONNABORTED or
    ENOTCONN. signal_number is sent to have the stacks dumped: nobody else may use it.
    """

    def __init__(self, timeout: float = 60.0, *, signal_number: int = signal.SIGUSR2) -> None:
        self.timeout = timeout
        self._signal = signal_number
        self._process: subprocess.Popen[bytes] | None = None
        self._dump = tempfile.TemporaryFile()
        self._dumped = ""
        _all.add(self)

    def start(self) -> Watchdog:
        """Start the guardian. RuntimeError when it has been started before."""
        if self._process:
            raise RuntimeError("a watchdog is started once")
        faulthandler.register(self._signal, file=self._dump.fileno(), all_threads=True)
        command = [sys.executable, "-I", "-S", str(GUARDIAN), str(os.getpid()), str(self._signal)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        self._order(f"within {self.timeout}")
        return self

    def mounted(self, path: str | os.PathLike[str]) -> None:
        """Look after a mount point: an absolute path without symbolic links."""
        self._order(f"mount {urllib.parse.quote(os.fsencode(path))}")

    def unmounted(self, path: str | os.PathLike[str]) -> None:
        """The mount is gone in good order."""
        self._order(f"forget {urllib.parse.quote(os.fsencode(path))}")

    def within(self, timeout: float) -> None:
        """Give another so many seconds from now on; 0: for ever."""
        self._order(f"within {timeout}")

    def stacks(self) -> str:
        """What faulthandler has dumped; "" when time was never up."""
        if self._dump.closed:
            return self._dumped
        size = os.fstat(self._dump.fileno()).st_size
        return os.pread(self._dump.fileno(), size, 0).decode(errors="replace")

    @property
    def fired(self) -> bool:
        """Whether time was up."""
        return bool(self.stacks())

    def stop(self) -> None:
        """End the guardian; mounts that are still watched stay as they are. Once is enough."""
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.stdin is not None
        try:
            process.stdin.write(b"done\n")
            process.stdin.close()
        except BrokenPipeError:
            pass
        process.wait(END_SECONDS)
        faulthandler.unregister(self._signal)
        self._dumped = self.stacks()
        self._dump.close()

    def let_go(self) -> None:
        """Close the pipe in a forked child: the guardian waits for its last end to be closed."""
        process, self._process = self._process, None
        if process and process.stdin:
            process.returncode = 0  # it is not this process's child
            process.stdin.close()

    def _order(self, line: str) -> None:
        if self._process is None:
            raise RuntimeError("the watchdog is not running")
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def __enter__(self) -> Watchdog:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


_all: weakref.WeakSet[Watchdog] = weakref.WeakSet()


def _let_all_go() -> None:
    for watchdog in list(_all):
        watchdog.let_go()


os.register_at_fork(after_in_child=_let_all_go)
