# SPDX-License-Identifier: BSD-3-Clause
"""The fixtures for pytest, each as a user's test has them."""
import errno
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import libfb
import pytest
from example_rig import guest_kernel
from libfb.testing import Client, Watchdog, guardian
from libfb.testing.plugin import Mounts, fb_client, fb_mount, fb_vm, why_no_mount  # noqa: F401

Mount = Callable[..., str]
needs_mount = pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount())


def test_nothing_heavy_is_imported() -> None:
    """The plugin is loaded by every pytest run on the machine."""
    code = (
        "import sys, types; package = types.ModuleType('libfb'); package.__path__ = sys.argv[1:]\n"
        "sys.modules['libfb'] = package; import pytest; before = set(sys.modules)\n"
        "import libfb.testing.plugin; print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", code, *libfb.__path__]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    ours = [name for name in done.stdout.split() if name.startswith("libfb")]
    assert ours == ["libfb.testing", "libfb.testing.plugin"]
    assert not {"ctypes", "multiprocessing", "asyncio"} & set(done.stdout.split())


def test_client(fb_client: Callable[..., Client], tmp_path: pathlib.Path) -> None:
    c = fb_client(libfb.Passthrough(tmp_path))
    c.write_bytes("/a", b"x")
    assert c.listdir("/") == ["a"] == os.listdir(tmp_path)


@needs_mount
def test_mount(fb_mount: Mount, tmp_path: pathlib.Path) -> None:
    path = fb_mount(libfb.Passthrough(tmp_path))
    pathlib.Path(path, "f").write_bytes(b"mounted")
    assert (tmp_path / "f").read_bytes() == b"mounted"
    assert len(guardian.connections(path)) == 1


@needs_mount
def test_two_mounts_of_what_a_function_makes(fb_mount: Mount, tmp_path: pathlib.Path) -> None:
    def make() -> object:
        return libfb.Passthrough(tmp_path)

    one, two = fb_mount(make), fb_mount(make)
    pathlib.Path(one, "f").write_bytes(b"x")
    assert os.listdir(two) == ["f"]


@needs_mount
def test_mount_beside_threads(fb_mount: Mount, tmp_path: pathlib.Path) -> None:
    """Not forked then, so that a pickle is what goes to the server."""
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait)
    thread.start()
    try:
        path = fb_mount(libfb.Passthrough(tmp_path))
        pathlib.Path(path, "f").write_bytes(b"x")
        assert os.listdir(tmp_path) == ["f"]
        with pytest.raises(RuntimeError, match="can not be pickled"):
            fb_mount(lambda: None)
    finally:
        go_on.set()
        thread.join()


@needs_mount
def test_a_server_that_does_not_start(fb_mount: Mount) -> None:
    def make() -> object:
        raise ValueError("no such luck")

    with pytest.raises(RuntimeError, match="no such luck"):
        fb_mount(make)


@needs_mount
def test_time_is_up(tmp_path: pathlib.Path) -> None:
    """A server that stands still is told apart from the test, which goes on with an error."""
    def make() -> object:
        (tmp_path / "pid").write_text(str(os.getpid()))
        return libfb.Passthrough(tmp_path)

    with Watchdog(0) as watchdog:
        mounts = Mounts(watchdog)
        path = mounts.make(make, timeout=2)
        server = int((tmp_path / "pid").read_text())
        os.kill(server, signal.SIGSTOP)
        os.waitpid(server, os.WUNTRACED)  # all its threads stand still
        with pytest.raises(OSError) as raised:
            os.stat(path + "/missing")
        assert raised.value.errno in (errno.ECONNABORTED, errno.ENOTCONN)
        assert watchdog.fired and "test_time_is_up" in watchdog.stacks()
        os.kill(server, signal.SIGCONT)
        mounts.end()
    assert guardian.connections(path) == [] and not os.path.exists(path)


def test_vm(guest_kernel: None, fb_vm: Callable[..., object], tmp_path: pathlib.Path) -> None:
    (tmp_path / "in").write_bytes(b"to the guest")
    guest = fb_vm(libfb.Passthrough(tmp_path), "cat in; echo back > out; exit 7")
    assert getattr(guest, "status") == 7
    assert "to the guest" in getattr(guest, "console")
    assert (tmp_path / "out").read_bytes() == b"back\n"
