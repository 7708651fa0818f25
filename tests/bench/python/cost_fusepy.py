# SPDX-License-Identifier: BSD-3-Clause
"""The file system of cost.py for fusepy. Usage: cost_fusepy.py MOUNTPOINT [nothreads]"""

import errno
import sys

import fusepy as fuse  # Debian's name for the module

CONTENT = bytes(4096)


class Files(fuse.Operations):
    def getattr(self, path, fh=None):
        if path == "/":
            return {"st_mode": 0o40755, "st_nlink": 2}
        if int(path[1:]) >= 1000:
            raise fuse.FuseOSError(errno.ENOENT)
        return {"st_mode": 0o100644, "st_nlink": 1, "st_size": 4096}

    def open(self, path, flags):
        return 0

    def read(self, path, size, off, fh):
        return CONTENT[off:off + size]


fuse.FUSE(Files(), sys.argv[1], foreground=True, nothreads=len(sys.argv) > 2,
          attr_timeout=0, entry_timeout=0, direct_io=True)
