# SPDX-License-Identifier: BSD-3-Clause
"""Attributes as the client shows them: integers only, times in nanoseconds."""
from __future__ import annotations

import enum
import os
from dataclasses import dataclass

from . import wire

NS = 10**9
U64 = (1 << 64) - 1


class Time(enum.Enum):
    """What may stand in place of a time."""

    NOW = "now"
    OMIT = "omit"


NOW, OMIT = Time.NOW, Time.OMIT


@dataclass(frozen=True)
class Stat:
    """Attributes of a node, named as in os.stat_result. st_rdev is as os.makedev() makes it."""

    st_mode: int
    st_size: int
    st_ino: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_rdev: int
    st_blocks: int
    st_blksize: int
    st_atime_ns: int
    st_mtime_ns: int
    st_ctime_ns: int


@dataclass(frozen=True)
class StatFS:
    """Sizes of a file system, named as in os.statvfs_result; blocks are of f_frsize bytes."""

    f_bsize: int
    f_frsize: int
    f_blocks: int
    f_bfree: int
    f_bavail: int
    f_files: int
    f_ffree: int
    f_namemax: int


def signed(number: int) -> int:
    """A 64-bit number in two's complement."""
    return number - (1 << 64) if number >> 63 else number


def pack_device(device: int) -> int:
    """A device number of os.makedev() in the 32 bits of the wire: 12 for major, 20 for minor."""
    major, minor = os.major(device), os.minor(device)
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)


def unpack_device(number: int) -> int:
    """The other way round."""
    return os.makedev((number & 0xFFF00) >> 8, (number & 0xFF) | ((number >> 12) & 0xFFF00))


def read_stat(fields: dict[str, int], prefix: str = "attr_") -> Stat:
    """Attributes out of the fields of attr_out or entry_out."""
    attr = {name: fields[prefix + name] for name in wire.layout("attr").fields}

    def time(name: str) -> int:
        return signed(attr[name]) * NS + attr[name + "nsec"]

    return Stat(
        st_mode=attr["mode"],
        st_size=attr["size"],
        st_ino=attr["ino"],
        st_nlink=attr["nlink"],
        st_uid=attr["uid"],
        st_gid=attr["gid"],
        st_rdev=unpack_device(attr["rdev"]),
        st_blocks=attr["blocks"],
        st_blksize=attr["blksize"],
        st_atime_ns=time("atime"),
        st_mtime_ns=time("mtime"),
        st_ctime_ns=time("ctime"),
    )


def read_statfs(body: bytes) -> StatFS:
    """Sizes out of the answer to STATFS."""
    st = {name.removeprefix("st_"): n for name, n in wire.unpack("statfs_out", body).items()}
    return StatFS(
        f_bsize=st["bsize"],
        f_frsize=st["frsize"],
        f_blocks=st["blocks"],
        f_bfree=st["bfree"],
        f_bavail=st["bavail"],
        f_files=st["files"],
        f_ffree=st["ffree"],
        f_namemax=st["namelen"],
    )


def time_fields(name: str, when: int | Time) -> tuple[wire.SetAttr, dict[str, int]]:
    """What setattr_in says of a time: flags, and fields. name is atime or mtime."""
    flag = wire.SetAttr[name.upper()]
    if when is Time.OMIT:
        return wire.SetAttr(0), {}
    if when is Time.NOW:
        return flag | wire.SetAttr[name.upper() + "_NOW"], {}
    assert isinstance(when, int)
    seconds, nanoseconds = divmod(when, NS)
    return flag, {name: seconds & U64, name + "nsec": nanoseconds}
