# SPDX-License-Identifier: BSD-3-Clause
"""Open directories."""
from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from . import wire
from .account import entries_at
from .attributes import Stat, read_stat
from .connection import ROOM
from .tree import Asker
from .wire import Op

BUFFER = 4096
OTHER_TYPES = 12
"""By how many bits a type is shifted to the left in a mode."""


@dataclass(frozen=True)
class DirEntry:
    """One entry of a listing. type is that part of a mode (stat.S_IFDIR …), 0 where unknown.

    attr is there in listings with attributes, where the server gave any; cookie is where a listing
    goes on behind this entry.
    """

    name: str
    ino: int
    type: int
    cookie: int
    attr: Stat | None = None
    node: int = 0

    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.type == modes.S_IFDIR


def read_entries(stream: bytes, plus: bool) -> list[DirEntry]:
    """Take a piece of a listing apart; AssertionError when something in it is cut short."""
    name, prefix = ("direntplus", "dirent_") if plus else ("dirent", "")
    found = []
    for at in entries_at(stream, name):
        fields = wire.unpack(name, stream, at)
        start = at + wire.layout(name).size
        node = fields["entry_out_nodeid"] if plus else 0
        found.append(
            DirEntry(
                name=os.fsdecode(stream[start : start + fields[prefix + "namelen"]]),
                ino=fields[prefix + "ino"],
                type=fields[prefix + "type"] << OTHER_TYPES,
                cookie=fields[prefix + "off"],
                attr=read_stat(fields, "entry_out_attr_") if node else None,
                node=node,
            )
        )
    return found


class Directory:
    """An open directory, for a with block. Iterating reads on from where it is."""

    def __init__(self, asker: Asker, node: int, flags: int = os.O_RDONLY) -> None:
        self._asker, self.node, self._flags = asker, node, flags
        self.cookie = 0
        self._seen: set[int] = set()
        body = wire.pack("open_in", flags=flags | os.O_DIRECTORY)
        answer = asker.answer(Op.OPENDIR, node, body)
        self._stateless = answer.error == errno.ENOSYS
        self.fh = 0
        if not self._stateless:
            self.fh = wire.unpack("open_out", answer.check("OPENDIR"))["fh"]
        self.closed = False

    def read(self, size: int = BUFFER, *, plus: bool = False) -> list[DirEntry]:
        """The next entries that fit into size bytes; [] at the end. "." and ".." come too."""
        op = Op.READDIRPLUS if plus else Op.READDIR
        body = wire.pack("read_in", fh=self.fh, offset=self.cookie, size=size)
        stream = self._asker.ask(op, self.node, body, room=max(ROOM, size + 4096))
        assert len(stream) <= size, f"{len(stream)} bytes of listing where {size} were asked for"
        entries = read_entries(stream, plus)
        for entry in entries:
            assert entry.cookie not in self._seen, f"the listing comes back to {entry.name!r}"
            self._seen.add(entry.cookie)
        if entries:
            self.cookie = entries[-1].cookie
        return entries

    def list(self, size: int = BUFFER, *, plus: bool = False) -> list[DirEntry]:
        """All entries from here on, without "." and ".."."""
        found: list[DirEntry] = []
        while entries := self.read(size, plus=plus):
            found += entries
        return [entry for entry in found if entry.name not in (".", "..")]

    def __iter__(self) -> Iterator[DirEntry]:
        while entries := self.read():
            yield from entries

    def rewind(self) -> None:
        """Begin again."""
        self.seek(0)

    def seek(self, cookie: int) -> None:
        """Go on behind the entry with this cookie."""
        self.cookie = cookie
        self._seen.clear()

    def fsync(self, datasync: bool = False) -> None:
        """Have the names written out."""
        flags = wire.FSYNC_DATASYNC if datasync else 0
        self._asker.ask(
            Op.FSYNCDIR, self.node, wire.pack("fsync_in", fh=self.fh, fsync_flags=flags)
        )

    def close(self) -> None:
        """Release it; once is enough."""
        if not self.closed and not self._stateless:
            body = wire.pack("release_in", fh=self.fh, flags=self._flags)
            self._asker.ask(Op.RELEASEDIR, self.node, body)
        self.closed = True

    def __enter__(self) -> Directory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
