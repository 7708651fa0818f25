# SPDX-License-Identifier: BSD-3-Clause
"""The FUSE wire format, as far as a client needs it.

The tests compare `LAYOUTS` and `Op` with the C library's own tables, so that they can not drift.
Numbers are in the byte order of this machine, as between a kernel and its server.
"""
from __future__ import annotations

import enum
import struct
from collections.abc import Mapping
from typing import Final

ROOT: Final = 1
"""The node that every session starts with."""

#: Structs by name: "field:code" each. A code is that of the struct module (with a count for arrays
#: that stay zero), or the name of another struct, whose fields then appear as field_name.
LAYOUTS: Final[Mapping[str, str]] = {
    "in_header": "len:I opcode:I unique:Q nodeid:Q uid:I gid:I pid:I total_extlen:H padding:H",
    "out_header": "len:I error:i unique:Q",
    "init_in": "major:I minor:I max_readahead:I flags:I flags2:I unused:11I",
    "init_out": (
        "major:I minor:I max_readahead:I flags:I max_background:H congestion_threshold:H "
        "max_write:I time_gran:I max_pages:H map_alignment:H flags2:I max_stack_depth:I "
        "request_timeout:H unused:11H"
    ),
    "attr": (
        "ino:Q size:Q blocks:Q atime:Q mtime:Q ctime:Q atimensec:I mtimensec:I "
        "ctimensec:I mode:I nlink:I uid:I gid:I rdev:I blksize:I flags:I"
    ),
    "entry_out": (
        "nodeid:Q generation:Q entry_valid:Q attr_valid:Q entry_valid_nsec:I "
        "attr_valid_nsec:I attr:attr"
    ),
    "attr_out": "attr_valid:Q attr_valid_nsec:I dummy:I attr:attr",
    "forget_in": "nlookup:Q",
    "forget_one": "nodeid:Q nlookup:Q",
    "batch_forget_in": "count:I dummy:I",
    "getattr_in": "getattr_flags:I dummy:I fh:Q",
    "setattr_in": (
        "valid:I padding:I fh:Q size:Q lock_owner:Q atime:Q mtime:Q ctime:Q atimensec:I "
        "mtimensec:I ctimensec:I mode:I unused4:I uid:I gid:I unused5:I"
    ),
    "sx_time": "tv_sec:q tv_nsec:I __reserved:i",
    "statx": (
        "mask:I blksize:I attributes:Q nlink:I uid:I gid:I mode:H __spare0:1H ino:Q "
        "size:Q blocks:Q attributes_mask:Q atime:sx_time btime:sx_time ctime:sx_time "
        "mtime:sx_time rdev_major:I rdev_minor:I dev_major:I dev_minor:I __spare2:14Q"
    ),
    "statx_in": "getattr_flags:I reserved:I fh:Q sx_flags:I sx_mask:I",
    "statx_out": "attr_valid:Q attr_valid_nsec:I flags:I spare:2Q stat:statx",
    "kstatfs": "blocks:Q bfree:Q bavail:Q files:Q ffree:Q bsize:I namelen:I frsize:I padding:I spare:6I",
    "statfs_out": "st:kstatfs",
    "access_in": "mask:I padding:I",
    "mknod_in": "mode:I rdev:I umask:I padding:I",
    "mkdir_in": "mode:I umask:I",
    "rename_in": "newdir:Q",
    "rename2_in": "newdir:Q flags:I padding:I",
    "link_in": "oldnodeid:Q",
    "open_in": "flags:I open_flags:I",
    "create_in": "flags:I mode:I umask:I open_flags:I",
    "open_out": "fh:Q open_flags:I backing_id:i",
    "create_out": "entry:entry_out open:open_out",
    "release_in": "fh:Q flags:I release_flags:I lock_owner:Q",
    "flush_in": "fh:Q unused:I padding:I lock_owner:Q",
    "read_in": "fh:Q offset:Q size:I read_flags:I lock_owner:Q flags:I padding:I",
    "write_in": "fh:Q offset:Q size:I write_flags:I lock_owner:Q flags:I padding:I",
    "write_out": "size:I padding:I",
    "fsync_in": "fh:Q fsync_flags:I padding:I",
    "fallocate_in": "fh:Q offset:Q length:Q mode:I padding:I",
    "lseek_in": "fh:Q offset:Q whence:I padding:I",
    "lseek_out": "offset:Q",
    "copy_file_range_in": "fh_in:Q off_in:Q nodeid_out:Q fh_out:Q off_out:Q len:Q flags:Q",
    "copy_file_range_out": "bytes_copied:Q",
    "dirent": "ino:Q off:Q namelen:I type:I",
    "direntplus": "entry_out:entry_out dirent:dirent",
    "setxattr_in": "size:I flags:I setxattr_flags:I padding:I",
    "getxattr_in": "size:I padding:I",
    "getxattr_out": "size:I padding:I",
    "file_lock": "start:Q end:Q type:I pid:I",
    "lk_in": "fh:Q owner:Q lk:file_lock lk_flags:I padding:I",
    "lk_out": "lk:file_lock",
    "interrupt_in": "unique:Q",
    "bmap_in": "block:Q blocksize:I padding:I",
    "bmap_out": "block:Q",
    "ioctl_in": "fh:Q flags:I cmd:I arg:Q in_size:I out_size:I",
    "ioctl_out": "result:i flags:I in_iovs:I out_iovs:I",
    "ioctl_iovec": "base:Q len:Q",
    "poll_in": "fh:Q kh:Q flags:I events:I",
    "poll_out": "revents:I padding:I",
    "syncfs_in": "padding:Q",
    "notify_retrieve_in": "dummy1:Q offset:Q size:I dummy2:I dummy3:Q dummy4:Q",
    "setupmapping_in": "fh:Q foffset:Q len:Q flags:Q moffset:Q",
    "removemapping_in": "count:I",
    "removemapping_one": "moffset:Q len:Q",
    "ext_header": "size:I type:I",
    "secctx_header": "size:I nr_secctx:I",
    "secctx": "size:I padding:I",
    "supp_groups": "nr_groups:I",
    "notify_poll_out": "kh:Q",
    "notify_inval_inode_out": "ino:Q off:q len:q",
    "notify_inval_entry_out": "parent:Q namelen:I flags:I",
    "notify_delete_out": "parent:Q child:Q namelen:I padding:I",
    "notify_store_out": "nodeid:Q offset:Q size:I padding:I",
    "notify_retrieve_out": "notify_unique:Q nodeid:Q offset:Q size:I padding:I",
    "notify_prune_out": "count:I padding:I spare:Q",
}


class Layout:
    """One struct of the wire format: its size in bytes, its fields, pack() and unpack()."""

    def __init__(self, name: str, spec: str) -> None:
        self.name = name
        self.offsets: dict[str, int] = {}
        self.fields: list[str] = []
        code = "="
        for word in spec.split():
            field, kind = word.split(":")
            self.offsets[field] = struct.calcsize(code)
            if kind in LAYOUTS:
                inner = layout(kind)
                self.fields += [f"{field}_{each}" for each in inner.fields]
                code += inner._struct.format[1:]
            elif len(kind) == 1:
                self.fields.append(field)
                code += kind
            else:
                code += f"{struct.calcsize('=' + kind)}x"
        self._struct: struct.Struct = struct.Struct(code)
        self.size = self._struct.size

    def pack(self, **values: int) -> bytes:
        """The struct's bytes; fields that are left out are zero.

        Raises TypeError for a field that it does not have, and struct.error for a number that does
        not fit.
        """
        unknown = values.keys() - set(self.fields)
        if unknown:
            raise TypeError(f"{self.name} has no field {', '.join(sorted(unknown))}")
        return self._struct.pack(*(values.get(field, 0) for field in self.fields))

    def unpack(self, data: bytes, at: int = 0) -> dict[str, int]:
        """The fields of the struct that begins at byte `at` of data; struct.error when cut short."""
        return dict(zip(self.fields, self._struct.unpack_from(data, at)))


_layouts: dict[str, Layout] = {}


def layout(name: str) -> Layout:
    """The layout of a struct by its name in `LAYOUTS`; KeyError for others."""
    if name not in _layouts:
        _layouts[name] = Layout(name, LAYOUTS[name])
    return _layouts[name]


def pack(name: str, **values: int) -> bytes:
    """Short for `layout(name).pack(…)`."""
    return layout(name).pack(**values)


def unpack(name: str, data: bytes, at: int = 0) -> dict[str, int]:
    """Short for `layout(name).unpack(…)`."""
    return layout(name).unpack(data, at)


class Op(enum.IntEnum):
    """Opcodes: what a request asks for."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    SETXATTR = 21
    GETXATTR = 22
    LISTXATTR = 23
    REMOVEXATTR = 24
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    GETLK = 31
    SETLK = 32
    SETLKW = 33
    ACCESS = 34
    CREATE = 35
    INTERRUPT = 36
    BMAP = 37
    DESTROY = 38
    IOCTL = 39
    POLL = 40
    NOTIFY_REPLY = 41
    BATCH_FORGET = 42
    FALLOCATE = 43
    READDIRPLUS = 44
    RENAME2 = 45
    LSEEK = 46
    COPY_FILE_RANGE = 47
    SETUPMAPPING = 48
    REMOVEMAPPING = 49
    SYNCFS = 50
    TMPFILE = 51
    STATX = 52
    COPY_FILE_RANGE_64 = 53


NO_ANSWER: Final = frozenset({Op.FORGET, Op.BATCH_FORGET, Op.INTERRUPT, Op.NOTIFY_REPLY})
"""Requests that are never answered."""

GIVES_NODE: Final = frozenset(
    {Op.LOOKUP, Op.SYMLINK, Op.MKNOD, Op.MKDIR, Op.LINK, Op.CREATE, Op.TMPFILE}
)
"""Requests whose answer counts one lookup of a node."""

EXTENDED: Final = frozenset({Op.SYMLINK, Op.MKNOD, Op.MKDIR, Op.CREATE, Op.TMPFILE})
"""Requests that may end with extensions."""

EXT_GROUPS: Final = 32


class Feature(enum.IntFlag):
    """What client and server agree on with INIT, as far as a client behaves differently for it."""

    ATOMIC_O_TRUNC = 1 << 3
    DONT_MASK = 1 << 6
    DO_READDIRPLUS = 1 << 13
    HANDLE_KILLPRIV_V2 = 1 << 28
    SETXATTR_EXT = 1 << 29
    INIT_EXT = 1 << 30
    CREATE_SUPP_GROUP = 1 << 34


class SetAttr(enum.IntFlag):
    """Which fields of setattr_in are meant."""

    MODE = 1 << 0
    UID = 1 << 1
    GID = 1 << 2
    SIZE = 1 << 3
    ATIME = 1 << 4
    MTIME = 1 << 5
    FH = 1 << 6
    ATIME_NOW = 1 << 7
    MTIME_NOW = 1 << 8
    LOCKOWNER = 1 << 9
    CTIME = 1 << 10
    KILL_SUIDGID = 1 << 11


class Notify(enum.IntEnum):
    """Codes of notifications."""

    POLL = 1
    INVAL_INODE = 2
    INVAL_ENTRY = 3
    STORE = 4
    RETRIEVE = 5
    DELETE = 6
    RESEND = 7
    INC_EPOCH = 8
    PRUNE = 9


#: The struct that a notification begins with.
NOTIFY_LAYOUTS: Final[Mapping[Notify, str]] = {
    Notify.POLL: "notify_poll_out",
    Notify.INVAL_INODE: "notify_inval_inode_out",
    Notify.INVAL_ENTRY: "notify_inval_entry_out",
    Notify.STORE: "notify_store_out",
    Notify.RETRIEVE: "notify_retrieve_out",
    Notify.DELETE: "notify_delete_out",
    Notify.PRUNE: "notify_prune_out",
}

GETATTR_FH: Final = 1 << 0
OPEN_KILL_SUIDGID: Final = 1 << 0
WRITE_LOCKOWNER: Final = 1 << 1
WRITE_KILL_SUIDGID: Final = 1 << 2
READ_LOCKOWNER: Final = 1 << 1
RELEASE_FLOCK_UNLOCK: Final = 1 << 1
FSYNC_DATASYNC: Final = 1 << 0
LK_FLOCK: Final = 1 << 0
IOCTL_DIR: Final = 1 << 4
POLL_SCHEDULE_NOTIFY: Final = 1 << 0
SEEK_DATA: Final = 3
SEEK_HOLE: Final = 4
END_OF_FILE: Final = (1 << 63) - 1
"""The end of a lock that reaches as far as the file may grow."""
