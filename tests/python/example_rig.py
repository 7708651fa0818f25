# SPDX-License-Identifier: BSD-3-Clause
"""Runs the examples as their readers do: a program of its own, a real mount."""
from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest
from libfb.testing import Watchdog, guardian
from libfb.testing.plugin import why_no_mount

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FB_BUILD_DIR", ROOT / "build" / "dev"))
EXAMPLES = ROOT / "bindings" / "python" / "examples"
SECONDS = 30 * (3 if os.environ.get("FB_SANITIZE") else 1)

needs_mount = pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount())


def run(*command: object, ok: bool = True, **options: object) -> str:
    """Run a program that uses a mount. Returns what it said; with ok it has to succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, text=True, timeout=SECONDS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        **options,
    )  # type: ignore[call-overload]
    assert done.returncode == 0 or not ok, f"{words}: {done.returncode}\n{done.stdout}"
    return str(done.stdout)


def need(program: str) -> str:
    """The path of a program; without it the test is skipped."""
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed (script/bootstrap test)")
    return found


class Example:
    """An example that serves a mount at path, as a program of its own.

    words follow the interpreter: a file and its arguments; the mount point comes last.
    """

    def __init__(self, *words: object, **environment: str) -> None:
        self.path = pathlib.Path(os.path.realpath(tempfile.mkdtemp(prefix="fb-example-")))
        self.path.chmod(0o755)
        self.said = tempfile.TemporaryFile()
        self.ended = False
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", *(str(word) for word in words), str(self.path)],
            env={**os.environ, **environment}, cwd="/", stdin=subprocess.DEVNULL,
            stdout=self.said, stderr=self.said,
        )  # fmt: skip

    def wait_mounted(self) -> None:
        """Returns when the mount is there."""
        end = time.monotonic() + SECONDS
        while not guardian.connections(str(self.path)):
            assert self.process.poll() is None, self.messages()
            assert time.monotonic() < end, "it does not mount"
            time.sleep(0.01)

    def messages(self) -> str:
        """All that it has said so far."""
        return os.pread(self.said.fileno(), 1 << 20, 0).decode(errors="replace")

    def kill(self) -> None:
        """As when the machine runs out of memory: it has no chance to say goodbye."""
        self.process.kill()
        self._clean_up()

    def end(self) -> None:
        """Ask it to unmount. Its exit code has to be 0, and it must have said nothing."""
        if self.ended:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        left = guardian.connections(str(self.path))
        messages = self.messages()
        self._clean_up()
        assert (self.process.returncode, messages, left) == (0, "", []), messages

    def _clean_up(self) -> None:
        self.ended = True
        guardian.free(str(self.path))
        self.process.wait(SECONDS)
        self.path.rmdir()
        self.said.close()


Serve = Callable[..., Example]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve(file, *arguments, **environment) → an Example, which ends with the test."""
    with Watchdog(0) as watchdog:
        running: list[Example] = []

        def start(file: str, *arguments: object, **environment: str) -> Example:
            example = Example(EXAMPLES / file, *arguments, **environment)
            running.append(example)
            watchdog.mounted(example.path)
            watchdog.within(4 * SECONDS)
            example.wait_mounted()
            return example

        yield start
        for example in reversed(running):
            example.end()
        assert not watchdog.fired, watchdog.stacks()


@pytest.fixture
def guest_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel that this repository's tests boot; where there is none, fb_vm skips the test."""
    if "FB_VM_KERNEL" in os.environ:
        return
    parts = ROOT / "build" / "guest"
    subprocess.run([ROOT / "script" / "guest-kernel", parts], timeout=300, check=False)
    if (parts / "vmlinux").exists():
        monkeypatch.setenv("FB_VM_KERNEL", str(parts / "vmlinux"))


def has_command_line() -> bool:
    """Whether this libfb can be run as ``python3 -m libfb``."""
    return importlib.util.find_spec("libfb.__main__") is not None
