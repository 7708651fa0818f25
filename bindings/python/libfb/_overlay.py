# SPDX-License-Identifier: BSD-3-Clause
"""Attributes that the place where files are kept has no room for, remembered while it is served."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from ._binding import fbc


def is_within(path: str, top: str) -> bool:
    """Whether path is top, or lies below it."""
    return path == top or path.startswith(top if top.endswith("/") else top + "/")


def moved(path: str, old: str, new: str) -> str:
    """What path, which lies within old, is called when old is called new."""
    return new + path[len(old):]


def check_name(path: str, name_max: int = 255) -> None:
    """ENAMETOOLONG for a last part of more than name_max bytes."""
    if len(os.fsencode(path.rpartition("/")[2])) > name_max:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)


class Overlay:
    """Fields of Attr by path: what was set by chmod, chown, utimens and the like.

    mark says which version of a file times belong to: once it differs they are forgotten.
    """

    def __init__(self) -> None:
        self._fields: dict[str, dict[str, Any]] = {}
        self._marks: dict[str, object] = {}

    def set(self, path: str, mark: object = None, **fields: int | None) -> None:
        """Remember fields (mode without its type, uid, gid, atime_ns, mtime_ns); None: leave."""
        known = self._fields.setdefault(path, {})
        known.update((name, value) for name, value in fields.items() if value is not None)
        if "mtime_ns" in known or "atime_ns" in known:
            self._marks[path] = mark

    def apply(self, path: str, attr: fbc.Attr, mark: object = None) -> fbc.Attr:
        """attr with what is remembered of the path."""
        fields = self._fields.get(path)
        if not fields:
            return attr
        if self._marks.get(path) != mark:
            self.forget_times(path)
        mode = fields.get("mode")
        if mode is not None:
            fields = {**fields, "mode": stat.S_IFMT(attr.st_mode) | stat.S_IMODE(mode)}
        return attr.replace(**fields)

    def forget_times(self, path: str) -> None:
        """The file has got times of its own."""
        fields = self._fields.get(path, {})
        fields.pop("atime_ns", None)
        fields.pop("mtime_ns", None)
        self._marks.pop(path, None)

    def move(self, old: str, new: str) -> None:
        """A file or directory has another name now, in place of what was there."""
        self.drop(new)
        for table in self._tables():
            for path in [path for path in table if is_within(path, old)]:
                table[moved(path, old, new)] = table.pop(path)

    def drop(self, path: str) -> None:
        """It is gone, with all that was in it."""
        for table in self._tables():
            for each in [each for each in table if is_within(each, path)]:
                del table[each]

    def _tables(self) -> tuple[dict[str, Any], ...]:
        return self._fields, self._marks
