# SPDX-License-Identifier: BSD-3-Clause
"""Locks on open files: ranges as of fcntl(2), whole files as of flock(2)."""
from __future__ import annotations

import fcntl
from dataclasses import dataclass

from . import wire
from .connection import ROOM, Pending
from .tree import Asker
from .wire import Op


@dataclass(frozen=True)
class Lock:
    """A lock that stands in the way: length 0 is to the end of the file, pid 0 of nobody known."""

    exclusive: bool
    start: int
    length: int
    pid: int


class Locks:
    """The part of an open file that locks. owner is who holds a lock: by default the caller's
    process for ranges, and this open file for flock."""

    asker: Asker
    node: int
    fh: int
    flocked = False

    def lock(
        self,
        exclusive: bool = True,
        *,
        start: int = 0,
        length: int = 0,
        flock: bool = False,
        owner: int | None = None,
    ) -> None:
        """Take a lock, or BlockingIOError. length in bytes; 0 is to the end of the file."""
        kind = fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK
        body = self._body(kind, start, length, flock, owner)
        self.flocked = self.flocked or flock
        self.asker.ask(Op.SETLK, self.node, body)

    def lock_later(
        self,
        exclusive: bool = True,
        *,
        start: int = 0,
        length: int = 0,
        flock: bool = False,
        owner: int | None = None,
        thread: bool = False,
    ) -> Pending:
        """Wait for a lock without waiting here; thread as in `Client.start`."""
        kind = fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK
        body = self._body(kind, start, length, flock, owner)
        self.flocked = self.flocked or flock
        asker = self.asker
        request = asker.connection.request(Op.SETLKW, self.node, body, asker.caller)
        return Pending(asker.connection, request, ROOM, thread)

    def unlock(
        self, *, start: int = 0, length: int = 0, flock: bool = False, owner: int | None = None
    ) -> None:
        """Let a range, or the whole file, go."""
        body = self._body(fcntl.F_UNLCK, start, length, flock, owner)
        self.asker.ask(Op.SETLK, self.node, body)

    def getlk(
        self,
        exclusive: bool = True,
        *,
        start: int = 0,
        length: int = 0,
        owner: int | None = None,
    ) -> Lock | None:
        """Which lock would stop this one; None when none would."""
        kind = fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK
        body = self._body(kind, start, length, False, owner)
        found = wire.unpack("lk_out", self.asker.ask(Op.GETLK, self.node, body))
        if found["lk_type"] == fcntl.F_UNLCK:
            return None
        to_end = found["lk_end"] >= wire.END_OF_FILE
        return Lock(
            exclusive=found["lk_type"] == fcntl.F_WRLCK,
            start=found["lk_start"],
            length=0 if to_end else found["lk_end"] + 1 - found["lk_start"],
            pid=found["lk_pid"],
        )

    def owner(self, flock: bool = False) -> int:
        """The number that stands for who asks: never 0."""
        return id(self) if flock else (self.asker.caller.pid << 8) | 1

    def _body(self, kind: int, start: int, length: int, flock: bool, owner: int | None) -> bytes:
        if flock:
            start = length = 0
        return wire.pack(
            "lk_in",
            fh=self.fh,
            owner=self.owner(flock) if owner is None else owner,
            lk_start=start,
            lk_end=start + length - 1 if length else wire.END_OF_FILE,
            lk_type=kind,
            lk_pid=self.asker.caller.pid,
            lk_flags=wire.LK_FLOCK if flock else 0,
        )
