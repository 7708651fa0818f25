# SPDX-License-Identifier: BSD-3-Clause
"""Which methods a file-system object has, and how many arguments each takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

#: Methods that C calls: the operations of libfb/driver.h under the same names. What the table does
#: itself (readdirplus, save, load) is not among them.
OPERATIONS = (
    "destroy", "lookup", "forget", "getattr", "statx", "setattr", "readlink", "symlink", "mknod", "mkdir",
    "unlink", "rmdir", "rename", "link", "open", "create", "tmpfile", "read", "write", "flush",
    "release", "fsync", "opendir", "readdir", "releasedir", "fsyncdir", "statfs", "syncfs",
    "setxattr", "getxattr", "listxattr", "removexattr", "access", "getlk", "setlk", "fallocate",
    "lseek", "copy_file_range", "ioctl", "poll", "bmap",
    "setupmapping", "removemapping",
)

#: Arguments of a method that takes any number of them.
ANY_NUMBER = 16


def arity(method: Callable[..., Any]) -> int:
    """How many positional arguments a bound method takes at most."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):  # a builtin
        return ANY_NUMBER
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return ANY_NUMBER
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def arities(methods: dict[str, Callable[..., Any]]) -> dict[str, int]:
    """How many positional arguments each handler takes at most."""
    return {name: arity(method) for name, method in methods.items()}


def is_async(method: Callable[..., Any]) -> bool:
    """Whether calling it makes something that an event loop must run."""
    return inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)


def is_default(method: Callable[..., Any]) -> bool:
    """Whether this is what a base class of ours does when a class has no method of its own."""
    return getattr(method, "__libfb_default__", False)


def methods(fs: object) -> dict[str, Callable[..., Any]]:
    """The handlers of a file system by operation."""
    found = {}
    for name in OPERATIONS:
        method = getattr(fs, name, None)
        if method is None or (is_default(method) and not method.__libfb_default__(fs)):
            continue
        if not callable(method):
            raise TypeError(f"{type(fs).__name__}.{name} is no method")
        found[name] = method
    return found
