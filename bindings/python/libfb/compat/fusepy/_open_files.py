# SPDX-License-Identifier: BSD-3-Clause
"""Which files are open, by path, so that one that is removed can go on under another name: programs
of fusepy know their files by path alone, and libfuse hides such files from them too."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any


@dataclasses.dataclass(eq=False, slots=True)
class OpenFile:
    """One open file. fh: the program's handle. path: where it is; None: nowhere any more."""

    fh: Any
    path: str | None
    hidden: bool = False


def _below(path: str, old: str, new: str) -> str | None:
    """Where path is once old has become new; None: it is not concerned."""
    if path == old:
        return new
    return new + path[len(old):] if path.startswith(old + "/") else None


class OpenFiles:
    """The open files of a mount; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_path: dict[str, set[OpenFile]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_path.values()))

    def add(self, file: OpenFile) -> None:
        assert file.path is not None
        with self._lock:
            self._by_path.setdefault(file.path, set()).add(file)

    def at(self, path: str) -> bool:
        """Whether a file is open under this path."""
        return path in self._by_path

    def move(self, old: str, new: str, *, hide: bool = False) -> None:
        """What was at old, or below, is at new."""
        with self._lock:
            for path in list(self._by_path):
                to = _below(path, old, new)
                if to is None:
                    continue
                files = self._by_path.pop(path)
                for file in files:
                    file.path, file.hidden = to, file.hidden or hide
                self._by_path.setdefault(to, set()).update(files)

    def drop(self, path: str) -> None:
        """What was at path has no name any more."""
        with self._lock:
            for file in self._by_path.pop(path, ()):
                file.path = None

    def remove(self, file: OpenFile) -> str | None:
        """It is closed. Returns the hidden path that nothing needs any more; or None."""
        with self._lock:
            if file.path is None:
                return None
            files = self._by_path[file.path]
            files.discard(file)
            if files:
                return None
            del self._by_path[file.path]
            return file.path if file.hidden else None
