# SPDX-License-Identifier: BSD-3-Clause
"""What `setattr` is for a class that has chmod, chown, truncate and utimens instead."""

from __future__ import annotations

import errno
import inspect
from collections.abc import Iterator
from typing import Any

from ._results import Changes

PARTS = ("chmod", "chown", "truncate", "utimens")


def has_parts(fs: object) -> bool:
    return any(hasattr(fs, part) for part in PARTS)


def _part(fs: object, name: str) -> Any:
    method = getattr(fs, name, None)
    if method is None:
        raise PermissionError(errno.EPERM, f"{type(fs).__name__} has no {name}()")
    return method


def _call(method: Any, *args: Any) -> Any:
    """Leave out the last argument, the handle, where the method does not take it."""
    from ._operations import arity

    return method(*args[:arity(method)])


def _steps(fs: object, where: Any, changes: Changes, fh: Any) -> Iterator[Any]:
    """Make the changes one by one; yields what each method returned."""
    if changes.size is not None:
        yield _call(_part(fs, "truncate"), where, changes.size, fh)
    if changes.uid is not None or changes.gid is not None:
        uid = -1 if changes.uid is None else changes.uid
        gid = -1 if changes.gid is None else changes.gid
        yield _call(_part(fs, "chown"), where, uid, gid, fh)
    if changes.mode is not None:
        yield _call(_part(fs, "chmod"), where, changes.mode, fh)
    if changes.atime_ns is not None or changes.mtime_ns is not None:
        yield _call(_part(fs, "utimens"), where, changes.atime_ns, changes.mtime_ns, fh)
    yield _call(_part(fs, "getattr"), where, fh)


async def _finish(first: Any, steps: Iterator[Any]) -> Any:
    result = await first
    for result in steps:
        if inspect.isawaitable(result):
            result = await result
    return result


def apply(fs: object, where: Any, changes: Changes, fh: Any) -> Any:
    """Make the changes; returns the attributes afterwards, or a coroutine that does the rest."""
    steps = _steps(fs, where, changes, fh)
    result = None
    for result in steps:
        if inspect.iscoroutine(result):
            return _finish(result, steps)
    return result
