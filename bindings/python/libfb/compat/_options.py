# SPDX-License-Identifier: BSD-3-Clause
"""Mount options as libfuse takes them: some are the kernel's, some its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any


def _octal(text: str) -> int:
    return int(text, 8)


#: Of the session, with what makes their values.
_SESSION: dict[str, Callable[[str], Any]] = {
    "max_write": int, "max_background": int,
    "entry_timeout": float, "attr_timeout": float, "negative_timeout": float,
}
#: Of the layer that works by path: fields of `Settings`.
_SETTINGS: dict[str, Callable[[str], Any]] = {
    "direct_io": bool, "kernel_cache": bool, "use_ino": bool, "hard_remove": bool,
    "uid": int, "gid": int, "umask": _octal,
}
#: Without a meaning here: how libfuse works inside, what is always so, and other systems'.
_IGNORED = frozenset((
    "ac_attr_timeout", "allow_root", "async_read", "atomic_o_trunc", "auto_cache", "big_writes",
    "blkdev", "blksize", "clone_fd", "congestion_threshold", "intr", "intr_signal", "large_read",
    "max_idle_threads", "max_readahead", "max_threads", "modules", "no_remote_lock",
    "no_remote_posix_lock", "no_remote_flock", "noauto_cache", "noforget", "nonempty", "nopath",
    "nullpath_ok", "readdir_ino", "remember", "splice_read", "no_splice_read", "splice_write",
    "no_splice_write", "splice_move", "no_splice_move", "sync_read", "writeback_cache",
    "allow_recursion", "auto_xattr", "daemon_timeout", "defer_permissions", "iosize", "local",
    "noappledouble", "noapplexattr", "nobrowse", "volname",
))


@dataclasses.dataclass
class Settings:
    """What is asked of the layer by path. uid, gid, umask: instead of the file system's."""

    direct_io: bool = False
    kernel_cache: bool = False
    use_ino: bool = False
    hard_remove: bool = False
    uid: int | None = None
    gid: int | None = None
    umask: int | None = None


@dataclasses.dataclass
class Options:
    """Options by who is concerned. mount: text for libfb.mount(). session: keywords of it. debug:
    describe every request on standard error."""

    mount: str
    session: dict[str, Any]
    settings: Settings
    debug: bool


def _escaped(option: str) -> str:
    return option.replace("\\", "\\\\").replace(",", "\\,")


def split(options: Iterable[str]) -> Options:
    """Sort options, each "name" or "name=value". Raises ValueError for a value that is no number
    where one is needed; what nobody knows is left for the mount to refuse."""
    result = Options("", {}, Settings(), False)
    mount = []
    for option in options:
        name, has_value, value = option.partition("=")
        if name in _SESSION:
            result.session[name] = _SESSION[name](value)
        elif name in _SETTINGS:
            setattr(result.settings, name, _SETTINGS[name](value) if has_value else True)
        elif name == "debug":
            result.debug = True
        elif name not in _IGNORED:
            mount.append(_escaped(option))
    result.mount = ",".join(mount)
    return result
