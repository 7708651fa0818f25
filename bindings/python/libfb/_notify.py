# SPDX-License-Identifier: BSD-3-Clause
"""Tell the client's kernel that what it remembers is out of date."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ._binding import fbc, swig


class Notifications:
    """Notifications of a mount. They are queued and delivered soon; safe inside handlers.

    node: what the class calls nodes: a path for PathFS, a node object for NodeFS. What the client does
    not know needs no notification: these return False then, else True. Raises OSError: EOPNOTSUPP
    where the transport (virtio-fs) or the kernel has none, ENOTCONN after the end.
    """

    handle: fbc.Handle

    def _number(self, node: Any) -> int | None:
        return swig.session_find(self.handle, node)

    def invalidate(self, node: Any, offset: int = 0, length: int = 0) -> bool:
        """Forget attributes and data from offset on, length bytes (0: to the end). offset -1:
        attributes only."""
        number = self._number(node)
        if number is not None:
            swig.notify_inval_node(self.handle, number, offset, length)
        return number is not None

    def invalidate_entry(self, parent: Any, name: str | bytes, expire_only: bool = False) -> bool:
        """Forget a name; with expire_only look again at its next use."""
        number = self._number(parent)
        if number is not None:
            swig.notify_inval_entry(self.handle, number, name, expire_only)
        return number is not None

    def deleted(self, parent: Any, name: str | bytes, node: Any) -> bool:
        """A name was removed behind the client's back: watchers are told too."""
        above, number = self._number(parent), self._number(node)
        if above is None or number is None:
            return False
        swig.notify_delete(self.handle, above, number, name)
        return True

    def store(self, node: Any, offset: int, data: bytes) -> bool:
        """Put data into the client's page cache."""
        number = self._number(node)
        if number is not None:
            swig.notify_store(self.handle, number, offset, data)
        return number is not None

    def poll_ready(self, kh: int) -> None:
        """Wake those who poll the handle kh that `poll` was given."""
        swig.notify_poll(self.handle, kh)

    def invalidate_all(self) -> None:
        """Make every cached name stale (Linux 6.16 and newer)."""
        swig.notify_inc_epoch(self.handle)

    def retrieve(self, node: Any, offset: int, size: int,
                 done: Callable[[bytes | None, int], object]) -> bool:
        """Ask for what the client has cached of a node. done(data, errno) is called once, in any
        thread, with bytes and 0, or None and an errno."""
        number = self._number(node)
        if number is not None:
            swig.session_retrieve(self.handle, number, offset, size, done)
        return number is not None

    def prune(self, nodes: Iterable[Any]) -> int:
        """Have unused nodes dropped from the client's memory and forgotten (protocol 7.45). Returns
        how many of them it knew."""
        numbers = [n for n in map(self._number, nodes) if n is not None]
        swig.session_prune(self.handle, numbers)
        return len(numbers)

    def resend(self) -> None:
        """Have all requests that are not answered sent again."""
        swig.notify_resend(self.handle)

    def flush_notifications(self) -> None:
        """Wait until all have been delivered. EDEADLK inside a handler."""
        swig.notify_flush(self.handle)
