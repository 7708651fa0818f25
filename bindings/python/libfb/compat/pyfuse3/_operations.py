# SPDX-License-Identifier: BSD-3-Clause
"""What file systems derive from."""

from __future__ import annotations

import errno
import logging
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import Any

from ._types import EntryAttributes, FileInfo, FUSEError, ReaddirToken, RequestContext, StatvfsData

log = logging.getLogger("pyfuse3")


class Operations:
    """Handlers of requests about inodes, which are numbers of the file system's choice; the root is
    ROOT_INODE. They raise `FUSEError`. One that is not overridden is one that the file system does
    not have, and is answered for it.

    Each answer that names an inode, and each entry that readdir_reply() took, counts as one lookup;
    forget takes them back.
    """

    supports_dot_lookup = True
    enable_writeback_cache = False
    enable_acl = False

    def init(self) -> None:
        """Called before all handlers."""

    async def lookup(self, parent_inode: int, name: bytes, ctx: RequestContext) -> EntryAttributes:
        """Find a name. With st_ino 0, there is none, and the kernel remembers that."""
        raise FUSEError(errno.ENOSYS)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """Take lookups back: (inode, how many)."""

    async def getattr(self, inode: int, ctx: RequestContext) -> EntryAttributes:
        """Return attributes."""
        raise FUSEError(errno.ENOSYS)

    async def setattr(self, inode: int, attr: EntryAttributes, fields: Any, fh: int | None,
                      ctx: RequestContext) -> EntryAttributes:
        """Change those attributes that `SetattrFields` name; return them all."""
        raise FUSEError(errno.ENOSYS)

    async def readlink(self, inode: int, ctx: RequestContext) -> bytes:
        """Return where a symbolic link leads."""
        raise FUSEError(errno.ENOSYS)

    async def mknod(self, parent_inode: int, name: bytes, mode: int, rdev: int,
                    ctx: RequestContext) -> EntryAttributes:
        """Make a file of the type in mode."""
        raise FUSEError(errno.ENOSYS)

    async def mkdir(self, parent_inode: int, name: bytes, mode: int,
                    ctx: RequestContext) -> EntryAttributes:
        """Make a directory; mode says that it is one."""
        raise FUSEError(errno.ENOSYS)

    async def unlink(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove the name of a file, which lives on as long as lookups of it count."""
        raise FUSEError(errno.ENOSYS)

    async def rmdir(self, parent_inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove an empty directory."""
        raise FUSEError(errno.ENOSYS)

    async def symlink(self, parent_inode: int, name: bytes, target: bytes,
                      ctx: RequestContext) -> EntryAttributes:
        """Make a symbolic link."""
        raise FUSEError(errno.ENOSYS)

    async def rename(self, parent_inode_old: int, name_old: bytes, parent_inode_new: int,
                     name_new: bytes, flags: int, ctx: RequestContext) -> None:
        """flags: RENAME_EXCHANGE, RENAME_NOREPLACE or 0."""
        raise FUSEError(errno.ENOSYS)

    async def link(self, inode: int, new_parent_inode: int, new_name: bytes,
                   ctx: RequestContext) -> EntryAttributes:
        """Give an inode another name."""
        raise FUSEError(errno.ENOSYS)

    async def open(self, inode: int, flags: int, ctx: RequestContext) -> FileInfo:
        """Open a file. flags: of open(2), without those that make or truncate."""
        raise FUSEError(errno.ENOSYS)

    async def create(self, parent_inode: int, name: bytes, mode: int, flags: int,
                     ctx: RequestContext) -> tuple[FileInfo, EntryAttributes]:
        """Make a file and open it."""
        raise FUSEError(errno.ENOSYS)

    async def read(self, fh: int, off: int, size: int) -> bytes:
        """Return size bytes, less only at the end of the file."""
        raise FUSEError(errno.ENOSYS)

    async def write(self, fh: int, off: int, buf: bytes) -> int:
        """Return how many bytes were written."""
        raise FUSEError(errno.ENOSYS)

    async def flush(self, fh: int) -> None:
        """A descriptor of the file is closed."""
        raise FUSEError(errno.ENOSYS)

    async def release(self, fh: int) -> None:
        """The open file is not used any more."""
        raise FUSEError(errno.ENOSYS)

    async def fsync(self, fh: int, datasync: bool) -> None:
        """Make what was written permanent; with datasync not times and the like."""
        raise FUSEError(errno.ENOSYS)

    async def opendir(self, inode: int, ctx: RequestContext) -> int:
        """Return a handle for readdir."""
        raise FUSEError(errno.ENOSYS)

    async def readdir(self, fh: int, start_id: int, token: ReaddirToken) -> None:
        """Report entries by readdir_reply(), from the first one (0) or from where an earlier one
        said that it goes on."""
        raise FUSEError(errno.ENOSYS)

    async def releasedir(self, fh: int) -> None:
        """The open directory is not used any more."""
        raise FUSEError(errno.ENOSYS)

    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        """fsync of a directory."""
        raise FUSEError(errno.ENOSYS)

    async def statfs(self, ctx: RequestContext) -> StatvfsData:
        """Return the file system's figures."""
        raise FUSEError(errno.ENOSYS)

    async def setxattr(self, inode: int, name: bytes, value: bytes, ctx: RequestContext) -> None:
        """Set an extended attribute."""
        raise FUSEError(errno.ENOSYS)

    async def getxattr(self, inode: int, name: bytes, ctx: RequestContext) -> bytes:
        """Return an extended attribute; raise ENOATTR where there is none."""
        raise FUSEError(errno.ENOSYS)

    async def listxattr(self, inode: int, ctx: RequestContext) -> Sequence[bytes]:
        """Return names of extended attributes."""
        raise FUSEError(errno.ENOSYS)

    async def removexattr(self, inode: int, name: bytes, ctx: RequestContext) -> None:
        """Remove an extended attribute."""
        raise FUSEError(errno.ENOSYS)

    async def access(self, inode: int, mode: int, ctx: RequestContext) -> bool:
        """Whether the caller may do what mode says (os.R_OK, …)."""
        raise FUSEError(errno.ENOSYS)

    def stacktrace(self) -> None:
        """Log what all threads are doing: when somebody sets the attribute fuse_stacktrace of the
        root."""
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            log.error("thread %s:\n%s", names.get(ident, ident),
                      "".join(traceback.format_stack(frame)))


def has(ops: object, op: str) -> bool:
    """Whether a file system has a handler of its own."""
    method = getattr(ops, op, None)
    return method is not None and getattr(method, "__func__", None) is not getattr(Operations, op)
