# SPDX-License-Identifier: BSD-3-Clause
"""What a remote place tells of a file."""

from __future__ import annotations

import datetime
import email.utils
import stat
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

NS = 1_000_000_000
US = 1_000
#: Seconds since 1970 that are larger are milliseconds: the year 5138.
_SECONDS_MAX = 10**11
_SETTLED_NS = 3 * NS
_UTC = datetime.timezone.utc
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)

#: Where fsspec's implementations have the time of the last change; the first that is there counts.
_CHANGED = (
    "mtime", "LastModified", "Last-Modified", "last_modified", "modified", "updated",
    "modificationTime", "last_commit", "date_time", "created", "creation_time",
)
#: What tells one version of a file from another.
_VERSIONS = ("ETag", "etag", "md5Hash", "Content-MD5", "Digest", "checksum", "generation", "sha")


class Info(NamedTuple):
    """One file or directory. size: bytes, None where nobody knows. Times: ns since 1970. mode:
    without type. version: differs when the content does, as far as the place tells. None:
    unknown."""

    kind: int = stat.S_IFREG  #: S_IFREG, S_IFDIR, S_IFLNK …
    size: int | None = None
    mtime_ns: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    atime_ns: int | None = None
    ctime_ns: int | None = None
    version: str | None = None

    @property
    def is_directory(self) -> bool:
        return self.kind == stat.S_IFDIR

    @property
    def mark(self) -> tuple[object, ...]:
        """Equal marks: the same content."""
        return self.size, self.mtime_ns, self.version

    def is_settled(self) -> bool:
        """Whether other content would have another mark. A time that is just past does not tell:
        there are places with whole seconds, in which a file may change twice."""
        if self.version is not None or self.mtime_ns is None:
            return self.version is not None
        return abs(time.time_ns() - self.mtime_ns) > _SETTLED_NS


DIRECTORY = Info(stat.S_IFDIR, 0)


def time_ns(value: Any) -> int | None:
    """A time in any form that is around: datetime (without zone: UTC), seconds, milliseconds,
    text of ISO 8601 or HTTP, the tuple of an archive (local). None for what is none."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=_UTC)
        return ((value - _EPOCH) // datetime.timedelta(microseconds=1)) * US
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = value / 1000 if abs(value) >= _SECONDS_MAX else value
        return int(seconds) * NS if seconds == int(seconds) else round(seconds * 10**6) * US
    if isinstance(value, str):
        return _time_of_text(value.strip())
    if isinstance(value, tuple) and len(value) == 6:
        return int(time.mktime(time.struct_time((*value, -1, -1, -1)))) * NS
    return None


_READERS: tuple[Callable[[str], Any], ...] = (
    float, datetime.datetime.fromisoformat, email.utils.parsedate_to_datetime,
)


def _time_of_text(text: str) -> int | None:
    for reads in _READERS:
        try:
            return time_ns(reads(text))
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def changed_ns(raw: Mapping[str, Any]) -> int | None:
    """The time of the last change in what info() or ls() of fsspec tell."""
    for name in _CHANGED:
        found = time_ns(raw.get(name))
        if found is not None:
            return found
    return None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _kind(raw: Mapping[str, Any]) -> int:
    kinds = {"directory": stat.S_IFDIR, "dir": stat.S_IFDIR}
    return kinds.get(str(raw.get("type", "file")).lower(), stat.S_IFREG)


def from_raw(raw: Mapping[str, Any]) -> Info:
    """An Info of a dictionary of fsspec's."""
    kind, mode = _kind(raw), _number(raw.get("mode"))
    if mode is None and _number(raw.get("external_attr")):  # of a zip archive
        mode = raw["external_attr"] >> 16 or None
    version = next((str(raw[name]) for name in _VERSIONS if raw.get(name)), None)
    return Info(
        kind=kind, size=0 if kind == stat.S_IFDIR else _number(raw.get("size")),
        mtime_ns=changed_ns(raw), mode=None if mode is None else stat.S_IMODE(mode),
        uid=_number(raw.get("uid")), gid=_number(raw.get("gid")), version=version,
    )


def from_stat(st: Any) -> Info:
    """An Info of an os.stat_result."""
    return Info(
        kind=stat.S_IFMT(st.st_mode), size=st.st_size, mtime_ns=st.st_mtime_ns,
        mode=stat.S_IMODE(st.st_mode), uid=st.st_uid, gid=st.st_gid,
        atime_ns=st.st_atime_ns, ctime_ns=st.st_ctime_ns,
    )
