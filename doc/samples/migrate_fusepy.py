# SPDX-License-Identifier: BSD-3-Clause
"""A directory with one file, by path: python3 migrate_fusepy.py MOUNTPOINT"""
import sys

import libfb

TEXT = b"Hello, world!\n"


class Hello(libfb.PathFS):
    def getattr(self, path):
        if path == "/":
            return libfb.Dir(0o755)
        if path == "/hello":
            return libfb.File(0o444, size=len(TEXT))
        raise FileNotFoundError

    def readdir(self, path):
        return ["hello"]

    def read(self, path, fh, off, size):
        return TEXT[off:off + size]


if __name__ == "__main__":
    with libfb.mount(Hello(), sys.argv[1]) as mount:
        mount.wait()
