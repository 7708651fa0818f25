# SPDX-License-Identifier: BSD-3-Clause
"""Step 1: a folder with two files to read."""
import libfb

FILES = {"hello": b"Hello, world!\n", "answer": b"42\n"}


class Shelf(libfb.PathFS):
    def getattr(self, path):
        if path == "/":
            return libfb.Dir(0o755)
        if path[1:] in FILES:
            return libfb.File(0o444, size=len(FILES[path[1:]]))
        raise FileNotFoundError

    def readdir(self, path):
        return FILES

    def read(self, path, fh, off, size):
        return FILES[path[1:]][off:off + size]
