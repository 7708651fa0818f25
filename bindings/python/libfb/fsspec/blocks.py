# SPDX-License-Identifier: BSD-3-Clause
"""Pieces of remote files that were read; those that were not used for longest go first."""

from __future__ import annotations

import collections
import threading
from collections.abc import Hashable

from .._overlay import is_within

Key = tuple[str, Hashable]


class Blocks:
    """Keeps blocks of at most block_size bytes, together at most limit bytes. A key is a file in
    one version: (path, something)."""

    def __init__(self, block_size: int, limit: int) -> None:
        self.block_size = block_size
        self.limit = limit
        self.size = 0
        self._blocks: collections.OrderedDict[tuple[Key, int], bytes]
        self._blocks = collections.OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key, number: int) -> bytes | None:
        """Block number of a file, if it is here."""
        with self._lock:
            block = self._blocks.get((key, number))
            if block is not None:
                self._blocks.move_to_end((key, number))
            return block

    def put(self, key: Key, number: int, block: bytes) -> None:
        """Keep a block."""
        with self._lock:
            self.size += len(block) - len(self._blocks.pop((key, number), b""))
            self._blocks[key, number] = block
            while self.size > self.limit:
                self.size -= len(self._blocks.popitem(last=False)[1])

    def forget(self, path: str) -> None:
        """Drop all of a file, or of all files in a directory."""
        with self._lock:
            for each in [each for each in self._blocks if is_within(each[0][0], path)]:
                self.size -= len(self._blocks.pop(each))
