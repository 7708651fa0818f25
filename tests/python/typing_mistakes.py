# SPDX-License-Identifier: BSD-3-Clause
"""Mistakes that mypy --strict must find: each line with one ends with its error code."""

import libfb
from libfb.testing import Client

attr = libfb.File(0o644, size="12")  # E: arg-type
attr.st_mtime_ns = 1.5  # E: assignment
attr.st_colour = 1  # E: attr-defined
libfb.Dir(0o755, colour=1)  # E: call-arg
libfb.Device(0o20600, 5)  # E: misc
libfb.request().uid = 0  # E: misc
libfb.take().reply()  # E: call-arg
libfb.Opened(1, backing="path")  # E: arg-type
libfb.FdRange("path", 0, 1)  # E: arg-type
libfb.Entry()  # E: call-arg
libfb.StatFS(f_block=1)  # E: call-arg
libfb.check(object())  # E: arg-type
libfb.mount("/mnt", libfb.Passthrough("/srv"))  # E: arg-type
libfb.vhost_user(object(), "/run/socket")  # E: arg-type
libfb.RenameFlags.EXCHANG  # E: attr-defined
libfb.Mounted  # E: attr-defined


def result() -> libfb.Data:
    """What a read may not return."""
    return "text"  # E: return-value


def item() -> libfb.DirItem:
    """Attributes without a name."""
    return attr  # E: return-value


def made(client: Client) -> int:
    """A client's results have types, too."""
    return client.read_bytes("/a")  # E: return-value
