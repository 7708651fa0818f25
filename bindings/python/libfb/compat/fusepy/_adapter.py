# SPDX-License-Identifier: BSD-3-Clause
"""A file system of fusepy's as one of libfb's."""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import stat
from typing import Any

from libfb import Attr, Changes, Conn, Opened, PathFS, StatFS

from .._options import Settings
from ._calls import Calls
from ._open_files import OpenFile, OpenFiles
from ._operations import has
from ._values import Values, statfs

#: Methods of `Adapter` that are there only if the file system has the operation.
_OPTIONAL = (
    "access", "bmap", "create", "destroy", "fallocate", "flush", "fsync", "fsyncdir", "getxattr",
    "ioctl", "link", "listxattr", "mkdir", "mknod", "opendir", "read", "readlink", "releasedir",
    "removexattr", "rename", "rmdir", "setxattr", "statfs", "symlink", "unlink", "write",
)
_hidden = itertools.count(1)


class fuse_file_info:
    """What a file system with raw_fi gets for an open file, and may set when it opens one: fh,
    direct_io, keep_cache, nonseekable. flags: of open(2)."""

    __slots__ = ("direct_io", "fh", "flags", "keep_cache", "lock_owner", "nonseekable", "writepage")

    def __init__(self, flags: int = 0) -> None:
        self.flags = flags
        self.fh: Any = 0
        self.direct_io = self.keep_cache = self.nonseekable = self.writepage = 0
        self.lock_owner = 0


class fuse_conn_info:
    """What init_with_config is told of the connection (mfusepy)."""

    def __init__(self, conn: Conn) -> None:
        self.proto_major, self.proto_minor = 7, conn.minor
        self.max_write, self.max_readahead = conn.max_write, conn.max_readahead
        self.capable = int(conn.offered)


class fuse_config:
    """What init_with_config may set (mfusepy): use_ino, hard_remove, kernel_cache, direct_io. Other
    attributes can be set, and do nothing."""

    nullpath_ok = False

    def __init__(self, settings: Settings) -> None:
        self.use_ino, self.hard_remove = settings.use_ino, settings.hard_remove
        self.kernel_cache, self.direct_io = settings.kernel_cache, settings.direct_io


class Adapter(PathFS):
    """Calls the operations of a file system as fusepy does.

    Files that are removed while they are open are renamed to ".fuse_hidden…" until they are closed,
    unless hard_remove is set.
    """

    def __init__(self, operations: Any, calls: Calls, values: Values, raw_fi: bool) -> None:
        self._operations, self._calls, self._values = operations, calls, values
        self._raw_fi = raw_fi
        self._files = OpenFiles()
        self._has_open = has(operations, "open")
        self._has_release = has(operations, "release")
        self._nullpath = bool(getattr(operations, "flag_nullpath_ok", False))
        self._list = "readdir_with_offset" if has(operations, "readdir_with_offset") else "readdir"
        for name in _OPTIONAL:
            if not has(operations, name):
                setattr(self, name, None)
        if not has(operations, self._list):
            self.readdir = None  # type: ignore[assignment]

    # ---- beginning and end --------------------------------------------------------------------

    def init(self, conn: Conn) -> None:
        settings = self._values.settings
        with_config = getattr(self._operations, "init_with_config", None)
        if with_config is not None:
            config = fuse_config(settings)
            with_config(fuse_conn_info(conn), config)
            self._nullpath = self._nullpath or bool(config.nullpath_ok)
            for name in ("use_ino", "hard_remove", "kernel_cache", "direct_io"):
                setattr(settings, name, bool(getattr(config, name)))
        elif has(self._operations, "init"):
            self._calls.get("init", "/")

    def destroy(self) -> None:
        self._calls.get("destroy", "/")

    # ---- what a call is about -----------------------------------------------------------------

    def _where(self, path: str | None, file: OpenFile | None) -> str | None:
        """The path under which the file system knows it. Raises ENOENT where that is none."""
        if path is None and file is not None:
            path = file.path
        if path is None and not self._nullpath:
            raise FileNotFoundError(errno.ENOENT, "the file has been removed")
        return path

    @staticmethod
    def _fh(file: OpenFile | None) -> Any:
        return None if file is None else file.fh

    # ---- attributes ---------------------------------------------------------------------------

    def getattr(self, path: str | None, file: OpenFile | None = None) -> Attr:
        given = self._calls.get("getattr", self._where(path, file), self._fh(file))
        return self._values.attr(given)

    def setattr(self, path: str | None, changes: Changes, file: OpenFile | None = None) -> Attr:
        where = self._where(path, file)
        if changes.size is not None:
            self._need("truncate", where, changes.size, *(() if file is None else (file.fh,)))
        if changes.uid is not None or changes.gid is not None:
            ids = (-1 if given is None else given for given in (changes.uid, changes.gid))
            self._need("chown", where, *ids)
        if changes.mode is not None:
            # With the type, as the kernel sends it and libfuse leaves it.
            given = self._calls.get("getattr", where, self._fh(file))
            self._need("chmod", where, changes.mode | stat.S_IFMT(given.get("st_mode", 0)))
        if changes.atime_ns is not None or changes.mtime_ns is not None:
            self._utimens(where, changes)
        return self.getattr(where, file)

    def _need(self, op: str, *args: Any) -> None:
        if not has(self._operations, op):
            raise PermissionError(errno.EPERM, f"the file system has no {op}()")
        self._calls.do(op, *args)

    def _utimens(self, where: str | None, changes: Changes) -> None:
        """fusepy knows no time that stays as it is: it is set to what it was."""
        given = {"st_atime": changes.atime_ns, "st_mtime": changes.mtime_ns}
        if None in given.values():
            before = self._calls.get("getattr", where, None)
        times = tuple(before.get(key, 0) if ns is None else self._values.time(ns)
                      for key, ns in given.items())
        self._need("utimens", where, times)

    def access(self, path: str, mode: int) -> None:
        self._calls.do("access", path, mode)

    def statfs(self, path: str) -> StatFS:
        return statfs(self._calls.get("statfs", path))

    # ---- names --------------------------------------------------------------------------------

    def readlink(self, path: str) -> Any:
        return self._calls.name(self._calls.get("readlink", path))

    def symlink(self, path: str, target: str) -> None:
        self._calls.do("symlink", path, target)

    def mknod(self, path: str, mode: int, rdev: int) -> None:
        self._calls.do("mknod", path, mode, rdev)

    def mkdir(self, path: str, mode: int) -> None:
        self._calls.do("mkdir", path, mode)

    def link(self, path: str, new_path: str) -> None:
        self._calls.do("link", new_path, path)

    def rmdir(self, path: str) -> None:
        self._calls.do("rmdir", path)

    def unlink(self, path: str) -> None:
        if self._keeps(path):
            self._hide(path)
            return
        self._calls.do("unlink", path)
        self._files.drop(path)

    def rename(self, old: str, new: str) -> None:
        if old != new and self._keeps(new):
            self._hide(new)
        self._calls.do("rename", old, new)
        self._files.drop(new)
        self._files.move(old, new)

    def _keeps(self, path: str) -> bool:
        """Whether a file that is about to lose its name must have another one."""
        return (not self._values.settings.hard_remove and self._files.at(path)
                and has(self._operations, "rename"))

    def _hide(self, path: str) -> None:
        hidden = f"{os.path.dirname(path).rstrip('/')}/.fuse_hidden{os.getpid():08x}"
        free = next(name for i in _hidden if not self._exists(name := f"{hidden}{i:08x}"))
        self._calls.do("rename", path, free)
        self._files.move(path, free, hide=True)

    def _exists(self, path: str) -> bool:
        try:
            self._calls.get("getattr", path, None)
        except OSError as error:
            return error.errno != errno.ENOENT
        return True

    # ---- open files ---------------------------------------------------------------------------

    def open(self, path: str, flags: int) -> Opened:
        return self._opened(path, "open" if self._has_open else "", flags, flags)

    def create(self, path: str, mode: int, flags: int) -> Opened:
        return self._opened(path, "create", flags, mode)

    def _opened(self, path: str, op: str, flags: int, argument: int) -> Opened:
        """Open by an operation that the file system has ("": none) and that takes one argument."""
        settings = self._values.settings
        info = fuse_file_info(flags)
        if self._raw_fi:
            arguments = (info,) if op == "open" else (argument, info)
            if op:
                self._calls.do(op, path, *arguments)
        elif op:
            info.fh = self._calls.get(op, path, argument)
        file = OpenFile(info if self._raw_fi else info.fh, path)
        self._files.add(file)
        return Opened(file, direct_io=bool(info.direct_io) or settings.direct_io,
                      keep_cache=bool(info.keep_cache) or settings.kernel_cache,
                      nonseekable=bool(info.nonseekable))

    def release(self, path: str | None, file: OpenFile) -> None:
        try:
            if self._has_release:
                where = file.path if path is None else path
                self._calls.do("release", where or (None if self._nullpath else "-"), file.fh)
        finally:
            hidden = self._files.remove(file)
            if hidden is not None:
                self._calls.do("unlink", hidden)

    def read(self, path: str | None, file: OpenFile, off: int, size: int) -> Any:
        data = self._calls.get("read", self._where(path, file), size, off, file.fh)
        return data or b""

    def write(self, path: str | None, file: OpenFile, off: int, data: bytes) -> int:
        return self._calls.do("write", self._where(path, file), data, off, file.fh)

    def flush(self, path: str | None, file: OpenFile) -> None:
        self._calls.do("flush", self._where(path, file), file.fh)

    def fsync(self, path: str | None, file: OpenFile, datasync: bool) -> None:
        self._calls.do("fsync", self._where(path, file), int(datasync), file.fh)

    def fallocate(self, path: str | None, file: OpenFile, mode: int, off: int, size: int) -> None:
        self._calls.do("fallocate", self._where(path, file), mode, off, size, file.fh)

    def ioctl(self, path: str | None, file: OpenFile | None, cmd: int, arg: int, data: bytes,
              out_size: int, flags: int) -> Any:
        size = max(len(data), out_size)
        memory = ctypes.create_string_buffer(data, size) if size else None
        address = ctypes.addressof(memory) if memory else None
        result = self._calls.do("ioctl", self._where(path, file), cmd, arg, self._fh(file), flags,
                                address)
        return result, memory.raw[:out_size] if memory else b""

    def bmap(self, path: str, block: int, blocksize: int) -> int:
        number = ctypes.c_uint64(block)
        self._calls.do("bmap", path, blocksize, ctypes.pointer(number))
        return number.value

    # ---- directories --------------------------------------------------------------------------

    def opendir(self, path: str) -> OpenFile:
        return OpenFile(self._calls.get("opendir", path), path)

    def readdir(self, path: str, directory: OpenFile | None) -> list[Any]:
        fh = 0 if directory is None else directory.fh
        arguments = (path, fh) if self._list == "readdir" else (path, 0, fh)
        listed = map(self._values.listed, self._calls.every(self._list, *arguments))
        return [self._calls.name(item) if isinstance(item, str) else item for item in listed]

    def releasedir(self, path: str | None, directory: OpenFile | None) -> None:
        self._calls.do("releasedir", *self._directory(path, directory))

    def fsyncdir(self, path: str | None, directory: OpenFile | None, datasync: bool) -> None:
        where, fh = self._directory(path, directory)
        self._calls.do("fsyncdir", where, int(datasync), fh)

    @staticmethod
    def _directory(path: str | None, directory: OpenFile | None) -> tuple[str | None, Any]:
        """(path, handle). A directory that has been removed keeps the path that it had."""
        if directory is None:
            return path, 0
        return directory.path if path is None else path, directory.fh

    # ---- extended attributes ------------------------------------------------------------------

    def listxattr(self, path: str | None, file: OpenFile | None) -> list[Any]:
        names = self._calls.get("listxattr", self._where(path, file))
        return list(map(self._calls.name, names or ()))

    def getxattr(self, path: str | None, name: str, file: OpenFile | None) -> Any:
        value = self._calls.get("getxattr", self._where(path, file), name)
        return value.encode() if isinstance(value, str) else value

    def setxattr(self, path: str | None, name: str, value: bytes, flags: int,
                 file: OpenFile | None) -> None:
        self._calls.do("setxattr", self._where(path, file), name, value, flags)

    def removexattr(self, path: str | None, name: str, file: OpenFile | None) -> None:
        self._calls.do("removexattr", self._where(path, file), name)
