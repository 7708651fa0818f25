# SPDX-License-Identifier: BSD-3-Clause
"""What programs import from pyfuse3 (3.2 to 3.4), on libfb.

    import libfb.compat.pyfuse3 as pyfuse3

Handlers run in trio, or in asyncio after `libfb.compat.pyfuse3.asyncio.enable()`. Differences: an
exception that is no FUSEError is logged and its caller gets EIO, the mount lives; ENOSYS makes the
kernel ask again, where it would never do so otherwise; readdir is asked for all entries at once,
and what the kernel did not take of them is given to forget when the directory is closed; lookups of
an inode are taken back all at once; close() always unmounts.
"""

from __future__ import annotations

import errno as _errno
from typing import Any

from libfb import ROOT as _ROOT
from libfb import RenameFlags as _RenameFlags

from . import _state, asyncio
from ._operations import Operations
from ._state import (close, default_options, init, invalidate_entry, invalidate_entry_async,
                     invalidate_inode, main, notify_store, terminate)
from ._types import (EntryAttributes, FileHandleT, FileInfo, FileNameT, FlagT, FUSEError, InodeT,
                     ModeT, ReaddirToken, RequestContext, SetattrFields, StatvfsData, XAttrNameT,
                     readdir_reply)
from ._utilities import get_sup_groups, getxattr, listdir, setxattr, syncfs

ENOATTR = _errno.ENODATA
ROOT_INODE: int = _ROOT
RENAME_EXCHANGE = int(_RenameFlags.EXCHANGE)
RENAME_NOREPLACE = int(_RenameFlags.NOREPLACE)

#: The version whose interface this is.
__version__ = "3.4.0"
_NANOS_PER_SEC = 10**9


def __getattr__(name: str) -> Any:
    """trio_token: of the loop that runs main(), or None."""
    if name == "trio_token":
        return _state.trio_token
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ENOATTR", "EntryAttributes", "FUSEError", "FileHandleT", "FileInfo", "FileNameT", "FlagT",
    "InodeT", "ModeT", "Operations", "RENAME_EXCHANGE", "RENAME_NOREPLACE", "ROOT_INODE",
    "ReaddirToken", "RequestContext", "SetattrFields", "StatvfsData", "XAttrNameT", "asyncio",
    "close", "default_options", "get_sup_groups", "getxattr", "init", "invalidate_entry",
    "invalidate_entry_async", "invalidate_inode", "listdir", "main", "notify_store",
    "readdir_reply", "setxattr", "syncfs", "terminate",
]
