# SPDX-License-Identifier: BSD-3-Clause
"""Trees for TreeFS from archives and from resources of packages."""

from __future__ import annotations

import errno
import functools
import os
import stat
import time
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from ._binding import fbc

NS = 1_000_000_000


def _zip_time(info: zipfile.ZipInfo) -> int:
    """Archives hold local time, to 2 s."""
    try:
        return int(time.mktime(time.struct_time((*info.date_time, -1, -1, -1)))) * NS
    except (ValueError, OverflowError):
        return 0


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(info)
    except RuntimeError as error:  # it needs a password
        raise PermissionError(errno.EACCES, str(error)) from error
    except zipfile.BadZipFile as error:
        raise OSError(errno.EIO, str(error)) from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    """The value of a member that is no directory."""
    mode = info.external_attr >> 16
    time_ns = _zip_time(info)
    times = {"atime_ns": time_ns, "mtime_ns": time_ns, "ctime_ns": time_ns}
    if stat.S_ISLNK(mode):
        return fbc.Symlink(**times), os.fsdecode(_unpack(archive, info))
    attr = fbc.File(stat.S_IMODE(mode) & 0o777 or 0o444, size=info.file_size, **times)
    return attr, functools.partial(_unpack, archive, info)


def _is_tree(value: Any) -> bool:
    return isinstance(value, dict)


def zip_tree(file: Any) -> dict[str, Any]:
    """A dict of all members. Names that would lead out of the archive lose what leads there; of two
    members with one name the last counts, as for unzip."""
    archive = file if isinstance(file, zipfile.ZipFile) else zipfile.ZipFile(file)
    tree: dict[str, Any] = {}
    for info in archive.infolist():
        parts = [part for part in info.filename.split("/") if part not in ("", ".", "..")]
        folder = tree
        for part in parts if info.is_dir() else parts[:-1]:
            if not _is_tree(folder.get(part)):
                folder[part] = {}
            folder = folder[part]
        if parts and not info.is_dir() and not _is_tree(folder.get(parts[-1])):
            folder[parts[-1]] = _member(archive, info)
    return tree


def _value(node: Any) -> Any:
    """The value for a Traversable, with size and time where it tells them."""
    if node.is_dir():
        return TraversableTree(node)
    if isinstance(node, zipfile.Path):
        archive: zipfile.ZipFile = node.root  # type: ignore[attr-defined]
        return _member(archive, archive.getinfo(node.at))  # type: ignore[attr-defined]
    if hasattr(node, "stat"):
        st = node.stat()
        times = {f"{t}_ns": getattr(st, f"st_{t}_ns") for t in ("atime", "mtime", "ctime")}
        return fbc.File(stat.S_IMODE(st.st_mode), size=st.st_size, **times), node.read_bytes
    return node.read_bytes


class TraversableTree(Mapping[str, Any]):
    """The directory of a Traversable; looked at whenever it is used."""

    def __init__(self, top: Any) -> None:
        if not top.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), top.name)
        self._top = top

    def __getitem__(self, name: str) -> Any:
        if not name or "/" in name or name in (".", ".."):
            raise KeyError(name)
        node = self._top / name
        if not node.is_dir() and not node.is_file():
            raise KeyError(name)
        return _value(node)

    def __iter__(self) -> Iterator[str]:
        return (node.name for node in self._top.iterdir())

    def __len__(self) -> int:
        return sum(1 for _ in self._top.iterdir())
