# SPDX-License-Identifier: BSD-3-Clause
"""What a client holds of a server: lookups of nodes, open files, open directories."""
from __future__ import annotations

import struct
import threading
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from . import wire
from .wire import Op

FORGETTING = (Op.FORGET, Op.BATCH_FORGET)
CLOSING = (Op.RELEASE, Op.RELEASEDIR)
Key = TypeVar("Key")


class Open(NamedTuple):
    """One open file or directory: what RELEASE or RELEASEDIR has to name."""

    node: int
    fh: int
    directory: bool


class Account:
    """Follows all requests and answers of a session. Safe for threads.

    known: lookups by node, never of the root. opened: how often each `Open` was given out.
    """

    def __init__(self) -> None:
        self.known: Counter[int] = Counter()
        self.opened: Counter[Open] = Counter()
        self._lock = threading.Lock()

    def sending(self, op: int, node: int, body: bytes) -> None:
        """Note what a request gives back. Malformed ones give back nothing."""
        with self._lock:
            try:
                if op in FORGETTING:
                    for which, count in _forgotten(op, node, body):
                        _subtract(self.known, which, count)
                elif op in CLOSING:
                    fh = wire.unpack("release_in", body)["fh"]
                    _subtract(self.opened, Open(node, fh, op == Op.RELEASEDIR), 1)
            except struct.error:
                pass

    def received(self, op: int, node: int, body: bytes) -> None:
        """Note what a successful answer hands out. Raises AssertionError when it is cut short."""
        try:
            with self._lock:
                self._take(op, node, body)
        except struct.error:
            raise AssertionError(f"the answer to {op!r} is cut short: {len(body)} bytes") from None

    def _take(self, op: int, node: int, body: bytes) -> None:
        if op in wire.GIVES_NODE:
            node = wire.unpack("entry_out", body)["nodeid"]
            self._take_node(node)
        if op in (Op.CREATE, Op.TMPFILE):
            fh = wire.unpack("create_out", body)["open_fh"]
            self.opened[Open(node, fh, False)] += 1
        elif op in (Op.OPEN, Op.OPENDIR):
            fh = wire.unpack("open_out", body)["fh"]
            self.opened[Open(node, fh, op == Op.OPENDIR)] += 1
        elif op == Op.READDIRPLUS:
            for at in entries_at(body, "direntplus"):
                self._take_node(wire.unpack("entry_out", body, at)["nodeid"])

    def _take_node(self, node: int) -> None:
        """Count one lookup; node 0 is an answer without a node."""
        if node not in (0, wire.ROOT):
            self.known[node] += 1

    def open_nodes(self) -> set[int]:
        """The nodes of all open files and directories."""
        with self._lock:
            return {each.node for each in self.opened}


def _forgotten(op: int, node: int, body: bytes) -> Iterator[tuple[int, int]]:
    if op == Op.FORGET:
        yield node, wire.unpack("forget_in", body)["nlookup"]
        return
    at, each = wire.layout("batch_forget_in").size, wire.layout("forget_one")
    for _ in range(wire.unpack("batch_forget_in", body)["count"]):
        fields = each.unpack(body, at)
        yield fields["nodeid"], fields["nlookup"]
        at += each.size


def _subtract(counts: Counter[Key], key: Key, count: int) -> None:
    counts[key] -= count
    if counts[key] <= 0:
        del counts[key]


def entries_at(stream: bytes, name: str) -> Iterator[int]:
    """Where the entries of a listing begin; name is that of their layout: dirent or direntplus.

    Raises AssertionError for an entry that is cut short: kernels drop such without a word.
    """
    at, fixed = 0, wire.layout(name)
    field = "dirent_namelen" if name == "direntplus" else "namelen"
    while at < len(stream):
        assert at + fixed.size <= len(stream), "a listing ends within an entry"
        size = fixed.size + fixed.unpack(stream, at)[field]
        assert at + size <= len(stream), "a listing ends within a name"
        yield at
        at += (size + 7) & ~7
