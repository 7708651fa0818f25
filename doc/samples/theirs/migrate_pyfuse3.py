# SPDX-License-Identifier: BSD-3-Clause
"""A directory with one file, on pyfuse3: python3 migrate_pyfuse3.py MOUNTPOINT"""
import errno
import stat
import sys

import pyfuse3
import trio

TEXT = b"Hello, world!\n"
FILE = 2


class Hello(pyfuse3.Operations):
    async def getattr(self, inode, ctx=None):
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        entry.attr_timeout = entry.entry_timeout = 1
        if inode == pyfuse3.ROOT_INODE:
            entry.st_mode, entry.st_nlink = stat.S_IFDIR | 0o755, 2
        elif inode == FILE:
            entry.st_mode, entry.st_size = stat.S_IFREG | 0o444, len(TEXT)
        else:
            raise pyfuse3.FUSEError(errno.ENOENT)
        return entry

    async def lookup(self, parent_inode, name, ctx=None):
        if parent_inode != pyfuse3.ROOT_INODE or name != b"hello":
            raise pyfuse3.FUSEError(errno.ENOENT)
        return await self.getattr(FILE)

    async def opendir(self, inode, ctx):
        return inode

    async def readdir(self, fh, start_id, token):
        if start_id == 0:
            pyfuse3.readdir_reply(token, b"hello", await self.getattr(FILE), 1)

    async def open(self, inode, flags, ctx):
        return pyfuse3.FileInfo(fh=inode)

    async def read(self, fh, off, size):
        return TEXT[off:off + size]


if __name__ == "__main__":
    pyfuse3.init(Hello(), sys.argv[1])
    try:
        trio.run(pyfuse3.main)
    finally:
        pyfuse3.close()
