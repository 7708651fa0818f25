# SPDX-License-Identifier: BSD-3-Clause
"""The classes that file systems derive from."""

from __future__ import annotations

import os
from typing import Any

from . import _setattr
from ._binding import swig
from ._results import Changes

#: What C calls these layers: enum fbpy_layer.
LAYER_NODES, LAYER_PATHS, LAYER_LOWER = range(3)


class FileSystem:
    """What NodeFS, PathFS and Passthrough share: how long clients may remember.

    entry_timeout, attr_timeout: seconds for names and attributes. negative_timeout: seconds for names
    that do not exist. All can be given to `mount` and `vhost_user` too, which then count.
    names: "str" (UTF-8 with surrogateescape) or "bytes".
    """

    entry_timeout: float = 1.0
    attr_timeout: float = 1.0
    negative_timeout: float = 0.0
    names: str = "str"
    _layer: int

    def setattr(self, where: Any, changes: Changes, fh: Any = None) -> Any:
        """Make changes, by chmod, chown, truncate and utimens where the class has them; return the
        attributes afterwards."""
        return _setattr.apply(self, where, changes, fh)

    setattr.__libfb_default__ = _setattr.has_parts  # type: ignore[attr-defined]


class PathFS(FileSystem):
    """A file system by path. Define the operations that it has as methods (plain or async); see
    `libfb.PathOperations` for all of them with their arguments. Only getattr must be there.

    Paths are absolute and end with no slash: "/", "/a/b". The path of a file that is open but has no
    name any more is None; methods that can be called then are given its handle. Handles are whatever
    open returned. Trailing arguments that a method does not take are left out.
    """

    _layer = LAYER_PATHS


class NodeFS(FileSystem):
    """A file system by node: as PathFS with a node in place of a path, and a parent node and a name
    in place of the path of a name; see `libfb.NodeOperations`. A node is any hashable object; equal
    objects are one node. lookup and all that makes a name return an `Entry`.
    forget(node) is called once, when no client knows the node any more.

    root: the node of the root directory; the default is libfb.ROOT.
    """

    _layer = LAYER_NODES
    root: Any = 1


def _lower(op: str) -> Any:
    """A method that calls the driver's operation, for super() in a subclass's own."""

    def call(self: Passthrough, *args: Any) -> Any:
        return swig.lower_call(op, args)

    call.__name__ = op
    call.__doc__ = f"The driver's {op}, for the request that is being handled."
    call.__libfb_default__ = lambda fs: False  # type: ignore[attr-defined]
    return call


class Passthrough(FileSystem):
    """A directory of the host, served by the driver in C. Methods of a subclass are called instead of
    the driver's operations, and can call those by super(): ``super().read(node, fh, off, size)`` gives
    bytes, ``super().lookup(parent, name)`` an Entry, ``super().open(node, flags)`` an Opened,
    ``super().readdir(node, fh)`` a list of (name, Attr with type and ino only). The rest never enters
    Python. Nodes and handles are the driver's numbers. super() works until a handler's first await.
    release(node, fh) and releasedir(node, fh) are told of the end; the driver's own run after them.

    What the driver gave and the method does not return has to be given back: an open file by
    ``self.discard(node, handle)``, an entry's lookup by ``self.unlookup(node)``.

    source: directory (or regular file). options: fields of C's struct fb_passthrough_options, such as
    read_only=True or cache=libfb.Cache.NEVER. Raises TypeError for an option that does not exist.
    """

    _layer = LAYER_LOWER

    def __init__(self, source: str | bytes | os.PathLike[str], **options: Any) -> None:
        self.source = source
        self.options = options

    lookup = _lower("lookup")
    getattr = _lower("getattr")
    setattr = _lower("setattr")
    readlink = _lower("readlink")
    symlink = _lower("symlink")
    mknod = _lower("mknod")
    mkdir = _lower("mkdir")
    unlink = _lower("unlink")
    rmdir = _lower("rmdir")
    rename = _lower("rename")
    link = _lower("link")
    open = _lower("open")
    create = _lower("create")
    tmpfile = _lower("tmpfile")
    read = _lower("read")
    write = _lower("write")
    flush = _lower("flush")
    fsync = _lower("fsync")
    opendir = _lower("opendir")
    readdir = _lower("readdir")
    fsyncdir = _lower("fsyncdir")
    statfs = _lower("statfs")
    syncfs = _lower("syncfs")
    setxattr = _lower("setxattr")
    getxattr = _lower("getxattr")
    listxattr = _lower("listxattr")
    removexattr = _lower("removexattr")
    access = _lower("access")
    getlk = _lower("getlk")
    setlk = _lower("setlk")
    fallocate = _lower("fallocate")
    lseek = _lower("lseek")
    copy_file_range = _lower("copy_file_range")
    discard = _lower("discard")
    unlookup = _lower("unlookup")
