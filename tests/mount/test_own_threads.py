# SPDX-License-Identifier: BSD-3-Clause
"""Mounts that a program serves with threads of its own, or from its event loop.

The server is transport_server.c.
"""
import errno
import fcntl
import mmap
import os
import pathlib
import re
import time

import pytest

from fixtures import SLOWER, host, in_background, needs_root, reap, run, start, end, tidy, wait_until  # noqa: F401
from test_transport import (  # noqa: F401
    GONE, assert_saved, checksum, launch, mounted_descriptor, mounts_at, program,
)  # fmt: skip

pytestmark = [needs_root, pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse here")]

THREADS, LOOP, ONE_BY_ONE, BOTH = ["--own-threads=3"], ["--loop=0"], ["--loop=1"], ["--own-threads=2", "--loop=0"]
ways = pytest.mark.parametrize("how", [THREADS, LOOP, ONE_BY_ONE, BOTH], ids=" ".join)
loops = pytest.mark.parametrize("how", [LOOP, ONE_BY_ONE, BOTH], ids=" ".join)


def loop_result(server):
    """(result, turns, at most) of the loop, which has ended."""
    return tuple(map(int, re.search(r"loop ended: result (-?\d+), (\d+) turns, at most (\d+)", server.log).groups()))


def read_directly(path, size):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        buffer = mmap.mmap(-1, size)
        return buffer[: os.readv(fd, [buffer])]
    finally:
        os.close(fd)


@ways
def test_many_clients(launch, how):
    server = launch(*how, "--give")
    data = os.urandom(1 << 20)
    pathlib.Path(server.file()).write_bytes(data)

    def client():
        for _ in range(30):
            if read_directly(server.file(), 1 << 20) != data:
                raise OSError(errno.EBADMSG, "other data")

    for pid in [in_background(client) for _ in range(4)]:
        assert reap(pid, 30) == 0
    assert server.stop() == 0
    assert checksum(data) in server.log
    given, released = map(int, re.search(r"given (\d+), released (\d+)", server.log).groups())
    assert given == released > 0
    assert "a thread failed" not in server.log
    if how == ONE_BY_ONE:
        assert loop_result(server)[2] == 1


@ways
@pytest.mark.parametrize("command", [["umount"], ["umount", "-l"]])
def test_unmounted_from_outside(launch, how, command):
    server = launch(*how)
    assert os.listdir(server.mountpoint) == ["file"]
    run(*command, server.mountpoint)
    assert server.wait() == 0
    assert not mounts_at(server.mountpoint)
    if how != THREADS:
        assert loop_result(server)[0] == -errno.ENOTCONN


@ways
def test_stop_while_busy(launch, how):
    server = launch(*how)
    pathlib.Path(server.file()).write_text("x")
    with open(server.file(), "rb", buffering=0) as file:
        assert server.stop() == 0
        with pytest.raises(OSError) as caught:
            os.fstat(file.fileno())
            file.read()
        assert caught.value.errno in GONE
    assert not mounts_at(server.mountpoint)


@ways
def test_stop_after_lazy_while_busy(launch, how):
    server = launch(*how)
    inside = start("sleep", "60", cwd=server.mountpoint)
    run("umount", "-l", server.mountpoint)
    assert server.stop() == 0
    end(inside)


@ways
def test_dirty_pages_are_written_back(launch, how):
    """The loop goes on while the mount ends, and loses nothing."""
    server = launch(*how, "--writeback", "--write-delay=5000")
    data = os.urandom(4 << 20)

    def client():
        fd = os.open(server.file(), os.O_RDWR)
        os.truncate(fd, len(data))
        pages = mmap.mmap(fd, len(data))
        pages[:] = data
        os._exit(0)

    assert reap(in_background(client)) == 0
    assert server.stop(30) == 0
    assert_saved(server, data)


@loops
def test_idle_loop_sleeps(launch, how):
    server = launch(*how)
    os.listdir(server.mountpoint)
    time.sleep(0.5)
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    before = int(fields[11]) + int(fields[12])
    time.sleep(1)
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    assert int(fields[11]) + int(fields[12]) - before <= 5  # hundredths of a second
    assert server.stop() == 0


@loops
def test_withdrawn_requests(launch, how):
    """Clients that are killed take requests back that the loop was told of: it does not wait for others."""
    server = launch(*how, "--lookup-delay=2000")
    for _ in range(20):
        clients = [
            in_background(lambda: [os.path.exists(server.mountpoint + f"/missing{i}") for i in range(1000)])
            for _ in range(4)
        ]
        time.sleep(0.02)
        for pid in clients:
            os.kill(pid, 9)
        for pid in clients:
            os.waitpid(pid, 0)
    assert os.listdir(server.mountpoint) == ["file"]
    assert server.stop() == 0


@pytest.mark.parametrize("clone", [[], ["--no-clone"]], ids=["clone", "no-clone"])
@pytest.mark.parametrize("flags", [0, os.O_NONBLOCK])
@loops
def test_mounted_descriptor(launch, host, how, flags, clone):  # noqa: F811
    """The descriptor of whoever mounted stays as it was, even where there is no other."""
    mountpoint = str(host.folder("mountpoint"))
    possible = flags or not clone
    with mounted_descriptor(mountpoint, flags) as fd:
        server = launch(*clone, *how, mountpoints=[f"/dev/fd/{fd}"], pass_fds=[fd], check=bool(possible))
        assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK == flags
        if possible:
            assert os.listdir(mountpoint) == ["file"]
            assert server.stop() == 0
        else:
            wait_until("it says why not", 10, lambda: "no loop: no descriptor for an event loop" in server.log)
            server.wait()
        assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK == flags
        os.close(fd)


@ways
def test_without_clones(launch, how):
    server = launch("--no-clone", *how)
    pathlib.Path(server.file()).write_text("text")
    assert read_directly(server.file(), 4096) == b"text"
    assert server.stop() == 0


def test_nobody_serves(launch):
    """Who waits for an answer gets an error when the session ends, and the end does not wait."""
    server = launch("--own-threads=0")
    client = in_background(lambda: os.stat(server.mountpoint))
    time.sleep(0.2)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 3 * SLOWER
    assert reap(client) in GONE
    assert not mounts_at(server.mountpoint)


def test_loop_that_quits(launch):
    """It should go on until it is told to end; where it does not, and nothing is dirty, all ends as well."""
    server = launch("--loop=0", "--loop-quits")
    pathlib.Path(server.file()).write_text("text")
    assert server.stop() == 0
    assert not mounts_at(server.mountpoint)
