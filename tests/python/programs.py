# SPDX-License-Identifier: BSD-3-Clause
"""Programs that serve, and guests that use what they serve, for the tests beside this file."""
from __future__ import annotations

import importlib.util
import os
import pathlib
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import IO

import pytest
from libfb.testing import guardian
from libfb.testing.plugin import why_no_mount

SECONDS = 20.0
needs_mount = pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount() or "-")
BUILD = pathlib.Path(os.environ.get("FB_BUILD_DIR", "build/dev"))
READER = BUILD / "tests" / "hostile_guest" / "hostile_guest_reader"

HELLO = '''\
import libfb

class Hello(libfb.PathFS):
    def __init__(self, text="hi", n=1):
        self.text = (str(text) * n + "\\n").encode()
    def getattr(self, path, fh=None):
        if path == "/":
            return libfb.Dir(0o755)
        if path == "/hello":
            return libfb.File(0o644, size=len(self.text))
        raise {"/bug": KeyError, "/exit": SystemExit}.get(path, FileNotFoundError)(3)
    def readdir(self, path, fh=None):
        yield "hello"
    def read(self, path, fh, off, size):
        return self.text[off:off + size]
'''


def eventually(condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait until the condition holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.01)


def is_mounted(path: str | os.PathLike[str]) -> bool:
    """Whether a FUSE file system is mounted there; does not ask it."""
    return bool(guardian.connections(os.fspath(path)))


def uring_switched_on() -> AbstractContextManager[object]:
    """While it lasts the kernel offers io_uring; skips where it can not, with the reason."""
    path = pathlib.Path(__file__).parent.parent / "mount" / "transport.py"
    spec = importlib.util.spec_from_file_location("mount_transport", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    switched_on: Callable[[], AbstractContextManager[object]] = module.switched_on
    return switched_on()


class Program:
    """A Python program. `err` is what it has written to standard error so far."""

    def __init__(self, *arguments: str, mountpoint: os.PathLike[str] | None = None,
                 cwd: str | os.PathLike[str] = "/", stdin: int | IO[bytes] = subprocess.DEVNULL,
                 env: dict[str, str] | None = None) -> None:
        self.mountpoint = mountpoint
        self._errors, self._err = os.pipe()
        os.set_blocking(self._errors, False)
        self._text = b""
        command = [sys.executable, "-W", "error", *arguments]
        self.process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=self._err, cwd=cwd, env={**os.environ, **(env or {})})
        os.close(self._err)

    @property
    def err(self) -> str:
        try:
            while piece := os.read(self._errors, 65536):
                self._text += piece
        except BlockingIOError:
            pass
        return self._text.decode()

    def line(self) -> str:
        """The next line of standard output, "" at its end."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip("\n")

    def says(self, text: str) -> None:
        """Wait until it has said this on standard error."""
        eventually(lambda: text in self.err, f"{text!r} in {self.err!r}")

    def catches(self, number: int) -> None:
        """Wait until it handles a signal."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status")

        def caught() -> bool:
            mask = int(status.read_text().partition("SigCgt:")[2].split()[0], 16)
            return bool(mask >> (number - 1) & 1)

        eventually(caught, f"a handler of signal {number}")

    def send(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self, number: int | None = None) -> int:
        """Send a signal, if one is given, and wait for the exit code."""
        if number is not None:
            self.send(number)
        return self.process.wait(SECONDS)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.process.kill()
        if self.mountpoint is not None:
            guardian.free(os.fspath(self.mountpoint))
        self.process.wait(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        if kind is not None:
            print(self.err)
        os.close(self._errors)


class Guest:
    """A virtual machine as far as a socket shows: it reads files of a share."""

    def __init__(self, socket: str | os.PathLike[str]) -> None:
        if not READER.exists():
            pytest.skip(f"{READER} has not been built")
        self.process = subprocess.Popen([READER, os.fspath(socket)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def read(self, name: str) -> str:
        """The first line of a file, or "error: " and why."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def hang_up(self) -> int:
        """End it. Returns its exit code."""
        self.process.communicate(timeout=SECONDS)
        return self.process.returncode

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=SECONDS)


def _read_until(terminal: int, text: bytes) -> bytes:
    """What has been printed when the text has come."""
    found = b""
    while text not in found:
        found += os.read(terminal, 4096)
    return found


def debug_a_bug(source: pathlib.Path, point: pathlib.Path, *words: str) -> None:
    """Mount a class whose getattr of /bug fails, with --pdb on a terminal, and look at that failure there."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "libfb", str(source), str(point), "--pdb", *words]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd="/",
                          start_new_session=True) as server:
        os.close(slave)
        try:
            _read_until(master, b"ready:")
            with subprocess.Popen(["stat", point / "bug"], stderr=subprocess.PIPE) as stat:
                _read_until(master, b"(Pdb) ")
                os.write(master, b"p path\n")
                assert b"'/bug'" in _read_until(master, b"(Pdb) ")
                assert stat.poll() is None  # it waits
                os.write(master, b"q\n")
                assert b"Input/output error" in stat.communicate(timeout=SECONDS)[1]
            server.send_signal(signal.SIGTERM)
            assert server.wait(SECONDS) == 0
        finally:
            server.kill()
            if is_mounted(point):
                libfb.unmount(point)
            os.close(master)


def interrupt(program: Program) -> int:
    """Ctrl-C. Returns the exit code."""
    return program.end(signal.SIGINT)
