# SPDX-License-Identifier: BSD-3-Clause
"""An fsspec file system as a file system of libfb's."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Iterator
from typing import Any

from .._binding import fbc, swig
from .._flags import InitFlags, RenameFlags
from .._fs import PathFS
from .._overlay import Overlay, check_name, is_within, moved
from .._results import Changes, Conn, Opened, StatFS
from .blocks import Blocks
from .content import Content
from .errors import failure
from .info import Info
from .names import Names
from .places import LocalPlace, find_place

log = logging.getLogger("libfb.fsspec")

_WRITING = os.O_WRONLY | os.O_RDWR
#: What statfs tells of a place that can be written, as nobody knows: 1 PiB.
_BLOCKS = 1 << 38


class _Handle:
    """One open file."""

    def __init__(self, content: Content, flags: int) -> None:
        self.content = content
        self.writes = bool(flags & _WRITING)
        self.appends = bool(flags & os.O_APPEND)


class FsspecFS(PathFS):
    """A directory that fsspec reaches, to mount or share: FsspecFS("s3://bucket/dir", anon=True).

    url: the directory; or a file system object of fsspec's, of which the root is taken.
    storage_options: for the constructor of fsspec's file system (user name, key, …).
    writable: without it every change gets EROFS. Places that can only be read (HTTP, archives)
    refuse it with ValueError.
    block_size, cache: bytes that are asked for at once when a file is read, and bytes of such
    blocks that are kept.
    attr_timeout: seconds for which listings and attributes are remembered, here and by the client;
    own changes count at once.
    timeout: seconds to wait for a server of HTTP or SFTP, then ETIMEDOUT.
    uid, gid: all files belong to them, whatever the place says.

    A file that is written is first fetched into a temporary file, unless it is emptied, and
    uploaded as a whole by close(2) and fsync(2), which return what fails. What a place has no
    room for (modes, owners, times that were set) is remembered as long as this object lives. A
    time that the place does not tell is when this object was made. Renaming may mean copying, and
    is not atomic then.

    Raises OSError when the place can not be reached, ImportError without the package that fsspec
    needs for it, ValueError for a protocol that nobody knows.
    """

    def __init__(self, url: Any, *, writable: bool = False, block_size: int = 1 << 20,
                 cache: int = 64 << 20, attr_timeout: float = 1.0, timeout: float = 30.0,
                 uid: int | None = None, gid: int | None = None, **storage_options: Any) -> None:
        if block_size < 1:
            raise ValueError("blocks have at least one byte")
        self.attr_timeout = self.entry_timeout = attr_timeout
        self.place = find_place(url, storage_options, timeout)
        self._connected = isinstance(url, (str, os.PathLike))
        if writable and not self.place.writes:
            raise ValueError(f"{type(self.place.fs).__name__} can only be read")
        self.writable = writable
        self._ids = {name: i for name, i in (("uid", uid), ("gid", gid)) if i is not None}
        self._born = time.time_ns()
        self._names = Names(self.place, attr_timeout)
        self._blocks = Blocks(block_size, cache)
        self._overlay = Overlay()
        self._contents: dict[str, Content] = {}
        self._marks: dict[str, object] = {}  #: of files whose pages a client may have
        self._lock = threading.RLock()

    def init(self, conn: Conn) -> None:
        """Look whether there is a directory; have O_TRUNC come with open."""
        conn.wanted |= conn.offered & InitFlags.ATOMIC_O_TRUNC
        try:
            info = self.place.info("/")
        except FileNotFoundError:
            if not (self.writable and self.place.forgets_directories):
                raise
        else:
            if not info.is_directory:
                raise failure(errno.ENOTDIR, self.place.root)

    def destroy(self) -> None:
        """Let connections of our own go; they are made again when this is served once more."""
        if self._connected:
            self.place.close()

    # ---- looking ----

    def _attr(self, path: str, info: Info, content: Content | None = None) -> fbc.Attr:
        mode = info.mode
        if mode is None:
            mode = 0o755 if info.is_directory else 0o644
            mode &= 0o777 if self.writable else 0o555
        changed = self._born if info.mtime_ns is None else info.mtime_ns
        fields: dict[str, Any] = {
            "size": info.size or 0, "mtime_ns": changed,
            "atime_ns": changed if info.atime_ns is None else info.atime_ns,
            "ctime_ns": changed if info.ctime_ns is None else info.ctime_ns,
        }
        ids = {"uid": info.uid, "gid": info.gid}
        fields.update((name, i) for name, i in ids.items() if i is not None)
        fields.update(self._ids)
        attr = fbc.Attr(mode=info.kind | mode, **fields)
        if not self.place.keeps_attributes:
            attr = self._overlay.apply(path, attr, info.mark)
        if content is not None and content.is_local:
            attr.st_size, attr.st_blocks = content.size, (content.size + 511) // 512
            if content.dirty and content.mtime_ns is not None:
                attr.st_mtime_ns = content.mtime_ns
        return attr

    def getattr(self, path: str | None, fh: Any = None) -> fbc.Attr:
        if path is None:
            content = fh.content
            changed = content.mtime_ns or self._born
            return fbc.File(size=content.size, nlink=0, mtime_ns=changed, ctime_ns=changed)
        return self._attr(path, self._names.info(path), self._contents.get(path))

    def readdir(self, path: str, fh: Any = None) -> Iterator[Any]:
        above = path.rstrip("/")
        for name, info in list(self._names.listing(path).items()):
            each = f"{above}/{name}"
            if info.size is None:
                yield name
            else:
                yield name, self._attr(each, info, self._contents.get(each))

    def readlink(self, path: str) -> str:
        return self.place.readlink(path)

    def statfs(self, path: str) -> Any:
        if isinstance(self.place, LocalPlace):
            return os.statvfs(self.place.root)
        blocks = _BLOCKS if self.writable else 0
        return StatFS(f_blocks=blocks, f_bfree=blocks, f_bavail=blocks)

    # ---- open files ----

    def _modify(self, path: str | None) -> None:
        if not self.writable:
            raise failure(errno.EROFS, path)

    def open(self, path: str, flags: int) -> Opened:
        if flags & (_WRITING | os.O_TRUNC):
            self._modify(path)
        info = self._names.info(path)
        if info.is_directory:
            raise failure(errno.EISDIR, path)
        with self._lock:
            content = self._contents.get(path)
            if content is None or (content.mark != info.mark and not content.dirty):
                content = self._contents[path] = Content(self.place, path, info, self._blocks)
            content.opened += 1
        handle = _Handle(content, flags)
        try:
            if flags & os.O_TRUNC:
                content.truncate(0)
        except BaseException:
            self.release(path, handle)
            raise
        known = info.is_settled() and self._marks.get(path) == info.mark
        self._marks[path] = info.mark
        return Opened(handle, direct_io=content.streams, keep_cache=known and not content.dirty,
                      no_flush=not handle.writes)

    def create(self, path: str, mode: int, flags: int) -> Opened:
        self._modify(path)
        check_name(path)
        if self._names.exists(path):
            if flags & os.O_EXCL:
                raise failure(errno.EEXIST, path)
        else:
            self._make_file(path, mode)
        return self.open(path, flags)

    def read(self, path: str | None, fh: _Handle, off: int, size: int) -> bytes:
        return fh.content.read(off, size)

    def write(self, path: str | None, fh: _Handle, off: int, data: bytes) -> None:
        fh.content.write(off, data, fh.appends)

    def _upload(self, content: Content) -> None:
        if not content.upload():
            return
        path = content.path
        if path is not None:
            self._names.changed(path)
            self._blocks.forget(path)
            self._overlay.forget_times(path)
            content.mark = self._names.info(path).mark

    def flush(self, path: str | None, fh: _Handle) -> None:
        if fh.writes:
            self._upload(fh.content)

    def fsync(self, path: str | None, fh: _Handle, datasync: bool) -> None:
        self._upload(fh.content)

    def syncfs(self, path: str) -> None:
        for content in list(self._contents.values()):
            self._upload(content)

    def release(self, path: str | None, fh: _Handle) -> None:
        content = fh.content
        if content.opened == 1:
            try:
                self._upload(content)
            except Exception as error:
                log.error("%s: what was written since the last fsync is lost: %s", path, error)
        with self._lock:
            content.opened -= 1
            if content.opened:
                return
            if content.path is not None and self._contents.get(content.path) is content:
                del self._contents[content.path]
        content.close()

    # ---- attributes ----

    def setattr(self, path: str | None, changes: Changes, fh: Any = None) -> fbc.Attr:
        self._modify(path)
        if changes.size is not None:
            self._truncate(path, changes.size, fh)
        if path is not None:
            keep = self._keep if self.place.keeps_attributes else self._remember
            keep(path, changes)
        return self.getattr(path, fh)

    def _truncate(self, path: str | None, size: int, fh: _Handle | None) -> None:
        if fh is not None:
            fh.content.truncate(size)
            return
        assert path is not None
        handle = self.open(path, os.O_WRONLY).handle
        try:
            handle.content.truncate(size)
            self._upload(handle.content)
        finally:
            self.release(path, handle)

    def _upload_before(self, path: str, changes: Changes) -> None:
        """Times of an upload that is still to come would replace those that are set now."""
        content = self._contents.get(path)
        if content is not None and (changes.atime_ns, changes.mtime_ns) != (None, None):
            self._upload(content)

    def _keep(self, path: str, changes: Changes) -> None:
        """Where the place has room for it."""
        self._upload_before(path, changes)
        uid, gid = (-1 if i is None else i for i in (changes.uid, changes.gid))
        if (uid, gid) != (-1, -1):
            self.place.chown(path, uid, gid)
        if changes.mode is not None:
            self.place.chmod(path, stat.S_IMODE(changes.mode))
        times = changes.atime_ns, changes.mtime_ns
        if times != (None, None):
            attr = self.getattr(path)
            old = attr.st_atime_ns, attr.st_mtime_ns
            self.place.utime(path, *(o if t is None else t for o, t in zip(old, times)))
        self._names.changed(path)

    def _remember(self, path: str, changes: Changes) -> None:
        self._upload_before(path, changes)
        self._overlay.set(
            path, self._names.info(path).mark, mode=changes.mode, uid=changes.uid,
            gid=changes.gid, atime_ns=changes.atime_ns, mtime_ns=changes.mtime_ns,
        )

    # ---- names ----

    def _new_name(self, path: str) -> None:
        self._modify(path)
        check_name(path)
        if self._names.exists(path):
            raise failure(errno.EEXIST, path)

    def _made(self, path: str, mode: int) -> None:
        """Something new belongs to the caller."""
        who = swig.request_current()
        self._overlay.drop(path)
        self._marks.pop(path, None)
        if isinstance(self.place, LocalPlace):
            if (who.uid, who.gid) != (os.geteuid(), os.getegid()):
                self.place.chown(path, who.uid, who.gid)
        elif not self.place.keeps_attributes:
            ids: dict[str, int | None] = {"uid": who.uid, "gid": who.gid}
            ids.update(dict.fromkeys(self._ids))
            self._overlay.set(path, mode=stat.S_IMODE(mode), **ids)
        self._names.changed(path)

    def _make_file(self, path: str, mode: int) -> None:
        self.place.create(path, stat.S_IMODE(mode))
        self._made(path, mode)

    def mknod(self, path: str, mode: int, rdev: int) -> None:
        self._new_name(path)
        if not stat.S_ISREG(mode):
            raise failure(errno.EPERM, path)
        self._make_file(path, mode)

    def mkdir(self, path: str, mode: int) -> None:
        self._new_name(path)
        self.place.mkdir(path, stat.S_IMODE(mode))
        self._made(path, mode)
        self._names.made_directory(path)

    def symlink(self, path: str, target: str) -> None:
        self._new_name(path)
        self.place.symlink(path, target)
        self._names.changed(path)
        if isinstance(self.place, LocalPlace):
            self._made(path, 0o777)

    def _have_all(self, path: str) -> Content | None:
        """What is open of a file that is about to be removed comes here first."""
        content = self._contents.get(path)
        if content is not None:
            with contextlib.suppress(OSError):
                content.fetch()
        return content

    def _forget(self, path: str, content: Content | None) -> None:
        """A name is gone."""
        self._overlay.drop(path)
        self._marks.pop(path, None)
        if content is not None:
            with self._lock:
                self._contents.pop(path, None)
            content.lose_name()
        self._blocks.forget(path)

    def unlink(self, path: str) -> None:
        self._modify(path)
        if self._names.info(path).is_directory:
            raise failure(errno.EISDIR, path)
        content = self._have_all(path)
        self.place.remove(path)
        self._forget(path, content)
        self._names.removed(path)

    def rmdir(self, path: str) -> None:
        self._modify(path)
        if not self._names.info(path).is_directory:
            raise failure(errno.ENOTDIR, path)
        self._check_empty(path)
        try:
            self.place.rmdir(path)
        except OSError:
            if not self._names.is_ours(path) or self._is_there(path):
                raise
        self._forget(path, None)
        self._names.removed(path)

    def _is_there(self, path: str) -> bool:
        try:
            self.place.info(path)
        except FileNotFoundError:
            return False
        return True

    def _check_empty(self, path: str) -> None:
        self._names.changed(path)
        if self._names.listing(path):
            raise failure(errno.ENOTEMPTY, path)

    def rename(self, path: str, new: str, flags: int = 0) -> None:
        self._modify(path)
        check_name(new)
        if flags & ~RenameFlags.NOREPLACE:
            raise failure(errno.EINVAL, path)
        directory = self._names.info(path).is_directory
        if path == new:
            return
        replaced = self._check_target(new, directory, bool(flags & RenameFlags.NOREPLACE))
        content = self._have_all(new)
        try:
            self.place.move(path, new, directory, replaced and not directory)
        except FileNotFoundError:
            if not directory or not self._names.is_ours(path) or self._is_there(path):
                raise
        self._forget(new, content)
        self._rename_known(path, new)

    def _check_target(self, new: str, directory: bool, keep: bool) -> bool:
        """Whether something has the new name, which makes way if it is an empty directory."""
        if not self._names.exists(new):
            return False
        if keep:
            raise failure(errno.EEXIST, new)
        if self._names.info(new).is_directory != directory:
            raise failure(errno.ENOTDIR if directory else errno.EISDIR, new)
        if directory:
            self.rmdir(new)
        return True

    def _rename_known(self, path: str, new: str) -> None:
        self._overlay.move(path, new)
        self._names.moved(path, new)
        with self._lock:
            for each in [each for each in self._contents if is_within(each, path)]:
                content = self._contents.pop(each)
                target = moved(each, path, new)
                self._contents[target] = content
                content.rename(target)
            for each in [each for each in self._marks if is_within(each, path)]:
                del self._marks[each]
        self._blocks.forget(path)
        self._blocks.forget(new)
