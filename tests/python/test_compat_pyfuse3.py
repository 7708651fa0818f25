# SPDX-License-Identifier: BSD-3-Clause
"""libfb.compat.pyfuse3 in memory: how handlers are called, and how lookups are counted. Loops of
trio and asyncio are in test_compat_mounts.py."""
from __future__ import annotations

import asyncio
import copy
import errno
import os
import pickle
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import libfb
import pytest
from libfb.compat import pyfuse3
from libfb.compat.pyfuse3._adapter import Adapter, to_setattr
from libfb.testing import Client
from libfb.testing.connection import open_backend

ROOT = pyfuse3.ROOT_INODE


class Tree(pyfuse3.Operations):
    """Files in the root, whose inodes live as long as they have a name or lookups."""

    def __init__(self) -> None:
        self.names: dict[bytes, int] = {}
        root = self._attr(ROOT, stat.S_IFDIR | 0o755)
        self.attrs: dict[int, pyfuse3.EntryAttributes] = {ROOT: root}
        self.data: dict[int, bytes] = {}
        self.count: Counter[int] = Counter()
        self.forgotten: list[tuple[int, int]] = []
        self.seen: list[Any] = []
        self.rounds = 0

    @staticmethod
    def _attr(inode: int, mode: int) -> pyfuse3.EntryAttributes:
        attr = pyfuse3.EntryAttributes()
        attr.st_ino, attr.st_mode = inode, mode
        return attr

    def make(self, name: bytes, mode: int = stat.S_IFREG | 0o644) -> pyfuse3.EntryAttributes:
        inode = max(self.attrs) + 1
        self.names[name], self.data[inode] = inode, b""
        self.attrs[inode] = self._attr(inode, mode)
        return self.attrs[inode]

    def known(self, inode: int) -> pyfuse3.EntryAttributes:
        self.count[inode] += 1
        return self.attrs[inode]

    async def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> pyfuse3.EntryAttributes:
        if name not in self.names:
            raise pyfuse3.FUSEError(errno.ENOENT)
        return self.known(self.names[name])

    async def forget(self, inode_list: Any) -> None:
        for inode, count in inode_list:
            self.forgotten.append((inode, count))
            self.count[inode] -= count
            assert self.count[inode] >= 0
            if self.count[inode] == 0 and inode not in self.names.values():
                del self.attrs[inode]

    async def getattr(self, inode: int, ctx: Any) -> pyfuse3.EntryAttributes:
        self.attrs[inode].st_size = len(self.data.get(inode, b""))
        return self.attrs[inode]

    async def setattr(self, inode: int, attr: Any, fields: Any, fh: Any, ctx: Any) -> Any:
        self.seen.append((attr, fields, fh))
        return self.attrs[inode]

    async def create(self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: Any) -> Any:
        attr = self.make(name, stat.S_IFREG | mode)
        return pyfuse3.FileInfo(fh=attr.st_ino), self.known(attr.st_ino)

    async def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: Any) -> Any:
        assert stat.S_ISDIR(mode)
        attr = self.make(name, mode)
        attr.st_uid, attr.st_gid = ctx.uid, ctx.gid
        return self.known(attr.st_ino)

    async def unlink(self, parent_inode: int, name: bytes, ctx: Any) -> None:
        del self.names[name]

    async def open(self, inode: int, flags: int, ctx: Any) -> pyfuse3.FileInfo:
        return pyfuse3.FileInfo(fh=inode)

    async def read(self, fh: int, off: int, size: int) -> bytes:
        await asyncio.sleep(0)
        return self.data[fh][off:off + size]

    async def write(self, fh: int, off: int, buf: bytes) -> int:
        self.data[fh] = self.data[fh][:off] + buf
        return len(buf)

    async def opendir(self, inode: int, ctx: Any) -> int:
        return inode

    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """Three entries at a time, and the dots."""
        self.rounds += 1
        listed = [(b".", ROOT), *self.names.items()]
        for place, (name, inode) in enumerate(listed[start_id:start_id + 3], start_id + 1):
            assert pyfuse3.readdir_reply(token, name, self.attrs[inode], place)
            if name != b".":
                self.count[inode] += 1


@contextmanager
def served(ops: Any, **options: Any) -> Iterator[Client]:
    adapter = Adapter(ops)
    backend: Any = open_backend(adapter, options)
    adapter.knows = lambda inode: backend._number(inode) is not None
    with Client.over(backend) as client:
        yield client


def test_files() -> None:
    ops = Tree()
    with served(ops) as c:
        c.write_bytes("/f", b"content")
        assert c.read_bytes("/f") == b"content"
        assert c.stat("/f").st_size == 7
        c.by(uid=5, gid=6).mkdir("/d")
        assert (c.stat("/d").st_uid, c.stat("/d").st_gid) == (5, 6)
        assert c.listdir("/") == ["f", "d"]


def test_lookups_are_given_back_all_at_once() -> None:
    ops = Tree()
    inode = ops.make(b"f").st_ino
    with served(ops) as c:
        for _ in range(7):
            c.stat("/f")
        assert ops.count[inode] == 7 and not ops.forgotten
        c.forget_all()
        assert ops.forgotten == [(inode, 7)] and not +ops.count
        c.stat("/f")
        assert inode in ops.attrs
        c.unlink("/f")  # its last name: the client forgets it, too
        assert inode not in ops.attrs


def test_lookups_whose_answers_are_lost() -> None:
    ops = Tree()
    inode = ops.make(b"f").st_ino
    with served(ops) as c:
        c.drop_answers(1)
        with pytest.raises(OSError):
            c.stat("/f")
        assert ops.forgotten == [(inode, 1)]


@pytest.mark.parametrize("plus", (False, True))
def test_lookups_of_a_listing(plus: bool) -> None:
    ops = Tree()
    inodes = [ops.make(b"%d" % i).st_ino for i in range(10)]
    with served(ops) as c:
        with c.opendir("/") as directory:
            assert len(directory.list(plus=plus)) == 10
            assert all(ops.count[inode] == 1 for inode in inodes)
            assert ops.rounds == 5  # three entries each, and one without
            directory.rewind()
            directory.list(plus=plus)
            assert all(ops.count[inode] == 2 for inode in inodes)
        # Taken by the client or not: none is lost, and none is left.
        assert len(ops.forgotten) == (0 if plus else 10)
        c.forget_all()
        assert not +ops.count
    assert ops.count[ROOT] == 0


def test_forgotten_while_a_directory_is_open() -> None:
    ops = Tree()
    inode = ops.make(b"f").st_ino
    with served(ops) as c:
        c.stat("/f")
        with c.opendir("/") as directory:
            directory.list(plus=False)
            c.forget_all()
            assert ops.count[inode] == 1  # the listing's; it may be taken still
        assert ops.count[inode] == 0


def test_a_listing_that_does_not_go_on_ends() -> None:
    class Stuck(Tree):
        async def readdir(self, fh: int, start_id: int, token: Any) -> None:
            pyfuse3.readdir_reply(token, b"f", self.attrs[self.names[b"f"]], 7)

    ops = Stuck()
    ops.make(b"f")
    with served(ops) as c:
        assert c.listdir("/") == ["f", "f"]


def test_setattr() -> None:
    attr, fields = to_setattr(libfb.Changes(mode=0o600, mtime_ns=2**60))
    assert (attr.st_mode, attr.st_mtime_ns) == (0o600, 2**60)
    assert (fields.update_mode, fields.update_mtime) == (True, True)
    assert not (fields.update_atime or fields.update_size or fields.update_uid)
    ops = Tree()
    inode = ops.make(b"f").st_ino
    with served(ops) as c:
        c.truncate("/f", 5)
        assert ops.seen[-1][0].st_size == 5 and ops.seen[-1][2] is None
        with c.open("/f", os.O_RDWR) as file:
            file.truncate(6)
        assert ops.seen[-1][1].update_size and ops.seen[-1][2] == inode
        c.chmod("/f", 0o600)
        assert ops.seen[-1][0].st_mode == stat.S_IFREG | 0o600
        c.chown("/f", 7, -1)
        assert (ops.seen[-1][1].update_uid, ops.seen[-1][1].update_gid) == (True, False)


def test_errors() -> None:
    class Refusing(Tree):
        async def access(self, inode: int, mode: int, ctx: Any) -> bool:
            if mode == os.R_OK:
                raise pyfuse3.FUSEError(errno.ENOSYS)
            return mode == os.X_OK

        async def flush(self, fh: int) -> None:
            raise pyfuse3.FUSEError(errno.ENOSYS)

        async def fsync(self, fh: int, datasync: bool) -> None:
            raise pyfuse3.FUSEError(errno.EDQUOT)

        async def statfs(self, ctx: Any) -> Any:
            raise KeyError("a bug")

    with served(Refusing()) as c:
        assert [c.access("/", mode) for mode in (os.R_OK, os.W_OK, os.X_OK)] == [True, False, True]
        with c.open("/f", os.O_CREAT | os.O_RDWR) as file:
            with pytest.raises(OSError) as raised:
                file.fsync()
            assert raised.value.errno == errno.EDQUOT
        with pytest.raises(OSError) as raised:
            c.statfs("/")
        assert raised.value.errno == errno.EIO
        with pytest.raises(OSError) as raised:
            c.symlink("to", "/link")
        assert raised.value.errno == errno.EPERM  # it has no symlink()


def test_names_that_are_not_there_can_be_remembered() -> None:
    class Negative(Tree):
        async def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> Any:
            attr = pyfuse3.EntryAttributes()
            attr.entry_timeout = 0 if name == b"now" else 5
            return attr

    with served(Negative()) as c:
        assert not c.exists("/never") and not c.exists("/now")


def test_extended_attributes() -> None:
    class Xattrs(Tree):
        def __init__(self) -> None:
            super().__init__()
            self.xattrs: dict[bytes, bytes] = {}
            self.traced = False

        async def setxattr(self, inode: int, name: bytes, value: bytes, ctx: Any) -> None:
            self.xattrs[name] = value

        async def getxattr(self, inode: int, name: bytes, ctx: Any) -> bytes:
            if name not in self.xattrs:
                raise pyfuse3.FUSEError(pyfuse3.ENOATTR)
            return self.xattrs[name]

        async def listxattr(self, inode: int, ctx: Any) -> Any:
            return list(self.xattrs)

        def stacktrace(self) -> None:
            self.traced = True

    ops = Xattrs()
    with served(ops) as c:
        with pytest.raises(OSError) as raised:
            c.setxattr("/", "user.a", b"1", os.XATTR_REPLACE)
        assert raised.value.errno == errno.ENODATA
        c.setxattr("/", "user.a", b"1", os.XATTR_CREATE)
        with pytest.raises(FileExistsError):
            c.setxattr("/", "user.a", b"2", os.XATTR_CREATE)
        c.setxattr("/", "user.a", b"3", os.XATTR_REPLACE)
        assert c.listxattr("/") == ["user.a"] and c.getxattr("/", "user.a") == b"3"
        c.setxattr("/", "fuse_stacktrace", b"")
        assert ops.traced and b"fuse_stacktrace" not in ops.xattrs


def test_what_is_asked_of_the_kernel() -> None:
    class Wants(Tree):
        enable_writeback_cache = True
        supports_dot_lookup = False

    flags = libfb.InitFlags
    for ops, export, writeback in ((Tree(), True, False), (Wants(), False, True)):
        conn = libfb.Conn(45, 4096, (flags.EXPORT_SUPPORT | flags.WRITEBACK_CACHE),
                          flags.READDIRPLUS_AUTO | flags.NO_EXPORT_SUPPORT, 1, 1, 1, 0, False, True)
        Adapter(ops).init(conn)
        assert not conn.wanted & flags.READDIRPLUS_AUTO
        assert bool(conn.wanted & flags.EXPORT_SUPPORT) is export
        assert bool(conn.wanted & flags.WRITEBACK_CACHE) is writeback


def test_stacktrace(caplog: pytest.LogCaptureFixture) -> None:
    pyfuse3.Operations().stacktrace()
    assert "test_stacktrace" in caplog.text


def test_objects() -> None:
    for opaque in (pyfuse3.SetattrFields(), pyfuse3.RequestContext()):
        with pytest.raises(pickle.PicklingError):
            copy.copy(opaque)
    attr = pyfuse3.EntryAttributes()
    attr.st_atime_ns = 1.5e9  # type: ignore[assignment]
    attr.st_ino = 2
    again = pickle.loads(pickle.dumps(attr))
    assert again.to_attr() == attr.to_attr() and again.entry_timeout == 300
    with pytest.raises(AttributeError):
        attr.st_misspelt = 1  # type: ignore[attr-defined]
    figures = pyfuse3.StatvfsData()
    figures.f_files = 42
    assert copy.copy(figures).f_files == 42
    error = pyfuse3.FUSEError(errno.ENOENT)
    assert copy.copy(error).errno == errno.ENOENT and str(error) == os.strerror(errno.ENOENT)
    assert pyfuse3.FileInfo(fh=3).to_opened() == libfb.Opened(3, keep_cache=True)


def test_utilities(tmp_path: Any) -> None:
    (tmp_path / "a").touch()
    assert pyfuse3.listdir(str(tmp_path)) == ["a"]
    pyfuse3.syncfs(str(tmp_path))
    assert pyfuse3.get_sup_groups(os.getpid()) == set(os.getgroups())
    with pytest.raises(FileNotFoundError):
        pyfuse3.getxattr(str(tmp_path / "none"), "user.a")
    with pytest.raises(TypeError):
        pyfuse3.listdir(b".")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        pyfuse3.setxattr(str(tmp_path), "user.a", b"", namespace="trusted")


def test_nothing_is_mounted() -> None:
    assert pyfuse3.trio_token is None
    for function in (pyfuse3.terminate, pyfuse3.close, lambda: pyfuse3.invalidate_inode(1)):
        with pytest.raises(RuntimeError, match="init"):
            function()
    with pytest.raises(AttributeError):
        pyfuse3.no_such_name
    with pytest.raises(RuntimeError, match="can not mount"):
        pyfuse3.init(Tree(), "/no/such/place")
