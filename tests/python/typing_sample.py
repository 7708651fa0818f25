# SPDX-License-Identifier: BSD-3-Clause
"""File systems as users write them, which must pass mypy --strict; see test_typing.py."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import libfb
from libfb.testing import Client


class Notes(libfb.PathFS):
    """By path, without awaiting anything."""

    entry_timeout = 2.0

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}

    def init(self, conn: libfb.Conn) -> None:
        conn.wanted |= libfb.InitFlags.WRITEBACK_CACHE

    def getattr(self, path: str, fh: bytearray | None = None) -> libfb.Attr:
        if path == "/":
            return libfb.Dir(0o755)
        if fh is None:
            fh = self.files.get(path)
        if fh is None:
            raise FileNotFoundError
        return libfb.File(0o644, size=len(fh), mtime_ns=1)

    def readdir(self, path: str) -> Iterator[libfb.DirItem]:
        for name, data in self.files.items():
            yield name[1:], libfb.File(size=len(data)).replace(uid=libfb.request().uid)

    def create(self, path: str, mode: int, flags: int) -> libfb.Opened:
        data = self.files.setdefault(path, bytearray())
        return libfb.Opened(data, direct_io=True)

    def read(self, path: str | None, fh: bytearray, off: int, size: int) -> libfb.Data:
        return memoryview(fh)[off:off + size]

    def write(self, path: str | None, fh: bytearray, off: int, data: bytes) -> None:
        fh[off:off + len(data)] = data

    def truncate(self, path: str, size: int) -> None:
        del self.files[path][size:]

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        if flags & ~libfb.RenameFlags.NOREPLACE:
            raise OSError(22, "flags")
        self.files[new] = self.files.pop(old)

    def statfs(self, path: str) -> libfb.StatFS | os.statvfs_result:
        assert libfb.File(st_size=5, st_mtime_ns=1) == libfb.Attr(0o100644, size=5, mtime_ns=1)
        return libfb.StatFS(f_blocks=10)


class Remote(libfb.NodeFS):
    """By node, with coroutines."""

    root = "root"

    async def lookup(self, parent: str, name: str) -> libfb.Entry:
        await asyncio.sleep(0)
        return libfb.Entry(f"{parent}/{name}", libfb.File(), entry_timeout=5)

    async def getattr(self, node: str) -> libfb.AttrLike:
        return os.stat(node)

    async def readdir(self, node: str) -> AsyncIterator[libfb.DirItem]:
        yield "a"
        yield "b", libfb.Entry("b", libfb.Fifo())

    def read(self, node: str, fh: int, off: int, size: int) -> libfb.Answer[libfb.Data]:
        request = libfb.take()
        print(request.groups, request.interrupted)
        request.reply(b"")
        request.fail(OSError)
        return libfb.PENDING

    def getlk(self, node: str, fh: int, owner: int, lock: libfb.Lock) -> libfb.Lock | None:
        return libfb.FdRange(0, lock.start, 1) and lock._replace(pid=1)


class Logged(libfb.Passthrough):
    """The driver in C, with one operation in Python."""

    def unlink(self, parent: int, name: str) -> None:
        raise PermissionError


def run(where: str) -> None:
    """Serve them all."""
    assert libfb.check(Notes) == libfb.check(Remote()) == []
    with libfb.mount(Notes(), where, options="ro", attr_timeout=3) as mounted:
        mounted.invalidate("/a", 0, 10)
        mounted.wait()
    with libfb.vhost_user(Logged("/srv", cache=libfb.Cache.NEVER), b"/run/socket") as share:
        share.wait()
    with Client(Notes()) as client:
        client.write_bytes("/a", b"x")


async def run_async(where: str) -> None:
    """In a loop."""
    async with libfb.mount(Remote(), where) as mounted:
        await mounted.wait_closed()
