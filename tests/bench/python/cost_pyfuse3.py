# SPDX-License-Identifier: BSD-3-Clause
"""The file system of cost.py for pyfuse3. Usage: cost_pyfuse3.py MOUNTPOINT"""

import errno
import sys

import pyfuse3
import trio

CONTENT = bytes(4096)


class Files(pyfuse3.Operations):
    def _attr(self, inode):
        attr = pyfuse3.EntryAttributes()
        root = inode == pyfuse3.ROOT_INODE
        attr.st_ino = inode
        attr.st_mode = 0o40755 if root else 0o100644
        attr.st_size = 0 if root else 4096
        attr.entry_timeout = attr.attr_timeout = 0
        return attr

    async def lookup(self, parent, name, ctx=None):
        number = int(name)
        if number >= 1000:
            raise pyfuse3.FUSEError(errno.ENOENT)
        return self._attr(number + 2)

    async def getattr(self, inode, ctx=None):
        return self._attr(inode)

    async def open(self, inode, flags, ctx):
        return pyfuse3.FileInfo(fh=inode, direct_io=True)

    async def read(self, fh, off, size):
        return CONTENT[off:off + size]


options = set(pyfuse3.default_options) - {"default_permissions"}
pyfuse3.init(Files(), sys.argv[1], options)
try:
    trio.run(pyfuse3.main)
finally:
    pyfuse3.close()
