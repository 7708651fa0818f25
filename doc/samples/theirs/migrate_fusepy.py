# SPDX-License-Identifier: BSD-3-Clause
"""A directory with one file, on fusepy: python3 migrate_fusepy.py MOUNTPOINT"""
import errno
import stat
import sys

from fuse import FUSE, FuseOSError, Operations

TEXT = b"Hello, world!\n"


class Hello(Operations):
    def getattr(self, path, fh=None):
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path == "/hello":
            return {"st_mode": stat.S_IFREG | 0o444, "st_nlink": 1, "st_size": len(TEXT)}
        raise FuseOSError(errno.ENOENT)

    def readdir(self, path, fh):
        return [".", "..", "hello"]

    def read(self, path, size, offset, fh):
        return TEXT[offset:offset + size]


if __name__ == "__main__":
    FUSE(Hello(), sys.argv[1], foreground=True, nothreads=True)
