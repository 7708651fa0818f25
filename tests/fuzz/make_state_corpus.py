#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the first inputs of state_fuzz: usage: make_state_corpus.py CORPUS/state"""
import pathlib
import stat
import struct
import sys
import zlib

DRIVER, GUEST_ERROR, NO_HANDLES = 1, 2, 4
LOST, PATH, HANDLE = range(3)
FILE, DIR = 1, 2  # kinds of open files


def run(data):
    return struct.pack("<I", len(data)) + data


def node(number, kind, place, lookups=1, submount=0):
    return struct.pack("<QQII", number, lookups, kind, submount) + place


def path(name, handle=b""):
    return struct.pack("<I", PATH) + run(name) + run(handle) + struct.pack("<I", 1)


def handle(mount, ino, data):
    return struct.pack("<IIQ", HANDLE, mount, ino) + run(data) + struct.pack("<I", 1)


def opened(slot, of, kind, flags=0, generation=1):
    return struct.pack("<QQII", generation << 32 | slot, of, kind, flags)


def driver(nodes=(), files=(), mounts=(), next_node=100, version=1, root=stat.S_IFDIR):
    return b"".join([
        struct.pack("<IIQI", version, root, next_node, len(mounts)), *(run(at) for at in mounts),
        struct.pack("<Q", len(nodes)), *nodes, struct.pack("<Q", len(files)), *files,
    ])  # fmt: skip


def whole(data, granted=0x21, minor=38, flags=0):
    head = struct.pack("<QQIIII", 48 + len(data), granted, minor, 65536, 1, flags)
    return b"libfb st" + struct.pack("<II", 1, zlib.crc32(head + data)) + head + data


TREE = [
    node(2, stat.S_IFREG, path(b"file"), 3), node(3, stat.S_IFDIR, path(b"dir")),
    node(4, stat.S_IFREG, path(b"dir/deep")), node(5, stat.S_IFLNK, path(b"inside")), node(6, stat.S_IFIFO, path(b"fifo")),
]  # fmt: skip


def inputs():
    yield "empty", DRIVER, driver()
    yield "tree", DRIVER, driver(TREE)
    yield "files", DRIVER, driver(TREE, [opened(0, 2, FILE, 2), opened(3, 3, DIR), opened(1, 1, DIR), opened(2, 4, FILE)])
    yield "lost", DRIVER | GUEST_ERROR, driver(
        [node(2, stat.S_IFREG, path(b"none")), node(3, stat.S_IFREG, struct.pack("<I", LOST)), TREE[2]],
        [opened(0, 2, FILE), opened(1, 3, FILE), opened(2, 4, FILE)])  # fmt: skip
    by_handle = [node(2, stat.S_IFREG, handle(0, 7, bytes(8)))]
    yield "handle", DRIVER | GUEST_ERROR, driver(by_handle, [opened(0, 2, FILE)], [b""])
    yield "no_handles", DRIVER | GUEST_ERROR | NO_HANDLES, driver(by_handle, [], [b"dir"])
    yield "verify", DRIVER | GUEST_ERROR, driver([node(2, stat.S_IFREG, path(b"file", bytes(8)))])
    yield "outside", DRIVER, driver([node(2, stat.S_IFREG, path(b"../canary/file")), node(3, stat.S_IFREG, path(b"updir/file"))])
    yield "twice", DRIVER | GUEST_ERROR, driver([node(2, stat.S_IFREG, path(b"file")), node(3, stat.S_IFREG, path(b"hard"))])
    yield "same_fh", DRIVER, driver(TREE, [opened(0, 2, FILE), opened(0, 4, FILE)])
    yield "high_fh", DRIVER, driver(TREE, [opened(600, 2, FILE, 2, 0xFFFFFFFF)])
    yield "whole", 0, whole(driver(TREE))
    yield "no_client", 0, whole(b"", 0, 0)
    yield "wrong_sum", 0, whole(driver(TREE))[:-1] + b"x"


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, flags, data in inputs():
        (folder / name).write_bytes(bytes([flags]) + data)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
