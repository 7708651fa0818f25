# SPDX-License-Identifier: BSD-3-Clause
"""A dictionary as a file system."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from . import _tree_sources
from ._binding import fbc, swig
from ._flags import RenameFlags
from ._fs import PathFS
from ._overlay import Overlay, check_name, is_within, moved
from ._results import Opened, StatFS
from ._tree_values import content_bytes, is_directory, size_of, split, standard_attr

_WRITING = os.O_WRONLY | os.O_RDWR


def _error(number: int, path: str | None) -> OSError:
    return OSError(number, os.strerror(number), path)


class _File:
    """A file's content while it is open; a bytearray while somebody writes."""

    def __init__(self, content: Any, origin: Any) -> None:
        self.content = content
        self.origin = origin  #: what the tree holds
        self.opened = self.writers = 0


class _Handle:
    """One open file."""

    def __init__(self, file: _File, flags: int) -> None:
        self.file = file
        self.writes = bool(flags & _WRITING)
        self.appends = bool(flags & os.O_APPEND)


class TreeFS(PathFS):
    """A dict as a file system: TreeFS({"a": b"…", "dir": {"b": "text"}, "now": time.ctime}).

    tree: names to values. A value is
    * bytes, bytearray, memoryview or str (UTF-8): a file;
    * dict or another Mapping: a directory;
    * a callable: a file whose content (bytes or str) it makes, without arguments, at each open. Its
      size is not known before, so that stat tells 0. An OSError of it fails the open;
    * any os.PathLike: a symbolic link with this target. For what a file of the host holds, give
      its method: Path("/etc/hosts").read_bytes;
    * an Attr: something without content: a device, a named pipe, an empty file or directory;
    * (Attr, value): mode, owner and times of the Attr. Its size counts for a callable only, which
      has to make so many bytes then; (libfb.Symlink(), "target") is a link.

    The dict may change at any time, and that is seen at once: clients remember nothing. A file
    that is open keeps its content, unless that is a bytearray. A value that was replaced has a
    new mtime; else times are those of the Attr, or when the TreeFS was made.

    writable: changes go into the dict: written files as bytes, made directories as dicts (which all
    directories of the tree should be then). While a file is open for writing its value is a
    bytearray. Modes, owners and times that are set are remembered as long as this object lives, and
    are not in the dict. Without writable all changes get EROFS.
    """

    entry_timeout = 0.0
    attr_timeout = 0.0

    def __init__(self, tree: Mapping[str, Any], *, writable: bool = False) -> None:
        if not isinstance(tree, Mapping):
            raise TypeError(f"a tree is a dict, not {type(tree).__name__}")
        self.tree = tree
        self.writable = writable
        self._born = time.time_ns()
        self._files: dict[str, _File] = {}
        self._seen: dict[str, tuple[Any, int]] = {}  #: content and since when
        self._overlay = Overlay()
        self._lock = threading.RLock()

    @classmethod
    def from_zip(cls, file: Any) -> TreeFS:
        """What an archive holds: a path, binary file or zipfile.ZipFile, kept open. Members are
        unpacked when they are opened. To be part of a larger tree: TreeFS.from_zip(file).tree.
        Raises zipfile.BadZipFile, OSError."""
        return cls(_tree_sources.zip_tree(file))

    @classmethod
    def from_traversable(cls, top: Any) -> TreeFS:
        """What lies below an importlib.resources.abc.Traversable that is a directory, such as
        importlib.resources.files(package), zipfile.Path or pathlib.Path. Raises
        NotADirectoryError."""
        return cls(_tree_sources.TraversableTree(top))

    # ---- finding ----

    def _find(self, path: str) -> Any:
        """The value of a path."""
        value: Any = self.tree
        for name in path.split("/")[1:] if path != "/" else ():
            _, content = split(value)
            if not is_directory(content):
                raise _error(errno.ENOTDIR, path)
            try:
                value = content[name]
            except KeyError:
                self._seen.pop(path, None)
                raise _error(errno.ENOENT, path) from None
        return value

    def _content(self, path: str) -> Any:
        return split(self._find(path))[1]

    def _parent(self, path: str) -> tuple[MutableMapping[str, Any], str]:
        """The directory of a name that is to be changed, and the name."""
        self._modify(path)
        above, _, name = path.rpartition("/")
        content = self._content(above or "/")
        if not is_directory(content):
            raise _error(errno.ENOTDIR, path)
        if not isinstance(content, MutableMapping):
            raise _error(errno.EACCES, path)
        check_name(path)
        return content, name

    def _modify(self, path: str | None) -> None:
        if not self.writable:
            raise _error(errno.EROFS, path)

    def _since(self, path: str, content: Any) -> int:
        """When this content was put there, as far as we have seen."""
        known = self._seen.get(path)
        if known is None or known[0] is not content:
            known = (content, self._born if known is None else time.time_ns())
            self._seen[path] = known
        return known[1]

    def _attr(self, path: str, value: Any) -> fbc.Attr:
        given, content = split(value)
        since = self._since(path, content)
        attr = given or standard_attr(content, self.writable)
        times = {}
        if given is None or since != self._born:
            times = {name: since for name in ("atime_ns", "mtime_ns", "ctime_ns")}
        size = size_of(content, given)
        attr = attr.replace(size=size, blocks=(size + 511) // 512, **times)
        return self._overlay.apply(path, attr, since)

    # ---- reading ----

    def getattr(self, path: str | None, fh: Any = None) -> fbc.Attr:
        if path is None:
            return fbc.File(size=len(fh.file.content), nlink=0)
        return self._attr(path, self._find(path))

    def readdir(self, path: str, fh: Any = None) -> Iterator[tuple[str, fbc.Attr]]:
        content = self._content(path)
        if not is_directory(content):
            raise _error(errno.ENOTDIR, path)
        for name, value in list(content.items()):
            yield name, self._attr(f"{path.rstrip('/')}/{name}", value)

    def readlink(self, path: str) -> str | bytes:
        given, content = split(self._find(path))
        if isinstance(content, os.PathLike):
            target: str | bytes = os.fspath(content)
            return target
        if given is not None and stat.S_ISLNK(given.st_mode):
            return os.fsdecode(content)
        raise _error(errno.EINVAL, path)

    def open(self, path: str, flags: int) -> Any:
        writes = bool(flags & _WRITING)
        if writes:
            self._modify(path)
        given, content = split(self._find(path))
        if callable(content):
            if writes:
                raise _error(errno.EACCES, path)
            made = _Handle(_File(content_bytes(content()), None), flags)
            return Opened(made, direct_io=given is None or given.st_size == 0)
        with self._lock:
            file = self._files.get(path)
            if file is None or file.origin is not content:
                file = self._files[path] = _File(content_bytes(content), content)
            file.opened += 1
            if writes:
                self._begin_writing(path, file)
            return _Handle(file, flags)

    def read(self, path: str | None, fh: _Handle, off: int, size: int) -> Any:
        return bytes(fh.file.content[off:off + size])

    def release(self, path: str | None, fh: _Handle) -> None:
        with self._lock:
            file = fh.file
            file.opened -= 1
            file.writers -= fh.writes
            if path is None or self._files.get(path) is not file:
                return
            if fh.writes and not file.writers:
                self._put(path, file, bytes(file.content))
            if file.opened == 0:
                del self._files[path]

    def statfs(self, path: str) -> StatFS:
        return StatFS()

    # ---- writing ----

    def _put(self, path: str, file: _File | None, content: Any) -> None:
        """Have the tree hold this content, which is the file's."""
        value = self._find(path)
        given, old = split(value)
        if file is not None:
            if old is not file.origin:
                return  # the program has put something else there
            file.content = file.origin = content
        parent, name = self._parent(path)
        parent[name] = content if given is None else (given, content)
        self._seen[path] = (content, self._since(path, old))

    def _begin_writing(self, path: str, file: _File) -> None:
        file.writers += 1
        if not isinstance(file.content, bytearray) or file.origin is not file.content:
            self._put(path, file, bytearray(file.content))

    def _changed(self, path: str | None, content: Any) -> None:
        if path is not None:
            self._seen[path] = (content, time.time_ns())

    def write(self, path: str | None, fh: _Handle, off: int, data: bytes) -> None:
        with self._lock:
            content = fh.file.content
            if fh.appends:
                off = len(content)
            if off > len(content):
                content.extend(bytes(off - len(content)))
            content[off:off + len(data)] = data
            self._changed(path, content)

    def truncate(self, path: str | None, size: int, fh: _Handle | None = None) -> None:
        self._modify(path)
        with self._lock:
            file = fh.file if fh is not None else self._files.get(path or "")
            if file is not None and isinstance(file.content, bytearray):
                content = file.content
                content[size:] = bytes(max(0, size - len(content)))
                self._changed(path, content)
                return
            assert path is not None
            old = self._content(path)
            if callable(old):
                raise _error(errno.EACCES, path)
            cut = content_bytes(old)[:size]
            self._put(path, file, cut + bytes(size - len(cut)))
            self._changed(path, self._content(path))

    def chmod(self, path: str | None, mode: int, fh: Any = None) -> None:
        self._set(path, mode=mode)

    def chown(self, path: str | None, uid: int, gid: int, fh: Any = None) -> None:
        self._set(path, uid=None if uid == -1 else uid, gid=None if gid == -1 else gid)

    def utimens(self, path: str | None, atime_ns: int | None, mtime_ns: int | None,
                fh: Any = None) -> None:
        self._set(path, atime_ns=atime_ns, mtime_ns=mtime_ns)

    def _set(self, path: str | None, **fields: int | None) -> None:
        self._modify(path)
        if path is not None:
            mark = self._since(path, self._content(path))
            self._overlay.set(path, mark, **fields)

    def _make(self, path: str, value: Any, mode: int) -> None:
        """A new name."""
        parent, name = self._parent(path)
        if name in parent:
            raise _error(errno.EEXIST, path)
        parent[name] = value
        who = swig.request_current()
        self._overlay.drop(path)
        self._changed(path, split(value)[1])
        self._overlay.set(path, mode=stat.S_IMODE(mode), uid=who.uid, gid=who.gid)

    def mkdir(self, path: str, mode: int) -> None:
        self._make(path, {}, mode)

    def mknod(self, path: str, mode: int, rdev: int) -> None:
        regular = stat.S_IFMT(mode) in (0, stat.S_IFREG)
        self._make(path, b"" if regular else fbc.Attr(mode=mode, rdev=rdev), mode)

    def symlink(self, path: str, target: str) -> None:
        self._make(path, (fbc.Symlink(), target), 0o777)

    def create(self, path: str, mode: int, flags: int) -> Any:
        self._make(path, b"", mode)
        return self.open(path, flags)

    def _gone(self, path: str) -> None:
        with self._lock:
            for each in [each for each in self._files if is_within(each, path)]:
                del self._files[each]
            for each in [each for each in self._seen if is_within(each, path)]:
                del self._seen[each]
            self._overlay.drop(path)

    def unlink(self, path: str) -> None:
        parent, name = self._parent(path)
        if is_directory(self._content(path)):
            raise _error(errno.EISDIR, path)
        del parent[name]
        self._gone(path)

    def rmdir(self, path: str) -> None:
        parent, name = self._parent(path)
        content = self._content(path)
        if not is_directory(content):
            raise _error(errno.ENOTDIR, path)
        if content:
            raise _error(errno.ENOTEMPTY, path)
        del parent[name]
        self._gone(path)

    def rename(self, path: str, new: str, flags: int = 0) -> None:
        old_parent, old_name = self._parent(path)
        new_parent, new_name = self._parent(new)
        content = self._content(path)
        if flags & ~(RenameFlags.NOREPLACE | RenameFlags.EXCHANGE):
            raise _error(errno.EINVAL, path)
        if flags & RenameFlags.EXCHANGE:
            other = self._find(new)
            new_parent[new_name], old_parent[old_name] = old_parent[old_name], other
            self._exchange(path, new)
            return
        if new_name in new_parent:
            if flags & RenameFlags.NOREPLACE:
                raise _error(errno.EEXIST, new)
            self._check_replaced(is_directory(content), new)
        if path == new:
            return
        new_parent[new_name] = old_parent.pop(old_name)
        self._gone(new)
        self._move(path, new)

    def _check_replaced(self, by_directory: bool, path: str) -> None:
        content = self._content(path)
        if is_directory(content) != by_directory:
            raise _error(errno.ENOTDIR if by_directory else errno.EISDIR, path)
        if by_directory and content:
            raise _error(errno.ENOTEMPTY, path)

    def _move(self, path: str, new: str) -> None:
        """What is known of a name, and of all below it, goes to another name."""
        with self._lock:
            tables: tuple[dict[str, Any], ...] = (self._files, self._seen)
            for table in tables:
                for each in [each for each in table if is_within(each, path)]:
                    table[moved(each, path, new)] = table.pop(each)
            self._overlay.move(path, new)

    def _exchange(self, path: str, new: str) -> None:
        aside = "\0"  # no name that a path could have
        self._move(path, aside)
        self._move(new, path)
        self._move(aside, new)
