# SPDX-License-Identifier: BSD-3-Clause
"""Every operation of a PathFS: arguments, results, errors. The one place to read for writing
one.

A file system defines those that it has as methods of its class. These classes are for reading, and
for `check`, not to derive from: a method that is there is an operation that is served. Arguments
with a default may be left out by a method, from the end. Every result may be awaitable: `async
def` is chosen method by method (readdir may be an asynchronous generator too). Every method may
raise OSError (or a subclass without a number, such as FileNotFoundError) to answer with an errno,
and may return `PENDING` after `take()`. Anything else that is raised, and a result of a wrong
type, is a bug: it is logged and the caller gets EIO.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Iterable
from typing import Any, Protocol, TypeVar, Union

from ._results import Changes, Conn, Entry, FdRange, Lock, Opened, Pending, StatFS

_T = TypeVar("_T")

#: A result, now or later.
Answer = Union[_T, Awaitable[_T], Pending]


class AttrLike(Protocol):
    """What getattr may return: `Attr`, os.stat_result, or any object with st_mode and further st_*;
    times as st_mtime_ns. What it lacks is as `Attr` has it without that argument."""

    @property
    def st_mode(self) -> int:
        """File type and permissions."""


#: What read may return; memory with gaps is copied.
Data = Union[bytes, bytearray, memoryview, FdRange]
#: What readdir gives: a name, a name with its attributes, or an os.DirEntry.
DirItem = Union[str, bytes, tuple[Union[str, bytes], Union[AttrLike, Entry, None]],
                "os.DirEntry[str]", "os.DirEntry[bytes]"]
#: What ioctl may return: the call's result (None: 0), the data for the caller, or both.
IoctlResult = Union[None, int, bytes, tuple[Union[int, None], bytes]]


class PathOperations(Protocol):
    """The operations of a `PathFS`.

    path: absolute, without a slash at its end: "/", "/a/b" (bytes with names = "bytes"). None: the
    file is open but has no name any more; only methods that are given its handle fh see this, and
    in place of those that do not take fh the caller gets ESTALE. fh: what open, create or tmpfile
    (opendir) returned for the file; None where the client names no open file, and everywhere
    without such a method. All numbers are int, offsets and sizes bytes.
    """

    # ---- beginning and end ----

    def init(self, conn: Conn) -> None:
        """A client has come. conn.wanted and its sizes may be changed. Not async. What it raises
        refuses the client, and `mount` raises it."""

    def destroy(self) -> Answer[object]:
        """The client is gone; what it had open has been released. Once for each init. It has no
        `request()`."""

    # ---- attributes ----

    def getattr(self, path: str | None, fh: Any = None) -> Answer[AttrLike]:
        """The attributes of a file; the only operation that must be there. Called for each name
        that is looked up, too. path is None only with fh. Error: ENOENT."""

    def setattr(self, path: str | None, changes: Changes, fh: Any = None) -> Answer[AttrLike]:
        """Make all changes that are not None; return the attributes afterwards. Without it chmod,
        chown, truncate and utimens are called. Errors: EPERM, EACCES, EFBIG, ENOSPC, EINVAL."""

    def chmod(self, path: str | None, mode: int, fh: Any = None) -> Answer[object]:
        """Set the permissions. Only without setattr. Error: EPERM."""

    def chown(self, path: str | None, uid: int, gid: int, fh: Any = None) -> Answer[object]:
        """Set owner and group; -1: keep it. Only without setattr. Error: EPERM."""

    def truncate(self, path: str | None, size: int, fh: Any = None) -> Answer[object]:
        """Cut a file, or make it longer by zeros, to size bytes. Only without setattr. Errors:
        EFBIG, ENOSPC, EACCES."""

    def utimens(self, path: str | None, atime_ns: int | None, mtime_ns: int | None,
                fh: Any = None) -> Answer[object]:
        """Set the times of last access and change, ns since 1970; None: keep it. Only without
        setattr. Errors: EPERM, EACCES."""

    def access(self, path: str, mask: int) -> Answer[object]:
        """May the caller (`request()`) do this? mask: os.R_OK, W_OK, X_OK or os.F_OK. Not called
        with default_permissions, which mounts have unless told otherwise. Error: EACCES."""

    # ---- names ----

    def readlink(self, path: str) -> Answer[str | bytes]:
        """The target of a symbolic link: 1 to 4095 bytes."""

    def symlink(self, path: str, target: str) -> Answer[object]:
        """Make the symbolic link path, with this target (os.symlink() has them the other way
        round). The owner should be the caller's: `request()`. Errors as for mknod."""

    def mknod(self, path: str, mode: int, rdev: int = 0) -> Answer[object]:
        """Make a file of the type in mode, never a directory; the umask has been taken off.
        rdev: of a device, as os.makedev() makes it. Errors: EEXIST, ENOENT, ENOSPC, EACCES,
        EPERM."""

    def mkdir(self, path: str, mode: int = 0o777) -> Answer[object]:
        """Make a directory. As for mknod; EMLINK too."""

    def unlink(self, path: str) -> Answer[object]:
        """Remove a name, not of a directory. Open files live on. Errors: ENOENT, EISDIR, EPERM."""

    def rmdir(self, path: str) -> Answer[object]:
        """Remove an empty directory. Errors: ENOENT, ENOTDIR, ENOTEMPTY, EACCES, EPERM."""

    def rename(self, path: str, new_path: str, flags: int = 0) -> Answer[object]:
        """Move path to new_path, which is replaced if it exists. flags: `RenameFlags`; raise
        EINVAL for those that are not known. Callers who use flags get EINVAL from a method that
        does not take this argument. Errors: EEXIST, ENOTEMPTY, ENOENT, EISDIR, ENOTDIR."""

    def link(self, path: str | None, new_path: str, fh: Any = None) -> Answer[object]:
        """Give a file one more name. path is None, with fh, for a file of tmpfile. Errors: EEXIST,
        EMLINK, EPERM."""

    # ---- open files ----

    def open(self, path: str, flags: int = 0) -> Answer[Any | Opened]:
        """Open a file; return any object as its handle, or `Opened`. flags: os.O_RDONLY,
        O_APPEND, …, never O_CREAT. Without it opening succeeds, and fh is None. Errors: EACCES,
        EISDIR."""

    def create(self, path: str, mode: int = 0o666, flags: int = 0) -> Answer[Any | Opened]:
        """Make a file and open it. Without it the client calls mknod and open. As for these."""

    def tmpfile(self, path: str, mode: int = 0o666, flags: int = 0) -> Answer[Any | Opened]:
        """Make and open a file without a name in the directory path (O_TMPFILE). As for create."""

    def read(self, path: str | None, fh: Any, off: int, size: int) -> Answer[Data]:
        """At most size bytes from off; fewer mean the end of the file, more are a bug. Errors: EIO,
        EISDIR."""

    def write(self, path: str | None, fh: Any, off: int, data: bytes) -> Answer[int | None]:
        """Put data at off. Return how many bytes were written; None: all. Errors: ENOSPC, EFBIG,
        EIO."""

    def flush(self, path: str | None, fh: Any, lock_owner: int = 0) -> Answer[object]:
        """A descriptor is closed: report late errors. Called once for each duplicate. Errors: EIO,
        ENOSPC."""

    def release(self, path: str | None, fh: Any = None,
                flock_owner: int | None = None) -> Answer[object]:
        """The last descriptor is closed, exactly once for each open. flock_owner: whose locks of
        flock(2) end with it. Nobody sees its errors, and it has no `request()`."""

    def fsync(self, path: str | None, fh: Any = None, datasync: bool = False) -> Answer[object]:
        """Make data and, unless datasync, attributes durable. Error: EIO."""

    # ---- directories ----

    def opendir(self, path: str, flags: int = 0) -> Answer[Any | Opened]:
        """Open a directory; return any object as its handle. Without it opening succeeds, and fh is
        None. Errors: EACCES, ENOTDIR."""

    def readdir(self, path: str, fh: Any = None) -> Answer[Iterable[DirItem]]:
        """All names in a directory, as an iterable or (asynchronous) generator that runs once
        for each listing; "." and ".." are optional. With attributes the client need not ask for
        them one by one. Errors: EACCES, EIO."""

    def releasedir(self, path: str | None, fh: Any = None,
                   flock_owner: int | None = None) -> Answer[object]:
        """As release, for opendir."""

    def fsyncdir(self, path: str | None, fh: Any = None, datasync: bool = False) -> Answer[object]:
        """Make the names in a directory durable. Error: EIO."""

    # ---- the file system; extended attributes ----

    def statfs(self, path: str = "/") -> Answer[StatFS | os.statvfs_result]:
        """Sizes of the file system. Without it they are 0."""

    def syncfs(self, path: str = "/") -> Answer[object]:
        """Write out everything. Error: EIO."""

    def setxattr(self, path: str | None, name: str, value: bytes, flags: int = 0,
                 fh: Any = None) -> Answer[object]:
        """Set an extended attribute. flags: `XattrFlags`. Errors: EEXIST, ENODATA, ENOSPC."""

    def getxattr(self, path: str | None, name: str, fh: Any = None) -> Answer[bytes]:
        """The value of an extended attribute. Errors: ENODATA, EOPNOTSUPP."""

    def listxattr(self, path: str | None, fh: Any = None) -> Answer[Iterable[str | bytes]]:
        """The names of the extended attributes."""

    def removexattr(self, path: str | None, name: str, fh: Any = None) -> Answer[object]:
        """Remove an extended attribute. Errors: ENODATA, EOPNOTSUPP."""

    # ---- locks ----

    def getlk(self, path: str | None, fh: Any, owner: int, lock: Lock,
              flags: int = 0) -> Answer[Lock | None]:
        """A lock of another owner that would stop this one; None: there is none. flags:
        `LockFlags`."""

    def setlk(self, path: str | None, fh: Any, owner: int, lock: Lock,
              flags: int = 0) -> Answer[object]:
        """Set a lock, or remove it (type fcntl.F_UNLCK). With `LockFlags.WAIT` wait for it, best
        in a coroutine or after `take()`. The client's kernel keeps the locks unless getlk is
        there too; those of flock(2) it keeps unless init sets `InitFlags.FLOCK_LOCKS`. Errors:
        EAGAIN, EINTR, EDEADLK."""

    # ---- ranges and devices ----

    def fallocate(self, path: str | None, fh: Any, mode: int, off: int,
                  length: int) -> Answer[object]:
        """Reserve or free a range. mode: FALLOC_FL_* of fallocate(2). Errors: ENOSPC,
        EOPNOTSUPP."""

    def lseek(self, path: str | None, fh: Any, off: int, whence: int) -> Answer[int]:
        """The offset of the next data or hole from off on. whence: os.SEEK_DATA or os.SEEK_HOLE.
        Error: ENXIO, when off is not in the file."""

    def copy_file_range(self, path: str | None, fh: Any, new_path: str | None, new_fh: Any,
                        off: int, new_off: int, length: int, flags: int = 0) -> Answer[int]:
        """Copy length bytes between two open files; return how many were. Errors: EXDEV, EOPNOTSUPP
        (the client then copies by itself), ENOSPC."""

    def ioctl(self, path: str | None, fh: Any, cmd: int, arg: int = 0, data: bytes = b"",
              out_size: int = 0, flags: int = 0) -> Answer[IoctlResult]:
        """A device command: data comes from the caller, at most out_size bytes go back. arg: the
        third argument, never a pointer to follow. flags: `IoctlFlags`. Error: ENOTTY."""

    def poll(self, path: str | None, fh: Any, events: int, kh: int | None = None) -> Answer[int]:
        """Which of the events (select.POLLIN, …) are there. kh: to be woken later, by
        `Mount.poll_ready`; None: nobody waits."""

    def bmap(self, path: str, block: int, blocksize: int) -> Answer[int]:
        """Where a block of the file lies on the device, in units of blocksize bytes."""
