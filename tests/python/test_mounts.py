# SPDX-License-Identifier: BSD-3-Clause
"""Python file systems on real mounts: what only a kernel can show."""
import asyncio
import errno
import fcntl
import gc
import os
import pathlib
import select
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import libfb
import pytest

needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists("/dev/fuse"), reason="root and /dev/fuse")
pytestmark = needs_mounts


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where to mount."""
    made = tmp_path / "mount"
    made.mkdir()
    return made


@pytest.fixture
def public() -> Iterator[pathlib.Path]:
    """The same, where everybody gets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        os.chmod(made, 0o755)
        folder = pathlib.Path(made, "mount")
        folder.mkdir()
        yield folder


def as_other(path: pathlib.Path) -> subprocess.CompletedProcess[bytes]:
    """Read a file as another user."""
    return subprocess.run(["cat", path], user=4321, group=1234, extra_groups=[],
                          capture_output=True, timeout=20, check=False)


class Files(libfb.PathFS):
    """A directory of files whose content is given."""

    def __init__(self, **files: bytes) -> None:
        self.files = {f"/{name}": bytearray(data) for name, data in files.items()}
        self.requests: list[str] = []

    def getattr(self, path: str | None, fh: Any = None) -> Any:
        if path == "/":
            return libfb.Dir(0o755)
        if path not in self.files:
            raise FileNotFoundError
        return libfb.File(0o644, size=len(self.files[path]))

    def readdir(self, path: str, fh: Any) -> Iterator[str]:
        return (name[1:] for name in self.files)

    def open(self, path: str, flags: int) -> Any:
        self.requests.append("open")
        return self.files[path]

    def read(self, path: str, fh: Any, off: int, size: int) -> Any:
        self.requests.append("read")
        return bytes(fh[off:off + size])


def on_thread(*calls: Callable[[], object]) -> None:
    """Run them at the same time."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_a_mount_and_its_end(folder: pathlib.Path) -> None:
    with libfb.mount(Files(a=b"1", b=b"22"), folder) as m:
        assert os.path.ismount(folder)
        assert sorted(os.listdir(folder)) == ["a", "b"]
        assert (folder / "b").read_bytes() == b"22"
        assert not m.ended
        assert m.statistics()["LOOKUP"]["requests"] >= 1
    assert not os.path.ismount(folder) and m.ended
    m.close()


def test_an_unmount_from_outside_ends_it(folder: pathlib.Path) -> None:
    with libfb.mount(Files(), folder) as m:
        libfb.unmount(folder)
        m.wait()
        assert m.ended


def test_files_without_flush_are_not_flushed(folder: pathlib.Path) -> None:
    flushed: list[str] = []

    class Flushes(Files):
        def flush(self, path: str, fh: Any) -> None:
            flushed.append(path)

    for cls in (Files, Flushes):
        with libfb.mount(cls(a=b"1"), folder) as m:
            (folder / "a").read_bytes()
            assert m.statistics().get("FLUSH", {"requests": 0})["requests"] == (cls is Flushes)
    assert flushed == ["/a"]


def test_a_backing_file_is_read_by_the_kernel(folder: pathlib.Path,
                                              tmp_path: pathlib.Path) -> None:
    data = os.urandom(1 << 20)
    (tmp_path / "data").write_bytes(data)
    closed: list[bool] = []

    class Backed(Files):
        def getattr(self, path: str | None, fh: Any = None) -> Any:
            return libfb.Dir() if path == "/" else os.stat(tmp_path / "data")

        def open(self, path: str, flags: int) -> Any:
            file = open(tmp_path / "data", "rb")
            return libfb.Opened(file, backing=file)

        def release(self, path: str, fh: Any) -> None:
            fh.close()
            closed.append(True)

        read = None  # type: ignore[assignment]

    for off in (False, True):
        avoid = libfb.InitFlags.PASSTHROUGH if off else libfb.InitFlags(0)
        with libfb.mount(Backed(), folder, avoid=avoid) as m:
            assert (folder / "f").read_bytes() == data
            kernel = bool(m.agreed().wanted & libfb.InitFlags.PASSTHROUGH)
            assert kernel == (bool(m.agreed().offered & libfb.InitFlags.PASSTHROUGH) and not off)
            reads = m.statistics().get("READ", {"requests": 0})["requests"]
            assert kernel == (reads == 0), "with kernel passthrough no READ comes"
    assert closed == [True, True]


def test_workers_run_handlers_side_by_side(folder: pathlib.Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    class Slow(Files):
        def open(self, path: str, flags: int) -> Any:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.1)
            inside.pop()
            return self.files[path]

    for workers, expected in ((1, 1), (4, 4)):
        most.clear()
        files = {f"f{i}": b"x" for i in range(4)}
        with libfb.mount(Slow(**files), folder, workers=workers):
            on_thread(*((folder / name).read_bytes for name in files))
        assert max(most) == expected


def test_coroutines_wait_side_by_side(folder: pathlib.Path) -> None:
    class Slow(Files):
        async def open(self, path: str, flags: int) -> Any:
            await asyncio.sleep(0.2)
            return self.files[path]

    files = {f"f{i}": b"x" for i in range(10)}
    with libfb.mount(Slow(**files), folder):
        before = time.monotonic()
        on_thread(*((folder / name).read_bytes for name in files))
        assert time.monotonic() - before < 1.5


def test_in_an_event_loop_of_the_users(folder: pathlib.Path) -> None:
    class Loop(Files):
        async def open(self, path: str, flags: int) -> Any:
            await asyncio.sleep(0.01)
            seen.append(asyncio.get_running_loop())
            return self.files[path]

    seen: list[Any] = []

    async def main() -> None:
        async with libfb.mount(Loop(a=b"data"), folder) as m:
            assert await asyncio.to_thread((folder / "a").read_bytes) == b"data"
            assert seen == [asyncio.get_running_loop()]
            m.stop()
            await m.wait_closed()

    asyncio.run(main())
    assert not os.path.ismount(folder)


def test_an_interrupted_program_cancels_its_handler(folder: pathlib.Path) -> None:
    cancelled = threading.Event()

    class Slow(Files):
        async def open(self, path: str, flags: int) -> Any:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()
                raise

    with libfb.mount(Slow(a=b""), folder):
        pid = os.posix_spawn("/bin/cat", ["cat", str(folder / "a")], os.environ)
        time.sleep(0.3)
        os.kill(pid, 9)
        assert cancelled.wait(10)
        os.waitpid(pid, 0)


def test_the_end_does_not_wait_for_sleeping_handlers(folder: pathlib.Path) -> None:
    class Slow(Files):
        async def open(self, path: str, flags: int) -> Any:
            await asyncio.sleep(600)

    with libfb.mount(Slow(a=b""), folder) as m:
        pid = os.posix_spawn("/bin/cat", ["cat", str(folder / "a")], os.environ,
                             file_actions=[(os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)])
        time.sleep(0.2)
        before = time.monotonic()
        m.stop()
        assert m.join(20)
        assert time.monotonic() - before < 15
        os.waitpid(pid, 0)


def test_notifications_reach_the_kernel(folder: pathlib.Path) -> None:
    fs = Files(a=b"old")
    with libfb.mount(fs, folder, attr_timeout=1000, entry_timeout=1000) as m:
        assert (folder / "a").stat().st_size == 3
        fs.files["/a"] = bytearray(b"newer")
        fs.files["/b"] = bytearray()
        assert (folder / "a").stat().st_size == 3
        assert m.invalidate("/a") and not m.invalidate("/unknown")
        m.flush_notifications()
        assert (folder / "a").stat().st_size == 5
        assert (folder / "a").read_bytes() == b"newer"
        (folder / "a").stat()
        del fs.files["/a"]
        assert (folder / "a").exists()
        assert m.invalidate_entry("/", "a")
        m.flush_notifications()
        assert not (folder / "a").exists()


def test_store_fills_the_page_cache(folder: pathlib.Path) -> None:
    class Keeps(Files):
        def open(self, path: str, flags: int) -> Any:
            return libfb.Opened(super().open(path, flags), keep_cache=True)

    fs = Keeps(a=b"x" * 4096)
    with libfb.mount(fs, folder, attr_timeout=1000) as m:
        (folder / "a").stat()
        assert m.store("/a", 0, b"y" * 4096)
        m.flush_notifications()
        assert (folder / "a").read_bytes() == b"y" * 4096
        assert "read" not in fs.requests


def test_the_page_cache_is_asked(folder: pathlib.Path) -> None:
    fs = Files(a=b"z" * 8192)
    answers: list[Any] = []
    with libfb.mount(fs, folder, attr_timeout=1000) as m:
        (folder / "a").read_bytes()
        assert m.retrieve("/a", 0, 4096, lambda data, error: answers.append((data, error)))
        assert not m.retrieve("/unknown", 0, 10, print)
        until = time.monotonic() + 5
        while not answers and time.monotonic() < until:
            time.sleep(0.01)
        assert answers == [(b"z" * 4096, 0)]
        m.resend()
        m.flush_notifications()


def test_large_reads_are_whole(folder: pathlib.Path) -> None:
    data = os.urandom((1 << 20) + 77)

    class Whole(Files):
        def read(self, path: str, fh: Any, off: int, size: int) -> bytes:
            return self.whole if size >= len(self.whole) else self.whole[off:off + size]

        whole = data

    references = sys.getrefcount(data)
    with libfb.mount(Whole(a=data), folder):
        for _ in range(3):
            assert (folder / "a").read_bytes() == data
    gc.collect()
    assert sys.getrefcount(data) == references


def test_statx(folder: pathlib.Path) -> None:
    class Born(libfb.NodeFS):
        def lookup(self, parent: Any, name: str) -> Any:
            return libfb.Entry(name, libfb.File())

        def getattr(self, node: Any, fh: Any = None) -> Any:
            return libfb.Dir() if node == 1 else libfb.File()

        def statx(self, node: Any, fh: Any, flags: int, mask: int) -> Any:
            return libfb.Statx(self.getattr(node), btime_ns=10**9, dev=(8, 1))

    with libfb.mount(Born(), folder, attr_timeout=0):
        told = subprocess.run(["stat", "--format=%W", folder / "f"], capture_output=True,
                              text=True, check=True, timeout=20)
        assert told.stdout.strip() == "1"


def test_poll_is_woken(folder: pathlib.Path) -> None:
    class Polls(Files):
        ready = False
        kh: int | None = None

        def poll(self, path: str, fh: Any, events: int, kh: int | None) -> int:
            self.kh = kh if kh is not None else self.kh
            return select.POLLIN if self.ready else 0

    fs = Polls(a=b"x")
    with libfb.mount(fs, folder) as m, open(folder / "a", "rb") as f:
        poll = select.poll()
        poll.register(f, select.POLLIN)
        assert poll.poll(50) == []

        def make_ready() -> None:
            time.sleep(0.1)
            fs.ready = True
            assert fs.kh is not None
            m.poll_ready(fs.kh)

        thread = threading.Thread(target=make_ready)
        thread.start()
        assert poll.poll(10_000) == [(f.fileno(), select.POLLIN)]
        thread.join()


def test_locks(folder: pathlib.Path) -> None:
    class Locks(Files):
        holder: tuple[int, libfb.Lock] | None = None

        def getlk(self, path: str, fh: Any, owner: int, lock: libfb.Lock, flags: int) -> Any:
            return self.holder[1] if self.holder and self.holder[0] != owner else None

        def setlk(self, path: str, fh: Any, owner: int, lock: libfb.Lock, flags: int) -> None:
            if lock.type == fcntl.F_UNLCK:
                self.holder = None
            elif self.holder and self.holder[0] != owner:
                raise BlockingIOError
            else:
                self.holder = (owner, lock)

        def release(self, path: str, fh: Any, flock_owner: int | None) -> None:
            if self.holder and self.holder[0] == flock_owner:
                self.holder = None

        def init(self, conn: libfb.Conn) -> None:
            conn.wanted |= libfb.InitFlags.FLOCK_LOCKS | libfb.InitFlags.POSIX_LOCKS

        def write(self, path: str, fh: Any, off: int, data: bytes) -> None:
            pass

    fs = Locks(a=b"x")
    with libfb.mount(fs, folder):
        with open(folder / "a", "rb+") as one, open(folder / "a", "rb+") as two:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with pytest.raises(BlockingIOError):
                fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(one, fcntl.LOCK_UN)
            fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert fs.holder is not None
        until = time.monotonic() + 5
        while fs.holder is not None and time.monotonic() < until:
            time.sleep(0.01)  # the kernel does not wait for a release
        assert fs.holder is None
        with open(folder / "a", "rb+") as one:
            fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)


def test_everything_else_that_a_class_can_have(folder: pathlib.Path) -> None:
    calls: list[Any] = []

    class All(Files):
        def note(self, *args: Any) -> Any:
            calls.append(args)

        def statfs(self, path: str) -> Any:
            return libfb.StatFS(f_blocks=1000, f_bfree=10, f_namemax=99)

        def setxattr(self, path: str, name: str, value: bytes, flags: int) -> None:
            calls.append(("setxattr", name, value, libfb.XattrFlags(flags)))

        def getxattr(self, path: str, name: str) -> bytes:
            if name != "user.a":
                raise OSError(errno.ENODATA, "")
            return b"value"

        def listxattr(self, path: str) -> Any:
            return ["user.a", b"user.b"]

        def removexattr(self, path: str, name: str) -> None:
            calls.append(("removexattr", name))

        def write(self, path: str, fh: Any, off: int, data: bytes) -> None:
            calls.append(("write", off, data))

        def fsync(self, path: str, fh: Any, datasync: bool) -> None:
            calls.append(("fsync", datasync))

        def fallocate(self, path: str, fh: Any, mode: int, off: int, length: int) -> None:
            calls.append(("fallocate", mode, off, length))

        def lseek(self, path: str, fh: Any, off: int, whence: int) -> int:
            return 2 if whence == os.SEEK_HOLE else off

        def copy_file_range(self, path_in: str, fh_in: Any, path_out: str, fh_out: Any,
                            off_in: int, off_out: int, length: int, flags: int) -> int:
            calls.append(("copy", off_in, off_out, length))
            return length

        def ioctl(self, path: str, fh: Any, cmd: int, arg: int, data: bytes,
                  out_size: int, flags: int) -> Any:
            return 3, bytes(reversed(data))

        def getattr(self, path: str | None, fh: Any = None) -> Any:
            found = super().getattr(path, fh)
            kind = {"/fifo": stat.S_IFIFO, "/link": stat.S_IFLNK}.get(path or "")
            return found.replace(mode=kind | 0o600) if kind else found

        def mknod(self, path: str, mode: int, rdev: int) -> None:
            self.files[path] = bytearray()
            calls.append(("mknod", stat.S_IFMT(mode), rdev))

        def symlink(self, path: str, target: str) -> None:
            calls.append(("symlink", path, target))
            self.files[path] = bytearray()

        def link(self, path: str, new_path: str) -> None:
            self.files[new_path] = self.files[path]

        def rmdir(self, path: str) -> None:
            calls.append(("rmdir", path))

        def truncate(self, path: str, size: int) -> None:
            calls.append(("truncate", size))

        def fsyncdir(self, path: str, fh: Any, datasync: bool) -> None:
            calls.append(("fsyncdir", datasync))

        def destroy(self) -> None:
            calls.append(("destroy",))

    code = (2 << 30 | 1 << 30) | (4 << 16) | (ord("x") << 8) | 1
    with libfb.mount(All(a=b"12345"), folder):
        a = folder / "a"
        s = os.statvfs(folder)
        assert (s.f_blocks, s.f_bfree, s.f_namemax) == (1000, 10, 99)
        os.setxattr(a, "user.a", b"v", os.XATTR_CREATE)
        assert os.getxattr(a, "user.a") == b"value" and os.listxattr(a) == ["user.a", "user.b"]
        with pytest.raises(OSError, match="No data"):
            os.getxattr(a, "user.z")
        os.removexattr(a, "user.a")
        fd = os.open(a, os.O_RDWR)
        os.pwrite(fd, b"xy", 1)
        os.fdatasync(fd)
        os.fsync(fd)
        os.posix_fallocate(fd, 0, 10)
        assert os.lseek(fd, 0, os.SEEK_HOLE) == 2
        assert os.copy_file_range(fd, fd, 3, 0, 100) == 3
        buffer = bytearray(b"abcd")
        assert fcntl.ioctl(fd, code, buffer) == 3 and buffer == b"dcba"
        os.close(fd)
        os.mknod(folder / "fifo", stat.S_IFIFO | 0o600)
        os.symlink("target", folder / "link")
        os.link(a, folder / "b")
        os.truncate(a, 2)
        fd = os.open(folder, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    names = {call[0] for call in calls}
    assert names == {"setxattr", "removexattr", "write", "fsync", "fallocate", "copy", "mknod",
                     "symlink", "truncate", "fsyncdir", "destroy"}
    assert ("setxattr", "user.a", b"v", libfb.XattrFlags.CREATE) in calls
    assert ("symlink", "/link", "target") in calls
    assert ("fsync", True) in calls and ("fsync", False) in calls


def test_a_trace_tells_each_request(folder: pathlib.Path) -> None:
    lines: list[str] = []
    with libfb.mount(Files(a=b"1"), folder) as m:
        m.trace(lines.append)
        (folder / "a").read_bytes()
        with pytest.raises(RuntimeError, match="traced already"):
            m.trace(print)
        m.trace(None)
    assert any("OPEN" in line for line in lines)


def test_mistakes_are_told(folder: pathlib.Path) -> None:
    with pytest.raises(OSError) as raised:
        libfb.mount(Files(), folder / "missing")
    assert raised.value.errno == errno.ENOENT and "missing" in str(raised.value)
    with pytest.raises(TypeError, match="no option of a session"):
        libfb.mount(Files(), folder, sparkle=True)
    with pytest.raises(TypeError, match="no option of Passthrough"):
        libfb.mount(libfb.Passthrough("/", sparkle=True), folder)
    with pytest.raises(OSError, match="unknown mount option"):
        libfb.mount(Files(), folder, options="sparkle")
    with pytest.raises(ValueError, match="at least one worker"):
        libfb.mount(Files(), folder, workers=0)
    with pytest.raises(OSError):
        libfb.mount(libfb.Passthrough(folder / "missing"), folder)
    assert not os.path.ismount(folder)


def test_a_caller_is_known(public: pathlib.Path) -> None:
    seen: list[Any] = []

    class Callers(Files):
        def open(self, path: str, flags: int) -> Any:
            request = libfb.request()
            seen.append((request.uid, request.gid, request.pid > 0))
            return super().open(path, flags)

    with libfb.mount(Callers(a=b"1"), public, options="allow_other"):
        assert as_other(public / "a").stdout == b"1"
    assert seen == [(4321, 1234, True)]


def test_modes_are_obeyed(public: pathlib.Path) -> None:
    class Private(Files):
        def getattr(self, path: str | None, fh: Any = None) -> Any:
            found = super().getattr(path, fh)
            return found.replace(mode=stat.S_IFREG | 0o600) if path != "/" else found

    with libfb.mount(Private(a=b"1"), public, options="allow_other"):
        assert b"Permission denied" in as_other(public / "a").stderr
    with libfb.mount(Private(a=b"1"), public, options="allow_other", default_permissions=False):
        assert as_other(public / "a").stdout == b"1"
