# SPDX-License-Identifier: BSD-3-Clause
"""Attributes, extended attributes and sizes, by path."""
from __future__ import annotations

import errno
import os

from . import wire
from .attributes import Stat, StatFS, Time, read_stat, read_statfs, time_fields
from .names import Names
from .tree import Path, failure
from .wire import Feature, Op, SetAttr

XATTR_ROOM = (64 << 10) + 4096


class Nodes(Names):
    """The part of a client that reads and changes what belongs to a node."""

    def get_attributes(self, node: int, fh: int | None = None) -> Stat:
        """GETATTR of a node, by an open file when fh is given."""
        flags = 0 if fh is None else wire.GETATTR_FH
        body = wire.pack("getattr_in", getattr_flags=flags, fh=fh or 0)
        return read_stat(wire.unpack("attr_out", self.ask(Op.GETATTR, node, body)))

    def set_attributes(
        self, node: int, valid: SetAttr, fh: int | None = None, **fields: int
    ) -> Stat:
        """SETATTR of those fields that valid names; returns the attributes afterwards."""
        if valid & SetAttr.SIZE and self.restrained():
            valid |= SetAttr.KILL_SUIDGID
        if fh is not None:
            valid, fields = valid | SetAttr.FH, {**fields, "fh": fh}
        body = wire.pack("setattr_in", valid=int(valid), **fields)
        return read_stat(wire.unpack("attr_out", self.ask(Op.SETATTR, node, body)))

    def stat(self, path: Path) -> Stat:
        """Attributes of what a path leads to."""
        return self.get_attributes(self.find(path).node)

    def lstat(self, path: Path) -> Stat:
        """As stat(), of a symbolic link itself."""
        return self.get_attributes(self.find(path, follow=False).node)

    def exists(self, path: Path) -> bool:
        """Whether stat() finds something; errors other than ENOENT and ENOTDIR are raised."""
        try:
            self.find(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def truncate(self, path: Path, size: int) -> None:
        """Set a file's size in bytes."""
        self.set_attributes(self.find(path).node, SetAttr.SIZE, size=size)

    def chmod(self, path: Path, mode: int) -> None:
        """Set the permission bits; the type stays as it is."""
        entry = self.find(path)
        self.set_attributes(entry.node, SetAttr.MODE, mode=entry.kind | (mode & 0o7777))

    def chown(self, path: Path, uid: int, gid: int, *, follow_symlinks: bool = True) -> None:
        """Set owner and group; -1 leaves one as it is."""
        valid = SetAttr(0)
        fields = {}
        if uid != -1:
            valid, fields["uid"] = valid | SetAttr.UID, uid
        if gid != -1:
            valid, fields["gid"] = valid | SetAttr.GID, gid
        self.set_attributes(self.find(path, follow=follow_symlinks).node, valid, **fields)

    def utime(
        self,
        path: Path,
        *,
        ns: tuple[int | Time, int | Time] = (Time.NOW, Time.NOW),
        follow_symlinks: bool = True,
    ) -> None:
        """Set the times of access and change: nanoseconds since 1970, NOW or OMIT each."""
        access, change = time_fields("atime", ns[0]), time_fields("mtime", ns[1])
        node = self.find(path, follow=follow_symlinks).node
        if valid := access[0] | change[0]:
            self.set_attributes(node, valid, **access[1], **change[1])

    def access(self, path: Path, mode: int) -> bool:
        """Whether the caller may, as os.access(): False for EACCES, EPERM, EROFS and ETXTBSY."""
        node = self.find(path).node
        try:
            self.ask(Op.ACCESS, node, wire.pack("access_in", mask=mode))
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY):
                return False
            raise
        return True

    def statfs(self, path: Path = "/") -> StatFS:
        """Sizes of the file system that path is in."""
        return read_statfs(self.ask(Op.STATFS, self.find(path).node))

    def syncfs(self, path: Path = "/") -> None:
        """Have everything that was changed written out."""
        self.ask(Op.SYNCFS, self.find(path).node, wire.pack("syncfs_in"))

    # ---- extended attributes -----------------------------------------------------------------

    def getxattr(self, path: Path, name: str | bytes, *, follow_symlinks: bool = True) -> bytes:
        """The value of an extended attribute; ENODATA when there is none."""
        node = self.find(path, follow=follow_symlinks).node
        return self._value(Op.GETXATTR, node, os.fsencode(name) + b"\0")

    def listxattr(self, path: Path, *, follow_symlinks: bool = True) -> list[str]:
        """The names of all extended attributes."""
        names = self._value(Op.LISTXATTR, self.find(path, follow=follow_symlinks).node, b"")
        if names and not names.endswith(b"\0"):
            raise failure(errno.EIO, "a list of names does not end with NUL")
        return [os.fsdecode(name) for name in names.split(b"\0")[:-1]]

    def setxattr(
        self,
        path: Path,
        name: str | bytes,
        value: bytes,
        flags: int = 0,
        *,
        follow_symlinks: bool = True,
    ) -> None:
        """Set an extended attribute; flags are os.XATTR_CREATE and os.XATTR_REPLACE."""
        node = self.find(path, follow=follow_symlinks).node
        head = wire.pack("setxattr_in", size=len(value), flags=flags)
        if not self.connection.has(Feature.SETXATTR_EXT, unknown=True):
            head = head[:8]
        self.ask(Op.SETXATTR, node, head + os.fsencode(name) + b"\0" + value)

    def removexattr(
        self, path: Path, name: str | bytes, *, follow_symlinks: bool = True
    ) -> None:
        """Remove an extended attribute; ENODATA when there is none."""
        node = self.find(path, follow=follow_symlinks).node
        self.ask(Op.REMOVEXATTR, node, os.fsencode(name) + b"\0")

    def _value(self, op: Op, node: int, name: bytes) -> bytes:
        """Ask for the length, then for the bytes, as getfattr(1) does."""
        answer = self.ask(op, node, wire.pack("getxattr_in", size=0) + name)
        size = wire.unpack("getxattr_out", answer)["size"]
        if size == 0:
            return b""
        return self.ask(op, node, wire.pack("getxattr_in", size=size) + name, room=XATTR_ROOM)
