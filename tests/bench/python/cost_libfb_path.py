# SPDX-License-Identifier: BSD-3-Clause
"""The file system of cost.py for libfb, by path. Usage: cost_libfb_path.py MOUNTPOINT"""

import sys

import libfb

CONTENT = bytes(4096)


class Files(libfb.PathFS):
    entry_timeout = attr_timeout = 0.0

    def getattr(self, path, fh):
        if path == "/":
            return libfb.Dir(0o755)
        if int(path[1:]) >= 1000:
            raise FileNotFoundError
        return libfb.File(0o644, size=4096)

    def open(self, path, flags):
        return libfb.Opened(path, direct_io=True)

    def read(self, path, fh, off, size):
        return CONTENT[off:off + size]


with libfb.mount(Files(), sys.argv[1], default_permissions=False) as m:
    m.wait()
