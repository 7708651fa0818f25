# SPDX-License-Identifier: BSD-3-Clause
"""Making, removing and moving names. What a kernel checks before it asks is checked here too."""
from __future__ import annotations

import errno
import os
import stat as modes

from . import wire
from .attributes import pack_device, read_stat
from .tree import Entry, Path, Tree, failure
from .wire import Feature, Op

NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4


class Names(Tree):
    """The part of a client that changes directories. Methods raise OSError as those of os."""

    def masked(self, mode: int) -> int:
        """A mode as it is sent: with the umask off, unless the server wants to do that."""
        if self.connection.has(Feature.DONT_MASK):
            return mode
        return mode & ~self.caller.umask

    def _vacant(self, path: Path) -> tuple[int, bytes]:
        """The place of a name that is to be made; FileExistsError when it is taken."""
        parent, name = self.place(path, errno.EEXIST)
        if self.seek(parent, name):
            raise failure(errno.EEXIST)
        return parent, name

    def _make(self, op: Op, parent: int, body: bytes) -> Entry:
        fields = wire.unpack("entry_out", self.ask(op, parent, body))
        return Entry(fields["nodeid"], read_stat(fields))

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        """Make a directory."""
        parent, name = self._vacant(path)
        body = wire.pack("mkdir_in", mode=self.masked(mode), umask=self.caller.umask)
        self._make(Op.MKDIR, parent, body + name + b"\0")

    def mknod(self, path: Path, mode: int = 0o600 | modes.S_IFREG, device: int = 0) -> None:
        """Make a file, pipe, socket or device; its type is in mode (none: a regular file)."""
        parent, name = self._vacant(path)
        self.make_node(parent, name, mode, device)

    def make_node(self, parent: int, name: bytes, mode: int, device: int = 0) -> Entry:
        """MKNOD in a directory that is known by its node."""
        body = wire.pack(
            "mknod_in",
            mode=self.masked(mode if modes.S_IFMT(mode) else mode | modes.S_IFREG),
            rdev=pack_device(device),
            umask=self.caller.umask,
        )
        return self._make(Op.MKNOD, parent, body + name + b"\0")

    def symlink(self, target: Path, path: Path) -> None:
        """Make path a symbolic link to target (in the order of os.symlink)."""
        parent, name = self._vacant(path)
        self._make(Op.SYMLINK, parent, name + b"\0" + os.fsencode(target) + b"\0")

    def readlink(self, path: str) -> str:
        """Where a symbolic link points to; EINVAL for anything else."""
        entry = self.find(path, follow=False)
        if entry.kind != modes.S_IFLNK:
            raise failure(errno.EINVAL)
        return os.fsdecode(self.read_link(entry.node))

    def link(self, path: Path, new: Path) -> None:
        """Give a file (the link itself where path is symbolic) one more name."""
        entry = self.find(path, follow=False)
        parent, name = self._vacant(new)
        if entry.kind == modes.S_IFDIR:
            raise failure(errno.EPERM)
        body = wire.pack("link_in", oldnodeid=entry.node)
        self._make(Op.LINK, parent, body + name + b"\0")

    def unlink(self, path: Path) -> None:
        """Remove a name that is not a directory's."""
        parent, name = self.place(path, errno.EISDIR)
        entry = self.lookup(parent, name)
        if entry.kind == modes.S_IFDIR:
            raise failure(errno.EISDIR)
        if os.fsencode(path).endswith(b"/"):
            raise failure(errno.ENOTDIR)
        self.ask(Op.UNLINK, parent, name + b"\0")
        self.let_go(entry)

    def rmdir(self, path: Path) -> None:
        """Remove an empty directory."""
        parent, name = self.place(path)
        entry = self.lookup(parent, name)
        if entry.kind != modes.S_IFDIR:
            raise failure(errno.ENOTDIR)
        self.ask(Op.RMDIR, parent, name + b"\0")
        self.let_go(entry)

    def rename(self, path: Path, new: Path, flags: int = 0) -> None:
        """Move a name; flags are NOREPLACE, EXCHANGE and WHITEOUT of renameat2(2)."""
        parent, name = self.place(path, errno.EBUSY)
        new_parent, new_name = self.place(new, errno.EBUSY)
        entry, target = self.lookup(parent, name), self.seek(new_parent, new_name)
        self._check_rename(entry, target, flags)
        if entry.node in self.line(new):
            raise failure(errno.EINVAL)
        if target and target.node in self.line(path):
            raise failure(errno.EINVAL if flags & EXCHANGE else errno.ENOTEMPTY)
        if target and target.node == entry.node:
            return
        names = name + b"\0" + new_name + b"\0"
        if flags:
            body = wire.pack("rename2_in", newdir=new_parent, flags=flags)
            self.ask(Op.RENAME2, parent, body + names)
        else:
            self.ask(Op.RENAME, parent, wire.pack("rename_in", newdir=new_parent) + names)
        if target and not flags & EXCHANGE:
            self.let_go(target)

    def _check_rename(self, entry: Entry, target: Entry | None, flags: int) -> None:
        if flags & EXCHANGE and flags & (NOREPLACE | WHITEOUT):
            raise failure(errno.EINVAL)
        if flags & NOREPLACE and target:
            raise failure(errno.EEXIST)
        if flags & EXCHANGE:
            if not target:
                raise failure(errno.ENOENT)
            return
        if target and entry.kind == modes.S_IFDIR and target.kind != modes.S_IFDIR:
            raise failure(errno.ENOTDIR)
        if target and entry.kind != modes.S_IFDIR and target.kind == modes.S_IFDIR:
            raise failure(errno.EISDIR)
