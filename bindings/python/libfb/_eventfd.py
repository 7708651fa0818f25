# SPDX-License-Identifier: BSD-3-Clause
"""A descriptor that wakes a thread or an event loop: eventfd(2). One place, as the type stubs
that Debian 12 has for os do not know these functions yet."""

from __future__ import annotations

import os
from typing import Any

_os: Any = os


class EventFd:
    """A counter: set() makes its descriptor readable, clear() takes that back."""

    def __init__(self) -> None:
        self._fd: int = _os.eventfd(0, _os.EFD_CLOEXEC | _os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def set(self) -> None:
        """Make it readable. From any thread."""
        _os.eventfd_write(self._fd, 1)

    def clear(self) -> bool:
        """Make it unreadable. Returns whether it was readable."""
        try:
            _os.eventfd_read(self._fd)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """May be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
