#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A file system in an SQLite database: one file that holds a tree, and any sqlite3 can look inside.

    python3 sqlite.py tree.db /mnt
    python3 -m libfb sqlite.py:Sqlite /mnt --arg database=tree.db
    sqlite3 tree.db "SELECT name, size FROM entry JOIN inode ON inode = id"

Every system call that changes something is one transaction, so a server that is killed leaves
each call done or not done. (When the machine itself loses power, what was not synced may be lost,
never torn: that is what SQLite's journal mode WAL promises.)

A node is the number of a row in the table inode. That is enough for hard links, renames and deleted
files that are still open: the row of a file without a name goes when the kernel forgets it, or,
after a crash, at the next start.
"""
from __future__ import annotations

import errno
import os
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator
from typing import Any

import libfb
from libfb import RenameFlags, XattrFlags

BLOCK = 64 * 1024

SCHEMA = """
CREATE TABLE IF NOT EXISTS inode (
    id INTEGER PRIMARY KEY, mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
    nlink INTEGER NOT NULL, size INTEGER NOT NULL DEFAULT 0, rdev INTEGER NOT NULL DEFAULT 0,
    atime INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, target BLOB);
CREATE TABLE IF NOT EXISTS entry (
    parent INTEGER NOT NULL REFERENCES inode, name BLOB NOT NULL, inode INTEGER NOT NULL
    REFERENCES inode, PRIMARY KEY (parent, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS block (
    inode INTEGER NOT NULL REFERENCES inode ON DELETE CASCADE, number INTEGER NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (inode, number));
CREATE TABLE IF NOT EXISTS xattr (
    inode INTEGER NOT NULL REFERENCES inode ON DELETE CASCADE, name BLOB NOT NULL,
    value BLOB NOT NULL, PRIMARY KEY (inode, name)) WITHOUT ROWID;
"""
COLUMNS = "mode, uid, gid, nlink, size, rdev, atime, mtime, ctime"


def failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class Sqlite(libfb.NodeFS):
    """The tree in a database, which is made if there is none."""

    names = "bytes"  # file names need not be text: SQLite keeps them as BLOBs

    def __init__(self, database: str) -> None:
        self.database = database

    def init(self) -> None:
        """The kernel says hello. Here, and not in __init__, we are sure to be in the process that
        serves; what is raised here is raised by libfb.mount()."""
        self.db = sqlite3.connect(self.database, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.execute("PRAGMA foreign_keys = ON")
        self.db.executescript(SCHEMA)
        with self.change():
            if not self.db.execute("SELECT 1 FROM inode").fetchone():
                now = time.time_ns()
                self.db.execute(f"INSERT INTO inode (id, {COLUMNS}) VALUES (?,?,?,?,2,0,0,?,?,?)",
                                (libfb.ROOT, stat.S_IFDIR | 0o755, os.getuid(), os.getgid(),
                                 now, now, now))
            self.db.execute("DELETE FROM inode WHERE nlink = 0")  # open when the last server died

    def destroy(self) -> None:
        """The kernel is gone."""
        self.db.close()

    def change(self) -> sqlite3.Connection:
        """For a with block: one transaction, which an exception takes back."""
        self.db.execute("BEGIN IMMEDIATE")
        return self.db

    # ---- rows ----

    def getattr(self, node: int) -> libfb.Attr:
        row = self.db.execute(f"SELECT {COLUMNS} FROM inode WHERE id = ?", (node,)).fetchone()
        if row is None:
            raise failed(errno.ESTALE)
        mode, uid, gid, nlink, size, rdev, atime, mtime, ctime = row
        return libfb.Attr(mode, ino=node, uid=uid, gid=gid, nlink=nlink, size=size, rdev=rdev,
                          atime_ns=atime, mtime_ns=mtime, ctime_ns=ctime)

    def update(self, node: int, **columns: Any) -> None:
        """Set columns of a node, and its change time."""
        columns["ctime"] = time.time_ns()
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self.db.execute(f"UPDATE inode SET {assignments} WHERE id = ?", (*columns.values(), node))

    def find(self, parent: int, name: bytes) -> int | None:
        row = self.db.execute("SELECT inode FROM entry WHERE parent = ? AND name = ?",
                              (parent, name)).fetchone()
        return row[0] if row else None

    def need(self, parent: int, name: bytes) -> int:
        node = self.find(parent, name)
        if node is None:
            raise FileNotFoundError
        return node

    def is_folder(self, node: int) -> bool:
        return stat.S_ISDIR(self.getattr(node).st_mode)

    def entry(self, node: int) -> libfb.Entry:
        return libfb.Entry(node, self.getattr(node))

    # ---- names ----

    def lookup(self, parent: int, name: bytes) -> libfb.Entry:
        return self.entry(self.need(parent, name))

    def readdir(self, node: int) -> Iterator[tuple[bytes, libfb.Entry]]:
        """Names with entries, which saves the kernel a lookup for each."""
        rows = self.db.execute("SELECT name, inode FROM entry WHERE parent = ?", (node,)).fetchall()
        for name, child in rows:
            yield name, self.entry(child)

    def make(self, parent: int, mode: int, nlink: int, rdev: int = 0,
             target: bytes | None = None) -> int:
        """A new inode of the caller's."""
        caller, folder, now = libfb.request(), self.getattr(parent), time.time_ns()
        gid = caller.gid
        if folder.st_mode & stat.S_ISGID:  # the folder's group is its children's, too
            gid = folder.st_gid
            mode |= stat.S_ISGID if stat.S_ISDIR(mode) else 0
        size = len(target or b"")
        made = self.db.execute(
            f"INSERT INTO inode ({COLUMNS}, target) VALUES (?,?,?,?,?,?,?,?,?,?)",
            (mode, caller.uid, gid, nlink, size, rdev, now, now, now, target)).lastrowid
        assert made is not None
        return made

    def attach(self, parent: int, name: bytes, node: int) -> None:
        """Give a node a name; its own count of links is the caller's business."""
        folder = self.getattr(parent)
        if folder.st_nlink == 0:
            raise FileNotFoundError  # the folder itself has been removed
        try:
            self.db.execute("INSERT INTO entry VALUES (?,?,?)", (parent, name, node))
        except sqlite3.IntegrityError:
            raise FileExistsError from None
        self.update(parent, nlink=folder.st_nlink + self.is_folder(node), mtime=time.time_ns())

    def detach(self, parent: int, name: bytes, node: int) -> None:
        self.db.execute("DELETE FROM entry WHERE parent = ? AND name = ?", (parent, name))
        nlink = self.getattr(parent).st_nlink - self.is_folder(node)
        self.update(parent, nlink=nlink, mtime=time.time_ns())

    def remove(self, parent: int, name: bytes, folder: bool) -> None:
        node = self.need(parent, name)
        if self.is_folder(node) != folder:
            raise NotADirectoryError if folder else IsADirectoryError
        if folder and self.db.execute("SELECT 1 FROM entry WHERE parent = ?", (node,)).fetchone():
            raise failed(errno.ENOTEMPTY)
        self.detach(parent, name, node)
        self.update(node, nlink=0 if folder else self.getattr(node).st_nlink - 1)

    def forget(self, node: int) -> None:
        """Nobody can name or use the node any more, unless it has names here."""
        self.db.execute("DELETE FROM inode WHERE id = ? AND nlink = 0", (node,))

    def mknod(self, parent: int, name: bytes, mode: int, rdev: int) -> libfb.Entry:
        with self.change():
            node = self.make(parent, mode, 1, rdev)
            self.attach(parent, name, node)
        return self.entry(node)

    def mkdir(self, parent: int, name: bytes, mode: int) -> libfb.Entry:
        with self.change():
            node = self.make(parent, stat.S_IFDIR | mode, 2)
            self.attach(parent, name, node)
        return self.entry(node)

    def symlink(self, parent: int, name: bytes, target: bytes) -> libfb.Entry:
        with self.change():
            node = self.make(parent, stat.S_IFLNK | 0o777, 1, target=target)
            self.attach(parent, name, node)
        return self.entry(node)

    def readlink(self, node: int) -> bytes:
        row = self.db.execute("SELECT target FROM inode WHERE id = ?", (node,)).fetchone()
        target: bytes = row[0]
        return target

    def link(self, node: int, parent: int, name: bytes) -> libfb.Entry:
        with self.change():
            self.attach(parent, name, node)
            self.update(node, nlink=self.getattr(node).st_nlink + 1)
        return self.entry(node)

    def unlink(self, parent: int, name: bytes) -> None:
        with self.change():
            self.remove(parent, name, folder=False)

    def rmdir(self, parent: int, name: bytes) -> None:
        with self.change():
            self.remove(parent, name, folder=True)

    def rename(self, parent: int, name: bytes, new_parent: int, new_name: bytes,
               flags: int) -> None:
        with self.change():
            node, old = self.need(parent, name), self.find(new_parent, new_name)
            if flags & RenameFlags.WHITEOUT:
                raise failed(errno.EINVAL)
            if old is not None and flags & RenameFlags.NOREPLACE:
                raise FileExistsError
            if old == node:  # two names of one file: POSIX wants nothing to happen
                return
            if flags & RenameFlags.EXCHANGE:
                other = self.need(new_parent, new_name)
                self.detach(new_parent, new_name, other)
                self.detach(parent, name, node)
                self.attach(parent, name, other)
            else:
                if old is not None:
                    self.remove(new_parent, new_name, self.is_folder(node))
                self.detach(parent, name, node)
            self.attach(new_parent, new_name, node)
            self.update(node)

    # ---- attributes ----

    def setattr(self, node: int, changes: libfb.Changes) -> libfb.Attr:
        """Fields of changes are None where nothing is asked for."""
        with self.change():
            wanted: dict[str, Any] = {"uid": changes.uid, "gid": changes.gid,
                                      "atime": changes.atime_ns, "mtime": changes.mtime_ns}
            if changes.mode is not None:
                kind = stat.S_IFMT(self.getattr(node).st_mode)
                wanted["mode"] = kind | stat.S_IMODE(changes.mode)
            if changes.size is not None:
                self.truncate(node, changes.size)
            self.update(node, **{name: v for name, v in wanted.items() if v is not None})
        return self.getattr(node)

    def setxattr(self, node: int, name: bytes, value: bytes, flags: int) -> None:
        kind, _, rest = name.partition(b".")
        if kind not in (b"user", b"trusted", b"security") or not rest:
            raise failed(errno.EOPNOTSUPP)
        with self.change():
            there = name in self.listxattr(node)
            if there and flags & XattrFlags.CREATE:
                raise FileExistsError
            if not there and flags & XattrFlags.REPLACE:
                raise failed(errno.ENODATA)
            self.db.execute("INSERT OR REPLACE INTO xattr VALUES (?,?,?)", (node, name, value))
            self.update(node)

    def getxattr(self, node: int, name: bytes) -> bytes:
        row = self.db.execute("SELECT value FROM xattr WHERE inode = ? AND name = ?",
                              (node, name)).fetchone()
        if row is None:
            raise failed(errno.ENODATA)
        value: bytes = row[0]
        return value

    def listxattr(self, node: int) -> list[bytes]:
        rows = self.db.execute("SELECT name FROM xattr WHERE inode = ?", (node,))
        return [name for name, in rows]

    def removexattr(self, node: int, name: bytes) -> None:
        with self.change():
            self.getxattr(node, name)
            self.db.execute("DELETE FROM xattr WHERE inode = ? AND name = ?", (node, name))
            self.update(node)

    # ---- content ----

    def open(self, node: int, flags: int) -> None:
        """The node is all that reads and writes need: no handle."""
        if flags & os.O_TRUNC:
            self.setattr(node, libfb.Changes(size=0, mtime_ns=time.time_ns()))

    def create(self, parent: int, name: bytes, mode: int, flags: int) -> tuple[libfb.Entry, None]:
        return self.mknod(parent, name, stat.S_IFREG | mode, 0), None

    def tmpfile(self, parent: int, mode: int, flags: int) -> tuple[libfb.Entry, None]:
        with self.change():
            node = self.make(parent, stat.S_IFREG | mode, 0)
        return self.entry(node), None

    def block(self, node: int, number: int) -> bytes:
        """A block's bytes, without zeros at its end; a block that is not there is all zeros."""
        row = self.db.execute("SELECT data FROM block WHERE inode = ? AND number = ?",
                              (node, number)).fetchone()
        return row[0] if row else b""

    def read(self, node: int, fh: None, off: int, size: int) -> bytes:
        size = max(0, min(size, self.getattr(node).st_size - off))
        first, skip = divmod(off, BLOCK)
        count = (skip + size + BLOCK - 1) // BLOCK
        data = b"".join(self.block(node, first + n).ljust(BLOCK, b"\0") for n in range(count))
        return data[skip:skip + size]

    def write(self, node: int, fh: None, off: int, data: bytes) -> None:
        """All blocks of one write change together, or none."""
        with self.change():
            at = 0
            while at < len(data):
                number, skip = divmod(off + at, BLOCK)
                piece = data[at:at + BLOCK - skip]
                old = self.block(node, number) if len(piece) < BLOCK else b""
                new = old[:skip].ljust(skip, b"\0") + piece + old[skip + len(piece):]
                self.db.execute("INSERT OR REPLACE INTO block VALUES (?,?,?)", (node, number, new))
                at += len(piece)
            size = max(self.getattr(node).st_size, off + len(data))
            self.update(node, size=size, mtime=time.time_ns())

    def truncate(self, node: int, size: int) -> None:
        """Part of a transaction. Blocks behind the end go, and the rest of the last one."""
        last, keep = divmod(size, BLOCK)
        self.db.execute("DELETE FROM block WHERE inode = ? AND number > ?", (node, last))
        self.db.execute("UPDATE block SET data = substr(data, 1, ?) WHERE inode = ? AND number = ?",
                        (keep, node, last))
        self.update(node, size=size, mtime=time.time_ns())

    def fsync(self, node: int, fh: None, datasync: bool) -> None:
        """All that was committed goes to the disk: from the journal into the database."""
        self.db.execute("PRAGMA wal_checkpoint(FULL)")

    def fsyncdir(self, node: int, fh: None, datasync: bool) -> None:
        self.fsync(node, fh, datasync)

    def statfs(self, node: int) -> os.statvfs_result:
        """As much room as the database's own file system has."""
        return os.statvfs(self.database)


if __name__ == "__main__":
    with libfb.mount(Sqlite(sys.argv[1]), sys.argv[2]) as mount:
        mount.wait()
