#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A zip archive as a folder that can be read.

    python3 ziparchive.py photos.zip /mnt
    python3 -m libfb ziparchive.py:Zip /mnt --arg archive=photos.zip

What never changes can be remembered for long: see the timeouts and keep_cache.
"""
from __future__ import annotations

import errno
import os
import stat
import sys
import time
import zipfile
import zlib
from typing import IO

import libfb

FOLDER = zipfile.ZipInfo("/")  # stands for folders that the archive only implies


class Zip(libfb.PathFS):
    """The members of an archive. Where two have one name, the last counts."""

    entry_timeout = attr_timeout = negative_timeout = 3600.0

    def __init__(self, archive: str) -> None:
        self.zip = zipfile.ZipFile(archive)
        self.members = {"/": FOLDER}
        self.children: dict[str, list[str]] = {"/": []}
        for info in self.zip.infolist():
            self.add(info)

    def add(self, info: zipfile.ZipInfo) -> None:
        """Put a member at its place. Hostile archives have names such as "../../etc/passwd"."""
        path = "/"
        for name in info.filename.split("/"):
            if name in ("", ".", ".."):
                continue
            folder, path = path, os.path.join(path, name)
            if path not in self.members:
                self.members[path] = FOLDER
                self.children.setdefault(folder, []).append(name)
        if path != "/" and (info.is_dir() or path not in self.children):
            self.members[path] = info

    def member(self, path: str) -> zipfile.ZipInfo:
        try:
            return self.members[path]
        except KeyError:
            raise FileNotFoundError from None

    def getattr(self, path: str) -> libfb.Attr:
        """Archives made on Unix keep modes; nothing here can be written, whatever these say."""
        info = self.member(path)
        mode = info.external_attr >> 16
        if info.is_dir():
            return libfb.Dir((mode or 0o755) & 0o555, mtime_ns=self.mtime(info))
        kind = stat.S_IFLNK if stat.S_ISLNK(mode) else stat.S_IFREG
        return libfb.Attr(kind | (mode or 0o644) & 0o555, size=info.file_size,
                          mtime_ns=self.mtime(info))

    def mtime(self, info: zipfile.ZipInfo) -> int:
        """In ns. Zip has local time, in steps of two seconds."""
        return int(time.mktime((*info.date_time, 0, 0, -1))) * 10**9

    def readdir(self, path: str) -> list[str]:
        return self.children.get(path, [])

    def readlink(self, path: str) -> bytes:
        return self.zip.read(self.member(path))

    def open(self, path: str, flags: int) -> libfb.Opened:
        """The handle is a file object that unpacks as it is read."""
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EROFS, "archives are not written to")
        try:
            return libfb.Opened(self.zip.open(self.member(path)), keep_cache=True)
        except RuntimeError:  # the archive wants a password
            raise PermissionError from None

    def read(self, path: str, fh: IO[bytes], off: int, size: int) -> bytes:
        """Going forward is cheap; going back unpacks from the beginning again."""
        try:
            if fh.tell() != off:
                fh.seek(off)
            return fh.read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise OSError(errno.EIO, str(error)) from error

    def release(self, path: str, fh: IO[bytes]) -> None:
        fh.close()


if __name__ == "__main__":
    with libfb.mount(Zip(sys.argv[1]), sys.argv[2], read_only=True) as mount:
        mount.wait()
