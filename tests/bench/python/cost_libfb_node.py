# SPDX-License-Identifier: BSD-3-Clause
"""The file system of cost.py for libfb, by node. Usage: cost_libfb_node.py MOUNTPOINT"""

import sys

import libfb

CONTENT = bytes(4096)


class Files(libfb.NodeFS):
    entry_timeout = attr_timeout = 0.0
    root = -1

    def lookup(self, parent, name):
        number = int(name)
        if number >= 1000:
            raise FileNotFoundError
        return libfb.Entry(number, libfb.File(0o644, size=4096))

    def getattr(self, node, fh):
        return libfb.File(0o644, size=4096) if node >= 0 else libfb.Dir(0o755)

    def open(self, node, flags):
        return libfb.Opened(node, direct_io=True)

    def read(self, node, fh, off, size):
        return CONTENT[off:off + size]


with libfb.mount(Files(), sys.argv[1], default_permissions=False) as m:
    m.wait()
