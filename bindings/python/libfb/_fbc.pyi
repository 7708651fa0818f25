# SPDX-License-Identifier: BSD-3-Clause
# The extension module, as far as it is written by hand: attr.c, request.c, handle.c. The rest of it
# is for _swig alone. All numbers must fit the field (OverflowError), times are ns since 1970.

from typing import ClassVar, TypeVar, final

_A = TypeVar("_A", bound=Attr)

class Attr:
    st_mode: int
    st_size: int
    st_ino: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_rdev: int
    st_blocks: int
    st_blksize: int
    st_atime_ns: int
    st_mtime_ns: int
    st_ctime_ns: int
    __hash__: ClassVar[None]  # type: ignore[assignment]
    def __new__(
        cls: type[_A],
        mode: int = ...,
        *,
        size: int = ...,
        ino: int = ...,
        nlink: int = ...,
        uid: int = ...,
        gid: int = ...,
        rdev: int = ...,
        blocks: int = ...,
        blksize: int = ...,
        atime_ns: int = ...,
        mtime_ns: int = ...,
        ctime_ns: int = ...,
        st_mode: int = ...,
        st_size: int = ...,
        st_ino: int = ...,
        st_nlink: int = ...,
        st_uid: int = ...,
        st_gid: int = ...,
        st_rdev: int = ...,
        st_blocks: int = ...,
        st_blksize: int = ...,
        st_atime_ns: int = ...,
        st_mtime_ns: int = ...,
        st_ctime_ns: int = ...,
    ) -> _A: ...
    def replace(
        self: _A,
        *,
        mode: int = ...,
        size: int = ...,
        ino: int = ...,
        nlink: int = ...,
        uid: int = ...,
        gid: int = ...,
        rdev: int = ...,
        blocks: int = ...,
        blksize: int = ...,
        atime_ns: int = ...,
        mtime_ns: int = ...,
        ctime_ns: int = ...,
        st_mode: int = ...,
        st_size: int = ...,
        st_ino: int = ...,
        st_nlink: int = ...,
        st_uid: int = ...,
        st_gid: int = ...,
        st_rdev: int = ...,
        st_blocks: int = ...,
        st_blksize: int = ...,
        st_atime_ns: int = ...,
        st_mtime_ns: int = ...,
        st_ctime_ns: int = ...,
    ) -> _A: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

def File(
    mode: int = ...,
    *,
    size: int = ...,
    ino: int = ...,
    nlink: int = ...,
    uid: int = ...,
    gid: int = ...,
    rdev: int = ...,
    blocks: int = ...,
    blksize: int = ...,
    atime_ns: int = ...,
    mtime_ns: int = ...,
    ctime_ns: int = ...,
    st_mode: int = ...,
    st_size: int = ...,
    st_ino: int = ...,
    st_nlink: int = ...,
    st_uid: int = ...,
    st_gid: int = ...,
    st_rdev: int = ...,
    st_blocks: int = ...,
    st_blksize: int = ...,
    st_atime_ns: int = ...,
    st_mtime_ns: int = ...,
    st_ctime_ns: int = ...,
) -> Attr: ...

def Dir(
    mode: int = ...,
    *,
    size: int = ...,
    ino: int = ...,
    nlink: int = ...,
    uid: int = ...,
    gid: int = ...,
    rdev: int = ...,
    blocks: int = ...,
    blksize: int = ...,
    atime_ns: int = ...,
    mtime_ns: int = ...,
    ctime_ns: int = ...,
    st_mode: int = ...,
    st_size: int = ...,
    st_ino: int = ...,
    st_nlink: int = ...,
    st_uid: int = ...,
    st_gid: int = ...,
    st_rdev: int = ...,
    st_blocks: int = ...,
    st_blksize: int = ...,
    st_atime_ns: int = ...,
    st_mtime_ns: int = ...,
    st_ctime_ns: int = ...,
) -> Attr: ...

def Symlink(
    mode: int = ...,
    *,
    size: int = ...,
    ino: int = ...,
    nlink: int = ...,
    uid: int = ...,
    gid: int = ...,
    rdev: int = ...,
    blocks: int = ...,
    blksize: int = ...,
    atime_ns: int = ...,
    mtime_ns: int = ...,
    ctime_ns: int = ...,
    st_mode: int = ...,
    st_size: int = ...,
    st_ino: int = ...,
    st_nlink: int = ...,
    st_uid: int = ...,
    st_gid: int = ...,
    st_rdev: int = ...,
    st_blocks: int = ...,
    st_blksize: int = ...,
    st_atime_ns: int = ...,
    st_mtime_ns: int = ...,
    st_ctime_ns: int = ...,
) -> Attr: ...

def Fifo(
    mode: int = ...,
    *,
    size: int = ...,
    ino: int = ...,
    nlink: int = ...,
    uid: int = ...,
    gid: int = ...,
    rdev: int = ...,
    blocks: int = ...,
    blksize: int = ...,
    atime_ns: int = ...,
    mtime_ns: int = ...,
    ctime_ns: int = ...,
    st_mode: int = ...,
    st_size: int = ...,
    st_ino: int = ...,
    st_nlink: int = ...,
    st_uid: int = ...,
    st_gid: int = ...,
    st_rdev: int = ...,
    st_blocks: int = ...,
    st_blksize: int = ...,
    st_atime_ns: int = ...,
    st_mtime_ns: int = ...,
    st_ctime_ns: int = ...,
) -> Attr: ...

def Socket(
    mode: int = ...,
    *,
    size: int = ...,
    ino: int = ...,
    nlink: int = ...,
    uid: int = ...,
    gid: int = ...,
    rdev: int = ...,
    blocks: int = ...,
    blksize: int = ...,
    atime_ns: int = ...,
    mtime_ns: int = ...,
    ctime_ns: int = ...,
    st_mode: int = ...,
    st_size: int = ...,
    st_ino: int = ...,
    st_nlink: int = ...,
    st_uid: int = ...,
    st_gid: int = ...,
    st_rdev: int = ...,
    st_blocks: int = ...,
    st_blksize: int = ...,
    st_atime_ns: int = ...,
    st_mtime_ns: int = ...,
    st_ctime_ns: int = ...,
) -> Attr: ...

def Device(
    mode: int = ...,
    *,
    size: int = ...,
    ino: int = ...,
    nlink: int = ...,
    uid: int = ...,
    gid: int = ...,
    rdev: int = ...,
    blocks: int = ...,
    blksize: int = ...,
    atime_ns: int = ...,
    mtime_ns: int = ...,
    ctime_ns: int = ...,
    st_mode: int = ...,
    st_size: int = ...,
    st_ino: int = ...,
    st_nlink: int = ...,
    st_uid: int = ...,
    st_gid: int = ...,
    st_rdev: int = ...,
    st_blocks: int = ...,
    st_blksize: int = ...,
    st_atime_ns: int = ...,
    st_mtime_ns: int = ...,
    st_ctime_ns: int = ...,
) -> Attr: ...

@final
class Request:
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def umask(self) -> int: ...
    @property
    def groups(self) -> tuple[int, ...]: ...
    @property
    def labels(self) -> list[tuple[str, bytes]]: ...
    @property
    def interrupted(self) -> bool: ...
    @property
    def open_flags(self) -> int: ...
    @property
    def lock_owner(self) -> int: ...
    @property
    def kill_suidgid(self) -> bool: ...
    @property
    def op(self) -> str: ...
    @property
    def alive(self) -> bool: ...
    def take(self) -> Request: ...
    def reply(self, result: object, /) -> None: ...
    def fail(self, error: int | BaseException | type[BaseException], /) -> None: ...
    def _wake(self, fd: int, /) -> None: ...

@final
class Handle: ...
