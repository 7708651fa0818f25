# SPDX-License-Identifier: BSD-3-Clause
"""The watchdog frees what is stuck. The mounts here are served by nobody: each use hangs."""
import ctypes
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from libfb.testing import Watchdog, guardian
from libfb.testing.plugin import why_no_mount

pytestmark = pytest.mark.skipif(
    bool(why_no_mount()) or os.geteuid() != 0, reason=why_no_mount() or "only root mounts by itself"
)

STUCK = """
import ctypes, os, sys
from libfb.testing import Watchdog
path = sys.argv[1]
device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
assert ctypes.CDLL(None).mount(b"stuck", path.encode(), b"fuse", 0, options.encode()) == 0
watchdog = Watchdog(float(sys.argv[2])).start()
watchdog.mounted(path)
print("ready", flush=True)
try:
    os.stat(path + "/x")
except OSError as error:
    print(error.errno, watchdog.stacks(), flush=True)
watchdog.stop()
"""


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Iterator[str]:
    """A mount point with a blank in its name."""
    path = tmp_path / "a mount"
    path.mkdir()
    yield os.path.realpath(path)
    assert guardian.free(str(path))


def stuck(path: str, seconds: float) -> "subprocess.Popen[str]":
    """A process that hangs in a mount of its own."""
    command = [sys.executable, "-c", STUCK, path, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_time_is_up(place: str) -> None:
    with stuck(place, 0.5) as process:
        printed, _ = process.communicate(timeout=30)
    number, _, stacks = printed.partition(" ")
    assert int(number) in (103, 107), printed
    assert "most recent call first" in stacks and 'File "<string>"' in stacks, stacks
    assert process.returncode == 0
    assert guardian.connections(place) == []


def test_the_process_is_killed(place: str) -> None:
    """It is stuck, so that SIGKILL alone would not end it where it serves itself."""
    with stuck(place, 0) as process:
        assert len(guardian.connections(place)) == 1
        process.kill()
        process.wait(30)
    end = time.monotonic() + 20
    while guardian.connections(place) and time.monotonic() < end:
        time.sleep(0.05)
    assert guardian.connections(place) == []


def test_nothing_happens_in_time(place: str) -> None:
    with Watchdog(30) as watchdog:
        watchdog.mounted(place)
        watchdog.unmounted(place)
        watchdog.within(0)
        assert not watchdog.fired
    assert watchdog.stacks() == ""


def test_a_forked_child_does_not_hold_the_pipe() -> None:
    with Watchdog(30) as watchdog:
        assert watchdog._process is not None and watchdog._process.stdin is not None
        descriptor = watchdog._process.stdin.fileno()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if not os.path.exists(f"/proc/self/fd/{descriptor}") else 1)
        assert os.waitpid(pid, 0)[1] == 0


def files_of(pid: int) -> set[str]:
    """What a process has open, but pipes."""
    held = set()
    for each in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.add(os.readlink(each))
        except FileNotFoundError:  # closed meanwhile
            pass
    return {name for name in held if not name.startswith("pipe:")}


def test_the_guardian_holds_one_descriptor_of_ours() -> None:
    with open("/etc/hostname") as kept, Watchdog(30) as watchdog:
        assert watchdog._process is not None and kept
        end = time.monotonic() + 10  # its interpreter opens and closes files while it starts
        while not (held := files_of(watchdog._process.pid)) <= {"/dev/null"}:
            assert "/etc/hostname" not in held and time.monotonic() < end, held
            time.sleep(0.01)


def test_other_mounts_are_left_alone(tmp_path: pathlib.Path) -> None:
    assert guardian.connections("/proc") == [] and guardian.connections(str(tmp_path)) == []
    assert guardian.free("/proc")
    assert ctypes.CDLL(None).getpid() == os.getpid() and os.path.exists("/proc/self")
