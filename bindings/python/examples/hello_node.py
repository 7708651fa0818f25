#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""hello_path.py again, by node: methods are given objects of ours in place of paths.

    python3 hello_node.py /mnt
    python3 -m libfb hello_node.py:Hello /mnt

The kernel walks a path name by name and asks lookup() for each; what that returns as the node is
handed to the other methods. Any hashable object is a node (here: plain objects of a class); libfb
keeps it as long as the kernel remembers it. So renames and hard links need no table of paths, and a
deleted file that is still open is just an object that is in no folder any more.
"""
from __future__ import annotations

import sys
from collections.abc import Iterator

import libfb


class File:
    """A file: bytes and attributes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.attr = libfb.File(0o444, size=len(data))


class Folder:
    """A folder: nodes by name."""

    def __init__(self, entries: dict[str, File | Folder]) -> None:
        self.entries = entries
        self.attr = libfb.Dir(0o755)


class Hello(libfb.NodeFS):
    """A few files in two folders."""

    #: The node of the mount point: where each walk begins.
    root = Folder({"hello": File(b"Hello, world!\n"),
                   "more": Folder({"bye": File(b"Good bye!\n")})})

    def lookup(self, parent: Folder, name: str) -> libfb.Entry:
        """What is called so? The entry may say how long the kernel may rely on it: see Entry."""
        if name not in parent.entries:
            raise FileNotFoundError
        node = parent.entries[name]
        return libfb.Entry(node, node.attr)

    def getattr(self, node: File | Folder) -> libfb.Attr:
        return node.attr

    def readdir(self, node: Folder) -> Iterator[tuple[str, libfb.Entry]]:
        """An entry beside each name saves ``ls -l`` a request for each file."""
        for name, child in node.entries.items():
            yield name, libfb.Entry(child, child.attr)

    def read(self, node: File, fh: object, off: int, size: int) -> bytes:
        return node.data[off:off + size]


if __name__ == "__main__":
    with libfb.mount(Hello(), sys.argv[1]) as mount:
        mount.wait()
