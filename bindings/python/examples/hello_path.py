#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The smallest file system that is one: a folder with one file that can be read.

    python3 hello_path.py /mnt                          # Ctrl-C unmounts it
    python3 -m libfb hello_path.py:Hello /mnt           # the same, with options: see --help

A PathFS has a method for each system call that it wants to answer; the path says what about. What
is not defined (write, unlink, …) answers as POSIX expects of a file system without it.
"""
import sys
from collections.abc import Iterator

import libfb

TEXT = b"Hello, world!\n"


class Hello(libfb.PathFS):
    """/hello, which says hello."""

    def getattr(self, path: str) -> libfb.Attr:
        """stat(2): what is there, and of which size. An OSError is an answer, too."""
        if path == "/":
            return libfb.Dir(0o755)
        if path == "/hello":
            return libfb.File(0o444, size=len(TEXT))
        raise FileNotFoundError

    def readdir(self, path: str) -> Iterator[str]:
        """The names in a folder: any iterable does. "." and ".." need not be among them."""
        yield "hello"

    def read(self, path: str, fh: object, off: int, size: int) -> bytes:
        """At most size bytes from off on; fewer mean the end of the file."""
        return TEXT[off:off + size]


if __name__ == "__main__":
    with libfb.mount(Hello(), sys.argv[1]) as mount:
        mount.wait()
