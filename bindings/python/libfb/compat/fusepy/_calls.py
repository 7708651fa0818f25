# SPDX-License-Identifier: BSD-3-Clause
"""How a program's methods are called, and what their exceptions and results mean."""

from __future__ import annotations

import codecs
import errno
import logging
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger("fuse")

#: In each thread that serves: the `FUSE` it serves.
serving = threading.local()

#: Operations that a file system may lack without harm: its ENOSYS is as good as success.
_NEEDLESS = frozenset(("access", "flush", "fsync", "fsyncdir", "opendir", "open"))


class Calls:
    """Calls methods of one file system. fuse: what fuse_exit() ends. encoding, errors: of names, as
    the file system sees them; libfb's own are UTF-8 with surrogateescape."""

    def __init__(self, operations: Any, fuse: Any, encoding: str, errors: str) -> None:
        self._fuse = fuse
        self._invoke = operations if callable(operations) else _by_name(operations)
        self._encoding, self._errors = encoding, errors
        self._same = (codecs.lookup(encoding).name, errors) == ("utf-8", "surrogateescape")

    def _decoded(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return value.encode("utf-8", "surrogateescape").decode(self._encoding, self._errors)

    def name(self, text: str | bytes) -> str | bytes:
        """A name that the file system gave, for libfb."""
        if self._same or isinstance(text, bytes):
            return text
        return text.encode(self._encoding, self._errors)

    def get(self, op: str, *args: Any) -> Any:
        """Call a method for its result. Raises OSError only, and what is no Exception."""
        serving.fuse = self._fuse
        try:
            if not self._same:
                args = tuple(map(self._decoded, args))
            return self._invoke(op, *args)
        except Exception as error:
            return self._failed(op, error)

    def every(self, op: str, *args: Any) -> list[Any]:
        """Call a method whose result is iterable, as a generator is."""
        result = self.get(op, *args)
        try:
            return list(result)
        except Exception as error:
            self._failed(op, error)
        return []

    def do(self, op: str, *args: Any) -> int:
        """Call a method whose result is a number of C's: negative, an errno. None is 0."""
        result = self.get(op, *args)
        if not isinstance(result, int):
            return 0
        if result < 0:
            raise OSError(-result, f"{op}() returned {result}")
        return result

    def _failed(self, op: str, error: Exception) -> int:
        """0 where the failure does not matter; raises OSError otherwise."""
        if not isinstance(error, OSError):
            log.error("%s() raised %s: the caller gets EINVAL", op, type(error).__name__,
                      exc_info=error)
            raise OSError(errno.EINVAL, str(error)) from error
        if isinstance(error.errno, int) and error.errno <= 0:
            log.error("%s() raised an OSError with errno %d: the caller gets EINVAL", op,
                      error.errno)
            raise OSError(errno.EINVAL, str(error)) from error
        if error.errno == errno.ENOSYS and op in _NEEDLESS:
            return 0
        raise error


def _by_name(operations: Any) -> Callable[..., Any]:
    def invoke(op: str, *args: Any) -> Any:
        return getattr(operations, op)(*args)

    return invoke
