# SPDX-License-Identifier: BSD-3-Clause
"""Attributes, listings and figures as programs of fusepy give them: dicts."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from typing import Any

from libfb import Attr, StatFS

from .._options import Settings

#: st_* that are passed on where they are given; without them libfb's defaults hold.
_OPTIONAL = ("st_rdev", "st_blocks", "st_blksize")


def to_ns(value: float) -> int:
    """Seconds as ns. The whole seconds are exact, whatever a float makes of the rest."""
    whole = int(value)
    return whole * 10**9 + int((value - whole) * 1e9)


class Values:
    """How the dicts of one file system are read. use_ns: times are integers in ns, not seconds."""

    def __init__(self, use_ns: bool, settings: Settings) -> None:
        self.use_ns = use_ns
        self.settings = settings

    def _ns(self, value: Any) -> int:
        return int(value) if self.use_ns else to_ns(value)

    def time(self, ns: int) -> float:
        """A time as the file system wants it."""
        return ns if self.use_ns else ns / 1e9

    def attr(self, given: Mapping[str, Any]) -> Attr:
        """Attributes from a dict with st_*; a file system without st_nlink gets 1, all else that is
        left out is 0."""
        settings, get = self.settings, given.get
        mode = get("st_mode", 0)
        if settings.umask is not None:
            mode = stat.S_IFMT(mode) | 0o777 & ~settings.umask
        values: dict[str, Any] = {key: given[key] for key in _OPTIONAL if key in given}
        if settings.use_ino:
            values["st_ino"] = get("st_ino", 0)
        return Attr(
            st_mode=mode, st_size=get("st_size", 0), st_nlink=get("st_nlink", 1),
            st_uid=get("st_uid", 0) if settings.uid is None else settings.uid,
            st_gid=get("st_gid", 0) if settings.gid is None else settings.gid,
            st_atime_ns=self._ns(get("st_atime", 0)), st_mtime_ns=self._ns(get("st_mtime", 0)),
            st_ctime_ns=self._ns(get("st_ctime", 0)), **values)

    def listed(self, item: Any) -> Any:
        """One item of readdir. Of its attributes only type and number count, as for libfuse:
        programs fill in no others."""
        if isinstance(item, (str, bytes)):
            return item
        name, given, _ = item
        if not given:
            return name
        if isinstance(given, int):
            given = {"st_mode": given}
        ino = given.get("st_ino", 0) if self.settings.use_ino else 0
        return Listed(name, given.get("st_mode", 0), ino)


class Listed:
    """An entry of a directory, with the methods of os.DirEntry that libfb asks."""

    __slots__ = ("_ino", "_mode", "name")

    def __init__(self, name: str, mode: int, ino: int) -> None:
        self.name = name
        self._mode = mode
        self._ino = ino

    def inode(self) -> int:
        return self._ino

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISDIR(self._mode)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISREG(self._mode)

    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self._mode)


def statfs(given: Mapping[str, int]) -> StatFS:
    """Figures from a dict with f_*. Blocks are counted in f_frsize, or f_bsize without it."""
    bsize = given.get("f_bsize", 0) or 4096
    figures = {key: given.get(key, 0)
               for key in ("f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree")}
    return StatFS(f_bsize=bsize, f_frsize=given.get("f_frsize", 0) or bsize,
                  f_namemax=given.get("f_namemax", 0) or 255, **figures)
