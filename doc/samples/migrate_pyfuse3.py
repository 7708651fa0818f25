# SPDX-License-Identifier: BSD-3-Clause
"""A directory with one file, by node: python3 migrate_pyfuse3.py MOUNTPOINT"""
import asyncio
import sys

import libfb

TEXT = b"Hello, world!\n"
FILE = 2


class Hello(libfb.NodeFS):
    async def getattr(self, node):
        if node == libfb.ROOT:
            return libfb.Dir(0o755)
        return libfb.File(0o444, size=len(TEXT))

    async def lookup(self, parent, name):
        if parent != libfb.ROOT or name != "hello":
            raise FileNotFoundError
        return libfb.Entry(FILE, await self.getattr(FILE))

    async def readdir(self, node):
        return ["hello"]

    async def read(self, node, fh, off, size):
        return TEXT[off:off + size]


async def main():
    async with libfb.mount(Hello(), sys.argv[1]) as mount:
        await mount.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
