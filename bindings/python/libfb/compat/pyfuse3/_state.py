# SPDX-License-Identifier: BSD-3-Clause
"""The one mount that a program of pyfuse3 has at a time, and what is done to it."""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Collection
from typing import Any

from .. import _options
from ._serving import AsyncioLoop, Serving, TrioLoop

log = logging.getLogger("pyfuse3")

default_options = frozenset(("default_permissions",))

#: Longest that a notification is waited for: the kernel may hold it back until a request is
#: answered that this thread has in hand. It is delivered then.
_DELIVERY_S = 1.0

use_asyncio = False
serving: Serving | None = None
trio_token: Any = None


def _mount() -> Serving:
    if serving is None:
        raise RuntimeError("nothing is mounted: call init() first")
    return serving


def init(ops: Any, mountpoint: str, options: Collection[str] = default_options) -> None:
    """Mount a file system. Requests wait until main() runs. options: names or "name=value", as
    after mount -o. Raises RuntimeError when something is mounted by init() already, or can not
    be."""
    global serving
    if serving is not None:
        raise RuntimeError("init() has been called: close() comes first")
    if not isinstance(mountpoint, str):
        raise TypeError("mountpoint must be str")
    split = _options.split(options)
    try:
        serving = Serving(ops, os.path.abspath(mountpoint), options=split.mount,
                          default_permissions=False, **split.session)
    except OSError as error:
        raise RuntimeError(f"can not mount: {error}") from error
    if split.debug:
        serving.trace(lambda line: log.debug("%s", line))


async def main(min_tasks: int = 1, max_tasks: int = 99) -> None:
    """Serve, in trio or (pyfuse3.asyncio.enable()) in asyncio, until it is unmounted or terminate()
    is called. max_tasks: handlers that run at a time, at most. min_tasks does nothing."""
    global trio_token
    mount = _mount()
    if use_asyncio:
        trio_token = "asyncio"
    else:
        trio_token = importlib.import_module("trio").lowlevel.current_trio_token()
    try:
        kind: type[AsyncioLoop] | type[TrioLoop] = AsyncioLoop if use_asyncio else TrioLoop
        await mount.main(kind(), max_tasks)
    finally:
        trio_token = None


def terminate() -> None:
    """Have main() return soon. From any thread."""
    _mount().stop()


def close(unmount: bool = True) -> None:
    """Unmount and free everything. There is no way to leave it mounted: unmount does nothing."""
    global serving
    mount, serving = _mount(), None
    mount.close()


# ---- notifications ----------------------------------------------------------------------------


def _deliver(mount: Serving) -> None:
    """Wait until the kernel has heard of it, but not for ever."""

    def flush() -> None:
        try:
            mount.flush_notifications()
        except OSError as error:
            log.debug("notifications were not delivered: %s", error)

    thread = threading.Thread(target=flush, name="libfb-notify", daemon=True)
    thread.start()
    thread.join(_DELIVERY_S)


def _known(known: bool, what: str) -> None:
    if not known:
        raise FileNotFoundError(2, f"the kernel does not know {what}")


def invalidate_inode(inode: int, attr_only: bool = False) -> None:
    """Have the kernel forget attributes and data of an inode. FileNotFoundError: it knows none."""
    mount = _mount()
    _known(mount.invalidate(inode, -1 if attr_only else 0), f"inode {inode}")
    _deliver(mount)


def _invalidate(mount: Serving, inode_p: int, name: bytes, deleted: int) -> bool:
    if deleted and mount.deleted(inode_p, name, deleted):
        return True
    return mount.invalidate_entry(inode_p, name)


def invalidate_entry(inode_p: int, name: bytes, deleted: int = 0) -> None:
    """Have the kernel forget a name. deleted: the inode that it had; those who watch it are told
    that it has been removed. FileNotFoundError: the kernel does not know the directory."""
    mount = _mount()
    _known(_invalidate(mount, inode_p, name, deleted), f"directory {inode_p}")
    _deliver(mount)


def invalidate_entry_async(inode_p: int, name: bytes, deleted: int = 0,
                           ignore_enoent: bool = False) -> None:
    """The same without waiting. That the kernel does not know the directory is logged, unless
    ignore_enoent."""
    if not _invalidate(_mount(), inode_p, name, deleted) and not ignore_enoent:
        log.error("can not invalidate %r: the kernel does not know directory %d", name, inode_p)


def notify_store(inode: int, offset: int, data: bytes) -> None:
    """Put data into the kernel's cache. FileNotFoundError: it does not know the inode."""
    mount = _mount()
    _known(mount.store(inode, offset, data), f"inode {inode}")
    _deliver(mount)
