#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A complete file system in memory, as tmpfs is one: all that POSIX and Linux have for files.

    python3 memory.py /mnt
    python3 -m libfb memory.py:Memory /mnt --arg size_mib=64

Two ideas carry it:

* Files are objects, and the objects are the nodes. A folder holds its children, libfb holds what
  the kernel still remembers or has open, and Python frees what nobody holds: so a deleted file
  lives on until it is closed, and its space comes back then, without a line of code for it.
* A file's bytes are pages in a dict. A page that is not there is a hole: a file of a terabyte with
  one byte in it takes one page.

The kernel does the rest: with default_permissions, which libfb.mount() asks for, it checks modes,
owners and sticky folders, and takes set-id bits off when somebody writes or changes the group. It
also keeps locks, as long as a file system does not ask for them.
"""
from __future__ import annotations

import errno
import itertools
import os
import stat
import sys
import time
from collections.abc import Iterator

import libfb
from libfb import RenameFlags, XattrFlags

PAGE = 4096
ZEROS = bytes(PAGE)  # what a hole reads as; also a page that is reserved but was never written
COPY_AT_ONCE = 1 << 20

KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16  # fallocate(2)


def failed(number: int) -> OSError:
    """An OSError of the right class, such as FileExistsError for EEXIST."""
    return OSError(number, os.strerror(number))


class Inode:
    """What all kinds of files have. Devices, FIFOs and sockets have nothing else: what happens when
    they are opened is the kernel's business."""

    def __init__(self, attr: libfb.Attr) -> None:
        self.attr = attr
        self.xattrs: dict[str, bytes] = {}
        self.born_ns = time.time_ns()
        attr.st_atime_ns = attr.st_mtime_ns = attr.st_ctime_ns = self.born_ns

    def accessed(self) -> None:
        self.attr.st_atime_ns = time.time_ns()

    def modified(self) -> None:
        self.attr.st_mtime_ns = self.attr.st_ctime_ns = time.time_ns()

    def changed(self) -> None:
        """Not its content, but what stat(2) tells."""
        self.attr.st_ctime_ns = time.time_ns()


class Folder(Inode):
    """Children by name. A folder has one link for its name, one for its ".", and one from the ".."
    of each folder in it."""

    def __init__(self, attr: libfb.Attr) -> None:
        super().__init__(attr)
        self.entries: dict[str, Inode] = {}
        self.parent: Folder | None = None
        attr.st_nlink = 2

    def __getitem__(self, name: str) -> Inode:
        try:
            return self.entries[name]
        except KeyError:  # which would be a bug for libfb: EIO
            raise FileNotFoundError from None

    def attach(self, name: str, node: Inode) -> None:
        self.entries[name] = node
        if isinstance(node, Folder):
            node.parent = self
            self.attr.st_nlink += 1
        self.modified()

    def detach(self, name: str) -> Inode:
        node = self.entries.pop(name)
        if isinstance(node, Folder):
            node.parent = None
            self.attr.st_nlink -= 1
        self.modified()
        return node

    def is_inside(self, other: Inode) -> bool:
        """Whether it is other, or below it."""
        folder: Folder | None = self
        while folder is not None and folder is not other:
            folder = folder.parent
        return folder is not None


class Symlink(Inode):
    """Text that the kernel reads as a path."""

    def __init__(self, attr: libfb.Attr, target: str) -> None:
        super().__init__(attr)
        self.target = target
        attr.st_size = len(os.fsencode(target))


class Room:
    """How many pages the file system has."""

    def __init__(self, pages: int) -> None:
        self.total = self.free = pages

    def take(self, pages: int) -> None:
        if pages > self.free:
            raise failed(errno.ENOSPC)
        self.free -= pages


class File(Inode):
    """Bytes, in pages by number. What lies behind the end of the file is zero."""

    def __init__(self, attr: libfb.Attr, room: Room) -> None:
        super().__init__(attr)
        self.room = room
        self.pages: dict[int, bytes | bytearray] = {}

    def __del__(self) -> None:
        """Python calls this when neither a name nor the kernel nor an open file leads here."""
        self.room.free += len(self.pages)

    def modified(self) -> None:
        super().modified()
        self.attr.st_blocks = len(self.pages) * (PAGE // 512)

    def read(self, off: int, size: int) -> bytes:
        size = min(size, self.attr.st_size - off)
        if size <= 0:
            return b""
        first, skip = divmod(off, PAGE)
        last = (off + size - 1) // PAGE
        whole = b"".join([self.pages.get(n, ZEROS) for n in range(first, last + 1)])
        return whole[skip:skip + size]

    def write(self, off: int, data: bytes) -> None:
        self.reserve(off, len(data))
        at = 0
        while at < len(data):
            number, skip = divmod(off + at, PAGE)
            piece = data[at:at + PAGE - skip]
            if len(piece) == PAGE:
                self.pages[number] = piece
            else:
                self._page(number)[skip:skip + len(piece)] = piece
            at += len(piece)
        self.attr.st_size = max(self.attr.st_size, off + len(data))
        self.modified()

    def _page(self, number: int) -> bytearray:
        """A page that can be changed in place: whole ones are kept as the bytes that came."""
        page = self.pages[number]
        if not isinstance(page, bytearray):
            page = self.pages[number] = bytearray(page)
        return page

    def reserve(self, off: int, size: int) -> None:
        """Have a page behind each of these bytes, or say that there is no room."""
        wanted = range(off // PAGE, (off + size + PAGE - 1) // PAGE)
        if len(wanted) - len(self.pages) > self.room.free:
            raise failed(errno.ENOSPC)  # without counting millions of pages
        missing = [n for n in wanted if n not in self.pages]
        self.room.take(len(missing))
        self.pages.update(dict.fromkeys(missing, ZEROS))

    def punch(self, off: int, end: int) -> None:
        """Make a hole: drop the pages that lie in it, and blank the parts of those at its edges."""
        first, last = (off + PAGE - 1) // PAGE, end // PAGE
        inside: list[int] | range = range(first, last)
        if last - first > len(self.pages):
            inside = [n for n in self.pages if first <= n < last]
        for number in inside:
            if self.pages.pop(number, None) is not None:
                self.room.free += 1
        self._blank(off, min(end, first * PAGE))
        self._blank(max(off, last * PAGE), end)

    def _blank(self, off: int, end: int) -> None:
        """Zero bytes of one page."""
        number, skip = divmod(off, PAGE)
        if off < end and number in self.pages:
            self._page(number)[skip:skip + end - off] = bytes(end - off)

    def truncate(self, size: int) -> None:
        self.punch(size, 1 << 63)
        self.attr.st_size = size
        self.modified()

    def seek(self, off: int, whence: int) -> int:
        """The next byte that is data, or in a hole. The end of the file is a hole."""
        number = off // PAGE
        if off >= self.attr.st_size:
            raise failed(errno.ENXIO)
        if (number in self.pages) == (whence == os.SEEK_DATA):
            return off
        if whence == os.SEEK_DATA:
            number = min((n for n in self.pages if n > number), default=1 << 63)
            if number * PAGE >= self.attr.st_size:
                raise failed(errno.ENXIO)
        while whence == os.SEEK_HOLE and number in self.pages:
            number += 1
        return min(number * PAGE, self.attr.st_size)


class Memory(libfb.NodeFS):
    """An empty file system of so many MiB. Its nodes are Inodes."""

    def __init__(self, size_mib: int | str = 1024) -> None:
        self.room = Room((int(size_mib) << 20) // PAGE)
        self.numbers = itertools.count(1)
        self.root = Folder(libfb.Dir(0o755, ino=next(self.numbers)))

    # ---- names ----

    def lookup(self, parent: Folder, name: str) -> libfb.Entry:
        node = parent[name]
        return libfb.Entry(node, node.attr)

    def readdir(self, node: Folder) -> Iterator[tuple[str, libfb.Attr]]:
        """With "." and "..", though they may be left out: so their inode numbers are right, too."""
        node.accessed()
        yield ".", node.attr
        yield "..", (node.parent or node).attr
        for name, child in node.entries.items():
            yield name, child.attr

    def _attributes(self, parent: Folder, mode: int, rdev: int = 0) -> libfb.Attr:
        """For a new file: the caller's, but the group comes from a set-gid folder."""
        caller, gid = libfb.request(), libfb.request().gid
        if parent.attr.st_mode & stat.S_ISGID:
            gid = parent.attr.st_gid
            mode |= stat.S_ISGID if stat.S_ISDIR(mode) else 0
        return libfb.Attr(mode, ino=next(self.numbers), uid=caller.uid, gid=gid, rdev=rdev)

    def _add(self, parent: Folder, name: str, node: Inode) -> libfb.Entry:
        if parent.attr.st_nlink == 0:  # the folder itself has been removed
            raise FileNotFoundError
        if name in parent.entries:
            raise FileExistsError
        parent.attach(name, node)
        return libfb.Entry(node, node.attr)

    def _remove(self, parent: Folder, name: str) -> None:
        node = parent.detach(name)
        node.attr.st_nlink = 0 if isinstance(node, Folder) else node.attr.st_nlink - 1
        node.changed()

    def mknod(self, parent: Folder, name: str, mode: int, rdev: int) -> libfb.Entry:
        attr = self._attributes(parent, mode, rdev)
        node = File(attr, self.room) if stat.S_ISREG(mode) else Inode(attr)
        return self._add(parent, name, node)

    def mkdir(self, parent: Folder, name: str, mode: int) -> libfb.Entry:
        attr = self._attributes(parent, stat.S_IFDIR | mode)
        return self._add(parent, name, Folder(attr))

    def symlink(self, parent: Folder, name: str, target: str) -> libfb.Entry:
        attr = self._attributes(parent, stat.S_IFLNK | 0o777)
        return self._add(parent, name, Symlink(attr, target))

    def readlink(self, node: Symlink) -> str:
        node.accessed()
        return node.target

    def link(self, node: Inode, parent: Folder, name: str) -> libfb.Entry:
        entry = self._add(parent, name, node)
        node.attr.st_nlink += 1
        node.changed()
        return entry

    def unlink(self, parent: Folder, name: str) -> None:
        if isinstance(parent[name], Folder):
            raise IsADirectoryError
        self._remove(parent, name)

    def rmdir(self, parent: Folder, name: str) -> None:
        node = parent[name]
        if not isinstance(node, Folder):
            raise NotADirectoryError
        if node.entries:
            raise failed(errno.ENOTEMPTY)
        self._remove(parent, name)

    def rename(self, parent: Folder, name: str, new_parent: Folder, new_name: str,
               flags: int) -> None:
        node, old = parent[name], new_parent.entries.get(new_name)
        if flags & RenameFlags.EXCHANGE:
            self._exchange(parent, name, new_parent, new_name)
            return
        if old is not None and flags & RenameFlags.NOREPLACE:
            raise FileExistsError
        if new_parent.attr.st_nlink == 0:
            raise FileNotFoundError
        if new_parent.is_inside(node):
            raise failed(errno.EINVAL)
        if old is node:  # two names of one file: POSIX wants nothing to happen
            return
        if old is not None:
            self._make_way(new_parent, new_name, isinstance(node, Folder))
        parent.detach(name)
        new_parent.attach(new_name, node)
        if flags & RenameFlags.WHITEOUT:  # what overlayfs leaves where something has been
            self.mknod(parent, name, stat.S_IFCHR, 0)
        node.changed()

    def _make_way(self, parent: Folder, name: str, for_folder: bool) -> None:
        if for_folder:
            self.rmdir(parent, name)
        else:
            self.unlink(parent, name)

    def _exchange(self, parent: Folder, name: str, new_parent: Folder, new_name: str) -> None:
        node, other = parent[name], new_parent[new_name]
        if new_parent.is_inside(node) or parent.is_inside(other):
            raise failed(errno.EINVAL)
        if node is other:
            return
        parent.detach(name)
        new_parent.detach(new_name)
        parent.attach(name, other)
        new_parent.attach(new_name, node)
        node.changed()
        other.changed()

    # ---- attributes ----

    def getattr(self, node: Inode) -> libfb.Attr:
        return node.attr

    def statx(self, node: Inode, fh: object) -> libfb.Statx:
        """What getattr() says, and when the file was made."""
        return libfb.Statx(node.attr, node.born_ns)

    def setattr(self, node: Inode, changes: libfb.Changes) -> libfb.Attr:
        attr = node.attr
        if changes.size is not None and isinstance(node, File):
            node.truncate(changes.size)
        if changes.uid is not None or changes.gid is not None:
            attr.st_uid = attr.st_uid if changes.uid is None else changes.uid
            attr.st_gid = attr.st_gid if changes.gid is None else changes.gid
            if not isinstance(node, Folder):  # nobody inherits the rights of another owner
                attr.st_mode &= ~stat.S_ISUID
                attr.st_mode &= ~stat.S_ISGID if attr.st_mode & stat.S_IXGRP else -1
        if changes.mode is not None:
            attr.st_mode = stat.S_IFMT(attr.st_mode) | stat.S_IMODE(changes.mode)
        if changes.atime_ns is not None:
            attr.st_atime_ns = changes.atime_ns
        if changes.mtime_ns is not None:
            attr.st_mtime_ns = changes.mtime_ns
        node.changed()
        return attr

    def statfs(self, node: Inode) -> libfb.StatFS:
        return libfb.StatFS(f_bsize=PAGE, f_frsize=PAGE, f_blocks=self.room.total,
                            f_bfree=self.room.free, f_bavail=self.room.free)

    def setxattr(self, node: Inode, name: str, value: bytes, flags: int) -> None:
        kind, _, rest = name.partition(".")
        if kind not in ("user", "trusted", "security"):  # no ACLs, which are system.posix_acl_…
            raise failed(errno.EOPNOTSUPP)
        if not rest:
            raise failed(errno.EINVAL)
        if name in node.xattrs and flags & XattrFlags.CREATE:
            raise FileExistsError
        if name not in node.xattrs and flags & XattrFlags.REPLACE:
            raise failed(errno.ENODATA)
        node.xattrs[name] = value
        node.changed()

    def getxattr(self, node: Inode, name: str) -> bytes:
        if name not in node.xattrs:
            raise failed(errno.EOPNOTSUPP if name.startswith("system.") else errno.ENODATA)
        return node.xattrs[name]

    def listxattr(self, node: Inode) -> list[str]:
        return list(node.xattrs)

    def removexattr(self, node: Inode, name: str) -> None:
        if node.xattrs.pop(name, None) is None:
            raise failed(errno.ENODATA)
        node.changed()

    # ---- content ----

    def open(self, node: Inode, flags: int) -> None:
        """Nothing to remember: the node is all that reads and writes need. The handle is None."""
        if flags & os.O_TRUNC and isinstance(node, File):
            node.truncate(0)

    def create(self, parent: Folder, name: str, mode: int,
               flags: int) -> tuple[libfb.Entry, None]:
        """mknod and open in one step."""
        return self.mknod(parent, name, stat.S_IFREG | mode, 0), None

    def tmpfile(self, parent: Folder, mode: int, flags: int) -> tuple[libfb.Entry, None]:
        """A file without a name (O_TMPFILE); link() may give it one."""
        node = File(self._attributes(parent, stat.S_IFREG | mode), self.room)
        node.attr.st_nlink = 0
        return libfb.Entry(node, node.attr), None

    def read(self, node: File, fh: None, off: int, size: int) -> bytes:
        node.accessed()
        return node.read(off, size)

    def write(self, node: File, fh: None, off: int, data: bytes) -> None:
        node.write(off, data)

    def fallocate(self, node: File, fh: None, mode: int, off: int, size: int) -> None:
        if mode & ~(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE):
            raise failed(errno.EOPNOTSUPP)
        if mode & (PUNCH_HOLE | ZERO_RANGE):
            node.punch(off, off + size)
        if not mode & PUNCH_HOLE:
            node.reserve(off, size)
        if not mode & KEEP_SIZE:
            node.attr.st_size = max(node.attr.st_size, off + size)
        node.modified()

    def lseek(self, node: File, fh: None, off: int, whence: int) -> int:
        return node.seek(off, whence)

    def copy_file_range(self, node: File, fh: None, to: File, to_fh: None, off: int, to_off: int,
                        size: int) -> int:
        """Copy without the bytes going through the kernel. It asks again for what is left."""
        data = node.read(off, min(size, COPY_AT_ONCE))
        node.accessed()
        to.write(to_off, data)
        return len(data)


if __name__ == "__main__":
    with libfb.mount(Memory(), sys.argv[1], options="allow_other,dev,suid") as mount:
        mount.wait()
