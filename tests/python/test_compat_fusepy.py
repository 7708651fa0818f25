# SPDX-License-Identifier: BSD-3-Clause
"""libfb.compat.fusepy in memory: how a program's methods are called, and what they answer."""
from __future__ import annotations

import ctypes
import errno
import logging
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import libfb.compat
import pytest
from libfb.compat import _options
from libfb.compat import fusepy as fuse
from libfb.compat.fusepy._adapter import Adapter
from libfb.compat.fusepy._calls import Calls
from libfb.compat.fusepy._operations import has
from libfb.compat.fusepy._values import Values
from libfb.testing import Client

DIR = {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}


class Memory(fuse.Operations):
    """Files of one directory, by path; remembers how it was called."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, Any]] = {"/": dict(DIR)}
        self.data: dict[str, bytes] = {}
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, op: str, *args: Any) -> Any:
        self.calls.append((op, *args))
        return super().__call__(op, *args)

    def last(self, op: str) -> tuple[Any, ...]:
        return next(call[1:] for call in reversed(self.calls) if call[0] == op)

    def getattr(self, path: str, fh: Any = None) -> Any:
        if path not in self.files:
            raise fuse.FuseOSError(errno.ENOENT)
        return {**self.files[path], "st_size": len(self.data.get(path, b""))}

    def create(self, path: str, mode: int, fi: Any = None) -> Any:
        self.files[path] = {"st_mode": stat.S_IFREG | mode}
        self.data[path] = b""
        return 17

    def open(self, path: str, flags: int) -> int:
        return 18

    def read(self, path: str, size: int, offset: int, fh: Any) -> Any:
        return self.data[path][offset:offset + size] or None

    def write(self, path: str, data: bytes, offset: int, fh: Any) -> int:
        self.data[path] = self.data[path][:offset].ljust(offset, b"\0") + data
        return len(data)

    def truncate(self, path: str, length: int, fh: Any = None) -> None:
        self.data[path] = self.data[path][:length].ljust(length, b"\0")

    def unlink(self, path: str) -> None:
        del self.files[path], self.data[path]

    def rename(self, old: str, new: str) -> None:
        self.files[new], self.data[new] = self.files.pop(old), self.data.pop(old, b"")

    def utimens(self, path: str, times: Any = None) -> None:
        self.files[path]["st_atime"], self.files[path]["st_mtime"] = times

    def readdir(self, path: str, fh: Any) -> Any:
        return [".", "..", *(name[1:] for name in self.files if name != "/")]


@contextmanager
def served(ops: Any, *options: str, raw_fi: bool = False, encoding: str = "utf-8",
           ) -> Iterator[Client]:
    settings = _options.split(options).settings
    calls = Calls(ops, None, encoding, "surrogateescape")
    values = Values(bool(getattr(ops, "use_ns", False)), settings)
    with Client(Adapter(ops, calls, values, raw_fi)) as client:
        yield client


def test_calls_and_their_arguments() -> None:
    class All(Memory):
        def symlink(self, target: str, source: str) -> None:
            self.files[target] = {"st_mode": stat.S_IFLNK | 0o777}

        def readlink(self, path: str) -> str:
            return "elsewhere"

        def link(self, target: str, source: str) -> None:
            self.files[target] = self.files[source]

        def chmod(self, path: str, mode: int) -> int:
            return 0

        def chown(self, path: str, uid: int, gid: int) -> None:
            pass

    ops = All()
    with served(ops) as c:
        with c.open("/f", os.O_CREAT | os.O_RDWR, 0o640) as file:
            assert ops.last("create") == ("/f", stat.S_IFREG | 0o640) or \
                ops.last("create") == ("/f", 0o640)
            file.write(b"bytes")
            assert ops.last("write") == ("/f", b"bytes", 0, 17)
            file.truncate(3)
            assert ops.last("truncate") == ("/f", 3, 17)
        assert ops.last("release") == ("/f", 17)
        assert c.read_bytes("/f") == b"byt"
        assert ops.last("read")[3] == 18
        c.truncate("/f", 1)
        assert ops.last("truncate") == ("/f", 1)
        c.symlink("content", "/s")
        assert ops.last("symlink") == ("/s", "content")
        assert c.readlink("/s") == "elsewhere"
        c.link("/f", "/g")
        assert ops.last("link") == ("/g", "/f")
        c.chown("/f", 5, -1)
        assert ops.last("chown") == ("/f", 5, -1)
        c.chmod("/f", 0o600)
        assert ops.last("chmod") == ("/f", stat.S_IFREG | 0o600)
        c.rename("/f", "/h")
        assert ops.last("rename") == ("/f", "/h")
        assert sorted(c.listdir("/")) == ["g", "h", "s"]
    assert ops.calls[0] == ("init", "/") and ops.calls[-1] == ("destroy", "/")


def test_times_in_seconds_and_in_ns() -> None:
    class InNs(Memory):
        use_ns = True

    ops = Memory()
    with served(ops) as c:
        c.write_bytes("/f", b"")
        c.utime("/f", ns=(1_500_000_000, -500_000_000))
        assert ops.last("utimens") == ("/f", (1.5, -0.5))
        assert (c.stat("/f").st_atime_ns, c.stat("/f").st_mtime_ns) == (1_500_000_000, -500_000_000)
    ns = InNs()
    with served(ns) as c:
        c.write_bytes("/f", b"")
        c.utime("/f", ns=(2**53 + 1, 7))
        assert ns.last("utimens") == ("/f", (2**53 + 1, 7))
        assert c.stat("/f").st_atime_ns == 2**53 + 1


def test_a_time_that_stays_is_given_again() -> None:
    ops = Memory()
    adapter = Adapter(ops, Calls(ops, None, "utf-8", "surrogateescape"),
                      Values(False, _options.Settings()), False)
    ops.files["/f"] = {"st_mode": stat.S_IFREG, "st_atime": 4.5, "st_mtime": 2}
    adapter.setattr("/f", libfb.Changes(mtime_ns=9_000_000_000))
    assert ops.last("utimens") == ("/f", (4.5, 9.0))


def test_attributes_left_out_and_options_for_them() -> None:
    ops = Memory()
    ops.files["/f"] = {"st_mode": stat.S_IFREG | 0o600, "st_ino": 99, "st_uid": 3}
    with served(ops) as c:
        st = c.stat("/f")
        assert (st.st_nlink, st.st_uid, st.st_gid, st.st_mtime_ns) == (1, 3, 0, 0)
        assert st.st_ino != 99
    with served(ops, "use_ino", "uid=7", "gid=8", "umask=022") as c:
        st = c.stat("/f")
        assert (st.st_ino, st.st_uid, st.st_gid) == (99, 7, 8)
        assert st.st_mode == stat.S_IFREG | 0o755


def test_forms_of_readdir() -> None:
    class Forms(Memory):
        def readdir(self, path: str, fh: Any) -> Any:
            yield "name"
            yield "dir", {"st_mode": stat.S_IFDIR | 0o700}, 0
            yield "none", None, 3
            yield "mode", stat.S_IFREG, 4

    with served(Forms()) as c:
        found = {entry.name: entry.type for entry in c.scandir("/")}
    assert list(found) == ["name", "dir", "none", "mode"]
    assert (found["dir"], found["mode"]) == (stat.S_IFDIR, stat.S_IFREG)


def test_readdir_with_offset_and_config_of_mfusepy() -> None:
    class Offsets(fuse.Operations):
        @fuse.overrides(fuse.Operations)
        def init_with_config(self, conn: Any, config: Any) -> None:
            assert conn.proto_major == 7
            config.use_ino = True

        @fuse.overrides(fuse.Operations)
        def getattr(self, path: str, fh: Any = None) -> Any:
            return {**DIR, "st_ino": 31}

        def readdir_with_offset(self, path: str, offset: int, fh: Any) -> Any:
            assert (offset, fh) == (0, 0)
            return ((str(i), {"st_mode": stat.S_IFREG}, i + 1) for i in range(offset, 1000))

    with served(Offsets()) as c:
        assert len(c.listdir("/")) == 1000
        assert c.stat("/").st_ino == 31
    with pytest.raises(TypeError, match="no nothing"):
        _override_nothing()


def _override_nothing() -> None:
    @fuse.overrides(fuse.Operations)
    def nothing(self: Any) -> None:
        pass


def test_errors(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Memory):
        def getattr(self, path: str, fh: Any = None) -> Any:
            if path == "/key":
                return {}["key"]
            if path == "/minus":
                raise OSError(-3, "")
            if path == "/text":
                raise OSError("only text")
            return super().getattr(path, fh)

        def access(self, path: str, amode: int) -> int:
            if amode == os.R_OK:
                raise fuse.FuseOSError(errno.ENOSYS)
            return -errno.EACCES

        def statfs(self, path: str) -> Any:
            raise fuse.FuseOSError(errno.ENOSYS)

    def code(name: str) -> int | None:
        with pytest.raises(OSError) as raised:
            c.stat(name)
        return raised.value.errno

    with served(Broken()) as c, caplog.at_level(logging.ERROR, "fuse"):
        assert code("/missing") == errno.ENOENT
        assert code("/key") == errno.EINVAL
        assert "KeyError" in caplog.text
        assert code("/minus") == errno.EINVAL
        assert code("/text") == errno.EIO
        assert c.access("/", os.R_OK)
        assert not c.access("/", os.W_OK)
        with pytest.raises(OSError) as raised:
            c.statfs("/")
        assert raised.value.errno == errno.EOPNOTSUPP


def test_removed_while_open() -> None:
    ops = Memory()
    with served(ops) as c:
        file = c.open("/f", os.O_CREAT | os.O_RDWR)
        file.write(b"still here")
        c.unlink("/f")
        (hidden,) = (path for path in ops.files if path.startswith("/.fuse_hidden"))
        assert file.read(5, 6) == b"here"
        assert file.fstat().st_size == 10
        file.truncate(5)
        assert ops.data[hidden] == b"still"
        file.close()
        assert list(ops.files) == ["/"] and ops.last("release") == (hidden, 17)


def test_replaced_while_open_and_moved_while_open() -> None:
    ops = Memory()
    with served(ops) as c:
        c.write_bytes("/new", b"new")
        old = c.open("/old", os.O_CREAT | os.O_RDWR)
        old.write(b"old")
        moved = c.open("/new", os.O_RDWR)
        c.rename("/new", "/old")
        assert (old.read(9, 0), moved.read(9, 0)) == (b"old", b"new")
        assert ops.last("read")[0] == "/old"
        c.unlink("/old")
        moved.write(b"NEW")
        assert moved.read(9, 0) == b"NEW"
        old.close()
        moved.close()
        assert list(ops.files) == ["/"]


def test_hard_remove() -> None:
    ops = Memory()
    with served(ops, "hard_remove") as c:
        file = c.open("/f", os.O_CREAT | os.O_RDWR)
        c.unlink("/f")
        with pytest.raises(FileNotFoundError):
            file.read(5)
        with pytest.raises(FileNotFoundError):
            file.close()
        assert ops.last("release") == ("-", 17)


def test_programs_that_take_no_path() -> None:
    class Nameless(Memory):
        flag_nullpath_ok = True

        def read(self, path: str, size: int, offset: int, fh: Any) -> bytes:
            return repr(path).encode()

    with served(Nameless(), "hard_remove") as c:
        with c.open("/f", os.O_CREAT | os.O_RDWR) as file:
            c.unlink("/f")
            assert file.read(9) == b"None"


def test_raw_fi() -> None:
    class Raw(Memory):
        def create(self, path: str, mode: int, fi: Any = None) -> int:
            super().create(path, mode)
            fi.fh, fi.direct_io = {"any": "object"}, 1
            return 0

        def read(self, path: str, size: int, offset: int, fi: Any) -> bytes:
            return repr(fi.fh).encode()

        def open(self, path: str, fi: Any) -> int:
            return -errno.EACCES if fi.flags & os.O_ACCMODE else 0

    with served(Raw(), raw_fi=True) as c:
        with c.open("/f", os.O_CREAT | os.O_RDWR) as file:
            assert file.read(99, 0) == b"{'any': 'object'}"
        with pytest.raises(PermissionError):
            c.open("/f", os.O_WRONLY)
        c.open("/f", os.O_RDONLY).close()


def test_names_in_another_encoding() -> None:
    class Names(Memory):
        def readlink(self, path: str) -> str:
            return "ß"

    ops = Names()
    ops.files["/é"] = {"st_mode": stat.S_IFLNK}
    with served(ops, encoding="latin-1") as c:
        assert c.listdir("/") == [b"\xe9".decode("utf-8", "surrogateescape")]
        assert stat.S_ISLNK(c.lstat(b"/\xe9").st_mode)
        assert os.fsencode(c.readlink(b"/\xe9")) == b"\xdf"


def test_extended_attributes() -> None:
    class Xattrs(Memory):
        def listxattr(self, path: str) -> Any:
            return {"user.a": 1}.keys()

        def getxattr(self, path: str, name: str, position: int = 0) -> Any:
            return "" if name == "user.a" else b"value"

        def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0,
                     ) -> None:
            pass

    ops = Xattrs()
    with served(ops) as c:
        assert c.listxattr("/") == ["user.a"]
        assert (c.getxattr("/", "user.a"), c.getxattr("/", "user.b")) == (b"", b"value")
        c.setxattr("/", "user.c", b"v", os.XATTR_CREATE)
        assert ops.last("setxattr") == ("/", "user.c", b"v", os.XATTR_CREATE)


def test_ioctl_and_bmap_get_addresses() -> None:
    class Device(Memory):
        def ioctl(self, path: str, cmd: int, arg: int, fh: Any, flags: int, data: Any) -> int:
            (value,) = struct.unpack("<I", ctypes.string_at(data, 4))
            ctypes.memmove(data, struct.pack("<I", value + 1), 4)
            return 3

        def bmap(self, path: str, blocksize: int, idx: Any) -> int:
            idx.contents.value += blocksize
            return 0

    ops = Device()
    adapter = Adapter(ops, Calls(ops, None, "utf-8", "surrogateescape"),
                      Values(False, _options.Settings()), False)
    with_data = adapter.ioctl("/f", None, 9, 0, struct.pack("<I", 41), 4, 0)
    assert with_data == (3, struct.pack("<I", 42))
    assert adapter.bmap("/f", 5, 512) == 517


def test_statfs() -> None:
    class Figures(Memory):
        def statfs(self, path: str) -> Any:
            return {"f_bsize": 512, "f_blocks": 4096, "f_bavail": 2048}

    with served(Figures()) as c:
        figures = c.statfs("/")
        assert (figures.f_bsize, figures.f_frsize, figures.f_bavail) == (512, 512, 2048)
    with served(Memory()) as c:
        assert c.statfs("/").f_blocks == 0


def test_what_is_not_called() -> None:
    class Plain(fuse.LoggingMixIn, fuse.Operations):
        statfs = None  # type: ignore[assignment]

    class Sees(Plain):
        def __call__(self, op: str, path: str, *args: Any) -> Any:
            return super().__call__(op, path, *args)

    assert not has(Plain(), "flush") and not has(Plain(), "statfs")
    assert has(Plain(), "chmod") and has(Sees(), "flush")
    with served(Plain()) as c:
        with pytest.raises(OSError) as raised:
            c.mkdir("/d")
        assert raised.value.errno == errno.EROFS


def test_context() -> None:
    class Who(Memory):
        def getattr(self, path: str, fh: Any = None) -> Any:
            uid, gid, pid = fuse.fuse_get_context()
            return {**DIR, "st_uid": uid, "st_gid": gid}

    with served(Who()) as c:
        st = c.by(uid=11, gid=12).stat("/")
        assert (st.st_uid, st.st_gid) == (11, 12)
    assert fuse.fuse_get_context() == (0, 0, 0)


def test_options() -> None:
    split = _options.split(["fsname=a,b", "ro", "big_writes", "attr_timeout=0.5", "max_write=4096",
                            "kernel_cache", "debug", "unknown"])
    assert split.mount == "fsname=a\\,b,ro,unknown" and split.debug
    assert split.session == {"attr_timeout": 0.5, "max_write": 4096}
    assert split.settings.kernel_cache
    with pytest.raises(ValueError):
        _options.split(["uid=nobody"])


def test_install() -> None:
    with pytest.raises(ValueError, match="not for llfuse"):
        libfb.compat.install("llfuse")
