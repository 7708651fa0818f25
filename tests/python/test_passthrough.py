# SPDX-License-Identifier: BSD-3-Clause
"""libfb.Passthrough: the driver in C below, and methods that call it by super()."""
import errno
import fcntl
import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Any

import libfb
import pytest
from libfb.testing import Client
from programs import needs_mount

OPERATIONS = (
    "lookup", "getattr", "setattr", "readlink", "symlink", "mknod", "mkdir", "unlink", "rmdir",
    "rename", "link", "open", "create", "tmpfile", "read", "write", "flush", "fsync", "opendir",
    "readdir", "fsyncdir", "statfs", "syncfs", "setxattr", "getxattr", "listxattr", "removexattr",
    "access", "getlk", "setlk", "fallocate", "lseek", "copy_file_range",
)


def counting(op: str) -> Any:
    """A method that does nothing but call super(), and counts."""

    def method(self: Any, *args: Any) -> Any:
        self.called.append(op)
        return getattr(libfb.Passthrough, op)(self, *args)

    return method


class Through(libfb.Passthrough):
    """Every operation by way of Python."""

    def __init__(self, source: Any, **options: Any) -> None:
        super().__init__(source, **options)
        self.called: list[str] = []


for _op in OPERATIONS:
    setattr(Through, _op, counting(_op))


@pytest.fixture
def source(tmp_path: pathlib.Path) -> pathlib.Path:
    made = tmp_path / "source"
    made.mkdir()
    return made


@pytest.fixture
def fs(source: pathlib.Path) -> Through:
    return Through(source, posix_lock=True, flock=True, cache=libfb.Cache.NEVER)


@pytest.fixture
def c(fs: Through) -> Iterator[Client]:
    with Client(fs) as client:
        yield client


def test_every_operation_by_super(fs: Through, c: Client, source: pathlib.Path) -> None:
    c.mkdir("/d", 0o750)
    with c.create("/f", mode=0o640) as f:
        assert f.write(b"hello", 0) == 5
        assert f.read(10, 1) == b"ello"
        f.fsync(datasync=True)
        f.flush()
        f.fallocate(0, 0, 4096)
        assert f.lseek_data(0) == 0
        f.lock(fcntl.F_WRLCK)
        f.unlock()
        assert f.getlk(fcntl.F_WRLCK) is None
    with c.open("/f", os.O_RDWR) as f, c.create("/copy") as to:
        assert f.copy_to(0, to, 0, 3) == 3
    assert (source / "f").read_bytes()[:5] == b"hello"
    assert stat.S_IMODE((source / "f").stat().st_mode) == 0o640
    c.truncate("/f", 2)
    c.chmod("/f", 0o600)
    c.utime("/f", ns=(5, -7))
    assert (source / "f").stat().st_mtime_ns == -7
    assert c.stat("/f").st_mtime_ns == -7
    c.symlink("f", "/l")
    assert c.readlink("/l") == "f"
    c.link("/f", "/g")
    assert c.stat("/g").st_nlink == 2
    c.mknod("/fifo", stat.S_IFIFO | 0o600)
    c.rename("/g", "/h")
    c.setxattr("/f", "user.a", b"value")
    assert c.getxattr("/f", "user.a") == b"value" and "user.a" in c.listxattr("/f")
    c.removexattr("/f", "user.a")
    assert c.statfs("/").f_blocks > 0
    c.syncfs("/")
    c.access("/f", os.R_OK)
    with c.tmpfile("/") as t:
        t.write(b"x", 0)
    with c.opendir("/") as d:
        assert {e.name for e in d.list()} >= {"d", "f", "l", "copy", "fifo", "h"}
        d.fsync()
    c.rmdir("/d")
    c.unlink("/h")
    assert set(OPERATIONS) - set(fs.called) == set()


def test_errors_of_the_driver_arrive(c: Client, source: pathlib.Path) -> None:
    (source / "full").mkdir()
    (source / "full/f").write_bytes(b"")
    for call, number in ((lambda: c.stat("/missing"), errno.ENOENT),
                         (lambda: c.rmdir("/full"), errno.ENOTEMPTY),
                         (lambda: c.getxattr("/full", "user.none"), errno.ENODATA),
                         (lambda: c.open("/full/f/x", 0), errno.ENOTDIR)):
        with pytest.raises(OSError) as raised:
            call()
        assert raised.value.errno == number


def test_data_is_changed_on_its_way(source: pathlib.Path) -> None:
    class Inverts(libfb.Passthrough):
        def open(self, node: int, flags: int) -> Any:
            return libfb.Opened(super().open(node, flags).handle)

        def create(self, parent: int, name: str, mode: int, flags: int) -> Any:
            entry, opened = super().create(parent, name, mode, flags)
            return entry, libfb.Opened(opened.handle)

        def read(self, node: int, fh: int, off: int, size: int) -> bytes:
            return bytes(255 - b for b in super().read(node, fh, off, size))

        def write(self, node: int, fh: int, off: int, data: bytes) -> int:
            written: int = super().write(node, fh, off, bytes(255 - b for b in data))
            return written

    with Client(Inverts(source)) as c:
        c.write_bytes("/f", b"\x00\x01")
        assert c.read_bytes("/f") == b"\x00\x01"
    assert (source / "f").read_bytes() == b"\xff\xfe"


def test_a_listing_is_changed_on_its_way(source: pathlib.Path) -> None:
    class Hides(libfb.Passthrough):
        def readdir(self, node: int, fh: int) -> Any:
            return [e for e in super().readdir(node, fh) if not e[0].startswith("hidden")]

    for i in range(1000):
        (source / f"{i}").touch()
        (source / f"hidden {i}").touch()
    with Client(Hides(source)) as c:
        assert sorted(c.listdir("/"), key=int) == [str(i) for i in range(1000)]
        kinds = {e.name: e.type for e in c.scandir("/")}
        assert kinds["5"] == stat.S_IFREG
        assert c.connection.backend.held() == (0, 0, 0)  # type: ignore[attr-defined]


def test_what_is_not_handed_on_is_given_back(source: pathlib.Path) -> None:
    class Refuses(libfb.Passthrough):
        def open(self, node: int, flags: int) -> Any:
            self.discard(node, super().open(node, flags).handle)
            raise PermissionError

        def lookup(self, parent: int, name: str) -> Any:
            entry = super().lookup(parent, name)
            if name == "secret":
                self.unlookup(entry.node)
                raise FileNotFoundError
            return entry

    (source / "secret").touch()
    (source / "f").touch()
    with Client(Refuses(source)) as c:
        def descriptors() -> int:
            return len(os.listdir("/proc/self/fd"))

        with pytest.raises(PermissionError):
            c.open("/f", os.O_RDONLY)
        before = descriptors()
        for _ in range(50):
            with pytest.raises(PermissionError):
                c.open("/f", os.O_RDONLY)
            with pytest.raises(FileNotFoundError):
                c.stat("/secret")
        assert descriptors() <= before + 1


def test_release_tells_and_the_driver_releases(source: pathlib.Path) -> None:
    class Tells(libfb.Passthrough):
        released: list[Any] = []

        def release(self, node: int, fh: int) -> None:
            self.released.append(fh)

    (source / "f").touch()
    fs = Tells(source)
    with Client(fs) as c:
        with c.open("/f", os.O_RDONLY):
            pass
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            with c.open("/f", os.O_RDONLY):
                pass
        assert len(os.listdir("/proc/self/fd")) == before
    assert len(fs.released) == 21


def test_super_is_for_handlers(fs: Through) -> None:
    with pytest.raises(RuntimeError, match="inside handlers"):
        fs.getattr(1)


def test_super_ends_at_the_first_await(source: pathlib.Path) -> None:
    import asyncio

    class Late(libfb.Passthrough):
        async def getattr(self, node: int, fh: Any = None) -> Any:
            attr = super().getattr(node, fh)
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="before the first await"):
                super().getattr(node, fh)
            return attr

    with Client(Late(source)) as c:
        assert stat.S_ISDIR(c.stat("/").st_mode)


def test_wrong_arguments_of_super(source: pathlib.Path, caplog: Any) -> None:
    class Wrong(libfb.Passthrough):
        def getattr(self, node: int, fh: Any = None) -> Any:
            return super().getattr("text")

        def lookup(self, parent: int, name: str) -> Any:
            return super().lookup(parent, "a\0b")

    with Client(Wrong(source)) as c:
        for path in ("/", "/x"):
            with pytest.raises(OSError) as raised:
                c.stat(path)
            assert raised.value.errno == errno.EIO


def test_set_id_bits_are_asked_for(source: pathlib.Path) -> None:
    seen: list[bool] = []

    class Sees(libfb.Passthrough):
        def open(self, node: int, flags: int) -> Any:
            seen.append(libfb.request().kill_suidgid)
            return super().open(node, flags)

    (source / "f").touch()
    with Client(Sees(source)) as c:
        with c.open("/f", os.O_RDONLY):
            pass
    assert seen == [False]


def test_options_are_checked(source: pathlib.Path) -> None:
    with pytest.raises(TypeError, match="'sparkle' is no option"):
        Client(libfb.Passthrough(source, sparkle=1))
    with Client(libfb.Passthrough(source, read_only=True)) as c:
        with pytest.raises(OSError) as raised:
            c.mkdir("/d")
        assert raised.value.errno == errno.EROFS
    with pytest.raises(OSError):
        Client(libfb.Passthrough(source / "missing"))


@needs_mount
def test_methods_over_a_passthrough_see_the_data(tmp_path: pathlib.Path) -> None:
    class Loud(libfb.Passthrough):
        def read(self, node: Any, fh: Any, off: int, size: int) -> bytes:
            return bytes(super().read(node, fh, off, size)).upper()

    class Shy(libfb.Passthrough):
        def write(self, node: Any, fh: Any, off: int, data: Any) -> int:
            return super().write(node, fh, off, bytes(data).lower())

    source, folder = tmp_path / "source", tmp_path / "mount"
    source.mkdir()
    folder.mkdir()
    with libfb.mount(Shy(source), folder) as m:
        (folder / "file").write_text("Text")
        assert not m.agreed().wanted & libfb.InitFlags.PASSTHROUGH
    assert (source / "file").read_text() == "text"
    with libfb.mount(Loud(source), folder):
        assert (folder / "file").read_text() == "TEXT"
    if os.geteuid() == 0:  # the kernel lets nobody else have it
        with libfb.mount(libfb.Passthrough(source), folder) as m:
            assert not (m.agreed().offered & ~m.agreed().wanted) & libfb.InitFlags.PASSTHROUGH
