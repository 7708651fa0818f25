# SPDX-License-Identifier: BSD-3-Clause
"""A file system of pyfuse3's as one of libfb's."""

from __future__ import annotations

import errno
import stat
from collections import Counter
from collections.abc import Callable
from typing import Any

import libfb
from libfb import Changes, Conn, Entry, InitFlags, NodeFS, Opened, XattrFlags

from ._operations import has
from ._types import (EntryAttributes, FUSEError, ReaddirToken, RequestContext, SetattrFields)

#: Handlers of `Adapter` that are there only if the file system has them.
_OPTIONAL = (
    "access", "create", "flush", "fsync", "fsyncdir", "getxattr", "link", "listxattr", "mkdir",
    "mknod", "open", "read", "readdir", "readlink", "release", "removexattr", "rename",
    "rmdir", "setattr", "setxattr", "statfs", "symlink", "unlink", "write",
)
#: Operations that a file system may lack without harm: its ENOSYS is as good as success.
_NEEDLESS = frozenset(("access", "flush", "fsync", "fsyncdir", "release", "releasedir"))
_ATTRS = (("mode", "st_mode"), ("uid", "st_uid"), ("gid", "st_gid"), ("size", "st_size"),
          ("atime_ns", "st_atime_ns"), ("mtime_ns", "st_mtime_ns"), ("ctime_ns", "st_ctime_ns"))
_DOTS = (b".", b"..")


class _Directory:
    """An open directory: the file system's handle, and how often each inode has been listed."""

    __slots__ = ("fh", "listed")

    def __init__(self, fh: int) -> None:
        self.fh = fh
        self.listed: Counter[int] = Counter()


def _context() -> RequestContext:
    return RequestContext.of(libfb.request())


def to_setattr(changes: Changes) -> tuple[EntryAttributes, SetattrFields]:
    """Changes as setattr is given them by pyfuse3."""
    attr, fields = EntryAttributes(), SetattrFields()
    for ours, theirs in _ATTRS:
        value = getattr(changes, ours)
        if value is not None:
            setattr(attr, theirs, value)
            setattr(fields, "update_" + ours.removesuffix("_ns"), True)
    return attr, fields


class Adapter(NodeFS):
    """Calls the handlers of a file system as pyfuse3 does.

    libfb counts lookups itself and says once when a node has gone; file systems of pyfuse3 count
    too, and want to be told how many to take back. So they are counted a second time here, as they
    are given out, and given back all at once. Those of a listing stay until the directory is
    closed: only then it is known which entries the client has taken.
    """

    names = "bytes"

    def __init__(self, ops: Any) -> None:
        self.ops = ops
        self.lookups: Counter[int] = Counter()
        self.listed: Counter[int] = Counter()  #: of lookups: those in open directories
        #: Whether the client knows an inode; set by who serves this.
        self.knows: Callable[[int], bool] = lambda inode: True
        for name in _OPTIONAL:
            if not has(ops, name):
                setattr(self, name, None)
        self._has_forget = has(ops, "forget")

    def init(self, conn: Conn) -> None:
        # With names come attributes, always: pyfuse3 has no other way to list.
        conn.wanted &= ~InitFlags.READDIRPLUS_AUTO
        if getattr(self.ops, "supports_dot_lookup", True):
            conn.wanted &= ~InitFlags.NO_EXPORT_SUPPORT
            conn.wanted |= conn.offered & InitFlags.EXPORT_SUPPORT
        if getattr(self.ops, "enable_writeback_cache", False):
            conn.wanted |= conn.offered & InitFlags.WRITEBACK_CACHE
        if getattr(self.ops, "enable_acl", False):
            conn.wanted |= conn.offered & InitFlags.POSIX_ACL
        self.ops.init()

    async def _call(self, op: str, *args: Any) -> Any:
        """Await a handler. Its FUSEError is an OSError here."""
        try:
            return await getattr(self.ops, op)(*args)
        except FUSEError as error:
            if error.errno == errno.ENOSYS and op in _NEEDLESS:
                return None
            raise OSError(error.errno, f"{op}(): {error}") from error

    # ---- lookups ------------------------------------------------------------------------------

    async def _entry(self, op: str, *args: Any) -> Entry:
        """Await a handler that gives out an inode."""
        attr = await self._call(op, *args)
        entry: Entry = attr.to_entry()
        if entry.node is not None:
            self.lookups[entry.node] += 1
        return entry

    async def lookup(self, parent: int, name: bytes) -> Entry:
        return await self._entry("lookup", parent, name, _context())

    def forget(self, inode: int) -> Any:
        """Not async: lookups that are answered before the handler runs do not belong to these."""
        return self._forget([self._take(inode, self.lookups[inode] - self.listed[inode])])

    def _take(self, inode: int, count: int) -> tuple[int, int]:
        self.lookups[inode] -= count
        if self.lookups[inode] <= 0:
            del self.lookups[inode]
        return inode, count

    async def _forget(self, inode_list: list[tuple[int, int]]) -> None:
        inode_list = [pair for pair in inode_list if pair[1] > 0]
        if inode_list and self._has_forget:
            await self.ops.forget(inode_list)

    # ---- attributes ---------------------------------------------------------------------------

    async def _attr(self, op: str, *args: Any) -> Entry:
        attr = await self._call(op, *args)
        return Entry(None, attr.to_attr(), attr_timeout=attr.attr_timeout)

    async def getattr(self, inode: int, fh: int | None = None) -> Entry:
        return await self._attr("getattr", inode, _context())

    async def setattr(self, inode: int, changes: Changes, fh: int | None = None) -> Entry:
        context = _context()
        attr, fields = to_setattr(changes)
        if fields.update_mode:  # with the type, as the kernel sends it and libfuse leaves it
            before = await self._call("getattr", inode, context)
            attr.st_mode |= stat.S_IFMT(before.st_mode)
        return await self._attr("setattr", inode, attr, fields, fh, context)

    async def access(self, inode: int, mode: int) -> None:
        if await self._call("access", inode, mode, _context()) is False:
            raise PermissionError(errno.EACCES, "access() said no")

    async def statfs(self, inode: int) -> Any:
        figures = await self._call("statfs", _context())
        return libfb.StatFS(
            f_bsize=figures.f_bsize, f_frsize=figures.f_frsize or figures.f_bsize,
            f_blocks=figures.f_blocks, f_bfree=figures.f_bfree, f_bavail=figures.f_bavail,
            f_files=figures.f_files, f_ffree=figures.f_ffree, f_namemax=figures.f_namemax or 255)

    # ---- names --------------------------------------------------------------------------------

    async def readlink(self, inode: int) -> Any:
        return await self._call("readlink", inode, _context())

    async def symlink(self, parent: int, name: bytes, target: bytes) -> Entry:
        return await self._entry("symlink", parent, name, target, _context())

    async def mknod(self, parent: int, name: bytes, mode: int, rdev: int) -> Entry:
        return await self._entry("mknod", parent, name, mode, rdev, _context())

    async def mkdir(self, parent: int, name: bytes, mode: int) -> Entry:
        return await self._entry("mkdir", parent, name, mode | stat.S_IFDIR, _context())

    async def link(self, inode: int, parent: int, name: bytes) -> Entry:
        return await self._entry("link", inode, parent, name, _context())

    async def unlink(self, parent: int, name: bytes) -> None:
        await self._call("unlink", parent, name, _context())

    async def rmdir(self, parent: int, name: bytes) -> None:
        await self._call("rmdir", parent, name, _context())

    async def rename(self, parent: int, name: bytes, new_parent: int, new_name: bytes,
                     flags: int) -> None:
        await self._call("rename", parent, name, new_parent, new_name, flags, _context())

    # ---- open files ---------------------------------------------------------------------------

    async def open(self, inode: int, flags: int) -> Opened:
        info = await self._call("open", inode, flags, _context())
        opened: Opened = info.to_opened()
        return opened

    async def create(self, parent: int, name: bytes, mode: int, flags: int) -> Any:
        info, attr = await self._call("create", parent, name, mode, flags, _context())
        entry = attr.to_entry()
        self.lookups[entry.node] += 1
        return entry, info.to_opened()

    async def release(self, inode: int, fh: int | None) -> None:
        await self._call("release", fh or 0)

    async def read(self, inode: int, fh: int | None, off: int, size: int) -> Any:
        return await self._call("read", fh or 0, off, size)

    async def write(self, inode: int, fh: int | None, off: int, data: bytes) -> Any:
        return await self._call("write", fh or 0, off, data)

    async def flush(self, inode: int, fh: int | None) -> None:
        await self._call("flush", fh or 0)

    async def fsync(self, inode: int, fh: int | None, datasync: bool) -> None:
        await self._call("fsync", fh or 0, datasync)

    # ---- directories --------------------------------------------------------------------------

    async def opendir(self, inode: int, flags: int) -> _Directory:
        if not has(self.ops, "opendir"):
            return _Directory(0)
        return _Directory(await self._call("opendir", inode, _context()))

    async def readdir(self, inode: int, directory: _Directory) -> list[Any]:
        """All entries at once; libfb hands them out as the client asks."""
        entries: list[Any] = []
        start, before = 0, -1
        while start != before:  # a call without entries is the end
            token = ReaddirToken()
            token.next_id = start
            await self._call("readdir", directory.fh, start, token)
            entries += token.entries
            start, before = token.next_id, start
        counted = Counter(entry.node for name, entry in entries
                          if isinstance(entry, Entry) and name not in _DOTS)
        for counts in (self.lookups, self.listed, directory.listed):
            counts.update(counted)
        return entries

    async def releasedir(self, inode: int, directory: _Directory) -> None:
        """What was listed, but is not known to the client, is to be forgotten."""
        unknown = []
        for node, count in directory.listed.items():
            self.listed[node] -= count
            if self.listed[node] <= 0:
                del self.listed[node]
            if not self.knows(node):
                unknown.append(self._take(node, count))
        await self._forget(unknown)
        if has(self.ops, "releasedir"):
            await self._call("releasedir", directory.fh)

    async def fsyncdir(self, inode: int, directory: _Directory, datasync: bool) -> None:
        await self._call("fsyncdir", directory.fh, datasync)

    # ---- extended attributes ------------------------------------------------------------------

    async def setxattr(self, inode: int, name: bytes, value: bytes, flags: int) -> None:
        if inode == libfb.ROOT and name == b"fuse_stacktrace":
            self.ops.stacktrace()
            return
        context = _context()
        if flags & (XattrFlags.CREATE | XattrFlags.REPLACE):
            await self._check_xattr(inode, name, flags, context)
        await self._call("setxattr", inode, name, value, context)

    async def _check_xattr(self, inode: int, name: bytes, flags: int, context: Any) -> None:
        """Handlers know no flags."""
        try:
            await self._call("getxattr", inode, name, context)
        except OSError as error:
            if error.errno != errno.ENODATA or flags & XattrFlags.REPLACE:
                raise
        else:
            if flags & XattrFlags.CREATE:
                raise FileExistsError(errno.EEXIST, "the attribute exists")

    async def getxattr(self, inode: int, name: bytes) -> Any:
        return await self._call("getxattr", inode, name, _context())

    async def listxattr(self, inode: int) -> Any:
        return await self._call("listxattr", inode, _context())

    async def removexattr(self, inode: int, name: bytes) -> None:
        await self._call("removexattr", inode, name, _context())
