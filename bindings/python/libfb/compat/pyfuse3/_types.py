# SPDX-License-Identifier: BSD-3-Clause
"""What handlers are given and return."""

from __future__ import annotations

import os
import stat
from pickle import PicklingError
from typing import Any, NoReturn

import libfb

#: Names that programs have in their annotations, or call.
FileHandleT = int
FileNameT = bytes
FlagT = int
InodeT = int
ModeT = int
XAttrNameT = bytes


class FUSEError(Exception):
    """An errno, for handlers to raise."""

    def __init__(self, errno: int) -> None:
        super().__init__(errno)
        self.errno = self.errno_ = errno

    def __str__(self) -> str:
        return os.strerror(self.errno)


class _Unpicklable:
    __slots__: tuple[str, ...] = ()

    def __getstate__(self) -> NoReturn:
        raise PicklingError(f"{type(self).__name__} can not be pickled")


class RequestContext(_Unpicklable):
    """Who asks: uid, gid, pid, umask."""

    __slots__ = ("gid", "pid", "uid", "umask")

    def __init__(self) -> None:
        self.uid = self.gid = self.pid = self.umask = 0

    @classmethod
    def of(cls, request: libfb.Request) -> RequestContext:
        self = cls()
        self.uid, self.gid, self.pid = request.uid, request.gid, request.pid
        self.umask = request.umask
        return self


class SetattrFields(_Unpicklable):
    """Which attributes `Operations.setattr` is to change."""

    __slots__ = ("update_atime", "update_ctime", "update_gid", "update_mode", "update_mtime",
                 "update_size", "update_uid")
    update_atime: bool
    update_ctime: bool
    update_gid: bool
    update_mode: bool
    update_mtime: bool
    update_size: bool
    update_uid: bool

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, False)


class _Record:
    """An object whose state is all its slots."""

    __slots__: tuple[str, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class EntryAttributes(_Record):
    """Attributes of an inode, as stat(2) has them, times in ns; and for how long the kernel may
    rely on them and on the name: attr_timeout and entry_timeout, in seconds. generation does
    nothing: libfb itself tells the lives of an inode apart."""

    __slots__ = ("attr_timeout", "entry_timeout", "generation", "st_atime_ns", "st_birthtime_ns",
                 "st_blksize", "st_blocks", "st_ctime_ns", "st_gid", "st_ino", "st_mode",
                 "st_mtime_ns", "st_nlink", "st_rdev", "st_size", "st_uid")

    def __init__(self) -> None:
        self.attr_timeout: float = 300
        self.entry_timeout: float = 300
        self.st_mode: int = stat.S_IFREG
        self.st_nlink: int = 1
        self.st_blksize: int = 4096
        self.generation = self.st_ino = self.st_uid = self.st_gid = 0
        self.st_rdev = self.st_size = self.st_blocks = 0
        self.st_atime_ns = self.st_mtime_ns = self.st_ctime_ns = self.st_birthtime_ns = 0

    def to_attr(self) -> libfb.Attr:
        """The same for libfb."""
        return libfb.Attr(
            st_mode=int(self.st_mode), st_size=int(self.st_size), st_ino=int(self.st_ino),
            st_nlink=int(self.st_nlink), st_uid=int(self.st_uid), st_gid=int(self.st_gid),
            st_rdev=int(self.st_rdev), st_blocks=int(self.st_blocks),
            st_blksize=int(self.st_blksize), st_atime_ns=int(self.st_atime_ns),
            st_mtime_ns=int(self.st_mtime_ns), st_ctime_ns=int(self.st_ctime_ns))

    def to_entry(self) -> libfb.Entry:
        """The same as the answer to a lookup. An inode of 0: there is no such name."""
        if self.st_ino == 0:
            return libfb.Entry(None, None, self.entry_timeout)
        return libfb.Entry(int(self.st_ino), self.to_attr(), self.entry_timeout, self.attr_timeout)


class FileInfo:
    """An open file: fh is what handlers are given. keep_cache: what the kernel has cached of the
    file is right. direct_io: it must not cache."""

    __slots__ = ("direct_io", "fh", "keep_cache", "nonseekable")

    def __init__(self, fh: int = 0, direct_io: bool = False, keep_cache: bool = True,
                 nonseekable: bool = False) -> None:
        self.fh = fh
        self.direct_io, self.keep_cache = direct_io, keep_cache
        self.nonseekable = nonseekable

    def to_opened(self) -> libfb.Opened:
        """The same for libfb."""
        return libfb.Opened(int(self.fh), direct_io=bool(self.direct_io),
                            keep_cache=bool(self.keep_cache), nonseekable=bool(self.nonseekable))


class StatvfsData(_Record):
    """Figures of the file system, as statvfs(3) has them."""

    __slots__ = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files",
                 "f_frsize", "f_namemax")

    def __init__(self) -> None:
        self.f_bsize = self.f_frsize = self.f_blocks = self.f_bfree = self.f_bavail = 0
        self.f_files = self.f_ffree = self.f_favail = self.f_namemax = 0


class ReaddirToken:
    """Collects the entries that a call of `Operations.readdir` reports."""

    __slots__ = ("entries", "next_id")

    def __init__(self) -> None:
        self.entries: list[tuple[bytes, libfb.Entry | libfb.Attr]] = []
        self.next_id = 0


def readdir_reply(token: ReaddirToken, name: bytes, attr: EntryAttributes, next_id: int) -> bool:
    """Report one entry of a directory. next_id: where a listing that goes on behind it starts; not
    0. Returns True: the entry counts as looked up, but for "." and "..", and more are welcome."""
    token.entries.append((name, attr.to_entry() if attr.st_ino else attr.to_attr()))
    token.next_id = next_id
    return True
