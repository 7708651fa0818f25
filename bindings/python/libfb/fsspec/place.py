# SPDX-License-Identifier: BSD-3-Clause
"""A directory of an fsspec file system: the calls that are made of it, whatever it is."""

from __future__ import annotations

import contextlib
import errno
import io
import shutil
import threading
from collections.abc import Iterator
from typing import IO, Any

from fsspec import AbstractFileSystem  # type: ignore[import]
from fsspec.archive import AbstractArchiveFileSystem  # type: ignore[import]
from fsspec.asyn import AsyncFileSystem  # type: ignore[import]

from .errors import failure, translated
from .info import Info, from_raw

PIECE = 1 << 20
_MAGIC = frozenset("*?[{")


class Reader:
    """Reads pieces of one file by an open file object, which is opened when it is first needed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._file: Any = None

    def read(self, path: str, start: int, end: int) -> bytes:
        """Bytes start to end. What is longer than asked for is the whole file."""
        with self._place.calling(path):
            try:
                if self._file is None:
                    self._file = self._place.open_reading(path)
                return self._piece(start, end)
            except BaseException:
                self.close()
                raise

    def _piece(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        pieces = []
        while start < end and (piece := self._file.read(end - start)):
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of what is open; another read opens it again."""
        file, self._file = self._file, None
        if file is not None:
            with self._place.lock, contextlib.suppress(Exception):
                file.close()


class RangeReader(Reader):
    """Reads pieces by calls of cat_file(), each of which is one request."""

    def read(self, path: str, start: int, end: int) -> bytes:
        with self._place.calling(path):
            data: bytes = self._place.fs.cat_file(self._place.full(path), start=start, end=end)
            return data


class Place:
    """Names are absolute paths below the root that a URL gave. All methods raise OSError; what is
    a bug is raised as it is."""

    writes = True  #: whether there is a way to write at all
    keeps_attributes = False  #: whether modes, owners, times and links are kept there
    forgets_directories = True  #: whether one may vanish with the last file in it
    lists_all = True  #: whether a listing tells all that there is to know
    reader: type[Reader] | None = None

    def __init__(self, fs: Any, root: str, timeout: float) -> None:
        self.fs = fs
        self.root = root
        self.timeout = timeout
        self._base = root.rstrip("/")
        self.lock: Any = contextlib.nullcontext()
        if isinstance(fs, AbstractArchiveFileSystem):  # one file object for all
            self.writes = False
            self.lock = threading.RLock()
        if self.reader is None:
            own_ranges = type(fs).cat_file is not AbstractFileSystem.cat_file
            ranges = own_ranges or isinstance(fs, AsyncFileSystem)
            self.reader = RangeReader if ranges else Reader

    def full(self, path: str) -> str:
        """What fsspec calls a path."""
        if path == "/":
            return self.root
        return self._base + path if self._base or self.fs.root_marker else path[1:]

    @contextlib.contextmanager
    def calling(self, path: str) -> Iterator[None]:
        """Around all that asks fsspec."""
        with self.lock, translated(path):
            yield

    def close(self) -> None:
        """Nobody needs it for now."""

    # ---- looking ----

    def describe(self, raw: dict[str, Any]) -> Info:
        """What a dictionary of fsspec's tells."""
        return from_raw(raw)

    def info(self, path: str) -> Info:
        """What is there now."""
        with self.calling(path):
            full = self.full(path)
            self.fs.invalidate_cache(full)
            return self.describe(self.fs.info(full))

    def listing(self, path: str) -> dict[str, Info]:
        """What is in a directory now."""
        with self.calling(path):
            full = self.full(path)
            self.fs.invalidate_cache(full)
            found = {}
            for raw in self.fs.ls(full, detail=True):
                whole = raw["name"].strip("/")
                name = whole.rpartition("/")[2]
                if name not in ("", ".", "..") and whole != full.strip("/"):
                    found[name] = self.describe(raw)
            return found

    def open_reading(self, path: str) -> Any:
        """A file object of all its bytes."""
        return self.fs.open(self.full(path), "rb")

    def readlink(self, path: str) -> str:
        raise failure(errno.EINVAL, path)

    # ---- changing ----

    def create(self, path: str, mode: int) -> None:
        """Make an empty file."""
        with self.calling(path):
            try:
                self.fs.pipe_file(self.full(path), b"")
            except NotImplementedError:
                self.upload(path, io.BytesIO())

    def upload(self, path: str, source: IO[bytes]) -> None:
        """Write the whole file: what source has from its position on."""
        with self.calling(path):
            with self.fs.open(self.full(path), "wb") as to:
                shutil.copyfileobj(source, to, PIECE)

    def remove(self, path: str) -> None:
        with self.calling(path):
            try:
                self.fs.rm_file(self.full(path))
            except NotImplementedError:
                if _MAGIC & set(path):
                    raise
                self.fs.rm(self.full(path))

    def mkdir(self, path: str, mode: int) -> None:
        with self.calling(path):
            self.fs.mkdir(self.full(path), create_parents=False)

    def rmdir(self, path: str) -> None:
        with self.calling(path):
            self.fs.rmdir(self.full(path))

    def move(self, path: str, new: str, directory: bool, replaced: bool) -> None:
        """Rename; a file that has the new name is replaced. Where fsspec's own mv() is all there
        is, which takes names for patterns, files are copied, all of a directory first, then
        removed."""
        if type(self.fs).mv is AbstractFileSystem.mv or _MAGIC & set(path + new):
            self._copy(path, new, directory)
            self._remove(path, directory)
            return
        if replaced:
            self.remove(new)
        with self.calling(path):
            self.fs.mv(self.full(path), self.full(new))

    def _copy(self, path: str, new: str, directory: bool) -> None:
        if not directory:
            self._copy_file(path, new)
            return
        with contextlib.suppress(FileExistsError):
            self.mkdir(new, 0o777)
        for name, info in self.listing(path).items():
            self._copy(f"{path}/{name}", f"{new}/{name}", info.is_directory)

    def _copy_file(self, path: str, new: str) -> None:
        with self.calling(path):
            try:
                self.fs.cp_file(self.full(path), self.full(new))
            except NotImplementedError:
                with self.open_reading(path) as source:
                    self.upload(new, source)

    def _remove(self, path: str, directory: bool) -> None:
        if not directory:
            self.remove(path)
            return
        for name, info in self.listing(path).items():
            self._remove(f"{path}/{name}", info.is_directory)
        with contextlib.suppress(FileNotFoundError):  # it was there for what was in it
            self.rmdir(path)

    # ---- attributes, where the place keeps them ----

    def chmod(self, path: str, mode: int) -> None:
        raise failure(errno.EOPNOTSUPP, path)

    def chown(self, path: str, uid: int, gid: int) -> None:
        """-1: leave it."""
        raise failure(errno.EOPNOTSUPP, path)

    def utime(self, path: str, atime_ns: int, mtime_ns: int) -> None:
        raise failure(errno.EOPNOTSUPP, path)

    def symlink(self, path: str, target: str) -> None:
        raise failure(errno.EPERM, path)
