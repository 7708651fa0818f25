# SPDX-License-Identifier: BSD-3-Clause
"""What handlers return and are given, besides attributes. C takes these apart by position: the order of
the fields is that of bindings/python/results.c."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Final, NamedTuple, Protocol

from ._binding import swig
from ._flags import InitFlags


class HasFileno(Protocol):
    """A file, socket or the like."""

    def fileno(self) -> int: ...


class Pending(enum.Enum):
    """Type of `PENDING`."""

    PENDING = "the request was taken and is answered later"


#: A handler returns this when it has taken its request (`take()`).
PENDING: Final = Pending.PENDING


class Entry(NamedTuple):
    """What `NodeFS.lookup` and all that makes a name return.

    node: any hashable object; equal objects are one node. attr: its attributes. entry_timeout,
    attr_timeout: seconds for which the client may rely on name and attributes; None: as the mount says.

    `lookup` may return Entry(None, None, seconds): there is no such name, and the client may remember
    that. `getattr` and `setattr` of nodes may return one for the sake of its attr_timeout.
    """

    node: Any
    attr: Any
    entry_timeout: float | None = None
    attr_timeout: float | None = None


class _Opened(NamedTuple):
    handle: Any
    backing: int | HasFileno | None
    flags: int


class Opened(_Opened):
    """What `open` and `create` may return instead of a bare handle.

    handle: any object; given to read, write and release. backing: descriptor (or object with
    fileno()) of a regular file that holds the data: where the kernel can, reads, writes and mmap go to
    it and never come here. It is kept until release. direct_io: no page cache. keep_cache: what is
    cached from earlier opens is still right. nonseekable, stream: as a pipe. parallel_direct_writes:
    direct writes may overlap in time. no_flush: close(2) asks for no `flush`.
    """

    __slots__ = ()

    def __new__(cls, handle: Any = None, *, backing: int | HasFileno | None = None,
                direct_io: bool = False, keep_cache: bool = False, nonseekable: bool = False,
                stream: bool = False, no_flush: bool = False,
                parallel_direct_writes: bool = False, cache_dir: bool = False) -> Opened:
        flags = (swig.FOPEN_DIRECT_IO * direct_io
                 | swig.FOPEN_KEEP_CACHE * keep_cache
                 | swig.FOPEN_NONSEEKABLE * nonseekable
                 | swig.FOPEN_STREAM * stream
                 | swig.FOPEN_NOFLUSH * no_flush
                 | swig.FOPEN_PARALLEL_DIRECT_WRITES * parallel_direct_writes
                 | swig.FOPEN_CACHE_DIR * cache_dir)
        return super().__new__(cls, handle, backing, flags)


class FdRange(NamedTuple):
    """Bytes of a file, for `read` to return: they go to the client and never enter Python.

    fd: descriptor or object with fileno(). offset, length: bytes; what is more than was asked for is
    left out, what the file lacks makes the answer shorter.
    """

    fd: int | HasFileno
    offset: int
    length: int


class _Statx(NamedTuple):
    attr: Any
    btime_ns: int | None
    rest: tuple[int, int, int, int]


class Statx(_Statx):
    """What `NodeFS.statx` returns: attributes, and what stat(2) does not tell.

    btime_ns: when the file was made, ns since 1970; None: not known. attributes: STATX_ATTR_* bits, of
    which those in attributes_mask are known. dev: (major, minor) of the device.
    """

    __slots__ = ()

    def __new__(cls, attr: Any, btime_ns: int | None = None, *, attributes: int = 0,
                attributes_mask: int = 0, dev: tuple[int, int] = (0, 0)) -> Statx:
        return super().__new__(cls, attr, btime_ns, (attributes, attributes_mask, *dev))


class Lock(NamedTuple):
    """A lock on bytes start to end (inclusive). type: fcntl.F_RDLCK, F_WRLCK or F_UNLCK."""

    type: int
    start: int = 0
    end: int = 2**63 - 1
    pid: int = 0


class Changes(NamedTuple):
    """What `setattr` is to change; None: nothing. mode has permission bits only, no file type. Times
    are ns since 1970."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None
    ctime_ns: int | None = None
    valid: int = 0  #: FB_SETATTR_* bits as they came


@dataclasses.dataclass(slots=True)
class StatFS:
    """What `statfs` returns (or os.statvfs_result): sizes in units of f_frsize bytes."""

    f_bsize: int = 4096
    f_frsize: int = 4096
    f_blocks: int = 0
    f_bfree: int = 0
    f_bavail: int = 0
    f_files: int = 0
    f_ffree: int = 0
    f_namemax: int = 255


class Conn:
    """What client and server agree on, given to `init`, which may change wanted, max_write and the
    other sizes. offered, wanted: `InitFlags`. max_write, max_readahead: bytes. time_gran_ns: resolution
    of file times."""

    __slots__ = ("minor", "page_size", "offered", "wanted", "max_write", "max_readahead",
                 "time_gran_ns", "max_stack_depth", "default_permissions", "notifications")

    def __init__(self, minor: int, page_size: int, offered: int, wanted: int, max_write: int,
                 max_readahead: int, time_gran_ns: int, max_stack_depth: int,
                 default_permissions: bool, notifications: bool) -> None:
        self.minor = minor
        self.page_size = page_size
        self.offered = InitFlags(offered)
        self.wanted = InitFlags(wanted)
        self.max_write = max_write
        self.max_readahead = max_readahead
        self.time_gran_ns = time_gran_ns
        self.max_stack_depth = max_stack_depth
        self.default_permissions = default_permissions
        self.notifications = notifications


swig.register_known({
    "Entry": Entry, "Opened": Opened, "FdRange": FdRange, "Lock": Lock, "StatFS": StatFS, "Statx": Statx,
    "Changes": Changes, "Conn": Conn, "PENDING": PENDING,
})
