# SPDX-License-Identifier: BSD-3-Clause
"""What is where: remembered for a short time, and forgotten with our own changes."""

from __future__ import annotations

import errno
import threading
import time
from typing import Any

from .._overlay import is_within
from .errors import failure
from .info import DIRECTORY, Info
from .place import Place

#: More files than so many are only remembered while they are fresh.
_KEPT = 4096


class Names:
    """Listings and files of a place, each remembered for so many seconds.

    It also knows directories that the place forgets because nothing is in them, as object stores
    do: those that were made here, or whose last file was removed here.
    """

    def __init__(self, place: Place, seconds: float) -> None:
        self.place = place
        self.seconds = seconds
        self._listings: dict[str, tuple[float, dict[str, Info]]] = {}
        self._infos: dict[str, tuple[float, Info]] = {}
        self._ours: set[str] = set()
        self._lock = threading.Lock()

    def info(self, path: str) -> Info:
        """Raises FileNotFoundError."""
        with self._lock:
            known = self._fresh(path)
        if known is not None:
            return known
        began = time.monotonic()
        try:
            found = self.place.info(path)
        except FileNotFoundError:
            if path != "/" and path not in self._ours:
                raise
            return DIRECTORY
        with self._lock:
            if len(self._infos) >= _KEPT:
                self._expire()
            self._infos[path] = (began, found)
        return found

    def _fresh(self, path: str) -> Info | None:
        """What is remembered; FileNotFoundError where a listing has no such name."""
        oldest = time.monotonic() - self.seconds
        when, info = self._infos.get(path, (0.0, DIRECTORY))
        if when > oldest:
            return info
        above, _, name = path.rpartition("/")
        when, listing = self._listings.get(above or "/", (0.0, {}))
        if when <= oldest or not name:
            return None
        if name in listing:
            return listing[name] if listing[name].size is not None else None
        if not self.place.lists_all:
            return None
        raise failure(errno.ENOENT, path)

    def exists(self, path: str) -> bool:
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def listing(self, path: str) -> dict[str, Info]:
        """All in a directory."""
        with self._lock:
            when, listing = self._listings.get(path, (0.0, {}))
            if when > time.monotonic() - self.seconds:
                return listing
        began = time.monotonic()
        try:
            listing = dict(self.place.listing(path))
        except FileNotFoundError:
            if path not in self._ours:
                raise
            listing = {}
        prefix = path.rstrip("/") + "/"
        for each in self._ours:
            name = each[len(prefix):]
            if each.startswith(prefix) and name and "/" not in name:
                listing.setdefault(name, DIRECTORY)
        with self._lock:
            self._expire()
            self._listings[path] = (began, listing)
        return listing

    def _expire(self) -> None:
        oldest = time.monotonic() - self.seconds
        for table in self._tables():
            for path in [path for path, (when, _) in table.items() if when <= oldest]:
                del table[path]

    def _tables(self) -> tuple[dict[str, Any], ...]:
        return self._listings, self._infos

    def changed(self, path: str) -> None:
        """Something has been made, changed or removed there by us."""
        with self._lock:
            for table in self._tables():
                for each in [each for each in table if is_within(each, path)]:
                    del table[each]
            self._listings.pop(path.rpartition("/")[0] or "/", None)

    def made_directory(self, path: str) -> None:
        if self.place.forgets_directories:
            self._ours.add(path)
        self.changed(path)

    def removed(self, path: str) -> None:
        """A name is gone; its directory may seem to be gone with it."""
        self._ours -= {each for each in self._ours if is_within(each, path)}
        if self.place.forgets_directories:
            self._ours.add(path.rpartition("/")[0] or "/")
        self.changed(path)

    def is_ours(self, path: str) -> bool:
        """Whether a directory is there though the place may not know it."""
        return path in self._ours

    def moved(self, path: str, new: str) -> None:
        """A rename."""
        ours = {each for each in self._ours if is_within(each, path)}
        self.removed(path)
        self._ours |= {new + each[len(path):] for each in ours}
        self.changed(new)
