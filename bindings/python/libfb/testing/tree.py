# SPDX-License-Identifier: BSD-3-Clause
"""The way from paths to nodes: LOOKUP, READLINK and FORGET, as a kernel sends them."""
from __future__ import annotations

import errno
import os
import stat as modes
from collections import deque
from dataclasses import dataclass
from typing import Final, TypeVar

from . import wire
from .attributes import Stat, read_stat
from .connection import ROOM, Answer, Caller, Connection
from .wire import Op

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Self = TypeVar("Self", bound="Asker")
LINKS_MAX = 40

#: What a kernel makes of ENOSYS: 0 is success, another errno takes its place.
ENOSYS_BECOMES: Final = {
    Op.FLUSH: 0,
    Op.FSYNC: 0,
    Op.FSYNCDIR: 0,
    Op.ACCESS: 0,
    Op.SYNCFS: 0,
    Op.SETXATTR: errno.EOPNOTSUPP,
    Op.GETXATTR: errno.EOPNOTSUPP,
    Op.LISTXATTR: errno.EOPNOTSUPP,
    Op.REMOVEXATTR: errno.EOPNOTSUPP,
    Op.FALLOCATE: errno.EOPNOTSUPP,
    Op.TMPFILE: errno.EOPNOTSUPP,
    Op.COPY_FILE_RANGE: errno.EOPNOTSUPP,
    Op.RENAME2: errno.EINVAL,
    Op.IOCTL: errno.ENOTTY,
}


def failure(error: int, what: object = "") -> OSError:
    """An OSError of the class that fits the errno."""
    return OSError(error, f"{os.strerror(error)} [{what}]" if what else os.strerror(error))


@dataclass(frozen=True)
class Entry:
    """A node as a name leads to it. Without attributes it is the root, of which nobody asked."""

    node: int
    stat: Stat | None = None

    @property
    def kind(self) -> int:
        """The type bits of its mode."""
        return modes.S_IFMT(self.stat.st_mode) if self.stat else modes.S_IFDIR


ROOT_ENTRY: Final = Entry(wire.ROOT)


class Asker:
    """Somebody who asks over a connection: the base of everything that sends requests."""

    def __init__(self, connection: Connection, caller: Caller) -> None:
        self.connection = connection
        self.caller = caller

    def answer(self, op: Op, node: int, body: bytes = b"", *, room: int = ROOM) -> Answer:
        """Send one request, and return whatever comes back within room bytes."""
        return self.connection.send(self.connection.request(op, node, body, self.caller), room)

    def ask(self, op: Op, node: int, body: bytes = b"", *, room: int = ROOM) -> bytes:
        """Send one request and return the body of its answer; OSError when it failed."""
        answer = self.answer(op, node, body, room=room)
        if answer.error == errno.ENOSYS and op in ENOSYS_BECOMES:
            answer = Answer(ENOSYS_BECOMES[op], b"", answer.unique)
        return answer.check(op.name)

    def restrained(self) -> bool:
        """Whether set-id bits are to be cleared for this caller (without CAP_FSETID)."""
        feature = wire.Feature.HANDLE_KILLPRIV_V2
        return self.caller.uid != 0 and self.connection.has(feature, unknown=True)


class Tree(Asker):
    """Finds nodes. What it looks up stays known until it is removed or forgotten."""

    def lookup(self, parent: int, name: bytes) -> Entry:
        """One LOOKUP, which counts; FileNotFoundError also for an answer without a node."""
        fields = wire.unpack("entry_out", self.ask(Op.LOOKUP, parent, name + b"\0"))
        if fields["nodeid"] == 0:
            raise failure(errno.ENOENT, "LOOKUP")
        return Entry(fields["nodeid"], read_stat(fields))

    def seek(self, parent: int, name: bytes) -> Entry | None:
        """As lookup(), with None for a name that is not there."""
        try:
            return self.lookup(parent, name)
        except FileNotFoundError:
            return None

    def find(self, path: Path, *, follow: bool = True) -> Entry:
        """The node that a path leads to; follow says whether over a symbolic link at its end."""
        name = os.fsencode(path)
        if not name:
            raise failure(errno.ENOENT)
        found = self._walk(name, follow)[-1]
        if name.endswith(b"/") and found.kind != modes.S_IFDIR:
            raise failure(errno.ENOTDIR)
        return found

    def place(self, path: Path, dots: int = errno.EINVAL) -> tuple[int, bytes]:
        """The directory that a path's last name is in, and that name.

        Raises OSError with the errno dots where the last name is "." or "..", or there is none.
        """
        name = os.fsencode(path)
        if not name:
            raise failure(errno.ENOENT)
        head, _, last = name.rstrip(b"/").rpartition(b"/")
        if last in (b"", b".", b".."):
            raise failure(dots)
        return self._walk(head + b"/", True)[-1].node, last

    def line(self, path: Path) -> set[int]:
        """The nodes of the directories from the root to the one a path's last name is in."""
        head = os.fsencode(path).rstrip(b"/").rpartition(b"/")[0]
        return {entry.node for entry in self._walk(head + b"/", True)}

    def read_link(self, node: int) -> bytes:
        """Where a symbolic link points to."""
        return self.ask(Op.READLINK, node)

    def _walk(self, path: bytes, follow: bool) -> list[Entry]:
        """All nodes on a path that was walked, the root first."""
        todo, at, links = deque(path.split(b"/")), [ROOT_ENTRY], 0
        while todo:
            name = todo.popleft()
            if name in (b"", b"."):
                continue
            if name == b"..":
                at = at[:-1] or at
                continue
            if at[-1].kind != modes.S_IFDIR:
                raise failure(errno.ENOTDIR)
            entry = self.lookup(at[-1].node, name)
            if entry.kind != modes.S_IFLNK or not (follow or todo):
                at.append(entry)
                continue
            links += 1
            if links > LINKS_MAX:
                raise failure(errno.ELOOP)
            target = self.read_link(entry.node)
            todo.extendleft(reversed(target.split(b"/")))
            if target.startswith(b"/"):
                at = [ROOT_ENTRY]
        if at[-1].kind != modes.S_IFDIR and path.endswith(b"/"):
            raise failure(errno.ENOTDIR)
        return at

    # ---- forgetting --------------------------------------------------------------------------

    @property
    def known(self) -> dict[int, int]:
        """Lookups that the client holds, by node; the root is not counted."""
        return dict(self.connection.account.known)

    def forget(self, node: int, count: int | None = None) -> None:
        """Give lookups of a node back: all of them unless count says how many.

        Raises ValueError for more than the client holds; raw() sends that too.
        """
        held = self.connection.account.known[node]
        count = held if count is None else count
        if not 0 <= count <= held:
            raise ValueError(f"{held} lookups of node {node} are held, not {count}")
        if count:
            self.ask(Op.FORGET, node, wire.pack("forget_in", nlookup=count))

    def batch_forget(self, counts: dict[int, int]) -> None:
        """Give lookups back in one message: counts by node. ValueError as forget()."""
        for node, count in counts.items():
            if not 0 < count <= self.connection.account.known[node]:
                raise ValueError(f"{count} lookups of node {node} are not held")
        body = wire.pack("batch_forget_in", count=len(counts))
        for node, count in counts.items():
            body += wire.pack("forget_one", nodeid=node, nlookup=count)
        self.ask(Op.BATCH_FORGET, 0, body)

    def forget_all(self) -> None:
        """Give back every lookup but those of open files, as when a kernel needs memory."""
        in_use = self.connection.account.open_nodes()
        counts = {node: n for node, n in self.known.items() if node not in in_use}
        nodes = list(counts)
        for at in range(0, len(nodes), 1000):
            self.batch_forget({node: counts[node] for node in nodes[at : at + 1000]})

    def let_go(self, entry: Entry) -> None:
        """Forget a node whose last name has been removed, unless it is open."""
        last = entry.kind == modes.S_IFDIR or (entry.stat and entry.stat.st_nlink <= 1)
        if last and entry.node not in self.connection.account.open_nodes():
            self.forget(entry.node)
