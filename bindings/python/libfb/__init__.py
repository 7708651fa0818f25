# SPDX-License-Identifier: BSD-3-Clause
"""File systems in Python, mounted by FUSE or shared with virtual machines.

    import libfb

    class Hello(libfb.PathFS):
        def getattr(self, path, fh=None):
            if path == "/":
                return libfb.Dir(0o755)
            if path == "/hello":
                return libfb.File(0o444, size=3)
            raise FileNotFoundError

        def readdir(self, path, fh=None):
            yield "hello"

        def read(self, path, fh, off, size):
            return b"hi\\n"[off:off + size]

    with libfb.mount(Hello(), "/mnt") as m:
        m.wait()
"""

import enum as _enum
import logging as _logging

from ._binding import fbc as _fbc
from ._binding import swig as _swig
from ._aio import current as _current
from ._check import check
from ._flags import (InitFlags, IoctlFlags, LockFlags, RenameFlags, SetattrFlags, XattrFlags)
from ._fs import NodeFS, Passthrough, PathFS
from ._mount import Mount, mount, unmount
from ._node_operations import NodeOperations
from ._protocols import Answer, AttrLike, Data, DirItem, IoctlResult, PathOperations
from ._results import (PENDING, Changes, Conn, Entry, FdRange, Lock, Opened, StatFS, Statx)
from ._server import Server
from ._tree import TreeFS
from ._vhost_user import VhostUser, vhost_user

Attr = _fbc.Attr
File = _fbc.File
Dir = _fbc.Dir
Symlink = _fbc.Symlink
Fifo = _fbc.Fifo
Socket = _fbc.Socket
Device = _fbc.Device
Request = _fbc.Request

#: The node of a NodeFS's root directory, unless the class has an attribute root.
ROOT = _swig.ROOT_NODE


class Cache(_enum.IntEnum):
    """How much the client of a Passthrough may remember."""

    AUTO = _swig.CACHE_AUTO
    NEVER = _swig.CACHE_NEVER
    METADATA = _swig.CACHE_METADATA
    ALWAYS = _swig.CACHE_ALWAYS


def request() -> Request:
    """The request that the running handler answers: who asks, and whether they still wait. RuntimeError
    outside of handlers."""
    task = _current.get(None)
    return task if task is not None else _swig.request_current()


def take() -> Request:
    """Keep the request of the running handler to answer it later: return PENDING, then call reply()
    or fail() of what this returned, from any thread."""
    return request().take()


def _log(level: int, text: str) -> None:
    levels = {3: _logging.ERROR, 4: _logging.WARNING, 6: _logging.INFO}
    _logging.getLogger("libfb").log(levels.get(level, _logging.DEBUG), "%s", text)


_swig.log_to(_log)

__all__ = [
    "Answer", "Attr", "AttrLike", "Cache", "Changes", "Conn", "Data", "Device", "Dir", "DirItem",
    "Entry", "FdRange", "Fifo", "File", "InitFlags", "IoctlFlags", "IoctlResult", "Lock",
    "LockFlags", "Mount", "NodeFS", "NodeOperations", "Opened", "PENDING", "Passthrough",
    "PathFS", "PathOperations", "ROOT", "RenameFlags", "Request", "Server", "SetattrFlags",
    "Socket", "StatFS", "Statx", "Symlink", "TreeFS", "VhostUser", "XattrFlags", "check", "mount",
    "request", "take", "unmount", "vhost_user",
]
