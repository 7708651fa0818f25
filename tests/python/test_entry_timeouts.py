# SPDX-License-Identifier: BSD-3-Clause
"""Timeouts that single answers carry: of names, of names that do not exist, of attributes."""
from __future__ import annotations

import asyncio
import struct
from typing import Any

import libfb
from libfb.testing import Client, Op

#: Of fuse_entry_out: nodeid, generation, entry_valid, attr_valid and their ns.
ENTRY = struct.Struct("<QQQQII")
#: Of fuse_attr_out: attr_valid and its ns.
ATTR = struct.Struct("<QI")


class Names(libfb.NodeFS):
    """"short" lives 2.5 s; "never" is absent for 3 s; others are absent for the class's time."""

    def lookup(self, parent: Any, name: str) -> libfb.Entry:
        if name == "short":
            return libfb.Entry("short", libfb.File(0o644), entry_timeout=2.5, attr_timeout=4)
        if name == "never":
            return libfb.Entry(None, None, entry_timeout=3)
        raise FileNotFoundError

    def getattr(self, node: Any, fh: Any = None) -> Any:
        if node == "short":
            return libfb.Entry(None, libfb.File(0o644), attr_timeout=1.25)
        return libfb.Dir(0o755)


class Slow(Names):
    """The same, answered later."""

    async def lookup(self, parent: Any, name: str) -> libfb.Entry:  # type: ignore[override]
        await asyncio.sleep(0.001)
        return super().lookup(parent, name)


def _lookup(client: Client, name: bytes) -> Any:
    answer = client.raw(Op.LOOKUP, body=name + b"\0")
    return ENTRY.unpack_from(answer.body) if answer.error == 0 else answer.error


def _check(fs: libfb.NodeFS) -> None:
    with Client(fs, negative_timeout=7) as client:
        node, _, entry_s, attr_s, entry_ns, attr_ns = _lookup(client, b"short")
        assert (entry_s, entry_ns, attr_s, attr_ns) == (2, 500_000_000, 4, 0)
        body = client.raw(Op.GETATTR, node=node, body=bytes(16)).body
        assert ATTR.unpack_from(body) == (1, 250_000_000)
        assert _lookup(client, b"never")[:3] == (0, 0, 3)
        assert _lookup(client, b"other")[:3] == (0, 0, 7)
        client.raw(Op.FORGET, node=node, body=struct.pack("<Q", 1))


def test_single_answers() -> None:
    _check(Names())


def test_answered_later() -> None:
    _check(Slow())


def test_none_can_be_a_node() -> None:
    class Nothing(libfb.NodeFS):
        def lookup(self, parent: Any, name: str) -> libfb.Entry:
            return libfb.Entry(None, libfb.File(0o644))

        def getattr(self, node: Any, fh: Any = None) -> Any:
            return libfb.File(0o644) if node is None else libfb.Dir(0o755)

    with Client(Nothing()) as client:
        assert client.stat("/any").st_mode & 0o777 == 0o644
