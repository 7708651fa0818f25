# SPDX-License-Identifier: BSD-3-Clause
"""The content of a file while it is open, shared by all who have it open."""

from __future__ import annotations

import contextlib
import errno
import tempfile
import threading
import time
from collections.abc import Hashable
from typing import IO, Any

from .blocks import Blocks, Key
from .errors import failure
from .info import Info
from .place import PIECE, Place

#: A temporary file up to this size stays in memory.
_IN_MEMORY = 4 << 20
#: How much is read ahead at most when a file is read from its beginning to its end.
_AHEAD = 8 << 20


class Content:
    """One file. It is read in blocks from where it is, until somebody writes: then all of it goes
    to a temporary file, which is uploaded as a whole. One without a known size is read from its
    beginning into a temporary file, as far as somebody reads.

    path: its name, or None when it has lost it; then it is kept as long as it is open.
    """

    def __init__(self, place: Place, path: str, info: Info, blocks: Blocks) -> None:
        assert place.reader is not None
        self.place = place
        self.path: str | None = path
        self.size = info.size or 0
        self.streams = info.size is None
        self.mark = info.mark
        self.mtime_ns = info.mtime_ns
        self.opened = 0
        self.dirty = False
        self._version: Hashable = info.mark if info.is_settled() else object()
        self._blocks = blocks
        self._reader = place.reader(place)
        self._stream: Any = None
        self._spool: IO[bytes] | None = None
        self._next = self._ahead = 0
        self._lock = threading.RLock()

    @property
    def is_local(self) -> bool:
        """Whether all of it is here."""
        return self._spool is not None and not self.streams

    # ---- reading ----

    def read(self, off: int, size: int) -> bytes:
        """At most size bytes; fewer at the end only."""
        with self._lock:
            if self.streams:
                self._stream_until(off + size)
            if self._spool is not None:
                self._spool.seek(off)
                return self._spool.read(size)
            return self._read_blocks(off, min(off + size, self.size))

    def _name(self) -> str:
        if self.path is None:
            raise failure(errno.ESTALE)
        return self.path

    def _key(self) -> Key:
        return self._name(), self._version

    def _read_blocks(self, off: int, end: int) -> bytes:
        if off >= end:
            return b""
        unit = self._blocks.block_size
        start = at = off - off % unit
        self._look_ahead(off, end)
        pieces = []
        while at < end:
            block = self._blocks.get(self._key(), at // unit)
            if block is None:
                block = self._fetch_from(at // unit, (end - 1) // unit)
            pieces.append(block)
            at += len(block)
        return b"".join(pieces)[off - start:end - start]

    def _look_ahead(self, off: int, end: int) -> None:
        """Who reads on where they stopped gets twice as many blocks more each time."""
        most = _AHEAD // self._blocks.block_size
        self._ahead = min(max(1, 2 * self._ahead), most) if off and off == self._next else 0
        self._next = end

    def _fetch_from(self, number: int, last: int) -> bytes:
        """Get blocks from number to last, and some more, as far as they are not there."""
        unit = self._blocks.block_size
        most = min(last + self._ahead, (self.size - 1) // unit)
        stop = number + 1
        while stop <= most and self._blocks.get(self._key(), stop) is None:
            stop += 1
        start, end = number * unit, min(stop * unit, self.size)
        data = self._reader.read(self._name(), start, end)
        if len(data) > end - start:  # a server without ranges has sent all of it
            self._spool = self._temporary()
            self._spool.write(data)
            self.size = len(data)
            return data[start:end]
        if len(data) < end - start:
            raise failure(errno.EIO, self.path, "the file has become shorter")
        for at in range(0, len(data), unit):
            self._blocks.put(self._key(), number + at // unit, data[at:at + unit])
        return data

    @staticmethod
    def _temporary() -> IO[bytes]:
        return tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)

    def _stream_until(self, end: int) -> None:
        """Have so many bytes of a file of unknown size here, or all of it."""
        with self.place.calling(self._name()):
            if self._stream is None:
                self._stream = self.place.open_reading(self._name())
                self._spool = self._temporary()
            assert self._spool is not None
            while self.size < end:
                piece = self._stream.read(min(PIECE, end - self.size))
                if not piece:
                    self._end_stream()
                    return
                self._spool.seek(0, 2)
                self.size += self._spool.write(piece)

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        self.streams = False
        with self.place.lock, contextlib.suppress(Exception):
            stream.close()

    def fetch(self) -> None:
        """Have all of it here."""
        with self._lock:
            while self.streams:
                self._stream_until(self.size + PIECE)
            if self._spool is not None:
                return
            spool = self._temporary()
            for start in range(0, self.size, PIECE):
                piece = self._read_blocks(start, min(start + PIECE, self.size))
                if self._spool is not None:  # it has come as a whole
                    return
                spool.write(piece)
            self._spool = spool

    # ---- writing ----

    def write(self, off: int, data: bytes, append: bool) -> None:
        """Change bytes, or add them at the end."""
        with self._lock:
            self.fetch()
            assert self._spool is not None
            if append:
                off = self.size
            self._grow(off)
            self._spool.seek(off)
            self._spool.write(data)
            self.size = max(self.size, off + len(data))
            self._touched()

    def _grow(self, size: int) -> None:
        """Zeros up to a size."""
        assert self._spool is not None
        self._spool.seek(0, 2)
        while self.size < size:
            self.size += self._spool.write(bytes(min(PIECE, size - self.size)))

    def truncate(self, size: int) -> None:
        with self._lock:
            if size == 0:
                if self.streams:
                    self._end_stream()
                self._spool, self.size = self._temporary(), 0
            else:
                self.fetch()
            assert self._spool is not None
            if size < self.size:
                self._spool.truncate(size)
                self.size = size
            self._grow(size)
            self._touched()

    def _touched(self) -> None:
        self.dirty = True
        self.mtime_ns = time.time_ns()

    def upload(self) -> bool:
        """Write it where it belongs, if it has changed. Returns whether it was so."""
        with self._lock:
            if not self.dirty or self.path is None:
                return False
            assert self._spool is not None
            self._spool.seek(0)
            self.place.upload(self.path, self._spool)
            self.dirty = False
            return True

    # ---- names ----

    def lose_name(self) -> None:
        """Its name goes, or becomes another file's: keep what is there, while it can be had."""
        with self._lock:
            if self.path is not None and not self.dirty:
                with contextlib.suppress(OSError):
                    self.fetch()
            self.path = None
            self._reader.close()

    def rename(self, path: str) -> None:
        with self._lock:
            self.path = path
            self._reader.close()

    def close(self) -> None:
        with self._lock:
            self._reader.close()
            if self._stream is not None:
                self._end_stream()
            if self._spool is not None:
                self._spool.close()
