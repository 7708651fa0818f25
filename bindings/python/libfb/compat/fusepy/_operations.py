# SPDX-License-Identifier: BSD-3-Clause
"""What programs derive from."""

from __future__ import annotations

import errno
import functools
import logging
import os
import stat
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

ENOTSUP = errno.EOPNOTSUPP
#: What getxattr and removexattr raise for an attribute that there is not.
ENOATTR = errno.ENODATA

#: What readdir gives: names, or tuples (name, attributes or mode or None, offset).
ReadDirResult = Iterable[Any]
Method = TypeVar("Method", bound=Callable[..., Any])


class FuseOSError(OSError):
    """An errno as an exception, with its usual text."""

    def __init__(self, errno: int) -> None:
        super().__init__(errno, os.strerror(errno))


class Operations:
    """A file system by path: override what it can do. The methods here refuse what would change it
    (EROFS), and answer as an empty directory otherwise. A method that is None is one that the file
    system does not have.

    Every call comes as self(name of the operation, argument…), so that __call__ sees all of them.
    An attribute use_ns that is true makes times integers in ns, instead of floats in seconds.
    """

    bmap: Any = None
    lock: Any = None

    def __call__(self, op: str, *args: Any) -> Any:
        method = getattr(self, op, None)
        if method is None:
            raise FuseOSError(errno.EFAULT)
        return method(*args)

    def init(self, path: str) -> Any:
        """Called with "/" before all others."""

    def destroy(self, path: str) -> Any:
        """Called with "/" after all others."""

    def access(self, path: str, amode: int) -> Any:
        """Raise EACCES unless the caller may do what amode says (os.R_OK, …)."""
        return 0

    def getattr(self, path: str, fh: Any = None) -> Any:
        """Return a dict with keys st_mode, st_size, …; raise ENOENT where there is nothing."""
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        raise FuseOSError(errno.ENOENT)

    def readdir(self, path: str, fh: Any) -> Any:
        """Return names, or tuples (name, dict as from getattr or None, offset)."""
        return [".", ".."]

    def readlink(self, path: str) -> Any:
        """Return where the link leads."""
        raise FuseOSError(errno.ENOENT)

    def open(self, path: str, flags: Any) -> Any:
        """Return a file handle; with raw_fi flags is a `fuse_file_info`, whose fh is set."""
        return 0

    def opendir(self, path: str) -> Any:
        """Return a handle for readdir."""
        return 0

    def read(self, path: str, size: int, offset: int, fh: Any) -> Any:
        """Return at most size bytes."""
        raise FuseOSError(errno.EIO)

    def flush(self, path: str, fh: Any) -> Any:
        """A descriptor of the file is closed."""
        return 0

    def fsync(self, path: str, datasync: int, fh: Any) -> Any:
        """Make what was written permanent; with datasync not times and the like."""
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: Any) -> Any:
        """The same for a directory."""
        return 0

    def release(self, path: str, fh: Any) -> Any:
        """The open file is not used any more."""
        return 0

    def releasedir(self, path: str, fh: Any) -> Any:
        """The open directory is not used any more."""
        return 0

    def statfs(self, path: str) -> Any:
        """Return a dict with keys f_bsize, f_blocks, …"""
        return {}

    def listxattr(self, path: str) -> Any:
        """Return names of extended attributes."""
        return []

    def getxattr(self, path: str, name: str, position: int = 0) -> Any:
        """Return an extended attribute's bytes; raise `ENOATTR` where there is none."""
        raise FuseOSError(ENOTSUP)

    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> Any:
        """Set an extended attribute."""
        raise FuseOSError(ENOTSUP)

    def removexattr(self, path: str, name: str) -> Any:
        """Remove an extended attribute."""
        raise FuseOSError(ENOTSUP)

    def ioctl(self, path: str, cmd: int, arg: int, fip: Any, flags: int, data: Any) -> Any:
        """data: address of the caller's bytes, which are its answer too; or None."""
        raise FuseOSError(errno.ENOTTY)

    def utimens(self, path: str, times: Any = None) -> Any:
        """Set (time of access, of modification)."""
        return 0

    def create(self, path: str, mode: int, fi: Any = None) -> Any:
        """Make a file and open it for writing; as open."""
        raise FuseOSError(errno.EROFS)

    def write(self, path: str, data: bytes, offset: int, fh: Any) -> Any:
        """Return how many bytes were written."""
        raise FuseOSError(errno.EROFS)

    def truncate(self, path: str, length: int, fh: Any = None) -> Any:
        """Make it this long."""
        raise FuseOSError(errno.EROFS)

    def chmod(self, path: str, mode: int) -> Any:
        """Change permissions."""
        raise FuseOSError(errno.EROFS)

    def chown(self, path: str, uid: int, gid: int) -> Any:
        """Change owner and group; -1: leave it."""
        raise FuseOSError(errno.EROFS)

    def mkdir(self, path: str, mode: int) -> Any:
        """Make a directory."""
        raise FuseOSError(errno.EROFS)

    def mknod(self, path: str, mode: int, dev: int) -> Any:
        """Make a file of the type in mode."""
        raise FuseOSError(errno.EROFS)

    def symlink(self, target: str, source: str) -> Any:
        """Make target a symbolic link to source."""
        raise FuseOSError(errno.EROFS)

    def link(self, target: str, source: str) -> Any:
        """Make target another name of source."""
        raise FuseOSError(errno.EROFS)

    def rename(self, old: str, new: str) -> Any:
        """Rename, replacing what was there."""
        raise FuseOSError(errno.EROFS)

    def unlink(self, path: str) -> Any:
        """Remove the name of a file."""
        raise FuseOSError(errno.EROFS)

    def rmdir(self, path: str) -> Any:
        """Remove an empty directory."""
        raise FuseOSError(errno.EROFS)


class LoggingMixIn:
    """Log every call and its result, at level DEBUG. First of the bases."""

    log = logging.getLogger("fuse.log-mixin")

    def __call__(self, op: str, path: str, *args: Any) -> Any:
        self.log.debug("-> %s %s %r", op, path, args)
        result: object = "[exception]"
        try:
            result = getattr(self, op)(path, *args)
            return result
        except OSError as error:
            result = str(error)
            raise
        finally:
            self.log.debug("<- %s %r", op, result)


#: Methods above that do what libfb does for a file system without them, and without a call.
NEEDLESS = ("init", "destroy", "flush", "fsync", "fsyncdir", "release", "releasedir", "opendir",
            "getxattr", "setxattr", "removexattr", "ioctl")
_CALLS = (Operations.__call__, LoggingMixIn.__call__)


def has(operations: object, op: str) -> bool:
    """Whether a file system has an operation that is worth calling."""
    method = getattr(operations, op, None)
    if method is None:
        return False
    if getattr(type(operations), "__call__", None) not in _CALLS or op not in NEEDLESS:
        return True
    return getattr(method, "__func__", None) is not getattr(Operations, op)


def overrides(parent: type) -> Callable[[Method], Method]:
    """Decorator: say that a method is one of its parent's (mfusepy)."""

    def check(method: Method) -> Method:
        name = getattr(method, "__name__", "")
        if not hasattr(parent, name) and name not in ("init_with_config", "readdir_with_offset"):
            raise TypeError(f"{parent.__name__} has no {name}() to override")
        return method

    return check


def log_callback(method: Method) -> Method:
    """Decorator: log calls of a method as `LoggingMixIn` does (mfusepy)."""

    @functools.wraps(method)
    def logged(self: Any, *args: Any) -> Any:
        LoggingMixIn.log.debug("-> %s %r", method.__name__, args)
        result = method(self, *args)
        LoggingMixIn.log.debug("<- %s %r", method.__name__, result)
        return result

    return logged  # type: ignore[return-value]
