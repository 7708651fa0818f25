# SPDX-License-Identifier: BSD-3-Clause
"""Every operation of a NodeFS; libfb/_protocols.py says what both layers have in common."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Protocol

from ._protocols import Answer, AttrLike, Data, DirItem, IoctlResult
from ._results import Changes, Conn, Entry, Lock, Opened, StatFS, Statx


class NodeOperations(Protocol):
    """The operations of a `NodeFS`: those of `PathOperations`, with a node in place of a path.

    node, parent: an object that an `Entry` named, or the root. name: one component, never "." or
    ".." (bytes with names = "bytes"). What makes a name returns an `Entry`. Where `PathOperations`
    has an fh for files without a name, it is None here, as a node needs no name. A `Passthrough`
    has them too: nodes and handles are numbers there.
    """

    # ---- beginning and end ----

    def init(self, conn: Conn) -> None:
        """As `PathOperations.init`."""

    def destroy(self) -> Answer[object]:
        """As `PathOperations.destroy`. All nodes are forgotten, without forget."""

    # ---- nodes ----

    def lookup(self, parent: Any, name: str) -> Answer[Entry]:
        """Find a name in a directory; must be there. Error: ENOENT."""

    def forget(self, node: Any) -> Answer[object]:
        """The client does not know the node any more: once, when all that named it has been taken
        back. It has no `request()`."""

    # ---- attributes ----

    def getattr(self, node: Any, fh: Any = None) -> Answer[AttrLike]:
        """The attributes of a node; must be there. fh: where the client names an open file."""

    def statx(self, node: Any, fh: Any, flags: int = 0, mask: int = 0) -> Answer[Statx]:
        """Attributes with what stat(2) does not tell, as the time when the file was made. flags:
        AT_STATX_* of statx(2). mask: STATX_*, what is asked for. Without it getattr is asked."""

    def setattr(self, node: Any, changes: Changes, fh: Any = None) -> Answer[AttrLike]:
        """As `PathOperations.setattr`."""

    def chmod(self, node: Any, mode: int, fh: Any = None) -> Answer[object]:
        """As `PathOperations.chmod`."""

    def chown(self, node: Any, uid: int, gid: int, fh: Any = None) -> Answer[object]:
        """As `PathOperations.chown`."""

    def truncate(self, node: Any, size: int, fh: Any = None) -> Answer[object]:
        """As `PathOperations.truncate`."""

    def utimens(self, node: Any, atime_ns: int | None, mtime_ns: int | None,
                fh: Any = None) -> Answer[object]:
        """As `PathOperations.utimens`."""

    def access(self, node: Any, mask: int) -> Answer[object]:
        """As `PathOperations.access`."""

    # ---- names ----

    def readlink(self, node: Any) -> Answer[str | bytes]:
        """As `PathOperations.readlink`."""

    def symlink(self, parent: Any, name: str, target: str) -> Answer[Entry]:
        """Make a symbolic link to target. As `PathOperations.symlink`."""

    def mknod(self, parent: Any, name: str, mode: int, rdev: int = 0) -> Answer[Entry]:
        """Make a file that is no directory. As `PathOperations.mknod`."""

    def mkdir(self, parent: Any, name: str, mode: int = 0o777) -> Answer[Entry]:
        """Make a directory. As `PathOperations.mkdir`."""

    def unlink(self, parent: Any, name: str) -> Answer[object]:
        """As `PathOperations.unlink`. The node lives until forget."""

    def rmdir(self, parent: Any, name: str) -> Answer[object]:
        """As `PathOperations.rmdir`."""

    def rename(self, parent: Any, name: str, new_parent: Any, new_name: str,
               flags: int = 0) -> Answer[object]:
        """As `PathOperations.rename`."""

    def link(self, node: Any, new_parent: Any, new_name: str, fh: None = None) -> Answer[Entry]:
        """Give a node one more name: the entry's node is this one. As `PathOperations.link`."""

    # ---- open files ----

    def open(self, node: Any, flags: int = 0) -> Answer[Any | Opened]:
        """As `PathOperations.open`."""

    def create(self, parent: Any, name: str, mode: int = 0o666,
               flags: int = 0) -> Answer[tuple[Entry, Any | Opened]]:
        """Make a file and open it: its entry, and what open returns. As `PathOperations.create`."""

    def tmpfile(self, parent: Any, mode: int = 0o666,
                flags: int = 0) -> Answer[tuple[Entry, Any | Opened]]:
        """As create, for a file without a name (O_TMPFILE)."""

    def read(self, node: Any, fh: Any, off: int, size: int) -> Answer[Data]:
        """As `PathOperations.read`."""

    def write(self, node: Any, fh: Any, off: int, data: bytes) -> Answer[int | None]:
        """As `PathOperations.write`."""

    def flush(self, node: Any, fh: Any, lock_owner: int = 0) -> Answer[object]:
        """As `PathOperations.flush`."""

    def release(self, node: Any, fh: Any = None,
                flock_owner: int | None = None) -> Answer[object]:
        """As `PathOperations.release`."""

    def fsync(self, node: Any, fh: Any = None, datasync: bool = False) -> Answer[object]:
        """As `PathOperations.fsync`."""

    # ---- directories ----

    def opendir(self, node: Any, flags: int = 0) -> Answer[Any | Opened]:
        """As `PathOperations.opendir`."""

    def readdir(self, node: Any, fh: Any = None) -> Answer[Iterable[DirItem]]:
        """As `PathOperations.readdir`. (name, `Entry`) is a lookup of the name too; attributes
        without an entry are left out."""

    def releasedir(self, node: Any, fh: Any = None,
                   flock_owner: int | None = None) -> Answer[object]:
        """As `PathOperations.releasedir`."""

    def fsyncdir(self, node: Any, fh: Any = None, datasync: bool = False) -> Answer[object]:
        """As `PathOperations.fsyncdir`."""

    # ---- the file system; extended attributes ----

    def statfs(self, node: Any = None) -> Answer[StatFS | os.statvfs_result]:
        """As `PathOperations.statfs`."""

    def syncfs(self, node: Any = None) -> Answer[object]:
        """As `PathOperations.syncfs`."""

    def setxattr(self, node: Any, name: str, value: bytes, flags: int = 0,
                 fh: None = None) -> Answer[object]:
        """As `PathOperations.setxattr`."""

    def getxattr(self, node: Any, name: str, fh: None = None) -> Answer[bytes]:
        """As `PathOperations.getxattr`."""

    def listxattr(self, node: Any, fh: None = None) -> Answer[Iterable[str | bytes]]:
        """As `PathOperations.listxattr`."""

    def removexattr(self, node: Any, name: str, fh: None = None) -> Answer[object]:
        """As `PathOperations.removexattr`."""

    # ---- locks ----

    def getlk(self, node: Any, fh: Any, owner: int, lock: Lock,
              flags: int = 0) -> Answer[Lock | None]:
        """As `PathOperations.getlk`."""

    def setlk(self, node: Any, fh: Any, owner: int, lock: Lock,
              flags: int = 0) -> Answer[object]:
        """As `PathOperations.setlk`."""

    # ---- ranges and devices ----

    def fallocate(self, node: Any, fh: Any, mode: int, off: int, length: int) -> Answer[object]:
        """As `PathOperations.fallocate`."""

    def lseek(self, node: Any, fh: Any, off: int, whence: int) -> Answer[int]:
        """As `PathOperations.lseek`."""

    def copy_file_range(self, node: Any, fh: Any, new_node: Any, new_fh: Any, off: int,
                        new_off: int, length: int, flags: int = 0) -> Answer[int]:
        """As `PathOperations.copy_file_range`."""

    def ioctl(self, node: Any, fh: Any, cmd: int, arg: int = 0, data: bytes = b"",
              out_size: int = 0, flags: int = 0) -> Answer[IoctlResult]:
        """As `PathOperations.ioctl`."""

    def poll(self, node: Any, fh: Any, events: int, kh: int | None = None) -> Answer[int]:
        """As `PathOperations.poll`."""

    def bmap(self, node: Any, block: int, blocksize: int) -> Answer[int]:
        """As `PathOperations.bmap`."""

    # ---- a virtual machine's window of memory (DAX) ----

    def setupmapping(self, node: Any, fh: Any, off: int, length: int, window_off: int,
                     flags: int) -> Answer[object]:
        """Map length bytes of a file from off on into the window at window_off. flags: 1 to write, 2
        to read. Error: EINVAL."""

    def removemapping(self, node: Any, ranges: list[tuple[int, int]]) -> Answer[object]:
        """Undo mappings: (offset in the window, length) of each. Error: EINVAL."""
