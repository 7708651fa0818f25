# SPDX-License-Identifier: BSD-3-Clause
"""Whatever fsspec reaches as a file system: S3, SFTP, HTTP, HDFS, archives, memory, …

    import libfb, libfb.fsspec

    fs = libfb.fsspec.FsspecFS("sftp://host/data", writable=True, username="me")
    with libfb.mount(fs, "/mnt") as m:
        m.wait()

It needs the package fsspec and what that needs for the protocol. `open` makes one from texts, as a
command line has them.
"""

from __future__ import annotations

from typing import Any

from .adapter import FsspecFS

__all__ = ["FsspecFS", "open"]

_WORDS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def open(url: str, **options: Any) -> FsspecFS:
    """FsspecFS(url, **options), where options may be texts: numbers, yes or no, anything else.

    Raises what FsspecFS raises.
    """
    return FsspecFS(url, **{name: _value(value) for name, value in options.items()})


def _value(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return value
