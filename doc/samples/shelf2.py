# SPDX-License-Identifier: BSD-3-Clause
"""Step 2: files that are made, written, renamed and removed; all in memory."""
import errno
import time

import libfb


class Book:
    """One file. It lives as long as a name or an open file refers to it."""

    def __init__(self, mode, caller):
        self.data = bytearray()
        self.mode, self.uid, self.gid = mode, caller.uid, caller.gid
        self.atime_ns = self.mtime_ns = time.time_ns()

    def attr(self):
        return libfb.File(self.mode, size=len(self.data), uid=self.uid, gid=self.gid,
                          atime_ns=self.atime_ns, mtime_ns=self.mtime_ns, ctime_ns=self.mtime_ns)

    def resize(self, size):
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))
        self.mtime_ns = time.time_ns()


class Shelf(libfb.PathFS):
    def __init__(self):
        self.books = {}

    def find(self, path, fh=None):
        """An open file is its own handle; others are found by name."""
        if fh is not None:
            return fh
        if path in self.books:
            return self.books[path]
        raise FileNotFoundError

    def getattr(self, path, fh=None):
        return libfb.Dir(0o1777) if path == "/" else self.find(path, fh).attr()

    def readdir(self, path):
        for name in self.books:
            yield name[1:]

    def create(self, path, mode, flags):
        self.books[path] = Book(mode, libfb.request())
        return self.books[path]

    def open(self, path, flags):
        return self.find(path)

    def read(self, path, fh, off, size):
        return bytes(fh.data[off:off + size])

    def write(self, path, fh, off, data):
        if off + len(data) > len(fh.data):
            fh.resize(off + len(data))
        fh.data[off:off + len(data)] = data
        fh.mtime_ns = time.time_ns()

    def truncate(self, path, size, fh=None):
        self.find(path, fh).resize(size)

    def chmod(self, path, mode, fh=None):
        self.find(path, fh).mode = mode

    def utimens(self, path, atime_ns, mtime_ns, fh=None):
        book = self.find(path, fh)
        book.atime_ns, book.mtime_ns = atime_ns, mtime_ns

    def rename(self, path, new_path, flags):
        if flags & ~libfb.RenameFlags.NOREPLACE:
            raise OSError(errno.EINVAL, "a flag that is not known")
        if flags & libfb.RenameFlags.NOREPLACE and new_path in self.books:
            raise FileExistsError
        self.books[new_path] = self.books.pop(path)

    def unlink(self, path):
        self.find(path)
        del self.books[path]
