# SPDX-License-Identifier: BSD-3-Clause
"""What the values in the dictionary of a TreeFS mean."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ._binding import fbc

_EMPTY: Mapping[str, Any] = MappingProxyType({})


def split(value: Any) -> tuple[fbc.Attr | None, Any]:
    """(attributes that were given, content) of a value. Content is None for devices and pipes."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], fbc.Attr):
        return value[0], value[1]
    if not isinstance(value, fbc.Attr):
        return None, value
    if stat.S_ISDIR(value.st_mode):
        return value, _EMPTY
    return value, b"" if stat.S_ISREG(value.st_mode) else None


def is_directory(content: Any) -> bool:
    return isinstance(content, Mapping)


def content_bytes(content: Any) -> Any:
    """Content of a file as something that has a length in bytes. TypeError for what is none."""
    if isinstance(content, str):
        return content.encode("utf-8", "surrogateescape")
    if isinstance(content, (bytes, bytearray)):
        return content
    if isinstance(content, memoryview):
        return content.tobytes()
    raise TypeError(f"{type(content).__name__} is no content of a file: bytes or str are")


def size_of(content: Any, given: fbc.Attr | None) -> int:
    """Bytes that stat tells."""
    if content is None or is_directory(content):
        return 0
    if isinstance(content, os.PathLike):
        return len(os.fsencode(content))
    if callable(content):
        return int(given.st_size) if given is not None else 0
    if isinstance(content, memoryview):
        return content.nbytes
    return len(content_bytes(content))


def standard_attr(content: Any, writable: bool) -> fbc.Attr:
    """Type and mode where none are given. TypeError for a value that means nothing."""
    if is_directory(content):
        return fbc.Dir(0o755 if writable else 0o555)
    if isinstance(content, os.PathLike):
        return fbc.Symlink()
    if callable(content):
        return fbc.File(0o444)
    content_bytes(content)
    return fbc.File(0o644 if writable else 0o444)
