# SPDX-License-Identifier: BSD-3-Clause
"""Exceptions of handlers as errno, where C does not decide by itself: everything but the built-in
classes of OSError."""

from __future__ import annotations

import asyncio
import errno
import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType

log = logging.getLogger("libfb")

#: Is given each exception that is a bug of a handler, in its thread, before the caller gets EIO.
on_bug: Callable[[BaseException], object] | None = None

#: Classes whose number is no errno, though they are OSErrors: module and name, lest we import them.
_NOT_ERRNO = (("socket", "gaierror"), ("socket", "herror"), ("ssl", "SSLError"))
#: The kernel refuses larger ones.
_ERRNO_MAX = 511


def _is_foreign(error: OSError) -> bool:
    return any(module in sys.modules and isinstance(error, getattr(sys.modules[module], name))
               for module, name in _NOT_ERRNO)


_CLASSES = (
    (FileNotFoundError, errno.ENOENT), (FileExistsError, errno.EEXIST),
    (PermissionError, errno.EACCES), (NotADirectoryError, errno.ENOTDIR),
    (IsADirectoryError, errno.EISDIR), (BlockingIOError, errno.EAGAIN),
    (InterruptedError, errno.EINTR), (TimeoutError, errno.ETIMEDOUT),
    (BrokenPipeError, errno.EPIPE), (ConnectionRefusedError, errno.ECONNREFUSED),
    (ConnectionResetError, errno.ECONNRESET), (ConnectionAbortedError, errno.ECONNABORTED),
    (ProcessLookupError, errno.ESRCH), (ChildProcessError, errno.ECHILD),
)


def os_errno(error: OSError) -> int:
    """The errno that a client is told for an OSError of any class."""
    number = error.errno
    if _is_foreign(error):
        return errno.EIO
    if number is None:
        return next((code for cls, code in _CLASSES if isinstance(error, cls)), errno.EIO)
    if type(number) is not int or not 1 <= number <= _ERRNO_MAX:
        return errno.EIO
    return errno.EOPNOTSUPP if number == errno.ENOSYS else number


def _site(trace: TracebackType | None) -> tuple[str, int]:
    """Where it was raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace else ("", 0)


class Bugs:
    """Counts exceptions that are no answers, and logs the first of each site with its traceback."""

    def __init__(self) -> None:
        self.counts: dict[tuple[type, str, tuple[str, int]], int] = {}
        self._lock = threading.Lock()

    def note(self, fs: object, op: str, error: BaseException) -> None:
        where = (type(error), op, _site(error.__traceback__))
        with self._lock:
            count = self.counts[where] = self.counts.get(where, 0) + 1
        if count == 1:
            log.error("%s.%s() raised %s: the caller gets EIO; logged once", type(fs).__name__,
                      op, type(error).__name__, exc_info=error)
        elif count & (count - 1) == 0:
            log.error("%s.%s() raised %s at the same place %d times", type(fs).__name__, op,
                      type(error).__name__, count)
        if on_bug is not None:
            on_bug(error)

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def explain(fs: object, op: str, error: BaseException, bugs: Bugs) -> int:
    """The errno for any exception; what is a bug is logged."""
    if isinstance(error, OSError):
        return os_errno(error)
    if isinstance(error, NotImplementedError):
        return errno.EOPNOTSUPP
    if isinstance(error, asyncio.CancelledError):
        return errno.EINTR
    bugs.note(fs, op, error)
    return errno.EIO
