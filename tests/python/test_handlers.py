# SPDX-License-Identifier: BSD-3-Clause
"""What handlers return, raise and are given. The numbers are those of the project's list of cases that
other bindings get wrong."""
import array
import asyncio
import errno
import gc
import logging
import mmap
import os
import socket
import ssl
import stat
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import libfb
import pytest
from libfb.testing import wire
from libfb.testing import NOW, OMIT, AnswerLost, Client, Op


class One(libfb.PathFS):
    """A directory with one file, whose operations tests replace."""

    attr_timeout = entry_timeout = 0.0
    size = 10

    def getattr(self, path: str | None, fh: Any = None) -> Any:
        if path == "/":
            return libfb.Dir(0o755)
        if path in ("/f", None):
            return libfb.File(0o644, size=self.size)
        raise FileNotFoundError


def fails(call: Any, *args: Any) -> int:
    """The errno that a call fails with."""
    with pytest.raises(OSError) as raised:
        call(*args)
    assert raised.value.errno is not None
    return raised.value.errno


def raising(error: BaseException | type[BaseException]) -> type[One]:
    class Raising(One):
        def open(self, path: str, flags: int) -> None:
            raise error
    return Raising


# ---- errors (1 to 6) ----

@pytest.mark.parametrize("error, number", [
    (FileNotFoundError, errno.ENOENT), (FileExistsError, errno.EEXIST),
    (PermissionError, errno.EACCES), (NotADirectoryError, errno.ENOTDIR),
    (IsADirectoryError, errno.EISDIR), (InterruptedError, errno.EINTR),
    (BlockingIOError, errno.EAGAIN), (TimeoutError, errno.ETIMEDOUT),
    (BrokenPipeError, errno.EPIPE), (ConnectionRefusedError, errno.ECONNREFUSED),
    (ConnectionResetError, errno.ECONNRESET), (ConnectionAbortedError, errno.ECONNABORTED),
    (ProcessLookupError, errno.ESRCH), (ChildProcessError, errno.ECHILD),
    (FileNotFoundError(), errno.ENOENT), (OSError, errno.EIO),
    (OSError(errno.ENOSPC, "full"), errno.ENOSPC), (OSError(errno.ENODATA, ""), errno.ENODATA),
    (FileNotFoundError(errno.EROFS, "odd"), errno.EROFS), (OSError(511, ""), 511),
])
def test_01_an_oserror_is_its_errno(error: Any, number: int) -> None:
    with Client(raising(error)()) as c:
        assert fails(c.open, "/f", os.O_RDONLY) == number
        assert c.stat("/f").st_size == 10


class Strange(OSError):
    """A class of a user's own."""


@pytest.mark.parametrize("error, number", [
    (Strange(errno.EDQUOT, "x"), errno.EDQUOT), (Strange("text"), errno.EIO), (Strange, errno.EIO),
])
def test_01_subclasses_of_oserror(error: Any, number: int) -> None:
    with Client(raising(error)()) as c:
        assert fails(c.open, "/f", os.O_RDONLY) == number


def test_02_a_bug_is_eio_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    class Bug(One):
        def open(self, path: str, flags: int) -> None:
            {}["missing"]  # type: ignore[index]

    with Client(Bug()) as c, caplog.at_level(logging.ERROR, "libfb"):
        for _ in range(5):
            assert fails(c.open, "/f", os.O_RDONLY) == errno.EIO
        tracebacks = [r for r in caplog.records if r.exc_info]
        assert len(tracebacks) == 1
        assert "Bug.open() raised KeyError" in tracebacks[0].getMessage()
        assert c.stat("/f").st_size == 10
        assert c.connection.backend.bugs.total == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [
    OSError("text"), OSError("a", "b"), OSError(-2, ""), OSError(4000, ""), OSError(512, ""),
    OSError(0, ""), OSError(2**70, ""), socket.gaierror(2, "name"), socket.herror(1, "host"),
    ssl.SSLError(1, "tls"),
], ids=repr)
def test_03_what_is_no_errno_is_eio(error: OSError) -> None:
    with Client(raising(error)()) as c:
        assert fails(c.open, "/f", os.O_RDONLY) == errno.EIO


@pytest.mark.parametrize("error", [OSError(errno.ENOSYS, ""), NotImplementedError])
def test_04_enosys_is_not_remembered(error: Any) -> None:
    class Sometimes(One):
        good = False

        def fallocate(self, path: str, fh: Any, mode: int, off: int, length: int) -> None:
            if not self.good:
                raise error

    fs = Sometimes()
    with Client(fs) as c, c.open("/f", os.O_RDWR) as f:
        assert fails(f.fallocate, 0, 0, 10) == errno.EOPNOTSUPP
        fs.good = True
        f.fallocate(0, 0, 10)


def test_04_an_absent_method_is_what_c_says() -> None:
    with Client(One()) as c:
        assert fails(c.mkdir, "/d") == errno.EPERM
        assert fails(c.getxattr, "/f", "user.a") == errno.EOPNOTSUPP
        assert fails(c.readlink, "/f") == errno.EINVAL


@pytest.mark.parametrize("result", [None, "text", 7, {"st_mode": 1}, object()], ids=repr)
def test_06_a_wrong_type_names_the_method(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(One):
        def getattr(self, path: str | None, fh: Any = None) -> Any:
            return result if path == "/f" else super().getattr(path)

    with Client(Wrong()) as c, caplog.at_level(logging.ERROR, "libfb"):
        assert fails(c.stat, "/f") == errno.EIO
        text = "\n".join(str(r.exc_info[1]) for r in caplog.records if r.exc_info)
        assert "Wrong.getattr() returned" in text and "attributes" in text


def test_06_wrong_types_of_other_methods(caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(One):
        def readdir(self, path: str, fh: Any) -> Any:
            return [("a", "b", "c")]

        def readlink(self, path: str) -> Any:
            return 7

        def statfs(self, path: str) -> Any:
            return None

        def write(self, path: str, fh: Any, off: int, data: bytes) -> Any:
            return "much"

        def getxattr(self, path: str, name: str) -> Any:
            return "text"

        def listxattr(self, path: str) -> Any:
            return "user.a"

        def lseek(self, path: str, fh: Any, off: int, whence: int) -> Any:
            return -1

    with Client(Wrong()) as c, c.open("/f", os.O_RDWR) as f:
        assert fails(c.listdir, "/") == errno.EIO
        assert fails(c.statfs, "/") == errno.EIO
        assert fails(f.write, b"x", 0) == errno.EIO
        assert fails(c.getxattr, "/f", "user.a") == errno.EIO
        assert fails(c.listxattr, "/f") == errno.EIO
        assert fails(f.lseek_data, 0) == errno.EIO
        assert c.stat("/f").st_size == 10


def test_06_what_derives_from_nothing_is_refused() -> None:
    class Plain:
        pass

    with pytest.raises(TypeError, match="derives from libfb.PathFS"):
        Client(Plain())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="needs getattr"):
        Client(libfb.PathFS())
    with pytest.raises(TypeError, match="needs lookup"):
        Client(libfb.NodeFS())


# ---- data (7) ----

def mapped(data: bytes) -> mmap.mmap:
    m = mmap.mmap(-1, len(data))
    m[:] = data
    return m


@pytest.mark.parametrize("make", [
    bytes, bytearray, memoryview, mapped, lambda b: array.array("B", b),
    lambda b: memoryview(bytes(x for y in b for x in (y, 0)))[::2],
], ids=["bytes", "bytearray", "memoryview", "mmap", "array", "strided"])
def test_07_read_returns_any_buffer(make: Any) -> None:
    data = bytes(range(10))

    class Reads(One):
        def read(self, path: str, fh: Any, off: int, size: int) -> Any:
            return make(data[off:off + size])

    with Client(Reads()) as c, c.open("/f", os.O_RDONLY) as f:
        assert f.read(10, 0) == data
        assert f.read(3, 4) == data[4:7]


def test_07_more_than_asked_for_is_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    class Much(One):
        def read(self, path: str, fh: Any, off: int, size: int) -> bytes:
            return bytes(size + 1)

        def write(self, path: str, fh: Any, off: int, data: bytes) -> int:
            return len(data) + 1

    with Client(Much()) as c, c.open("/f", os.O_RDWR) as f:
        assert fails(f.read, 10, 0) == errno.EIO
        assert fails(f.write, b"abc", 0) == errno.EIO
        text = "\n".join(str(r.exc_info[1]) for r in caplog.records if r.exc_info)
        assert "returned 11 bytes, but 10 were asked for" in text
        assert "3 bytes were given" in text


def test_07_write_says_how_much() -> None:
    class Writes(One):
        result: Any = None

        def write(self, path: str, fh: Any, off: int, data: bytes) -> Any:
            assert type(data) is bytes
            return self.result

    fs = Writes()
    with Client(fs) as c, c.open("/f", os.O_RDWR) as f:
        assert f.write(b"abc", 0) == 3
        fs.result = 2
        assert f.write(b"abc", 0) == 2


def test_a_range_of_a_file_never_enters_python(tmp_path: Any) -> None:
    (tmp_path / "data").write_bytes(bytes(range(100)))

    class Range(One):
        size = 100

        def read(self, path: str, fh: Any, off: int, size: int) -> Any:
            return libfb.FdRange(fh, off, size)

        def open(self, path: str, flags: int) -> Any:
            return open(tmp_path / "data", "rb")

        def release(self, path: str, fh: Any) -> None:
            fh.close()

    with Client(Range()) as c, c.open("/f", os.O_RDONLY) as f:
        assert f.read(50, 10) == bytes(range(10, 60))
        assert f.read(50, 90) == bytes(range(90, 100))
        assert f.read(50, 200) == b""


# ---- directories (8, 9) ----

class Names(One):
    def __init__(self, count: int) -> None:
        self.names = [f"name {i}" for i in range(count)]
        self.runs = 0

    def readdir(self, path: str, fh: Any) -> Iterator[str]:
        self.runs += 1
        yield "."
        yield ".."
        yield from self.names


@pytest.mark.parametrize("count", [0, 1, 1000, 100_000])
@pytest.mark.parametrize("size", [1000, 65536])
def test_08_every_name_once(count: int, size: int) -> None:
    fs = Names(count)
    with Client(fs) as c, c.opendir("/") as d:
        assert [e.name for e in d.list(size) if e.name not in (".", "..")] == fs.names
        assert fs.runs == 1


def test_09_rewind_sees_changes() -> None:
    fs = Names(10)
    with Client(fs) as c, c.opendir("/") as d:
        first = {e.name for e in d.list()}
        fs.names.pop()
        assert {e.name for e in d.list()} <= first
        d.rewind()
        again = [e.name for e in d.list() if e.name not in (".", "..")]
        assert again == fs.names and fs.runs >= 2


def test_readdir_takes_what_scandir_gives(tmp_path: Any) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "l").symlink_to("f")

    class Scan(One):
        def readdir(self, path: str, fh: Any) -> Any:
            return os.scandir(tmp_path)

    with Client(Scan()) as c:
        kinds = {e.name: (e.type, e.ino) for e in c.scandir("/") if e.name not in (".", "..")}
        assert kinds == {"d": (stat.S_IFDIR, (tmp_path / "d").stat().st_ino),
                         "f": (stat.S_IFREG, (tmp_path / "f").stat().st_ino),
                         "l": (stat.S_IFLNK, (tmp_path / "l").lstat().st_ino)}


def test_attributes_come_along_with_names() -> None:
    class Plus(One):
        def readdir(self, path: str, fh: Any) -> Any:
            yield "f", libfb.File(0o600, size=7)
            yield "g", os.stat("/")
            yield "h", None

    with Client(Plus()) as c:
        entries = {e.name: e.attr for e in c.scandir("/", plus=True)}
        assert entries["f"].st_size == 7  # type: ignore[union-attr]
        assert stat.S_ISDIR(entries["g"].st_mode)  # type: ignore[union-attr]
        assert entries["h"] is None
        c.forget_all()


# ---- flags, times, names (10 to 12) ----

def test_10_flags_of_rename() -> None:
    seen: list[Any] = []

    class With(One):
        def rename(self, old: str, new: str, flags: int) -> None:
            seen.append((old, new, libfb.RenameFlags(flags)))

    class Without(One):
        def rename(self, old: str, new: str) -> None:
            seen.append((old, new))

    with Client(With()) as c:
        c.rename("/f", "/g", flags=libfb.RenameFlags.NOREPLACE)
        assert seen == [("/f", "/g", libfb.RenameFlags.NOREPLACE)]
    seen.clear()
    with Client(Without()) as c:
        assert fails(lambda: c.rename("/f", "/g", flags=1)) == errno.EINVAL
        assert seen == []
        c.rename("/f", "/g")
        assert seen == [("/f", "/g")]


def test_11_times_are_exact() -> None:
    seen: list[libfb.Changes] = []

    class Times(One):
        def setattr(self, path: str, changes: libfb.Changes, fh: Any = None) -> Any:
            seen.append(changes)
            return self.getattr(path)

    with Client(Times()) as c:
        for ns in (2**53 + 1, -1, -5 * 10**9 - 7, 0, 2**62):
            c.utime("/f", ns=(ns, ns))
            assert seen[-1].atime_ns == seen[-1].mtime_ns == ns
        c.utime("/f", ns=(OMIT, 5))
        assert seen[-1].atime_ns is None and seen[-1].mtime_ns == 5
        before = time.time_ns()
        c.utime("/f", ns=(NOW, NOW))
        assert before <= seen[-1].mtime_ns <= time.time_ns()  # type: ignore[operator]
        assert isinstance(seen[-1].mtime_ns, int)
        assert seen[-1].size is seen[-1].mode is seen[-1].uid is seen[-1].gid is None


def test_11_attributes_hold_times_exactly() -> None:
    for ns in (2**53 + 1, -1, -5 * 10**9 - 7, 0, 2**63 - 1, -2**63):
        assert libfb.File(mtime_ns=ns).st_mtime_ns == ns


def test_setattr_is_made_of_parts() -> None:
    seen: list[Any] = []

    class Parts(One):
        def chmod(self, path: str, mode: int) -> None:
            seen.append(("chmod", mode))

        def chown(self, path: str, uid: int, gid: int) -> None:
            seen.append(("chown", uid, gid))

        def truncate(self, path: str, size: int, fh: Any = None) -> None:
            seen.append(("truncate", size))

        async def utimens(self, path: str, atime_ns: int | None, mtime_ns: int | None) -> None:
            await asyncio.sleep(0)
            seen.append(("utimens", atime_ns, mtime_ns))

        async def read(self, path: str, fh: Any, off: int, size: int) -> bytes:
            return b""

    with Client(Parts()) as c:
        c.chmod("/f", 0o600)
        c.chown("/f", 5, -1)
        c.truncate("/f", 3)
        c.utime("/f", ns=(OMIT, 9))
    assert [s for s in seen if s[0] != "utimens"] == [
        ("chmod", 0o600), ("chown", 5, -1), ("truncate", 3)]
    assert ("utimens", None, 9) in seen

    class Some(One):
        def truncate(self, path: str, size: int) -> None:
            pass

    with Client(Some()) as c:
        assert fails(c.chmod, "/f", 0o600) == errno.EPERM


@pytest.mark.parametrize("name", [b"\xff\n", "ü".encode(), b"a b", b"\x80" * 255])
def test_12_names_of_any_bytes(name: bytes) -> None:
    seen: list[Any] = []

    class Any_(One):
        def getattr(self, path: Any, fh: Any = None) -> Any:
            if path in ("/", b"/"):
                return libfb.Dir()
            seen.append(path)
            return libfb.File()

        def readdir(self, path: Any, fh: Any) -> Any:
            yield path[:0] + (name if self.names == "bytes" else os.fsdecode(name))

    class Bytes(Any_):
        names = "bytes"

    for cls, path in ((Any_, "/" + os.fsdecode(name)), (Bytes, b"/" + name)):
        seen.clear()
        with Client(cls()) as c:
            c.stat(b"/" + name)
            assert [os.fsencode(n) for n in c.listdir("/")] == [name]
        assert seen[0] == path


# ---- handles (13, 14), unlinked files (15), counts (16) ----

class Handles(One):
    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.seen: list[Any] = []

    def open(self, path: str, flags: int) -> Any:
        return self.handle

    def read(self, path: str, fh: Any, off: int, size: int) -> bytes:
        self.seen.append(fh)
        return b""

    def release(self, path: str, fh: Any) -> None:
        self.seen.append(fh)


class Thing:
    """Something whose end can be seen."""

    alive = 0

    def __init__(self) -> None:
        Thing.alive += 1

    def __del__(self) -> None:
        Thing.alive -= 1


@pytest.mark.parametrize("handle", [None, 5, {"a": 1}, (1, 2), "text", (x for x in ())], ids=repr)
def test_13_any_object_is_a_handle(handle: Any) -> None:
    fs = Handles(handle)
    with Client(fs) as c:
        with c.open("/f", os.O_RDONLY) as f:
            f.read(1, 0)
    assert len(fs.seen) == 2 and all(h is handle for h in fs.seen)


def test_13_a_handle_is_dropped_once() -> None:
    class Things(Handles):
        def open(self, path: str, flags: int) -> Any:
            return Thing()

        def release(self, path: str, fh: Any) -> None:
            pass

    with Client(Things(None)) as c:
        with c.open("/f", os.O_RDONLY):
            assert Thing.alive == 1
        assert Thing.alive == 0
        c.drop_answers(1, errno.ENOENT)
        with pytest.raises(AnswerLost):
            c.raw(Op.OPEN, node=c.lookup(1, b"f").node, body=bytes(8)).check("open")
        assert Thing.alive == 0
        c.forget_all()
    client = Client(Things(None))
    client.open("/f", os.O_RDONLY)
    assert Thing.alive == 1
    with pytest.raises(AssertionError):
        client.close()
    client.close()
    gc.collect()
    assert Thing.alive == 0


@pytest.mark.parametrize("base", ["path", "node"])
def test_14_forged_numbers(base: str) -> None:
    class Nodes(libfb.NodeFS):
        def lookup(self, parent: Any, name: str) -> Any:
            return libfb.Entry(name, libfb.File())

        def getattr(self, node: Any, fh: Any = None) -> Any:
            return libfb.Dir() if node == 1 else libfb.File()

        def open(self, node: Any, flags: int) -> Any:
            return node

        def read(self, node: Any, fh: Any, off: int, size: int) -> bytes:
            return b"x"

        def readdir(self, node: Any, fh: Any) -> Any:
            return []

    class Paths(Handles):
        def readdir(self, path: str, fh: Any) -> Any:
            return []

    fs: Any = Nodes() if base == "node" else Paths(None)
    read = (2**40 + 1).to_bytes(8, "little") + bytes(8) + (10).to_bytes(4, "little") + bytes(20)
    with Client(fs) as c:
        node = c.lookup(1, b"f").node
        for forged in (0, 99, node + 2**32, 2**64 - 1, 2**63):
            assert c.raw(Op.GETATTR, node=forged, body=bytes(16)).error in (
                errno.ESTALE, errno.EINVAL), forged
        assert c.raw(Op.READ, node=node, body=read).error in (errno.EBADF, errno.ESTALE)
        assert c.raw(Op.READDIR, node=1, body=read).error in (errno.EBADF, errno.ESTALE)
        with c.open("/f", os.O_RDONLY) as f:
            old = f.fh
        gone = old.to_bytes(8, "little") + read[8:]
        assert c.raw(Op.READ, node=node, body=gone).error == errno.EBADF
        c.forget_all()
        assert c.raw(Op.GETATTR, node=node, body=bytes(16)).error == errno.ESTALE


class Memory(libfb.PathFS):
    """Files in a dict."""

    attr_timeout = entry_timeout = 0.0

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}
        self.dirs = {"/"}
        self.paths: list[Any] = []

    def getattr(self, path: str | None, fh: Any = None) -> Any:
        if path in self.dirs:
            return libfb.Dir()
        data = fh if fh is not None else self.files.get(path or "")
        if data is None:
            raise FileNotFoundError
        return libfb.File(size=len(data))

    def create(self, path: str, mode: int, flags: int) -> Any:
        return self.files.setdefault(path, bytearray())

    def open(self, path: str, flags: int) -> Any:
        return self.files[path]

    def mkdir(self, path: str, mode: int) -> None:
        self.dirs.add(path)

    def read(self, path: str | None, fh: Any, off: int, size: int) -> bytes:
        self.paths.append(path)
        return bytes(fh[off:off + size])

    def write(self, path: str | None, fh: Any, off: int, data: bytes) -> None:
        fh[off:off + len(data)] = data

    def truncate(self, path: str | None, size: int, fh: Any = None) -> None:
        data = fh if fh is not None else self.files[path or ""]
        del data[size:]

    def unlink(self, path: str) -> None:
        del self.files[path]

    def rename(self, old: str, new: str) -> None:
        if old in self.dirs:
            self.dirs.remove(old)
            self.dirs.add(new)
        for name in [n for n in self.files if n == old or n.startswith(old + "/")]:
            self.files[new + name[len(old):]] = self.files.pop(name)


def test_15_a_file_outlives_its_name() -> None:
    fs = Memory()
    with Client(fs) as c:
        with c.create("/f") as f:
            f.write(b"data", 0)
            c.unlink("/f")
            assert f.read(10, 0) == b"data" and fs.paths[-1] is None
            assert f.fstat().st_size == 4
            f.truncate(2)
            assert f.fstat().st_size == 2
        assert fails(c.stat, "/f") == errno.ENOENT


def test_15_without_a_handle_there_is_no_file() -> None:
    class Simple(Memory):
        def getattr(self, path: str) -> Any:  # type: ignore[override]
            assert path is not None
            return super().getattr(path)

    with Client(Simple()) as c:
        with c.create("/f") as f:
            c.unlink("/f")
            assert fails(f.fstat) == errno.ESTALE
            assert f.read(1, 0) == b""


def test_15_with_a_handle_other_arguments_may_be_left_out() -> None:
    class Simple(Memory):
        def flush(self, path: Any, fh: Any) -> None:
            assert fh is not None

        def fsync(self, path: Any, fh: Any) -> None:
            assert fh is not None

    with Client(Simple()) as c:
        with c.create("/f") as f:
            c.unlink("/f")
            f.flush()
            f.fsync()


def test_15_children_move_with_their_directory() -> None:
    fs = Memory()
    with Client(fs) as c:
        c.mkdir("/d")
        with c.create("/d/f") as f:
            f.write(b"x", 0)
            c.rename("/d", "/e")
            assert f.read(1, 0) == b"x" and fs.paths[-1] == "/e/f"
        assert c.read_bytes("/e/f") == b"x"


def test_16_nodes_are_forgotten_once() -> None:
    class Counts(libfb.NodeFS):
        def __init__(self) -> None:
            self.forgotten: list[Any] = []

        def lookup(self, parent: Any, name: str) -> Any:
            return libfb.Entry(("node", name), libfb.File())

        def getattr(self, node: Any, fh: Any = None) -> Any:
            return libfb.Dir()

        def forget(self, node: Any) -> None:
            self.forgotten.append(node)

    fs = Counts()
    with Client(fs) as c:
        server: Any = c.connection.backend
        for i in range(100_000):
            c.lookup(1, b"%d" % (i % 1000))
        assert server.held() == (1001, 0, 0)
        one = c.lookup(1, b"5").node
        c.forget(one, 1)
        assert fs.forgotten == []
        c.forget_all()
        assert server.held() == (1, 0, 0)
        assert sorted(fs.forgotten) == sorted(("node", str(i)) for i in range(1000))


def test_equal_nodes_are_one() -> None:
    class Equal(libfb.NodeFS):
        def lookup(self, parent: Any, name: str) -> Any:
            return libfb.Entry((1, 2), libfb.File())

        def getattr(self, node: Any, fh: Any = None) -> Any:
            return libfb.Dir()

    with Client(Equal()) as c:
        assert c.lookup(1, b"a").node == c.lookup(1, b"b").node
        c.forget_all()


def test_a_node_must_be_hashable(caplog: pytest.LogCaptureFixture) -> None:
    class Lists(libfb.NodeFS):
        def lookup(self, parent: Any, name: str) -> Any:
            return libfb.Entry([], libfb.File())

        def getattr(self, node: Any, fh: Any = None) -> Any:
            return libfb.Dir()

    with Client(Lists()) as c:
        assert fails(c.stat, "/x") == errno.EIO


# ---- coroutines (17, 18) ----

class Async(One):
    how = "now"

    async def open(self, path: str, flags: int) -> Any:
        return {"x": 1}

    async def read(self, path: str, fh: Any, off: int, size: int) -> bytes:
        if self.how == "sleep":
            await asyncio.sleep(0.01)
        elif self.how == "timeout":
            async with asyncio.timeout(5):
                await asyncio.sleep(0.01)
        elif self.how == "expired":
            async with asyncio.timeout(0.01):
                await asyncio.sleep(30)
        elif self.how == "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
        elif self.how == "wait_for":
            await asyncio.wait_for(asyncio.sleep(0), 5)
        elif self.how == "gather":
            await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0.001))
        elif self.how == "raise":
            await asyncio.sleep(0)
            raise FileNotFoundError
        elif self.how == "bug":
            await asyncio.sleep(0)
            raise KeyError
        assert libfb.request().op == "read" and libfb.request().pid == os.getpid()
        return b"async"[off:off + size]


@pytest.mark.parametrize("how", ["now", "sleep", "timeout", "group", "wait_for", "gather"])
def test_17_coroutines(how: str) -> None:
    fs = Async()
    fs.how = how
    with Client(fs) as c, c.open("/f", os.O_RDONLY) as f:
        for _ in range(3):
            assert f.read(5, 0) == b"async"
        assert f.read(5, 3) == b"nc"


@pytest.mark.parametrize("how, number", [
    ("raise", errno.ENOENT), ("bug", errno.EIO), ("expired", errno.ETIMEDOUT)])
def test_17_errors_of_coroutines(how: str, number: int) -> None:
    fs = Async()
    fs.how = how
    with Client(fs) as c, c.open("/f", os.O_RDONLY) as f:
        assert fails(f.read, 5, 0) == number
        fs.how = "now"
        assert f.read(5, 0) == b"async"


def test_17_asynchronous_generators() -> None:
    class Dirs(One):
        async def readdir(self, path: str, fh: Any) -> Any:
            yield "a"
            await asyncio.sleep(0)
            yield "b", libfb.File()

    with Client(Dirs()) as c:
        assert c.listdir("/") == ["a", "b"]


def test_17_a_coroutine_without_a_loop(caplog: pytest.LogCaptureFixture) -> None:
    class Late(One):
        def open(self, path: str, flags: int) -> Any:
            return self.later()

        async def later(self) -> None:
            pass

    with Client(Late()) as c:
        assert fails(c.open, "/f", os.O_RDONLY) == errno.EIO
        assert "event loop" in "\n".join(str(r.exc_info[1]) for r in caplog.records if r.exc_info)


def test_17_async_handlers_share_one_loop() -> None:
    with pytest.raises(ValueError, match="workers must be 1"):
        Client(Async(), workers=2)


def test_18_an_interrupt_cancels_a_coroutine() -> None:
    cancelled: list[str] = []

    class Slow(One):
        async def open(self, path: str, flags: int) -> None:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                cancelled.append(path)
                raise

    with Client(Slow()) as c:
        node = c.lookup(1, b"f").node
        pending = c.start(Op.OPEN, node=node, body=bytes(8))
        pending.interrupt()
        assert pending.wait(5).error == errno.EINTR
        assert cancelled == ["/f"]
        c.forget_all()


def test_18_an_interrupt_is_seen_by_a_plain_handler() -> None:
    began = threading.Event()

    class Waits(One):
        def open(self, path: str, flags: int) -> None:
            began.set()
            until = time.monotonic() + 10
            while not libfb.request().interrupted:
                assert time.monotonic() < until
                time.sleep(0.001)
            raise InterruptedError

    with Client(Waits()) as c:
        node = c.lookup(1, b"f").node
        pending = c.start(Op.OPEN, node=node, body=bytes(8), thread=True)
        assert began.wait(5)
        pending.interrupt()
        assert pending.wait(5).error == errno.EINTR
        c.forget_all()


# ---- requests (19) and memory (20) ----

class Taking(One):
    request: Any = None

    def open(self, path: str, flags: int) -> Any:
        self.request = libfb.take()
        return libfb.PENDING


def test_19_answered_later() -> None:
    fs = Taking()
    with Client(fs) as c:
        node = c.lookup(1, b"f").node
        pending = c.start(Op.OPEN, node=node, body=bytes(8))
        assert not pending.done and fs.request.alive and fs.request.op == "open"
        thread = threading.Thread(target=fs.request.reply, args=("handle",))
        thread.start()
        answer = pending.wait(5)
        thread.join()
        fh = int.from_bytes(answer.body[:8], "little")
        assert answer.error == 0
        c.raw(Op.RELEASE, node=node, body=wire.pack("release_in", fh=fh))
        assert not fs.request.alive
        with pytest.raises(RuntimeError, match="has been answered"):
            fs.request.reply(None)
        with pytest.raises(RuntimeError, match="has been answered"):
            fs.request.fail(5)
        with pytest.raises(RuntimeError, match="has been answered"):
            fs.request.uid
        pending = c.start(Op.OPEN, node=node, body=bytes(8))
        fs.request.fail(FileNotFoundError)
        assert pending.wait(5).error == errno.ENOENT
        pending = c.start(Op.OPEN, node=node, body=bytes(8))
        fs.request.fail(errno.ENOSPC)
        assert pending.wait(5).error == errno.ENOSPC
        c.forget_all()
    gc.collect()


def test_19_dropped_without_an_answer() -> None:
    fs = Taking()
    with Client(fs) as c:
        node = c.lookup(1, b"f").node
        pending = c.start(Op.OPEN, node=node, body=bytes(8))
        with pytest.warns(ResourceWarning, match="dropped without an answer"):
            fs.request = None
        assert pending.wait(5).error == errno.EIO
        c.forget_all()


def test_19_pending_without_taking(caplog: pytest.LogCaptureFixture) -> None:
    class Forgets(One):
        def open(self, path: str, flags: int) -> Any:
            return libfb.PENDING

    with Client(Forgets()) as c:
        assert fails(c.open, "/f", os.O_RDONLY) == errno.EIO
        assert "call libfb.take()" in "\n".join(
            str(r.exc_info[1]) for r in caplog.records if r.exc_info)


def test_19_an_error_after_taking_is_the_answer() -> None:
    class Fails(One):
        def open(self, path: str, flags: int) -> Any:
            self.kept = libfb.take()
            raise PermissionError

    fs = Fails()
    with Client(fs) as c:
        assert fails(c.open, "/f", os.O_RDONLY) == errno.EACCES
        assert not fs.kept.alive


def test_a_request_is_valid_while_its_handler_runs() -> None:
    class Keeps(One):
        def open(self, path: str, flags: int) -> Any:
            self.kept = libfb.request()
            assert libfb.request() is self.kept
            self.caller = (self.kept.uid, self.kept.gid, self.kept.pid, self.kept.op)

    fs = Keeps()
    with Client(fs) as c:
        c.by(uid=5, gid=6, pid=7).open("/f", os.O_RDONLY).close()
        assert fs.caller == (5, 6, 7, "open")
        assert not fs.kept.alive
        with pytest.raises(RuntimeError, match="has been answered"):
            fs.kept.take()
    with pytest.raises(RuntimeError, match="no request"):
        libfb.request()


def test_20_written_bytes_are_the_handlers_own() -> None:
    kept: list[Any] = []

    class Keeps(One):
        def write(self, path: str, fh: Any, off: int, data: bytes) -> None:
            kept.append(memoryview(data)[1:3])

    with Client(Keeps()) as c, c.open("/f", os.O_RDWR) as f:
        for i in range(200):
            f.write(bytes([i]) * 4, 0)
    assert all(bytes(view) == bytes([i]) * 2 for i, view in enumerate(kept))


def test_handlers_may_call_other_file_systems() -> None:
    class Outer(One):
        def read(self, path: str, fh: Any, off: int, size: int) -> bytes:
            with Client(Memory()) as inner:
                inner.write_bytes("/f", b"inner")
                return inner.read_bytes("/f")

    with Client(Outer()) as c, c.open("/f", os.O_RDONLY) as f:
        assert f.read(10, 0) == b"inner"


def test_25_nothing_is_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Client(Memory()) as c:
            c.write_bytes("/f", b"x")
    gc.collect()
