# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures for pytest: fb_client, fb_mount and fb_vm.

This is part of every run of pytest on a machine that has libfb: everything is imported inside of
the fixtures.
"""
from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .client import Client
    from .vm import Guest
    from .watchdog import Watchdog

CAP_SYS_ADMIN = 1 << 21


@pytest.fixture
def fb_client() -> Iterator[Callable[..., Client]]:
    """fb_client(fs, **options) → Client: fs served in memory, without root, kernel or thread.

    At the end of the test every client is closed; files that are still open then are an error.
    """
    from .client import Client

    clients: list[Client] = []

    def make(fs: object, **options: Any) -> Client:
        clients.append(Client(fs, **options))
        return clients[-1]

    yield make
    problems = [problem for client in reversed(clients) if (problem := _closing(client))]
    if problems:
        pytest.fail("\n".join(problems))


def _closing(client: Client) -> str:
    try:
        client.close()
    except (AssertionError, OSError) as error:
        return str(error)
    return ""


def why_no_mount() -> str:
    """The reason for which nothing can be mounted here, or ""."""
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse can not be opened"
    status = pathlib.Path("/proc/self/status").read_text()
    capabilities = int(status.partition("CapEff:")[2].split()[0], 16)
    if not capabilities & CAP_SYS_ADMIN and not shutil.which("fusermount3"):
        return "mounting needs root or fusermount3"
    return ""


@pytest.fixture
def fb_mount() -> Iterator[Callable[..., str]]:
    """fb_mount(fs, *, inprocess=False, timeout=60, **options) → path of the mount point.

    fs is a file system, a class or function that makes one, or "module:Class"; options are those
    of libfb.mount(), with transport="dev-fuse" unless told otherwise. It is served from a process
    of its own; inprocess=True is for debuggers.
    After timeout seconds a guardian ends the mount, and the test fails with all stacks. Skips
    where nothing can be mounted.
    """
    if reason := why_no_mount():
        pytest.skip(reason)
    from .watchdog import Watchdog

    with Watchdog(0) as watchdog:
        mounts = Mounts(watchdog)
        yield mounts.make
        problems = mounts.end()
        if watchdog.fired:
            problems.insert(0, f"the mount was ended when time was up:\n{watchdog.stacks()}")
    if problems:
        pytest.fail("\n".join(problems))


class Mounts:
    """What one test has mounted."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._ends: list[Callable[[], str]] = []

    def make(
        self, fs: object, *, inprocess: bool = False, timeout: float = 60.0, **options: Any
    ) -> str:
        """See fb_mount."""
        path = os.path.realpath(tempfile.mkdtemp(prefix="fb-mount-"))
        self._ends.append(lambda: _remove(path))
        self._watchdog.mounted(path)
        self._watchdog.within(timeout)
        # Over io_uring Linux frees nobody who waits for a thread that stands still (fs/fuse/dev_uring.c).
        options.setdefault("transport", "dev-fuse")
        start = self._inside if inprocess else self._outside
        start(fs, path, options)
        return path

    def _outside(self, fs: object, path: str, options: dict[str, Any]) -> None:
        from .server import Server

        server = Server("mount", fs, path, options)

        def end() -> str:
            code = server.stop()
            return f"the server of {path} ended with {code}" if code else ""

        self._ends.append(end)

    def _inside(self, fs: object, path: str, options: dict[str, Any]) -> None:
        import importlib

        from .server import materialize

        libfb: Any = importlib.import_module("libfb")
        mount = libfb.mount(materialize(fs), path, **options)
        mount.__enter__()

        def end() -> str:
            mount.__exit__(None, None, None)
            return ""

        self._ends.append(end)

    def end(self) -> list[str]:
        """Unmount all, the last first. Returns what went wrong."""
        return [problem for end in reversed(self._ends) if (problem := end())]


def _remove(path: str) -> str:
    """Remove a mount point; what is still mounted there is taken off."""
    from . import guardian

    left = guardian.connections(path)
    if left:
        guardian.free(path)
    os.rmdir(path)
    return f"{path} was still mounted" if left else ""


@pytest.fixture
def fb_vm(tmp_path: pathlib.Path) -> Iterator[Callable[..., Guest]]:
    """fb_vm(fs, script, *, timeout=300, programs=(), **options) → Guest: status and console.

    Serves fs to a virtual machine, in which the shell script runs as root with the share as its
    current folder; timeout is in seconds; programs are paths of static programs that the script can
    run beside busybox; options are those of libfb.vhost_user(). Skips where none can be booted.
    """
    from . import vm
    from .server import Server

    try:
        vm.check()
    except vm.Missing as reason:
        pytest.skip(str(reason))
    servers: list[Server] = []

    def boot(
        fs: object,
        script: str,
        *,
        timeout: float = 300.0,
        programs: Sequence[pathlib.Path] = (),
        **options: Any,
    ) -> Guest:
        with tempfile.TemporaryDirectory(prefix="fb-vm-") as folder:
            server = Server("vhost_user", fs, f"{folder}/socket", {"tag": vm.TAG, **options})
            servers.append(server)
            try:
                return vm.run(server.path, script, tmp_path, timeout, programs)
            finally:
                server.stop()

    yield boot
    for server in servers:
        server.stop()
