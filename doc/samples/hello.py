# SPDX-License-Identifier: BSD-3-Clause
import libfb


class Hello(libfb.PathFS):
    """A folder with one file, which says hello."""

    def getattr(self, path):
        if path == "/":
            return libfb.Dir(0o755)
        if path == "/hello":
            return libfb.File(0o444, size=14)
        raise FileNotFoundError

    def readdir(self, path):
        yield "hello"

    def read(self, path, fh, off, size):
        return b"Hello, world!\n"[off:off + size]
