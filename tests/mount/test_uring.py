# SPDX-License-Identifier: BSD-3-Clause
"""fbfsd over io_uring: that it is really used, what it costs, and how mounts of it end.

That a mount behaves over io_uring as over /dev/fuse is what all other tests show, with
FB_TEST_TRANSPORT=io-uring.
"""
import contextlib
import errno
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

import transport
from fixtures import (  # noqa: F401
    FBFSD, MNT_DETACH, MNT_FORCE, MODES, SANITIZED, SLOWER, host, in_background, is_mounted, needs_root, reap,
    serve, tidy, umount, wait_until,
)  # fmt: skip

pytestmark = [needs_root, pytest.mark.usefixtures("uring")]

GONE = transport.GONE
MIB = 1 << 20
RESIDENT_MAX = 16 * MIB  # of a server at its default depth, on 2 processors
PROCESSORS = sorted(os.sched_getaffinity(0))


@pytest.fixture
def ring(serve):
    """ring(*options, …): as serve, over io_uring, which must not fall back."""

    def serve_ring(*options, **how):
        server = serve("--transport=io-uring", *options, **how)
        assert transport.rings(server.pid), server.log
        return server

    return serve_ring


def told_transport(server):
    """What the statistics say it is."""
    server.statistics()
    text = server.stats_path.read_text()
    return re.search(r'statistics: ([\w/]+),|"transport": "([\w/]+)"', text).expand(r"\1\2")


def status_of(pid, field):
    """A number of /proc/PID/status."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+)", text, re.M)[1])


def reads_of(pid):
    """How many read(2), pread(2) and the like a process has made."""
    text = pathlib.Path(f"/proc/{pid}/io").read_text()
    return int(re.search(r"^syscr: (\d+)", text, re.M)[1])


def use(server):
    """A bit of everything."""
    top = server.path
    (top / "folder").mkdir()
    (top / "folder" / "file").write_bytes(b"content" * 1000)
    (top / "folder" / "file").rename(top / "file")
    assert (top / "file").read_bytes() == (server.source / "file").read_bytes() == b"content" * 1000
    assert os.listdir(top / "folder") == [] and set(os.listdir(top)) == {"folder", "file"}
    os.symlink("file", top / "link")
    assert (top / "link").read_bytes()[:7] == b"content"
    os.setxattr(top / "file", "user.a", b"1")
    assert os.listxattr(top / "file") == ["user.a"] and os.getxattr(top / "file", "user.a") == b"1"
    os.truncate(top / "file", 3)
    assert (server.source / "file").read_bytes() == b"con"
    assert os.statvfs(top).f_bsize > 0
    for name in ("file", "link"):
        (top / name).unlink()
    (top / "folder").rmdir()
    assert os.listdir(server.source) == []


# ---- it is used ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_it_serves(ring, mode):
    server = ring(*MODES[mode])
    use(server)
    assert told_transport(server) == "io_uring"
    assert server.stop() == 0
    assert not is_mounted(server.mountpoint)


def test_dev_fuse_can_be_chosen(serve):
    server = serve("--transport=dev-fuse")
    use(server)
    assert not transport.rings(server.pid)
    assert told_transport(server) == "/dev/fuse"


def test_the_choice_as_a_mount_option(serve):
    server = serve("-o", "transport=io-uring")
    assert transport.rings(server.pid) and told_transport(server) == "io_uring"


def test_an_unknown_transport():
    done = subprocess.run([FBFSD, "--transport=tcp", "/tmp", "/tmp"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "--transport: 'tcp' is none of auto, dev-fuse, io-uring" in done.stderr


def test_requests_do_not_come_through_read(ring):
    """Only those may that the kernel sends no other way: INIT, FORGET, INTERRUPT."""
    server = ring("--cache=never", "--attr-timeout=0", "--entry-timeout=0")
    (server.path / "file").touch()
    before, asked = reads_of(server.pid), sum_of_requests(server)
    for _ in range(2000):
        os.stat(server.path / "file")
    asked = sum_of_requests(server) - asked
    forgets = server.statistics()
    reads = reads_of(server.pid) - before
    assert asked >= 2000
    allowed = 100 + forgets.get("FORGET", 0) + forgets.get("BATCH_FORGET", 0)
    assert reads < allowed, f"{reads} reads for {asked} requests"


def sum_of_requests(server):
    return sum(count for name, count in server.statistics().items() if name.isupper())


def test_one_thread(ring):
    server = ring("-s")
    use(server)
    assert server.stop() == 0


# ---- what it costs -------------------------------------------------------------------------------------


def test_resident_memory(ring):
    server = ring("--no-kernel-passthrough")
    if len(PROCESSORS) > 2:
        pytest.skip(f"{len(PROCESSORS)} processors: the limit is for 2")
    if SANITIZED:
        pytest.skip("sanitizers have memory of their own")
    data = os.urandom(MIB)

    def act(number):
        os.sched_setaffinity(0, {PROCESSORS[number % len(PROCESSORS)]})
        path = server.path / f"file{number}"
        for _ in range(20):
            path.write_bytes(data)
            with open(path, "rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                if file.read() != data:
                    raise OSError(errno.EBADMSG, "other data")

    pids = [in_background(lambda n=n: act(n)) for n in range(8)]
    assert [reap(pid, 60) for pid in pids] == [0] * len(pids)
    print(f"resident: {status_of(server.pid, 'VmRSS') / 1024:.1f} MiB")
    # What large requests have used is given back after a second without any.
    wait_until("memory is given back", 3, lambda: status_of(server.pid, "VmRSS") * 1024 <= RESIDENT_MAX)
    print(f"later: {status_of(server.pid, 'VmRSS') / 1024:.1f} MiB")


def test_idle_costs_nothing(ring):
    server = ring()
    os.listdir(server.path)
    time.sleep(0.5)

    def ticks():
        fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(1)
    assert ticks() - before <= 2


def test_many_mounts_at_once(ring, host):  # noqa: F811
    source = host.folder("source")
    (source / "file").write_text("content")
    servers = [ring(source=source) for _ in range(20)]
    for server in servers:
        assert (server.path / "file").read_text() == "content"
    pids = [in_background(lambda s=s, n=n: work(s.path / f"own{n}")) for n, s in enumerate(servers)]
    assert [reap(pid, 60) for pid in pids] == [0] * len(pids)
    for server in servers:
        assert server.stop() == 0 and not is_mounted(server.mountpoint)


def work(folder):
    folder.mkdir()
    for number in range(50):
        (folder / f"file{number}").write_text(str(number))
        if (folder / f"file{number}").read_text() != str(number):
            raise OSError(errno.EBADMSG, "other data")


# ---- ends ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def load(server, count=6):
    """Clients that ask all the time, until there is an error."""

    def act(number):
        os.sched_setaffinity(0, {PROCESSORS[number % len(PROCESSORS)]})
        path = server.path / f"file{number}"
        while True:
            path.write_bytes(b"x" * 100000)
            os.listdir(server.path)
            path.unlink()
            if not os.path.exists(server.path / "there"):
                raise OSError(errno.ENOTCONN, "this is what was below the mount")

    (server.source / "there").touch()
    pids = [in_background(lambda n=n: act(n)) for n in range(count)]
    time.sleep(0.5)
    yield pids
    for pid in pids:
        assert reap(pid, 5) in (*GONE, errno.ENOENT)


def test_killed_under_load(ring):
    server = ring("--no-kernel-passthrough")
    with load(server):
        server.kill()
    with pytest.raises(OSError) as caught:
        os.statvfs(server.path)
    assert caught.value.errno == errno.ENOTCONN
    again = ring("--replace", source=server.source, mountpoint=server.mountpoint)
    (again.source / "there").unlink()
    for path in again.source.iterdir():
        path.unlink()
    use(again)
    assert again.stop() == 0


@pytest.mark.parametrize("busy", [False, True])
def test_sigterm_ends_it_soon(ring, busy):
    server = ring("--no-kernel-passthrough")
    with contextlib.ExitStack() as stack:
        if busy:
            stack.enter_context(load(server))
        began = time.monotonic()
        assert server.stop(seconds=10) == 0
        assert time.monotonic() - began < (5 if busy else 1) * SLOWER
        assert not is_mounted(server.mountpoint)


@pytest.mark.parametrize("flags", [0, MNT_FORCE, MNT_DETACH], ids=["", "force", "lazy"])
def test_unmounted_from_outside(ring, flags):
    server = ring()
    (server.path / "file").touch()
    assert umount(server.mountpoint, flags) == 0
    assert server.process.wait(10 * SLOWER) == 0
    assert not is_mounted(server.mountpoint)


def test_aborted_under_load(ring):
    server = ring("--no-kernel-passthrough")
    with load(server):
        umount(server.mountpoint, MNT_FORCE)
        server.process.wait(10 * SLOWER)


def test_lazily_unmounted_with_an_open_file(ring):
    """It goes on for who is inside, and ends with him."""
    server = ring("--no-kernel-passthrough")
    with open(server.path / "file", "w+b", buffering=0) as file:
        assert umount(server.mountpoint, MNT_DETACH) == 0
        time.sleep(0.3)
        assert server.process.poll() is None
        assert file.write(b"content") == 7 and os.pread(file.fileno(), 10, 0) == b"content"
    assert server.process.wait(10 * SLOWER) == 0
    assert (server.source / "file").read_bytes() == b"content"


def test_auto_unmount(ring):
    server = ring("--auto-unmount")
    server.kill()
    wait_until("the mount vanishes", 10, lambda: not is_mounted(server.mountpoint))


def test_stopped_server_and_killed_clients(ring):
    """Clients that wait for a server that does nothing can be killed, and all goes on."""
    server = ring("--no-kernel-passthrough")
    os.kill(server.pid, signal.SIGSTOP)
    pids = [in_background(lambda n=n: os.stat(server.path / f"name{n}")) for n in range(20)]
    time.sleep(0.3)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    os.kill(server.pid, signal.SIGCONT)
    for pid in pids:
        reap(pid)
    use(server)
    assert server.statistics()["pending"] == 0
