# SPDX-License-Identifier: BSD-3-Clause
"""Functions that have little to do with FUSE, which programs expect beside it."""

from __future__ import annotations

import ctypes
import os


def listdir(path: str) -> list[str]:
    """os.listdir() of a str."""
    if not isinstance(path, str):
        raise TypeError("path must be str")
    return os.listdir(path)


def syncfs(path: str) -> None:
    """Write everything back that the file system holds on which path lies. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(fd) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(fd)


def _check(path: str, name: str, namespace: str) -> None:
    if not isinstance(path, str) or not isinstance(name, str):
        raise TypeError("path and name must be str")
    if namespace not in ("system", "user"):
        raise ValueError(f"namespace must be 'system' or 'user', not {namespace!r}")


def setxattr(path: str, name: str, value: bytes, namespace: str = "user") -> None:
    """Set an extended attribute. namespace has no meaning on Linux. Raises OSError."""
    _check(path, name, namespace)
    os.setxattr(path, name, value)


def getxattr(path: str, name: str, size_guess: int = 128, namespace: str = "user") -> bytes:
    """Return an extended attribute. size_guess is not needed. Raises OSError."""
    _check(path, name, namespace)
    return os.getxattr(path, name)


def get_sup_groups(pid: int) -> set[int]:
    """Supplementary groups of a process, from /proc."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        for line in status:
            name, _, value = line.partition(":")
            if name == "Groups":
                return set(map(int, value.split()))
    raise RuntimeError(f"/proc/{pid}/status says nothing of groups")
